// The OpenAI front door: POST /v1/chat/completions, streamed and whole. Over the same wire the provider's chunks are handed on
// untouched, with one exception that the protocol itself demands: usage appears only for a client that asked for it.
// https://platform.openai.com/docs/api-reference/chat
import { z } from 'zod';
import { type ChatRequest, chatRequest, onDisconnect } from '../../core/chat.ts';
import type { Collector, Dialect, Encoder, NamedModel, StreamMeta } from '../../core/contracts.ts';
import type { ErrorCode, GatewayError } from '../../core/errors.ts';
import type { Ending, FinishReason, StreamEvent, Usage } from '../../core/events.ts';
import { sseFrame } from '../../core/sse.ts';
import { checked } from '../checked.ts';
import { foldChunks } from './fold.ts';

const request = chatRequest.extend({
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  on_disconnect: onDisconnect.nullish(),
});

interface Options extends Record<string, unknown> {
  includeUsage?: boolean;
}

const FINISH: Record<FinishReason, string> = {
  stop: 'stop',
  length: 'length',
  'tool-calls': 'tool_calls',
  'content-filter': 'content_filter',
  cancelled: 'stop',
  budget: 'length',
  other: 'stop',
};

const TYPE: Partial<Record<ErrorCode, string>> = {
  unauthorized: 'authentication_error',
  forbidden: 'permission_error',
  rate_limited: 'rate_limit_error',
  concurrency_limited: 'rate_limit_error',
  upstream_rate_limited: 'rate_limit_error',
  budget_exceeded: 'insufficient_quota',
};

function errorBody(error: GatewayError): { error: object } {
  const type = TYPE[error.code] ?? (error.status < 500 ? 'invalid_request_error' : 'server_error');
  return { error: { message: error.message, type, param: error.param ?? null, code: error.code } };
}

export function wireUsage(usage: Usage): object {
  return {
    prompt_tokens: usage.input_tokens,
    completion_tokens: usage.output_tokens,
    total_tokens: usage.input_tokens + usage.output_tokens,
    prompt_tokens_details: { cached_tokens: usage.cached_input_tokens },
    completion_tokens_details: { reasoning_tokens: usage.reasoning_tokens },
  };
}

function createEncoder({ includeUsage = false }: Options): Encoder {
  let id = 0;
  let chunks: ChunkBuilder | undefined;
  let meta: StreamMeta;
  let usageSaid = false; // by the provider's own frame
  let handedOn = false; // the provider's own frames, and with them its own finish
  const frame = (chunk: object) => sseFrame(++id, JSON.stringify(chunk));

  return {
    start(known) {
      meta = known;
      return '';
    },
    event(event) {
      chunks ??= createChunkBuilder(meta);
      let frames = '';
      for (const chunk of chunks.event(event)) frames += frame(chunk);
      return frames;
    },
    raw(data, hasUsage) {
      handedOn = true;
      if (hasUsage) {
        const chunk = JSON.parse(data);
        if (!includeUsage && !chunk.choices?.length) return '';
        usageSaid ||= Boolean(chunk.usage); // elsewhere in the chunk no client looks for it
      }
      return sseFrame(++id, data);
    },
    end(ending) {
      if (ending.type === 'error') return frame(errorBody(ending.error));
      let frames = '';
      chunks ??= createChunkBuilder(meta);
      const finished = handedOn && ending.finishReason !== 'cancelled' && ending.finishReason !== 'budget';
      if (!finished) for (const chunk of chunks.finish(ending, handedOn)) frames += frame(chunk);
      if (includeUsage && !usageSaid) frames += frame(chunks.usage(ending.usage));
      return `${frames}${sseFrame(++id, '[DONE]')}`;
    },
  };
}

const OPENING = { role: 'assistant', content: '' };

