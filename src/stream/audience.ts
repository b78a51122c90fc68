// Who hears a stream: the clients that follow it now, and what was said, for those who come later. It outlives the stream's run and so
// holds nothing of it: no request, no provider, no front door.
import type { Exchange } from '../core/contracts.ts';
import type { GatewayError } from '../core/errors.ts';
import { createFollower, type Follower, type FollowerLimits } from './follower.ts';
import { createFrameLog, type FrameLog, type Position } from './log.ts';

/** `sent`: taken. `behind`: taken, but hold the provider back until `onDrain`. `kept`: nobody took it. */
export type Flushed = 'sent' | 'behind' | 'kept';

/** A plain answer: status, JSON, headers. */
export type Answer = Parameters<Exchange['reply']>;

export interface Audience {
  /** Clients that listen, those of other nodes included. */
  readonly size: number;
  /** Headers are out: a failure can only be an event. */
  readonly committed: boolean;
  /** Nothing more will be said. */
  readonly ended: boolean;
  /** What was said; null where one answer comes at the end. */
  readonly log: FrameLog | null;
  /** One more listens, from a place of the log on. */
  attach(exchange: Exchange, from: Position): void;
  /** How many listen on other nodes. */
  elsewhere(count: number): void;
}

export interface AudienceListeners {
  /** The number of listeners changed. `why`: one was dropped. */
  onChange(why?: GatewayError): void;
  /** Somebody caught up: the provider need not be held back. */
  onDrain(): void;
}

export interface Broadcast extends Audience {
  readonly log: FrameLog;
  /** Until the end: then nobody is told anything. */
  listen(listeners: AudienceListeners): void;
  /** The response begins for all who are there, and for who comes later when they come. */
  open(headers: Record<string, string>): void;
  deliver(frames: string): void;
  /** Whether somebody takes what is delivered. */
  state(): Flushed;
  beat(): void;
  end(): void;
  /** Ends before it was opened. */
  reject(answer: Answer): void;
}

export interface BroadcastOptions {
  limits: FollowerLimits;
  /** What goes out in silence. */
  heartbeat: string;
  /** Runs on without its clients: slow ones are then dropped at the byte cap rather than waited for. */
  independent: boolean;
  /** The log has grown in memory by so many characters. */
  onPack(characters: number): void;
  /** Something was delivered. On the hot path. */
  onSaid?(): void;
  /** The character with which it begins, where what came before was lost elsewhere. */
  begins?: number;
}

const NOBODY: AudienceListeners = { onChange() {}, onDrain() {} };

/** Frames, as they come. On the hot path: deliver and state. */
export function createBroadcast(options: BroadcastOptions): Broadcast {
  const { limits, heartbeat, independent, onSaid } = options;
  const log = createFrameLog(limits.buffer, options.onPack, options.begins);
  let elsewhere = 0;
  let held = false; // the provider, for everybody is behind
  let followers: Follower[] = [];
  let headers: Record<string, string> | undefined;
  let ended = false;
  let listeners = NOBODY;

  function leave(follower: Follower, why: GatewayError | undefined): void {
    followers = followers.filter((other) => other !== follower);
    changed(why);
  }

  function changed(why?: GatewayError): void {
    listeners.onChange(why);
    if (held && state() !== 'behind') listeners.onDrain(); // who it was held for has left, or somebody quicker came
  }

  function state(): Flushed {
    held = false;
    if (elsewhere > 0) return 'sent'; // they wait for nobody
    if (followers.length === 0) return 'kept';
    if (independent) return 'sent';
    for (const { behind } of followers) if (!behind) return 'sent';
    held = true;
    return 'behind';
  }

  function close(): Follower[] {
    const last = followers;
    ended = true;
    followers = [];
    listeners = NOBODY;
    log.close();
    return last;
  }

  return {
    get size() {
      return followers.length + elsewhere;
    },
    elsewhere(count) {
      if (count === elsewhere) return;
      elsewhere = count;
      changed();
    },
    get committed() {
      return headers !== undefined;
    },
    get ended() {
      return ended;
    },
    log,
    listen(given) {
      listeners = given;
    },
    attach(exchange, from) {
      const follower = createFollower({
        exchange,
        log,
        from,
        limits,
        heartbeat,
        onCaughtUp: () => listeners.onDrain(),
        onLeave: (why) => leave(follower, why),
      });
      if (!ended) followers = [...followers, follower];
      if (headers) follower.open(headers);
      if (ended) follower.end();
      else changed();
    },
    open(given) {
      headers = given;
      for (const follower of followers) follower.open(given);
    },
    deliver(frames) {
      log.append(frames);
      for (const follower of followers) follower.write(frames);
      onSaid?.();
    },
    state,
    beat() {
      for (const follower of followers) follower.beat();
    },
    end() {
      for (const follower of close()) follower.end();
    },
    reject(answer) {
      for (const follower of close()) follower.reject(...answer);
    },
  };
}

export interface Waiting extends Audience {
  listen(listeners: Pick<AudienceListeners, 'onChange'>): void;
  answer(answer: Answer): void;
}

/** One answer for all, at the end; until then nothing is written and nothing can be too slow. */
export function createWaiting(): Waiting {
  let exchanges: Exchange[] = [];
  let answer: Answer | undefined;
  let onChange: AudienceListeners['onChange'] = NOBODY.onChange;
  return {
    get size() {
      return exchanges.length;
    },
    committed: false,
    get ended() {
      return answer !== undefined;
    },
    log: null,
    elsewhere() {},
    listen(listeners) {
      onChange = listeners.onChange;
    },
    attach(exchange) {
      if (answer) return exchange.reply(...answer);
      exchanges = [...exchanges, exchange];
      exchange.onClose(() => {
        if (answer) return;
        exchanges = exchanges.filter((other) => other !== exchange);
        onChange();
      });
      onChange();
    },
    answer(given) {
      answer = given;
      onChange = NOBODY.onChange;
      for (const exchange of exchanges) exchange.reply(...given);
      exchanges = [];
    },
  };
}
