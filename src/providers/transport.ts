// The way out: one pooled HTTP client for every provider, whose response bodies are pushed to a sink as they are read.
// Knows phases and faults; knows no wire, no JSON, no retry. undici's dispatch handlers are used directly because a web
// stream or an SDK's iterator costs five times what the rest of a token does (docs/ARCHITECTURE.md).
// https://undici.nodejs.org/#/docs/api/Dispatcher?id=dispatcherdispatchoptions-handler
import { validateHeaderName, validateHeaderValue } from 'node:http';
import type { SendContext, UpstreamResponse } from '../core/contracts.ts';
import { GatewayError } from '../core/errors.ts';
import { type Body, createBody } from './transport.body.ts';
import { createConnector, refusedByProxy } from './transport.connect.ts';
import type { Flow, Handler, Message } from './transport.http1.ts';
import { type Connection, createPool, type Pool, type Waiter } from './transport.pool.ts';
import { type ProxyAddress, proxyFor } from './transport.proxy.ts';

export interface Transport {
  /** Resolves when response headers are here, whatever the status. Rejects with a GatewayError, or the signal's reason. */
  open(request: TransportRequest, context: SendContext): Promise<UpstreamResponse>;
  /** Lets requests under way finish, then closes the pool. */
  close(): Promise<void>;
}

export interface TransportRequest {
  url: string;
  method: string;
  headers: Record<string, string>;
  body: string;
}

export interface TransportOptions {
  /** Sockets per origin; null for no bound. Over HTTP/1.1 a stream holds one for as long as it runs. */
  connections?: number | null;
  /** Milliseconds that an idle socket is kept. Default 30 000. */
  keepAlive?: number;
  /** A proxy's address, or false for none. Without it the environment says: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY. */
  proxy?: string | false;
  /** Authorities to be trusted beside those that Node trusts, as PEM text. */
  ca?: string;
  /** Offer HTTP/2 to https origins. Default true (docs/decisions/2026-11-22-http2-to-providers.md). */
  http2?: boolean;
  /** Where the usual proxy variables are read. Default: the process's. */
  env?: Record<string, string | undefined>;
}

/** Where requests to one origin go: through which proxy, on which connections. */
interface Route {
  pool: Pool;
  /** Set where the proxy is handed the request itself, rather than asked for a tunnel. */
  forwarder: ProxyAddress | undefined;
}

/** What a connection was like when a message went out on it. */
interface Mark {
  at: number;
  /** Bytes. */
  read: number;
}

/** Milliseconds without a byte, on a connection that all share, after which whoever gives up waiting takes it out of use. */
const SILENCE = 1000;

export function createTransport(options: TransportOptions = {}): Transport {
  const { connections = null, keepAlive = 30_000, proxy, http2 = true, env = process.env } = options;
  const connectTo = createConnector({ ca: options.ca, http2 });
  const routes = new Map<string, Route>();

  function routeTo(url: URL, host: string): Route {
    const key = `${url.origin} ${host}`;
    let route = routes.get(key);
    if (!route) {
      const through = proxyFor(url, { proxy, env });
      const secure = url.protocol === 'https:';
      const connect = connectTo({ url, host, proxy: through });
      route = {
        pool: createPool({ origin: url.origin, connect, connections, keepAlive, http2: http2 && secure }),
        forwarder: secure ? undefined : through,
      };
      routes.set(key, route);
    }
    return route;
  }

  function open(request: TransportRequest, { signal, onSent }: SendContext): Promise<UpstreamResponse> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(signal.reason);
        return;
      }
      const { route, message } = prepare(request);
      const { pool } = route;
      let flow: Flow | undefined;
      let body: Body | undefined;
      let connection: Connection | undefined;
      let sent: Mark | undefined;
      let refused = false;
      let leave = () => {};

      const onAbort = () => {
        leave();
        body?.abort();
        flow?.abort(signal.reason);
        if (connection?.line.shared && seemsDead(connection, sent)) pool.retire(connection);
        reject(signal.reason);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      const release = () => signal.removeEventListener('abort', onAbort);
      const fail = (error: Error) => {
        release();
        const fault = signal.aborted ? signal.reason : faultOf(error, sent !== undefined, body !== undefined);
        if (body) body.error(fault);
        else reject(fault);
      };

      const handler: Handler = {
        onRequestStart(started) {
          flow = started;
          const first = sent === undefined;
          sent = { at: performance.now(), read: connection!.socket.bytesRead };
          if (signal.aborted) started.abort(signal.reason);
          else if (first) onSent();
        },
        onResponseStart(started, status, headers) {
          if (status < 200) return; // informational
          if (status === 407 && route.forwarder) {
            started.abort(refusedByProxy(status));
            return;
          }
          body = createBody(started, flatten(headers), release);
          resolve(body.response(status));
        },
        onResponseData(_started, chunk) {
          body?.data(chunk);
        },
        onResponseEnd() {
          release();
          pool.ended(connection!);
          body?.end();
        },
        onResponseError: (_started, error) => fail(error),
        onRefused() {
          if (refused || signal.aborted) fail(new Error('refused'));
          else leave = pool.wait(waiter);
          refused = true;
        },
      };
      const waiter: Waiter = {
        use(given) {
          connection = given;
          return given.line.send(message, handler);
        },
        fail,
      };
      leave = pool.wait(waiter);
    });
  }

  /** Throws a GatewayError for what cannot be sent. */
  function prepare({ url: address, method, headers, body }: TransportRequest): { route: Route; message: Message } {
    try {
      for (const [name, value] of Object.entries(headers)) {
        validateHeaderName(name);
        validateHeaderValue(name, value);
      }
      const url = new URL(address);
      const route = routeTo(url, headers.host ?? url.host);
      const { forwarder } = route;
      const login = forwarder?.authorization && { 'proxy-authorization': forwarder.authorization };
      const path = forwarder ? url.href : url.pathname + url.search;
      return { route, message: { method, path, headers: { ...headers, ...login }, body } };
    } catch (cause) {
      if (cause instanceof GatewayError) throw cause;
      throw new GatewayError('internal', 'The request to the provider could not be built.', { cause });
    }
  }

  return {
    open,
    close: async () => void (await Promise.all([...routes.values()].map(({ pool }) => pool.close()))),
  };
}

/** Nothing came since: a middlebox may have forgotten it, and the next request would wait as long in vain. */
function seemsDead({ socket }: Connection, sent: Mark | undefined): boolean {
  return sent !== undefined && socket.bytesRead === sent.read && performance.now() - sent.at > SILENCE;
}

function flatten(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) flat[name.toLowerCase()] = Array.isArray(value) ? value.join(', ') : value;
  }
  return flat;
}

function faultOf(cause: Error & { code?: string }, sent: boolean, answered: boolean): GatewayError {
  if (cause instanceof GatewayError) return cause;
  const code = cause.code ? ` (${cause.code})` : '';
  return answered
    ? new GatewayError(
        'upstream_truncated',
        `The provider closed the connection before the answer was complete${code}.`,
        { cause },
      )
    : new GatewayError(
        'upstream_unavailable',
        sent
          ? `The provider closed the connection without an answer${code}.`
          : `The provider cannot be reached${code}.`,
        { cause },
      );
}
