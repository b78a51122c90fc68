// The Responses request: each field of a chat request as this wire says it, or left out and listed, or refused by name. Nothing is
// stored at the provider unless asked for, as in Chat Completions; reasoning is asked for in the form that can be given back.
// Knows the fields; messages are in openai-responses.input.ts. No HTTP.
// https://platform.openai.com/docs/guides/migrate-to-responses
import type { ChatRequest, Tool } from '../../core/chat.ts';
import type { Translation } from '../../core/contracts.ts';
import { effortOf, reasoningWish } from '../reasoning.ts';
import { type Reader, readRequest } from '../translate.ts';
import { inputOf } from './input.ts';
import { type ModelTraits, nearestEffort, traitsOf } from './models.ts';

export interface OpenAiResponsesRequestConfig {
  /**
   * Fields that this vendor refuses; they are left out. Beside the chat request's own: those of this wire's body (`include`,
   * `store`), and `reasoning.summary`, which an organisation must be verified for.
   */
  drop?: string[];
}

type Fields = Record<string, unknown>;

/** Fields that both of this vendor's APIs have, and mean alike. */
const SAME = [
  'metadata',
  'moderation',
  'parallel_tool_calls',
  'prompt_cache_key',
  'prompt_cache_options',
  'prompt_cache_retention',
  'safety_identifier',
  'service_tier',
  'user',
];

/** Less is refused, though other wires take it. */
const LEAST_OUTPUT = 16;

export function openaiResponsesRequest(
  { drop = [] }: OpenAiResponsesRequestConfig,
  chat: ChatRequest,
  model: string,
  vendor?: Fields,
): Translation {
  const reader = readRequest(chat, 'openai-responses', drop);
  const traits = traitsOf(model);
  const reasoning = reasoningOf(reader, traits);
  if (reasoning && drop.includes('reasoning.summary')) delete reasoning.summary;
  const tools = reader.take('tools') ?? [];
  const body: Fields = {
    model,
    stream: true,
    store: reader.take('store') ?? false,
    ...(traits.efforts.length > 0 && { include: ['reasoning.encrypted_content'] }),
    ...(reasoning && { reasoning }),
    ...sampling(reader, traits, reasoning?.effort),
    ...outputLimit(reader),
    ...textOf(reader),
    ...toolFields(reader, tools),
    ...streamOptions(chat),
    input: inputOf(chat, { reader, custom: new Set(tools.flatMap(customName)), breakpoints: traits.breakpoints }),
  };
  for (const field of SAME) {
    const value = reader.take(field);
    if (value !== undefined) body[field] = value;
  }
  for (const field of drop) delete body[field];
  return reader.finish(body, vendor);
}

/** A request that came in this wire's own words. Usage comes with the last event, unasked. */
export function adoptedRequest({ drop = [] }: OpenAiResponsesRequestConfig, given: Fields, model: string): Translation {
  const body: Fields = { ...given, model, stream: true };
  const dropped = drop.filter((field) => body[field] != null);
  for (const field of dropped) delete body[field];
  const { summary, ...reasoning } = (body.reasoning ?? {}) as Fields;
  if (drop.includes('reasoning.summary') && summary != null) {
    body.reasoning = reasoning;
    dropped.push('reasoning.summary');
  }
  return { body, dropped };
}

/** A summary is all that is shown of the reasoning, and only if asked for. */
function reasoningOf(reader: Reader, traits: ModelTraits): { effort?: string; summary?: string } | undefined {
  const wish = reasoningWish(reader);
  const given = reader.take('reasoning');
  const field = given ? 'reasoning' : 'reasoning_effort';
  const summary = given?.summary ?? 'auto';
  if (traits.efforts.length === 0) {
    if (given?.summary || (wish && wish.kind !== 'off')) reader.drop(field);
    return undefined;
  }
  switch (wish?.kind) {
    case undefined:
      return given?.summary ? { summary } : undefined;
    case 'off':
      if (traits.efforts[0] !== 'none') reader.drop(field); // this model cannot but reason: it does so least
      return { effort: traits.efforts[0]! };
    case 'on':
      return { summary };
    case 'effort':
      return { effort: nearestEffort(traits, wish.effort), summary };
    case 'budget':
      return { effort: nearestEffort(traits, effortOf(wish.budget)), summary };
    default:
      return wish satisfies never;
  }
}

/** A model that reasons refuses the whole request for these two. */
function sampling(reader: Reader, { untold }: ModelTraits, effort: string | undefined): Fields {
  const reasons = untold === 'reasons' ? effort !== 'none' : untold === 'answers' && (effort ?? 'none') !== 'none';
  const given: Fields = {};
  for (const field of ['temperature', 'top_p'] as const) {
    const value = reader.take(field);
    if (value === undefined) continue;
    if (reasons) reader.drop(field);
    else given[field] = value;
  }
  return given;
}

