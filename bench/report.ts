// The figures as tables, and beside each the bar that the project has set itself (docs/ARCHITECTURE.md). Pure: figures in, text out.
import type { Figures, Memory } from './measure.ts';
import type { Participant } from './participants.ts';
import { ratioOf, type Spread, spreadOf } from './statistics.ts';

/** At most. Ratios of Millrace to the others; microseconds; bytes. */
export const BARS = {
  pacedToNginx: 2,
  pacedToBare: 1.15,
  floodMicros: 2.5,
  p50ToNginx: 1.3,
  p99ToNginx: 2,
  memoryBytes: 40 * 1024,
};

export interface Entry {
  participant: Participant;
  figures: Figures;
  /** Null for a direct connection. */
  memory: Memory | null;
}

/** All that was measured, for programs. Microseconds, bytes, ratios; each with its extremes over the rounds. */
export interface Summary {
  name: string;
  paced: Spread | null;
  pacedToNginx: Spread | null;
  pacedToBare: Spread | null;
  flood: Spread | null;
  floodToNginx: Spread | null;
  floodToBare: Spread | null;
  p50: Spread | null;
  p99: Spread | null;
  addedP50: Spread | null;
  addedP99: Spread | null;
  addedP50ToNginx: Spread | null;
  addedP99ToNginx: Spread | null;
  requests: Spread | null;
  requestsToBare: Spread | null;
  memoryPerStream: Spread | null;
  held: { streams: number; bytes: number } | null;
  idle: number;
}

export function summarize(entries: Entry[]): Summary[] {
  const of = (role: Participant['role']) => entries.find(({ participant }) => participant.role === role)?.figures;
  const [nginx, bare, direct] = [of('nginx'), of('bare')!, of('direct')!];
  const added = (figures: Figures, at: 'p50' | 'p99') => figures[at].map((delay, round) => delay - direct[at][round]!);
  return entries.map(({ participant: { name, role }, figures, memory }) => {
    const toNginx = (values: number[], theirs: number[] | undefined) =>
      theirs && role !== 'nginx' ? ratioOf(values, theirs) : null;
    const toBare = (values: number[], theirs: number[]) => (role !== 'bare' ? ratioOf(values, theirs) : null);
    const [addedP50, addedP99] = role === 'direct' ? [[], []] : [added(figures, 'p50'), added(figures, 'p99')];
    const cost = role === 'direct' ? [] : figures.paced; // nobody's process: no cost
    return {
      name,
      paced: spreadOf(cost),
      pacedToNginx: toNginx(cost, nginx?.paced),
      pacedToBare: toBare(cost, bare.paced),
      flood: spreadOf(figures.flood),
      floodToNginx: toNginx(figures.flood, nginx?.flood),
      floodToBare: toBare(figures.flood, bare.flood),
      p50: spreadOf(figures.p50),
      p99: spreadOf(figures.p99),
      addedP50: spreadOf(addedP50),
      addedP99: spreadOf(addedP99),
      addedP50ToNginx: toNginx(addedP50, nginx && added(nginx, 'p50')),
      addedP99ToNginx: toNginx(addedP99, nginx && added(nginx, 'p99')),
      requests: spreadOf(figures.requests),
      requestsToBare: toBare(figures.requests, bare.requests),
      memoryPerStream: spreadOf(memory?.perStream ?? []),
      held: memory && { streams: memory.streams, bytes: memory.bytes },
      idle: figures.idle,
    };
  });
}

