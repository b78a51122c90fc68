// Reads JSON as an API does whose requests are protocol buffers: fields by their type, names in camelCase or snake_case, and every
// mistake reported at once in that API's words. Knows descriptors; no vendor and no rule beyond types.
// https://protobuf.dev/programming-guides/json/

export type ProtoType =
  | 'string'
  | 'int32'
  | 'int64'
  | 'float'
  | 'bool'
  | 'bytes'
  /** A JSON object with anything in it. */
  | 'struct'
  /** Any JSON. */
  | 'value'
  | { enum: string; values: readonly string[] }
  | { repeated: ProtoType }
  | { map: ProtoType }
  | Message;

export interface Message {
  /** The full type name, as errors say it. */
  message: string;
  /** A function, because messages may hold themselves. Names in camelCase. */
  fields: () => Record<string, ProtoType>;
  /** Fields of which one may be set. */
  oneof?: { name: string; fields: readonly string[] };
}

/** `field` is missing where the mistake is in the root object. */
export interface Violation {
  field?: string;
  description: string;
}

/** The message with its names in camelCase, and what is wrong with it. Its value is whole only where nothing is. */
export function readProto(
  message: Message,
  json: unknown,
): { value: Record<string, unknown>; violations: Violation[] } {
  const violations: Violation[] = [];
  if (!isObject(json)) {
    return { value: {}, violations: [unknownName('', '', 'Root element must be a message.')] };
  }
  return { value: readMessage(message, json, '', violations), violations };
}

function readMessage(message: Message, json: unknown, path: string, found: Violation[]): Record<string, unknown> {
  if (!isObject(json)) {
    found.push(invalid(path, `type.googleapis.com/${message.message}`, json));
    return {};
  }
  const fields = message.fields();
  const value: Record<string, unknown> = {};
  let chosen = false;
  for (const [given, entry] of Object.entries(json)) {
    const name = Object.hasOwn(fields, given) ? given : Object.keys(fields).find((name) => toSnake(name) === given);
    if (name === undefined) found.push(unknownName(given, path, 'Cannot find field.'));
    else if (entry !== null) {
      if (message.oneof?.fields.includes(name)) {
        if (chosen) found.push(alreadySet(message.oneof.name, given, path));
        chosen = true;
      }
      const at = path === '' ? toSnake(name) : `${path}.${toSnake(name)}`;
      const type = fields[name]!;
      if (Array.isArray(entry) && !takesList(type)) {
        found.push(unknownName(given, path, 'Proto field is not repeating, cannot start list.'));
      } else value[name] = readField(type, entry, at, found);
    }
  }
  return value;
}

function readField(type: ProtoType, json: unknown, path: string, found: Violation[]): unknown {
  if (typeof type === 'string') return readScalar(type, json, path, found);
  if ('message' in type) return readMessage(type, json, path, found);
  if ('repeated' in type) {
    // One element without its list is taken for the list.
    if (!Array.isArray(json)) return [readField(type.repeated, json, path, found)];
    return json.map((entry, at) => readField(type.repeated, entry, `${path}[${at}]`, found));
  }
  if ('map' in type) {
    if (!isObject(json)) {
      found.push(invalid(path, 'Map', json));
      return {};
    }
    return Object.fromEntries(
      Object.entries(json).map(([key, entry], at) => [key, readField(type.map, entry, `${path}[${at}].value`, found)]),
    );
  }
  const known = typeof json === 'string' && type.values.find((value) => value === json.toUpperCase());
  if (!known) found.push(invalid(path, `type.googleapis.com/${type.enum}`, json));
  return known;
}

function readScalar(type: Extract<ProtoType, string>, json: unknown, path: string, found: Violation[]): unknown {
  switch (type) {
    case 'value':
      return json;
    case 'struct':
      if (!isObject(json)) found.push(invalid(path, 'type.googleapis.com/google.protobuf.Struct', json));
      return json;
    case 'string':
    case 'bool': {
      const right = typeof json === (type === 'bool' ? 'boolean' : 'string');
      if (!right) found.push(invalid(path, type === 'bool' ? 'TYPE_BOOL' : 'TYPE_STRING', json));
      return json;
    }
    case 'bytes':
      if (typeof json !== 'string') found.push(invalid(path, 'TYPE_BYTES', json));
      else if (!BASE64.test(json)) {
        const description = `Invalid value at '${path}' (TYPE_BYTES), Base64 decoding failed for ${shown(json)}`;
        found.push({ field: path, description });
      }
      return json;
    case 'float':
    case 'int32':
    case 'int64': {
      const number = typeof json === 'string' && json.trim() !== '' ? Number(json) : json;
      if (!fits(type, number)) found.push(invalid(path, `TYPE_${type.toUpperCase()}`, json));
      return number;
    }
    default:
      return type satisfies never;
  }
}

const BASE64 = /^[A-Za-z0-9+/_-]*={0,2}$/;
const INT32 = 2 ** 31;

function fits(type: 'float' | 'int32' | 'int64', number: unknown): number is number {
  if (typeof number !== 'number' || Number.isNaN(number)) return false;
  if (type === 'float') return true;
  return Number.isInteger(number) && (type === 'int64' || (number >= -INT32 && number < INT32));
}

function takesList(type: ProtoType): boolean {
  return type === 'value' || type === 'struct' || (typeof type === 'object' && 'repeated' in type);
}

function invalid(path: string, type: string, json: unknown): Violation {
  return { field: path, description: `Invalid value at '${path}' (${type}), ${shown(json)}` };
}

function unknownName(name: string, path: string, why: string): Violation {
  const at = path === '' ? '' : ` at '${path}'`;
  const description = `Invalid JSON payload received. Unknown name "${name}"${at}: ${why}`;
  return path === '' ? { description } : { field: path, description };
}

function alreadySet(oneof: string, name: string, path: string): Violation {
  const description = `Invalid value at '${path}' (oneof), oneof field '${oneof}' is already set. Cannot set '${name}'`;
  return { field: path, description };
}

/** Errors quote what was sent, but not megabytes of it. */
function shown(json: unknown): string {
  const text = JSON.stringify(json);
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

function toSnake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
