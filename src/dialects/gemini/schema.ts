// The older of this API's two ways to write a schema, a part of OpenAPI's, as JSON Schema. Knows the keywords; nothing of a request.
// https://ai.google.dev/api/caching#Schema
import { isFields } from './names.ts';

type Schema = Record<string, unknown>;

/** Counts are 64 bits wide, which JSON writes as text. */
const COUNTS = ['minItems', 'maxItems', 'minLength', 'maxLength', 'minProperties', 'maxProperties'];

export function jsonSchemaOf({ type, nullable, format, example, propertyOrdering: _order, ...rest }: Schema): Schema {
  const schema: Schema = { ...typeOf(type, nullable === true), ...rest };
  if (format !== undefined && format !== 'enum') schema.format = format;
  if (example !== undefined) schema.examples = [example];
  for (const count of COUNTS) if (typeof schema[count] === 'string') schema[count] = Number(schema[count]);
  if (isFields(schema.items)) schema.items = jsonSchemaOf(schema.items);
  if (Array.isArray(schema.anyOf)) schema.anyOf = schema.anyOf.map((one) => (isFields(one) ? jsonSchemaOf(one) : one));
  if (isFields(schema.properties)) {
    schema.properties = Object.fromEntries(
      Object.entries(schema.properties).map(([name, one]) => [name, isFields(one) ? jsonSchemaOf(one) : one]),
    );
  }
  if (nullable === true && Array.isArray(schema.enum)) schema.enum = [...schema.enum, null];
  return schema;
}

/** Written in capitals, but whoever has a JSON Schema at hand writes it small, and the API takes both. */
function typeOf(type: unknown, nullable: boolean): Schema {
  if (Array.isArray(type)) return { type };
  if (typeof type !== 'string' || type === 'TYPE_UNSPECIFIED') return {};
  const name = type.toLowerCase();
  return { type: nullable ? [name, 'null'] : name };
}
