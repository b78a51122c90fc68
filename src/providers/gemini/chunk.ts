// One chunk of this wire: what is read of it, and what its finish reasons and counters mean in the words that all wires share.
// Knows a chunk by itself; nothing of the stream it stands in. On the hot path.
// https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse
import type { FinishReason, Usage } from '../../core/events.ts';
import { countOf, textOf } from '../read.ts';
import type { WireCall } from './calls.ts';

/** Whose signatures these are, in `ReasoningDetail.format`. */
export const GEMINI_FORMAT = 'google-gemini-v1';

// Everything is optional and of unsure type.
export interface Chunk {
  candidates?: Candidate[] | null;
  promptFeedback?: { blockReason?: unknown } | null;
  usageMetadata?: WireUsage | null;
  error?: unknown;
}
export interface Candidate {
  index?: unknown;
  content?: { parts?: Part[] | null } | null;
  finishReason?: unknown;
  finishMessage?: unknown;
}
export interface Part {
  text?: unknown;
  thought?: unknown;
  thoughtSignature?: unknown;
  functionCall?: WireCall | null;
}
export interface WireUsage {
  promptTokenCount?: unknown;
  toolUsePromptTokenCount?: unknown;
  cachedContentTokenCount?: unknown;
  candidatesTokenCount?: unknown;
  thoughtsTokenCount?: unknown;
}

/** `failed`: what the model meant to say is not in the answer. Asking again may help; an empty success would not. */
const FINISH = new Map<string, FinishReason | 'failed'>([
  ['STOP', 'stop'],
  ['MAX_TOKENS', 'length'],
  ['CONTINUATION', 'length'], // a limit per request; the token that comes back with it asks for the rest
  ['SAFETY', 'content-filter'],
  ['RECITATION', 'content-filter'],
  ['BLOCKLIST', 'content-filter'],
  ['PROHIBITED_CONTENT', 'content-filter'],
  ['SPII', 'content-filter'],
  ['MODEL_ARMOR', 'content-filter'],
  ['IMAGE_SAFETY', 'content-filter'],
  ['IMAGE_PROHIBITED_CONTENT', 'content-filter'],
  ['IMAGE_RECITATION', 'content-filter'],
  ['MALFORMED_FUNCTION_CALL', 'failed'],
  ['UNEXPECTED_TOOL_CALL', 'failed'],
  ['MALFORMED_RESPONSE', 'failed'],
  ['MISSING_THOUGHT_SIGNATURE', 'failed'],
]);

/** Undefined: the candidate goes on. */
export function finishOf({ finishReason }: Candidate): FinishReason | 'failed' | undefined {
  const reason = said(finishReason);
  return reason === '' ? undefined : (FINISH.get(reason) ?? 'other');
}

/** Whether the prompt was refused: there will be no candidate then. */
export function isBlocked({ promptFeedback }: Chunk): boolean {
  return said(promptFeedback?.blockReason) !== '';
}

/** The value of an enum; its zero says nothing. */
function said(value: unknown): string {
  const text = textOf(value);
  return text.endsWith('_UNSPECIFIED') ? '' : text;
}

/**
 * Thoughts are counted beside the candidates, and what the provider's own tools read beside the prompt: the four together are the
 * wire's total. Undefined where nothing is counted: Vertex sends `{trafficType}` alone with all chunks but the last.
 */
export function usageOf(wire: WireUsage): Usage | undefined {
  if (typeof wire.promptTokenCount !== 'number' && typeof wire.candidatesTokenCount !== 'number') return undefined;
  const thoughts = countOf(wire.thoughtsTokenCount);
  return {
    input_tokens: countOf(wire.promptTokenCount) + countOf(wire.toolUsePromptTokenCount),
    output_tokens: countOf(wire.candidatesTokenCount) + thoughts,
    cached_input_tokens: countOf(wire.cachedContentTokenCount),
    cache_write_input_tokens: 0,
    reasoning_tokens: thoughts,
    estimated: false,
  };
}
