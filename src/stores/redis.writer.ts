// Writes what this node's streams say into Redis, in batches: what is new in the logs of those that have said something. A batch that
// failed is written again; what Redis has already it refuses by its id.
import type { ChainableCommander, Redis } from 'ioredis';
import type { Card, Said } from '../core/live.ts';

export interface Writer {
  publish(card: Card, said: Said): void;
  /** It has said more. */
  touch(id: string): void;
  end(id: string, ending: string, retain: number): void;
  has(id: string): boolean;
  /** Everything that is kept is to be written again: Redis may have lost it. */
  again(): void;
  /** Gives time to streams that are silent for long, and gives up those that ended while Redis was away. */
  age(now: number): void;
  write(): Promise<void>;
  /** The last words of streams that have ended. */
  last(): Promise<void>;
}

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

/**
 * Adds to many streams in one command: for each key an id, the character it begins with, and frames. Of Redis' own client every command
 * costs 25 µs here. What is there already is refused by its id, and that is as it should be; other refusals are counted.
 */
const SAY = `
local failed = 0
for at, key in ipairs(KEYS) do
  local arg = (at - 1) * 3
  local said = redis.pcall('XADD', key, ARGV[arg + 1], 'o', ARGV[arg + 2], 'f', ARGV[arg + 3])
  if type(said) == 'table' and said.err and not string.find(said.err, 'equal or smaller') then failed = failed + 1 end
end
return failed`;

/** Of one batch. */
interface Saying {
  keys: string[];
  args: (string | number)[];
}

/** `keep`: characters of one stream. */
export function createWriter(commands: Redis, keep: number): Writer {
  const published = new Map<string, Published>();
  const dirty = new Set<string>();
  let writing = false;

  async function write(): Promise<void> {
    if (writing || dirty.size === 0) return;
    writing = true;
    const first = commands.pipeline(); // announced before anything is said
    const last = commands.pipeline(); // and ended after all was
    const saying: Saying = { keys: [], args: [] };
    const after: (() => void)[] = [];
    const ids = [...dirty];
    dirty.clear();
    for (const id of ids) {
      const stream = published.get(id);
      if (stream) after.push(writeStream(stream, first, saying, last));
    }
    const { keys, args } = saying;
    if (keys.length > 0) first.eval(SAY, keys.length, ...keys, ...args);
    const results = await Promise.all([first.exec(), last.exec()]).catch(() => null);
    const said = keys.length === 0 || results?.[0]?.at(-1)?.[1] === 0;
    const failed =
      !said || !results || results.flat().some((one) => one?.[0] && !/equal or smaller/.test(one[0].message));
    if (failed) for (const id of ids) dirty.add(id);
    else for (const done of after) done();
    writing = false;
  }

  /** Returns what is true once it was written. */
  function writeStream(
    stream: Published,
    first: ChainableCommander,
    saying: Saying,
    last: ChainableCommander,
  ): () => void {
    const { card, said, ending } = stream;
    const key = `millrace:{${card.id}}`;
    if (!stream.announced) {
      first.hset(key, 'card', JSON.stringify(card));
      first.zadd('millrace:running', card.startedAt, card.id);
      first.pexpire(key, EXPIRE);
    }
    let at = stream.sent;
    for (let room = LONGEST; room > 0; ) {
      const { from, text } = said.since(at);
      if (text === '') break;
      const piece = /[\ud800-\udbff]/.test(text[room - 1] ?? '') ? text.slice(0, room + 1) : text.slice(0, room); // no half a letter
      at = from + piece.length;
      room -= piece.length;
      saying.keys.push(`${key}:said`);
      saying.args.push(`${at}-0`, from, piece);
    }
    const cut = at - keep;
    const trims = cut - stream.trimmed > keep / 4;
    if (trims) last.xtrim(`${key}:said`, 'MINID', `${cut}-0`);
    const whole = at >= said.length;
    const over = ending !== undefined && whole;
    if (over) {
      last.xadd(`${key}:said`, `${at}-1`, 'e', ending);
      last.zrem('millrace:running', card.id);
      last.pexpire(key, stream.retain);
    }
    const now = Date.now();
    const aged = now - stream.expiresFrom > EXPIRE / 2;
    if (over || aged) last.pexpire(`${key}:said`, over ? stream.retain : EXPIRE);
    if (aged && stream.announced && !over) last.pexpire(key, EXPIRE);
    return () => {
      if (aged) stream.expiresFrom = now;
      if (trims) stream.trimmed = cut;
      stream.sent = Math.max(stream.sent, at);
      stream.announced = true;
      if (!whole) dirty.add(card.id);
      else if (over) published.delete(card.id);
      else if (stream.ending !== undefined) dirty.add(card.id);
    };
  }

  return {
    publish(card, said) {
      const fresh = { sent: 0, announced: false, expiresFrom: 0, trimmed: 0, retain: 0, until: 0 };
      published.set(card.id, { card, said, ...fresh });
      dirty.add(card.id);
    },
    touch: (id) => void dirty.add(id),
    end(id, ending, retain) {
      const stream = published.get(id);
      if (!stream) return;
      Object.assign(stream, { ending, retain: Math.max(retain, 1), until: Date.now() + retain });
      dirty.add(id);
    },
    has: (id) => published.has(id),
    again() {
      for (const [id, stream] of published) {
        Object.assign(stream, { sent: 0, announced: false, expiresFrom: 0, trimmed: 0 });
        dirty.add(id);
      }
    },
    age(now) {
      for (const [id, { ending, until, expiresFrom }] of published) {
        if (ending !== undefined && now > until) published.delete(id);
        else if (now - expiresFrom > EXPIRE / 2) dirty.add(id);
      }
    },
    write,
    async last() {
      while (writing) await new Promise((resolve) => setTimeout(resolve, 5));
      await write();
    },
  };
}
