// The body as its API reads it, in one spelling: fields may be named in camelCase or snake_case, and a list of one may come without its
// brackets. Knows which fields hold names of the client's own, where nothing is renamed; no meaning of any field.
// https://protobuf.dev/programming-guides/json/

/** What these hold is the client's own JSON. */
const FREE = new Set([
  'args',
  'response',
  'parametersJsonSchema',
  'responseJsonSchema',
  'schema',
  'default',
  'example',
  'labels',
  'partMetadata',
]);

/** These are maps: the keys are the client's own, the values are not. */
const MAPS = new Set(['properties', 'defs', '$defs']);

const LISTS = new Set([
  'contents',
  'parts',
  'tools',
  'functionDeclarations',
  'stopSequences',
  'allowedFunctionNames',
  'responseModalities',
]);

/** A copy of `json` in camelCase, with lists where lists belong. */
export function inCamelCase(json: unknown): unknown {
  if (Array.isArray(json)) return json.map(inCamelCase);
  if (!isFields(json)) return json;
  return Object.fromEntries(
    Object.entries(json).map(([given, value]) => {
      const name = given.replace(/(?<=[a-z0-9])_([a-z])/g, (_, letter: string) => letter.toUpperCase());
      return [name, fieldOf(name, value)];
    }),
  );
}

function fieldOf(name: string, value: unknown): unknown {
  if (FREE.has(name)) return value;
  if (MAPS.has(name) && isFields(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, inCamelCase(inner)]));
  }
  const renamed = inCamelCase(value);
  return LISTS.has(name) && isFields(renamed) ? [renamed] : renamed;
}

export function isFields(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
