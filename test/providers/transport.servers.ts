// What the transport's tests talk to: providers of either HTTP, a proxy that can misbehave, and certificates of an authority that
// nobody trusts. The key guards nothing: it was made for these tests, and its authority's own key was thrown away.
import { createServer as createHttpServer, type IncomingMessage, type RequestListener } from 'node:http';
import { createSecureServer, type Http2SecureServer, type SecureServerOptions } from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, connect, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { onTestFinished, vi } from 'vitest';
import type { SendContext, UpstreamResponse } from '../../src/core/contracts.ts';
import { createTransport, type Transport, type TransportOptions } from '../../src/providers/transport.ts';

export const AUTHORITY = `-----BEGIN CERTIFICATE-----
MIIBgjCCASmgAwIBAgIBATAKBggqhkjOPQQDAjAoMSYwJAYDVQQDDB1BIHByaXZh
dGUgYXV0aG9yaXR5IGZvciB0ZXN0czAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEw
MTAwMDAwMFowKDEmMCQGA1UEAwwdQSBwcml2YXRlIGF1dGhvcml0eSBmb3IgdGVz
dHMwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASCeUx2uUwfO/Aijyidc5rT8roN
XH105JnN65tVxbnARk3UFdwnHyVhy81yb7a22F1jenQLyVenG98ROZNHlJqVo0Iw
QDAPBgNVHRMBAf8EBTADAQH/MA4GA1UdDwEB/wQEAwICBDAdBgNVHQ4EFgQUnviE
0BNNzIYTwp3jf+KwiryVIAUwCgYIKoZIzj0EAwIDRwAwRAIgG/eguSyjOiVH9vFS
nhWE8SxzejhFfD9whY9yZ9NbSB0CIG/QZYA8hAFOEW32HxmE22flB81LK1fy5W+4
+SSswdlw
-----END CERTIFICATE-----
`;

export const IDENTITY = {
  cert: `-----BEGIN CERTIFICATE-----
MIIBuDCCAV+gAwIBAgIBAjAKBggqhkjOPQQDAjAoMSYwJAYDVQQDDB1BIHByaXZh
dGUgYXV0aG9yaXR5IGZvciB0ZXN0czAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEw
MTAwMDAwMFowFDESMBAGA1UEAwwJbG9jYWxob3N0MFkwEwYHKoZIzj0CAQYIKoZI
zj0DAQcDQgAEnItoKpT2y+cIYWTKHqZa+wEsUbgIipRxjSMtHAM32zN0e4GbSzcj
ZGLG6yYcG0d8P/P3RNvbMKwyGB94q5NeGKOBizCBiDA7BgNVHREENDAygglsb2Nh
bGhvc3SCDXByb3ZpZGVyLnRlc3SHBH8AAAGHEAAAAAAAAAAAAAAAAAAAAAEwCQYD
VR0TBAIwADAdBgNVHQ4EFgQUY2KyrMincE0JkmvaW+XM9HJ4aUAwHwYDVR0jBBgw
FoAUnviE0BNNzIYTwp3jf+KwiryVIAUwCgYIKoZIzj0EAwIDRwAwRAIgY29FHXIx
1nEr9zLj4W1XoSnsC/+bZu25no3BBdJbjhUCIHp9Rvp48y2oIaYHJCb3a0hxddn7
pC3/4ony4kxVXCiw
-----END CERTIFICATE-----
`,
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgJoql1aZz66tVydVz
NRmylsxDxpFxFi66VHiwcV5vvkShRANCAASci2gqlPbL5whhZMoeplr7ASxRuAiK
lHGNIy0cAzfbM3R7gZtLNyNkYsbrJhwbR3w/8/dE29swrDIYH3irk14Y
-----END PRIVATE KEY-----
`,
};

/** Waits for what happens elsewhere, so it looks often and gives up late. */
export const until = (look: () => unknown, timeout = 10_000) => vi.waitUntil(look, { timeout, interval: 2 });

export interface Listening {
  port: number;
  /** Sockets that are open now. */
  sockets: Set<Socket>;
  /** How many there ever were. */
  accepted(): number;
}

/** On a free port of this machine, until the test ends. */
export async function listen(server: Server): Promise<Listening> {
  const sockets = new Set<Socket>();
  let accepted = 0;
  server.on('connection', (socket: Socket) => {
    accepted++;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { port: (server.address() as AddressInfo).port, sockets, accepted: () => accepted };
}

export async function startHttp(answer: RequestListener) {
  const listening = await listen(createHttpServer({ keepAliveTimeout: 60_000 }, answer));
  return { ...listening, url: `http://127.0.0.1:${listening.port}/v1` };
}

export async function startHttps(answer: RequestListener) {
  const listening = await listen(createHttpsServer(IDENTITY, answer));
  return { ...listening, url: `https://127.0.0.1:${listening.port}/v1` };
}

