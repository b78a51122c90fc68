// The thread that owns the SQLite file, so that a locked or slow disk never holds the event loop.
// Knows SQL text and parameters; knows no table, no query of the ledger, and nothing of Kysely.
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { parentPort } from 'node:worker_threads';

export type SqliteRequest =
  /** Opens the file. With an `owner`, takes that owner's lock first and holds it until this process ends, however it ends. */
  | { type: 'open'; path: string; owner: string }
  | { type: 'query'; sql: string; parameters: readonly unknown[] }
  /** Which of these owners no longer hold their lock. */
  | { type: 'gone'; owners: string[] }
  /** Removes the lock files of owners that are gone. */
  | { type: 'forget'; owners: string[] }
  | { type: 'close' };

export interface SqliteResult {
  rows: unknown[];
  changes: number | bigint;
  insertId: number | bigint;
}

export type SqliteReply = { id: number; value: unknown } | { id: number; fault: { message: string; code: string } };

/** How long a statement waits for another process's lock. In this thread, so only other statements wait with it. */
const BUSY_TIMEOUT = 2_000;
const MAX_STATEMENTS = 64;
/** A statement longer than this carries a list of values; its text hardly ever comes again. */
const MAX_CACHED_LENGTH = 4_096;

// https://www.sqlite.org/rescode.html, the primary codes (the low byte)
const NAMES: Record<number, string> = {
  1: 'ERROR',
  5: 'BUSY',
  6: 'LOCKED',
  7: 'NOMEM',
  8: 'READONLY',
  10: 'IOERR',
  11: 'CORRUPT',
  13: 'FULL',
  14: 'CANTOPEN',
  18: 'TOOBIG',
  19: 'CONSTRAINT',
  20: 'MISMATCH',
  26: 'NOTADB',
};

let database: DatabaseSync | undefined;
let lock: DatabaseSync | undefined;
let file = '';
let self = '';
const statements = new Map<string, StatementSync>();

function lockFile(owner: string): string {
  return `${file}-owner-${owner}`;
}

/** Null when somebody holds it. `off`: an empty database that is never written needs no journal beside it. */
function takeLock(path: string): DatabaseSync | null {
  const held = new DatabaseSync(path, { timeout: 0 });
  try {
    held.exec('pragma journal_mode = off');
    held.exec('begin exclusive');
    return held;
  } catch (error) {
    held.close();
    if (codeOf(error) === 'SQLITE_BUSY') return null;
    throw error;
  }
}

function open(path: string, owner: string): void {
  file = path;
  self = owner;
  if (path !== ':memory:') {
    mkdirSync(dirname(path), { recursive: true });
    lock = takeLock(lockFile(owner)) ?? undefined;
    if (!lock) throw new Error(`Another process holds ${lockFile(owner)}.`);
  }
  database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT });
  // With WAL, NORMAL keeps the file whole and every commit through the death of the process; a power cut may lose the last few.
  database.exec('pragma journal_mode = wal');
  database.exec('pragma synchronous = normal');
}

function query(sql: string, parameters: readonly unknown[]): SqliteResult {
  if (!database) throw new Error('The database is not open.');
  let statement = statements.get(sql);
  if (statement) statements.delete(sql);
  else statement = database.prepare(sql);
  if (sql.length <= MAX_CACHED_LENGTH) statements.set(sql, statement); // set again at the end: the first is the oldest
  if (statements.size > MAX_STATEMENTS) statements.delete(statements.keys().next().value!);
  const values = parameters as SQLInputValue[];
  if (statement.columns().length > 0) return { rows: statement.all(...values), changes: 0, insertId: 0 };
  const { changes, lastInsertRowid } = statement.run(...values);
  return { rows: [], changes, insertId: lastInsertRowid };
}

function isGone(owner: string): boolean {
  if (owner === self || file === ':memory:') return false;
  const path = lockFile(owner);
  if (!existsSync(path)) return true;
  const held = takeLock(path);
  held?.close();
  return held !== null;
}

function close(): void {
  statements.clear();
  database?.close();
  database = undefined;
  if (lock) {
    lock.close();
    rmSync(lockFile(self), { force: true });
  }
  lock = undefined;
}

function answer(request: SqliteRequest): unknown {
  switch (request.type) {
    case 'open':
      return open(request.path, request.owner);
    case 'query':
      return query(request.sql, request.parameters);
    case 'gone':
      return request.owners.filter(isGone);
    case 'forget':
      for (const owner of request.owners) rmSync(lockFile(owner), { force: true });
      return undefined;
    case 'close':
      return close();
    default:
      return request satisfies never;
  }
}

function codeOf(error: unknown): string {
  const { errcode, code } = error as { errcode?: number; code?: string };
  if (typeof errcode === 'number') return `SQLITE_${NAMES[errcode & 0xff] ?? errcode}`;
  return code ?? 'ERROR';
}

parentPort?.on('message', ({ id, request }: { id: number; request: SqliteRequest }) => {
  let reply: SqliteReply;
  try {
    reply = { id, value: answer(request) };
  } catch (error) {
    reply = { id, fault: { message: error instanceof Error ? error.message : String(error), code: codeOf(error) } };
  }
  parentPort?.postMessage(reply);
});
