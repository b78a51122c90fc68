// The stream of ConverseStream: a frame per event. An answer is whole with `messageStop`; only `metadata`, with the usage, may follow,
// so the terminal waits for it or for the end of the body, however that comes. What the provider's own tools did, citations and
// images say nothing here. Tolerant, never throws. Knows this wire only; no HTTP, no front door, no session. On the hot path.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html#API_runtime_ConverseStream_ResponseSyntax
import type { Decoder, DecoderOptions } from '../../core/contracts.ts';
import { GatewayError } from '../../core/errors.ts';
import type { FinishReason, Usage } from '../../core/events.ts';
import { countOf, shapeFault } from '../read.ts';
import { createShape, type ShapeHoles } from '../shape.ts';
import { createCalls } from './calls.ts';
import { streamFault } from './fault.ts';
import { bytesOf, copy, createFrameParser, readHeaders, utf8 } from './frames.ts';
import { createThoughts, type ReasoningDelta } from './thoughts.ts';

// What is read of a payload. Everything is optional and of unsure type: models behind this API differ.
interface Payload {
  contentBlockIndex?: number;
  start?: { toolUse?: { toolUseId?: string; name?: string; type?: string } | null } | null;
  delta?: Delta | null;
  stopReason?: string;
  usage?: WireUsage | null;
  p?: string;
}
interface Delta {
  text?: string;
  toolUse?: { input?: unknown } | null;
  reasoningContent?: ReasoningDelta | null;
}
interface WireUsage {
  inputTokens?: number;
  outputTokens?: number;
  cacheReadInputTokens?: number;
  cacheWriteInputTokens?: number;
}

const FINISH = new Map<string, FinishReason>([
  ['end_turn', 'stop'],
  ['stop_sequence', 'stop'],
  ['tool_use', 'tool-calls'],
  ['max_tokens', 'length'],
  ['model_context_window_exceeded', 'length'],
  ['content_filtered', 'content-filter'],
  ['guardrail_intervened', 'content-filter'],
  ['refusal', 'content-filter'],
]);

/** Where the token stands in a delta. The padding keeps a listener from telling tokens by their size. */
const PADDING: ShapeHoles['padding'] = { key: '"p":"', read: (payload) => payload.p };
const TEXT: ShapeHoles = {
  text: { key: '"text":"', read: (payload) => payload.delta.text },
  padding: PADDING,
  bytes: true,
};
const THOUGHT: ShapeHoles = {
  text: { key: '"text":"', read: (payload) => payload.delta.reasoningContent.text },
  padding: PADDING,
  bytes: true,
};