/** HTTP/2 alone; `server` is for what only its sessions and streams can do. */
export async function startHttp2(answer?: Parameters<typeof createSecureServer>[1], more: SecureServerOptions = {}) {
  const server: Http2SecureServer = createSecureServer({ ...IDENTITY, ...more }, answer);
  server.on('session', (session) => session.on('error', () => {}));
  const listening = await listen(server);
  return { ...listening, server, url: `https://127.0.0.1:${listening.port}/v1` };
}

/** Accepts connections and never says a word. */
export async function startSilence() {
  const listening = await listen(createTcpServer((socket) => void socket.resume()));
  return { ...listening, address: `127.0.0.1:${listening.port}` };
}

/** Hands bytes to and fro until `freeze`; what is open then stays open and carries nothing, as when a middlebox forgot it. */
export async function startRelay(to: number) {
  const frozen: (() => void)[] = [];
  const listening = await listen(
    createTcpServer((near) => {
      const far = connect(to, '127.0.0.1');
      near.pipe(far).pipe(near);
      far.on('error', () => near.destroy()).on('close', () => near.destroy());
      near.on('close', () => far.destroy());
      frozen.push(() => {
        near.unpipe(far).pause();
        far.unpipe(near).pause();
      });
    }),
  );
  return {
    ...listening,
    url: `https://127.0.0.1:${listening.port}/v1`,
    freeze() {
      for (const stop of frozen.splice(0)) stop();
    },
  };
}

export interface ProxyBehaviour {
  secure?: boolean;
  /** `user:password` that it insists on. */
  credentials?: string;
  /** The status of its refusal. */
  refuse?: number;
  /** Accepts requests for tunnels and answers none. */
  silent?: boolean;
}

/** Tunnels, and forwards plain requests. `asked` is what it was asked, in its own words. */
export async function startProxy({ secure, credentials, refuse, silent }: ProxyBehaviour = {}) {
  const asked: { line: string; headers: IncomingMessage['headers'] }[] = [];
  const refusal = (message: IncomingMessage): number | undefined => {
    asked.push({ line: `${message.method} ${message.url}`, headers: message.headers });
    const wanted = credentials && `Basic ${Buffer.from(credentials).toString('base64')}`;
    return wanted && message.headers['proxy-authorization'] !== wanted ? 407 : refuse;
  };
  const server = secure ? createHttpsServer(IDENTITY) : createHttpServer();
  server.on('connect', (message, client: Socket) => {
    client.on('error', () => {});
    const status = refusal(message);
    if (status) {
      client.end(`HTTP/1.1 ${status} No\r\ncontent-length: 0\r\n\r\n`);
      return;
    }
    if (silent) {
      client.on('end', () => client.end()).resume();
      return;
    }
    const { hostname, port } = new URL(`http://${message.url}`);
    const beyond = connect(Number(port), hostname, () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      beyond.pipe(client);
      client.pipe(beyond);
    });
    beyond.on('error', () => client.destroy()).on('close', () => client.destroy());
    client.on('close', () => beyond.destroy());
  });
  server.on('request', (message, response) => {
    const status = refusal(message);
    response.writeHead(status ?? 200, { 'content-type': 'text/plain' });
    response.end(`forwarded ${message.url}`);
  });
  const listening = await listen(server);
  const at = (login = '') => `${secure ? 'https' : 'http'}://${login && `${login}@`}127.0.0.1:${listening.port}`;
  return { ...listening, asked, at, url: at() };
}

/** Trusts the tests' authority and reads no variables of the machine, unless told otherwise. */
export function transportOf(options: TransportOptions = {}): Transport {
  const transport = createTransport({ ca: AUTHORITY, env: {}, ...options });
  onTestFinished(() => void transport.close());
  return transport;
}

export interface Sending extends Partial<SendContext> {
  body?: string;
  headers?: Record<string, string>;
}

export function send(transport: Transport, url: string, { body = '{}', headers = {}, ...context }: Sending = {}) {
  return transport.open(
    { url, method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body },
    { signal: new AbortController().signal, onSent() {}, ...context },
  );
}

export function readAll(response: UpstreamResponse): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    response.start({
      data: (chunk) => void chunks.push(chunk),
      end: () => resolve(Buffer.concat(chunks).toString()),
      error: reject,
    });
  });
}

/** A request that can be left. `ended`: its response, or what it was rejected with. `left`: what it was left for, once it was. */
export function leavable(transport: Transport, url: string, sending: Sending = {}) {
  const controller = new AbortController();
  const { signal } = controller;
  const reason = new Error('the client left');
  const left = new Promise<Error>((resolve) => signal.addEventListener('abort', () => resolve(reason)));
  const ended = send(transport, url, { ...sending, signal }).catch((error: Error) => error);
  return { ended, left, reason, leave: () => controller.abort(reason) };
}
