// Carries a script out on a response: pace, backpressure, splitting, gzip, and the way the body ends.
// Driven by timers and drains; no Promise per token. Knows no wire: frames are bytes here.
import type { ServerResponse } from 'node:http';
import { constants, createGzip } from 'node:zlib';
import type { Plan } from './plan.ts';
import type { Ending, Frame, Script } from './script.ts';

/** Called as bytes are handed to the socket. */
export type Progress = (bytes: number, tokens: number) => void;

/** Where bytes go. `write` returns true when more may follow at once, else calls `resume` when it may. */
interface Outlet {
  write(bytes: Buffer, tokens: number, resume: () => void): boolean;
  end(): void;
  /** The client is gone or will be: let go of everything. */
  release(): void;
}

export interface Delivery {
  /** The client left: nothing more is sent. */
  stop(): void;
}

export interface DeliveryOptions {
  response: ServerResponse;
  script: Script;
  plan: Plan;
  /** Milliseconds until the first byte, headers included. */
  delay: number;
  /** Tokens per second; null is as fast as the client reads. */
  rate: number | null;
  /** The first frame is about to go out: the place to write the headers. Not called when there is none. */
  onStart(): void;
  onProgress: Progress;
  /** The mock is through with the response; a destroyed socket is part of it. */
  onFinish(): void;
}

/** Unpaced frames are joined up to this size: a write costs more than a hundred frames. */
const BATCH = 32 * 1024;

export function deliver(options: DeliveryOptions): Delivery {
  const { response, script, plan, rate, onStart, onProgress, onFinish } = options;
  const pieces = plan.split ? splitOutlet(response, onProgress) : directOutlet(response, onProgress);
  const outlet = plan.gzip ? gzipOutlet(pieces) : pieces;
  const oneByOne = plan.gzip || rate !== null;

  let stopped = false;
  let started = false;
  let firstTokenAt = 0;
  let tokens = 0;
  let held: IteratorResult<Frame, Ending> | null = null; // pulled, but not due yet
  let timer: NodeJS.Timeout | undefined;

  function begin(): void {
    firstTokenAt = performance.now();
    pump();
  }

  function pump(): void {
    try {
      advance();
    } catch {
      // Thrown in a timer it would end the process, which may be the gateway's own. Too long a string does it.
      stopped = true;
      onFinish();
      response.destroy();
    }
  }

  function advance(): void {
    while (!stopped) {
      held ??= script.next();
      if (held.done) {
        close(held.value);
        return;
      }
      const wait = timeUntilDue(held.value);
      if (wait > 0) {
        timer = setTimeout(pump, Math.ceil(wait));
        return;
      }
      const frame = oneByOne ? held.value : gather(held.value);
      if (oneByOne) held = null;
      tokens += frame.tokens;
      if (frame.bytes.length === 0) {
        // A wire that sends a call whole is silent while its arguments are made.
        onProgress(0, frame.tokens);
        continue;
      }
      if (!started) {
        started = true;
        onStart();
      }
      if (!outlet.write(toBuffer(frame.bytes), frame.tokens, pump)) return;
      // The next write is a turn of the loop away: each token leaves in its own packet, and a leaving client is seen.
      held ??= script.next();
      if (!held.done && timeUntilDue(held.value) > 0) continue;
      setImmediate(pump);
      return;
    }
  }

  /** By the clock of the whole answer, so that late timers do not add up. */
  function timeUntilDue(frame: Frame): number {
    if (rate === null || frame.tokens === 0) return 0;
    return firstTokenAt + (tokens * 1000) / rate - performance.now();
  }

  function gather(first: Frame): Frame {
    held = script.next();
    const gathered = [first.bytes];
    let size = first.bytes.length;
    let count = first.tokens;
    while (!held.done && size < BATCH) {
      gathered.push(held.value.bytes);
      size += held.value.bytes.length;
      count += held.value.tokens;
      held = script.next();
    }
    return { bytes: join(gathered), tokens: count };
  }

  function close(ending: Ending): void {
    switch (ending) {
      case 'silence':
        return;
      case 'end':
        if (!started) onStart();
        response.once('finish', onFinish);
        outlet.end();
        return;
      case 'cut':
        // What was sent must arrive: the socket is destroyed when the kernel has it.
        if (started) response.socket?.write('', destroySocket);
        else destroySocket();
        return;
      default:
        ending satisfies never;
    }
  }

  function destroySocket(): void {
    if (stopped) return;
    onFinish();
    response.socket?.destroy();
  }

  if (options.delay > 0) timer = setTimeout(begin, options.delay);
  else begin();

  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
      outlet.release();
    },
  };
}

function join(parts: Frame['bytes'][]): Frame['bytes'] {
  // Text as text: encoding it once is cheaper than encoding each frame.
  return parts.every((part) => typeof part === 'string') ? parts.join('') : Buffer.concat(parts.map(toBuffer));
}

function toBuffer(bytes: Frame['bytes']): Buffer {
  return typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
}

function directOutlet(response: ServerResponse, onProgress: Progress): Outlet {
  return {
    write(bytes, tokens, resume) {
      const writable = response.write(bytes);
      onProgress(bytes.length, tokens);
      if (!writable) response.once('drain', resume);
      return writable;
    },
    end: () => response.end(),
    release() {},
  };
}

/** Every byte its own write, and a turn of the event loop between them: each goes out in a packet of its own. */
function splitOutlet(response: ServerResponse, onProgress: Progress): Outlet {
  let released = false;
  return {
    write(bytes, tokens, resume) {
      let at = 0;
      function next(): void {
        if (released) return;
        if (at === bytes.length) {
          resume();
          return;
        }
        const byte = bytes.subarray(at, ++at);
        response.write(byte, () => setImmediate(next));
        onProgress(1, at === bytes.length ? tokens : 0);
      }
      next();
      return false;
    },
    end: () => response.end(),
    release() {
      released = true;
    },
  };
}

/** Flushed at each frame, so that a reader who decodes as it comes sees each token at once. */
function gzipOutlet(inner: Outlet): Outlet {
  const gzip = createGzip();
  let packed: Buffer[] = [];
  gzip.on('data', (chunk: Buffer) => packed.push(chunk));
  const takePacked = () => {
    const bytes = Buffer.concat(packed);
    packed = [];
    return bytes;
  };
  let released = false;
  return {
    write(bytes, tokens, resume) {
      gzip.write(bytes);
      gzip.flush(constants.Z_SYNC_FLUSH, () => {
        if (released) return;
        if (inner.write(takePacked(), tokens, resume)) resume();
      });
      return false;
    },
    end() {
      gzip.once('end', () => {
        if (released) return;
        const end = () => inner.end();
        if (inner.write(takePacked(), 0, end)) end();
      });
      gzip.end();
    },
    release() {
      released = true;
      gzip.destroy();
      inner.release();
    },
  };
}
