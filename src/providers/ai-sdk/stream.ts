// From a package's stream of parts to a response body as the pump reads it: each part that says something becomes one line of JSON.
// The one place on a token's way that waits: a package's stream is a web stream, and those are read with promises. That costs about
// ten times what the rest of a token does, which is why wires in common use have a decoder of their own. Knows the specification's
// stream; what a part means is the decoder's business.
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { BodySink, UpstreamResponse } from '../../core/contracts.ts';
import type { GatewayError } from '../../core/errors.ts';
import { faultOf } from './fault.ts';
import type { Call } from './fetch.ts';

/** Parts read before others get a turn, whether or not they came from a socket. */
const MAX_PARTS = 256;

/** Characters kept before they are handed on within the turn. */
const MAX_LINES = 64 * 1024;

/** `cancel` ends the package's own request; reading stops with it. */
export function responseOf(stream: ReadableStream<unknown>, call: Call, cancel: () => void): UpstreamResponse {
  const reader = stream.getReader();
  let sink: BodySink | undefined;
  let lines = '';
  let flushing: NodeJS.Immediate | undefined;
  let paused = false;
  let wake: () => void = () => {};
  let over = false;

  /** What came in one turn goes on as one piece: the client's socket is then written to once, not once a token. */
  function flush(): void {
    clearImmediate(flushing);
    flushing = undefined;
    if (lines === '' || paused || over) return;
    const piece = lines;
    lines = '';
    sink!.data(Buffer.from(piece));
  }

  async function read(): Promise<void> {
    for (let parts = 1; !over; parts++) {
      const { done, value } = await reader.read();
      if (done || over) return;
      if (typeof value !== 'object' || value === null) continue;
      const part = value as Record<string, unknown>;
      if (part.type === 'error') throw part.error;
      if (SAYS.has(part.type)) lines += `${JSON.stringify(part)}\n`;
      if (lines.length >= MAX_LINES) flush();
      if (lines !== '') flushing ??= setImmediate(flush);
      if (parts % MAX_PARTS === 0) await nextTurn();
      await unpaused();
    }
  }

  async function unpaused(): Promise<void> {
    while (paused && !over) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }

  async function run(): Promise<void> {
    let fault: GatewayError | undefined;
    try {
      await read();
      fault = call.fault;
    } catch (thrown) {
      fault = call.fault ?? faultOf(thrown, 'streaming');
    }
    await unpaused();
    flush();
    if (over) return;
    finish();
    if (fault) {
      sink!.error(fault);
      void reader.cancel(fault).catch(() => {});
      cancel();
    } else sink!.end();
  }

  function finish(): void {
    over = true;
    clearImmediate(flushing);
    call.signal.removeEventListener('abort', abort);
    wake();
  }

  function abort(): void {
    if (over) return;
    finish();
    void reader.cancel(call.signal.reason).catch(() => {}); // for a package that does not heed its signal
    cancel();
  }
  call.signal.addEventListener('abort', abort, { once: true });

  return {
    status: 200,
    headers: {},
    start(to) {
      sink = to;
      void run();
    },
    pause() {
      paused = true;
    },
    resume() {
      paused = false;
      wake();
      if (lines !== '') flushing ??= setImmediate(flush);
    },
    abort,
  };
}

/** Parts that the decoder reads. The others may be large (files, the provider's raw frames) or hold what is no JSON. */
const SAYS = new Set<unknown>([
  'stream-start',
  'text-delta',
  'text-start',
  'text-end',
  'reasoning-start',
  'reasoning-delta',
  'reasoning-end',
  'tool-input-start',
  'tool-input-delta',
  'tool-call',
  'finish',
]);
