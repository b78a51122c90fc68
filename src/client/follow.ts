// The frames of one stream over as many connections as it takes: where one breaks, the next goes on after the last id.
// Knows ids, waiting and trying again; what a frame says it does not know.
import { MillraceError } from './errors.ts';
import { createSseParser, type Frame } from './sse.ts';

export interface FollowOptions {
  /** The answer to the request that began the stream; without one, it is taken up from the start. */
  first?: Promise<Response>;
  /** What was read before. */
  lastId: number;
  /** Asks for what comes after this id; undefined where the stream cannot be taken up again. */
  resume(): ((lastId: number) => Promise<Response>) | undefined;
  /** How often in a row to try, with nothing new in between. */
  tries: number;
  signal: AbortSignal;
}

/** Milliseconds: until the server says `retry:`, and the longest ever waited of one's own accord. */
const RETRY = 1000;
const LONGEST = 15_000;

/**
 * Gives what each read brought. Never ends by itself: a stream is over when its terminal event has come, and who reads this
 * knows that; an end without one is a broken connection. Throws what ended the trying, or the signal's reason.
 */
export async function* follow(options: FollowOptions): AsyncGenerator<Frame[], never> {
  const { first, resume, tries, signal } = options;
  let { lastId } = options;
  let retry = RETRY;
  let failures = 0;
  let response = await (first ?? again(undefined, true));
  for (;;) {
    let cause: unknown;
    try {
      for await (const frames of read(response, setRetry)) {
        const fresh = frames.filter(isNext);
        if (fresh.length === 0) continue;
        failures = 0;
        yield fresh;
      }
    } catch (thrown) {
      if (signal.aborted) throw signal.reason;
      if (thrown instanceof MillraceError) throw thrown;
      cause = thrown;
    }
    response = await again(cause);
  }

  function setRetry(ms: number): void {
    retry = ms;
  }

  /** Each id once and none left out; frames without one cannot be told apart and pass. */
  function isNext({ id }: Frame): boolean {
    const number = id === undefined ? Number.NaN : Number(id);
    if (!Number.isInteger(number)) return true;
    if (number <= lastId) return false;
    if (number > lastId + 1)
      throw new MillraceError('invalid_response', `Events ${lastId + 1} to ${number - 1} are missing.`);
    lastId = number;
    return true;
  }

  async function again(cause: unknown, atOnce = false): Promise<Response> {
    for (let wait = !atOnce; ; wait = true) {
      const ask = resume();
      if (!ask || failures >= tries) {
        const message = 'The connection broke before the answer was complete.';
        throw new MillraceError('connection_lost', message, { retryable: true, cause });
      }
      const asked = cause instanceof MillraceError ? cause.retryAfter : undefined;
      if (wait) await pause(Math.max(backoff(failures++, retry), (asked ?? 0) * 1000), signal);
      try {
        return await ask(lastId);
      } catch (thrown) {
        if (!(thrown instanceof MillraceError && mayPass(thrown))) throw thrown;
        cause = thrown;
      }
    }
  }
}

/** No connection, or a status that is about the moment and not about the stream. */
function mayPass({ code, status = 0 }: MillraceError): boolean {
  return code === 'connection_failed' || status === 408 || status === 429 || status >= 500;
}

/** Full jitter: many clients cut at once must not come back at once. https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ */
function backoff(failures: number, base: number): number {
  return Math.random() * Math.min(LONGEST, base * 2 ** failures);
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', leave);
      resolve();
    }, ms);
    function leave(): void {
      clearTimeout(timer);
      reject(signal.reason);
    }
    if (signal.aborted) leave();
    else signal.addEventListener('abort', leave, { once: true });
  });
}

/** The frames of one response, read by read. A reader rather than `for await`: Safari's streams cannot be iterated. */
async function* read(response: Response, retry: (ms: number) => void): AsyncGenerator<Frame[]> {
  const type = response.headers.get('content-type') ?? '';
  if (!response.body || !type.startsWith('text/event-stream')) {
    void response.body?.cancel();
    const message = `What answered is not a stream of Millrace: it is ${type || 'empty'}.`;
    throw new MillraceError('invalid_response', message, { status: response.status });
  }
  let frames: Frame[] = [];
  const push = createSseParser({ frame: (frame) => void frames.push(frame), retry });
  const reader = response.body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      push(value);
      if (frames.length === 0) continue;
      const whole = frames;
      frames = [];
      yield whole;
    }
  } finally {
    // Nothing follows a terminal event but the end, and a response read to its end leaves its connection to the next request.
    void reader.read().then(
      ({ done }) => {
        if (!done) void reader.cancel();
      },
      () => {},
    );
  }
}
