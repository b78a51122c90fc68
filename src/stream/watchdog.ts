// The waits of one attempt: connecting, first token, silence between tokens, the whole. One timer that re-arms itself: progress
// only stamps a clock, so that a token costs no timer operation. Knows no socket; it says which wait ran out.
import { GatewayError, type TimeoutPhase } from '../core/errors.ts';

/** Milliseconds. */
export interface Timeouts {
  connect: number;
  firstToken: number;
  idle: number;
  total: number;
}

export interface Watchdog {
  /** The request is on its way: the wait for the first token begins. */
  sent(): void;
  /** A token came. */
  progress(): void;
  /** The client is behind and the provider is held back: silence is not its fault. */
  hold(held: boolean): void;
  stop(): void;
}

const MESSAGE: Record<TimeoutPhase, string> = {
  connect: 'The provider did not accept a connection',
  first_token: 'The provider sent no token',
  idle: 'The provider fell silent in the middle of its answer',
  total: 'The answer was not complete',
};

export function createWatchdog(limits: Timeouts, onTimeout: (error: GatewayError) => void): Watchdog {
  const startedAt = performance.now();
  let phase: Exclude<TimeoutPhase, 'total'> = 'connect';
  let since = startedAt;
  let held = false;
  let timer: NodeJS.Timeout | undefined;

  const limit = () =>
    phase === 'connect' ? limits.connect : phase === 'first_token' ? limits.firstToken : limits.idle;

  function arm(): void {
    const now = performance.now();
    const left = Math.min(held ? limits.idle : since + limit() - now, startedAt + limits.total - now);
    timer = setTimeout(check, Math.max(1, Math.ceil(left)));
    timer.unref();
  }

  function check(): void {
    const now = performance.now();
    if (now - startedAt >= limits.total) expire('total', limits.total);
    else if (!held && now - since >= limit()) expire(phase, limit());
    else arm();
  }

  function expire(which: TimeoutPhase, after: number): void {
    timer = undefined;
    onTimeout(new GatewayError('upstream_timeout', `${MESSAGE[which]} within ${after} ms.`, { phase: which }));
  }

  arm();
  return {
    sent() {
      if (phase !== 'connect') return;
      phase = 'first_token';
      since = performance.now();
      clearTimeout(timer);
      arm();
    },
    progress() {
      since = performance.now();
      if (phase === 'idle') return;
      phase = 'idle';
      if (limits.idle < limits.firstToken) {
        clearTimeout(timer);
        arm();
      }
    },
    hold(now) {
      held = now;
      since = performance.now();
    },
    stop: () => clearTimeout(timer),
  };
}
