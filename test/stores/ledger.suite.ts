// What every ledger has to do, whatever its store: what is written is read, closed once, summed, paged, and found again after a
// kill -9. Each store's own tests call this once.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import type { Ledger } from '../../src/core/accounting.ts';
import { closing, opening } from './rows.ts';

export interface StoreUnderTest {
  /** A new store; several processes can open it. */
  shared(): Promise<string>;
  /** A new store for one ledger. */
  single(): Promise<string>;
  open(url: string): Promise<Ledger>;
  /** How it says that a row is there already. */
  duplicate: string;
}

export function child(url: string, id?: string): ChildProcess {
  const script = fileURLToPath(new URL('./child.ts', import.meta.url));
  return spawn(process.execPath, [script, url, ...(id ? [id] : [])], { stdio: ['ignore', 'pipe', 'inherit'] });
}

/** Who has died may show after a while; then so many rows are closed, and not one more. */
export async function recovers(ledgers: Ledger[], rows: number): Promise<void> {
  let closed = 0;
  await vi.waitFor(
    async () => {
      for (const count of await Promise.all(ledgers.map((ledger) => ledger.recover()))) closed += count;
      expect(closed).toBeGreaterThanOrEqual(rows);
    },
    { timeout: 20_000 },
  );
  expect(closed).toBe(rows);
}

