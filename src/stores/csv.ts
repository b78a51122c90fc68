// Usage sums as CSV for a spreadsheet. RFC 4180; knows no store and no HTTP.
import type { UsageSum } from '../core/accounting.ts';

const COLUMNS = [
  'day',
  'model',
  'provider',
  'key',
  'requests',
  'errors',
  'input_tokens',
  'output_tokens',
  'cached_input_tokens',
  'cache_write_input_tokens',
  'reasoning_tokens',
  'cost_usd',
] as const satisfies (keyof UsageSum)[];

/** A header line, then a line per sum; only the groups that were asked for have a column. */
export function usageCsv(sums: UsageSum[]): string {
  const columns = COLUMNS.filter((column, index) => index >= 4 || sums.some((sum) => column in sum));
  return toCsv([[...columns], ...sums.map((sum) => columns.map((column) => sum[column] ?? null))]);
}

/** Lines end in CRLF, the last one too. Null is an empty cell. */
export function toCsv(rows: (string | number | null)[][]): string {
  return rows.map((row) => `${row.map(cell).join(',')}\r\n`).join('');
}

function cell(value: string | number | null): string {
  if (value === null) return '';
  if (typeof value === 'number') return String(value);
  // A spreadsheet runs a cell that begins like a formula, and model names come from clients: an apostrophe makes it text.
  // https://owasp.org/www-community/attacks/CSV_Injection
  const safe = /^[=+\-@\t\r]/.test(value) && !/^[+-]?\d+(\.\d+)?$/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
