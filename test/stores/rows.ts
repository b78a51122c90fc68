// Rows for the ledger's tests: the plain case, with what a test wants different.
import type { RowClosing, RowOpening } from '../../src/core/accounting.ts';

export function opening(row: Partial<RowOpening> = {}): RowOpening {
  return {
    id: 'r1',
    stream_id: `str_${row.id ?? 'r1'}`,
    attempt: 1,
    key: 'web',
    model: 'fast',
    provider: 'openai',
    upstream_model: 'gpt-5-mini',
    door: 'native',
    started_at: Date.UTC(2026, 0, 1),
    ...row,
  };
}

export function closing(row: Partial<RowClosing> = {}): RowClosing {
  return {
    ended_at: Date.UTC(2026, 0, 1) + 1_500,
    end_reason: 'stop',
    input_tokens: 10,
    output_tokens: 20,
    cached_input_tokens: 4,
    cache_write_input_tokens: 2,
    reasoning_tokens: 5,
    reported_output_tokens: 20,
    generated_tokens: 19,
    delivered_tokens: 18,
    estimated: false,
    cost_usd: 0.1,
    first_token_ms: 200,
    total_ms: 1_500,
    ...row,
  };
}
