// Google's front door: models/{model}:generateContent and :streamGenerateContent, the latter as server-sent events or as one JSON array.
// Over the same wire the provider's chunks are handed on untouched. Knows the framing, the path and the errors; what stands in a request
// or a chunk is in the files beside it. On the hot path.
// https://ai.google.dev/api/generate-content
import type { Call, Collector, Dialect, Encoder, StreamMeta } from '../../core/contracts.ts';
import { type ErrorCode, GatewayError } from '../../core/errors.ts';
import type { StreamEvent } from '../../core/events.ts';
import { type Chunks, createChunks, wireUsage } from './chunks.ts';
import { foldChunks } from './fold.ts';
import { models } from './models.ts';
import { understood } from './request.ts';

interface Options extends Record<string, unknown> {
  /** Without `alt=sse` a stream is one JSON array. */
  array?: boolean;
  includeThoughts?: boolean;
}

/**
 * A chunk with nothing in it. Each of Google's clients has another grammar for a stream: one drops an event that does not begin with
 * `data:`, one reads any other line as JSON, one fails on a blank line; and a chunk without parts would make a chat forget its answer.
 * For the same reason no event has an `id:`.
 */
const SILENCE = 'data: {"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"index":0}]}\n\n';

function createEncoder({ array = false, includeThoughts = false }: Options): Encoder {
  let chunks: Chunks | undefined;
  let meta: StreamMeta;
  let ended = false; // the provider's own frame said how
  let first = true;

  function frame(json: string): string {
    if (!array) return `data: ${json}\n\n`;
    const before = first ? '' : ',\n';
    first = false;
    return before + json;
  }
  function built(): Chunks {
    chunks ??= createChunks(meta, includeThoughts);
    return chunks;
  }

  return {
    ...(array && { contentType: 'application/json; charset=utf-8' }),
    heartbeat: array ? '\n' : SILENCE,
    start(known) {
      meta = known;
      return array ? '[' : '';
    },
    event(event) {
      const json = built().event(event);
      return json === '' ? '' : frame(json);
    },
    raw(data) {
      ended ||= saysEnd(data);
      return frame(data);
    },
    end(ending) {
      const close = array ? ']\n' : '';
      if (ending.type === 'error') return frame(JSON.stringify(errorBody(ending.error))) + close;
      return (ended ? '' : frame(built().finish(ending))) + close;
    },
  };
}

/** Inside a text the quotes would have a backslash before them. */
function saysEnd(data: string): boolean {
  return data.includes('"finishReason"') || data.includes('"blockReason"');
}

function createCollector({ includeThoughts = false }: Options): Collector {
  const fold = foldChunks();
  const pending: StreamEvent[] = [];
  let ended = false;
  return {
    event: (event) => void pending.push(event),
    raw(data) {
      ended ||= saysEnd(data);
      fold.add(JSON.parse(data));
    },
    result(ending, meta) {
      if (!ended) {
        const chunks = createChunks(meta, includeThoughts);
        for (const event of pending) {
          const json = chunks.event(event);
          if (json !== '') fold.add(JSON.parse(json));
        }
        fold.add(JSON.parse(chunks.finish(ending)));
      }
      return { usageMetadata: wireUsage(ending.usage), ...fold.result() };
    },
  };
}

/** https://cloud.google.com/apis/design/errors#handling_errors */
const STATUS: Record<ErrorCode, string> = {
  invalid_request: 'INVALID_ARGUMENT',
  context_length_exceeded: 'INVALID_ARGUMENT',
  unauthorized: 'UNAUTHENTICATED',
  forbidden: 'PERMISSION_DENIED',
  model_not_found: 'NOT_FOUND',
  stream_not_found: 'NOT_FOUND',
  idempotency_conflict: 'ABORTED',
  stream_gone: 'NOT_FOUND',
  request_too_large: 'INVALID_ARGUMENT',
  rate_limited: 'RESOURCE_EXHAUSTED',
  concurrency_limited: 'RESOURCE_EXHAUSTED',
  budget_exceeded: 'RESOURCE_EXHAUSTED',
  content_filtered: 'FAILED_PRECONDITION',
  upstream_auth: 'FAILED_PRECONDITION',
  upstream_rate_limited: 'RESOURCE_EXHAUSTED',
  upstream_unavailable: 'UNAVAILABLE',
  upstream_timeout: 'DEADLINE_EXCEEDED',
  upstream_protocol: 'INTERNAL',
  upstream_truncated: 'DATA_LOSS',
  slow_client: 'CANCELLED',
  shutting_down: 'UNAVAILABLE',
  node_lost: 'UNAVAILABLE',
  internal: 'INTERNAL',
};

const DETAIL = 'type.googleapis.com/google.rpc';

function errorBody({ code, status, message, param, retryAfter }: GatewayError): { error: object } {
  const details: object[] = [{ '@type': `${DETAIL}.ErrorInfo`, reason: code.toUpperCase(), domain: 'millrace' }];
  if (param !== undefined) {
    details.push({ '@type': `${DETAIL}.BadRequest`, fieldViolations: [{ field: param, description: message }] });
  }
  if (retryAfter !== undefined) details.push({ '@type': `${DETAIL}.RetryInfo`, retryDelay: `${retryAfter}s` });
  return { error: { code: status, message, status: STATUS[code], details } };
}

/** The path's last part; a model's name may have slashes and colons of its own. */
function methodOf({ rest }: Call): { model: string; method: string } {
  const colon = rest.lastIndexOf(':');
  return { model: rest.slice(0, Math.max(colon, 0)), method: colon === -1 ? '' : rest.slice(colon + 1) };
}

export const gemini: Dialect = {
  name: 'gemini',
  wire: 'gemini',
  paths: ['/v1beta/models/*', '/v1/models/*'],
  parse(given, call) {
    const { model, method } = methodOf(call);
    if (method !== 'generateContent' && method !== 'streamGenerateContent') {
      const why = `The path ends in ${method === '' ? 'no method' : `:${method.slice(0, 64)}`}, which is not served here`;
      throw new GatewayError('invalid_request', `${why}; expected :generateContent or :streamGenerateContent.`);
    }
    const { chat, includeThoughts, body } = understood(given, model);
    return {
      chat,
      stream: method === 'streamGenerateContent',
      options: { array: call.query.alt !== 'sse', includeThoughts } satisfies Options,
      verbatim: { wire: 'gemini', body },
    };
  },
  encoder: createEncoder,
  collector: createCollector,
  // Of an array its closing bracket may be missing: whoever reads one whole sees that it is none.
  interrupted: (error) => `data: ${JSON.stringify(errorBody(error))}\n\n`,
  fault: errorBody,
  count: {
    serves: (call) => methodOf(call).method === 'countTokens',
    parse(given, call) {
      const whole = (given as { generateContentRequest?: unknown } | null)?.generateContentRequest;
      return understood(whole ?? given, methodOf(call).model).chat;
    },
    answer: (totalTokens) => ({ totalTokens }),
  },
  models,
};
