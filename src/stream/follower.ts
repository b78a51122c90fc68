// One client reading a stream: live while it keeps up, from the stream's log while it does not. A client that is behind costs a place
// in the log and no bytes of its own; one that falls out of the log, or reads nothing for too long, is dropped alone. On the hot path:
// write. Knows an Exchange and a log; no front door.
import type { Exchange } from '../core/contracts.ts';
import { GatewayError } from '../core/errors.ts';
import type { FrameLog, Position } from './log.ts';

/** Milliseconds and bytes. */
export interface FollowerLimits {
  /** Silence after which a comment goes out. */
  heartbeat: number;
  /** Unread bytes after which a client is too slow. */
  buffer: number;
  /** How long a client may read nothing at all. */
  stall: number;
}

export interface Follower {
  /** It has not read all that there is, and is not given more until it does. */
  readonly behind: boolean;
  /** Begins with these headers, and with everything that the log has from its place on. */
  open(headers: Record<string, string>): void;
  /** What was just appended to the log. */
  write(frames: string): void;
  /** Says something in silence, now. */
  beat(): void;
  /** The stream has ended: so does the response, once all is said. */
  end(): void;
  /** Answers with a failure, in place of `open`. */
  reject(status: number, json: string, headers: Record<string, string>): void;
}

export interface FollowerOptions {
  exchange: Exchange;
  log: FrameLog;
  from: Position;
  limits: FollowerLimits;
  /** What goes out in silence. */
  heartbeat: string;
  /** It was behind, and is no longer. */
  onCaughtUp(): void;
  /** Told once: it closed its connection, or was dropped for the reason given. Not told of a response that was ended. */
  onLeave(why: GatewayError | undefined): void;
}

export function createFollower(options: FollowerOptions): Follower {
  const { exchange, log, limits, heartbeat } = options;
  let position = options.from; // where it goes on reading; up to date only while it is behind
  let opened = false;
  let behind = true; // until it is opened
  let ending = false;
  let over = false;
  let writtenAt = 0;
  let pulse: NodeJS.Timeout | undefined;
  let stalled: NodeJS.Timeout | undefined;

  exchange.onClose(() => leave());
  exchange.onDrain(() => {
    if (!over && behind && opened) catchUp();
  });

  function release(): void {
    over = true;
    clearTimeout(pulse);
    clearTimeout(stalled);
  }

  function leave(why?: GatewayError): void {
    if (over) return;
    release();
    options.onLeave(why);
  }

  function drop(what: string): void {
    if (over) return;
    exchange.destroy();
    leave(new GatewayError('slow_client', `The client was dropped: ${what}.`));
  }

  function catchUp(): void {
    const waited = stalled !== undefined;
    clearTimeout(stalled);
    stalled = undefined;
    for (;;) {
      const piece = log.read(position);
      if (piece === undefined) {
        drop(`what it had not read was more than ${limits.buffer} bytes`);
        return;
      }
      if (piece.frames === '') break;
      position = piece.next;
      if (!send(piece.frames)) return;
    }
    behind = false;
    if (ending) finish();
    else if (waited) options.onCaughtUp();
  }

  /** False: it is behind now, or gone. */
  function send(frames: string): boolean {
    writtenAt = performance.now();
    if (exchange.write(frames)) return true;
    behind = true;
    if (exchange.buffered() > limits.buffer) drop(`it left more than ${limits.buffer} bytes unread`);
    else wait();
    return false;
  }

  function wait(): void {
    stalled = setTimeout(() => drop(`it read nothing for ${limits.stall} ms`), limits.stall);
    stalled.unref();
  }

  function finish(): void {
    release();
    exchange.end();
  }

  /** Re-arms itself for what is left of the silence, so that writing only stamps a clock. */
  function pulsate(): void {
    if (!behind && performance.now() - writtenAt >= limits.heartbeat) beat();
    const left = behind ? limits.heartbeat : limits.heartbeat - (performance.now() - writtenAt);
    pulse = setTimeout(pulsate, Math.max(1, Math.ceil(left)));
    pulse.unref();
  }

  function beat(): void {
    exchange.write(heartbeat);
    writtenAt = performance.now();
  }

  return {
    get behind() {
      return behind;
    },
    open(headers) {
      if (over) return;
      exchange.open(headers);
      opened = true;
      writtenAt = performance.now();
      catchUp();
      if (!over) pulsate();
    },
    write(frames) {
      if (behind) return;
      if (!send(frames)) position = log.end();
    },
    beat,
    end() {
      if (over) return;
      ending = true;
      if (!behind) finish();
    },
    reject(status, json, headers) {
      if (over) return;
      release();
      exchange.reply(status, json, headers);
    },
  };
}
