// Keeps account of a chat request while a wire's builder puts it into that wire's words: each field is taken, refused or left out,
// and none of that in silence. Knows the request; no wire.
import type { ChatRequest } from '../core/chat.ts';
import type { Translation } from '../core/contracts.ts';
import { GatewayError } from '../core/errors.ts';
import { clientPath } from '../core/origin.ts';

export interface Reader {
  /** The value of a field that this wire has a place for; undefined when it was not given. */
  take<Field extends keyof ChatRequest & string>(field: Field): NonNullable<ChatRequest[Field]> | undefined;
  /** Something given that this wire has no place for and that only hints. */
  drop(what: string): void;
  /** Something given that this wire cannot do. `param` is its path in the request; the client is told its own: `messages[0].content[1]`. */
  refuse(param: string, why: string): never;
  /** Lays the client's own fields for this wire over the body. A field that nobody took is dropped, or refused if it matters. */
  finish(body: Record<string, unknown>, vendor?: Record<string, unknown>): Translation;
}

/**
 * Fields that change what the client gets: without them the answer would not be what was asked for. All others are hints, such as
 * a seed or a penalty, without which the answer is still an answer.
 */
const ESSENTIAL = new Set([
  'n',
  'stop',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'functions',
  'function_call',
  'response_format',
  'logprobs',
  'top_logprobs',
  'modalities',
  'audio',
  'web_search_options',
  // What only a provider that stores, or that runs tools of its own, can do: of the Responses API.
  'input',
  'previous_response_id',
  'conversation',
  'prompt',
  'background',
  // A part of the prompt that is kept at the provider: of generateContent.
  'cachedContent',
]);

/** Said by every wire's path or transport, not by a field of its body. */
const ELSEWHERE = ['model', 'messages', 'stream', 'stream_options'];

/** `drop`: fields that the config leaves out for this provider, whatever the wire could do with them. */
export function readRequest(chat: ChatRequest, wire: string, drop: readonly string[] = []): Reader {
  const taken = new Set<string>(ELSEWHERE);
  const dropped = new Set<string>();
  for (const field of drop) {
    taken.add(field);
    if (chat[field] != null) dropped.add(field);
  }

  function refuse(path: string, why: string): never {
    const param = clientPath(chat, path);
    throw new GatewayError('invalid_request', `${param}: ${why} (provider wire "${wire}")`, { param });
  }

  return {
    take(field) {
      if (drop.includes(field)) return undefined;
      taken.add(field);
      return (chat[field] ?? undefined) as NonNullable<ChatRequest[typeof field]> | undefined;
    },
    drop: (what) => void dropped.add(what),
    refuse,
    finish(body, vendor = {}) {
      for (const [field, value] of Object.entries(chat)) {
        if (taken.has(field) || saysNothing(field, value)) continue;
        if (ESSENTIAL.has(field.split('[', 1)[0]!)) refuse(field, 'this wire cannot do it');
        dropped.add(field);
      }
      const { model: _model, stream: _stream, ...own } = vendor; // which model answers is decided by the key's rights
      return { body: overlay(body, own), dropped: [...dropped] };
    },
  };
}

/** Values that ask for what every wire does anyway. */
function saysNothing(field: string, value: unknown): boolean {
  if (value === null || value === undefined || value === false)
    return field !== 'parallel_tool_calls' || value !== false;
  switch (field) {
    case 'n':
      return value === 1;
    case 'parallel_tool_calls':
      return value === true;
    case 'tool_choice':
    case 'service_tier':
      return value === 'auto';
    case 'response_format':
      return (value as { type?: unknown }).type === 'text';
    case 'modalities':
      return Array.isArray(value) && value.every((modality) => modality === 'text');
    case 'top_logprobs':
    case 'presence_penalty':
    case 'frequency_penalty':
      return value === 0;
    default:
      return Array.isArray(value) ? value.length === 0 : isFields(value) && Object.keys(value).length === 0;
  }
}

/** Objects are laid into each other, lists appended (a tool of the vendor's own joins the client's), all else replaced. */
export function overlay(body: Record<string, unknown>, own: Record<string, unknown>): Record<string, unknown> {
  const merged = { ...body };
  for (const [field, value] of Object.entries(own)) {
    const under = Object.hasOwn(merged, field) ? merged[field] : undefined;
    let laid = value;
    if (isFields(under) && isFields(value)) laid = overlay(under, value);
    else if (Array.isArray(under) && Array.isArray(value)) laid = [...under, ...value];
    // Assigned, `__proto__` would be no field but the object's ancestor.
    Object.defineProperty(merged, field, { value: laid, enumerable: true, writable: true, configurable: true });
  }
  return merged;
}

function isFields(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
