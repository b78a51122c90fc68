// Events as the chunks of a UI message stream: text and reasoning in blocks that open and close one after another, calls beside them.
// A reasoning detail rides on a part that the client keeps anyway, so that it comes back with the next request. Knows the chunks;
// no SSE, no HTTP. On the hot path.
// https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol#data-stream-protocol
import type { StreamMeta } from '../../core/contracts.ts';
import type { Ending, FinishReason, ReasoningDetail, StreamEvent, ToolCall } from '../../core/events.ts';

/** What rides along: the client stores it with the part and sends it back unread. */
export interface PartMetadata {
  millrace: { reasoning_details: ReasoningDetail[] };
}

type Kind = 'text' | 'reasoning';

/** The chunks that this door sends, of the many that the protocol has. */
export type Chunk =
  | { type: 'start'; messageId: string; messageMetadata: object }
  | { type: 'start-step' | 'finish-step' | 'abort' }
  | { type: `${Kind}-start`; id: string }
  | { type: `${Kind}-delta`; id: string; delta: string }
  | { type: `${Kind}-end`; id: string; providerMetadata?: PartMetadata }
  | { type: 'tool-input-start'; toolCallId: string; toolName: string }
  | { type: 'tool-input-delta'; toolCallId: string; inputTextDelta: string }
  | (Input & { toolCallId: string; toolName: string; providerMetadata?: PartMetadata })
  | { type: 'message-metadata'; messageMetadata: object }
  | { type: 'finish'; finishReason: string; messageMetadata: object }
  | { type: 'error'; errorText: string };

type Input =
  | { type: 'tool-input-available'; input: unknown }
  | { type: 'tool-input-error'; input: string; errorText: string };

export interface ChunkBuilder {
  /** `messageId`: of the message that the answer goes on with; a new one without it. */
  start(meta: StreamMeta, messageId: string | undefined): Chunk[];
  event(event: StreamEvent): Chunk[];
  end(ending: Ending): Chunk[];
}

/** `cancelled` is no reason of this protocol but a chunk of its own: `abort`. */
const FINISH: Record<Exclude<FinishReason, 'cancelled'>, string> = {
  stop: 'stop',
  length: 'length',
  'tool-calls': 'tool-calls',
  'content-filter': 'content-filter',
  budget: 'length',
  other: 'other',
};

interface Block {
  kind: Kind;
  id: string;
  details: ReasoningDetail[];
  /** What comes next of its kind is another thought. */
  sealed: boolean;
}

interface Call {
  id: string;
  name: string;
  /** Its beginning is out. */
  started: boolean;
  /** Arguments that came before the call had its name. */
  held: string;
  details: ReasoningDetail[];
}

