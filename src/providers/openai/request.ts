// The Chat Completions request: a chat request as it came, less what this vendor refuses and what other wires made for themselves.
// Fields that Millrace does not know go along, for a vendor who does. Knows this wire; no HTTP.
// https://platform.openai.com/docs/api-reference/chat/create
import { type ChatRequest, chatFields, type Message, TRANSLATED } from '../../core/chat.ts';
import type { Translation } from '../../core/contracts.ts';
import { effortOf, reasoningWish } from '../reasoning.ts';
import { overlay, readRequest } from '../translate.ts';

export interface OpenAiRequestConfig {
  /** Ask for usage in the stream. False for a vendor that refuses the option or sends usage anyway. Default true. */
  streamUsage?: boolean;
  /** Rename the token limit for a vendor that accepts only one of its two names. */
  maxTokensField?: 'max_tokens' | 'max_completion_tokens';
  /** Fields that this vendor refuses; they are left out, and the client is told. */
  drop?: string[];
  /** Fields beyond this wire's own that this vendor has a place for. */
  keep?: Extension[];
}

/** What the chat request has beyond this wire: hints that one aggregator of vendors takes and that others refuse. */
export type Extension = 'cache_control' | 'reasoning' | 'reasoning_details';

/** Always streamed, also for a client that wants it whole: an answer under way can be cancelled, timed and metered. */
export function openAiRequest(
  config: OpenAiRequestConfig,
  chat: ChatRequest,
  model: string,
  vendor: Record<string, unknown> = {},
): Translation {
  const { keep = [], drop = [] } = config;
  const dropped = new Set(drop.filter((field) => chat[field] != null));
  const {
    stream_options,
    reasoning: _,
    ...rest
  } = ownFields(chat, dropped) as ChatRequest & { stream_options?: object };
  const body: Record<string, unknown> = { ...rest, model, stream: true };
  if (config.streamUsage !== false) body.stream_options = { ...stream_options, include_usage: true };
  if (config.maxTokensField) {
    const limit = chat.max_completion_tokens ?? chat.max_tokens;
    delete body.max_tokens;
    delete body.max_completion_tokens;
    if (limit != null) body[config.maxTokensField] = limit;
  }
  if (chat.reasoning) {
    if (keep.includes('reasoning')) body.reasoning = chat.reasoning;
    else Object.assign(body, effortField(chat));
  }
  body.messages = chat.messages.map((message) => plainMessage(message, keep, dropped));
  if (chat.tools) body.tools = chat.tools.map((tool) => plainOf(tool, keep, dropped));
  for (const field of drop) delete body[field];
  const { model: _model, stream: _stream, ...own } = vendor;
  return { body: overlay(body, own), dropped: [...dropped] };
}

/** Beyond what Millrace reads: fields of this wire that another protocol's door may also have been given. */
const ALSO = [
  ...['audio', 'logit_bias', 'metadata', 'modalities', 'prediction', 'prompt_cache_key', 'safety_identifier'],
  ...['service_tier', 'store', 'verbosity', 'web_search_options'],
];
const KNOWN = [...Object.keys(chatFields), ...ALSO];

/** What came through the door of another protocol may hold fields of that protocol, which a vendor of this one would refuse. */
function ownFields(chat: ChatRequest, dropped: Dropped): ChatRequest {
  if (!(TRANSLATED in chat)) return chat;
  const reader = readRequest(chat, 'openai');
  for (const field of KNOWN) reader.take(field);
  for (const field of reader.finish({}).dropped) dropped.add(field);
  return Object.fromEntries(Object.entries(chat).filter(([field]) => KNOWN.includes(field))) as ChatRequest;
}

function effortField(chat: ChatRequest): { reasoning_effort?: string } {
  const wish = reasoningWish(readRequest(chat, 'openai'));
  switch (wish?.kind) {
    case 'off':
      return { reasoning_effort: 'none' };
    case 'effort':
      return { reasoning_effort: wish.effort };
    case 'budget':
      return { reasoning_effort: effortOf(wish.budget) };
    case 'on':
    case undefined:
      return {};
    default:
      return wish satisfies never;
  }
}

type Dropped = Set<string>;

function plainMessage(message: Message, keep: Extension[], dropped: Dropped): Message {
  let plain: Message & Record<string, unknown> = plainOf(message, keep, dropped);
  if (Array.isArray(plain.content) && !keep.includes('cache_control')) {
    const content = plain.content.map((part) => plainOf(part, keep, dropped));
    if (content.some((part, at) => part !== (message.content as unknown[])[at]))
      plain = { ...plain, content } as Message;
  }
  if ('is_error' in plain) {
    const { is_error: _, ...rest } = plain; // its content says so to the model
    plain = rest as Message;
  }
  if (plain.reasoning_details && !keep.includes('reasoning_details')) {
    dropped.add('reasoning_details');
    const { reasoning_details: _, ...rest } = plain;
    plain = rest as Message;
  }
  return plain;
}

/** The thing itself where nothing has to go. */
function plainOf<Given extends object>(given: Given, keep: Extension[], dropped: Dropped): Given {
  if (!('cache_control' in given) || keep.includes('cache_control')) return given;
  const { cache_control, ...rest } = given;
  if (cache_control != null) dropped.add('cache_control');
  return rest as Given;
}
