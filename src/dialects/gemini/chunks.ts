// Events as this API's chunks: each one a whole response in small, calls whole and never in pieces, signatures on the part that a
// client is sure to give back. Knows the chunk; not how chunks are framed. On the hot path.
// https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse
import type { StreamMeta } from '../../core/contracts.ts';
import type { Ending, FinishReason, ReasoningDetail, StreamEvent, ToolCall, Usage } from '../../core/events.ts';
import { isFields } from './names.ts';
import { signatureOf } from './signature.ts';

/** JSON texts, one line each. */
export interface Chunks {
  /** '' where the event has no chunk. */
  event(event: StreamEvent): string;
  finish(ending: Ending & { type: 'done' }): string;
}

const FINISH: Record<FinishReason, string> = {
  stop: 'STOP',
  length: 'MAX_TOKENS',
  'tool-calls': 'STOP',
  'content-filter': 'SAFETY',
  cancelled: 'OTHER',
  budget: 'MAX_TOKENS',
  other: 'OTHER',
};

/** One candidate, as far as more than its text matters. */
interface Candidate {
  /** Waiting for the part that they go with: the next call, or the answer's end. */
  held: ReasoningDetail[];
  /** Why its call could not be said. */
  malformed: string | undefined;
}

/** `includeThoughts`: without it the API keeps thoughts to itself, and a client that does not expect them shows them as the answer. */
export function createChunks(meta: StreamMeta, includeThoughts: boolean): Chunks {
  const tail = `"modelVersion":${JSON.stringify(meta.model)},"responseId":${JSON.stringify(meta.streamId)}}`;
  const candidates: Candidate[] = [];

  function candidateAt(choice: number): Candidate {
    candidates[choice] ??= { held: [], malformed: undefined };
    return candidates[choice];
  }

  function chunk(choice: number, part: string): string {
    candidateAt(choice);
    return `{"candidates":[{"content":{"parts":[${part}],"role":"model"},"index":${choice}}],${tail}`;
  }

  function call(choice: number, call: ToolCall): string {
    const candidate = candidateAt(choice);
    const { id, name } = call;
    if ('invalid' in call || !isFields(call.arguments)) {
      const said = 'invalid' in call ? call.arguments_text : JSON.stringify(call.arguments);
      candidate.malformed ??= `Malformed function call: ${name}(${said})`;
      return '';
    }
    const { held } = candidate;
    candidate.held = [];
    const signature = held.length > 0 && { thoughtSignature: signatureOf(held, id) };
    return chunk(choice, JSON.stringify({ functionCall: { id, name, args: call.arguments }, ...signature }));
  }

  return {
    event(event) {
      switch (event.type) {
        case 'token':
          return chunk(event.choice ?? 0, `{"text":${JSON.stringify(event.text)}}`);
        case 'reasoning':
          return includeThoughts
            ? chunk(event.choice ?? 0, `{"text":${JSON.stringify(event.text)},"thought":true}`)
            : '';
        case 'reasoning-detail':
          candidateAt(event.choice ?? 0).held.push(event.detail);
          return '';
        case 'tool-call':
          return call(event.choice ?? 0, event.call);
        case 'tool-call-delta':
        case 'usage':
        case 'done':
        case 'error':
          return ''; // said whole, or by the last chunk
        default:
          return event satisfies never;
      }
    },
    finish(ending) {
      candidateAt(0);
      const ended = candidates.flatMap(({ held, malformed }, index) => ({
        // No part at all, and the official client forgets the whole answer.
        content: {
          parts: [{ text: '', ...(held.length > 0 && { thoughtSignature: signatureOf(held) }) }],
          role: 'model',
        },
        finishReason: malformed === undefined ? FINISH[ending.finishReason] : 'MALFORMED_FUNCTION_CALL',
        ...(malformed !== undefined && { finishMessage: malformed }),
        index,
      }));
      const usage = JSON.stringify(wireUsage(ending.usage));
      return `{"candidates":${JSON.stringify(ended)},"usageMetadata":${usage},${tail}`;
    },
  };
}

/** Counts of nothing are left out, as the API does. Cache writes are among the prompt's tokens and have no field of their own. */
export function wireUsage(usage: Usage): object {
  const { input_tokens, output_tokens, cached_input_tokens, reasoning_tokens } = usage;
  return {
    promptTokenCount: input_tokens,
    candidatesTokenCount: Math.max(0, output_tokens - reasoning_tokens),
    totalTokenCount: input_tokens + output_tokens,
    ...(cached_input_tokens > 0 && { cachedContentTokenCount: cached_input_tokens }),
    ...(reasoning_tokens > 0 && { thoughtsTokenCount: reasoning_tokens }),
  };
}
