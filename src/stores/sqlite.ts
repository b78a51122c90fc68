// SQLite for Kysely, in a thread of its own: the dialect's compiler, adapter and introspector are Kysely's; only the driver,
// which posts statements to the worker, is ours. Knows no table. https://kysely.dev/docs/dialects
import { Worker } from 'node:worker_threads';
import {
  CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type Kysely,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  sql,
} from 'kysely';
import type { SqliteReply, SqliteRequest, SqliteResult } from './sqlite.worker.ts';

const WORKER = new URL(import.meta.url.endsWith('.ts') ? './sqlite.worker.ts' : './sqlite.worker.js', import.meta.url);

/** A failure of the store. `code` is SQLite's (`SQLITE_BUSY`, `SQLITE_FULL`, …), Node's (`EACCES`), or `STORE_LOST`. */
export interface StoreError extends Error {
  code: string;
}

/** The worker as a function. Statements run one after another, in the order of the calls. */
export interface SqliteThread {
  call(request: SqliteRequest): Promise<unknown>;
  end(): Promise<void>;
}

function storeError(message: string, code: string): StoreError {
  return Object.assign(new Error(message), { code });
}

export function startThread(): SqliteThread {
  const worker = new Worker(WORKER);
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  let lastId = 0;
  let lost: StoreError | undefined;

  function lose(reason: string): void {
    lost ??= storeError(`The thread that owns the database is gone: ${reason}`, 'STORE_LOST');
    for (const { reject } of waiting.values()) reject(lost);
    waiting.clear();
  }

  worker.on('message', (reply: SqliteReply) => {
    const caller = waiting.get(reply.id);
    waiting.delete(reply.id);
    if (waiting.size === 0) worker.unref();
    if ('fault' in reply) caller?.reject(storeError(reply.fault.message, reply.fault.code));
    else caller?.resolve(reply.value);
  });
  worker.on('error', (error) => lose(error instanceof Error ? error.message : String(error)));
  worker.on('exit', (code) => lose(`it ended with code ${code}.`));

  return {
    call: (request) =>
      new Promise((resolve, reject) => {
        if (lost) return reject(lost);
        const id = ++lastId;
        waiting.set(id, { resolve, reject });
        worker.ref(); // an unanswered write keeps the process alive, an idle thread does not
        worker.postMessage({ id, request });
      }),
    async end() {
      await worker.terminate();
    },
  };
}

/** A Kysely dialect over an opened thread. */
export function sqliteDialect(thread: SqliteThread): Dialect {
  return {
    createDriver: () => createDriver(thread),
    createQueryCompiler: () => new SqliteQueryCompiler(),
    createAdapter: () => new ThreadAdapter(),
    createIntrospector: (db) => new SqliteIntrospector(db),
  };
}

/**
 * The thread runs statements in the order they are posted, so a statement need not wait for the one before it; only while a
 * transaction is open must those of others stay out. That is four times the throughput of a lock around every statement.
 */
function createDriver(thread: SqliteThread): Driver {
  let inTransaction: DatabaseConnection | undefined;
  let ended = Promise.withResolvers<void>();

  async function execute<R>(connection: DatabaseConnection, query: CompiledQuery): Promise<QueryResult<R>> {
    while (inTransaction && inTransaction !== connection) await ended.promise;
    const { sql, parameters } = query;
    const result = (await thread.call({ type: 'query', sql, parameters })) as SqliteResult;
    return {
      rows: result.rows as R[],
      numAffectedRows: BigInt(result.changes),
      insertId: BigInt(result.insertId),
    };
  }

  function connect(): DatabaseConnection {
    const connection: DatabaseConnection = {
      executeQuery: (query) => execute(connection, query),
      async *streamQuery<R>(query: CompiledQuery) {
        yield await execute<R>(connection, query);
      },
    };
    return connection;
  }

  function release(): void {
    inTransaction = undefined;
    ended.resolve();
  }

  return {
    init: async () => {},
    acquireConnection: async () => connect(),
    async beginTransaction(connection) {
      while (inTransaction) await ended.promise;
      inTransaction = connection;
      ended = Promise.withResolvers();
      try {
        // `immediate`: a transaction that reads first and then finds another process writing could not be waited out.
        await connection.executeQuery(CompiledQuery.raw('begin immediate'));
      } catch (error) {
        release();
        throw error;
      }
    },
    /** Kysely rolls back after a failed commit, and that is when the transaction ends. */
    async commitTransaction(connection) {
      await connection.executeQuery(CompiledQuery.raw('commit'));
      release();
    },
    async rollbackTransaction(connection) {
      try {
        await connection.executeQuery(CompiledQuery.raw('rollback'));
      } finally {
        release();
      }
    },
    releaseConnection: async () => {},
    async destroy() {
      await thread.call({ type: 'close' });
      await thread.end();
    },
  };
}

/** Kysely assumes that nobody else migrates the file; two processes started at once on a new file do. */
class ThreadAdapter extends SqliteAdapter {
  #locked = false;

  /** Kysely's own lock is not needed: the driver keeps transactions apart. */
  override get supportsMultipleConnections(): boolean {
    return true;
  }

  override async acquireMigrationLock(db: Kysely<unknown>): Promise<void> {
    await sql`begin immediate`.execute(db);
    this.#locked = true;
  }

  override async releaseMigrationLock(db: Kysely<unknown>): Promise<void> {
    if (!this.#locked) return; // Kysely releases in a `finally`, also when acquiring failed
    this.#locked = false;
    await sql`commit`.execute(db);
  }
}