export function createChunkBuilder(): ChunkBuilder {
  const calls = new Map<number, Call>(); // those that are not complete
  let block: Block | undefined; // the open one
  let blocks = 0;
  let waiting: ReasoningDetail[] = []; // for the next part that can carry them

  function takeWaiting(): ReasoningDetail[] {
    const taken = waiting;
    waiting = [];
    return taken;
  }

  function close(): Chunk[] {
    if (block === undefined) return [];
    const { kind, id, details } = block;
    block = undefined;
    return [{ type: `${kind}-end`, id, ...carrying(details) }];
  }

  function say(kind: Kind, delta: string): Chunk[] {
    if (block?.kind === kind && !block.sealed) return [{ type: `${kind}-delta`, id: block.id, delta }];
    const chunks = close();
    const id = `${kind}-${++blocks}`;
    block = { kind, id, details: takeWaiting(), sealed: false };
    chunks.push({ type: `${kind}-start`, id }, { type: `${kind}-delta`, id, delta });
    return chunks;
  }

  function keep(detail: ReasoningDetail): void {
    for (const call of calls.values()) {
      if (call.id === detail.id) {
        call.details.push(detail);
        return;
      }
    }
    if (block === undefined) waiting.push(detail);
    else {
      block.details.push(detail);
      block.sealed = block.kind === 'reasoning';
    }
  }

  function addToCall({ index, id, name, arguments: piece }: StreamEvent & { type: 'tool-call-delta' }): Chunk[] {
    let call = calls.get(index);
    if (call === undefined) {
      call = { id: '', name: '', started: false, held: '', details: takeWaiting() };
      calls.set(index, call);
    }
    call.id ||= id ?? '';
    call.name ||= name ?? '';
    if (call.started) return piece === '' ? [] : [inputDelta(call, piece)];
    call.held += piece;
    if (call.id === '' || call.name === '') return [];
    call.started = true;
    const chunks = close();
    chunks.push({ type: 'tool-input-start', toolCallId: call.id, toolName: call.name });
    if (call.held !== '') chunks.push(inputDelta(call, call.held));
    return chunks;
  }

  function complete({ call }: StreamEvent & { type: 'tool-call' }): Chunk[] {
    const begun = calls.get(call.index);
    calls.delete(call.index);
    const chunks = begun?.started ? [] : close();
    const details = begun?.details ?? takeWaiting();
    chunks.push({ ...inputOf(call), toolCallId: call.id, toolName: call.name, ...carrying(details) });
    return chunks;
  }

  /** Details behind everything that could carry them: a thought without words. */
  function leftOver(): Chunk[] {
    if (waiting.length === 0) return [];
    const id = `reasoning-${++blocks}`;
    return [
      { type: 'reasoning-start', id },
      { type: 'reasoning-end', id, ...carrying(takeWaiting()) },
    ];
  }

  return {
    start({ streamId, model, provider }, messageId = streamId.replace(/^str_/, 'msg_')) {
      const messageMetadata = { stream_id: streamId, model, provider };
      return [{ type: 'start', messageId, messageMetadata }, { type: 'start-step' }];
    },
    event(event) {
      if ('choice' in event && event.choice !== undefined && event.choice !== 0) return []; // a message is one answer
      switch (event.type) {
        case 'token':
          return say('text', event.text);
        case 'reasoning':
          return say('reasoning', event.text);
        case 'reasoning-detail':
          keep(event.detail);
          return [];
        case 'tool-call-delta':
          return addToCall(event);
        case 'tool-call':
          return complete(event);
        case 'usage':
        case 'done':
        case 'error':
          return []; // internal, or said by `end`
        default:
          return event satisfies never;
      }
    },
    end(ending) {
      const chunks = [...close(), ...leftOver()];
      const messageMetadata = metadataOf(ending);
      if (ending.type === 'error') {
        // Whatever comes behind an error is not read any more.
        chunks.push({ type: 'message-metadata', messageMetadata }, { type: 'error', errorText: ending.error.message });
      } else if (ending.finishReason === 'cancelled') {
        chunks.push({ type: 'message-metadata', messageMetadata }, { type: 'abort' });
      } else {
        const finishReason = FINISH[ending.finishReason];
        chunks.push({ type: 'finish-step' }, { type: 'finish', finishReason, messageMetadata });
      }
      return chunks;
    },
  };
}

/** Keys for which the client's JSON parser refuses a frame, and with it the stream. https://github.com/fastify/secure-json-parse */
const POISON = /"__proto__":|"constructor":\{.*"prototype":/;

function inputOf(call: ToolCall): Input {
  if ('invalid' in call) {
    const errorText = 'The arguments of this call are not valid JSON.';
    return { type: 'tool-input-error', input: call.arguments_text, errorText };
  }
  const text = JSON.stringify(call.arguments);
  if (!POISON.test(text)) return { type: 'tool-input-available', input: call.arguments };
  const errorText =
    'The arguments of this call have a key that no object may have: __proto__ or constructor.prototype.';
  return { type: 'tool-input-error', input: text, errorText };
}

function inputDelta({ id }: Call, inputTextDelta: string): Chunk {
  return { type: 'tool-input-delta', toolCallId: id, inputTextDelta };
}

function carrying(details: ReasoningDetail[]): { providerMetadata?: PartMetadata } {
  return details.length === 0 ? {} : { providerMetadata: { millrace: { reasoning_details: details } } };
}

/** What the native protocol says at the end, by the same names. */
export function metadataOf(ending: Ending): object {
  const { usage, cost_usd, model, provider, attempts, timing } = ending;
  const how = ending.type === 'error' ? { error: ending.error.body() } : { finish_reason: ending.finishReason };
  return { ...how, usage, cost_usd, model, provider, attempts, timing };
}
