// The ledger on real SQLite files: what every ledger does, and what is a file's own: locks, folders, its mode.
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, expect, test } from 'vitest';
import type { Ledger } from '../../src/core/accounting.ts';
import { openLedger } from '../../src/stores/open.ts';
import { child, testLedger } from './ledger.suite.ts';
import { closing, opening } from './rows.ts';

const folder = mkdtempSync(join(tmpdir(), 'millrace-ledger-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;
const newFile = () => join(folder, `${++files}`, 'usage.db');

async function withLedger(work: (ledger: Ledger) => Promise<void>, url: string): Promise<void> {
  const ledger = await openLedger(url);
  try {
    await work(ledger);
  } finally {
    await ledger.shutdown();
  }
}

testLedger({
  shared: async () => `sqlite:${newFile()}`,
  single: async () => 'sqlite::memory:',
  open: openLedger,
  duplicate: 'SQLITE_CONSTRAINT',
});

test('the lock files of the dead are removed, at once and by whoever comes next', async () => {
  const file = newFile();
  const doomed = child(`sqlite:${file}`, 'doomed');
  await once(doomed.stdout!, 'data');
  doomed.kill('SIGKILL');
  await once(doomed, 'exit');
  await withLedger(async (ledger) => expect(await ledger.recover()).toBe(2), `sqlite:${file}`);
  expect(readdirSync(join(file, '..')).filter((name) => name.includes('-owner-'))).toEqual([]);
});

test('a locked file delays the ledger, not the event loop, and says SQLITE_BUSY', async () => {
  const file = newFile();
  await withLedger(async (ledger) => {
    await ledger.check();
    const other = new DatabaseSync(file);
    other.exec('begin immediate');
    let ticks = 0;
    const interval = setInterval(() => ticks++, 10);
    await expect(ledger.open(opening())).rejects.toMatchObject({ code: 'SQLITE_BUSY' });
    await expect(ledger.check()).rejects.toMatchObject({ code: 'SQLITE_BUSY' });
    clearInterval(interval);
    expect(ticks).toBeGreaterThan(40); // some four seconds were waited, elsewhere
    other.exec('rollback');
    other.close();
    await ledger.check();
    await ledger.open(opening());
    await ledger.close('r1', closing());
  }, `sqlite:${file}`);
}, 30_000);

test('a URL that names no store says what is supported, and keeps a password to itself', async () => {
  for (const url of ['mariadb://user:s3cret@db/x', 'data/millrace.db', 'mysql:x', '']) {
    const error = await openLedger(url).catch((reason: Error) => reason);
    expect((error as Error).message).toMatch(/sqlite:data\/millrace\.db/);
    expect((error as Error).message).not.toContain('s3cret');
  }
  await expect(openLedger('sqlite:')).rejects.toThrow(/needs a file/);
});

test('a file that is no database, or a folder that cannot be made, is refused with its name', async () => {
  const file = join(folder, 'not-a-database');
  writeFileSync(file, 'not a database '.repeat(500));
  await expect(openLedger(`sqlite:${file}`)).rejects.toThrow(`sqlite:${file} cannot be opened: file is not a database`);
  await expect(openLedger(`sqlite:${file}/below.db`)).rejects.toMatchObject({ code: expect.stringMatching(/^E/) });
  expect(readdirSync(folder).filter((name) => name.includes('-owner-'))).toEqual([]);
});

test('the folder is made, and the file is in WAL mode', async () => {
  const file = join(folder, 'deep', 'er', 'usage.db');
  await withLedger(async (ledger) => {
    await ledger.check();
    expect(existsSync(`${file}-wal`)).toBe(true);
  }, `sqlite:${file}`);
  await withLedger((ledger) => ledger.check(), `sqlite://${file}`);
});
