// The connections to one origin: who waits for one, which are being opened, which have room. Knows HTTP's two shapes, one request to a
// connection or many; no proxy, no headers. A half-open socket lives as long as somebody waits for it and no longer.
import type { Socket } from 'node:net';
import type { Connect } from './transport.connect.ts';
import { createHttp1Line, type Line } from './transport.http1.ts';
import { createHttp2Line, STREAMS } from './transport.http2.ts';

export interface Pool {
  /** Returns what gives up the place: a half-open socket that nobody waits for any more is closed at once. */
  wait(waiter: Waiter): () => void;
  /** A response on it has ended: in a moment there is room again, or the connection is gone. */
  ended(connection: Connection): void;
  /** It takes no new requests; those under way go on. */
  retire(connection: Connection): void;
  /** Serves who still waits, lets requests under way finish, then closes. */
  close(): Promise<void>;
}

export interface Waiter {
  /** Sends on the connection. True: it has room for more. */
  use(connection: Connection): boolean;
  fail(error: Error): void;
}

export interface Connection {
  line: Line;
  socket: Socket;
}

export interface PoolOptions {
  origin: string;
  connect: Connect;
  /** Most sockets at a time; null for no bound. */
  connections: number | null;
  /** Milliseconds that an idle connection is kept. */
  keepAlive: number;
  http2: boolean;
}

export function createPool({ origin, connect, connections, keepAlive, http2 }: PoolOptions): Pool {
  const waiters = new Set<Waiter>(); // in order of arrival
  const openings = new Set<{ cancel(): void }>();
  const live = new Set<Connection>();
  const free: Connection[] = []; // those of `live` with room, the last used last: the others get to be idle
  const settling = new Set<Connection>(); // of `live`, about to have room: not worth opening another
  // How many waiters one more connection helps. Not known before the first: all of them wait to see what it becomes.
  let share = http2 ? Number.MAX_SAFE_INTEGER : 1;
  let leaving = 0; // retired, with requests under way
  let closed: (() => void) | undefined;

  function serve(): void {
    while (waiters.size > 0 && free.length > 0) {
      const connection = free.pop()!;
      if (connection.socket.destroyed) {
        retire(connection);
        continue;
      }
      const [next] = waiters;
      waiters.delete(next!);
      if (next!.use(connection)) offer(connection);
    }
    let missing = Math.ceil(waiters.size / share) - settling.size - openings.size;
    if (connections !== null) missing = Math.min(missing, connections - live.size - openings.size);
    for (; missing > 0; missing--) open();
    for (const opening of missing < 0 ? [...openings].slice(missing) : []) {
      openings.delete(opening);
      opening.cancel();
    }
    if (closed && waiters.size === 0) {
      for (const connection of live) retire(connection);
      if (leaving === 0) closed();
    }
  }

  function offer(connection: Connection): void {
    if (live.has(connection) && !free.includes(connection)) free.push(connection);
  }

  function open(): void {
    const opening = { cancel() {} };
    openings.add(opening);
    opening.cancel = connect((error, socket) => {
      openings.delete(opening);
      if (socket) join(socket);
      else for (const waiter of [...waiters].slice(0, share)) if (waiters.delete(waiter)) waiter.fail(error!);
      serve();
    });
  }

  function join(socket: Socket): void {
    const shared = (socket as { alpnProtocol?: string | false }).alpnProtocol === 'h2';
    share = shared ? STREAMS : 1;
    const line = (shared ? createHttp2Line : createHttp1Line)(socket, {
      origin,
      keepAlive,
      onRoom() {
        settling.delete(connection);
        offer(connection);
        serve();
      },
      onGone: () => retire(connection),
    });
    const connection = { line, socket };
    live.add(connection);
    if (shared) settling.add(connection); // until it has said how many streams it takes
    free.push(connection);
  }

  function retire(connection: Connection): void {
    if (!live.delete(connection)) return;
    settling.delete(connection);
    if (free.includes(connection)) free.splice(free.indexOf(connection), 1);
    leaving++;
    connection.line.close(() => {
      leaving--;
      serve();
    });
  }

  return {
    wait(waiter) {
      waiters.add(waiter);
      serve();
      return () => {
        if (waiters.delete(waiter)) serve();
      };
    },
    ended(connection) {
      if (!connection.line.shared && live.has(connection)) settling.add(connection);
    },
    retire,
    close: () =>
      new Promise((resolve) => {
        closed = resolve;
        serve();
      }),
  };
}