function outputLimit(reader: Reader): Fields {
  const [limit, older] = [reader.take('max_completion_tokens'), reader.take('max_tokens')];
  const tokens = limit ?? older;
  if (tokens === undefined) return {};
  if (tokens < LEAST_OUTPUT) reader.drop(limit === undefined ? 'max_tokens' : 'max_completion_tokens');
  return { max_output_tokens: Math.max(tokens, LEAST_OUTPUT) };
}

function textOf(reader: Reader): Fields {
  const verbosity = reader.take('verbosity');
  const format = formatOf(reader);
  if (verbosity === undefined && !format) return {};
  return { text: { ...(format && { format }), ...(verbosity !== undefined && { verbosity }) } };
}

function formatOf(reader: Reader): Fields | undefined {
  const wanted = reader.take('response_format');
  const type = wanted?.type;
  switch (type) {
    case undefined:
    case 'text':
      return undefined;
    case 'json_object':
      return { type: 'json_object' };
    case 'json_schema': {
      const { name, description, schema, strict } = (wanted!.json_schema ?? {}) as Fields;
      if (!schema) return reader.refuse('response_format.json_schema.schema', 'expected a schema');
      return {
        type: 'json_schema',
        name: name ?? 'answer',
        ...(description != null && { description }),
        schema,
        strict: strict ?? false,
      };
    }
    default:
      return type satisfies never;
  }
}

function toolFields(reader: Reader, given: Tool[]): Fields {
  const tools = given.map((tool, at) => toolOf(tool, `tools[${at}]`, reader));
  const search = reader.take('web_search_options');
  if (search) tools.push(searchTool(search as Fields));
  const choice = reader.take('tool_choice');
  return {
    ...(tools.length > 0 && { tools }),
    ...(choice !== undefined && { tool_choice: typeof choice === 'string' ? choice : choiceOf(choice, reader) }),
  };
}

/** The two kinds that Chat Completions has, unwrapped; one that only this API has goes as it came. */
function toolOf(tool: Tool, param: string, reader: Reader): Fields {
  const { cache_control, ...given } = tool;
  if (cache_control) reader.drop('cache_control');
  if (tool.type === 'custom' && tool.custom) return customTool(tool.custom as Fields);
  if (tool.type !== 'function') return given;
  if (!tool.function) return reader.refuse(`${param}.function`, 'expected a function');
  const { name, description, parameters, strict } = tool.function;
  return {
    type: 'function',
    name,
    ...(description != null && { description }),
    parameters: parameters ?? { type: 'object', properties: {}, additionalProperties: false },
    strict: strict ?? false, // left out, it means yes here and no in Chat Completions
  };
}

function customTool({ name, description, format }: Fields): Fields {
  const { type, grammar } = (format ?? {}) as { type?: string; grammar?: Fields };
  return {
    type: 'custom',
    name,
    ...(description != null && { description }),
    ...(format != null && { format: type === 'grammar' && grammar ? { type, ...grammar } : format }),
  };
}

function customName(tool: Tool): string[] {
  const { name } = (tool.custom ?? tool) as Fields;
  return tool.type === 'custom' && typeof name === 'string' ? [name] : [];
}

/** There a property of some models, here a tool that the provider runs. */
function searchTool({ search_context_size, user_location }: Fields): Fields {
  const { approximate } = (user_location ?? {}) as { approximate?: Fields };
  return {
    type: 'web_search',
    ...(search_context_size != null && { search_context_size }),
    ...(approximate && { user_location: { type: 'approximate', ...approximate } }),
  };
}

function choiceOf(choice: Fields & { type: string }, reader: Reader): Fields {
  switch (choice.type) {
    case 'function':
    case 'custom':
      return { type: choice.type, name: nameIn(choice, 'tool_choice', reader) };
    case 'allowed_tools': {
      const { mode, tools } = (choice.allowed_tools ?? choice) as { mode?: unknown; tools?: Fields[] };
      const allowed = (tools ?? []).map((tool, at) =>
        tool.type === 'function' || tool.type === 'custom'
          ? { type: tool.type, name: nameIn(tool, `tool_choice.allowed_tools.tools[${at}]`, reader) }
          : tool,
      );
      return { type: 'allowed_tools', mode: mode ?? 'auto', tools: allowed };
    }
    default:
      return choice;
  }
}

function nameIn(choice: Fields, param: string, reader: Reader): unknown {
  const named = choice[choice.type as string] as Fields | undefined;
  return named?.name ?? choice.name ?? reader.refuse(`${param}.${choice.type}.name`, 'expected the name of a tool');
}

/** Padding against listeners costs bandwidth; who trusts the line may turn it off. */
function streamOptions(chat: ChatRequest): Fields {
  const padding = (chat.stream_options as Fields | null | undefined)?.include_obfuscation;
  return typeof padding === 'boolean' ? { stream_options: { include_obfuscation: padding } } : {};
}
