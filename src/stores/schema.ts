// The ledger's tables and how they came to be. Column types are those that SQLite and PostgreSQL both take. Knows no query.
import { type Kysely, sql } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import type { RowClosing, RowOpening } from '../core/accounting.ts';

type Columns<T> = { [K in keyof T]: T[K] extends boolean ? number : T[K] };

/** A row per attempt, open while `ended_at` is null. `owner` and `noted_at` never leave the store. */
export type AttemptTable = RowOpening & { [K in keyof RowClosing]: Columns<RowClosing>[K] | null } & {
  /** The instance that serves the attempt. */
  owner: string;
  /** When progress was last written, Unix milliseconds. */
  noted_at: number | null;
};

/** A row per running instance, so that the rows of one that died can be found. */
export interface InstanceTable {
  id: string;
  started_at: number;
  /** Written by `check`: the proof that the store takes writes. */
  checked_at: number;
}

export interface LedgerTables {
  attempts: AttemptTable;
  instances: InstanceTable;
}

export type SqlDialect = 'sqlite' | 'postgres';

function migrationsFor(dialect: SqlDialect): Record<string, Migration> {
  // Compared by bytes on both: pages and sums have one order, whatever the language that a database was made for.
  const text = dialect === 'sqlite' ? 'text' : sql`text collate "C"`;
  return {
    '001_ledger': {
      async up(db) {
        await db.schema
          .createTable('attempts')
          .addColumn('id', text, (column) => column.primaryKey().notNull())
          .addColumn('stream_id', text, (column) => column.notNull())
          .addColumn('attempt', 'integer', (column) => column.notNull())
          .addColumn('key', text)
          .addColumn('model', text, (column) => column.notNull())
          .addColumn('provider', text, (column) => column.notNull())
          .addColumn('upstream_model', text, (column) => column.notNull())
          .addColumn('door', text, (column) => column.notNull())
          .addColumn('started_at', 'bigint', (column) => column.notNull())
          .addColumn('ended_at', 'bigint')
          .addColumn('end_reason', text)
          .addColumn('input_tokens', 'bigint')
          .addColumn('output_tokens', 'bigint')
          .addColumn('cached_input_tokens', 'bigint')
          .addColumn('cache_write_input_tokens', 'bigint')
          .addColumn('reasoning_tokens', 'bigint')
          .addColumn('reported_output_tokens', 'bigint')
          .addColumn('generated_tokens', 'bigint')
          .addColumn('delivered_tokens', 'bigint')
          .addColumn('estimated', 'integer')
          .addColumn('cost_usd', 'double precision')
          .addColumn('first_token_ms', 'bigint')
          .addColumn('total_ms', 'bigint')
          .addColumn('owner', text, (column) => column.notNull())
          .addColumn('noted_at', 'bigint')
          .execute();
        await db.schema.createIndex('attempts_by_start').on('attempts').columns(['started_at', 'id']).execute();
        await db.schema.createIndex('attempts_by_key').on('attempts').columns(['key', 'started_at', 'id']).execute();
        await db.schema
          .createIndex('attempts_open')
          .on('attempts')
          .column('owner')
          .where(sql.ref('ended_at'), 'is', null) // a handful of rows whatever the table's size
          .execute();
        await db.schema
          .createTable('instances')
          .addColumn('id', text, (column) => column.primaryKey().notNull())
          .addColumn('started_at', 'bigint', (column) => column.notNull())
          .addColumn('checked_at', 'bigint', (column) => column.notNull())
          .execute();
      },
    },
  };
}

/** Brings the tables up to date. Throws what went wrong; tables of a newer Millrace are refused, not touched. */
export async function migrate(db: Kysely<LedgerTables>, dialect: SqlDialect): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => migrationsFor(dialect) } });
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) throw error;
}
