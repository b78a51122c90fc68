// The Chat Completions stream, read as vendors really send it: one decoder for all who speak this wire. Tolerant: takes what it
// needs, ignores the rest, never throws. Knows this wire only; no HTTP, no front door, no session. On the hot path.
// https://platform.openai.com/docs/api-reference/chat-streaming
import type { Decoder, DecoderOptions } from '../../core/contracts.ts';
import { GatewayError } from '../../core/errors.ts';
import type { FinishReason, Usage } from '../../core/events.ts';
import { createSseParser } from '../../core/sse.ts';
import { countOf, shapeFault, textOf } from '../read.ts';
import { createShape, type ShapeHoles } from '../shape.ts';
import { type Calls, createCalls, type WireCall } from './calls.ts';
import { createDetails, type Details, type WireDetail } from './details.ts';
import { streamFault } from './fault.ts';

// What is read of a chunk. Everything is optional and of unsure type: vendors leave out, null and empty each of these.
interface Chunk {
  object?: string;
  choices?: Choice[] | null;
  usage?: WireUsage | null;
  x_groq?: { usage?: WireUsage | null } | null;
  error?: unknown;
}
interface Choice {
  index?: number;
  delta?: Delta | null;
  /** Whole messages: the answer of a server that ignored `stream`, or a repetition after the stream. */
  message?: Delta | null;
  finish_reason?: string | null;
  usage?: WireUsage | null;
  error?: unknown;
}
interface Delta {
  content?: string | ContentPart[] | null;
  refusal?: string | null;
  reasoning_content?: string | null;
  reasoning?: string | null;
  reasoning_details?: WireDetail[] | null;
  tool_calls?: WireCall[] | null;
  function_call?: WireCall['function'];
}
type ContentPart = { type?: string; text?: string; thinking?: string | { text?: string }[] };
interface WireUsage {
  prompt_tokens?: number | null;
  completion_tokens?: number | null;
  total_tokens?: number | null;
  prompt_cache_hit_tokens?: number | null;
  prompt_tokens_details?: { cached_tokens?: number | null; cache_write_tokens?: number | null } | null;
  completion_tokens_details?: { reasoning_tokens?: number | null } | null;
}

interface ChoiceState {
  calls: Calls;
  details: Details;
  finish: FinishReason | undefined;
  refused: boolean;
  streamed: boolean;
}

const FINISH = new Map<string, FinishReason>([
  ['stop', 'stop'],
  ['end_turn', 'stop'],
  ['eos', 'stop'],
  ['length', 'length'],
  ['max_tokens', 'length'],
  ['model_length', 'length'],
  ['tool_calls', 'tool-calls'],
  ['function_call', 'tool-calls'],
  ['content_filter', 'content-filter'],
]);

/** Where the token stands in a chunk. The padding keeps a listener from telling tokens by their size. */
const HOLES: ShapeHoles = {
  text: { key: '"content":"', read: (chunk) => chunk.choices[0].delta.content },
  padding: { key: '"obfuscation":"', read: (chunk) => chunk.obfuscation },
};

/** How much of a body that is no SSE is kept, to read an error or a whole answer from. */
const MAX_STRAY = 256 * 1024;

