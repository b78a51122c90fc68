// Events as the Messages stream says them: a message that is started, blocks one after the other with rising numbers, why it stopped,
// that it is over. Events may be interleaved, blocks never are. Knows the frames as objects; no SSE. On the hot path.
// https://platform.claude.com/docs/en/build-with-claude/streaming#event-types
import type { StreamMeta } from '../../core/contracts.ts';
import type { Ending, FinishReason, ReasoningDetail, StreamEvent, Usage } from '../../core/events.ts';
import { OWN_FORMAT, pack } from './thoughts.ts';

export type Frame = { type: string } & Record<string, unknown>;
type Done = Ending & { type: 'done' };

export interface MessageFrames {
  event(event: StreamEvent): Frame[];
  finish(ending: Done): Frame[];
}

type Open =
  | { kind: 'text' }
  | { kind: 'thinking'; text: string }
  /** `index` among the calls of the answer. */
  | { kind: 'call'; index: number; arguments: string };

/** Who called a tool: the model itself, and not code that it wrote. */
const DIRECT = { type: 'direct' };

export function createMessageFrames(meta: StreamMeta): MessageFrames {
  let frames: Frame[] = [];
  let started = false;
  let count = 0; // blocks
  let open: Open | undefined;
  let kept: ReasoningDetail[] = []; // of the thinking block that is open, or of one yet to come
  let waiting: StreamEvent[] = []; // behind a call that is not whole
  const called = new Set<number>(); // calls that were said to their end

  function start(block: object): void {
    if (!started) {
      started = true;
      frames.push({ type: 'message_start', message: emptyMessage(meta) });
    }
    frames.push({ type: 'content_block_start', index: count, content_block: block });
  }

  function fill(delta: object): void {
    frames.push({ type: 'content_block_delta', index: count, delta });
  }

  function stop(): void {
    frames.push({ type: 'content_block_stop', index: count++ });
    open = undefined;
  }

  function seal(signature: string): void {
    fill({ type: 'signature_delta', signature });
    stop();
  }

  /** Ends the open block. Details that no thinking block holds get a block without text. */
  function close(): void {
    if (open?.kind === 'thinking') {
      seal(pack(kept));
      kept = [];
    } else if (open) {
      if (open.kind === 'call') called.add(open.index);
      stop();
    }
    if (kept.length === 0) return;
    redact(pack(kept));
    kept = [];
  }

  function redact(data: string): void {
    start({ type: 'redacted_thinking', data });
    stop();
  }

  function say(text: string): void {
    if (text === '') return;
    if (open?.kind !== 'text' || kept.length > 0) {
      close();
      start({ type: 'text', text: '' });
      open = { kind: 'text' };
    }
    fill({ type: 'text_delta', text });
  }

  function think(text: string): void {
    if (text === '') return;
    if (open?.kind !== 'thinking' || kept.length > 0) {
      close();
      beginThinking();
    }
    if (open?.kind === 'thinking') open.text += text;
    fill({ type: 'thinking_delta', thinking: text });
  }

  function beginThinking(): void {
    start({ type: 'thinking', thinking: '', signature: '' });
    open = { kind: 'thinking', text: '' };
  }

  /** Of this wire's own format what fits the block that is open goes into it as it is; all else is packed. */
  function keep(detail: ReasoningDetail): void {
    const isOwn = detail.format === OWN_FORMAT && kept.length === 0;
    const shown = open?.kind === 'thinking' ? open.text : '';
    if (isOwn && detail.type === 'reasoning.text' && detail.signature && detail.text === shown) {
      if (open?.kind !== 'thinking') {
        close();
        beginThinking();
      }
      seal(detail.signature);
    } else if (isOwn && detail.type === 'reasoning.encrypted') {
      close();
      redact(detail.data);
    } else kept.push(detail);
  }

  function argue(index: number, piece: string, id: string | undefined, name: string | undefined): void {
    if (called.has(index)) return;
    if (open?.kind !== 'call' || open.index !== index) {
      close();
      const known = { id: id ?? `toolu_${meta.streamId}_${index}`, name: name ?? '' };
      start({ type: 'tool_use', ...known, input: {}, caller: DIRECT });
      open = { kind: 'call', index, arguments: '' };
    }
    if (piece === '') return;
    open.arguments += piece;
    fill({ type: 'input_json_delta', partial_json: piece });
  }

  function giveCall({ call }: StreamEvent & { type: 'tool-call' }): void {
    if (called.has(call.index)) return;
    const isOpen = open?.kind === 'call' && open.index === call.index;
    const text = 'invalid' in call ? call.arguments_text : JSON.stringify(call.arguments);
    argue(call.index, isOpen ? '' : text, call.id, call.name);
    close();
  }

  /** Whether it must wait until the open call is whole: pieces of parallel calls may come in turns. */
  function mustWait(event: StreamEvent): boolean {
    if (open?.kind !== 'call') return false;
    if (event.type === 'tool-call-delta' && event.index === open.index) return false;
    if (event.type === 'tool-call' && event.call.index === open.index) return false;
    return waiting.length > 0 || !isWhole(open.arguments);
  }

  function take(event: StreamEvent): void {
    if (mustWait(event)) {
      waiting.push(event);
      return;
    }
    switch (event.type) {
      case 'token':
        say(event.text);
        return;
      case 'reasoning':
        think(event.text);
        return;
      case 'reasoning-detail':
        keep(event.detail);
        return;
      case 'tool-call-delta':
        argue(event.index, event.arguments, event.id, event.name);
        return;
      case 'tool-call':
        giveCall(event);
        return;
      case 'usage':
      case 'done':
      case 'error':
        return; // said at the end
      default:
        event satisfies never;
    }
  }

  function takeWaiting(): void {
    const events = waiting;
    waiting = [];
    for (const event of events) take(event);
  }

  function given(): Frame[] {
    const said = frames;
    frames = [];
    return said;
  }

  return {
    event(event) {
      if ('choice' in event && event.choice) return []; // this API has one answer
      take(event);
      if (waiting.length > 0) {
        if (open?.kind === 'call' && isWhole(open.arguments)) close();
        if (open?.kind !== 'call') takeWaiting();
      }
      return given();
    },
    finish(ending) {
      close();
      while (waiting.length > 0) {
        takeWaiting();
        close();
      }
      if (!started) frames.push({ type: 'message_start', message: emptyMessage(meta) });
      frames.push(messageDelta(ending), { type: 'message_stop' });
      return given();
    },
  };
}

