// What the mock was asked, how much it had sent, and when the client left: the proof of a cancellation.
// Bounded in count and in body size. Knows no wire and no behaviour.
import type { IncomingHttpHeaders } from 'node:http';

export interface JournalRecord {
  id: string;
  /** When the request arrived; all times are Unix milliseconds. */
  at: number;
  method: string;
  path: string;
  model: string | null;
  /** Credentials are reduced to their scheme and last four characters. */
  headers: Record<string, string>;
  /** The parsed JSON; null when there was none, when it was malformed, or past 64 KiB. */
  body: unknown;
  /** Body bytes handed to the socket, as encoded (after gzip, before HTTP chunking). */
  bytes_sent: number;
  /** Tokens whose bytes were handed to the socket. */
  tokens_sent: number;
  /** Null until the headers were sent. */
  status: number | null;
  phase: 'waiting' | 'streaming' | 'done';
  /** Set when the client's socket closed before the response was finished. */
  client_left_at: number | null;
  /** Set when the mock ended the response itself, be it by a fault. */
  finished_at: number | null;
  /** What a provider would bill for what was sent; null where there was no completion to bill, and for replays. */
  usage: { prompt_tokens: number; completion_tokens: number } | null;
}

export interface Journal {
  /** Oldest first. */
  list(): JournalRecord[];
  /** Requests whose response is unfinished and whose socket is open. */
  open(): number;
  clear(): void;
  /** Resolves with the first record that fits, now or as it comes to. Rejects after `timeoutMs`. */
  waitFor(fits: (record: JournalRecord) => boolean, timeoutMs?: number): Promise<JournalRecord>;
}

/** The server's side of it. */
export interface JournalKeeper extends Journal {
  begin(method: string, path: string, headers: IncomingHttpHeaders): JournalRecord;
  /** To be called after a record was changed, so that those who wait look at it. */
  changed(record: JournalRecord): void;
  finish(record: JournalRecord, how: 'finished' | 'client-left' | 'closed'): void;
}

const MAX_RECORDS = 10_000;
export const MAX_KEPT_BODY = 64 * 1024;

export function createJournal(): JournalKeeper {
  const records = new Map<string, JournalRecord>();
  const waiting = new Set<(record: JournalRecord) => void>();
  let count = 0;
  let open = 0;

  function changed(record: JournalRecord): void {
    for (const look of waiting) look(record);
  }

  return {
    list: () => [...records.values()],
    open: () => open,
    clear: () => records.clear(),
    changed,

    begin(method, path, headers) {
      const record: JournalRecord = {
        id: `req_${++count}`,
        at: Date.now(),
        method,
        path,
        model: null,
        headers: redact(headers),
        body: null,
        bytes_sent: 0,
        tokens_sent: 0,
        status: null,
        phase: 'waiting',
        client_left_at: null,
        finished_at: null,
        usage: null,
      };
      records.set(record.id, record);
      if (records.size > MAX_RECORDS) records.delete(records.keys().next().value!);
      open++;
      changed(record);
      return record;
    },

    finish(record, how) {
      if (record.phase === 'done') return;
      record.phase = 'done';
      if (how === 'client-left') record.client_left_at = Date.now();
      if (how === 'finished') record.finished_at = Date.now();
      open--;
      changed(record);
    },

    waitFor(fits, timeoutMs = 5000) {
      for (const record of records.values()) if (fits(record)) return Promise.resolve(record);
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          waiting.delete(look);
          const seen = JSON.stringify([...records.values()].slice(-3));
          reject(new Error(`No such request within ${timeoutMs} ms. The last ones: ${seen}`));
        }, timeoutMs);
        function look(record: JournalRecord): void {
          if (!fits(record)) return;
          clearTimeout(timer);
          waiting.delete(look);
          resolve(record);
        }
        waiting.add(look);
      });
    },
  };
}

const CREDENTIALS = /^(authorization|proxy-authorization|cookie|api-key|x-.*(key|token|secret).*)$/;

function redact(headers: IncomingHttpHeaders): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    const text = Array.isArray(value) ? value.join(', ') : (value ?? '');
    kept[name] = CREDENTIALS.test(name) ? redactCredential(text) : text;
  }
  return kept;
}

function redactCredential(value: string): string {
  const space = value.indexOf(' ');
  const scheme = space === -1 ? '' : value.slice(0, space + 1);
  const secret = value.slice(scheme.length);
  return `${scheme}…${secret.length >= 12 ? secret.slice(-4) : ''}`; // of a short one, four characters are too many
}
