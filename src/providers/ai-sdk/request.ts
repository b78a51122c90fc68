// A chat request as call options of the AI SDK's specification, versions 2 to 4. Pure: which package gets them, and whether it can do
// all that the specification can, is not known here. What only one package understands stands in `providerOptions`, which a client
// gives as its own fields for this wire.
// https://github.com/vercel/ai/tree/main/packages/provider/src/language-model
import type { ChatRequest, Tool } from '../../core/chat.ts';
import type { Translation } from '../../core/contracts.ts';
import { turnsOf } from '../conversation.ts';
import { effortOf, type ReasoningWish, reasoningWish } from '../reasoning.ts';
import { type Reader, readRequest } from '../translate.ts';
import { DETAIL_FORMAT } from './blocks.ts';
import { promptOf, type SpecVersion } from './prompt.ts';

export interface AiSdkTarget {
  model: string;
  version: SpecVersion;
  /** The package's name for itself, as its models say it: `vendor.chat`. */
  provider: string;
}

/** The fields that are Millrace's to set. */
const OURS = ['prompt', 'abortSignal', 'headers', 'includeRawChunks'];

export function aiSdkRequest(
  chat: ChatRequest,
  { model, version, provider }: AiSdkTarget,
  drop: readonly string[],
  vendor: Record<string, unknown> = {},
): Translation {
  const reader = readRequest(chat, 'ai-sdk', drop);
  for (const field of OURS) {
    if (Object.hasOwn(vendor, field))
      reader.refuse(`vendor.ai-sdk.${field}`, 'expected providerOptions and settings only');
  }
  const olderLimit = reader.take('max_tokens');
  const stop = reader.take('stop');
  const options = {
    prompt: promptOf(turnsOf(chat, reader, DETAIL_FORMAT), { version, reader, vendor: provider.split('.', 1)[0]! }),
    maxOutputTokens: reader.take('max_completion_tokens') ?? olderLimit,
    temperature: reader.take('temperature'),
    topP: reader.take('top_p'),
    topK: reader.take('top_k'),
    presencePenalty: reader.take('presence_penalty'),
    frequencyPenalty: reader.take('frequency_penalty'),
    seed: reader.take('seed'),
    stopSequences: typeof stop === 'string' ? [stop] : stop,
    responseFormat: formatOf(reader),
    tools: toolsOf(reader, version),
    toolChoice: choiceOf(reader),
    // Versions before the fourth leave it to each package's own options.
    reasoning: version === 'v4' ? effortWord(reasoningWish(reader)) : undefined,
  };
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const { body, dropped } = reader.finish(Object.fromEntries(given), vendor);
  return { body: { ...(body as object), model }, dropped };
}

function formatOf(reader: Reader): object | undefined {
  const format = reader.take('response_format');
  if (!format || format.type === 'text') return undefined;
  if (format.type === 'json_object') return { type: 'json' };
  const wanted = format.json_schema;
  if (typeof wanted !== 'object' || wanted === null)
    return reader.refuse('response_format.json_schema', 'expected an object');
  const { schema, name, description, strict } = wanted as Record<string, unknown>;
  if (strict) reader.drop('response_format.json_schema.strict');
  return {
    type: 'json',
    ...(schema != null && { schema }),
    ...(name != null && { name }),
    ...(description != null && { description }),
  };
}

function toolsOf(reader: Reader, version: SpecVersion): object[] | undefined {
  const tools = reader.take('tools');
  if (!tools?.length) return undefined;
  return tools.map((tool, at) => toolOf(tool, `tools[${at}]`, reader, version));
}

function toolOf(tool: Tool, param: string, reader: Reader, version: SpecVersion): object {
  if (tool.type !== 'function' || !tool.function)
    return reader.refuse(param, 'expected a function; tools of the vendor go into vendor["ai-sdk"].tools');
  if (tool.cache_control) reader.drop('cache_control');
  const { name, description, parameters, strict } = tool.function;
  const isStrict = strict === true && version !== 'v2';
  if (strict === true && !isStrict) reader.drop('tools.function.strict');
  return {
    type: 'function',
    name,
    ...(description != null && { description }),
    inputSchema: parameters ?? { type: 'object', properties: {} },
    ...(isStrict && { strict }),
  };
}

function choiceOf(reader: Reader): object | undefined {
  const choice = reader.take('tool_choice');
  if (choice === undefined) return undefined;
  if (typeof choice === 'string') return { type: choice };
  const toolName = (choice.function as { name?: unknown } | undefined)?.name;
  if (choice.type === 'function' && typeof toolName === 'string') return { type: 'tool', toolName };
  return reader.refuse('tool_choice', 'expected none, auto, required or a function by its name');
}

function effortWord(wish: ReasoningWish | undefined): string | undefined {
  switch (wish?.kind) {
    case undefined:
      return undefined;
    case 'off':
      return 'none';
    case 'on':
      return 'medium'; // the specification has no word for "as you see fit" that turns it on
    case 'effort':
      return wish.effort;
    case 'budget':
      return effortOf(wish.budget);
    default:
      return wish satisfies never;
  }
}
