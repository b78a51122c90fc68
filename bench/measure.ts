// The order of measuring. Time: warm up, look at the idle processes, then round after round every participant in turn (A B C D E,
// A B C …). Memory: step by step. Yields plain figures; what they mean is report.ts's.
import type { ChildProcess } from 'node:child_process';
import { openFileLimit, pause, processorTime, residentBytes } from './clock.ts';
import type { Job, Reply, Result } from './load.ts';
import type { Participant } from './participants.ts';

export interface Schedule {
  rounds: number;
  /** `window` and `idle` in milliseconds. */
  paced: { streams: number; tokens: number; window: number };
  flood: { streams: number; tokens: number };
  requests: { connections: number; each: number };
  idle: number;
  /** Silent streams held open: so many more at each step. */
  held: { step: number; steps: number };
}

export interface Figures {
  /** Microseconds of processor time per token and per request, one for each round, what the idle process uses taken off. */
  paced: number[];
  flood: number[];
  requests: number[];
  /** Microseconds from the upstream's write to the client's read, one for each round. */
  p50: number[];
  p99: number[];
  /**
   * How quiet the machine was while tokens were paced: those that came of those that the pace promises, reads per token, both
   * 1 when it had time to spare; and the share of the time that the proxy waited for a processor.
   */
  pace: number[];
  reads: number[];
  waited: number[];
  /** Microseconds of processor time per second of doing nothing. */
  idle: number;
}

export interface Memory {
  /** Bytes of resident memory that each further silent stream took, one for each step after the first. */
  perStream: number[];
  /** Streams that were open at once in the end, and all that the process then held. */
  streams: number;
  bytes: number;
}

export type Load = (job: Job) => Promise<Result>;

/** Rejects with what the load client found wrong. */
export function loadThrough(child: ChildProcess): Load {
  return (job) =>
    new Promise((resolve, reject) => {
      const left = () => reject(new Error('The load client ended.'));
      child.once('exit', left);
      child.once('message', (reply: Reply) => {
        child.off('exit', left);
        if ('fault' in reply) reject(new Error(reply.fault));
        else resolve(reply.result);
      });
      child.send(job);
    });
}

const TOKENS_PER_SECOND = 50;

export async function measureTime(
  participants: Participant[],
  schedule: Schedule,
  load: Load,
  say: (progress: string) => void,
): Promise<Figures[]> {
  const figures = participants.map(
    (): Figures => ({
      paced: [],
      flood: [],
      requests: [],
      p50: [],
      p99: [],
      pace: [],
      reads: [],
      idle: 0,
      waited: [],
    }),
  );
  const proxies = participants.map((participant, index) => ({ ...participant, index, own: figures[index]! }));
  const withProcess = proxies.filter(({ door }) => door.pid !== null);

  say('warming up');
  for (const { door } of withProcess) {
    await load({ kind: 'requests', door, connections: 8, each: 20 });
    await load({ kind: 'flood', door, streams: 4, tokens: 6_000 });
    await load({ kind: 'paced', door, streams: 100, tokens: 40, window: 100 });
  }

  await pause(500);
  const before = withProcess.map(({ door }) => processorTime(door.pid!).used);
  await pause(schedule.idle);
  withProcess.forEach(({ door, own }, at) => {
    own.idle = (processorTime(door.pid!).used - before[at]!) / (schedule.idle / 1000);
  });

  for (let round = 1; round <= schedule.rounds; round++) {
    say(`round ${round} of ${schedule.rounds}: paced`);
    for (const { door, own } of proxies) {
      const result = await load({ kind: 'paced', door, ...schedule.paced });
      own.paced.push(costOf(result, own));
      own.p50.push(result.delay!.p50);
      own.p99.push(result.delay!.p99);
      own.reads.push(result.reads!);
      own.waited.push(result.waited / result.wall);
      own.pace.push(result.count / ((schedule.paced.streams * TOKENS_PER_SECOND * result.wall) / 1e6));
    }
    say(`round ${round} of ${schedule.rounds}: unpaced`);
    for (const { door, own } of withProcess)
      own.flood.push(costOf(await load({ kind: 'flood', door, ...schedule.flood }), own));
    say(`round ${round} of ${schedule.rounds}: requests`);
    for (const { door, own } of withProcess)
      own.requests.push(costOf(await load({ kind: 'requests', door, ...schedule.requests }), own));
  }

  return figures;
}

function costOf({ used, wall, count }: Result, { idle }: Figures): number {
  return (used - idle * (wall / 1e6)) / count;
}

/** Milliseconds after which a process has done what the opening of its streams left to do. */
const SETTLE = 400;

/**
 * Opens streams step by step in a process that has served nothing before: one that has, has memory to spare, and its streams
 * would seem to cost nothing. The first step grows the heap and loads what comes once; each further one shows what streams cost.
 */
export async function measureMemory(
  { door }: Participant,
  { step, steps }: Schedule['held'],
  load: Load,
): Promise<Memory> {
  const memory: Memory = { perStream: [], streams: 0, bytes: 0 };
  // A proxy has two files open for each stream, and some of its own.
  for (let at = 0; at < steps && 2 * (memory.streams + step) + 500 < openFileLimit(); at++) {
    await load({ kind: 'hold', door, streams: step });
    await pause(SETTLE);
    const bytes = residentBytes(door.pid!);
    if (at > 0) memory.perStream.push((bytes - memory.bytes) / step);
    memory.bytes = bytes;
    memory.streams += step;
  }
  await load({ kind: 'release' });
  return memory;
}