export function createOpenAiDecoder({ emit, raw, choices: expected }: DecoderOptions): Decoder {
  const choices: ChoiceState[] = [];
  let ended = false;
  let stray = '';
  const shape = createShape(HOLES);
  let wholeMessage = false; // the current frame gave its content as a whole message

  function terminal(event: Parameters<typeof emit>[0] & { type: 'done' | 'error' }): void {
    if (ended) return;
    ended = true;
    emit(event);
  }
  const fail = (error: GatewayError) => terminal({ type: 'error', error });

  function choiceAt(index: number): ChoiceState {
    let state = choices[index];
    if (!state) {
      const choice = index || undefined;
      const [calls, details] = [createCalls(emit, choice), createDetails(emit, choice)];
      state = { calls, details, finish: undefined, refused: false, streamed: false };
      choices[index] = state;
    }
    return state;
  }

  /** The first alternative's reason speaks for the stream; every one that was asked for must have ended. */
  function finished(): FinishReason | undefined {
    let ends = 0;
    for (const state of choices) {
      if (!state) continue;
      if (!state.finish) return undefined;
      ends++;
    }
    if (ends < expected) return undefined;
    const first = choices.find(Boolean);
    return first && reasonOf(first);
  }

  function reasonOf(state: ChoiceState): FinishReason {
    return state.refused && state.finish === 'stop' ? 'content-filter' : (state.finish ?? 'other');
  }

  function frame(data: string, name: string): void {
    if (ended) return;
    if (data === '[DONE]' || data.trim() === '[DONE]') {
      complete();
      return;
    }
    if (data === '' && name !== 'error') return;
    const content = name === '' ? shape.match(data) : undefined;
    if (content !== undefined) {
      emit({ type: 'token', text: content });
      raw?.(data);
      return;
    }
    let chunk: Chunk;
    try {
      chunk = JSON.parse(data);
    } catch {
      if (name === 'error') fail(streamFault(data));
      else fail(new GatewayError('upstream_protocol', 'The provider sent a frame that is not JSON.'));
      return;
    }
    if (chunk === null || typeof chunk !== 'object') return;
    if (chunk.error || chunk.object === 'error' || name === 'error') {
      fail(streamFault(chunk.error ?? chunk));
      return;
    }
    wholeMessage = false;
    read(chunk);
    if (ended) return;
    if (saysContentOnly(chunk)) shape.learn(data, chunk.choices![0]!.delta!.content as string);
    if (!raw) return;
    if (wholeMessage) raw(JSON.stringify(asStreamed(chunk)));
    // Outside its strings JSON may have line breaks, and inside it cannot: a frame is handed on as one line.
    else raw(data.includes('\n') ? data.replaceAll('\n', ' ') : data);
  }

  function read(chunk: Chunk): void {
    if (Array.isArray(chunk.choices)) {
      for (const choice of chunk.choices) {
        if (choice !== null && typeof choice === 'object') readChoice(choice);
        if (ended) return;
      }
    }
    const reported = chunk.usage ?? chunk.x_groq?.usage;
    if (reported) readUsage(reported);
  }

  function readChoice(choice: Choice): void {
    if (choice.error) {
      fail(streamFault(choice.error));
      return;
    }
    const index = typeof choice.index === 'number' && choice.index > 0 && choice.index < 128 ? choice.index : 0;
    // More alternatives than were asked for are no one's; mixed into the answer they would spoil it.
    if (choices[index] === undefined && index !== 0 && choices.filter(Boolean).length >= expected) return;
    const state = choiceAt(index);
    let delta = choice.delta;
    if (!delta && choice.message && !state.streamed) {
      delta = choice.message;
      wholeMessage = true;
    }
    if (delta) {
      state.streamed = true;
      readDelta(delta, state, index === 0 ? undefined : index);
    }
    if (choice.usage) readUsage(choice.usage);
    if (choice.finish_reason && !state.finish) finish(choice.finish_reason, state);
  }

  function readDelta(delta: Delta, state: ChoiceState, choice: number | undefined): void {
    const detailed = Array.isArray(delta.reasoning_details) ? state.details.add(delta.reasoning_details) : '';
    const thought = textOf(delta.reasoning_content) || textOf(delta.reasoning) || detailed;
    if (thought !== '') emit({ type: 'reasoning', text: thought, choice });
    if (typeof delta.content === 'string') {
      if (delta.content !== '') emit({ type: 'token', text: delta.content, choice });
    } else if (Array.isArray(delta.content)) {
      for (const part of delta.content) readPart(part, choice);
    }
    if (typeof delta.refusal === 'string' && delta.refusal !== '') {
      state.refused = true;
      emit({ type: 'token', text: delta.refusal, choice });
    }
    if (Array.isArray(delta.tool_calls)) for (const call of delta.tool_calls) state.calls.add(call);
    if (delta.function_call) state.calls.add({ index: 0, function: delta.function_call });
  }

  function readPart(part: ContentPart, choice: number | undefined): void {
    if (part?.type === 'text') {
      const text = textOf(part.text);
      if (text !== '') emit({ type: 'token', text, choice });
    } else if (part?.type === 'thinking') {
      const { thinking } = part;
      const text = Array.isArray(thinking) ? thinking.map((piece) => textOf(piece?.text)).join('') : textOf(thinking);
      if (text !== '') emit({ type: 'reasoning', text, choice });
    }
  }

  function finish(reason: string, state: ChoiceState): void {
    if (reason === 'error') {
      fail(new GatewayError('upstream_unavailable', 'The provider ended the stream with an error.'));
      return;
    }
    state.finish = FINISH.get(reason) ?? 'other';
    state.details.give();
    giveCalls(state);
  }

  function giveCalls(state: ChoiceState): void {
    // Several vendors say `stop` after calling a tool. The calls are what the client must act on.
    if (state.finish === 'stop' && state.calls.some()) state.finish = 'tool-calls';
    state.calls.give();
  }

  function readUsage(wire: WireUsage): void {
    if (typeof wire !== 'object') return;
    if (typeof wire.prompt_tokens !== 'number' && typeof wire.completion_tokens !== 'number') return; // says nothing
    const input = countOf(wire.prompt_tokens);
    let output = countOf(wire.completion_tokens);
    const reasoning = countOf(wire.completion_tokens_details?.reasoning_tokens);
    // xAI counts reasoning beside completion_tokens, not inside: its total tells.
    if (reasoning > 0 && countOf(wire.total_tokens) === input + output + reasoning) output += reasoning;
    const usage: Usage = {
      input_tokens: input,
      output_tokens: output,
      cached_input_tokens: countOf(wire.prompt_tokens_details?.cached_tokens ?? wire.prompt_cache_hit_tokens),
      cache_write_input_tokens: countOf(wire.prompt_tokens_details?.cache_write_tokens),
      reasoning_tokens: reasoning,
      estimated: false,
    };
    emit({ type: 'usage', usage });
  }

  /** The provider said that it is done. Alternatives without a finish reason have then ended too, unless inside a tool call. */
  function complete(): void {
    if (choices.length === 0) {
      fail(new GatewayError('upstream_truncated', 'The provider ended the stream without an answer.'));
      return;
    }
    if (!giveLateCalls()) return;
    for (const state of choices) {
      if (state && !state.finish) finish(state.calls.some() ? 'tool_calls' : 'unknown', state);
    }
    terminal({ type: 'done', finishReason: reasonOf(choices.find(Boolean)!) });
  }

  /** Calls not given out yet: those that no finish reason closed, and those that came after it. False if one is cut. */
  function giveLateCalls(): boolean {
    if (choices.some((state) => state?.calls.cut())) {
      fail(new GatewayError('upstream_truncated', 'The provider ended the stream inside a tool call.'));
      return false;
    }
    for (const state of choices) if (state?.finish) giveCalls(state);
    return true;
  }

  /** A body that was no event stream: an error as plain JSON, or a whole answer from a server that ignored `stream`. */
  function readStray(): void {
    const text = stray.trim();
    stray = '';
    if (!text.startsWith('{')) {
      fail(new GatewayError('upstream_protocol', 'The provider answered with something that is not an event stream.'));
      return;
    }
    frame(text, '');
    if (!ended && choices.length === 0) fail(streamFault(text)); // JSON, but no answer: what else it says is why
  }

  const sse = createSseParser({
    event: frame,
    stray(line) {
      if (ended) return;
      // llama.cpp reports a failure as an SSE field named `error`.
      if (line.startsWith('error:')) fail(streamFault(line.slice(6)));
      else if (stray.length + line.length < MAX_STRAY) stray += `${line}\n`;
    },
  });

  return {
    push(chunk) {
      if (ended) return;
      try {
        sse.push(chunk);
      } catch (thrown) {
        fail(shapeFault(thrown));
      }
    },
    end(fault) {
      if (ended) return;
      try {
        sse.end();
        if (!ended && stray !== '' && choices.length === 0) readStray();
      } catch (thrown) {
        fail(shapeFault(thrown));
      }
      if (ended) return;
      if (finished()) {
        if (giveLateCalls()) terminal({ type: 'done', finishReason: finished()! });
      } else
        fail(
          fault ??
            new GatewayError('upstream_truncated', 'The provider ended the stream before the answer was complete.'),
        );
    },
  };
}

/** Whether the text of the first alternative is all that reading this chunk gives. */
function saysContentOnly({ choices, usage, x_groq }: Chunk): boolean {
  if (!Array.isArray(choices) || choices.length !== 1 || usage || x_groq) return false;
  const choice = choices[0];
  if (!choice?.delta || choice.index || choice.finish_reason || choice.usage) return false;
  const { content, reasoning_content, reasoning, reasoning_details, refusal, tool_calls, function_call } = choice.delta;
  const more = reasoning_content || reasoning || reasoning_details || refusal || tool_calls || function_call;
  return typeof content === 'string' && content !== '' && !more;
}

/** A whole completion as one chunk of a stream, for a client that streams. */
function asStreamed(completion: Chunk): object {
  const choices = completion.choices!.map((choice) => {
    if (!choice?.message) return choice;
    const { message, ...rest } = choice;
    const calls = message.tool_calls;
    const delta = Array.isArray(calls)
      ? { ...message, tool_calls: calls.map((call, index) => ({ index, ...call })) }
      : message;
    return { ...rest, delta };
  });
  return { ...completion, object: 'chat.completion.chunk', choices };
}
