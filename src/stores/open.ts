// From a store's URL to a ledger that is ready: opened, migrated, this instance registered. Knows which stores there are.
import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { Kysely } from 'kysely';
import type { Ledger } from '../core/accounting.ts';
import { createLedger } from './ledger.ts';
import { openPostgres } from './postgres.ts';
import { type LedgerTables, migrate } from './schema.ts';
import { sqliteDialect, startThread } from './sqlite.ts';

export interface LedgerOptions {
  /** On a shared server: how long another instance must have been unseen, in milliseconds, before its rows are closed. */
  grace?: number;
}

const SUPPORTED =
  'Supported: `sqlite:<file>`, as in sqlite:data/millrace.db, `sqlite::memory:`, and `postgres://user:password@host/database`.';

/**
 * `sqlite:data/millrace.db` (relative to `cwd`; the folder is made), `sqlite:/var/lib/millrace.db`, `sqlite::memory:`, or
 * `postgres://user:password@host:port/database`. Rejects when the URL names no such store, or it cannot be opened and written.
 */
export async function openLedger(url: string, cwd = '.', { grace }: LedgerOptions = {}): Promise<Ledger> {
  const scheme = /^[a-z][a-z0-9+.-]*(?=:)/i.exec(url)?.[0].toLowerCase();
  switch (scheme) {
    case 'sqlite': {
      const path = url.slice('sqlite:'.length).replace(/^\/\//, '');
      if (path === '') throw new Error('stores.ledger: `sqlite:` needs a file, as in sqlite:data/millrace.db.');
      return openSqlite(path === ':memory:' ? path : resolve(cwd, path));
    }
    case 'postgres':
    case 'postgresql':
      return openPostgres(url, grace);
    default:
      // The URL itself stays out of the message: one of a database server holds a password.
      throw new Error(
        `stores.ledger: ${scheme ? `\`${scheme}:\` is not supported` : 'it names no kind of store'}. ${SUPPORTED}`,
      );
  }
}

async function openSqlite(path: string): Promise<Ledger> {
  const thread = startThread();
  try {
    const owner = randomBytes(12).toString('hex');
    await thread.call({ type: 'open', path, owner });
    const db = new Kysely<LedgerTables>({ dialect: sqliteDialect(thread) });
    await migrate(db, 'sqlite');
    const now = Date.now();
    await db.insertInto('instances').values({ id: owner, started_at: now, checked_at: now }).execute();
    return createLedger({
      db,
      dialect: 'sqlite',
      owner,
      gone: async (owners) => (await thread.call({ type: 'gone', owners })) as string[],
      claim: async (owners) => owners, // a lock file that nobody holds is never taken again
      forget: async (owners) => void (await thread.call({ type: 'forget', owners })),
    });
  } catch (error) {
    await thread.call({ type: 'close' }).catch(() => {}); // also frees the lock file
    await thread.end();
    const reason = error instanceof Error ? error.message : String(error);
    throw Object.assign(new Error(`The ledger sqlite:${path} cannot be opened: ${reason}`, { cause: error }), {
      code: (error as { code?: unknown }).code,
    });
  }
}
