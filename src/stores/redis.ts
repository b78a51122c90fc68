// Streams between nodes, over Redis: what each stream says goes into a Redis stream, in batches, beside the path of its tokens. Redis slow
// or gone stops nobody: a stream's own log is what waits, and when Redis is back what is kept of it is written again.
//
//   millrace:{ID}        hash: card
//   millrace:{ID}:said   stream: what was said (o: the character it begins with, f: frames), at last e: the ending. The entry's id is the
//                        number of characters up to its end, so that writing twice adds nothing and trimming is by characters
//   millrace:running     sorted set of the streams under way
//   millrace:node:NAME   a lease: who does not renew it is dead
//   millrace:ctl:NAME    channel: what others ask of a node
// https://redis.io/docs/latest/develop/data-types/streams/
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type ChainableCommander, Redis } from 'ioredis';
import type { Card, LiveStore, OwnerEvents, Said } from '../core/live.ts';
import { createReader } from './redis.reader.ts';

export interface RedisOptions {
  /** Characters of one stream that are kept. */
  keep: number;
  /** Told when Redis goes away and when it is back. */
  onChange(healthy: boolean, error?: Error): void;
}

/** Milliseconds. A batch waits this long for more; a lease is renewed, and lost when it is not. */
const BATCH = 50;
const RENEW = 1_000;
const LEASE = 4_000;
/** How long after Redis came back what is not there may still come: all nodes have to find it first. */
const SETTLED = 4_000;
/** How long a start waits for Redis. */
const PATIENCE = 3_000;
/** Data of a stream whose owner died with the database unreachable, and of one that runs for long. */
const EXPIRE = 30 * 60_000;
/** Characters of one stream per batch, so that a long one holds up nobody. */
const LONGEST = 256 * 1024;

interface Published {
  card: Card;
  said: Said;
  /** Characters that Redis has. */
  sent: number;
  announced: boolean;
  /** Unix milliseconds: when what it has was last given time, and up to which character it was cut. */
  expiresFrom: number;
  trimmed: number;
  ending?: string;
  retain: number;
  /** When a stream that has ended is given up, with Redis still away. */
  until: number;
}

type Ask = { ask: 'stop'; id: string } | { ask: 'listeners'; id: string; from: string; count: number };

