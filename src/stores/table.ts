// Usage sums as a table for a terminal. Pure text.
import type { UsageGroup, UsageSum } from '../core/accounting.ts';

const COUNTS = [
  ['requests', 'requests'],
  ['errors', 'errors'],
  ['input_tokens', 'input'],
  ['cached_input_tokens', 'cached'],
  ['output_tokens', 'output'],
  ['reasoning_tokens', 'reasoning'],
] as const satisfies [keyof UsageSum, string][];

/** One line per sum, a total below when there are several. Dollars have six places: a request may cost less than a cent. */
export function usageTable(sums: UsageSum[], by: UsageGroup[]): string {
  if (sums.length === 0) return 'Nothing was used in this time.';
  const header = [...by, ...COUNTS.map(([, title]) => title), 'cost USD'];
  const rows = sums.map((sum) => [...by.map((group) => printable(sum[group] ?? '-')), ...figures(sum)]);
  if (sums.length > 1) rows.push([...by.map((_, at) => (at === 0 ? 'total' : '')), ...figures(total(sums))]);
  const widths = header.map((title, at) => Math.max(title.length, ...rows.map((row) => row[at]!.length)));
  const line = (cells: string[]) =>
    cells
      .map((cell, at) => (at < by.length ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!)))
      .join('  ')
      .trimEnd();
  return [line(header), widths.map((width) => '-'.repeat(width)).join('  '), ...rows.map(line)].join('\n');
}

type Figures = Pick<UsageSum, (typeof COUNTS)[number][0] | 'cost_usd'>;

function figures(sum: Figures): string[] {
  return [...COUNTS.map(([field]) => sum[field].toLocaleString('en-US')), sum.cost_usd.toFixed(6)];
}

function total(sums: UsageSum[]): Figures {
  const zero: Figures = {
    requests: 0,
    errors: 0,
    input_tokens: 0,
    cached_input_tokens: 0,
    output_tokens: 0,
    reasoning_tokens: 0,
    cost_usd: 0,
  };
  for (const sum of sums) {
    for (const [field] of COUNTS) zero[field] += sum[field];
    zero.cost_usd += sum.cost_usd;
  }
  return zero;
}

/** A model's name comes from a client: what would steer the terminal is shown, not sent. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, (char) => `\\u${char.codePointAt(0)!.toString(16).padStart(4, '0')}`);
}
