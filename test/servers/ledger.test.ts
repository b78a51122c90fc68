// The ledger on a real PostgreSQL server: what every ledger does, and what several nodes and a server that goes away make of it.
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Ledger } from '../../src/core/accounting.ts';
import { openLedger } from '../../src/stores/open.ts';
import { resilient } from '../../src/stores/resilient.ts';
import { AUTHORITY, IDENTITY } from '../providers/transport.servers.ts';
import { child, recovers, testLedger } from '../stores/ledger.suite.ts';
import { closing, opening } from '../stores/rows.ts';
import { type Postgres, postgresMissing, startPostgres } from '../support/postgres.ts';

const title = postgresMissing
  ? 'the ledger on PostgreSQL: SKIPPED, it is not installed here'
  : 'the ledger on PostgreSQL';

describe.skipIf(postgresMissing)(title, () => {
  let server: Postgres;
  beforeAll(async () => {
    server = await startPostgres({ tls: IDENTITY });
  });
  afterAll(() => server.stop());

  const GRACE = 300;
  const database = () => server.database();

  async function open(url: string, grace = GRACE): Promise<Ledger> {
    const ledger = await openLedger(url, '.', { grace });
    onTestFinished(() => ledger.shutdown().catch(() => {})); // often the second time
    return ledger;
  }

  async function ask(url: string, text: string): Promise<Record<string, unknown>[]> {
    const client = new pg.Client(url);
    await client.connect();
    try {
      return (await client.query(text)).rows;
    } finally {
      await client.end();
    }
  }

  /** The connections that hold an instance's lock. */
  const holders = (url: string) =>
    ask(
      url,
      `select pid, (classid::bigint << 32 | objid::bigint)::text as lock from pg_locks where locktype = 'advisory' and granted
       and database = (select oid from pg_database where datname = current_database())`,
    );

  /** Ends them, as a router may. */
  const cut = (url: string, holding: Record<string, unknown>[]) =>
    Promise.all(holding.map(({ pid }) => ask(url, `select pg_terminate_backend(${pid})`)));

  testLedger({
    shared: database,
    single: database,
    open: (url) => openLedger(url, '.', { grace: GRACE }),
    duplicate: '23505',
  });

  test('when one of several nodes is killed, the others close its rows together, each once', async () => {
    const url = await database();
    const survivors = await Promise.all([open(url), open(url), open(url)]);
    await survivors[0]!.open(opening({ id: 'mine' }));
    const doomed = [child(url, 'a'), child(url, 'b')];
    await Promise.all(doomed.map((one) => once(one.stdout!, 'data')));
    for (const survivor of survivors) expect(await survivor.recover()).toBe(0);
    for (const one of doomed) one.kill('SIGKILL');
    await recovers(survivors, 4);
    const rows = (await survivors[1]!.page({ limit: 10 })).data;
    expect(
      rows
        .filter((row) => row.end_reason === 'interrupted')
        .map((row) => row.id)
        .sort(),
    ).toEqual(['a', 'a-silent', 'b', 'b-silent']);
    expect(rows.find((row) => row.id === 'mine')!.ended_at).toBeNull();
  });

  test('a restart of the server makes nobody look dead, not even a paused process, and who dies after it is still noticed', async () => {
    const url = await database();
    const ledger = await open(url, 4_000);
    const living = child(url, 'living');
    onTestFinished(() => void living.kill('SIGKILL'));
    await once(living.stdout!, 'data');
    expect(await ledger.recover()).toBe(0);
    for (const signal of ['SIGINT', 'SIGQUIT'] as const) {
      living.kill('SIGSTOP');
      await server.restart(signal);
      await vi.waitFor(async () => expect(await holders(url)).toHaveLength(1), { timeout: 10_000 });
      expect(await ledger.recover()).toBe(0);
      living.kill('SIGCONT');
      await vi.waitFor(async () => expect(await holders(url)).toHaveLength(2), { timeout: 10_000 });
      expect(await ledger.recover()).toBe(0);
    }
    living.kill('SIGKILL');
    await recovers([ledger], 2);
  });

  test('a row that was closed by mistake is taken back by its owner’s next note, and ended by its own close', async () => {
    const url = await database();
    const owner = await open(url);
    const hasty = await open(url, 0);
    await owner.open(opening({ id: 'r1', started_at: 1_000 }));
    await owner.open(opening({ id: 'r2', started_at: 1_000 }));
    const row = async (id: string) => (await hasty.page({ limit: 10 })).data.find((one) => one.id === id);

    const [held] = await ask(url, `select owner from attempts where id = 'r1'`);
    const lock = String(BigInt.asIntN(64, BigInt(`0x${String(held!.owner).slice(0, 16)}`)));

    /** The owner is back in a moment: it may take a few cuts until `hasty` looks in between. */
    async function mistake(): Promise<void> {
      await vi.waitFor(
        async () => {
          await cut(
            url,
            (await holders(url)).filter((holder) => holder.lock === lock),
          );
          for (let look = 0; look < 20; look++) await hasty.recover();
          expect((await row('r1'))!.end_reason).toBe('interrupted');
        },
        { timeout: 20_000, interval: 300 },
      );
    }

    await mistake();
    await owner.note([{ id: 'r1', input_tokens: 3, output_tokens: 4, cost_usd: 0.5 }]);
    expect(await row('r1')).toEqual({
      ...Object.fromEntries(Object.keys(closing()).map((field) => [field, null])),
      ...opening({ id: 'r1', started_at: 1_000 }),
      input_tokens: 3,
      output_tokens: 4,
      cost_usd: 0.5,
    });

    await vi.waitFor(async () => expect(await ask(url, 'select 1 from instances')).toHaveLength(2), {
      timeout: 10_000,
    });
    await mistake();
    await owner.close('r1', closing());
    await owner.close('r2', closing());
    for (const id of ['r1', 'r2']) {
      expect(await row(id)).toEqual({ ...opening({ id, started_at: 1_000 }), ...closing() });
    }
    await hasty.close('r1', closing({ cost_usd: 99 }));
    expect((await row('r1'))!.cost_usd).toBe(closing().cost_usd);
  });

  test('nobody but the owner reopens or corrects a row that was closed as interrupted', async () => {
    const url = await database();
    const doomed = child(url, 'doomed');
    await once(doomed.stdout!, 'data');
    const ledger = await open(url);
    doomed.kill('SIGKILL');
    await recovers([ledger], 2);
    await ledger.note([{ id: 'doomed', input_tokens: 99, output_tokens: 99, cost_usd: 99 }]);
    await ledger.close('doomed', closing());
    const row = (await ledger.page({ limit: 10 })).data.find(({ id }) => id === 'doomed');
    expect(row).toMatchObject({ end_reason: 'interrupted', input_tokens: 11 });
  });

  test('a server that restarts under load loses no row, and an instance whose lock was cut has it back', async () => {
    const url = await database();
    const errors: unknown[] = [];
    const ledger = resilient(await open(url), {
      onError: (error) => errors.push(error),
      backoff: { first: 20, longest: 200 },
    });
    let running = true;
    onTestFinished(() => {
      running = false;
    });
    const booked = new Set<string>();
    async function client(name: number): Promise<void> {
      for (let at = 0; running; at++) {
        const id = `${name}-${at}`;
        try {
          await ledger.open(opening({ id }));
        } catch {
          await new Promise((resolve) => setTimeout(resolve, 20)); // refused: not booked, not run
          continue;
        }
        booked.add(id);
        await ledger.note([{ id, input_tokens: 1, output_tokens: 1, cost_usd: null }]);
        await ledger.close(id, closing());
      }
    }
    const clients = Array.from({ length: 20 }, (_, name) => client(name));
    for (const signal of ['SIGINT', 'SIGQUIT'] as const) {
      const before = booked.size;
      await vi.waitFor(() => expect(booked.size).toBeGreaterThan(before + 200), { timeout: 20_000 });
      await server.restart(signal, () =>
        vi.waitFor(() => expect(ledger.waiting()).toBeGreaterThan(0), { timeout: 10_000 }),
      );
    }
    await vi.waitFor(async () => expect(await holders(url)).toHaveLength(1), { timeout: 10_000 });
    await cut(url, await holders(url));
    const before = booked.size;
    await vi.waitFor(() => expect(booked.size).toBeGreaterThan(before + 200), { timeout: 20_000 });
    await vi.waitFor(async () => expect(await holders(url)).toHaveLength(1), { timeout: 10_000 });
    running = false;
    await Promise.all(clients);
    await vi.waitFor(() => expect(ledger.waiting()).toBe(0), { timeout: 10_000 });
    const ended = await ask(url, `select id from attempts where end_reason = 'stop'`);
    expect(new Set(ended.map(({ id }) => id))).toEqual(booked);
    expect(errors.length).toBeGreaterThan(0);
    await ledger.shutdown();
  });

  test('TLS is as the URL says: encrypted, and checked where that is asked for', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-tls-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const authority = join(folder, 'authority.pem');
    writeFileSync(authority, AUTHORITY);
    const url = await database();
    const encrypted =
      'select ssl from pg_stat_ssl join pg_stat_activity using (pid) where application_name = $$millrace$$ and datname = current_database()';
    for (const [query, ssl] of [
      ['sslmode=disable', false],
      ['sslmode=require', true],
      [`sslmode=verify-full&sslrootcert=${authority}`, true],
    ] as const) {
      const ledger = await open(`${url}?${query}`.replace('127.0.0.1', 'localhost'));
      const connections = await ask(url, encrypted);
      expect(connections.length).toBeGreaterThan(0);
      for (const connection of connections) expect(connection).toEqual({ ssl });
      await ledger.shutdown();
      await vi.waitFor(async () => expect(await ask(url, encrypted)).toEqual([]), { timeout: 10_000 });
    }
    await expect(openLedger(`${url}?sslmode=verify-full`)).rejects.toThrow(/certificate/);
  });

  test('a database that cannot be opened is named, and a password is in no message', async () => {
    const url = await database();
    const closed = createServer().listen(0);
    await once(closed, 'listening');
    const { port } = closed.address() as { port: number };
    closed.close();
    const cases: [string, RegExp][] = [
      [
        `postgres://me:hunter2@127.0.0.1:${server.port}/x`,
        /^The ledger postgres:\/\/127\.0\.0\.1:\d+\/x cannot be opened: .*"me"/,
      ],
      [url.replace(/test_\d+$/, 'nowhere'), /"nowhere" does not exist/],
      [`postgresql://me:hunter2@localhost:${port}/x`, /ECONNREFUSED/],
      ['postgres://me:hunter2@[/x', /no URL of a PostgreSQL database/],
      [`${url}?sslmode=verify-ca`, /sslrootcert/],
      [`${url}?sslmode=verify-full&sslrootcert=/nowhere.pem`, /nowhere\.pem/],
    ];
    for (const [given, said] of cases) {
      const error: Error = await openLedger(given).then(
        () => new Error('It was opened.'),
        (reason) => reason,
      );
      expect(error.message).toMatch(said);
      expect(`${error.stack}${JSON.stringify(error)}${(error.cause as Error)?.stack}`).not.toMatch(/hunter2|s3cret/);
    }
  });

  test('an app’s own use of the driver still gets its 64 bits as text', async () => {
    const url = await database();
    await open(url);
    expect(await ask(url, 'select 9007199254740993 as n')).toEqual([{ n: '9007199254740993' }]);
  });
});
