// A ledger that survives its store failing for a while: what could not be written waits in memory, bounded, and is tried
// again with backoff. Knows the Ledger contract only; which store is behind it shows in no line but `isAboutTheRow`.
import type { Ledger, RowClosing, RowNote, RowOpening } from '../core/accounting.ts';

export interface ResilientOptions {
  /** Hears of every failure that no caller hears of. Called once per failed try, not once per row. */
  onError(error: unknown): void;
  /** How many rows may wait. Past it `close` rejects. */
  limit?: number;
  /** First wait before trying again, and the longest, in milliseconds. */
  backoff?: { first: number; longest: number };
  /** How long `open` waits for the store, in milliseconds: a request is waiting behind it. */
  openTimeout?: number;
  /** How long `shutdown` goes on trying to write what waits, in milliseconds. */
  lastChance?: number;
}

export interface ResilientLedger extends Ledger {
  /** Rows whose writing is put off. */
  waiting(): number;
}

interface Waiting {
  note?: RowNote;
  closing?: RowClosing;
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/**
 * `note` and `close` resolve when the write is done or safely waiting. `open` still rejects, at once while the store is known
 * to be broken: whether a request may run without its row is the caller's to say. A row whose `open` timed out may appear
 * later all the same; `close` ends it, or else the next process's `recover` does.
 */
export function resilient(ledger: Ledger, options: ResilientOptions): ResilientLedger {
  const { onError, limit = 100_000, openTimeout = 3_000, lastChance = 5_000 } = options;
  const backoff = options.backoff ?? { first: 100, longest: 10_000 };
  const waiting = new Map<string, Waiting>();
  let broken: unknown; // the last failure of the store itself, until something succeeds
  let delay = backoff.first;
  let timer: NodeJS.Timeout | undefined;
  let flushing: Promise<void> | undefined;
  let closed = false;

  function mended(): void {
    broken = undefined;
    delay = backoff.first;
  }

  function failed(error: unknown): void {
    broken = error;
    onError(error);
    if (closed || timer) return;
    timer = setTimeout(() => {
      timer = undefined;
      void flush();
    }, delay);
    timer.unref();
    delay = Math.min(delay * 2, backoff.longest);
  }

  function putOff(id: string, entry: Waiting): boolean {
    const earlier = waiting.get(id);
    if (!earlier && waiting.size >= limit) return false;
    if (earlier?.closing) return true;
    waiting.set(id, entry);
    return true;
  }

  function flush(): Promise<void> {
    flushing ??= tryAll().finally(() => {
      flushing = undefined;
    });
    return flushing;
  }

  /** Stops at the first failure of the store: while it is locked, each further try would cost its whole busy timeout. */
  async function tryAll(): Promise<void> {
    try {
      if (waiting.size === 0) await ledger.check(); // so that `open` is let through again
      while (waiting.size > 0) {
        const notes = [...waiting].filter(([, { note }]) => note);
        await written(ledger.note(notes.map(([, { note }]) => note!)));
        for (const [id, entry] of notes) if (waiting.get(id) === entry) waiting.delete(id);
        for (const [id, { closing }] of waiting) {
          if (!closing) continue;
          await written(ledger.close(id, closing));
          waiting.delete(id);
        }
      }
      mended();
    } catch (error) {
      failed(error);
    }
  }

  /** A row that the store will never take is reported and given up: the others need not wait for it. */
  async function written(write: Promise<void>): Promise<void> {
    try {
      await write;
    } catch (error) {
      if (!isAboutTheRow(error)) throw error;
      onError(error);
    }
  }

  async function open(row: RowOpening): Promise<void> {
    if (broken !== undefined) throw broken;
    let late: NodeJS.Timeout | undefined;
    const timeout = new Promise<never>((_, reject) => {
      late = setTimeout(() => {
        const error = new Error(`The ledger took more than ${openTimeout} ms to open a row.`);
        reject(Object.assign(error, { code: 'STORE_SLOW' }));
      }, openTimeout);
    });
    try {
      await Promise.race([ledger.open(row), timeout]);
    } catch (error) {
      if (!isAboutTheRow(error)) failed(error);
      throw error;
    } finally {
      clearTimeout(late);
    }
  }

  async function close(id: string, closing: RowClosing): Promise<void> {
    let reason = broken;
    if (reason === undefined) {
      try {
        await ledger.close(id, closing);
        waiting.delete(id);
        return;
      } catch (error) {
        if (isAboutTheRow(error)) throw error;
        failed(error);
        reason = error;
      }
    }
    if (!putOff(id, { closing })) {
      throw new Error(`The ledger is failing and ${limit} rows wait already; this one is lost.`, { cause: reason });
    }
  }

  /** Progress is worth less than an end: when there is no room for it, it is dropped without a word. */
  async function note(rows: RowNote[]): Promise<void> {
    if (broken === undefined) {
      try {
        return await ledger.note(rows);
      } catch (error) {
        if (isAboutTheRow(error)) throw error;
        failed(error);
      }
    }
    for (const row of rows) putOff(row.id, { note: row });
  }

  async function shutdown(): Promise<void> {
    closed = true;
    clearTimeout(timer);
    await flushing;
    const until = Date.now() + lastChance;
    while (waiting.size > 0) {
      await flush();
      if (waiting.size > 0 && Date.now() >= until) break;
      if (waiting.size > 0) await pause(Math.min(delay, 250));
    }
    if (waiting.size > 0) onError(new Error(`The ledger is shut down with ${waiting.size} rows that it never took.`));
    await ledger.shutdown();
  }

  return { ...ledger, open, close, note, shutdown, waiting: () => waiting.size };
}

/** The store works and says no to this row: trying again cannot help. SQLite's names, and PostgreSQL's classes 22 and 23. */
function isAboutTheRow(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return (
    typeof code === 'string' && /^(SQLITE_(CONSTRAINT|MISMATCH|TOOBIG|ERROR)$|ERR_INVALID_|2[23]\w{3}$)/.test(code)
  );
}
