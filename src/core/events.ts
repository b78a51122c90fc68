// The vocabulary every part shares: what a decoder says, and how a stream ends.
// Knows no wire, no front door, no HTTP. Field names are those of the native protocol, so nothing is renamed on the way.

/** Why generation ended. `cancelled` and `budget` are Millrace's own; the rest are what a provider said. */
export type FinishReason = 'stop' | 'length' | 'tool-calls' | 'content-filter' | 'cancelled' | 'budget' | 'other';

/**
 * Token counts with one meaning on every wire: `input_tokens` are all prompt tokens, cached reads and writes included;
 * `output_tokens` are all generated tokens, reasoning included. `estimated` says they were counted here, not reported.
 */
export interface Usage {
  input_tokens: number;
  output_tokens: number;
  cached_input_tokens: number;
  cache_write_input_tokens: number;
  reasoning_tokens: number;
  estimated: boolean;
}

export const NO_USAGE: Usage = Object.freeze({
  input_tokens: 0,
  output_tokens: 0,
  cached_input_tokens: 0,
  cache_write_input_tokens: 0,
  reasoning_tokens: 0,
  estimated: false,
});

/** A complete tool call. Arguments that are not valid JSON keep their text and say so; they are never replaced by `{}`. */
export type ToolCall = { index: number; id: string; name: string } & (
  | { arguments: unknown }
  | { arguments_text: string; invalid: true }
);

/**
 * A whole block of reasoning that its provider wants back, unchanged, with the next request of the conversation: signed text, a
 * signed summary, or what only the provider can read. The shape is that of OpenRouter's `reasoning_details`, so a client puts
 * each one into the assistant message's `reasoning_details` as it came. `format` names who made it: no one else can read it.
 * `id` ties the parts of one block together, or a signature to the tool call that it belongs to.
 * https://openrouter.ai/docs/use-cases/reasoning-tokens#preserving-reasoning-blocks
 */
export type ReasoningDetail = { format: string; id?: string } & (
  | { type: 'reasoning.text'; text: string; signature?: string }
  | { type: 'reasoning.summary'; summary: string }
  | { type: 'reasoning.encrypted'; data: string }
);

/**
 * What a decoder emits, in order: any number of content events and cumulative `usage`, then exactly one `done` or `error`.
 * `choice` is the index of the alternative when a client asked for several (`n > 1`); absent means the first.
 * `reasoning` is what a reader sees as it comes; `reasoning-detail` follows when its block is complete and must be kept.
 */
export type StreamEvent =
  | { type: 'token'; text: string; choice?: number }
  | { type: 'reasoning'; text: string; choice?: number }
  | { type: 'reasoning-detail'; detail: ReasoningDetail; choice?: number }
  | { type: 'tool-call-delta'; index: number; id?: string; name?: string; arguments: string; choice?: number }
  | { type: 'tool-call'; call: ToolCall; choice?: number }
  | { type: 'usage'; usage: Usage }
  | { type: 'done'; finishReason: FinishReason }
  | { type: 'error'; error: import('./errors.ts').GatewayError };

export type ContentEvent = Extract<
  StreamEvent,
  { type: 'token' | 'reasoning' | 'reasoning-detail' | 'tool-call-delta' | 'tool-call' }
>;

/** Milliseconds since the request arrived. `first_token_ms` is null when no content came. */
export interface Timing {
  first_token_ms: number | null;
  total_ms: number;
}

/** What is known when a stream ends, whatever the ending. `cost_usd` is null when no price is known for the model. */
export interface Summary {
  usage: Usage;
  cost_usd: number | null;
  model: string;
  provider: string;
  attempts: number;
  timing: Timing;
}

/** The one terminal of a stream. */
export type Ending =
  | ({ type: 'done'; finishReason: FinishReason } & Summary)
  | ({ type: 'error'; error: import('./errors.ts').GatewayError } & Summary);

/** Builds the complete form of a call from what was streamed. No arguments at all mean an empty object. */
export function toolCall(index: number, id: string, name: string, argumentsText: string): ToolCall {
  if (argumentsText.trim() === '') return { index, id, name, arguments: {} };
  try {
    return { index, id, name, arguments: JSON.parse(argumentsText) };
  } catch {
    return { index, id, name, arguments_text: argumentsText, invalid: true };
  }
}
