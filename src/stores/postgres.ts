// PostgreSQL for Kysely: from a URL to a pool that comes back after the server did, and tables that are up to date.
// Knows connections and their bounds; knows no query of the ledger (ledger.ts), nor who lives (presence.ts).
import { randomBytes } from 'node:crypto';
import { Kysely, PostgresDialect } from 'kysely';
import { type ClientConfig, Pool, type PoolConfig, types } from 'pg';
import type { Ledger } from '../core/accounting.ts';
import { goodbye, openSocket } from './connection.ts';
import { createLedger } from './ledger.ts';
import { takePresence } from './presence.ts';
import { type LedgerTables, migrate } from './schema.ts';

/** Per instance, beside the one that holds its lock. A server allows a hundred by default, for everybody together. */
const CONNECTIONS = 8;
const CONNECT_TIMEOUT = 5_000;
const STATEMENT_TIMEOUT = 10_000;
/** Longer than it takes to come back after the server did. */
const GRACE = 5_000;

/**
 * Counts fit a number; `pg` gives 64 bits (20) and sums of them (1700) as text. Set for these connections only: an app that has
 * Millrace in it may use `pg` too.
 */
const COUNTS: PoolConfig['types'] = {
  getTypeParser: (type: number, format?: 'text' | 'binary') =>
    type === 20 || type === 1700 ? Number : types.getTypeParser(type, format as 'text'),
};

/**
 * `postgres://user:password@host:port/database`, with `sslmode` and the like as libpq has them: `require` encrypts, only
 * `verify-full` also checks who answers. https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
 */
function configOf(url: URL): ClientConfig {
  const given = new URL(url);
  if (!given.searchParams.has('uselibpqcompat')) given.searchParams.set('uselibpqcompat', 'true');
  return {
    connectionString: given.href,
    fallback_application_name: 'millrace',
    connectionTimeoutMillis: CONNECT_TIMEOUT,
    statement_timeout: STATEMENT_TIMEOUT,
    keepAlive: true,
    types: COUNTS,
    stream: openSocket,
  };
}

function openPool(config: PoolConfig): Pool {
  const pool = new Pool({
    ...config,
    max: CONNECTIONS,
    allowExitOnIdle: true,
    maxLifetimeSeconds: 1_800, // follows a name that has moved to another server
  });
  // A connection that breaks emits, in use or idle. Its statement is rejected, the pool drops it, and the next one gets another.
  pool.on('error', () => {});
  pool.on('connect', (client) => void client.on('error', () => {}));
  return pool;
}

function kyselyOver(pool: Pool): Kysely<LedgerTables> {
  const bounded = { options: pool.options, connect: () => pool.connect(), end: () => goodbye(pool.end()) };
  return new Kysely<LedgerTables>({ dialect: new PostgresDialect({ pool: bounded }) });
}

/** Kysely's lock lets one instance migrate and the others wait; neither the waiting nor an index over many rows is cut off. */
async function migrateAlone(config: ClientConfig): Promise<void> {
  const db = kyselyOver(openPool({ ...config, statement_timeout: 0, stream: undefined }));
  try {
    await migrate(db, 'postgres');
  } finally {
    await db.destroy();
  }
}

export async function openPostgres(url: string, grace = GRACE): Promise<Ledger> {
  if (!URL.canParse(url)) {
    throw new Error(
      'stores.ledger: this is no URL of a PostgreSQL database, as postgres://user:password@host:5432/millrace is one. ' +
        'Characters such as @ : / # in a password are written %40 %3A %2F %23.',
    );
  }
  const parsed = new URL(url);
  let db: Kysely<LedgerTables> | undefined;
  try {
    const config = configOf(parsed);
    await migrateAlone(config);
    const owner = randomBytes(12).toString('hex');
    db = kyselyOver(openPool(config));
    const presence = await takePresence({ config, db, owner, grace });
    const ledger = createLedger({ db, dialect: 'postgres', owner, ...presence, forget: async () => {} });
    return {
      ...ledger,
      async shutdown() {
        try {
          await ledger.shutdown();
        } finally {
          await presence.end();
        }
      },
    };
  } catch (error) {
    await db?.destroy();
    const { message, code } = error as { message?: string; code?: string };
    // Without user and password. Several refused addresses of one name come as an error without a message.
    const name = `postgres://${parsed.host}${parsed.pathname}`;
    throw Object.assign(new Error(`The ledger ${name} cannot be opened: ${message || code}`, { cause: error }), {
      code,
    });
  }
}
