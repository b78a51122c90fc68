// The Responses stream: typed events about output items, read as vendors really send them. What is said piece by piece is said
// again whole, up to three times; each is taken once. Tolerant: takes what it needs, ignores the rest, never throws. Knows this
// wire only; no HTTP, no front door, no session. On the hot path.
// https://platform.openai.com/docs/api-reference/responses-streaming
import type { Decoder, DecoderOptions } from '../../core/contracts.ts';
import { GatewayError } from '../../core/errors.ts';
import type { FinishReason } from '../../core/events.ts';
import { createSseParser } from '../../core/sse.ts';
import { countOf, guarded, textOf } from '../read.ts';
import { createShape, type Shape, type ShapeHoles } from '../shape.ts';
import { eventFault } from './fault.ts';
import { createOutput, type Place, type WireItem } from './output.ts';

// What is read of an event. Everything is optional and of unsure type: vendors leave out, null and empty each of these.
interface Frame extends Place {
  type?: string;
  response?: WireResponse | null;
  delta?: unknown;
  text?: unknown;
  refusal?: unknown;
  arguments?: unknown;
  input?: unknown;
  error?: unknown;
  sequence_number?: unknown;
}
interface WireResponse {
  object?: string;
  status?: string | null;
  output?: (WireItem | null)[] | null;
  usage?: WireUsage | null;
  error?: unknown;
  incomplete_details?: { reason?: string | null } | null;
}
interface WireUsage {
  input_tokens?: number | null;
  output_tokens?: number | null;
  input_tokens_details?: { cached_tokens?: number | null; cache_write_tokens?: number | null } | null;
  output_tokens_details?: { reasoning_tokens?: number | null } | null;
}

const INCOMPLETE = new Map<string, FinishReason>([
  ['max_output_tokens', 'length'],
  ['content_filter', 'content-filter'],
]);

/** Where the token stands. The padding keeps a listener from telling tokens by their size. */
const HOLES: ShapeHoles = {
  text: { key: '"delta":"', read: (frame) => frame.delta },
  numbers: [{ key: '"sequence_number":', read: (frame) => frame.sequence_number }],
  padding: { key: '"obfuscation":"', read: (frame) => frame.obfuscation },
};
/** Some gateways do not count. */
const UNCOUNTED: ShapeHoles = { text: HOLES.text };

/** How much of a body that is no SSE is kept, to read an error or a whole answer from. */
const MAX_STRAY = 256 * 1024;