/** Arguments are one object, so only its last brace can end them. */
function isWhole(text: string): boolean {
  if (!text.trimEnd().endsWith('}')) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Cancelled is no `pause_turn`: agents answer that by asking again. */
const STOP: Record<FinishReason, string> = {
  stop: 'end_turn',
  length: 'max_tokens',
  'tool-calls': 'tool_use',
  'content-filter': 'refusal',
  cancelled: 'end_turn',
  budget: 'max_tokens',
  other: 'end_turn',
};

export function messageDelta({ finishReason, usage }: Done): Frame {
  const stop_reason = STOP[finishReason];
  const stop_details = stop_reason === 'refusal' ? { type: 'refusal', category: null, explanation: null } : null;
  return {
    type: 'message_delta',
    delta: { stop_reason, stop_sequence: null, stop_details },
    usage: wireUsage(usage),
  };
}

/** Counts are known at the end only; the API allows nought here, and its clients take what comes later. */
export function emptyMessage({ streamId, model }: StreamMeta): Record<string, unknown> {
  const usage = {
    input_tokens: 0,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 0,
    output_tokens: 0,
  };
  return {
    id: `msg_${streamId}`,
    type: 'message',
    role: 'assistant',
    model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    stop_details: null,
    usage,
  };
}

/** This API counts beside each other what was cached and what was not. */
function wireUsage(usage: Usage): object {
  const { input_tokens, output_tokens, cached_input_tokens, cache_write_input_tokens, reasoning_tokens } = usage;
  return {
    input_tokens: Math.max(0, input_tokens - cached_input_tokens - cache_write_input_tokens),
    cache_creation_input_tokens: cache_write_input_tokens,
    cache_read_input_tokens: cached_input_tokens,
    output_tokens,
    output_tokens_details: { thinking_tokens: reasoning_tokens },
  };
}
