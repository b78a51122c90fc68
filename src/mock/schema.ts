// Makes a value that satisfies a JSON schema, the smallest that does: required properties only.
// Covers what structured outputs and tool parameters use. Knows no wire and no request.
// https://json-schema.org/draft/2020-12/json-schema-validation

export type JsonSchema = Record<string, unknown> | boolean;

/** Deep enough for any honest schema; a recursive one ends here. */
const MAX_DEPTH = 16;

const FORMATS: Record<string, string> = {
  date: '2025-01-31',
  time: '12:00:00Z',
  'date-time': '2025-01-31T12:00:00Z',
  duration: 'PT1H',
  email: 'ada@example.com',
  hostname: 'example.com',
  ipv4: '192.0.2.1',
  ipv6: '2001:db8::1',
  uri: 'https://example.com/',
  uuid: '123e4567-e89b-42d3-a456-426614174000',
};

export function sampleOf(root: JsonSchema): unknown {
  return sample(root, root, 'value', 0);
}

/** `name` is the property the value is for: a string without a better hint becomes it. */
function sample(schema: unknown, root: JsonSchema, name: string, depth: number): unknown {
  if (!isObject(schema) || depth > MAX_DEPTH) return depth > MAX_DEPTH ? null : name;
  if ('const' in schema) return schema.const;
  if (Array.isArray(schema.enum) && schema.enum.length > 0) return schema.enum[0];
  if (Array.isArray(schema.examples) && schema.examples.length > 0) return schema.examples[0];
  if ('example' in schema) return schema.example;
  if ('default' in schema) return schema.default;
  if (typeof schema.$ref === 'string') return sample(resolve(schema.$ref, root), root, name, depth + 1);
  for (const union of [schema.anyOf, schema.oneOf]) {
    if (Array.isArray(union) && union.length > 0) return sample(union[0], root, name, depth + 1);
  }
  if (Array.isArray(schema.allOf)) return sample(merge(schema, schema.allOf, root), root, name, depth + 1);

  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  switch (type) {
    case 'string':
      return text(schema, name);
    case 'integer':
    case 'number':
      return number(schema, type === 'integer');
    case 'boolean':
      return true;
    case 'null':
      return null;
    case 'array':
      return array(schema, root, name, depth);
    case 'object':
      return object(schema, root, depth);
    default:
      if (isObject(schema.properties)) return object(schema, root, depth);
      return 'items' in schema ? array(schema, root, name, depth) : name;
  }
}

function object(schema: Record<string, unknown>, root: JsonSchema, depth: number): Record<string, unknown> {
  const properties = isObject(schema.properties) ? schema.properties : {};
  const required = Array.isArray(schema.required) ? schema.required.map(String) : [];
  return Object.fromEntries(required.map((key) => [key, sample(properties[key] ?? true, root, key, depth + 1)]));
}

function array(schema: Record<string, unknown>, root: JsonSchema, name: string, depth: number): unknown[] {
  const length = Math.min(Math.max(numeric(schema.minItems) ?? 1, 1), numeric(schema.maxItems) ?? 1000, 1000);
  return Array.from({ length }, () => sample(schema.items ?? true, root, name, depth + 1));
}

function text(schema: Record<string, unknown>, name: string): string {
  const word = (typeof schema.format === 'string' && FORMATS[schema.format]) || name;
  const longEnough = word.padEnd(Math.min(numeric(schema.minLength) ?? 0, 100_000), 'x');
  return longEnough.slice(0, numeric(schema.maxLength) ?? longEnough.length);
}

function number(schema: Record<string, unknown>, integer: boolean): number {
  const unit = numeric(schema.multipleOf) ?? (integer ? 1 : 0.5);
  const above = numeric(schema.exclusiveMinimum);
  const below = numeric(schema.exclusiveMaximum);
  const min = numeric(schema.minimum) ?? (above === undefined ? undefined : above + unit);
  const max = numeric(schema.maximum) ?? (below === undefined ? undefined : below - unit);
  if (min !== undefined && min > unit) return Math.ceil(min / unit) * unit;
  if (max !== undefined && max < unit) return Math.floor(max / unit) * unit;
  return unit;
}

function resolve(ref: string, root: JsonSchema): unknown {
  let at: unknown = root;
  for (const step of ref.replace(/^#\/?/, '').split('/').filter(Boolean)) {
    at = isObject(at) ? at[decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~')] : undefined;
  }
  return at ?? true;
}

function merge(schema: Record<string, unknown>, all: unknown[], root: JsonSchema): Record<string, unknown> {
  const { allOf: _, ...merged } = schema;
  for (const entry of all) {
    const part = isObject(entry) && typeof entry.$ref === 'string' ? resolve(entry.$ref, root) : entry;
    if (!isObject(part)) continue;
    const properties = { ...(merged.properties as object), ...(part.properties as object) };
    const required = [...((merged.required as unknown[]) ?? []), ...((part.required as unknown[]) ?? [])];
    Object.assign(merged, part, { properties, required });
  }
  return merged;
}

function numeric(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
