// The streams that can be asked for by their id: those under way, and for a while those that have ended. Bounded in memory: of what is
// kept, ended streams go first, the oldest first, then the beginnings of running ones. Knows audiences; no HTTP.
import { GatewayError } from '../core/errors.ts';
import type { Ending } from '../core/events.ts';
import type { Audience } from './audience.ts';
import type { Position } from './log.ts';

/** Who asks: a key sees what it started. `undefined` may see everything: an admin, or who holds the stream's own token. */
export type Owner = string | null | undefined;

/** A request that its sender may send twice. */
export interface Idempotency {
  key: string;
  /** Of everything that was asked for. */
  digest: string;
}

/** One stream, as others than its own run see it. Kept after the run, it holds nothing of it. */
export interface Stream {
  readonly id: string;
  /** The name of the key that started it. */
  readonly key: string | null;
  readonly door: string;
  /** As the client asked. */
  readonly model: string;
  /** Unix milliseconds. */
  readonly startedAt: number;
  readonly idempotency?: Idempotency;
  /** What its client calls the conversation. */
  readonly conversation?: string;
  readonly audience: Audience;
  /** How it ended; undefined while it runs. */
  readonly ending?: Ending;
  /**
   * Of a stream of another node, which is heard of a moment later: resolves when this event has been heard of, and with the last words for
   * a client that has read it where it never will be. Throws `node_lost` when that takes too long.
   */
  hears?(lastEventId: number): Promise<{ headers: Record<string, string>; frames: string } | undefined>;
  /** Ends it because somebody asked; resolves once the bill is closed. */
  stop(): Promise<Ending>;
}

export interface Limits {
  /** How long an ended stream can be read again, in milliseconds. */
  retain: number;
  /** What all streams together keep, in characters. */
  memory: number;
}

export interface Directory {
  readonly running: ReadonlyMap<string, Stream>;
  add(stream: Stream): void;
  /** Kept from now on with its ending, unless nobody could want it. */
  end(stream: Stream, ending: Ending, limits: Limits): void;
  /** What a stream's log says it grew by, as long as it is kept: a function that holds nothing else. */
  growth(limits: Limits): (characters: number) => void;
  /** Whether it runs here or is, or was, kept here. */
  has(id: string): boolean;
  /** Throws `stream_not_found`, also for a stream of somebody else, or `stream_gone`. */
  find(id: string, owner: Owner): Stream;
  /** The stream that this request started when it was sent before. Throws `idempotency_conflict` when it was another request. */
  same(owner: string | null, idempotency: Idempotency): Stream | undefined;
  /** The running stream of a conversation. */
  conversation(owner: string | null, door: string, name: string): Stream | undefined;
  close(): void;
}

interface Kept {
  stream: Stream;
  until: number;
}

/** Ids that are remembered after their streams were forgotten, to tell "too late" from "never was". */
const REMEMBERED = 10_000;

export function createDirectory(): Directory {
  const running = new Map<string, Stream>();
  const ended = new Map<string, Kept>(); // in the order they ended
  const gone = new Map<string, string | null>();
  const requests = new Map<string, Stream>();
  let characters = 0;

  const sweep = setInterval(() => {
    const now = Date.now();
    for (const { stream, until } of ended.values()) if (until <= now) forget(stream);
  }, 1000);
  sweep.unref();

  const requestOf = (owner: string | null, { key }: Idempotency) => JSON.stringify([owner, key]);

  function forget(stream: Stream): void {
    if (!ended.delete(stream.id)) return;
    release(stream);
    characters -= stream.audience.log?.packed ?? 0;
    gone.set(stream.id, stream.key);
    if (gone.size > REMEMBERED) gone.delete(gone.keys().next().value!);
  }

  /** The same request may run anew. */
  function release({ id, key, idempotency }: Stream): void {
    if (!idempotency) return;
    const name = requestOf(key, idempotency);
    if (requests.get(name)?.id === id) requests.delete(name);
  }

  function shrink(memory: number): void {
    for (const { stream } of ended.values()) {
      if (characters <= memory) return;
      forget(stream);
    }
    for (const { audience } of running.values()) {
      while (characters > memory) {
        const freed = audience.log?.drop() ?? 0;
        if (freed === 0) break;
        characters -= freed;
      }
    }
  }

  return {
    running,
    add(stream) {
      running.set(stream.id, stream);
      if (stream.idempotency) requests.set(requestOf(stream.key, stream.idempotency), stream);
    },
    end(stream, ending, { retain, memory }) {
      const { id, key, idempotency, audience } = stream;
      const kept = { ...stream, ending, stop: async () => ending };
      running.delete(id);
      ended.set(id, { stream: kept, until: Date.now() + retain });
      // What was cut short is not what a second request of the same kind wants.
      const complete = ending.type === 'done' && ending.finishReason !== 'cancelled';
      if (idempotency && complete) requests.set(requestOf(key, idempotency), kept);
      else release(stream);
      const wanted = audience.log ? audience.committed : complete && idempotency !== undefined;
      if (!wanted || retain === 0) forget(kept);
      else if (characters > memory) shrink(memory);
    },
    growth({ memory }) {
      return (more) => {
        characters += more;
        if (characters > memory) shrink(memory);
      };
    },
    has: (id) => running.has(id) || ended.has(id) || gone.has(id),
    find(id, owner) {
      const stream = running.get(id) ?? ended.get(id)?.stream;
      const key = stream ? stream.key : gone.get(id);
      if (key === undefined || !ownerMay(owner, key)) throw notFound();
      if (!stream)
        throw new GatewayError('stream_gone', 'This stream has ended and is no longer kept.', { param: 'id' });
      return stream;
    },
    same(owner, idempotency) {
      const stream = requests.get(requestOf(owner, idempotency));
      if (stream && stream.idempotency!.digest !== idempotency.digest) {
        throw new GatewayError('idempotency_conflict', 'Another request was sent with this Idempotency-Key.', {
          param: 'idempotency-key',
        });
      }
      return stream;
    },
    conversation(owner, door, name) {
      return [...running.values()].findLast(
        (stream) => stream.conversation === name && stream.door === door && stream.key === owner,
      );
    },
    close: () => clearInterval(sweep),
  };
}

export function ownerMay(owner: Owner, key: string | null): boolean {
  return owner === undefined || owner === key;
}

export function notFound(): GatewayError {
  return new GatewayError('stream_not_found', 'There is no stream of this id.', { param: 'id' });
}

/**
 * Where a client that has read up to an event goes on; undefined when it has read everything of a stream that has ended. Throws
 * `stream_gone` when what it needs is no longer kept, and `invalid_request` for an event that has not been.
 */
export function placeAfter({ audience: { log, ended } }: Stream, lastEventId: number): Position | undefined {
  if (!log) return { block: 0, offset: 0 }; // one answer, at the end
  const place = log.seek(lastEventId);
  if (place === 'gone') {
    throw new GatewayError('stream_gone', `What follows event ${lastEventId} of this stream is no longer kept.`, {
      param: 'last_event_id',
    });
  }
  if (place === 'ahead') {
    throw new GatewayError('invalid_request', `last_event_id: this stream has no event ${lastEventId} yet.`, {
      param: 'last_event_id',
    });
  }
  return ended && lastEventId > 0 && log.read(place)?.frames === '' ? undefined : place;
}
