// The Messages request: a chat request in this wire's words, each field taken, refused or left out aloud. Knows the fields of the body;
// what goes into the larger ones is in the files beside it. No HTTP.
// https://platform.claude.com/docs/en/api/messages/create
import type Anthropic from '@anthropic-ai/sdk';
import type { ChatRequest } from '../../core/chat.ts';
import type { Translation } from '../../core/contracts.ts';
import { cacheOf } from '../conversation.ts';
import { type Reader, readRequest } from '../translate.ts';
import { thinMarks } from './content.ts';
import { conversationOf } from './messages.ts';
import { type ModelTraits, traitsOf } from './models.ts';
import { type Sampling, samplingOf, thinkingOf } from './thinking.ts';
import { formatOf, toolChoiceOf, toolsOf } from './tools.ts';

export interface AnthropicRequestConfig {
  /** Of the API, as in the header `anthropic-version`. */
  version?: string;
  /** Limit of an answer where the client gives none, thinking included. Without it: all that the model can. */
  maxTokens?: number;
  /** How models are told to think, where the table of models (models.ts) has it wrong. */
  thinking?: 'adaptive' | 'budget';
  /** Fields that are left out for this provider; the client is told. */
  drop?: string[];
}

/**
 * The version with which old models still take sampling parameters. The next one differs in nothing else that is sent from here.
 * https://platform.claude.com/docs/en/api/migration-2026-10-21
 */
export const DEFAULT_VERSION = '2023-06-01';

type Body = Omit<Anthropic.MessageCreateParamsStreaming, keyof Sampling> & Sampling;

export function anthropicRequest(
  config: AnthropicRequestConfig,
  chat: ChatRequest,
  model: string,
  vendor?: Record<string, unknown>,
): Translation {
  const reader = readRequest(chat, 'anthropic', config.drop);
  const known = traitsOf(model);
  const traits: ModelTraits = config.thinking ? { ...known, thinking: config.thinking } : known;

  const { system, messages, midTurn } = conversationOf(chat, reader, traits);
  const tools = toolsOf(reader, traits);
  const tool_choice = toolChoiceOf(reader, traits, tools.length > 0);
  const forced = tool_choice?.type === 'any' || tool_choice?.type === 'tool';
  const { effort, ...limits } = thinkingOf(chat, reader, traits, { maxTokens: config.maxTokens, forced, midTurn });
  const isThinking = limits.thinking?.type === 'adaptive' || limits.thinking?.type === 'enabled';
  const format = formatOf(reader, traits);
  const cache_control = automaticCache(reader);
  thinMarks([...tools, ...system, ...messages.flatMap(blocksOf)], cache_control ? 1 : 0, reader);

  const body: Body = {
    model,
    ...limits,
    ...(system.length > 0 && { system: plainSystem(system) }),
    messages,
    ...(tools.length > 0 && { tools }),
    ...(tool_choice && { tool_choice }),
    ...((effort || format) && { output_config: { ...(effort && { effort }), ...(format && { format }) } }),
    ...samplingOf(reader, traits, isThinking, config.version ?? DEFAULT_VERSION),
    ...stopsOf(reader),
    ...userOf(reader),
    ...tierOf(reader),
    ...(cache_control && { cache_control }),
    stream: true,
  };
  return reader.finish(body as unknown as Record<string, unknown>, vendor);
}

function blocksOf({ content }: Anthropic.MessageParam): { cache_control?: unknown }[] {
  return content as { cache_control?: unknown }[];
}

function plainSystem(system: Anthropic.TextBlockParam[]): Anthropic.MessageCreateParams['system'] {
  return system.length === 1 && !system[0]!.cache_control ? system[0]!.text : system;
}

/** A hint on the whole request: the end of the prompt is marked, wherever that is. */
function automaticCache(reader: Reader): Anthropic.CacheControlEphemeral | undefined {
  const cache_control = reader.take('cache_control');
  const hint = cacheOf({ cache_control });
  return hint && { type: 'ephemeral', ...hint };
}

function stopsOf(reader: Reader): { stop_sequences?: string[] } {
  const stops = [reader.take('stop') ?? []].flat();
  for (const stop of stops) {
    if (stop.trim() === '') reader.refuse('stop', 'this wire does not stop at white space alone');
  }
  return stops.length > 0 ? { stop_sequences: stops } : {};
}

const MAX_USER = 256;

function userOf(reader: Reader): { metadata?: Anthropic.Metadata } {
  const user = reader.take('user');
  const id = reader.take('safety_identifier') ?? user;
  if (typeof id !== 'string' || id === '') return {};
  if (id.length > MAX_USER) {
    reader.drop('user');
    return {};
  }
  return { metadata: { user_id: id } };
}

/** `auto` here takes the priority that the account has paid for, if any. */
function tierOf(reader: Reader): { service_tier?: 'auto' | 'standard_only' } {
  const tier = reader.take('service_tier');
  switch (tier) {
    case undefined:
    case 'auto':
      return {};
    case 'default':
    case 'standard_only':
      return { service_tier: 'standard_only' };
    case 'priority':
      return { service_tier: 'auto' };
    default:
      reader.drop('service_tier');
      return {};
  }
}
