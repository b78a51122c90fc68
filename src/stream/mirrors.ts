// Streams that run on other nodes, for clients of this one: each is read once from the store between the nodes into an audience of its
// own, however many follow it here, and is forgotten when nobody has for a while. Knows the store as a contract.
import { GatewayError } from '../core/errors.ts';
import type { Ending } from '../core/events.ts';
import type { Card, LiveStore, Mirroring } from '../core/live.ts';
import { type Broadcast, createBroadcast } from './audience.ts';
import { notFound, type Owner, ownerMay, type Stream } from './directory.ts';
import { endingFromJson } from './ending.ts';
import type { FollowerLimits } from './follower.ts';

export interface Mirrors {
  /** Throws `stream_not_found` like the directory; `node_lost`, which may pass, while the other nodes cannot be asked. */
  find(id: string, owner: Owner): Promise<Stream>;
  /** What runs on other nodes; nothing while they cannot be asked. */
  running(): Promise<Card[]>;
  /** Whether the other nodes can be asked now. */
  healthy(): boolean;
  close(): void;
}

export interface MirrorOptions {
  live: LiveStore;
  /** Of this moment: a changed config is in force at the next mirror. */
  limits(): FollowerLimits;
  growth: (characters: number) => void;
  /** The frame by which a door says that a stream was interrupted, behind the event with this id. */
  interrupted(door: string, error: GatewayError, lastId: number): string;
}

/** Milliseconds that a mirror without followers is kept: a browser comes back within seconds. */
const IDLE = 10_000;
/** How long who stops a stream waits for its ending. */
const STOP_WITHIN = 5_000;
/** How long a client waits here for an event that it has read elsewhere. */
const HEARD_WITHIN = 5_000;
const LISTED = 1_000;

export function createMirrors(options: MirrorOptions): Mirrors {
  const { live } = options;
  const mirrors = new Map<string, Promise<Mirror | null>>();

  async function open(id: string): Promise<Mirror | null> {
    const card = await live.card(id);
    if (!card) return null;
    const mirror = await createMirror(card, options, () => mirrors.delete(id));
    return mirror;
  }

  return {
    async find(id, owner) {
      let opening = mirrors.get(id);
      if (!opening) {
        opening = open(id);
        mirrors.set(id, opening);
        opening.then(
          (mirror) => mirror ?? mirrors.delete(id),
          () => mirrors.delete(id),
        );
      }
      const mirror = await opening.catch((cause) => {
        throw new GatewayError('node_lost', 'The streams of other nodes cannot be read at the moment.', { cause });
      });
      if (!mirror || !ownerMay(owner, mirror.stream.key)) throw notFound();
      if (!mirror.stream.audience.ended) mirror.rest(); // one that has ended expires as it does in the store
      return mirror.stream;
    },
    healthy: live.healthy,
    running: () => live.running(LISTED).catch(() => []),
    close() {
      for (const opening of mirrors.values()) opening.then((mirror) => mirror?.close()).catch(() => {});
    },
  };
}

interface Mirror {
  stream: Stream;
  /** Somebody asked for it: it is forgotten so much later. */
  rest(): void;
  close(): void;
}

async function createMirror(card: Card, options: MirrorOptions, onClose: () => void): Promise<Mirror> {
  const { live, growth, interrupted } = options;
  let audience: Broadcast | undefined;
  let mirroring: Mirroring | undefined;
  let idle: NodeJS.Timeout | undefined;
  let lost: GatewayError | undefined;
  let waiting: { id: number; heard(): void }[] = [];
  const { promise: over, resolve, reject } = Promise.withResolvers<Ending>();
  over.catch(() => {}); // whoever stops the stream asks for it

  /** At the first piece it is known whether the beginning is still there. */
  function audienceFrom(begins: number): Broadcast {
    if (audience) return audience;
    audience = createBroadcast({
      limits: options.limits(),
      heartbeat: card.heartbeat,
      independent: true,
      onPack: growth,
      begins,
    });
    audience.listen({ onChange, onDrain() {} });
    audience.open(card.headers);
    return audience;
  }

  function onChange(): void {
    mirroring?.listeners(audience!.size);
    rest();
  }

  /** Forgets what nobody follows. */
  function rest(): void {
    clearTimeout(idle);
    if (!audience || audience.size === 0) idle = setTimeout(close, IDLE).unref();
  }

  function close(): void {
    clearTimeout(idle);
    onClose();
    mirroring?.close();
    if (audience) growth(-audience.log.packed);
    audience = undefined;
  }

  function interrupt(message: string): void {
    if (lost) return;
    lost = new GatewayError('node_lost', message);
    const hearing = audienceFrom(0);
    hearing.deliver(interrupted(card.door, lost, hearing.log.lastId || 0));
    hearing.end();
    reject(lost);
    tell();
    rest();
  }

  /** Those who wait for an event that was heard of by now, or never will be. */
  function tell(): void {
    const { ended, log } = audience!;
    waiting = waiting.filter(({ id, heard }) => {
      if (log.lastId < id && !ended) return true;
      heard();
      return false;
    });
  }

  /** A client may have read more from the owner than the store was told in time. */
  async function hears(lastEventId: number) {
    const { log, ended } = audienceFrom(0);
    if (lastEventId > log.lastId && !ended) {
      const { promise, resolve: heard } = Promise.withResolvers<void>();
      waiting.push({ id: lastEventId, heard });
      await Promise.race([promise, rejectAfter(HEARD_WITHIN)]);
    }
    if (!lost || lastEventId < log.lastId) return undefined;
    return { headers: card.headers, frames: interrupted(card.door, lost, lastEventId) };
  }

  mirroring = await live.mirror(card, {
    said(from, text) {
      if (lost) return;
      const hearing = audienceFrom(from);
      const { length } = hearing.log;
      if (from > length) interrupt('What this stream said in between is no longer kept.');
      else if (from + text.length > length) hearing.deliver(text.slice(length - from)); // what overlaps was read before
      if (waiting.length > 0) tell();
    },
    ended(json) {
      audienceFrom(0).end();
      try {
        resolve(endingFromJson(json));
      } catch (cause) {
        reject(new GatewayError('internal', 'How this stream ended cannot be read.', { cause }));
      }
      tell();
      rest();
    },
    lost: () => interrupt('The node that ran this stream is gone.'),
  });
  const hearing = audienceFrom(0);
  rest();
  const { id, key, door, model, startedAt, conversation } = card;
  return {
    stream: {
      id,
      key,
      door,
      model,
      startedAt,
      conversation,
      audience: hearing,
      hears,
      async stop() {
        if (!hearing.ended) mirroring!.stop();
        return Promise.race([over, rejectAfter(STOP_WITHIN)]);
      },
    },
    rest,
    close,
  };
}

async function rejectAfter(ms: number): Promise<never> {
  await new Promise((resolve) => setTimeout(resolve, ms).unref());
  throw new GatewayError('node_lost', 'The node that runs this stream did not answer.');
}
