// The messages of a chat request as turns of parts, which is how every wire but Chat Completions sees a conversation: tool results
// are the user's parts, calls have their arguments parsed, media say where their bytes are. Knows the request; no wire.
import type { ChatRequest, ContentPart, Message } from '../core/chat.ts';
import type { ReasoningDetail } from '../core/events.ts';
import { type Media, mediaOf } from './media.ts';
import type { Reader } from './translate.ts';

export interface Turn {
  role: 'system' | 'user' | 'assistant';
  parts: Part[];
}

export type Part = (
  | { type: 'text'; text: string }
  | { type: 'media'; media: Media }
  | { type: 'reasoning'; detail: ReasoningDetail }
  | { type: 'tool-call'; id: string; name: string; arguments: Record<string, unknown> }
  | { type: 'tool-result'; id: string; name: string | undefined; content: ResultPart[]; isError?: boolean }
) & {
  /** The path in the request: `messages[0].content[1]`. */
  param: string;
  /** Set where the prompt up to here is worth caching. */
  cache?: CacheHint;
};

export type ResultPart = Extract<Part, { type: 'text' | 'media' }>;

export interface CacheHint {
  /** Without it, the provider's usual time. */
  ttl?: '5m' | '1h';
}

/**
 * One turn per message, in order; `mergeTurns` joins neighbours. `format`: whose reasoning can be given back on this wire, as
 * `ReasoningDetail.format`; that of others is left out and said to be.
 */
export function turnsOf(chat: ChatRequest, reader: Reader, format: string): Turn[] {
  const names = new Map<string, string>(); // of the tools called so far, by call id
  const turns = chat.messages.map((message, at) => turnOf(message, `messages[${at}]`, { reader, format, names }));
  return turns.filter(({ parts }) => parts.length > 0);
}

interface Context {
  reader: Reader;
  format: string;
  names: Map<string, string>;
}

function turnOf(message: Message, param: string, context: Context): Turn {
  const { reader, names } = context;
  if (message.name && message.role !== 'function') reader.drop('name');
  const cache = cacheOf(message);
  switch (message.role) {
    case 'system':
    case 'developer': {
      const parts = contentParts(message.content, param, reader);
      for (const part of parts)
        if (part.type !== 'text') reader.refuse(part.param, 'expected text in a system message');
      return { role: 'system', parts: marked(parts, cache) };
    }
    case 'user': {
      const parts = contentParts(message.content, param, reader);
      return { role: 'user', parts: marked(parts.length > 0 ? parts : [{ type: 'text', text: '', param }], cache) };
    }
    case 'assistant': {
      const parts: Part[] = reasoningParts(message, param, context);
      parts.push(...contentParts(message.content ?? '', param, reader));
      if (message.refusal) parts.push({ type: 'text', text: message.refusal, param: `${param}.refusal` });
      for (const [at, call] of (message.tool_calls ?? []).entries()) {
        const at_ = `${param}.tool_calls[${at}]`;
        names.set(call.id, call.function.name);
        const args = argumentsOf(call.function.arguments, `${at_}.function.arguments`, reader);
        parts.push({ type: 'tool-call', id: call.id, name: call.function.name, arguments: args, param: at_ });
      }
      return { role: 'assistant', parts: marked(parts, cache) };
    }
    case 'tool': {
      const content = contentParts(message.content, param, reader);
      const id = message.tool_call_id;
      const failed = message.is_error === true && { isError: true };
      const result: Part = { type: 'tool-result', id, name: names.get(id), content, ...failed, param };
      return { role: 'user', parts: marked([result], cache) };
    }
    case 'function':
      return reader.refuse(`${param}.role`, 'function messages are of an older protocol; expected a tool message');
    default:
      return message satisfies never;
  }
}

/** Text and media. Empty text says nothing, and most wires refuse it. */
function contentParts(content: string | ContentPart[], param: string, reader: Reader): ResultPart[] {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content, param }];
  return content.flatMap((piece, at): ResultPart[] => {
    const path = `${param}.content[${at}]`;
    if (piece.type === 'text' || piece.type === 'refusal') {
      const text = piece.type === 'text' ? piece.text : piece.refusal;
      return text === '' ? [] : [{ type: 'text', text, param: path, ...cached(cacheOf(piece)) }];
    }
    return [{ type: 'media', media: mediaOf(piece, path, reader), param: path, ...cached(cacheOf(piece)) }];
  });
}

function reasoningParts(message: Message & { role: 'assistant' }, param: string, { reader, format }: Context): Part[] {
  return (message.reasoning_details ?? []).flatMap((detail, at): Part[] => {
    const path = `${param}.reasoning_details[${at}]`;
    if (detail.format === format) return [{ type: 'reasoning', detail: detail as ReasoningDetail, param: path }];
    reader.drop('reasoning_details');
    return [];
  });
}

function argumentsOf(text: string, param: string, reader: Reader): Record<string, unknown> {
  if (text.trim() === '') return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    reader.refuse(param, 'expected JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    reader.refuse(param, 'expected a JSON object');
  return value as Record<string, unknown>;
}

/** A hint on a message is one on its last part. */
function marked<P extends Part>(parts: P[], cache: CacheHint | undefined): P[] {
  const last = parts.at(-1);
  if (cache && last) last.cache = cache;
  return parts;
}

export function cacheOf(carrier: Record<string, unknown>): CacheHint | undefined {
  const given = carrier.cache_control as { ttl?: '5m' | '1h' | null } | null | undefined;
  return given ? { ...(given.ttl && { ttl: given.ttl }) } : undefined;
}

function cached(cache: CacheHint | undefined): { cache?: CacheHint } {
  return cache ? { cache } : {};
}

/** System text by itself and in front, as wires want it that have one place for it; the other turns joined, so that roles alternate. */
export function splitSystem(turns: Turn[]): { system: Extract<Part, { type: 'text' }>[]; turns: Turn[] } {
  const system = turns.filter(({ role }) => role === 'system').flatMap(({ parts }) => parts);
  return {
    system: system as Extract<Part, { type: 'text' }>[],
    turns: mergeTurns(turns.filter(({ role }) => role !== 'system')),
  };
}

/** Neighbours of one role become one turn: parallel tool results, or a result and what the user says to it. */
export function mergeTurns(turns: Turn[]): Turn[] {
  const merged: Turn[] = [];
  for (const { role, parts } of turns) {
    const last = merged.at(-1);
    if (last?.role === role) last.parts.push(...parts);
    else merged.push({ role, parts: [...parts] });
  }
  return merged;
}
