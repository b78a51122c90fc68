// One connection that carries one request at a time: undici's client on a socket that is open already. Also what any connection is to
// the pool. undici's own pool is not used because it does not tell which request a half-open socket belongs to, and a client that
// leaves must close exactly that one, at once. https://undici.nodejs.org/#/docs/api/Client
import type { Socket } from 'node:net';
import { Client, type Dispatcher } from 'undici';

export interface Message {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string;
}

/** What can be done to an answer under way. */
export interface Flow {
  abort(reason: Error): void;
  pause(): void;
  resume(): void;
}

/** Called in this order; one of `onResponseEnd`, `onResponseError` and `onRefused` is last. None after an abort but the last two. */
export interface Handler {
  /** The message is about to be written. */
  onRequestStart(flow: Flow): void;
  onResponseStart(flow: Flow, status: number, headers: Record<string, string | string[] | undefined>): void;
  onResponseData(flow: Flow, chunk: Buffer): void;
  onResponseEnd(): void;
  onResponseError(flow: Flow | undefined, error: Error): void;
  /** The server did nothing with it: it may be sent again. */
  onRefused(): void;
}

export interface Line {
  /** It carries many streams: closing one leaves it open. */
  shared: boolean;
  /** False: there is no room for more until `onRoom`. */
  send(message: Message, handler: Handler): boolean;
  /** Lets what is under way end, closes the socket, calls back. */
  close(done: () => void): void;
}

export interface LineOptions {
  origin: string;
  /** Milliseconds that it is kept when idle. */
  keepAlive: number;
  onRoom(): void;
  /** Closed, or about to be: it takes no more. May be called again. */
  onGone(): void;
}

export function createHttp1Line(socket: Socket, { origin, keepAlive, onRoom, onGone }: LineOptions): Line {
  let given = false;
  const client = new Client(origin, {
    connect(_options, callback) {
      if (given) callback(new Error('The connection is closed.'), null);
      else process.nextTick(callback, null, socket); // undici does not expect it within the call
      given = true;
    },
    pipelining: 1,
    headersTimeout: 0, // waits are bounded by the attempt's own watchdog, which knows the phases
    bodyTimeout: 0,
    keepAliveTimeout: keepAlive,
    keepAliveMaxTimeout: keepAlive, // a server's hint may shorten it only
    allowH2: false,
  });
  client.on('drain', onRoom);
  client.on('disconnect', onGone);

  return {
    shared: false,
    send: (message, handler) => client.dispatch(message as Dispatcher.DispatchOptions, handler),
    close(done) {
      client.close(() => {
        socket.destroy();
        done();
      });
    },
  };
}
