// A JSON schema in the words that this wire can hold a model to. What else it says goes into the description, where the model reads
// it, as the SDK does it too. Knows JSON schema; nothing of a request.
// https://platform.claude.com/docs/en/build-with-claude/structured-outputs#json-schema-limitations

export type Schema = Record<string, unknown>;

const KEPT = new Set(['type', 'enum', 'const', 'title', 'description', 'default', 'required', '$ref']);
const LISTED = new Set(['anyOf', 'allOf', 'oneOf']);
const NAMED = new Set(['properties', '$defs', 'definitions']);
/** They say nothing of the value. */
const IGNORED = new Set(['$schema', '$id', 'additionalProperties']);
const FORMATS = new Set(['date-time', 'time', 'date', 'duration', 'email', 'hostname', 'uri', 'ipv4', 'ipv6', 'uuid']);
/** Looking around, references back and word boundaries cannot be compiled. */
const HARD_PATTERN = /\(\?|\\[1-9bB]/;

/** Undefined where an object may have any properties: of such this wire has no form, and closed it would always be empty. */
export function plainSchema(schema: Schema): Schema | undefined {
  let isAnyOpen = false;

  function plain(given: unknown): unknown {
    if (typeof given !== 'object' || given === null || Array.isArray(given)) return given;
    const schema = given as Schema;
    const result: Schema = {};
    const notes: string[] = [];
    for (const [key, value] of Object.entries(schema)) {
      if (KEPT.has(key) || isCompiled(key, value)) result[key] = value;
      else if (key === 'items') result.items = plain(value);
      else if (LISTED.has(key) && Array.isArray(value)) result[key === 'oneOf' ? 'anyOf' : key] = value.map(plain);
      else if (NAMED.has(key)) result[key] = plainEach(value);
      else if (!IGNORED.has(key)) notes.push(`${key}: ${JSON.stringify(value)}`);
    }
    if (isObject(schema)) {
      isAnyOpen ||= isOpen(schema);
      result.additionalProperties = false;
    }
    if (notes.length > 0) {
      const note = `{${notes.join(', ')}}`;
      result.description = schema.description ? `${schema.description}\n\n${note}` : note;
    }
    return result;
  }

  function plainEach(named: unknown): unknown {
    if (typeof named !== 'object' || named === null) return named;
    return Object.fromEntries(Object.entries(named).map(([name, schema]) => [name, plain(schema)]));
  }

  const result = plain(schema) as Schema;
  return isAnyOpen ? undefined : result;
}

function isCompiled(key: string, value: unknown): boolean {
  if (key === 'format') return FORMATS.has(String(value));
  if (key === 'pattern') return !HARD_PATTERN.test(String(value));
  return key === 'minItems' && (value === 0 || value === 1);
}

function isObject({ type, properties }: Schema): boolean {
  return type === 'object' || (Array.isArray(type) && type.includes('object')) || properties !== undefined;
}

function isOpen({ additionalProperties, properties }: Schema): boolean {
  if (typeof additionalProperties === 'object' && additionalProperties !== null) return true;
  return additionalProperties !== false && properties === undefined;
}
