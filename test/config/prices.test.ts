// Prices: the shipped table is whole, and names are matched as the comment on createPriceOf says.
import fc from 'fast-check';
import { afterEach, expect, test, vi } from 'vitest';
import table from '../../src/config/prices.json' with { type: 'json' };
import { createPriceOf, PRICES_DATE } from '../../src/config/prices.ts';
import { costOf } from '../../src/core/accounting.ts';

afterEach(() => {
  vi.useRealTimers();
});

test('every entry of the table names a provider whose price page is given, and costs something', () => {
  const entries = Object.entries<Record<string, unknown>>(table.prices);
  expect(entries.length).toBeGreaterThan(60);
  for (const [name, price] of entries) {
    expect(Object.keys(table.sources)).toContain(name.split('/')[0]);
    for (const kind of ['input', 'output', 'cachedInput', 'cacheWriteInput']) {
      if (kind in price) expect(price[kind], `${name} ${kind}`).toBeGreaterThan(0);
    }
    expect(price.output, name).toBeGreaterThanOrEqual(price.input as number);
    if ('cachedInput' in price) expect(price.cachedInput, name).toBeLessThan(price.input as number);
    expect(
      Object.keys(price).filter((key) => !['input', 'output', 'cachedInput', 'cacheWriteInput', 'next'].includes(key)),
    ).toEqual([]);
  }
  expect(PRICES_DATE).toMatch(/^\d{4}-\d\d-\d\d$/);
});

test('a known model has its price, also under a dated version, and a price that is listed for a date wins', () => {
  const priceOf = createPriceOf({});
  expect(priceOf('openai', 'gpt-5-mini')).toEqual({ input: 0.25, output: 2, cachedInput: 0.025 });
  expect(priceOf('openai', 'gpt-5-mini-2025-08-07')).toEqual(priceOf('openai', 'gpt-5-mini'));
  expect(priceOf('anthropic', 'claude-haiku-4-5-20251001')).toEqual(priceOf('anthropic', 'claude-haiku-4-5'));
  expect(priceOf('anthropic', 'claude-haiku-4-5@20251001')).toEqual(priceOf('anthropic', 'claude-haiku-4-5'));
  expect(priceOf('openai', 'gpt-4o-2024-05-13')?.input).toBe(5);
  expect(priceOf('openai', 'gpt-4o-2024-08-06')?.input).toBe(2.5);
  expect(priceOf('groq', 'openai/gpt-oss-20b')?.output).toBe(0.3);
});

test('what is not known costs null, not zero, and names of the language are no prices', () => {
  const priceOf = createPriceOf({});
  expect(priceOf('openai', 'gpt-nobody-knows')).toBeNull();
  expect(priceOf('my-openai', 'gpt-5-mini')).toBeNull();
  expect(priceOf('openai', 'gpt-5-mini-2025-99-99')).toBeNull();
  expect(priceOf('openai', '')).toBeNull();
  fc.assert(
    fc.property(fc.string(), fc.string(), (provider, model) => createPriceOf({})(`x${provider}`, model) === null),
  );
  for (const name of ['__proto__', 'constructor', 'toString']) expect(priceOf(name, name)).toBeNull();
});

test('an override stands before the table: exact, dated, for any provider, for a whole provider', () => {
  const priceOf = createPriceOf({
    'openai/gpt-5-mini': { input: 7, output: 8 },
    '*/gpt-5': { input: 3, output: 4 },
    'local/*': { input: 0, output: 0 },
    'openai/gpt-4o': { input: 1, output: 1 },
  });
  expect(priceOf('openai', 'gpt-5-mini-2025-08-07')).toEqual({ input: 7, output: 8 });
  expect(priceOf('my-openai', 'gpt-5')).toEqual({ input: 3, output: 4 });
  expect(priceOf('azure', 'gpt-5-2025-08-07')).toEqual({ input: 3, output: 4 });
  expect(priceOf('local', 'llama')).toEqual({ input: 0, output: 0 });
  expect(priceOf('openai', 'gpt-4o-2024-05-13')).toEqual({ input: 1, output: 1 });
});

test('the mock costs something, so that cost can be shown without a key', () => {
  const price = createPriceOf({})('mock', 'lorem-500+rate-100');
  const usage = {
    input_tokens: 1_000,
    output_tokens: 500,
    cached_input_tokens: 0,
    cache_write_input_tokens: 0,
    reasoning_tokens: 0,
    estimated: false,
  };
  expect(costOf(usage, price)).toBe(0.002);
});

test('an announced change of price takes effect on its day', () => {
  const priceOf = createPriceOf({});
  vi.useFakeTimers({ now: Date.parse('2026-12-31T23:59:59Z') });
  expect(priceOf('gemini', 'gemini-3.8-flash')).toEqual({ input: 0.75, output: 3.75, cachedInput: 0.075 });
  vi.setSystemTime(Date.parse('2027-01-01T00:00:00Z'));
  expect(priceOf('gemini', 'gemini-3.8-flash')).toEqual({ input: 1.5, output: 7.5, cachedInput: 0.15 });
});