export function createBedrockDecoder({ emit }: DecoderOptions): Decoder {
  const calls = createCalls(emit);
  const thoughts = createThoughts(emit);
  const textShape = createShape(TEXT);
  const thoughtShape = createShape(THOUGHT);
  let thoughtBlock = 0; // that thoughtShape has learnt
  let deltaHeaders = ''; // of the deltas so far: the next ones have them byte for byte
  let finish: FinishReason | undefined;
  let reported = false; // `metadata` came
  let ended = false;

  function terminal(event: Parameters<typeof emit>[0] & { type: 'done' | 'error' }): void {
    if (ended) return;
    ended = true;
    emit(event);
  }
  const fail = (error: GatewayError) => terminal({ type: 'error', error });

  function frame(headers: string, payload: string): void {
    if (ended) return;
    if (headers === deltaHeaders && readByShape(payload)) return;
    const named = readHeaders(headers);
    const type = named.get(':event-type') ?? '';
    if (named.get(':message-type') === 'error') {
      fail(streamFault(named.get(':error-code') ?? '', JSON.stringify({ message: named.get(':error-message') })));
    } else if (named.get(':message-type') === 'exception') {
      fail(streamFault(named.get(':exception-type') ?? '', utf8(payload)));
    } else if (type.endsWith('Exception')) fail(streamFault(type, utf8(payload)));
    else {
      read(type, payload);
      if (type === 'contentBlockDelta' && headers !== deltaHeaders) deltaHeaders = copy(headers);
    }
  }

  function readByShape(payload: string): boolean {
    const text = textShape.match(payload);
    if (text !== undefined) {
      emit({ type: 'token', text: utf8(text) });
      return true;
    }
    const thought = thoughtShape.match(payload);
    if (thought !== undefined) thoughts.add(thoughtBlock, { text: utf8(thought) });
    return thought !== undefined;
  }

  function read(type: string, bytes: string): void {
    let payload: Payload | null;
    try {
      payload = JSON.parse(utf8(bytes));
    } catch {
      fail(new GatewayError('upstream_protocol', 'The provider sent a frame that is not JSON.'));
      return;
    }
    if (payload === null || typeof payload !== 'object') return;
    const index = typeof payload.contentBlockIndex === 'number' ? payload.contentBlockIndex : 0;
    switch (type) {
      case 'contentBlockStart':
        if (payload.start?.toolUse) calls.begin(index, payload.start.toolUse);
        return;
      case 'contentBlockDelta':
        if (payload.delta) readDelta(index, payload.delta, bytes);
        return;
      case 'contentBlockStop':
        thoughts.close(index);
        calls.close(index);
        return;
      case 'messageStop':
        stop(payload.stopReason);
        return;
      case 'metadata':
        if (payload.usage) readUsage(payload.usage);
        reported = true;
        if (finish !== undefined) terminal({ type: 'done', finishReason: finish });
        return;
      default: // messageStart, and what is yet to be invented
    }
  }

  function readDelta(index: number, { text, toolUse, reasoningContent }: Delta, bytes: string): void {
    if (typeof text === 'string' && text !== '') {
      emit({ type: 'token', text });
      if (!toolUse && !reasoningContent) textShape.learn(bytes, bytesOf(text));
    }
    if (toolUse) calls.add(index, toolUse.input);
    if (!reasoningContent) return;
    thoughts.add(index, reasoningContent);
    const { text: thought, signature, redactedContent } = reasoningContent;
    const only = typeof thought === 'string' && thought !== '' && !signature && !redactedContent;
    if (!only || text || toolUse) return;
    thoughtShape.learn(bytes, bytesOf(thought));
    if (thoughtShape.match(bytes) !== undefined) thoughtBlock = index;
  }

  function stop(reason: unknown): void {
    const known = FINISH.get(String(reason)) ?? 'other';
    thoughts.closeAll();
    calls.give(known === 'stop' || known === 'tool-calls');
    if (known === 'stop' && calls.some()) finish = 'tool-calls';
    else if (known === 'tool-calls' && !calls.some())
      finish = 'other'; // only the provider's own were called
    else finish = known;
    // The real API reports usage last; gateways and recordings have it the other way round.
    if (reported) terminal({ type: 'done', finishReason: finish });
  }

  function readUsage(wire: WireUsage): void {
    if (typeof wire.inputTokens !== 'number' && typeof wire.outputTokens !== 'number') return; // says nothing
    const [read, written] = [countOf(wire.cacheReadInputTokens), countOf(wire.cacheWriteInputTokens)];
    const usage: Usage = {
      input_tokens: countOf(wire.inputTokens) + read + written, // the wire counts the three apart
      output_tokens: countOf(wire.outputTokens),
      cached_input_tokens: read,
      cache_write_input_tokens: written,
      reasoning_tokens: 0, // within the output, and not told apart
      estimated: false,
    };
    emit({ type: 'usage', usage });
  }

  const frames = createFrameParser(frame);

  return {
    push(chunk) {
      if (ended) return;
      try {
        frames.push(chunk);
      } catch (thrown) {
        fail(shapeFault(thrown));
      }
    },
    end(fault) {
      if (finish !== undefined) terminal({ type: 'done', finishReason: finish });
      else
        fail(
          fault ??
            new GatewayError('upstream_truncated', 'The provider ended the stream before the answer was complete.'),
        );
    },
  };
}