export function report(entries: Entry[]): string {
  const summaries = summarize(entries);
  const bars = (index: number) => entries[index]!.participant.role === 'millrace';
  const proxies = summaries.filter((_, index) => entries[index]!.participant.role !== 'direct');
  const rows = (of: Summary[], cells: (summary: Summary, barred: boolean) => string[]) =>
    of.map((summary) => [summary.name, ...cells(summary, bars(summaries.indexOf(summary)))]);

  const parts = [
    table(
      'Processor time per token, each token in its own packet',
      ['', 'µs', '× nginx', '× bare Node'],
      rows(proxies, (s, barred) => [
        figure(s.paced),
        barred ? judged(s.pacedToNginx, BARS.pacedToNginx) : figure(s.pacedToNginx),
        barred ? judged(s.pacedToBare, BARS.pacedToBare) : figure(s.pacedToBare),
      ]),
    ),
    table(
      'Processor time per token, as fast as it goes',
      ['', 'µs', '× nginx', '× bare Node'],
      rows(proxies, (s, barred) => [
        barred ? judged(s.flood, BARS.floodMicros) : figure(s.flood),
        figure(s.floodToNginx),
        figure(s.floodToBare),
      ]),
    ),
    table(
      'Delay per token: from write to read, and over a direct connection',
      ['', 'p50 µs', 'p99 µs', 'added p50', 'added p99', '× nginx p50', '× nginx p99'],
      rows(summaries, (s, barred) => [
        figure(s.p50, 0),
        figure(s.p99, 0),
        figure(s.addedP50, 0),
        figure(s.addedP99, 0),
        barred ? judged(s.addedP50ToNginx, BARS.p50ToNginx) : figure(s.addedP50ToNginx),
        barred ? judged(s.addedP99ToNginx, BARS.p99ToNginx) : figure(s.addedP99ToNginx),
      ]),
    ),
    table(
      'Per request, per open silent stream, and at rest',
      ['', 'µs per request', '× bare Node', 'KiB per stream', 'most at once', 'idle µs/s'],
      rows(proxies, (s, barred) => [
        figure(s.requests, 0),
        figure(s.requestsToBare),
        barred ? judged(inKiB(s.memoryPerStream), BARS.memoryBytes / 1024, 1) : figure(inKiB(s.memoryPerStream), 1),
        s.held ? `${s.held.streams} in ${(s.held.bytes / 1024 / 1024).toFixed(0)} MiB` : '–',
        s.idle.toFixed(0),
      ]),
    ),
  ];
  if (!entries.some(({ participant }) => participant.role === 'nginx')) parts.push('nginx: not installed\n');
  return parts.join('\n');
}

function inKiB(bytes: Spread | null): Spread | null {
  return bytes && { median: bytes.median / 1024, min: bytes.min / 1024, max: bytes.max / 1024 };
}

function figure(spread: Spread | null, digits = 2): string {
  if (!spread) return '–';
  const { median, min, max } = spread;
  return `${median.toFixed(digits)} (${min.toFixed(digits)}–${max.toFixed(digits)})`;
}

function judged(spread: Spread | null, bar: number, digits = 2): string {
  if (!spread) return '–';
  return `${figure(spread, digits)} ${spread.median <= bar ? 'met' : 'not met'} ≤ ${bar}`;
}

function table(title: string, head: string[], rows: string[][]): string {
  const lines = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...lines.map((cells) => cells[column]!.length)));
  const text = lines.map((cells) =>
    cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join('   '),
  );
  return `${title}\n  ${text.join('\n  ')}\n`;
}

/** What a reader should know about the machine's state before trusting a figure; '' when all was well. */
export function doubts(entries: Entry[]): string {
  return entries
    .flatMap(({ participant: { name }, figures }) => {
      const [pace, reads, waited] = [spreadOf(figures.pace)!, spreadOf(figures.reads)!, spreadOf(figures.waited)!];
      const said = [
        pace.min < 0.95 && `only ${percent(pace.min)} of the pace kept`,
        reads.min < 0.9 && `only ${reads.min.toFixed(2)} reads per token`,
        waited.max > 0.1 && `${percent(waited.max)} of the time waiting for a processor`,
      ].filter(Boolean);
      return said.length > 0 ? [`  ${name}, in its worst round: ${said.join(', ')}`] : [];
    })
    .join('\n');
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
