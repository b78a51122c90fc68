// The stream of streamGenerateContent, as Google AI and Vertex send it. It has no end mark: an answer is whole when each candidate gave
// its finish reason and the body ended. Parts that a client cannot be given (images, code that the provider ran and what came of it)
// say nothing here. Tolerant, never throws. Knows this wire only; no HTTP, no front door, no session. On the hot path.
// https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent
import type { Decoder, DecoderOptions } from '../../core/contracts.ts';
import { GatewayError } from '../../core/errors.ts';
import type { FinishReason, ReasoningDetail } from '../../core/events.ts';
import { createSseParser } from '../../core/sse.ts';
import { guarded, textOf } from '../read.ts';
import { type Calls, createCalls } from './calls.ts';
import { type Candidate, type Chunk, finishOf, GEMINI_FORMAT, isBlocked, type Part, usageOf } from './chunk.ts';
import { streamFault } from './fault.ts';
import { createTextShape, onlyText, type TextShape } from './shape.ts';

interface CandidateState {
  choice: number | undefined;
  calls: Calls;
  finish: FinishReason | undefined;
}

/** How much of a body that is no SSE is kept: an error, or a whole answer as a list. */
const MAX_STRAY = 1024 * 1024;

export function createGeminiDecoder({ emit, raw, choices: expected }: DecoderOptions): Decoder {
  const candidates: CandidateState[] = [];
  const answer = createTextShape();
  const thought = createTextShape();
  let blocked = false; // the prompt was refused: there will be no candidate
  let confirmed = false; // usage came with or after the last finish reason
  let ended = false;
  let stray = '';
  let foreign = false; // lines came that are neither SSE nor JSON
  let closing: GatewayError | undefined; // set when the body is over: why what is unfinished now stays so

  function terminal(event: Parameters<typeof emit>[0] & { type: 'done' | 'error' }): void {
    if (ended) return;
    ended = true;
    emit(event);
  }
  const fail = (error: GatewayError) => terminal({ type: 'error', error });

  function candidateAt(index: number): CandidateState {
    let state = candidates[index];
    if (!state) {
      const choice = index === 0 ? undefined : index;
      const calls = createCalls(emit, choice, (data, id) => detail(choice, { ...ENCRYPTED, data, id }));
      state = { choice, calls, finish: undefined };
      candidates[index] = state;
    }
    return state;
  }

  function detail(choice: number | undefined, detail: ReasoningDetail): void {
    emit({ type: 'reasoning-detail', detail, choice });
  }

  function frame(data: string, name: string): void {
    if (ended || (data === '' && name !== 'error')) return;
    const text = answer.match(data);
    if (text !== undefined) {
      emit({ type: 'token', text });
      counted(answer, data);
      return;
    }
    const reasoning = thought.match(data);
    if (reasoning !== undefined) {
      emit({ type: 'reasoning', text: reasoning });
      counted(thought, data);
      return;
    }
    if (data.trim() === '[DONE]') return; // gateways say so; the body's end says the same
    let value: unknown;
    try {
      value = JSON.parse(data);
    } catch {
      if (name === 'error') fail(streamFault(data));
      else fail(closing ?? new GatewayError('upstream_protocol', 'The provider sent a frame that is not JSON.'));
      return;
    }
    if (name === 'error') fail(streamFault(value));
    else if (Array.isArray(value)) for (const chunk of value) accept(chunk, JSON.stringify(chunk));
    // Outside its strings JSON may have line breaks, and inside it cannot: a frame is handed on as one line.
    else accept(value, data.includes('\n') ? data.replaceAll('\n', ' ') : data);
  }

  function counted(shape: TextShape, data: string): void {
    const usage = shape.usage();
    if (usage) emit({ type: 'usage', usage });
    raw?.(data);
  }

  function accept(value: unknown, data: string): void {
    if (ended || value === null || typeof value !== 'object') return;
    const chunk = value as Chunk;
    if (chunk.error) {
      fail(streamFault(chunk));
      return;
    }
    if (isBlocked(chunk)) blocked = true;
    for (const candidate of Array.isArray(chunk.candidates) ? chunk.candidates : []) {
      if (candidate !== null && typeof candidate === 'object') readCandidate(candidate);
      if (ended) return;
    }
    const usage = chunk.usageMetadata ? usageOf(chunk.usageMetadata) : undefined;
    if (usage) {
      confirmed = true;
      emit({ type: 'usage', usage });
    }
    const only = onlyText(chunk);
    if (only) (only.thought === true ? thought : answer).learn(data, only.text, usage);
    raw?.(data);
  }

  function readCandidate(candidate: Candidate): void {
    const { index: at, content } = candidate;
    const index = typeof at === 'number' && at > 0 && at < 128 ? Math.floor(at) : 0;
    // More candidates than were asked for are no one's; mixed into the answer they would spoil it.
    if (candidates[index] === undefined && index !== 0 && candidates.filter(Boolean).length >= expected) return;
    const state = candidateAt(index);
    for (const part of Array.isArray(content?.parts) ? content.parts : []) {
      if (part !== null && typeof part === 'object') readPart(part, state);
      if (ended) return;
    }
    const finish = finishOf(candidate);
    if (finish === undefined) return;
    confirmed = false;
    if (finish === 'failed') {
      const why = `The model failed to answer (${candidate.finishReason}). ${textOf(candidate.finishMessage)}`;
      fail(new GatewayError('upstream_protocol', why.trim()));
      return;
    }
    state.finish = finish;
    // A call that the token limit or a filter cut is nobody's to make.
    if (state.finish === 'stop' && !state.calls.settle()) fail(new GatewayError('upstream_truncated', INSIDE_CALL));
  }

  function readPart(part: Part, { choice, calls }: CandidateState): void {
    const signature = textOf(part.thoughtSignature);
    if (part.functionCall) {
      if (calls.add(part.functionCall, signature)) return;
      const why = 'The provider sent the arguments of a tool call in an order that cannot be streamed.';
      fail(new GatewayError('upstream_protocol', why));
      return;
    }
    if (typeof part.text !== 'string') return;
    const { text } = part;
    if (part.thought === true) {
      if (text !== '') emit({ type: 'reasoning', text, choice });
      if (signature !== '') detail(choice, { format: GEMINI_FORMAT, type: 'reasoning.text', text, signature });
      return;
    }
    if (text !== '') emit({ type: 'token', text, choice });
    if (signature === '') return;
    // Behind calls that have none, it is theirs: the API looks for it on the first of them.
    const id = calls.unsigned();
    detail(choice, { ...ENCRYPTED, data: signature, ...(id !== undefined && { id }) });
  }

  /** What the answer ended with; the first candidate speaks for all. Undefined while one that was asked for has not ended. */
  function finished(): FinishReason | undefined {
    if (blocked) return 'content-filter';
    const begun = candidates.filter(Boolean);
    if (begun.length < expected || begun.some(({ finish }) => finish === undefined)) return undefined;
    const { finish, calls } = begun[0]!;
    return finish === 'stop' && calls.some() ? 'tool-calls' : finish;
  }

  const sse = createSseParser({
    event: frame,
    stray(line) {
      if (ended) return;
      // An error in mid-stream, and any body of a server that ignored `alt=sse`, is JSON over several lines.
      if (stray === '' && !/^\s*[{[]/.test(line)) foreign = true;
      else if (stray.length + line.length < MAX_STRAY) stray += `${line}\n`;
      else
        fail(new GatewayError('upstream_protocol', 'The provider sent too long a body that is not an event stream.'));
    },
  });

  return {
    push(chunk) {
      if (!ended) guarded(() => sse.push(chunk), fail);
    },
    end(fault) {
      if (ended) return;
      closing = fault ?? new GatewayError('upstream_truncated', UNFINISHED);
      guarded(() => {
        sse.end();
        if (!ended && stray !== '') frame(stray, '');
      }, fail);
      const reason = finished();
      // Some old models gave a finish reason with each chunk, so after a fault it takes the usage to know that this was the last.
      if (reason !== undefined && (fault === undefined || confirmed || blocked)) {
        terminal({ type: 'done', finishReason: reason });
      } else if (foreign && candidates.length === 0 && fault === undefined) {
        fail(
          new GatewayError('upstream_protocol', 'The provider answered with something that is not an event stream.'),
        );
      } else fail(closing);
    },
  };
}

const ENCRYPTED = { format: GEMINI_FORMAT, type: 'reasoning.encrypted' } as const;
const UNFINISHED = 'The provider ended the stream before the answer was complete.';
const INSIDE_CALL = 'The provider ended the stream inside a tool call.';
