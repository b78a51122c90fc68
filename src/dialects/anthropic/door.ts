// The Anthropic front door: POST /v1/messages, streamed and whole, and its token count. Over the same wire the request goes on in its
// own words and the provider's frames come back untouched; over others both are translated. Knows this API; no wire, no HTTP.
// https://platform.claude.com/docs/en/api/messages
import type { Call, Collector, Dialect, Encoder, StreamMeta } from '../../core/contracts.ts';
import type { ErrorCode, GatewayError } from '../../core/errors.ts';
import type { StreamEvent } from '../../core/events.ts';
import { sseFrame } from '../../core/sse.ts';
import { createMessageFrames, emptyMessage, type Frame, type MessageFrames, messageDelta } from './blocks.ts';
import { foldFrames } from './fold.ts';
import { ownWords } from './messages.ts';
import { models } from './models.ts';
import { chatOf, checkRequest, THREAD } from './request.ts';

const WIRE = 'anthropic';

// ---- errors ---------------------------------------------------------------------------------------------------------

/** https://platform.claude.com/docs/en/api/errors#http-errors */
const TYPES: Record<ErrorCode, string> = {
  invalid_request: 'invalid_request_error',
  context_length_exceeded: 'invalid_request_error',
  unauthorized: 'authentication_error',
  forbidden: 'permission_error',
  model_not_found: 'not_found_error',
  stream_not_found: 'not_found_error',
  idempotency_conflict: 'invalid_request_error',
  stream_gone: 'not_found_error',
  request_too_large: 'request_too_large',
  rate_limited: 'rate_limit_error',
  concurrency_limited: 'rate_limit_error',
  budget_exceeded: 'billing_error',
  content_filtered: 'invalid_request_error',
  upstream_auth: 'api_error',
  upstream_rate_limited: 'rate_limit_error',
  upstream_unavailable: 'overloaded_error',
  upstream_timeout: 'timeout_error',
  upstream_protocol: 'api_error',
  upstream_truncated: 'api_error',
  slow_client: 'api_error',
  shutting_down: 'overloaded_error',
  node_lost: 'overloaded_error',
  internal: 'api_error',
};

/** Agents shorten their conversation when they read these words, and only then: the error has no type of its own. */
const TOO_LONG = 'prompt is too long';

/** By this and nothing else the SDK's tool runner learns to go on without one. https://platform.claude.com/docs/en/build-with-claude/message-threads */
const NO_THREADS = { details: { error_code: 'thread_unsupported_request', unsupported: [THREAD] } };

function errorBody(
  { code, message, param }: GatewayError,
  streamId?: string,
): { type: 'error' } & Record<string, unknown> {
  const isNamed = code !== 'context_length_exceeded' || message.toLowerCase().includes(TOO_LONG);
  return {
    type: 'error',
    error: {
      type: TYPES[code],
      message: isNamed ? message : `${TOO_LONG}: ${message}`,
      ...(code === 'invalid_request' && param === THREAD && NO_THREADS),
    },
    request_id: streamId === undefined ? null : `req_${streamId}`,
  };
}

// ---- streamed -------------------------------------------------------------------------------------------------------

const HEAD = '{"type":"';

/** The name of a frame, which is the name of its SSE event. '' for what is none. */
function nameOf(data: string): string {
  const name: unknown = data.startsWith(HEAD)
    ? data.slice(HEAD.length, data.indexOf('"', HEAD.length))
    : JSON.parse(data).type;
  return typeof name === 'string' && /^\w+$/.test(name) ? name : ''; // as part of a line it must not hold what ends one
}

function createEncoder(): Encoder {
  let id = 0;
  let meta: StreamMeta;
  let built: MessageFrames | undefined; // here, for a provider of another wire
  let isRaw = false;
  let openBlock: number | undefined; // of raw frames
  let hasReason = false;
  let isOver = false;
  const frame = (body: Frame) => sseFrame(++id, JSON.stringify(body), body.type);

  function joined(frames: Frame[]): string {
    let text = '';
    for (const body of frames) text += frame(body);
    return text;
  }

  /** What the provider's own frames left unsaid: it was stopped, or ended in another wire's way. */
  function rest(ending: Parameters<MessageFrames['finish']>[0]): Frame[] {
    return [
      ...(openBlock === undefined ? [] : [{ type: 'content_block_stop', index: openBlock }]),
      ...(hasReason ? [] : [messageDelta(ending)]),
      { type: 'message_stop' },
    ];
  }

  return {
    heartbeat: 'event: ping\ndata: {"type":"ping"}\n\n',
    start(known) {
      meta = known;
      return '';
    },
    event(event) {
      built ??= createMessageFrames(meta);
      return joined(built.event(event));
    },
    raw(data) {
      isRaw = true;
      const name = nameOf(data);
      switch (name) {
        case '':
          return '';
        case 'content_block_start':
          openBlock = JSON.parse(data).index;
          break;
        case 'content_block_stop':
          openBlock = undefined;
          break;
        case 'message_delta':
          hasReason ||= Boolean(JSON.parse(data).delta?.stop_reason);
          break;
        case 'message_stop':
          isOver = true;
          break;
        default: // deltas, pings, and what is yet to be invented
      }
      return sseFrame(++id, data, name);
    },
    end(ending) {
      if (isOver) return '';
      if (ending.type === 'error') return frame(errorBody(ending.error, meta.streamId));
      if (isRaw) return joined(rest(ending));
      built ??= createMessageFrames(meta);
      return joined(built.finish(ending));
    },
  };
}

// ---- whole ----------------------------------------------------------------------------------------------------------

function createCollector(): Collector {
  const fold = foldFrames();
  const pending: StreamEvent[] = []; // whose message they are of is known at the end
  let hasReason = false;
  let isRaw = false;
  return {
    event: (event) => void pending.push(event),
    raw(data) {
      isRaw = true;
      const frame = JSON.parse(data);
      hasReason ||= Boolean(frame.delta?.stop_reason);
      fold.add(frame);
    },
    result(ending, meta) {
      if (!isRaw) {
        const built = createMessageFrames(meta);
        for (const event of pending) for (const frame of built.event(event)) fold.add(frame);
        for (const frame of built.finish(ending)) fold.add(frame);
      } else if (!hasReason) fold.add(messageDelta(ending));
      return { ...emptyMessage(meta), ...fold.message() };
    },
  };
}

// ---- the door -------------------------------------------------------------------------------------------------------

/** Those of the request's headers that say how its body is meant. */
const SPOKEN = ['anthropic-version', 'anthropic-beta'];

function spokenHeaders({ headers }: Call): Record<string, string> {
  return Object.fromEntries(
    SPOKEN.flatMap((name) => {
      const value = [headers[name] ?? []].flat().join(',');
      return value === '' ? [] : [[name, value]];
    }),
  );
}

export const anthropic: Dialect = {
  name: 'anthropic',
  wire: WIRE,
  paths: ['/v1/messages'],
  parse(body, call) {
    const request = checkRequest(body);
    return {
      chat: chatOf(request),
      stream: request.stream === true,
      options: {},
      verbatim: { wire: WIRE, body: ownWords(body as Record<string, unknown>), headers: spokenHeaders(call) },
    };
  },
  encoder: createEncoder,
  collector: createCollector,
  interrupted(error, lastId) {
    const body = errorBody(error);
    return sseFrame(lastId + 1, JSON.stringify(body), body.type);
  },
  fault: (error) => errorBody(error),
  count: {
    path: '/v1/messages/count_tokens',
    parse: (body) => chatOf(checkRequest(body)),
    answer: (tokens) => ({ input_tokens: tokens }),
  },
  models,
};
