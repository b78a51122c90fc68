// `npm run bench`: what Millrace costs beside nginx and beside the least that a Node proxy can be, in one interleaved run against
// one upstream. The command line and the order of things; measuring is measure.ts's, judging report.ts's.
import { writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { loadThrough, type Memory, measureMemory, measureTime, type Schedule } from './measure.ts';
import { findNginx } from './nginx.ts';
import { type MillraceSource, OWN_ROOT, startParticipants } from './participants.ts';
import { createProcesses } from './processes.ts';
import { doubts, report, summarize } from './report.ts';
import { verify } from './verify.ts';

const HELP = `npm run bench -- [options]

  --short           under 45 seconds: two rounds, short windows; for CI
  --json FILE       also write the figures there
  --against FOLDER  also measure the Millrace of another checkout, in the same run
  --live URL        also measure this Millrace with its streams shared over this Redis
  --profile FOLDER  write V8 CPU profiles of Millrace there; its figures are then those of a profiled process
  --rounds N        instead of 6 (2 with --short)
`;

const FULL: Schedule = {
  rounds: 6,
  paced: { streams: 200, tokens: 230, window: 3_000 },
  flood: { streams: 8, tokens: 24_000 },
  requests: { connections: 8, each: 60 },
  idle: 2_000,
  held: { step: 1_000, steps: 8 },
};

const SHORT: Schedule = {
  rounds: 2,
  paced: { streams: 200, tokens: 75, window: 700 },
  flood: { streams: 8, tokens: 9_000 },
  requests: { connections: 8, each: 20 },
  idle: 500,
  held: { step: 200, steps: 3 },
};

const { values: options } = parseArgs({
  options: {
    short: { type: 'boolean' },
    json: { type: 'string' },
    against: { type: 'string' },
    live: { type: 'string' },
    profile: { type: 'string' },
    rounds: { type: 'string' },
    help: { type: 'boolean' },
  },
});

async function run(): Promise<void> {
  if (process.platform !== 'linux') throw new Error('The benchmark reads /proc and runs on Linux only.');
  const schedule = { ...(options.short ? SHORT : FULL) };
  if (options.rounds) schedule.rounds = Math.max(1, Number(options.rounds));
  const profiles = options.profile && resolve(options.profile);
  const sources: MillraceSource[] = [{ root: OWN_ROOT, label: '', profiles }];
  if (options.live) sources.push({ root: OWN_ROOT, label: '(Redis)', live: options.live, profiles });
  if (options.against) sources.push({ root: resolve(options.against), label: '(other)', profiles });

  const machine = `${cpus()[0]?.model ?? 'unknown processor'}, ${availableParallelism()} cores`;
  const versions = { node: process.version, nginx: findNginx()?.version ?? null, machine };
  console.log(`Node ${versions.node} · nginx ${versions.nginx ?? 'not installed'} · ${machine}\n`);

  const processes = createProcesses();
  try {
    const upstream = await processes.module('./upstream.ts');
    const client = await processes.module('./load.ts');
    const load = loadThrough(client.child);
    const participants = await startParticipants(upstream.port, sources, processes);
    await Promise.all(participants.map(verify));
    const figures = await measureTime(participants, schedule, load, say);
    const memories: (Memory | null)[] = [];
    for (const fresh of await startParticipants(upstream.port, sources, processes)) {
      say(`memory: ${fresh.name}`);
      memories.push(fresh.door.pid === null ? null : await measureMemory(fresh, schedule.held, load));
    }
    say('');
    const entries = participants.map((participant, index) => ({
      participant,
      figures: figures[index]!,
      memory: memories[index]!,
    }));
    console.log(`Medians of ${schedule.rounds} rounds (lowest–highest); ratios are taken within a round.\n`);
    console.log(report(entries));
    const doubtful = doubts(entries);
    if (doubtful) console.log(`Other work ran on this machine. Delays suffer from that first:\n${doubtful}\n`);
    if (options.json) {
      const rounds = entries.map(({ participant, figures, memory }) => ({
        name: participant.name,
        ...figures,
        memory,
      }));
      writeFileSync(
        options.json,
        `${JSON.stringify({ versions, schedule, summary: summarize(entries), rounds }, null, 2)}\n`,
      );
    }
  } finally {
    await processes.close();
  }
}

/** One line of progress, on a terminal only. */
function say(progress: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${progress}`);
}

if (options.help) console.log(HELP);
else {
  try {
    await run();
  } catch (error) {
    console.error(`The benchmark failed: ${(error as Error).message} ${String((error as Error).cause ?? '')}`);
    process.exitCode = 1;
  }
}
