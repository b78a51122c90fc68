// The two clocks of a measurement: the machine's, shared by all its processes, and the processor time that one process used.
import { readdirSync, readFileSync } from 'node:fs';

/** Microseconds of CLOCK_MONOTONIC. */
export function nowMicros(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

/** What a process has had of the processor, all its threads together, in microseconds. */
export interface ProcessorTime {
  /** User and system. */
  used: number;
  /** Ready to run while something else ran: what other processes of a busy machine do to a delay. */
  waited: number;
}

/**
 * The scheduler's own figures, in nanoseconds; utime and stime of /proc/<pid>/stat are the same sum cut to hundredths of a
 * second, and serve where it is missing.
 */
export function processorTime(pid: number): ProcessorTime {
  let [used, waited] = [0, 0];
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const figures = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ');
    used += Number(figures[0]) / 1000;
    waited += Number(figures[1]) / 1000;
  }
  return used > 0 ? { used, waited } : { used: usedByStat(pid), waited: 0 };
}

function usedByStat(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' '); // from the third on: a name may have spaces
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

/** Resident memory of a process, in bytes. */
export function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)![1]) * 1024;
}

/** Open files that a process of ours may have: Node raises its own limit to the hard one. */
export function openFileLimit(): number {
  const limit = /^Max open files\s+\S+\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))![1]!;
  return limit === 'unlimited' ? Number.POSITIVE_INFINITY : Number(limit);
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
