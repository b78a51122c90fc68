// The ledger's queries, written once for every SQL store; the one expression that differs between them is the day.
// Knows tables; knows neither files, threads nor connections (sqlite.ts, postgres.ts), nor why an attempt ended.
import { type ExpressionBuilder, expressionBuilder, type Kysely, type RawBuilder, sql, type Transaction } from 'kysely';
import type { Ledger, RowClosing, RowNote, RowOpening, UsageRow, UsageSum } from '../core/accounting.ts';
import { ERROR_TABLE, GatewayError } from '../core/errors.ts';
import type { AttemptTable, LedgerTables, SqlDialect } from './schema.ts';

/** What a store has to offer beside SQL. */
export interface LedgerStore {
  db: Kysely<LedgerTables>;
  dialect: SqlDialect;
  /** This instance's id; its rows are its own until it is gone. */
  owner: string;
  /** Which of these instances run no more. */
  gone(owners: string[]): Promise<string[]>;
  /** Those of them that this transaction has for itself: no other instance closes their rows, and they cannot come back, until it ends. */
  claim(owners: string[], transaction: Transaction<LedgerTables>): Promise<string[]>;
  /** Frees what the store kept of instances that are gone. */
  forget(owners: string[]): Promise<void>;
}

const FAILURES = [...Object.keys(ERROR_TABLE), 'interrupted'];
/** Rows per statement of `note`: four parameters each, and a statement takes 32,766. */
const NOTES_PER_STATEMENT = 1_000;
const MAX_PAGE = 1_000;

/** What `recover` has set is taken back from a row that turns out to be running. */
const REOPENED = sql.raw(
  [
    'ended_at',
    'end_reason',
    'cached_input_tokens',
    'cache_write_input_tokens',
    'reasoning_tokens',
    'generated_tokens',
    'estimated',
    'total_ms',
  ]
    .map((column) => `${column} = null`)
    .join(', '),
);

const COLUMNS = [
  'id',
  'stream_id',
  'attempt',
  'key',
  'model',
  'provider',
  'upstream_model',
  'door',
  'started_at',
  'ended_at',
  'end_reason',
  'input_tokens',
  'output_tokens',
  'cached_input_tokens',
  'cache_write_input_tokens',
  'reasoning_tokens',
  'reported_output_tokens',
  'generated_tokens',
  'delivered_tokens',
  'estimated',
  'cost_usd',
  'first_token_ms',
  'total_ms',
] as const satisfies (keyof UsageRow)[];

