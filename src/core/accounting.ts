// What is booked: rows, sums, prices, counts. Contracts and one sum; knows no database, no vendor, no stream.
import type { Usage } from './events.ts';

/** Known before the upstream is asked. */
export interface RowOpening {
  id: string;
  stream_id: string;
  attempt: number;
  key: string | null;
  model: string;
  provider: string;
  upstream_model: string;
  door: string;
  /** Unix milliseconds. */
  started_at: number;
}

/** Known when the attempt is over. Token counts are the billed ones. */
export interface RowClosing {
  ended_at: number;
  /** A finish reason, an error code, `client_closed`, or `interrupted`. */
  end_reason: string;
  input_tokens: number;
  output_tokens: number;
  cached_input_tokens: number;
  cache_write_input_tokens: number;
  reasoning_tokens: number;
  /** What the provider said it generated; null when it said nothing. */
  reported_output_tokens: number | null;
  generated_tokens: number;
  delivered_tokens: number;
  estimated: boolean;
  cost_usd: number | null;
  first_token_ms: number | null;
  total_ms: number;
}

/** How far a running attempt has come: what its row is closed with if the process is killed. */
export interface RowNote {
  id: string;
  input_tokens: number;
  output_tokens: number;
  cost_usd: number | null;
}

export type UsageRow = RowOpening & { [K in keyof RowClosing]: RowClosing[K] | null };

export type UsageGroup = 'day' | 'model' | 'provider' | 'key';

export interface UsageQuery {
  /** Unix milliseconds; `from` inclusive, `to` exclusive. */
  from?: number;
  to?: number;
  key?: string;
  by: UsageGroup[];
}

export interface UsageSum {
  day?: string;
  model?: string;
  provider?: string;
  key?: string | null;
  requests: number;
  errors: number;
  input_tokens: number;
  output_tokens: number;
  cached_input_tokens: number;
  cache_write_input_tokens: number;
  reasoning_tokens: number;
  cost_usd: number;
}

/** One row per attempt. Every method may reject when the store is broken; callers decide what a stream does about it. */
export interface Ledger {
  open(row: RowOpening): Promise<void>;
  note(rows: RowNote[]): Promise<void>;
  close(id: string, closing: RowClosing): Promise<void>;
  /** Closes rows that a killed process left open as `interrupted`, with what was last noted. Returns how many. */
  recover(): Promise<number>;
  sums(query: UsageQuery): Promise<UsageSum[]>;
  /** Newest first. `cursor` is the opaque `next_cursor` of the page before. */
  page(query: {
    limit: number;
    cursor?: string;
    key?: string;
  }): Promise<{ data: UsageRow[]; next_cursor: string | null }>;
  /** Answers when the store can be read and written. */
  check(): Promise<void>;
  shutdown(): Promise<void>;
}

/** USD per million tokens. What is absent costs as the plain kind does. */
export interface Price {
  input: number;
  output: number;
  cachedInput?: number;
  cacheWriteInput?: number;
}

/** Null when no price is known: an unknown cost is not a cost of zero. */
export type PriceOf = (provider: string, model: string) => Price | null;

/** Counts tokens off the event loop, in bounded time. Resolves always; `coarse` says that the count was approximated further. */
export interface Tokenizer {
  count(model: string, text: string): Promise<{ tokens: number; coarse: boolean }>;
  close(): Promise<void>;
}

export function costOf(usage: Usage, price: Price | null): number | null {
  if (price === null) return null;
  const plain = Math.max(0, usage.input_tokens - usage.cached_input_tokens - usage.cache_write_input_tokens);
  const micro =
    plain * price.input +
    usage.cached_input_tokens * (price.cachedInput ?? price.input) +
    usage.cache_write_input_tokens * (price.cacheWriteInput ?? price.input) +
    usage.output_tokens * price.output;
  return Math.round(micro * 1e3) / 1e9; // to the nearest billionth of a dollar
}
