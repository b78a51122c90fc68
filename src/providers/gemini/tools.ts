// Functions, the choice among them, and the form of the answer. Knows the request's fields for these; no messages, no model by name.
// https://ai.google.dev/gemini-api/docs/function-calling https://ai.google.dev/gemini-api/docs/structured-output
import type { FunctionDeclaration, GenerationConfig } from '@google/genai';
import type { Tool } from '../../core/chat.ts';
import { cacheOf } from '../conversation.ts';
import type { Reader } from '../translate.ts';

interface Tools {
  tools?: { functionDeclarations: FunctionDeclaration[] }[];
  toolConfig?: { functionCallingConfig: CallingConfig };
}
interface CallingConfig {
  mode: 'AUTO' | 'ANY' | 'NONE' | 'VALIDATED';
  allowedFunctionNames?: string[];
}

export function toolsOf(reader: Reader): Tools {
  const given = reader.take('tools') ?? [];
  if (given.some((tool) => cacheOf(tool))) reader.drop('cache_control');
  const functionDeclarations = given.map((tool, at) => declarationOf(tool, `tools[${at}]`, reader));
  const strict = given.some((tool) => tool.function?.strict);
  const functionCallingConfig = callingOf(reader, functionDeclarations.length > 0, strict);
  if (functionDeclarations.length === 0) return {};
  return { tools: [{ functionDeclarations }], ...(functionCallingConfig && { toolConfig: { functionCallingConfig } }) };
}

function declarationOf({ type, function: called }: Tool, param: string, reader: Reader): FunctionDeclaration {
  if (type !== 'function' || !called) {
    return reader.refuse(param, 'expected a function; tools of the provider itself go into vendor.gemini');
  }
  const { name, description, parameters } = called;
  return {
    name,
    ...(description && { description }),
    // Schemas as they are. The older `parameters` takes a dialect of its own.
    ...(parameters && Object.keys(parameters).length > 0 && { parametersJsonSchema: parameters }),
  };
}

/** `strict` holds arguments to their schema. Here that is a way of choosing, for all functions; a forced call is held to it anyway. */
function callingOf(reader: Reader, hasTools: boolean, strict: boolean): CallingConfig | undefined {
  const choice = reader.take('tool_choice') ?? 'auto';
  if (choice === 'auto') return strict ? { mode: 'VALIDATED' } : undefined;
  if (choice === 'none') return { mode: 'NONE' };
  if (!hasTools) return reader.refuse('tool_choice', 'a call is demanded, but no tools are given');
  if (choice === 'required') return { mode: 'ANY' };
  if (choice.type === 'function') {
    const name = nameOf(choice);
    if (name !== undefined) return { mode: 'ANY', allowedFunctionNames: [name] };
  }
  if (choice.type === 'allowed_tools') {
    const { mode, tools } = (choice.allowed_tools ?? {}) as { mode?: unknown; tools?: unknown };
    const names = Array.isArray(tools) ? tools.map(nameOf) : [];
    if (names.length > 0 && names.every((name) => name !== undefined)) {
      return { mode: mode === 'required' ? 'ANY' : 'VALIDATED', allowedFunctionNames: names };
    }
  }
  return reader.refuse(
    'tool_choice',
    'expected none, auto, required, {type: "function", function: {name}} or allowed_tools',
  );
}

function nameOf(choice: unknown): string | undefined {
  const { name } = ((choice as { function?: unknown } | null)?.function ?? {}) as { name?: unknown };
  return typeof name === 'string' ? name : undefined;
}

export function formatOf(reader: Reader): Pick<GenerationConfig, 'responseMimeType' | 'responseJsonSchema'> {
  const format = reader.take('response_format');
  if (!format || format.type === 'text') return {};
  const json = { responseMimeType: 'application/json' };
  if (format.type === 'json_object') return json;
  const { schema, description } = (format.json_schema ?? {}) as { schema?: unknown; description?: string };
  if (typeof schema !== 'object' || schema === null) {
    return reader.refuse('response_format.json_schema.schema', 'expected a JSON schema');
  }
  const plain = withoutConst(schema as Schema);
  return { ...json, responseJsonSchema: description ? { description, ...plain } : plain };
}

type Schema = Record<string, unknown>;

/** Keywords whose value is a schema or a list of them, and those whose values are schemas by name. */
const INNER = ['items', 'additionalProperties', 'anyOf', 'oneOf', 'prefixItems'];
const NAMED = ['properties', '$defs'];

/** The wire's subset of JSON Schema has no `const`; an `enum` of one value says the same. */
function withoutConst(schema: Schema): Schema {
  const { const: only, ...plain } = schema;
  if (only !== undefined) plain.enum = [only];
  for (const keyword of INNER) if (keyword in plain) plain[keyword] = eachSchema(plain[keyword]);
  for (const keyword of NAMED) {
    const named = plain[keyword];
    if (!isSchema(named)) continue;
    plain[keyword] = Object.fromEntries(Object.entries(named).map(([name, inner]) => [name, eachSchema(inner)]));
  }
  return plain;
}

function eachSchema(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(eachSchema);
  return isSchema(value) ? withoutConst(value) : value;
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