/** Connects in the background: Redis need not be there yet. Throws when the URL is none. */
export function openRedis(url: string, { keep, onChange }: RedisOptions): LiveStore {
  if (!URL.canParse(url)) throw new Error('stores.live: expected an address such as redis://127.0.0.1:6379');
  const node = `n_${randomBytes(9).toString('base64url')}`;
  const common = { retryStrategy: (tries: number) => Math.min(tries * 100, 2_000), connectTimeout: 3_000 };
  const commands = new Redis(url, {
    ...common,
    enableOfflineQueue: false, // what cannot be written now is written from the log later
    maxRetriesPerRequest: 0,
    commandTimeout: 3_000,
  });
  const channel = new Redis(url, { ...common, maxRetriesPerRequest: null });
  const reader = createReader(new Redis(url, { ...common, maxRetriesPerRequest: null }));
  const published = new Map<string, Published>();
  const dirty = new Set<string>();
  const listening = new Map<string, Map<string, { count: number; at: number }>>(); // by stream, by node
  const mirrors = new Map<string, { card: Card; count: number }>();
  let events: OwnerEvents | undefined;
  let healthy = false;
  let readyAt = 0; // Unix milliseconds
  let writing = false;

  commands.on('ready', () => {
    healthy = true;
    readyAt = Date.now();
    onChange(true);
    for (const [id, stream] of published) {
      // It may have come back empty. What it still has is refused by its ids.
      Object.assign(stream, { sent: 0, announced: false, expiresFrom: 0, trimmed: 0 });
      dirty.add(id);
    }
    void renew();
  });
  commands.on('close', () => {
    if (healthy) onChange(false);
    healthy = false;
  });
  for (const connection of [commands, channel]) connection.on('error', () => {}); // `close` follows, and tells
  channel.subscribe(`millrace:ctl:${node}`).catch(() => {}); // subscribed again with each connection
  channel.on('message', (_channel, text) => heard(text));

  const batches = setInterval(() => void write(), BATCH).unref();
  const renewals = setInterval(() => void renew(), RENEW).unref();

  async function write(): Promise<void> {
    if (writing || !healthy || dirty.size === 0) return;
    writing = true;
    const batch = commands.pipeline();
    const after: (() => void)[] = [];
    const ids = [...dirty];
    dirty.clear();
    for (const id of ids) {
      const stream = published.get(id);
      if (stream) after.push(writeStream(batch, stream));
    }
    const results = await batch.exec().catch(() => null);
    const failed = results?.some(([error]) => error && !/equal or smaller/.test(error.message)) ?? true;
    if (failed) for (const id of ids) dirty.add(id);
    else for (const done of after) done();
    writing = false;
  }

  /** Returns what is true once it was written. */
  function writeStream(batch: ChainableCommander, stream: Published): () => void {
    const { card, said, ending } = stream;
    const key = `millrace:{${card.id}}`;
    if (!stream.announced) {
      batch.hset(key, 'card', JSON.stringify(card));
      batch.zadd('millrace:running', card.startedAt, card.id);
      batch.pexpire(key, EXPIRE);
    }
    let at = stream.sent;
    for (let room = LONGEST; room > 0; ) {
      const { from, text } = said.since(at);
      if (text === '') break;
      const piece = /[\ud800-\udbff]/.test(text[room - 1] ?? '') ? text.slice(0, room + 1) : text.slice(0, room); // no half a letter
      at = from + piece.length;
      room -= piece.length;
      batch.xadd(`${key}:said`, `${at}-0`, 'o', from, 'f', piece);
    }
    const cut = at - keep;
    const trims = cut - stream.trimmed > keep / 4;
    if (trims) batch.xtrim(`${key}:said`, 'MINID', `${cut}-0`);
    const whole = at >= said.length;
    if (ending !== undefined && whole) {
      batch.xadd(`${key}:said`, `${at}-1`, 'e', ending);
      batch.zrem('millrace:running', card.id);
      batch.pexpire(key, stream.retain);
    }
    const now = Date.now();
    const over = ending !== undefined && whole;
    const aged = now - stream.expiresFrom > EXPIRE / 2;
    if (over || aged) batch.pexpire(`${key}:said`, over ? stream.retain : EXPIRE);
    if (aged && stream.announced && !over) batch.pexpire(key, EXPIRE);
    return () => {
      if (aged) stream.expiresFrom = now;
      if (trims) stream.trimmed = cut;
      stream.sent = Math.max(stream.sent, at);
      stream.announced = true;
      if (!whole) dirty.add(card.id);
      else if (ending !== undefined) published.delete(card.id);
      else if (stream.ending !== undefined) dirty.add(card.id);
    };
  }

  async function renew(): Promise<void> {
    const now = Date.now();
    for (const [id, nodes] of listening) {
      for (const [name, { at }] of nodes) if (now - at > LEASE) nodes.delete(name);
      tell(id, nodes);
    }
    for (const [id, { ending, until, expiresFrom }] of published) {
      if (ending !== undefined && now > until) published.delete(id);
      else if (now - expiresFrom > EXPIRE / 2) dirty.add(id); // silent for long, and still running
    }
    if (!healthy) return;
    const batch = commands.pipeline().set(`millrace:node:${node}`, 1, 'PX', LEASE);
    for (const [id, { card, count }] of mirrors) if (count > 0) announce(batch, card.node, id, count);
    await batch.exec().catch(() => {});
    await reader.bury((names) => leases(names)).catch(() => {});
  }

  /** Which of these nodes are alive. */
  async function leases(names: string[]): Promise<Set<string>> {
    const found = await Promise.all(names.map((name) => commands.exists(`millrace:node:${name}`)));
    return new Set(names.filter((_, at) => found[at] === 1));
  }

  function announce(batch: ChainableCommander, owner: string, id: string, count: number): void {
    batch.publish(`millrace:ctl:${owner}`, JSON.stringify({ ask: 'listeners', id, from: node, count } satisfies Ask));
  }

  function heard(text: string): void {
    const asked = JSON.parse(text) as Ask;
    if (!published.has(asked.id)) return;
    if (asked.ask === 'stop') {
      events?.onStop(asked.id);
      return;
    }
    const nodes = listening.get(asked.id) ?? new Map<string, { count: number; at: number }>();
    listening.set(asked.id, nodes);
    nodes.set(asked.from, { count: asked.count, at: Date.now() });
    tell(asked.id, nodes);
  }

  function tell(id: string, nodes: Map<string, { count: number }>): void {
    let sum = 0;
    for (const { count } of nodes.values()) sum += count;
    if (sum === 0) listening.delete(id);
    events?.onListeners(id, sum);
  }

  async function cardOf(id: string): Promise<Card | null> {
    const card = await commands.hget(`millrace:{${id}}`, 'card');
    if (card !== null) return JSON.parse(card) as Card;
    if (Date.now() - readyAt < SETTLED)
      throw new Error('Redis has just come back, and the nodes may not have written again.');
    return null;
  }

  return {
    node,
    publish(card, said) {
      published.set(card.id, {
        card: { ...card, node },
        said,
        sent: 0,
        announced: false,
        expiresFrom: 0,
        trimmed: 0,
        retain: 0,
        until: 0,
      });
      dirty.add(card.id);
    },
    touch: (id) => void dirty.add(id),
    end(id, ending, retain) {
      const stream = published.get(id);
      if (!stream) return;
      Object.assign(stream, { ending, retain: Math.max(retain, 1), until: Date.now() + retain });
      dirty.add(id);
    },
    card: cardOf,
    async mirror(card, sink) {
      const { id } = card;
      const mirror = { card, count: 0 };
      mirrors.set(id, mirror);
      function close(): void {
        mirrors.delete(id);
        reader.drop(id);
      }
      await reader.add(card, sink, commands).catch((error) => {
        close();
        throw error;
      });
      return {
        listeners(count) {
          if (mirror.count === count) return;
          mirror.count = count;
          const batch = commands.pipeline();
          announce(batch, card.node, id, count);
          void batch.exec().catch(() => {}); // said again with the next renewal
        },
        stop() {
          const ask = { ask: 'stop', id } satisfies Ask;
          void commands.publish(`millrace:ctl:${card.node}`, JSON.stringify(ask)).catch(() => {});
        },
        close,
      };
    },
    async running(limit) {
      const ids = await commands.zrange('millrace:running', '0', String(limit - 1));
      const found = await Promise.all(ids.map(cardOf));
      const cards = found.filter((card): card is Card => card !== null && card.node !== node);
      const alive = await leases([...new Set(cards.map((card) => card.node))]);
      return cards.filter((card) => alive.has(card.node));
    },
    own(given) {
      events = given;
    },
    async secret() {
      if (!healthy) await once(commands, 'ready', { signal: AbortSignal.timeout(PATIENCE) });
      await commands.set('millrace:secret', randomBytes(32).toString('base64'), 'NX');
      return Buffer.from((await commands.get('millrace:secret'))!, 'base64');
    },
    healthy: () => healthy,
    async close() {
      clearInterval(batches);
      clearInterval(renewals);
      while (writing) await new Promise((resolve) => setTimeout(resolve, 5));
      await write(); // the last words of streams that have ended
      if (healthy) await commands.del(`millrace:node:${node}`).catch(() => {});
      reader.close();
      commands.disconnect();
      channel.disconnect();
    },
  };
}
