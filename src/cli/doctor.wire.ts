// What the doctor sees of the network: one request over HTTP/1.1 or HTTP/2, its raw headers, and when each piece of a stream arrived.
// By hand and not by fetch, which decodes, pools and hides what is looked for here. Knows no check.
import { type IncomingHttpHeaders, type RequestOptions, request as requestHttp } from 'node:http';
import { type ClientHttp2Session, connect as connectHttp2, constants } from 'node:http2';
import { request as requestHttps } from 'node:https';
import { isIP } from 'node:net';
import type { Readable } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib';

export interface Ask {
  method?: 'GET' | 'POST' | 'DELETE' | 'OPTIONS';
  /** Below the address that is examined. */
  path: string;
  headers?: Record<string, string>;
  /** Sent as JSON. */
  body?: object;
  /** Milliseconds until the headers; 10 s without it. */
  timeout?: number;
}

export interface Reply {
  status: number;
  headers: IncomingHttpHeaders;
  body: Readable;
  /** Closes the connection, or resets the stream, in the middle. */
  leave(): void;
}

export interface Wire {
  readonly version: '1.1' | '2';
  /** Rejects when there is no answer: with the system's error, or with `code: 'ETIMEDOUT'`. */
  ask(ask: Ask): Promise<Reply>;
  close(): void;
}

/** What went wrong with a connection: the system's or TLS's code, else its sentence. */
export function reasonOf(thrown: unknown): string {
  const { code, message } = thrown as NodeJS.ErrnoException;
  return code ?? message;
}

function noAnswer(timeout: number): Error {
  return Object.assign(new Error(`no answer within ${timeout} ms`), { code: 'ETIMEDOUT' });
}

const USUAL_WAIT = 10_000;

function headersOf({ headers, body }: Ask): { headers: Record<string, string>; payload: Buffer | undefined } {
  const payload = body && Buffer.from(JSON.stringify(body));
  const content = payload && { 'content-type': 'application/json', 'content-length': String(payload.length) };
  return { headers: { ...headers, ...content }, payload };
}

/** Each request has a connection of its own, so that none waits for another's and none meets one that has just been closed. */
export function overHttp1(base: URL): Wire {
  const send = base.protocol === 'https:' ? requestHttps : requestHttp;
  return {
    version: '1.1',
    ask: (ask) =>
      new Promise((resolve, reject) => {
        const { timeout = USUAL_WAIT, method = 'GET' } = ask;
        const { headers, payload } = headersOf(ask);
        const options: RequestOptions = { method, headers, agent: false };
        const outgoing = send(addressOf(base, ask.path), options);
        const wait = setTimeout(() => outgoing.destroy(noAnswer(timeout)), timeout);
        let answered = false;
        outgoing.on('error', (error) => {
          clearTimeout(wait);
          if (!answered) reject(error); // a body that is refused half-way also breaks the sending
        });
        outgoing.on('response', (response) => {
          answered = true;
          clearTimeout(wait);
          response.on('error', () => {});
          resolve({
            status: response.statusCode!,
            headers: response.headers,
            body: response,
            leave: () => outgoing.destroy(),
          });
        });
        outgoing.end(payload);
      }),
    close() {},
  };
}

/** All requests share one connection. */
export function overHttp2(base: URL): Wire {
  let session: ClientHttp2Session | undefined;
  function connected(): ClientHttp2Session {
    if (!session || session.destroyed || session.closed) {
      session = connectHttp2(base.origin);
      session.on('error', () => {}); // every stream of it is told as well
    }
    return session;
  }
  return {
    version: '2',
    ask: (ask) =>
      new Promise((resolve, reject) => {
        const { timeout = USUAL_WAIT, method = 'GET', path } = ask;
        const { headers, payload } = headersOf(ask);
        const { pathname, search } = addressOf(base, path);
        const stream = connected().request({ ...headers, ':method': method, ':path': pathname + search });
        const wait = setTimeout(() => stream.destroy(noAnswer(timeout)), timeout);
        stream.on('error', (error) => {
          clearTimeout(wait);
          reject(error);
        });
        stream.on('close', () => {
          clearTimeout(wait);
          reject(new Error('the stream was reset'));
        });
        stream.on('response', (answered) => {
          clearTimeout(wait);
          resolve({
            status: answered[':status']!,
            headers: answered,
            body: stream,
            leave: () => stream.close(constants.NGHTTP2_CANCEL),
          }); // CANCEL
        });
        stream.end(payload);
      }),
    close: () => session?.destroy(),
  };
}