/** The instance must be registered (`instances`) before the first row is opened. */
export function createLedger({ db, dialect, owner, gone, claim, forget }: LedgerStore): Ledger {
  const underWay = new Set<Promise<unknown>>();
  let noted: Promise<unknown> = Promise.resolve();

  /** Remembers a write until it is done, so that `shutdown` loses none. */
  function tracked<T>(work: Promise<T>): Promise<T> {
    underWay.add(work);
    const done = () => underWay.delete(work);
    work.then(done, done);
    return work;
  }

  const day: RawBuilder<string> =
    dialect === 'sqlite'
      ? sql`strftime('%Y-%m-%d', started_at / 1000, 'unixepoch')`
      : sql`to_char(to_timestamp(started_at / 1000) at time zone 'UTC', 'YYYY-MM-DD')`;

  async function open(row: RowOpening): Promise<void> {
    await db
      .insertInto('attempts')
      .values({
        ...row,
        model: storable(row.model),
        upstream_model: storable(row.upstream_model),
        owner,
      } as AttemptTable)
      .execute();
  }

  async function close(id: string, closing: RowClosing): Promise<void> {
    await db
      .updateTable('attempts')
      .set({ ...closing, estimated: closing.estimated ? 1 : 0 })
      .where('id', '=', id)
      .where(running)
      .execute();
  }

  /** One at a time, in the order of the calls: on several connections an older note could overtake, or wait for, a newer one. */
  function note(rows: RowNote[]): Promise<void> {
    const work = noted.then(() => write(rows));
    noted = work.catch(() => {});
    return work;
  }

  /**
   * Open, or closed as interrupted by somebody who took this instance for dead: it is not, or it would not write. Only
   * `recover` says `interrupted`, and only of rows that are not its own.
   */
  function running({ eb }: ExpressionBuilder<LedgerTables, 'attempts'>) {
    return eb.or([eb('ended_at', 'is', null), eb.and([eb('end_reason', '=', 'interrupted'), eb('owner', '=', owner)])]);
  }

  async function write(rows: RowNote[]): Promise<void> {
    if (rows.length === 0) return;
    const now = Date.now();
    await db.transaction().execute(async (transaction) => {
      for (let at = 0; at < rows.length; at += NOTES_PER_STATEMENT) {
        // The casts are for PostgreSQL, which takes an untyped parameter in VALUES for text.
        const values = rows
          .slice(at, at + NOTES_PER_STATEMENT)
          .map(
            (row) =>
              sql`(${row.id}, cast(${row.input_tokens} as bigint), cast(${row.output_tokens} as bigint), cast(${row.cost_usd} as double precision))`,
          );
        await sql`
          update attempts
          set input_tokens = noted.column2, output_tokens = noted.column3, cost_usd = noted.column4, noted_at = ${now},
            ${REOPENED}
          from (values ${sql.join(values)}) as noted
          where attempts.id = noted.column1 and ${running(expressionBuilder<LedgerTables, 'attempts'>())}
        `.execute(transaction);
      }
    });
  }

  /**
   * Who has died is asked of the store, not of a heartbeat (a paused process would look dead and lose its rows) and not of
   * process ids (they are reused, and in containers everybody is 1). Each instance holds a lock that is dropped when its process
   * ends, by whatever signal: SQLite's on a file beside the database, PostgreSQL's on a connection.
   */
  async function recover(): Promise<number> {
    const others = await db.selectFrom('instances').select('id').where('id', '!=', owner).execute();
    const missing = await gone(others.map(({ id }) => id));
    if (missing.length === 0) return 0;
    const now = Date.now();
    const { dead, recovered } = await db.transaction().execute(async (transaction) => {
      const dead = await claim(missing, transaction);
      if (dead.length === 0) return { dead, recovered: 0 };
      const { numUpdatedRows } = await transaction
        .updateTable('attempts')
        .set({
          ended_at: sql`coalesce(noted_at, ${now})`,
          end_reason: 'interrupted',
          input_tokens: sql`coalesce(input_tokens, 0)`,
          output_tokens: sql`coalesce(output_tokens, 0)`,
          cached_input_tokens: 0,
          cache_write_input_tokens: 0,
          reasoning_tokens: 0,
          generated_tokens: sql`coalesce(output_tokens, 0)`,
          estimated: 1,
          // Never noted: how long it ran is not known, and the time until somebody looked would spoil every average.
          total_ms: sql`noted_at - started_at`,
        })
        .where('ended_at', 'is', null)
        .where('owner', 'in', dead)
        .executeTakeFirstOrThrow();
      await transaction.deleteFrom('instances').where('id', 'in', dead).execute();
      return { dead, recovered: Number(numUpdatedRows) };
    });
    await forget(dead);
    return recovered;
  }

  const sums: Ledger['sums'] = async ({ from, to, key, by }) => {
    const groups = [...new Set(by)];
    let query = db
      .selectFrom('attempts')
      .select([
        sql<number>`count(distinct stream_id)`.as('requests'),
        // Streams, not attempts, so that errors / requests is a rate.
        sql<number>`count(distinct case when end_reason in (${sql.join(FAILURES)}) then stream_id end)`.as('errors'),
        sql<number>`coalesce(sum(input_tokens), 0)`.as('input_tokens'),
        sql<number>`coalesce(sum(output_tokens), 0)`.as('output_tokens'),
        sql<number>`coalesce(sum(cached_input_tokens), 0)`.as('cached_input_tokens'),
        sql<number>`coalesce(sum(cache_write_input_tokens), 0)`.as('cache_write_input_tokens'),
        sql<number>`coalesce(sum(reasoning_tokens), 0)`.as('reasoning_tokens'),
        sql<number>`coalesce(sum(cost_usd), 0)`.as('cost_usd'),
      ])
      .$castTo<UsageSum>();
    if (from !== undefined) query = query.where('started_at', '>=', from);
    if (to !== undefined) query = query.where('started_at', '<', to);
    if (key !== undefined) query = query.where('key', '=', key);
    for (const group of groups) {
      const expression = group === 'day' ? day : sql.ref(group);
      query = query.select(expression.as(group)).groupBy(expression).$castTo<UsageSum>();
      query = query.orderBy(expression, (order) => order.asc().nullsFirst());
    }
    return (await query.execute()).map(toSum);
  };

  const page: Ledger['page'] = async ({ limit, cursor, key }) => {
    const size = Math.min(Math.max(1, Math.trunc(limit)), MAX_PAGE);
    let query = db.selectFrom('attempts').select(COLUMNS).orderBy('started_at', 'desc').orderBy('id', 'desc');
    if (key !== undefined) query = query.where('key', '=', key);
    if (cursor !== undefined) {
      const last = parseCursor(cursor);
      query = query.where(({ eb, refTuple, tuple }) =>
        eb(refTuple('started_at', 'id'), '<', tuple(last.started_at, last.id)),
      );
    }
    const rows = await query.limit(size + 1).execute();
    const data = rows.slice(0, size).map(toRow);
    return { data, next_cursor: rows.length > size ? formatCursor(data.at(-1)!) : null };
  };

  async function check(): Promise<void> {
    await db.updateTable('instances').set({ checked_at: Date.now() }).where('id', '=', owner).execute();
  }

  /** Rows still open now belong to nobody: the instance stays registered, so that the next one's `recover` closes them. */
  async function shutdown(): Promise<void> {
    while (underWay.size > 0) await Promise.allSettled([...underWay]);
    try {
      await db
        .deleteFrom('instances')
        .where('id', '=', owner)
        .where(({ not, exists, selectFrom }) =>
          not(exists(selectFrom('attempts').select('id').where('owner', '=', owner).where('ended_at', 'is', null))),
        )
        .execute();
    } finally {
      await db.destroy();
    }
  }

  return {
    open: (row) => tracked(open(row)),
    note: (rows) => tracked(note(rows)),
    close: (id, closing) => tracked(close(id, closing)),
    recover: () => tracked(recover()),
    sums,
    page,
    check,
    shutdown,
  };
}

/** The names of models come from clients, and PostgreSQL's text cannot hold this one character. */
function storable(name: string): string {
  return name.replaceAll('\0', '\ufffd');
}

function toRow({ estimated, ...row }: Omit<AttemptTable, 'owner' | 'noted_at'>): UsageRow {
  return { ...row, estimated: estimated === null ? null : estimated === 1 };
}

/** Adding floats leaves a tail (0.30000000000000004); a billionth of a dollar is what a row is exact to. */
function toSum(sum: UsageSum): UsageSum {
  return { ...sum, cost_usd: Math.round(sum.cost_usd * 1e9) / 1e9 };
}

function formatCursor({ started_at, id }: UsageRow): string {
  return Buffer.from(`${started_at}:${id}`).toString('base64url');
}

function parseCursor(cursor: string): { started_at: number; id: string } {
  const match = /^(\d{1,15}):(.+)$/s.exec(Buffer.from(cursor, 'base64url').toString());
  if (!match) {
    throw new GatewayError('invalid_request', '`cursor` is not a `next_cursor` of an earlier page.', {
      param: 'cursor',
    });
  }
  return { started_at: Number(match[1]), id: match[2]! };
}
