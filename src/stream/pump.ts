// The hot path: what happens between a read from the provider's socket and the write to the client's. Synchronous from end to
// end; test/architecture.test.ts holds this file to it. Joins a decoder to a session and a meter, and knows neither wire nor
// front door. One write per upstream chunk, however many tokens it carried.
import type { BodySink, Provider, UpstreamResponse } from '../core/contracts.ts';
import type { GatewayError } from '../core/errors.ts';
import type { StreamEvent } from '../core/events.ts';
import type { Meter } from './meter.ts';
import type { Session } from './session.ts';
import type { Watchdog } from './watchdog.ts';

export type Terminal = Extract<StreamEvent, { type: 'done' | 'error' }>;

export interface Pump {
  sink: BodySink;
  /** Ends the stream from outside: a timeout, a shutdown. An answer that was already finished stays finished. */
  fail(error: GatewayError): void;
  /** The client is gone for good: nothing more is decoded or said. */
  stop(): void;
  /** Whether content was handed to the session: from then on no other target can take over unseen. */
  started(): boolean;
}

export interface PumpOptions {
  provider: Provider;
  choices: number;
  response: UpstreamResponse;
  session: Session;
  meter: Meter;
  watchdog: Watchdog;
  /** Called once, with the last thing the decoder said. */
  onTerminal(terminal: Terminal): void;
}

/** Frames withheld before the first content. A provider that sends more without saying anything is streaming all the same. */
const MAX_HELD = 256;

export function createPump({ provider, choices, response, session, meter, watchdog, onTerminal }: PumpOptions): Pump {
  const verbatim = provider.passthrough && session.wire === provider.wire;
  let started = false;
  let over = false;
  let progress = false; // the current chunk carried content
  let sawUsage = false; // the current frame reported usage
  let held: { data: string; hasUsage: boolean }[] = []; // frames before the first content: another target may still take over

  function start(): void {
    started = true;
    session.begin();
    for (const { data, hasUsage } of held) session.raw(data, hasUsage);
    held = [];
  }

  function emit(event: StreamEvent): void {
    if (over) return;
    switch (event.type) {
      case 'token':
      case 'reasoning':
      case 'reasoning-detail':
      case 'tool-call-delta':
      case 'tool-call':
        if (!started) start();
        progress = true;
        meter.content(event);
        if (!verbatim) session.event(event);
        return;
      case 'usage':
        sawUsage = true;
        meter.usage(event.usage);
        return;
      case 'done':
        if (!started) start();
        finish(event);
        return;
      case 'error':
        finish(event);
        return;
      default:
        event satisfies never;
    }
  }

  function raw(data: string): void {
    if (over) return;
    if (!started) {
      held.push({ data, hasUsage: sawUsage });
      if (held.length > MAX_HELD) start();
    } else session.raw(data, sawUsage);
    sawUsage = false;
  }

  function finish(terminal: Terminal): void {
    over = true;
    if (started) flush();
    onTerminal(terminal);
  }

  function flush(): void {
    const taken = session.flush();
    if (taken !== 'kept') meter.delivered();
    if (taken !== 'behind') return;
    response.pause();
    watchdog.hold(true);
  }

  session.onDrain(() => {
    if (over) return;
    watchdog.hold(false);
    response.resume();
  });

  const decoder = provider.decoder({ emit, choices, ...(verbatim && { raw }) });

  return {
    sink: {
      data(chunk) {
        if (over) return;
        decoder.push(chunk);
        if (!started || over) return;
        if (progress) {
          progress = false;
          watchdog.progress();
        }
        flush();
      },
      end: () => decoder.end(),
      error: (error) => decoder.end(error),
    },
    fail: (error) => decoder.end(error),
    stop() {
      over = true;
    },
    started: () => started,
  };
}