/** A proxy may have Millrace under a path. */
function addressOf(base: URL, path: string): URL {
  return new URL(base.pathname.replace(/\/+$/, '') + path, base);
}

export interface TlsFacts {
  /** `TLSv1.3` */
  protocol: string;
  http2: boolean;
  /** Days until the certificate ends. */
  days: number;
}

/** Rejects when nothing listens or the certificate is not trusted. */
export function probeTls(base: URL): Promise<TlsFacts> {
  return new Promise((resolve, reject) => {
    const host = base.hostname.replace(/^\[|\]$/g, '');
    const socket = connectTls({
      host,
      port: Number(base.port || 443),
      servername: isIP(host) ? '' : host,
      ALPNProtocols: ['h2', 'http/1.1'],
    });
    socket.setTimeout(USUAL_WAIT, () => socket.destroy(noAnswer(USUAL_WAIT)));
    socket.once('error', reject);
    socket.once('secureConnect', () => {
      const days = (Date.parse(socket.getPeerCertificate().valid_to) - Date.now()) / 86_400_000;
      resolve({ protocol: socket.getProtocol() ?? 'unknown', http2: socket.alpnProtocol === 'h2', days });
      socket.destroy();
    });
  });
}

/** The whole body as text, of at most 64 KiB; '' where it breaks off. */
export function textOf({ body, leave }: Reply): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const finish = () => resolve(text);
    body.setEncoding('utf8').on('data', (piece) => {
      text += piece;
      if (text.length > 65_536) leave();
    });
    body.on('end', finish).on('error', finish).on('close', finish);
  });
}

export interface Event {
  /** Milliseconds, of `performance.now()`. */
  at: number;
  id: number;
  name: string;
  /** What is read of the events of docs/PROTOCOL.md. */
  data: { stream_id?: string; code?: string; timing?: { first_token_ms: number | null; total_ms: number } };
}

export interface Heard {
  events: Event[];
  /** When a comment came: the server's heartbeat. */
  beats: number[];
  /** When bytes came. */
  arrivals: number[];
  /** `cut`: it broke, or ended without the event that ends a stream. `open`: it was not over yet. */
  state: 'open' | 'ended' | 'cut';
  /** When it was over. */
  overAt: number;
}

const DECODERS: Record<string, () => NodeJS.ReadWriteStream & Readable> = {
  gzip: createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
  zstd: createZstdDecompress,
};

/** Reads a stream until `until` holds, it is over, or `ms` have passed. What comes after that is still written down. */
export function hear(
  { headers, body }: Reply,
  ms: number,
  until: (heard: Heard) => boolean = () => false,
): Promise<Heard> {
  const heard: Heard = { events: [], beats: [], arrivals: [], state: 'open', overAt: 0 };
  return new Promise((resolve) => {
    const wait = setTimeout(() => resolve(heard), ms);
    const look = () => {
      if (heard.state === 'open' && !until(heard)) return;
      clearTimeout(wait);
      resolve(heard);
    };
    const over = () => {
      if (heard.state !== 'open') return;
      const last = heard.events.at(-1)?.name;
      heard.state = last === 'done' || last === 'error' ? 'ended' : 'cut';
      heard.overAt = performance.now();
      look();
    };
    const read = lineReader(heard);
    const decoder = DECODERS[headers['content-encoding'] ?? '']?.();
    const text = decoder ? body.pipe(decoder) : body;
    body.on('data', () => heard.arrivals.push(performance.now()));
    body.on('error', over).on('close', () => {
      if (!decoder || !body.readableEnded) over(); // what is still being decoded comes first
    });
    text.on('error', over).on('end', over);
    text.on('data', (piece: Buffer) => {
      read(piece.toString('utf8')); // the mock's text is ASCII; a letter that is cut in two harms nothing that is measured
      look();
    });
  });
}

function lineReader(heard: Heard): (text: string) => void {
  let rest = '';
  let [id, name, data] = ['', '', ''];
  return (text) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop()!;
    for (const line of lines) {
      if (line.startsWith(':')) heard.beats.push(performance.now());
      else if (line.startsWith('id: ')) id = line.slice(4);
      else if (line.startsWith('event: ')) name = line.slice(7);
      else if (line.startsWith('data: ')) data = line.slice(6);
      else if (line.trim() === '' && data !== '') {
        heard.events.push({ at: performance.now(), id: Number(id), name, data: jsonOf(data) ?? {} });
        [id, name, data] = ['', '', ''];
      }
    }
  };
}

/** Undefined where the text is no JSON. Its shape is believed: all that is read of it may be missing. */
export function jsonOf<T extends object>(text: string): T | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
