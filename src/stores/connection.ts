// How long a database server that is gone is waited for: by a statement, and at the end. Knows sockets; knows no database.
import { Socket } from 'node:net';

/** Longer than any statement may take: where nothing came for so long, nobody is at the other end. */
const SILENCE = 20_000;
const GOODBYE = 2_000;

/** A socket that breaks when nothing has come or gone for a while, so that what waits on it is rejected. */
export function openSocket(): Socket {
  const socket = new Socket();
  socket.setTimeout(SILENCE, () => socket.destroy(new Error('The database server has gone silent.')));
  return socket;
}

/**
 * Waits for connections to close, but not long. The timer also keeps the process until then: idle connections do not, and it
 * would end in the middle of the wait.
 */
export async function goodbye(closing: Promise<unknown>): Promise<void> {
  const { promise: enough, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, GOODBYE);
  await Promise.race([closing, enough]).finally(() => clearTimeout(timer));
}
