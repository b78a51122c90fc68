// Tools, the choice among them, and the form of the answer. Knows the request's fields for these; no messages, no model by name.
// https://platform.claude.com/docs/en/agents-and-tools/tool-use/define-tools
// https://platform.claude.com/docs/en/build-with-claude/structured-outputs
import type Anthropic from '@anthropic-ai/sdk';
import { cacheOf } from '../conversation.ts';
import type { Reader } from '../translate.ts';
import { cached } from './content.ts';
import type { ModelTraits } from './models.ts';
import { plainSchema, type Schema } from './schema.ts';

export function toolsOf(reader: Reader, { schemas }: ModelTraits): Anthropic.Tool[] {
  return (reader.take('tools') ?? []).map((tool, at) => {
    const { type, function: called } = tool;
    if (type !== 'function' || !called) {
      return reader.refuse(
        `tools[${at}]`,
        'expected a function; tools of the provider itself go into vendor.anthropic',
      );
    }
    const given: Schema = called.parameters ?? { properties: {} };
    const strict = called.strict && schemas ? plainSchema(given) : undefined;
    if (called.strict && !strict) reader.drop('tools.strict');
    return {
      name: called.name,
      ...(called.description && { description: called.description }),
      input_schema: { type: 'object', ...(strict ?? given) },
      ...(strict && { strict: true }),
      ...cached(cacheOf(tool)),
    };
  });
}

export function toolChoiceOf(
  reader: Reader,
  { forcedTools }: ModelTraits,
  hasTools: boolean,
): Anthropic.ToolChoice | undefined {
  const choice = reader.take('tool_choice') ?? 'auto';
  const alone = reader.take('parallel_tool_calls') === false && { disable_parallel_tool_use: true };
  if (choice === 'none') return hasTools ? { type: 'none' } : undefined;
  if (choice === 'auto') return hasTools && alone ? { type: 'auto', ...alone } : undefined;
  if (!hasTools) return reader.refuse('tool_choice', 'a call is demanded, but no tools are given');
  if (!forcedTools)
    return reader.refuse('tool_choice', 'this model cannot be made to call a tool; expected auto or none');
  if (choice === 'required') return { type: 'any', ...alone };
  const { name } = (choice.function ?? {}) as { name?: unknown };
  if (choice.type === 'function' && typeof name === 'string') return { type: 'tool', name, ...alone };
  return reader.refuse('tool_choice', 'expected none, auto, required, or {type: "function", function: {name}}');
}

export function formatOf(reader: Reader, { schemas }: ModelTraits): Anthropic.JSONOutputFormat | undefined {
  const format = reader.take('response_format');
  if (!format || format.type === 'text') return undefined;
  if (format.type === 'json_object') {
    // Here JSON has a given shape, or is text. Who asks for any JSON has to say so in the prompt anyway.
    reader.drop('response_format');
    return undefined;
  }
  const { schema, description } = (format.json_schema ?? {}) as { schema?: Schema; description?: string };
  const param = 'response_format.json_schema.schema';
  if (typeof schema !== 'object' || schema === null) return reader.refuse(param, 'expected a JSON schema');
  if (!schemas) return reader.refuse('response_format', 'this model cannot be held to a JSON schema');
  const plain = plainSchema(description ? { description, ...schema } : schema);
  if (plain) return { type: 'json_schema', schema: plain };
  return reader.refuse(param, 'this wire takes no objects with arbitrary properties (additionalProperties)');
}
