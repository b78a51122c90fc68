// What comes back: the events of a stream and the answer that they fold into. docs/PROTOCOL.md#events is this file in prose.
// Pure; knows no connection. An `error` event is not here: it is thrown (errors.ts).
import type { AssistantMessage, ReasoningDetail } from './request.ts';

export type FinishReason = 'stop' | 'length' | 'tool-calls' | 'content-filter' | 'cancelled' | 'budget' | 'other';

/**
 * Tokens. `input_tokens` are all of the prompt, cached reads and writes included; `output_tokens` are all that were generated,
 * reasoning included. `estimated`: counted by Millrace, since the provider did not say.
 */
export interface Usage {
  input_tokens: number;
  output_tokens: number;
  cached_input_tokens: number;
  cache_write_input_tokens: number;
  reasoning_tokens: number;
  estimated: boolean;
}

/** Milliseconds since the request arrived at the server. `first_token_ms` is null when no content came. */
export interface Timing {
  first_token_ms: number | null;
  total_ms: number;
}

/** What is known at the end. `cost_usd` is null when no price is known; `provider` is the one that answered. */
export interface Summary {
  usage: Usage;
  cost_usd: number | null;
  model: string;
  provider: string;
  attempts: number;
  timing: Timing;
}

/** A complete call. Arguments that are not valid JSON keep their text; they are never replaced by `{}`. */
export type ToolCall = { id: string; name: string } & (
  | { arguments: unknown; invalid?: undefined }
  | { arguments_text: string; invalid: true }
);

/** `index` tells the calls of one answer apart; the first delta of a call also has its `id` and `name`. */
export type ChatEvent =
  | { type: 'start'; stream_id: string; model: string; provider: string; resume_url?: string }
  | { type: 'token'; text: string }
  | { type: 'reasoning'; text: string }
  | { type: 'reasoning-detail'; detail: ReasoningDetail }
  | { type: 'tool-call-delta'; index: number; id?: string; name?: string; arguments: string }
  | ({ type: 'tool-call'; index: number } & ToolCall)
  | ({ type: 'done'; finish_reason: FinishReason } & Summary);

/** What had come when a stream broke. */
export interface PartialAnswer {
  stream_id: string;
  text: string;
  reasoning: string;
  /** Only when there are any. */
  reasoning_details?: ReasoningDetail[];
  tool_calls: ToolCall[];
}

/** A whole answer, as `"stream": false` gives it. */
export interface Answer extends PartialAnswer, Summary {
  finish_reason: FinishReason;
}

export interface Fold {
  take(event: ChatEvent): void;
  /** A copy of what has come. */
  partial(): PartialAnswer;
  /** Once `done` was taken. */
  answer(): Answer | undefined;
}

export function createFold(): Fold {
  let streamId = '';
  let text = '';
  let reasoning = '';
  const details: ReasoningDetail[] = [];
  const calls: ToolCall[] = [];
  let answer: Answer | undefined;

  const partial = (): PartialAnswer => ({
    stream_id: streamId,
    text,
    reasoning,
    ...(details.length > 0 && { reasoning_details: [...details] }),
    tool_calls: [...calls],
  });

  function take(event: ChatEvent): void {
    switch (event.type) {
      case 'start':
        streamId = event.stream_id;
        return;
      case 'token':
        text += event.text;
        return;
      case 'reasoning':
        reasoning += event.text;
        return;
      case 'reasoning-detail':
        details.push(event.detail);
        return;
      case 'tool-call': {
        const { type: _type, index: _index, ...call } = event;
        calls.push(call);
        return;
      }
      case 'tool-call-delta':
        return; // said again, whole, by `tool-call`
      case 'done': {
        const { type: _type, ...ending } = event;
        answer = { ...partial(), ...ending };
        return;
      }
      default:
        event satisfies never;
    }
  }

  return { take, partial, answer: () => answer };
}

/** The answer as a message of the conversation, calls and signed reasoning included: what goes in front of the tools' results. */
export function toMessage({ text, reasoning_details, tool_calls }: PartialAnswer): AssistantMessage {
  const calls = tool_calls.map((call) => ({
    id: call.id,
    type: 'function' as const,
    function: { name: call.name, arguments: call.invalid ? call.arguments_text : JSON.stringify(call.arguments) },
  }));
  return {
    role: 'assistant',
    content: text === '' ? null : text,
    ...(calls.length > 0 && { tool_calls: calls }),
    ...(reasoning_details && { reasoning_details }),
  };
}
