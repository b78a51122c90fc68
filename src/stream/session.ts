// One client's side of a stream: when it is committed, what has been written to it, whether it still listens. Frames gather in a
// string until the pump flushes them, once per upstream chunk. Knows the front door only as an encoder or a collector, and the
// response only as an Exchange.
import type { Collector, Encoder, Exchange, StreamMeta } from '../core/contracts.ts';
import { GatewayError } from '../core/errors.ts';
import type { ContentEvent, Ending } from '../core/events.ts';
import { HEARTBEAT } from '../core/sse.ts';

/** Milliseconds and bytes. */
export interface SessionLimits {
  heartbeat: number;
  /** Unread bytes after which a client is too slow. */
  buffer: number;
  /** How long a client may read nothing at all. */
  stall: number;
}

/** `sent`: taken. `behind`: taken, but hold the provider back until `onDrain`. `kept`: nobody took it. */
export type Flushed = 'sent' | 'behind' | 'kept';

export interface Session {
  readonly id: string;
  /** The wire whose raw frames this client's front door hands on. */
  readonly wire: string | undefined;
  /** Answered at once at the end; nothing is delivered before. */
  readonly whole: boolean;
  readonly gone: boolean;
  /** What the client is told when the stream begins; the provider is set for each attempt. */
  readonly meta: StreamMeta;
  begin(): void;
  /** Begins now, with nothing to say yet, so that no proxy takes the silence for death. */
  commit(): void;
  event(event: ContentEvent): void;
  raw(data: string, hasUsage: boolean): void;
  /** Hands over what has gathered. */
  flush(): Flushed;
  onDrain(listener: () => void): void;
  /** The client left, or was dropped for reading too slowly. Told once. */
  onGone(listener: (why: GatewayError | undefined) => void): void;
  end(ending: Ending): void;
}

export interface SessionOptions {
  id: string;
  /** As the client asked. */
  model: string;
  wire: string | undefined;
  exchange: Exchange;
  limits: SessionLimits;
  /** Said of an error that ends the request before anything was committed. */
  fault(error: GatewayError, ending: Ending): unknown;
  /** Runs on without its client: a slow one is then dropped at the byte cap rather than waited for. */
  independent: boolean;
}

interface Base {
  readonly meta: StreamMeta;
  gone: boolean;
  ended: boolean;
}

function reject(exchange: Exchange, error: GatewayError, body: unknown): void {
  const headers: Record<string, string> = {};
  if (error.retryAfter !== undefined) headers['retry-after'] = String(error.retryAfter);
  exchange.reply(error.status, body, headers);
}

/** What a header takes, and no more of it than a proxy lets through. A field's name is the client's own, so it may be anything. */
const MAX_DROPPED = 1000;

function headersOf({ streamId, dropped }: StreamMeta): Record<string, string> {
  const names = dropped.map((name) => name.replace(/[^\w.[\]-]/g, '?')).join(', ');
  return { 'millrace-stream-id': streamId, ...(names && { 'millrace-dropped': names.slice(0, MAX_DROPPED) }) };
}

function createBase({ id, model, exchange }: SessionOptions, drop: () => void) {
  const base: Base = {
    meta: { streamId: id, model, provider: '', created: Math.floor(Date.now() / 1000), dropped: [] },
    gone: false,
    ended: false,
  };
  const gone: ((why: GatewayError | undefined) => void)[] = [];
  function leave(why?: GatewayError): void {
    if (base.gone || base.ended) return;
    base.gone = true;
    drop();
    for (const listener of gone) listener(why);
  }
  exchange.onClose(() => leave());
  return { base, leave, onGone: (listener: (why: GatewayError | undefined) => void) => void gone.push(listener) };
}

