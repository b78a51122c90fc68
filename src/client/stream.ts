// One answer as its caller sees it: events to loop over, the result, stopping. Reads only as fast as it is read, so a slow
// caller slows the provider down and costs no memory. Knows the events; connections are follow.ts.
import { type Answer, type ChatEvent, createFold } from './answer.ts';
import type { Api } from './api.ts';
import { MillraceError } from './errors.ts';
import { readEvent } from './event.ts';
import { follow } from './follow.ts';
import type { ChatRequest } from './request.ts';
import type { Frame } from './sse.ts';

export interface ChatStream extends AsyncIterable<ChatEvent> {
  /** The stream's id; undefined until the response has begun. */
  readonly id: string | undefined;
  /** Fields of the request that the provider cannot do and that only hinted: `seed`. Known when the response has begun. */
  readonly dropped: readonly string[];
  /**
   * The events, folded. Reads the stream by itself where nobody loops over it. Rejects with what the loop throws, and with `stopped` where
   * the server could not say how a stopped answer ended.
   */
  readonly result: Promise<Answer>;
  /**
   * Ends the answer; calling it again does nothing more. The server is asked, and the loop ends after a `done` of `cancelled` with the
   * usage. Before the response has begun, or when the server does not take the request within 5 s, the connection is cut instead, and
   * the loop ends without `done`. Resolves when one of them has happened; never rejects.
   */
  stop(): Promise<void>;
}

export interface StreamOptions {
  api: Api;
  request: ChatRequest;
  /** How often in a row to reconnect. */
  reconnects: number;
  signal?: AbortSignal;
}

/** Milliseconds that the server has to take a stop. A browser with six streams open over HTTP/1.1 cannot even ask. */
const STOP_WITHIN = 5000;

type Ended =
  | { how: 'done' }
  | { how: 'stopped' }
  | { how: 'aborted'; reason: unknown }
  | { how: 'failed'; error: unknown };

export function openStream({ api, request, reconnects, signal }: StreamOptions): ChatStream {
  const connection = new AbortController();
  const fold = createFold();
  let unread: ChatEvent[] = [];
  let at = 0; // of the first unread one
  let id: string | undefined;
  let dropped: string[] = [];
  let resumePath: string | undefined;
  let broke = false;
  let ended: Ended | undefined;
  let looping = false;
  let draining = false;
  let filling: Promise<void> | undefined;
  let stopping: Promise<void> | undefined;

  let resolve: (answer: Answer) => void;
  let reject: (reason: unknown) => void;
  const result = new Promise<Answer>((...settlers) => {
    [resolve, reject] = settlers;
  });
  result.catch(() => {}); // who only loops is told in the loop

  const first = api
    .request('POST', '/v1/chat', { body: { ...request, stream: true }, signal: connection.signal })
    .then((response) => {
      id = response.headers.get('millrace-stream-id') ?? undefined;
      dropped = (response.headers.get('millrace-dropped') ?? '').split(', ').filter(Boolean);
      return response;
    });
  first.catch(() => {}); // told when it is read
  const source = follow({
    first,
    tries: reconnects,
    signal: connection.signal,
    resume() {
      const path = resumePath;
      if (path === undefined) return undefined;
      broke = true;
      return (lastId) => api.request('GET', after(path, lastId), { signal: connection.signal });
    },
  });

  const onAbort = () => cut({ how: 'aborted', reason: signal!.reason });
  if (signal?.aborted) onAbort();
  else signal?.addEventListener('abort', onAbort, { once: true });

  function end(how: Ended): void {
    if (ended) return;
    ended = how;
    signal?.removeEventListener('abort', onAbort);
    switch (how.how) {
      case 'done':
        resolve(fold.answer()!);
        return;
      case 'stopped':
        reject(stopped());
        return;
      case 'failed':
        reject(how.error);
        return;
      case 'aborted':
        unread = [];
        at = 0;
        reject(how.reason);
        return;
      default:
        how satisfies never;
    }
  }

  /** Ends it here and now, and lets go of the connection. */
  function cut(how: Ended): void {
    end(how);
    connection.abort(how.how === 'aborted' ? how.reason : undefined);
  }

  function stopped(): MillraceError {
    const error = new MillraceError('stopped', 'The answer was stopped, and the server did not say what it took.');
    error.partial = fold.partial();
    return error;
  }

  /** Takes in what one read brings, one at a time, whoever asks: the loop, the result, or both. */
  function fill(): Promise<void> {
    filling ??= source
      .next()
      .then(({ value }) => value.forEach(take))
      .catch((error) => {
        if (error instanceof MillraceError && id !== undefined) error.partial = fold.partial();
        cut({ how: 'failed', error });
      })
      .finally(() => {
        filling = undefined;
      });
    return filling;
  }

  function take(frame: Frame): void {
    if (ended) return;
    const event = readEvent(frame);
    if (event === undefined) return;
    if (event.type === 'start') {
      id ??= event.stream_id;
      resumePath = pathOf(event.resume_url);
    }
    // Cut short because nobody was there for a moment: not what the caller asked for, and not to be taken for the answer.
    if (event.type === 'done' && event.finish_reason === 'cancelled' && broke && !stopping) {
      const message = 'The connection broke, and the server ended the answer (on_disconnect).';
      throw new MillraceError('connection_lost', message, { retryable: true, ...event });
    }
    fold.take(event);
    unread.push(event);
    if (event.type !== 'done') return;
    end({ how: 'done' });
    void source.return(undefined as never);
  }

  async function drain(): Promise<void> {
    while (!ended) await fill();
  }

  async function* loop(): AsyncGenerator<ChatEvent, void> {
    try {
      for (;;) {
        while (at < unread.length) yield unread[at++]!;
        unread = [];
        at = 0;
        if (ended?.how === 'failed') throw ended.error;
        if (ended?.how === 'aborted') throw ended.reason;
        if (ended) return;
        await fill();
      }
    } finally {
      if (!ended) cut({ how: 'stopped' }); // the caller left the loop
    }
  }

  /** Whether the stream will say its end by itself. */
  async function askToStop(): Promise<boolean> {
    if (id === undefined) return false;
    try {
      const within = AbortSignal.timeout(STOP_WITHIN);
      const response = await api.request('DELETE', `/v1/streams/${id}`, { signal: within });
      void response.body?.cancel();
      return true;
    } catch (error) {
      return error instanceof MillraceError && (error.code === 'stream_not_found' || error.code === 'stream_gone');
    }
  }

  return {
    get id() {
      return id;
    },
    get dropped() {
      return dropped;
    },
    get result() {
      if (!draining) {
        draining = true;
        void drain();
      }
      return result;
    },
    async stop() {
      if (ended) return;
      stopping ??= askToStop().then((taken) => {
        if (!taken) cut({ how: 'stopped' });
      });
      await stopping;
    },
    [Symbol.asyncIterator]() {
      if (looping) throw new TypeError('A stream can be looped over once.');
      looping = true;
      return loop();
    },
  };
}

/**
 * A way back as the server sees it, below this client's base URL: a proxy may have the server at another path, and the key goes to
 * nobody else.
 */
function pathOf(resumeUrl = ''): string | undefined {
  return /\/v1\/streams\/.*$/.exec(resumeUrl)?.[0];
}

function after(path: string, lastId: number): string {
  return `${path}${path.includes('?') ? '&' : '?'}last_event_id=${lastId}`;
}
