// The client, `millrace/client`: Millrace's own front door for a browser or Node 20 and later, without dependencies.
// docs/CLIENT.md shows it in use, docs/PROTOCOL.md is what it speaks. Knows nothing of the server's source.
import type { Answer } from './answer.ts';
import { type ApiOptions, createApi } from './api.ts';
import type { ChatRequest } from './request.ts';
import { type ChatStream, openStream, pathOf } from './stream.ts';

export type {
  Answer,
  ChatEvent,
  FinishReason,
  PartialAnswer,
  Summary,
  Timing,
  ToolCall,
  Usage,
} from './answer.ts';
export { toMessage } from './answer.ts';
export type { ErrorCode, ServerErrorCode } from './errors.ts';
export { MillraceError } from './errors.ts';
export type * from './request.ts';
export type { ChatStream } from './stream.ts';

export interface ClientOptions extends ApiOptions {
  /** How often in a row to try to take up a stream whose connection broke. Default 12; 0 for never. */
  reconnects?: number;
}

/** An alias of the config, or an example; models are also reached as `provider/model` without being listed. */
export interface Model {
  id: string;
  object: 'model';
  created: number;
  owned_by: string;
}

export interface CallOptions {
  /** Aborting cuts the connection and rejects with the signal's reason, as `fetch` does. */
  signal?: AbortSignal | undefined;
}

export interface ChatOptions extends CallOptions {
  /**
   * The same request sent again with the same key, say after a reload, is given the first one's stream from its beginning instead of being
   * paid twice.
   */
  idempotencyKey?: string;
}

export interface FollowOptions extends CallOptions {
  /** What was read before: `stream.lastEventId`. Default 0, from the beginning. */
  lastEventId?: number;
}

export interface Client {
  /** Asks at once; what fails is thrown by the loop and by `result`. Leaving the loop early cuts the connection. */
  chat(request: ChatRequest, options?: ChatOptions): ChatStream;
  /**
   * Takes up a stream that runs or is kept, by its `resume_url` or its id; asks when it is read. `result` and `partial` have what came after
   * `lastEventId`. Leaving the loop early cuts this connection alone.
   */
  follow(resumeUrl: string, options?: FollowOptions): ChatStream;
  /** The answer when it is whole (`"stream": false`). Rejects with a MillraceError. */
  complete(request: ChatRequest, options?: CallOptions): Promise<Answer>;
  models(options?: CallOptions): Promise<Model[]>;
}

export function createClient({ reconnects = 12, ...options }: ClientOptions): Client {
  const api = createApi(options);
  return {
    chat: (request, { signal, idempotencyKey } = {}) =>
      openStream({ api, from: { request, idempotencyKey }, reconnects, signal }),
    follow(resumeUrl, { signal, lastEventId = 0 } = {}) {
      const path = pathOf(resumeUrl) ?? `/v1/streams/${encodeURIComponent(resumeUrl)}`;
      return openStream({ api, from: { path, lastEventId }, reconnects, signal });
    },
    async complete(request, { signal } = {}) {
      const body = { ...request, stream: false };
      return api.json<Answer>(await api.request('POST', '/v1/chat', { body, signal }), signal);
    },
    async models({ signal } = {}) {
      const { data } = await api.json<{ data: Model[] }>(await api.request('GET', '/v1/models', { signal }), signal);
      return data;
    },
  };
}
