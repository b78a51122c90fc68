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
  /**
   * Of the last event that the loop gave (without a loop: that was read): where `follow` goes on. 0 before the first one, and where events
   * have no ids.
   */
  readonly lastEventId: number;
  /** Fields of the request that the provider cannot do and that only hinted: `seed`. Known when the response has begun. */
  readonly dropped: readonly string[];
  /**
   * The events, folded. Reads the stream by itself where nobody loops over it. Rejects with what the loop throws, and with `stopped` where
   * the server could not say how a stopped answer ended.
   */
  readonly result: Promise<Answer>;
  /**
   * Ends the answer; calling it again does nothing more. The server is asked, and the loop ends after a `done` of `cancelled` with the
   * usage. Before the response has begun, or when the server does not take the request within 5 s, the loop ends at once and without
   * `done`, and the connection is cut; where the request's `on_disconnect` would let the provider run on, it is cut only after the
   * server could be asked. Resolves when one of them has happened; never rejects.
   */
  stop(): Promise<void>;
}

export interface StreamOptions {
  api: Api;
  /** What to ask, or which stream to take up after which event. */
  from: { request: ChatRequest; idempotencyKey?: string | undefined } | { path: string; lastEventId: number };
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

export function openStream({ api, from, reconnects, signal }: StreamOptions): ChatStream {
  const connection = new AbortController();
  const fold = createFold();
  const followed = 'path' in from ? from : undefined;
  let unread: { event: ChatEvent; id: number }[] = [];
  let at = 0; // of the first unread one
  let read = followed?.lastEventId ?? 0; // ids: taken in, and given to the loop
  let given = read;
  let id: string | undefined;
  let dropped: string[] = [];
  let resumePath = followed?.path;
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

  const first = 'request' in from ? ask(from).then(begun) : undefined;
  let letGo = () => {}; // of a response that has not begun: it is still wanted for its id
  const opening =
    first &&
    Promise.race([
      first,
      new Promise<never>((_, refuse) => {
        letGo = () => refuse(stopped());
      }),
    ]);
  opening?.catch(() => {}); // told when it is read
  const source = follow({
    first: opening,
    lastId: read,
    tries: reconnects,
    signal: connection.signal,
    resume() {
      const path = resumePath;
      if (path === undefined) return undefined;
      broke = true;
      return (lastId) => api.request('GET', after(path, lastId), { signal: connection.signal }).then(begun);
    },
  });

  function ask({ request, idempotencyKey }: Extract<StreamOptions['from'], { request: ChatRequest }>) {
    return api.request('POST', '/v1/chat', {
      body: { ...request, stream: true },
      headers: idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey },
      signal: connection.signal,
    });
  }

  function begun(response: Response): Response {
    if (response.status === 204) {
      throw new MillraceError('stream_gone', 'This stream has ended, and all of it was read.', { status: 204 });
    }
    id ??= response.headers.get('millrace-stream-id') ?? undefined;
    dropped = (response.headers.get('millrace-dropped') ?? '').split(', ').filter(Boolean);
    return response;
  }

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
        if (ended) return;
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
    if (frame.id !== undefined) read = Number(frame.id) || read;
    if (event === undefined) return;
    if (event.type === 'start') {
      id ??= event.stream_id;
      resumePath ??= pathOf(event.resume_url);
    }
    // Cut short because nobody was there for a moment: not what the caller asked for, and not to be taken for the answer. Who follows
    // somebody's stream is told how that ended.
    if (event.type === 'done' && event.finish_reason === 'cancelled' && broke && !stopping && !followed) {
      const message = 'The connection broke, and the server ended the answer (on_disconnect).';
      throw new MillraceError('connection_lost', message, { retryable: true, ...event });
    }
    fold.take(event);
    unread.push({ event, id: read });
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
        while (at < unread.length) {
          const next = unread[at++]!;
          given = next.id;
          yield next.event;
        }
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
    const path = followed?.path ?? (id && `/v1/streams/${id}`);
    if (path === undefined) return false;
    try {
      const within = AbortSignal.timeout(STOP_WITHIN);
      const response = await api.request('DELETE', path, { signal: within });
      void response.body?.cancel();
      return true;
    } catch (error) {
      return error instanceof MillraceError && (error.code === 'stream_not_found' || error.code === 'stream_gone');
    }
  }

  async function stopNow(): Promise<void> {
    if (id === undefined && first && outlives(from)) {
      end({ how: 'stopped' });
      letGo();
      await first.then(askToStop, () => {}); // its id is known no sooner
    } else if (await askToStop()) return;
    cut({ how: 'stopped' });
  }

  return {
    get id() {
      return id;
    },
    get lastEventId() {
      return looping ? given : read;
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
      stopping ??= stopNow();
      await stopping;
    },
    [Symbol.asyncIterator]() {
      if (looping) throw new TypeError('A stream can be looped over once.');
      looping = true;
      return loop();
    },
  };
}

/** A cut connection would not end the generation. */
function outlives(from: StreamOptions['from']): boolean {
  const { on_disconnect = 'cancel' } = 'request' in from ? from.request : {};
  return on_disconnect !== 'cancel';
}

/**
 * A way back as the server sees it, below this client's base URL: a proxy may have the server at another path, and the key goes to
 * nobody else.
 */
export function pathOf(resumeUrl = ''): string | undefined {
  return /\/v1\/streams\/.*$/.exec(resumeUrl)?.[0];
}

function after(path: string, lastId: number): string {
  return `${path}${path.includes('?') ? '&' : '?'}last_event_id=${lastId}`;
}