export function createOpenAiResponsesDecoder({ emit, raw }: DecoderOptions): Decoder {
  const output = createOutput(emit);
  let ended = false;
  let begun = false; // an event came
  let stray = '';
  let reported: unknown; // an error event without a message: the failed response after it may have one
  let closing: GatewayError | undefined; // the body is over: what that means, unless it was finished
  let tokens: Shape | undefined;
  let thoughts: Shape | undefined;

  function terminal(event: Parameters<typeof emit>[0] & { type: 'done' | 'error' }): void {
    if (ended) return;
    ended = true;
    emit(event);
  }
  const fail = (error: GatewayError) => terminal({ type: 'error', error });
  const cut = (where: string) => new GatewayError('upstream_truncated', `The provider ended the stream ${where}.`);

  function event(data: string, name: string): void {
    if (ended) return;
    if (name !== 'error') {
      const token = tokens?.match(data);
      const piece = token ?? thoughts?.match(data);
      if (piece !== undefined) {
        emit({ type: token === undefined ? 'reasoning' : 'token', text: piece });
        raw?.(data);
        return;
      }
    }
    if (data.trim() === '[DONE]') {
      // Gateways say so at the end; the response's own end would have come before.
      fail(reported === undefined ? cut('before the response was complete') : eventFault(reported));
      return;
    }
    if (data === '' && name !== 'error') return;
    let frame: Frame;
    try {
      frame = JSON.parse(data);
    } catch {
      if (name === 'error') fail(eventFault(data));
      else fail(closing ?? new GatewayError('upstream_protocol', 'The provider sent a frame that is not JSON.'));
      return;
    }
    if (frame === null || typeof frame !== 'object') return;
    begun = true;
    read(frame, textOf(frame.type) || name, data);
  }

  function read(frame: Frame, type: string, data: string): void {
    if (type === 'error' || (frame.error && !type.startsWith('response.'))) {
      const error = frame.error ?? frame;
      if (said(error)) fail(eventFault(error));
      else reported ??= error;
      return;
    }
    const { response } = frame;
    if (response?.usage) readUsage(response.usage);
    switch (type) {
      case 'response.output_text.delta':
        if (output.token(frame, frame.delta) && frame.type) tokens = learn(tokens, frame, data);
        break;
      case 'response.refusal.delta':
        output.refusal(frame, frame.delta);
        break;
      case 'response.reasoning_summary_text.delta':
        if (output.thought(frame, 'summary', frame.delta) && frame.type) thoughts = learn(thoughts, frame, data);
        break;
      case 'response.reasoning_text.delta':
        if (output.thought(frame, 'text', frame.delta) && frame.type) thoughts = learn(thoughts, frame, data);
        break;
      case 'response.output_text.done':
        output.wholeText(frame, frame.text);
        break;
      case 'response.refusal.done':
        output.wholeRefusal(frame, frame.refusal);
        break;
      case 'response.reasoning_summary_text.done':
        output.wholeThought(frame, 'summary', frame.text);
        break;
      case 'response.reasoning_text.done':
        output.wholeThought(frame, 'text', frame.text);
        break;
      case 'response.function_call_arguments.delta':
        output.callAt(frame, 'function_call').add(frame.delta);
        break;
      case 'response.custom_tool_call_input.delta':
        output.callAt(frame, 'custom_tool_call').add(frame.delta);
        break;
      case 'response.function_call_arguments.done':
        output.callAt(frame, 'function_call').complete(frame.arguments);
        break;
      case 'response.custom_tool_call_input.done':
        output.callAt(frame, 'custom_tool_call').complete(frame.input);
        break;
      case 'response.output_item.added':
        output.open(frame);
        break;
      case 'response.output_item.done':
        output.close(frame);
        break;
      case 'response.completed':
      case 'response.incomplete':
      case 'response.failed':
      case 'response.cancelled':
      case 'response.done':
        finish(frame, type, data);
        return;
    }
    raw?.(lineOf(frame, type, data));
  }

  function learn(shape: Shape | undefined, frame: Frame, data: string): Shape {
    const learning = shape ?? createShape(frame.sequence_number === undefined ? UNCOUNTED : HOLES);
    learning.learn(data, frame.delta as string);
    return learning;
  }

  function readUsage({ input_tokens, output_tokens, input_tokens_details, output_tokens_details }: WireUsage): void {
    if (typeof input_tokens !== 'number' && typeof output_tokens !== 'number') return; // says nothing
    emit({
      type: 'usage',
      usage: {
        input_tokens: countOf(input_tokens),
        output_tokens: countOf(output_tokens),
        cached_input_tokens: countOf(input_tokens_details?.cached_tokens),
        cache_write_input_tokens: countOf(input_tokens_details?.cache_write_tokens),
        reasoning_tokens: countOf(output_tokens_details?.reasoning_tokens),
        estimated: false,
      },
    });
  }

  /** The response says how it ended; where it says nothing of use, the event's name does. */
  function finish(frame: Frame, type: string, data: string): void {
    const response = frame.response ?? {};
    const ending = (status: unknown) => /^(completed|incomplete|failed|cancelled)$/.exec(textOf(status))?.[0];
    const status = ending(response.status) ?? ending(type.slice('response.'.length));
    if (reported !== undefined || response.error || status === 'failed') {
      fail(eventFault(said(response.error) ? response.error : (reported ?? response.error)));
      return;
    }
    if (status === 'cancelled' || status === undefined) {
      const cancelled = new GatewayError('upstream_unavailable', 'The provider cancelled the response.');
      fail(status ? cancelled : cut('before the response was complete'));
      return;
    }
    const items = Array.isArray(response.output)
      ? response.output.filter((item) => item && typeof item === 'object')
      : [];
    output.recover(items as WireItem[], status === 'completed');
    if (status === 'completed' && output.cut()) {
      fail(cut('inside a tool call'));
      return;
    }
    raw?.(lineOf(frame, type, data)); // before the terminal: after it nobody listens
    terminal({ type: 'done', finishReason: reasonOf(response, status) });
  }

  function reasonOf({ incomplete_details }: WireResponse, status: string): FinishReason {
    if (status === 'incomplete') return INCOMPLETE.get(textOf(incomplete_details?.reason)) ?? 'other';
    if (output.called()) return 'tool-calls';
    return output.refused() ? 'content-filter' : 'stop';
  }

  /** A body that was no event stream: an error as plain JSON, or a whole response from a server that ignored `stream`. */
  function readStray(): void {
    const text = stray.trim();
    let response: (WireResponse & { detail?: unknown }) | undefined;
    try {
      response = JSON.parse(text);
    } catch {
      // Said below: it is not what it should be.
    }
    if (response === null || typeof response !== 'object') {
      fail(new GatewayError('upstream_protocol', 'The provider answered with something that is not an event stream.'));
    } else if (response.object === 'response') {
      raw?.(JSON.stringify({ type: 'response.created', response: { ...response, status: 'in_progress', output: [] } }));
      const frame = { type: `response.${response.status}`, response };
      read(frame, 'response.done', JSON.stringify(frame));
    } else fail(eventFault(response.error ?? response));
  }

  const sse = createSseParser({
    event,
    stray(line) {
      if (!ended && stray.length + line.length < MAX_STRAY) stray += `${line}\n`;
    },
  });

  return {
    push(chunk) {
      if (!ended) guarded(() => sse.push(chunk), fail);
    },
    end(fault) {
      if (ended) return;
      closing = fault ?? cut('before the response was complete');
      guarded(() => {
        sse.end();
        if (!ended && stray !== '' && !begun) readStray();
      }, fail);
      fail(reported === undefined ? closing : eventFault(reported));
    },
  };
}

/**
 * A frame as it is handed on: one line, for JSON may have line breaks outside its strings and none inside. Some gateways name an
 * event beside its data only, where no client looks.
 */
function lineOf(frame: Frame, type: string, data: string): string {
  if (!frame.type) return JSON.stringify({ ...frame, type });
  return data.includes('\n') ? data.replaceAll('\n', ' ') : data;
}

/** Whether an error has words. */
function said(error: unknown): boolean {
  if (error === null || typeof error !== 'object') return textOf(error) !== '';
  return textOf((error as { message?: unknown }).message) !== '';
}
