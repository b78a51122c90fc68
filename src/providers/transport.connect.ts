// Opens one socket to a provider: straight, or through a proxy, with or without TLS. Knows sockets, certificates and
// CONNECT; keeps nothing: pooling is transport.pool.ts's.
// https://www.rfc-editor.org/rfc/rfc9110#name-connect
import { X509Certificate } from 'node:crypto';
import { request } from 'node:http';
import type { Socket } from 'node:net';
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import { buildConnector } from 'undici';
import { GatewayError } from '../core/errors.ts';
import { type ProxyAddress, portOf } from './transport.proxy.ts';

/** Calls back once, later. The returned function closes what is half open, at once and without a call back. */
export type Connect = (done: (error: Error | undefined, socket?: Socket) => void) => () => void;

export interface Destination {
  url: URL;
  /** Stands in the certificate; the address's own host unless a Host header says otherwise. */
  host: string;
  proxy: ProxyAddress | undefined;
}

export interface ConnectorOptions {
  /** PEM text of authorities to be trusted beside those that Node trusts. */
  ca?: string;
  http2: boolean;
}

type Dial = (options: buildConnector.Options, callback: buildConnector.Callback) => Socket;

export function createConnector({ ca, http2 }: ConnectorOptions): (destination: Destination) => Connect {
  const secureContext = ca === undefined ? undefined : trust(ca);
  const common = { timeout: 0, secureContext }; // how long to wait is for the one who waits
  // The connector returns the socket it opens; undici's types do not say so.
  const dialProvider = buildConnector({ ...common, allowH2: http2, preferH2: http2 }) as unknown as Dial;
  const dialProxy = buildConnector({ ...common, allowH2: false }) as unknown as Dial;

  return ({ url, host, proxy }) =>
    (done) => {
      let over = false;
      const finish: typeof done = (error, socket) => {
        if (!over) done(error, socket);
        over = true;
      };
      const dialled = (error: Error | null, socket: Socket | null) => finish(error ?? undefined, socket ?? undefined);
      const socket = !proxy
        ? dialProvider(addressOf(url, host), dialled)
        : dialProxy(addressOf(proxy.url), (error, opened) => {
            if (error) finish(proxyFault('cannot be reached', error));
            else if (url.protocol === 'http:') finish(undefined, opened!);
            else
              tunnel(opened!, url, proxy, finish, () =>
                dialProvider({ ...addressOf(url, host), httpSocket: opened! }, dialled),
              );
          });
      return () => {
        over = true;
        socket.destroy();
      };
    };
}

/** One context for all connections: reading some hundred and fifty authorities takes longer than a handshake. */
function trust(ca: string): SecureContext {
  try {
    new X509Certificate(ca); // a context would pass over text that holds none
    return createSecureContext({ ca: [...getCACertificates(), ca] });
  } catch (cause) {
    throw new GatewayError('internal', 'The configured certificate authority is not a certificate in PEM form.', {
      cause,
    });
  }
}

function addressOf(url: URL, host = url.host): buildConnector.Options {
  const hostname = url.hostname.replace(/^\[|\]$/g, '');
  return { hostname, host, protocol: url.protocol, port: portOf(url) };
}

/** Asks the proxy on `socket` for a way through to `url`. */
function tunnel(
  socket: Socket,
  url: URL,
  { authorization }: ProxyAddress,
  fail: (error: Error) => void,
  opened: () => void,
): void {
  const authority = `${url.hostname}:${portOf(url)}`;
  const headers: Record<string, string> = { host: authority };
  if (authorization) headers['proxy-authorization'] = authorization;
  request({ createConnection: () => socket, method: 'CONNECT', path: authority, headers })
    .on('connect', ({ statusCode = 0 }) => {
      if (statusCode >= 200 && statusCode < 300) {
        opened();
        return;
      }
      socket.destroy();
      fail(refusedByProxy(statusCode));
    })
    .on('error', (cause) => fail(proxyFault('closed the connection', cause)))
    .end();
}

export function refusedByProxy(status: number): GatewayError {
  return new GatewayError(
    'upstream_unavailable',
    status === 407
      ? 'The proxy in front of the provider wants a user name and password, or others than it was given (407).'
      : `The proxy in front of the provider refused to connect to it (${status}).`,
  );
}

function proxyFault(what: string, cause: Error & { code?: string }): GatewayError {
  const code = cause.code ? ` (${cause.code})` : '';
  return new GatewayError('upstream_unavailable', `The proxy in front of the provider ${what}${code}.`, { cause });
}
