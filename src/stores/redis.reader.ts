// Reads the Redis streams of all mirrors of this node over one connection that waits for whichever says something first. What a mirror
// missed before it came is read at once, beside that.
import type { Redis } from 'ioredis';
import type { Card, MirrorSink } from '../core/live.ts';

export interface Reader {
  /** Reads all that there is before it resolves, and goes on until the end or `drop`. */
  add(card: Card, sink: MirrorSink, commands: Redis): Promise<void>;
  drop(id: string): void;
  /** Tells the mirrors whose node is gone. Asks which nodes are alive; one that is missed twice in a row is gone. */
  bury(alive: (nodes: string[]) => Promise<Set<string>>): Promise<void>;
  close(): void;
}

interface Reading {
  node: string;
  sink: MirrorSink;
  /** The last entry that was read. */
  last: string;
  missed: number;
}

type Entry = [id: string, fields: string[]];

/** Milliseconds that a read waits; a new mirror joins at the next. */
const WAIT = 100;
const COUNT = 200;

export function createReader(connection: Redis): Reader {
  const readings = new Map<string, Reading>();
  let running = false;
  let closed = false;
  connection.on('error', () => {}); // it connects again, and reads on

  function take(id: string, entries: Entry[]): void {
    for (const [entry, fields] of entries) {
      const reading = readings.get(id);
      if (!reading) return;
      reading.last = entry;
      const said = Object.fromEntries(fields.flatMap((field, at) => (at % 2 === 0 ? [[field, fields[at + 1]!]] : [])));
      const from = Number(said.o);
      if (said.e !== undefined) {
        readings.delete(id);
        reading.sink.ended(said.e);
      } else if (Number.isSafeInteger(from)) reading.sink.said(from, said.f ?? ''); // anything else no node has written
    }
  }

  async function loop(): Promise<void> {
    if (running) return;
    running = true;
    while (readings.size > 0 && !closed) {
      const ids = [...readings.keys()];
      const keys = ids.map((id) => `millrace:{${id}}:said`);
      const after = ids.map((id) => readings.get(id)!.last);
      const found = await connection
        .xread('COUNT', COUNT, 'BLOCK', WAIT, 'STREAMS', ...keys, ...after)
        .catch(() => new Promise<null>((resolve) => setTimeout(resolve, WAIT, null)));
      for (const [key, entries] of (found ?? []) as [string, Entry[]][]) take(ids[keys.indexOf(key)]!, entries);
    }
    running = false;
  }

  return {
    async add({ id, node }, sink, commands) {
      readings.set(id, { node, sink, last: '0-0', missed: 0 });
      for (;;) {
        const reading = readings.get(id);
        if (!reading) return; // it had ended
        const entries = (await commands.xrange(
          `millrace:{${id}}:said`,
          `(${reading.last}`,
          '+',
          'COUNT',
          COUNT,
        )) as Entry[];
        if (entries.length === 0) break;
        take(id, entries);
      }
      void loop();
    },
    drop: (id) => void readings.delete(id),
    async bury(alive) {
      const names = [...new Set([...readings.values()].map(({ node }) => node))];
      if (names.length === 0) return;
      const living = await alive(names);
      for (const [id, reading] of [...readings]) {
        reading.missed = living.has(reading.node) ? 0 : reading.missed + 1;
        if (reading.missed < 2) continue;
        readings.delete(id);
        reading.sink.lost();
      }
    },
    close() {
      closed = true;
      connection.disconnect();
    },
  };
}