/** Server-sent events, written as they come. */
export function createStreamedSession(options: SessionOptions, encoder: Encoder): Session {
  const { exchange, limits, independent } = options;
  const { heartbeat = HEARTBEAT } = encoder;
  const { base, leave, onGone } = createBase(options, release);
  let committed = false;
  let pending = '';
  let behind = false;
  let writtenAt = 0;
  let pulse: NodeJS.Timeout | undefined;
  let stalled: NodeJS.Timeout | undefined;
  let onDrain: (() => void) | undefined;

  exchange.onDrain(() => {
    behind = false;
    clearTimeout(stalled);
    onDrain?.();
  });

  function release(): void {
    clearTimeout(pulse);
    clearTimeout(stalled);
    pending = '';
  }

  function dropSlow(what: string): void {
    exchange.destroy();
    leave(new GatewayError('slow_client', `The client was dropped: ${what}.`));
  }

  /** Re-arms itself for what is left of the silence, so that writing only stamps a clock. */
  function beat(): void {
    const silence = performance.now() - writtenAt;
    if (silence >= limits.heartbeat && !behind) {
      exchange.write(heartbeat);
      writtenAt = performance.now();
    }
    const left = behind ? limits.heartbeat : limits.heartbeat - (performance.now() - writtenAt);
    pulse = setTimeout(beat, Math.max(1, Math.ceil(left)));
    pulse.unref();
  }

  function write(frames: string): Flushed {
    writtenAt = performance.now();
    if (exchange.write(frames)) return 'sent';
    if (exchange.buffered() > limits.buffer) {
      dropSlow(`it left more than ${limits.buffer} bytes unread`);
      return 'kept';
    }
    if (!behind) {
      behind = true;
      stalled = setTimeout(() => dropSlow(`it read nothing for ${limits.stall} ms`), limits.stall);
      stalled.unref();
    }
    return independent ? 'sent' : 'behind';
  }

  return {
    id: options.id,
    wire: encoder.raw && options.wire,
    whole: false,
    get gone() {
      return base.gone;
    },
    meta: base.meta,
    begin() {
      if (committed || base.gone) return;
      committed = true;
      const { contentType, headers } = encoder;
      exchange.open({ ...headersOf(base.meta), ...headers, ...(contentType && { 'content-type': contentType }) });
      writtenAt = performance.now();
      pending = encoder.start(base.meta) + pending;
      beat();
    },
    commit() {
      if (committed || base.gone) return;
      this.begin();
      if (pending === '') pending = heartbeat;
      this.flush();
    },
    event(event) {
      if (!base.gone) pending += encoder.event(event);
    },
    raw(data, hasUsage) {
      if (!base.gone) pending += encoder.raw!(data, hasUsage);
    },
    flush() {
      if (base.gone) return 'kept';
      if (pending === '') return 'sent';
      const frames = pending;
      pending = '';
      return write(frames);
    },
    onDrain(listener) {
      onDrain = listener;
    },
    onGone,
    end(ending) {
      if (base.gone || base.ended) return;
      if (!committed && ending.type === 'error') {
        base.ended = true;
        release();
        reject(exchange, ending.error, options.fault(ending.error, ending));
        return;
      }
      this.begin();
      const frames = pending + encoder.end(ending);
      base.ended = true;
      release();
      exchange.write(frames);
      exchange.end();
    },
  };
}

/** One JSON object at the end; until then nothing is written and nothing can be too slow. */
export function createWholeSession(options: SessionOptions, collector: Collector): Session {
  const { exchange } = options;
  const { base, onGone } = createBase(options, () => {});
  return {
    id: options.id,
    wire: collector.raw && options.wire,
    whole: true,
    get gone() {
      return base.gone;
    },
    meta: base.meta,
    begin() {},
    commit() {},
    event: (event) => collector.event(event),
    raw: (data, hasUsage) => collector.raw!(data, hasUsage),
    flush: () => 'kept',
    onDrain() {},
    onGone,
    end(ending) {
      if (base.gone || base.ended) return;
      base.ended = true;
      if (ending.type === 'error') reject(exchange, ending.error, options.fault(ending.error, ending));
      else exchange.reply(200, collector.result(ending, base.meta), headersOf(base.meta));
    },
  };
}
