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
import type { Card, LiveStore, OwnerEvents } from '../core/live.ts';
import { createReader } from './redis.reader.ts';
import { createWriter } from './redis.writer.ts';

export interface RedisOptions {
  /** Characters of one stream that are kept. */
  keep: number;
  /** Told when Redis goes away and when it is back. */
  onChange(healthy: boolean): void;
}

/** Milliseconds. A batch waits this long for more; a lease is renewed, and lost when it is not. */
const BATCH = 50;
const RENEW = 1_000;
const LEASE = 4_000;
/** How long after Redis came back what is not there may still come: all nodes have to find it first. */
const SETTLED = 4_000;
/** How long a start waits for Redis. */
const PATIENCE = 3_000;

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
  const writer = createWriter(commands, keep);
  const listening = new Map<string, Map<string, { count: number; at: number }>>(); // by stream, by node
  const mirrors = new Map<string, { card: Card; count: number }>();
  let events: OwnerEvents | undefined;
  let healthy = false;
  let readyAt = 0; // Unix milliseconds

  commands.on('ready', () => {
    healthy = true;
    readyAt = Date.now();
    onChange(true);
    writer.again();
    void renew();
  });
  commands.on('close', () => {
    if (healthy) onChange(false);
    healthy = false;
  });
  for (const connection of [commands, channel]) connection.on('error', () => {}); // `close` follows, and tells
  channel.subscribe(`millrace:ctl:${node}`).catch(() => {}); // subscribed again with each connection
  channel.on('message', (_channel, text) => heard(text));

  const batches = setInterval(() => healthy && void writer.write(), BATCH).unref();
  const renewals = setInterval(() => void renew(), RENEW).unref();

  async function renew(): Promise<void> {
    const now = Date.now();
    for (const [id, nodes] of listening) {
      for (const [name, { at }] of nodes) if (now - at > LEASE) nodes.delete(name);
      tell(id, nodes);
    }
    writer.age(now);
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
    const asked = askOf(text);
    if (!asked || !writer.has(asked.id)) return;
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
    publish: (card, said) => writer.publish({ ...card, node }, said),
    touch: writer.touch,
    end: writer.end,
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
      if (healthy) await writer.last();
      if (healthy) await commands.del(`millrace:node:${node}`).catch(() => {});
      reader.close();
      commands.disconnect();
      channel.disconnect();
    },
  };
}

/** Whoever reaches Redis can write into a channel: what is no question of a node is passed over. */
function askOf(text: string): Ask | undefined {
  try {
    const asked = JSON.parse(text) as Ask | null;
    if (asked?.ask === 'stop' && typeof asked.id === 'string') return asked;
    const counts = asked?.ask === 'listeners' && Number.isSafeInteger(asked.count) && asked.count >= 0;
    return counts && typeof asked.id === 'string' && typeof asked.from === 'string' ? asked : undefined;
  } catch {
    return undefined;
  }
}