export function testLedger({ shared, single, open, duplicate }: StoreUnderTest): void {
  async function withLedger(work: (ledger: Ledger) => Promise<void>, url?: string): Promise<void> {
    const ledger = await open(url ?? (await single()));
    try {
      await work(ledger);
    } finally {
      await ledger.shutdown();
    }
  }

  test('a row is open before it is closed, and reads back as it was written', () =>
    withLedger(async (ledger) => {
      await ledger.open(opening());
      const [open] = (await ledger.page({ limit: 10 })).data;
      expect(open).toMatchObject({ ...opening(), ended_at: null, end_reason: null, estimated: null, cost_usd: null });
      await ledger.close('r1', closing({ estimated: true, reported_output_tokens: null }));
      const { data, next_cursor } = await ledger.page({ limit: 10 });
      expect(data).toEqual([{ ...opening(), ...closing({ estimated: true, reported_output_tokens: null }) }]);
      expect(next_cursor).toBeNull();
    }));

  test('a row cannot be closed twice, nor noted after its end', () =>
    withLedger(async (ledger) => {
      await ledger.open(opening());
      await ledger.close('r1', closing());
      await ledger.close('r1', closing({ end_reason: 'internal', cost_usd: 99 }));
      await ledger.note([{ id: 'r1', input_tokens: 1, output_tokens: 1, cost_usd: 1 }]);
      expect((await ledger.page({ limit: 1 })).data[0]).toEqual({ ...opening(), ...closing() });
    }));

  test('a model’s name may be any text', () =>
    withLedger(async (ledger) => {
      const model = `'; drop table attempts; -- "\\ é 模型 \u{1f600} \u0001`;
      await ledger.open(opening({ model, upstream_model: `${model}\0` }));
      expect((await ledger.page({ limit: 1 })).data[0]).toMatchObject({ model, upstream_model: `${model}\ufffd` });
    }));

  test('an id can be opened once only', () =>
    withLedger(async (ledger) => {
      await ledger.open(opening());
      await expect(ledger.open(opening())).rejects.toMatchObject({ code: duplicate });
    }));

  test('progress of thousands of rows is noted at once, and shows while they run', () =>
    withLedger(async (ledger) => {
      const ids = Array.from({ length: 2_500 }, (_, index) => `r${index}`);
      await Promise.all(ids.map((id) => ledger.open(opening({ id }))));
      await ledger.note(
        ids.map((id, at) => ({ id, input_tokens: at, output_tokens: 2 * at, cost_usd: at ? at / 8 : null })),
      );
      await ledger.note([]);
      const rows = new Map((await ledger.page({ limit: 1_000 })).data.map((row) => [row.id, row]));
      expect(rows.get('r999')).toMatchObject({
        input_tokens: 999,
        output_tokens: 1998,
        cost_usd: 999 / 8,
        ended_at: null,
      });
      const [sum] = await ledger.sums({ by: [] });
      expect(sum).toMatchObject({ requests: 2_500, errors: 0, input_tokens: (2_499 * 2_500) / 2 });
    }));

  test('a transaction that fails takes nobody else’s rows with it', () =>
    withLedger(async (ledger) => {
      await ledger.open(opening({ id: 'noted' }));
      const bad = { id: 'noted', input_tokens: 1, output_tokens: 1, cost_usd: {} as number };
      const good = Array.from({ length: 1_500 }, () => ({ ...bad, cost_usd: 5 })); // a first statement that succeeds
      const work: Promise<unknown>[] = [];
      for (let index = 0; index < 20; index++) {
        work.push(expect(ledger.note([...good, bad])).rejects.toThrow());
        work.push(ledger.open(opening({ id: `r${index}` })));
        work.push(ledger.note([{ ...bad, id: `r${index}`, cost_usd: 7 }]));
      }
      await Promise.all(work);
      const rows = (await ledger.page({ limit: 100 })).data;
      expect(rows).toHaveLength(21);
      for (const row of rows) expect(row.cost_usd).toBe(row.id === 'noted' ? null : 7);
    }));

  test('sums group by any of day, model, provider and key, and count streams, failures, tokens and money', () =>
    withLedger(async (ledger) => {
      const midnight = Date.UTC(2026, 0, 2);
      const rows = [
        { open: { id: 'a1', stream_id: 's1', started_at: midnight - 1 }, close: { end_reason: 'upstream_timeout' } },
        { open: { id: 'a2', stream_id: 's1', started_at: midnight, provider: 'anthropic', attempt: 2 }, close: {} },
        { open: { id: 'b', stream_id: 's2', started_at: midnight, key: null }, close: { end_reason: 'interrupted' } },
        {
          open: { id: 'c', stream_id: 's3', started_at: midnight + 5, model: 'slow' },
          close: { end_reason: 'client_closed', cost_usd: null },
        },
      ];
      for (const row of rows) {
        await ledger.open(opening(row.open));
        await ledger.close(row.open.id, closing(row.close));
      }
      await ledger.open(opening({ id: 'd', stream_id: 's4', started_at: midnight, key: 'other' })); // still running

      const tokens = {
        input_tokens: 40,
        output_tokens: 80,
        cached_input_tokens: 16,
        cache_write_input_tokens: 8,
        reasoning_tokens: 20,
      };
      expect(await ledger.sums({ by: [] })).toEqual([{ requests: 4, errors: 2, ...tokens, cost_usd: 0.3 }]);
      expect((await ledger.sums({ by: ['day'] })).map(({ day, requests, errors }) => [day, requests, errors])).toEqual([
        ['2026-01-01', 1, 1],
        ['2026-01-02', 4, 1],
      ]);
      expect((await ledger.sums({ by: ['provider', 'provider'] })).map((sum) => [sum.provider, sum.requests])).toEqual([
        ['anthropic', 1],
        ['openai', 4],
      ]);
      expect((await ledger.sums({ by: ['key', 'model'] })).map((sum) => [sum.key, sum.model, sum.requests])).toEqual([
        [null, 'fast', 1],
        ['other', 'fast', 1],
        ['web', 'fast', 1],
        ['web', 'slow', 1],
      ]);
      expect(await ledger.sums({ by: ['day', 'model', 'provider', 'key'] })).toHaveLength(5);
      expect(await ledger.sums({ by: [], from: midnight, to: midnight + 5, key: 'web' })).toMatchObject([
        { requests: 1 },
      ]);
      expect(await ledger.sums({ by: ['day'], from: midnight + 6 })).toEqual([]);
      expect(await ledger.sums({ by: [], key: 'nobody' })).toMatchObject([{ requests: 0, cost_usd: 0 }]);
    }));

  test('pages go from new to old, see every row once, and stay put while rows are added', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ started_at: fc.integer({ min: 0, max: 3 }), key: fc.constantFrom('web', 'app', null) }), {
          maxLength: 20,
        }),
        fc.integer({ min: 1, max: 7 }),
        fc.constantFrom(undefined, 'web'),
        (drawn, limit, key) =>
          withLedger(async (ledger) => {
            const rows = drawn.map((row, index) => opening({ ...row, id: `${'Za:é'[index % 4]}${index}` }));
            for (const row of rows) await ledger.open(row);
            const seen: string[] = [];
            let cursor: string | undefined;
            do {
              const page = await ledger.page({ limit, key, cursor });
              expect(page.data.length).toBeLessThanOrEqual(limit);
              seen.push(...page.data.map((row) => row.id));
              cursor = page.next_cursor ?? undefined;
              await ledger.open(opening({ id: `late${seen.length}${Math.random()}`, key: 'web', started_at: 9 }));
            } while (cursor);
            const expected = rows
              .filter((row) => key === undefined || row.key === key)
              .sort((a, b) => b.started_at - a.started_at || (a.id < b.id ? 1 : -1))
              .map((row) => row.id);
            expect(seen).toEqual(expected);
          }),
      ),
      { numRuns: 15 },
    ));

  test('a cursor that is none is the request’s mistake', () =>
    withLedger(async (ledger) => {
      for (const cursor of ['', 'nonsense', Buffer.from('x:y').toString('base64url')]) {
        await expect(ledger.page({ limit: 1, cursor })).rejects.toMatchObject({
          code: 'invalid_request',
          param: 'cursor',
        });
      }
    }));

  test('after kill -9 the row is found and closed with what was noted, while a living process keeps its rows', async () => {
    const url = await shared();
    const doomed = child(url, 'doomed');
    const living = child(url, 'living');
    await Promise.all([once(doomed.stdout!, 'data'), once(living.stdout!, 'data')]);
    await withLedger(async (ledger) => {
      await ledger.open(opening({ id: 'mine', started_at: 3_000 }));
      expect(await ledger.recover()).toBe(0);
      doomed.kill('SIGKILL');
      await once(doomed, 'exit');
      const before = Date.now();
      await recovers([ledger], 2);
      expect(await ledger.recover()).toBe(0);
      const rows = Object.fromEntries((await ledger.page({ limit: 10 })).data.map((row) => [row.id, row]));
      expect(rows.doomed).toMatchObject({
        end_reason: 'interrupted',
        input_tokens: 11,
        output_tokens: 22,
        generated_tokens: 22,
        delivered_tokens: null,
        reported_output_tokens: null,
        cost_usd: 0.033,
        estimated: true,
      });
      expect(rows.doomed!.ended_at).toBeLessThanOrEqual(before); // when it was last heard of
      expect(rows.doomed!.total_ms).toBe(rows.doomed!.ended_at! - 1_000);
      expect(rows['doomed-silent']).toMatchObject({
        end_reason: 'interrupted',
        input_tokens: 0,
        cost_usd: null,
        total_ms: null,
      });
      expect(rows['doomed-silent']!.ended_at).toBeGreaterThanOrEqual(before);
      expect(rows.living!.ended_at).toBeNull();
      expect(rows.mine!.ended_at).toBeNull();
      await ledger.close('mine', closing());
    }, url);
    living.kill('SIGKILL');
    await once(living, 'exit');
    await withLedger((ledger) => recovers([ledger], 2), url);
  }, 60_000);

  test('rows left open by an orderly shutdown are recovered too, by another ledger of the same process', async () => {
    const url = await shared();
    const first = await open(url);
    await first.open(opening());
    await withLedger(async (second) => {
      expect(await second.recover()).toBe(0);
      await first.shutdown();
      await recovers([second], 1);
    }, url);
  });

  test('shutdown waits for what was asked before it', async () => {
    const url = await shared();
    const ledger = await open(url);
    const writes = Array.from({ length: 200 }, async (_, index) => {
      await ledger.open(opening({ id: `r${index}` }));
    });
    const after = ledger.shutdown();
    await Promise.all([...writes, after]);
    await withLedger(async (again) => expect(await again.sums({ by: [] })).toMatchObject([{ requests: 200 }]), url);
    await expect(ledger.open(opening({ id: 'late' }))).rejects.toThrow();
  });

  test('processes that start at once on a new store do not trip over each other', async () => {
    const url = await shared();
    const children = Array.from({ length: 5 }, () => child(url));
    const codes = await Promise.all(children.map(async (one) => (await once(one, 'exit'))[0]));
    expect(codes).toEqual([0, 0, 0, 0, 0]);
  }, 60_000);
}
