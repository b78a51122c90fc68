// That this instance lives, as PostgreSQL sees it: an advisory lock on a connection of its own, which the server drops when that
// connection ends. And which instances live no more: those whose lock has been free for a while. Knows no row of the ledger.
// docs/decisions/2026-11-22-liveness-by-advisory-locks.md · https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
import type { Socket } from 'node:net';
import { type Kysely, sql, type Transaction } from 'kysely';
import { Client, type ClientConfig } from 'pg';
import { goodbye, openSocket } from './connection.ts';
import type { LedgerTables } from './schema.ts';

export interface PresenceOptions {
  config: ClientConfig;
  /** For looking after others; the lock has its own connection. */
  db: Kysely<LedgerTables>;
  owner: string;
  /** How long a lock must have been free, in milliseconds, before its owner counts as dead. */
  grace: number;
}

export interface Presence {
  gone(owners: string[]): Promise<string[]>;
  claim(owners: string[], transaction: Transaction<LedgerTables>): Promise<string[]>;
  end(): Promise<void>;
}

/** A connection that did not answer for this long is given up: a router forgot it, or the server is no longer there. */
const ASK_EVERY = 3_000;
const RETRY_AFTER = { first: 100, longest: 2_000 };

/** The server's side of the same: a machine that vanished without closing its connections is noticed in some ten seconds. */
const NOTICE = 'set tcp_keepalives_idle = 5; set tcp_keepalives_interval = 2; set tcp_keepalives_count = 3';

/** Half of an owner's random bits, as the signed 64 that PostgreSQL takes. */
function lockOf(owner: string): string {
  return String(BigInt.asIntN(64, BigInt(`0x${owner.slice(0, 16)}`)));
}

/** Resolves when the lock is held and the instance is registered. From then on both are renewed whenever the connection breaks. */
export async function takePresence({ config, db, owner, grace }: PresenceOptions): Promise<Presence> {
  let held: Client | undefined;
  let ended = false;
  let again: NodeJS.Timeout | undefined;
  let delay = RETRY_AFTER.first;
  const freeSince = new Map<string, number>();

  async function take(): Promise<void> {
    let socket: Socket | undefined;
    const client = new Client({
      ...config,
      stream: () => {
        socket = openSocket();
        return socket;
      },
    });
    client.on('error', () => {}); // `end` follows
    try {
      await client.connect();
      await client.query(NOTICE);
      // May have to wait for this instance's own last connection, which the server has not missed yet, or for a `claim`.
      await client.query('select pg_advisory_lock($1)', [lockOf(owner)]);
      const now = Date.now();
      await client.query(
        'insert into instances (id, started_at, checked_at) values ($1, $2, $3) on conflict (id) do nothing',
        [owner, now, now],
      );
    } catch (error) {
      socket?.destroy();
      throw error;
    }
    let answered = true;
    const asking = setInterval(() => {
      if (!answered) socket?.destroy();
      answered = false;
      client.query('select 1').then(
        () => {
          answered = true;
        },
        () => {},
      );
    }, ASK_EVERY).unref();
    client.once('end', () => {
      clearInterval(asking);
      lose();
    });
    socket?.unref(); // like an idle ledger of the other kind, it does not keep the process alive
    held = client;
    delay = RETRY_AFTER.first;
  }

  /** Who was cut off itself has seen nothing: after a restart of the server everybody gets the whole grace to come back. */
  function lose(): void {
    held = undefined;
    freeSince.clear();
    if (!ended) again = setTimeout(() => void retake(), delay).unref();
    delay = Math.min(delay * 2, RETRY_AFTER.longest);
  }

  async function retake(): Promise<void> {
    try {
      await take();
    } catch {
      lose();
      return;
    }
    if (ended) await held?.end();
  }

  async function gone(owners: string[]): Promise<string[]> {
    if (!held || owners.length === 0) return [];
    const { rows } = await sql<{ lock: string }>`
      select (classid::bigint << 32 | objid::bigint)::text as lock from pg_locks
      where locktype = 'advisory' and objsubid = 1 and granted
        and database = (select oid from pg_database where datname = current_database())
    `.execute(db);
    if (!held) return [];
    const locks = new Set(rows.map(({ lock }) => lock));
    const now = performance.now();
    const free = owners.filter((one) => !locks.has(lockOf(one)));
    for (const one of freeSince.keys()) if (!free.includes(one)) freeSince.delete(one);
    for (const one of free) if (!freeSince.has(one)) freeSince.set(one, now);
    return free.filter((one) => now - freeSince.get(one)! >= grace);
  }

  /** Takes the lock of the dead until the transaction ends: other survivors find it taken, and who comes back waits for it. */
  async function claim(owners: string[], transaction: Transaction<LedgerTables>): Promise<string[]> {
    const { rows } = await sql<{ owner: string }>`
      select owner from unnest(${owners}::text[], ${owners.map(lockOf)}::bigint[]) as missing (owner, lock)
      where pg_try_advisory_xact_lock(lock)
    `.execute(transaction);
    return rows.map(({ owner }) => owner);
  }

  async function end(): Promise<void> {
    ended = true;
    clearTimeout(again);
    if (held) await goodbye(held.end());
  }

  await take();
  return { gone, claim, end };
}