interface ChunkBuilder {
  event(event: StreamEvent): object[];
  /** `begun`: the message was opened by others. */
  finish(ending: Ending & { type: 'done' }, begun?: boolean): object[];
  usage(usage: Usage): object;
}

/** Builds this door's chunks from events, for providers of other wires and those set to `passthrough: false`. */
function createChunkBuilder(meta: StreamMeta): ChunkBuilder {
  const base = {
    id: `chatcmpl-${meta.streamId}`,
    object: 'chat.completion.chunk',
    created: meta.created,
    model: meta.model,
  };
  const opened = new Set<number>();
  const called = new Set<number>();

  function chunk(choice: number, delta: object, finish_reason: string | null = null): object {
    return { ...base, choices: [{ index: choice, delta, logprobs: null, finish_reason }] };
  }
  function deltas(choice: number, delta: object): object[] {
    if (opened.has(choice)) return [chunk(choice, delta)];
    opened.add(choice);
    return [chunk(choice, OPENING), chunk(choice, delta)];
  }

  return {
    event(event) {
      switch (event.type) {
        case 'token':
          return deltas(event.choice ?? 0, { content: event.text });
        case 'reasoning':
          return deltas(event.choice ?? 0, { reasoning_content: event.text });
        case 'reasoning-detail':
          return deltas(event.choice ?? 0, { reasoning_details: [event.detail] });
        case 'tool-call-delta': {
          const { index, id, name } = event;
          called.add(event.choice ?? 0);
          const head = id === undefined ? {} : { id, type: 'function' };
          const fn = { ...(name !== undefined && { name }), arguments: event.arguments };
          return deltas(event.choice ?? 0, { tool_calls: [{ index, ...head, function: fn }] });
        }
        default:
          return [];
      }
    },
    finish(ending, begun = false) {
      const opening = begun || opened.size > 0 ? [] : [chunk(0, OPENING)];
      if (opened.size === 0) opened.add(0);
      const ends = [...opened].map((choice) => {
        const own = choice !== 0 && called.has(choice) ? 'tool_calls' : FINISH[ending.finishReason];
        return chunk(choice, {}, own);
      });
      return [...opening, ...ends];
    },
    usage: (usage) => ({ ...base, choices: [], usage: wireUsage(usage) }),
  };
}

function createCollector(): Collector {
  const fold = foldChunks();
  const pending: StreamEvent[] = [];
  let raw = false;
  return {
    event: (event) => void pending.push(event),
    raw(data) {
      raw = true;
      fold.add(JSON.parse(data));
    },
    result(ending, meta) {
      if (!raw) {
        const chunks = createChunkBuilder(meta);
        for (const event of pending) for (const chunk of chunks.event(event)) fold.add(chunk);
        for (const chunk of chunks.finish(ending)) fold.add(chunk);
      }
      return fold.result({
        usage: wireUsage(ending.usage),
        id: `chatcmpl-${meta.streamId}`,
        model: meta.model,
        created: meta.created,
      });
    },
  };
}

function describeModel({ id, created, provider }: NamedModel): object {
  return { id, object: 'model', created, owned_by: provider };
}

export const openai: Dialect = {
  name: 'openai',
  wire: 'openai',
  paths: ['/v1/chat/completions'],
  parse(body) {
    const { stream, on_disconnect, ...chat } = checked(request, body);
    return {
      chat: chat as ChatRequest,
      stream: stream === true,
      options: { includeUsage: chat.stream_options?.include_usage === true } satisfies Options,
      onDisconnect: on_disconnect ?? undefined,
    };
  },
  encoder: createEncoder,
  collector: createCollector,
  interrupted: (error, lastId) => sseFrame(lastId + 1, JSON.stringify(errorBody(error))),
  fault: errorBody,
  /** https://platform.openai.com/docs/api-reference/models */
  models: {
    paths: ['/v1/models'],
    list: (models) => ({ object: 'list', data: models.map(describeModel) }),
    describe: describeModel,
  },
};
