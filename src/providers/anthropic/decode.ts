// The Messages stream: numbered blocks that are opened, filled and closed, and around them what the message costs and why it ended.
// Tolerant: takes what it needs, ignores the rest, never throws. Knows this wire only; no HTTP, no front door. On the hot path.
// https://platform.claude.com/docs/en/build-with-claude/streaming
import type { Decoder, DecoderOptions } from '../../core/contracts.ts';
import { GatewayError } from '../../core/errors.ts';
import type { FinishReason } from '../../core/events.ts';
import { createSseParser } from '../../core/sse.ts';
import { countOf, shapeFault } from '../read.ts';
import { createBlocks, type WireBlock, type WireDelta } from './blocks.ts';
import { anthropicStreamFault } from './fault.ts';

interface Frame {
  type?: string;
  index?: number;
  message?: { usage?: WireUsage | null } | null;
  content_block?: WireBlock | null;
  delta?: (WireDelta & { stop_reason?: string | null }) | null;
  usage?: WireUsage | null;
}
interface WireUsage {
  input_tokens?: number | null;
  output_tokens?: number | null;
  cache_read_input_tokens?: number | null;
  cache_creation_input_tokens?: number | null;
  output_tokens_details?: { thinking_tokens?: number | null } | null;
}

const FINISH = new Map<string, FinishReason>([
  ['end_turn', 'stop'],
  ['stop_sequence', 'stop'],
  ['pause_turn', 'stop'], // the provider's own tools ran long; what was said until here is whole
  ['tool_use', 'tool-calls'],
  ['max_tokens', 'length'],
  ['model_context_window_exceeded', 'length'],
  ['refusal', 'content-filter'],
]);

/** After these the last block may have been closed in the middle. */
const CUT = new Set<FinishReason>(['length', 'content-filter']);

/** How much of a body that is no SSE is kept, to read an error from. */
const MAX_STRAY = 64 * 1024;

export function createAnthropicDecoder({ emit, raw }: DecoderOptions): Decoder {
  const blocks = createBlocks(emit);
  let finish: FinishReason | undefined;
  let ended = false;
  let seen = false; // any frame of this wire
  let stray = '';
  const counts = { input: 0, output: 0, read: 0, written: 0, thinking: 0 };

  function terminal(event: Parameters<typeof emit>[0] & { type: 'done' | 'error' }): void {
    if (ended) return;
    ended = true;
    emit(event);
  }
  const fail = (error: GatewayError) => terminal({ type: 'error', error });
  const truncated = (how: string) =>
    fail(new GatewayError('upstream_truncated', `The provider ended the stream ${how}.`));

  function frame(data: string, name: string): void {
    if (ended || (data === '' && name !== 'error')) return;
    if (blocks.match(data)) {
      raw?.(data);
      return;
    }
    let parsed: Frame | null;
    try {
      parsed = JSON.parse(data);
    } catch {
      if (name === 'error') fail(anthropicStreamFault({ error: data }));
      // Gateways end every stream as Chat Completions does, some of them instead of this wire's own end.
      else if (data.trim() === '[DONE]') complete();
      else fail(new GatewayError('upstream_protocol', 'The provider sent a frame that is not JSON.'));
      return;
    }
    if (parsed === null || typeof parsed !== 'object') return;
    seen = true;
    if (parsed.type === 'error' || name === 'error') {
      fail(anthropicStreamFault(parsed));
      return;
    }
    const isEnd = parsed.type === 'message_stop';
    if (isEnd && !finish) {
      truncated('without saying why'); // and nobody is handed an end that is none
      return;
    }
    read(parsed, data);
    // Outside its strings JSON may have line breaks, and inside it cannot: a frame is handed on as one line.
    raw?.(data.includes('\n') ? data.replaceAll('\n', ' ') : data);
    if (isEnd) complete(); // last, because nothing follows a terminal event
  }

  function read({ type, index, message, content_block, delta, usage }: Frame, data: string): void {
    const at = typeof index === 'number' ? index : -1;
    switch (type) {
      case 'message_start':
        readUsage(message?.usage);
        return;
      case 'content_block_start':
        if (content_block) blocks.open(at, content_block);
        return;
      case 'content_block_delta':
        if (delta) blocks.fill(at, delta, data);
        return;
      case 'content_block_stop':
        blocks.close(at);
        return;
      case 'message_delta':
        readUsage(usage);
        if (delta?.stop_reason) finish = FINISH.get(delta.stop_reason) ?? 'other';
        return;
      default: // ping, and what is yet to be invented
    }
  }

  /** Counts are cumulative; those that a later report leaves out stand. */
  function readUsage(wire: WireUsage | null | undefined): void {
    if (!wire || typeof wire !== 'object') return;
    counts.input = countOf(wire.input_tokens, counts.input);
    counts.output = countOf(wire.output_tokens, counts.output);
    counts.read = countOf(wire.cache_read_input_tokens, counts.read);
    counts.written = countOf(wire.cache_creation_input_tokens, counts.written);
    counts.thinking = countOf(wire.output_tokens_details?.thinking_tokens, counts.thinking);
    const { input, output, read, written, thinking } = counts;
    emit({
      type: 'usage',
      usage: {
        input_tokens: input + read + written, // this wire counts beside each other what was cached and what was not
        output_tokens: output,
        cached_input_tokens: read,
        cache_write_input_tokens: written,
        reasoning_tokens: thinking,
        estimated: false,
      },
    });
  }

  /** The provider said that the message is over. */
  function complete(): void {
    if (!finish) {
      truncated('without saying why');
      return;
    }
    blocks.finish(CUT.has(finish));
    terminal({ type: 'done', finishReason: finish === 'stop' && blocks.calls() > 0 ? 'tool-calls' : finish });
  }

  /** A body that was no event stream: an error as plain JSON, or a page of something in between. */
  function readStray(): void {
    const text = stray.trim();
    stray = '';
    if (text.startsWith('{')) fail(anthropicStreamFault(text));
    else
      fail(new GatewayError('upstream_protocol', 'The provider answered with something that is not an event stream.'));
  }

  const sse = createSseParser({
    event: frame,
    stray(line) {
      if (!ended && stray.length + line.length < MAX_STRAY) stray += `${line}\n`;
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
        if (!ended && stray !== '' && !seen) readStray();
      } catch (thrown) {
        fail(shapeFault(thrown));
      }
      // A stop reason alone is no end: until message_stop the API may still report an error, or go on with another model.
      if (fault) fail(fault);
      else truncated('before the answer was complete');
    },
  };
}
