// The resilient ledger over a real file that another connection locks and frees, and over the bounds of its memory.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, expect, test, vi } from 'vitest';
import type { Ledger } from '../../src/core/accounting.ts';
import { openLedger } from '../../src/stores/open.ts';
import { resilient } from '../../src/stores/resilient.ts';
import { closing, opening } from './rows.ts';

const folder = mkdtempSync(join(tmpdir(), 'millrace-resilient-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A working ledger whose store can be made to fail at once, so that bounds are tested without waiting for busy timeouts. */
async function faulty() {
  const inner = await openLedger('sqlite::memory:');
  const state = { failing: false, tries: 0 };
  const guard =
    <A extends unknown[], R>(work: (...given: A) => Promise<R>) =>
    async (...given: A): Promise<R> => {
      state.tries++;
      if (state.failing) throw Object.assign(new Error('disk is full'), { code: 'SQLITE_FULL' });
      return work(...given);
    };
  const ledger: Ledger = {
    ...inner,
    open: guard(inner.open),
    note: guard(inner.note),
    close: guard(inner.close),
    check: guard(inner.check),
  };
  return { ledger, state };
}

const backoff = { first: 5, longest: 20 };

test('what a locked file refuses is written once it is free, with nobody asking', async () => {
  const file = join(folder, 'locked.db');
  const errors: unknown[] = [];
  const inner = await openLedger(`sqlite:${file}`);
  const ledger = resilient(inner, { onError: (error) => errors.push(error), backoff: { first: 20, longest: 50 } });
  await ledger.open(opening());
  await ledger.open(opening({ id: 'r2' }));
  const other = new DatabaseSync(file);
  other.exec('begin immediate');
  await ledger.close('r1', closing()); // resolves: it is taken care of
  await ledger.note([{ id: 'r2', input_tokens: 1, output_tokens: 7, cost_usd: null }]);
  expect(ledger.waiting()).toBe(2);
  await expect(ledger.open(opening({ id: 'r3' }))).rejects.toMatchObject({ code: 'SQLITE_BUSY' });
  expect(errors.length).toBeGreaterThan(0);
  other.exec('rollback');
  other.close();
  await vi.waitFor(() => expect(ledger.waiting()).toBe(0), { timeout: 10_000 });
  const rows = Object.fromEntries((await ledger.page({ limit: 10 })).data.map((row) => [row.id, row]));
  expect(rows.r1).toMatchObject({ end_reason: 'stop', cost_usd: 0.1 });
  expect(rows.r2).toMatchObject({ end_reason: null, output_tokens: 7 });
  await vi.waitFor(() => ledger.open(opening({ id: 'r3' })), { timeout: 10_000 });
  await ledger.shutdown();
}, 30_000);

test('the end of a row outdoes its progress, and the latest progress the earlier', async () => {
  const { ledger: inner, state } = await faulty();
  const ledger = resilient(inner, { onError: () => {}, backoff });
  for (const id of ['a', 'b']) await ledger.open(opening({ id }));
  state.failing = true;
  const noted = (id: string, output_tokens: number) => ({ id, input_tokens: 1, output_tokens, cost_usd: null });
  await ledger.note([noted('a', 1), noted('b', 1)]);
  await ledger.note([noted('a', 2), noted('b', 2)]);
  await ledger.close('a', closing());
  await ledger.note([noted('a', 3)]);
  expect(ledger.waiting()).toBe(2);
  state.failing = false;
  await vi.waitFor(() => expect(ledger.waiting()).toBe(0), { timeout: 5_000 });
  const rows = (await ledger.page({ limit: 10 })).data;
  expect(rows.map((row) => [row.id, row.output_tokens, row.end_reason])).toEqual([
    ['b', 2, null],
    ['a', 20, 'stop'],
  ]);
  await ledger.shutdown();
});

test('a broken store is tried once per backoff, not once per row, and opening fails at once until it is mended', async () => {
  const { ledger: inner, state } = await faulty();
  const ledger = resilient(inner, { onError: () => {}, backoff: { first: 50, longest: 50 } });
  state.failing = true;
  await expect(ledger.open(opening())).rejects.toThrow('disk is full');
  const tries = state.tries;
  for (let index = 0; index < 1_000; index++) await ledger.close(`r${index}`, closing());
  await expect(ledger.open(opening())).rejects.toThrow('disk is full');
  expect(state.tries - tries).toBeLessThan(50);
  state.failing = false;
  await vi.waitFor(() => ledger.open(opening()), { timeout: 5_000 });
  await ledger.shutdown();
});

test('past the bound an end is refused loudly and progress is dropped', async () => {
  const { ledger: inner, state } = await faulty();
  const ledger = resilient(inner, {
    onError: () => {},
    limit: 2,
    backoff: { first: 60_000, longest: 60_000 },
    lastChance: 0,
  });
  state.failing = true;
  await ledger.close('a', closing());
  await ledger.close('b', closing());
  await ledger.close('b', closing()); // waits already
  await expect(ledger.close('c', closing())).rejects.toThrow(/2 rows wait already/);
  await ledger.note([{ id: 'd', input_tokens: 1, output_tokens: 1, cost_usd: null }]);
  expect(ledger.waiting()).toBe(2);
  state.failing = false;
  await ledger.shutdown();
});

test('shutdown writes what waits, or says how much is lost', async () => {
  for (const mended of [true, false]) {
    const { ledger: inner, state } = await faulty();
    const errors: string[] = [];
    const onError = (error: unknown) => errors.push(String(error));
    const ledger = resilient(inner, { onError, backoff: { first: 60_000, longest: 60_000 }, lastChance: 50 });
    await ledger.open(opening());
    state.failing = true;
    await ledger.close('r1', closing());
    state.failing = !mended;
    await ledger.shutdown();
    expect(ledger.waiting()).toBe(mended ? 0 : 1);
    expect(errors.some((text) => text.includes('1 rows that it never took'))).toBe(!mended);
  }
});

test('a row that the store will never take does not stand in the way of the others', async () => {
  const { ledger: inner, state } = await faulty();
  const errors: unknown[] = [];
  const ledger = resilient(inner, { onError: (error) => errors.push(error), backoff });
  for (const id of ['bad', 'good']) await ledger.open(opening({ id }));
  state.failing = true;
  await ledger.close('bad', closing({ end_reason: {} as string })); // cannot be bound
  await ledger.close('good', closing());
  state.failing = false;
  await vi.waitFor(() => expect(ledger.waiting()).toBe(0), { timeout: 5_000 });
  expect((await ledger.page({ limit: 10 })).data.map((row) => [row.id, row.end_reason])).toEqual([
    ['good', 'stop'],
    ['bad', null],
  ]);
  expect(errors.length).toBeGreaterThan(1);
  await ledger.shutdown();
});

test('opening is given up after its time, whatever the store does', async () => {
  const { ledger: inner } = await faulty();
  const never = { ...inner, open: () => new Promise<void>(() => {}) };
  const ledger = resilient(never, { onError: () => {}, openTimeout: 30, backoff });
  await expect(ledger.open(opening())).rejects.toMatchObject({ code: 'STORE_SLOW' });
  await ledger.shutdown();
});
