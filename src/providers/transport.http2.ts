// One connection that carries many requests at a time: a session of node:http2 on a socket that is open already. Not undici's:
// that one hangs the process when a request is cancelled whose body is still going out
// (docs/decisions/2026-11-22-http2-to-providers.md). Knows streams; no pool. https://www.rfc-editor.org/rfc/rfc9113
import { type ClientHttp2Stream, connect, constants, type OutgoingHttpHeaders } from 'node:http2';
import type { Socket } from 'node:net';
import type { Flow, Handler, Line, LineOptions, Message } from './transport.http1.ts';

const { NGHTTP2_CANCEL, NGHTTP2_NO_ERROR, NGHTTP2_REFUSED_STREAM } = constants;

/** Streams to one connection. Servers allow 100 to 128 as a rule; what one allows less counts. */
export const STREAMS = 100;

/**
 * After so many a connection takes no more requests: a server that sees a thousand ends it, with all that is on it.
 * https://nvd.nist.gov/vuln/detail/CVE-2023-44487
 */
const RESETS = 200;

/** Bytes under way on the whole connection. The default, 64 KiB, is less than 100 streams need in a round trip's time. */
const WINDOW = 1024 * 1024;

/** Megabytes. At the default, 10, node:http2 refuses answers while long requests wait to go out; those are bounded elsewhere. */
const MEMORY = 2000;

/** Between two machines on the way, not for the end of it; node:http2 throws at most of them. RFC 9113, 8.2.2. */
const OF_THE_CONNECTION = ['connection', 'host', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'];

export function createHttp2Line(socket: Socket, { origin, keepAlive, onRoom, onGone }: LineOptions): Line {
  const session = connect(origin, {
    createConnection: () => socket,
    settings: { enablePush: false },
    maxSessionMemory: MEMORY,
  });
  const authority = new URL(origin).host;
  let most = 1; // until the server says
  let open = 0;
  let resets = 0;
  let idle: NodeJS.Timeout | undefined;
  let closing = false;
  session.on('connect', () => {
    if (!session.destroyed) session.setLocalWindowSize(WINDOW);
  });
  session.on('remoteSettings', ({ maxConcurrentStreams = STREAMS }) => {
    most = Math.min(STREAMS, maxConcurrentStreams);
    if (open < most) onRoom();
  });
  session.on('goaway', onGone);
  session.on('close', onGone);
  session.on('error', () => {}); // each stream tells of its own

  /** A session that closes by itself, as after GOAWAY, leaves the socket to a peer who may never close it. */
  function end(): void {
    clearTimeout(idle);
    session.destroy();
    socket.destroy();
  }

  function closed(): void {
    open--;
    if (closing && open === 0) end();
    else if (open === 0) idle = setTimeout(onGone, keepAlive).unref();
    if (open < most) onRoom();
  }

  function send(message: Message, handler: Handler): boolean {
    let stream: ClientHttp2Stream | undefined;
    let answered = false;
    let over = false;
    const flow: Flow = {
      abort(reason) {
        if (over) return;
        over = true;
        stream?.close(NGHTTP2_CANCEL);
        stream?.destroy();
        if (stream && ++resets === RESETS) onGone();
        handler.onResponseError(flow, reason);
      },
      pause: () => void stream?.pause(),
      resume: () => void stream?.resume(),
    };

    function finish(error?: Error): void {
      if (over) return;
      over = true;
      const { rstCode, writableFinished } = stream!;
      // Of a session that is gone node:http2 drops what was read and not handed on yet: its end may be a cut.
      const whole = !error && rstCode === NGHTTP2_NO_ERROR && !session.destroyed;
      if (answered && whole) handler.onResponseEnd();
      else if (!answered && rstCode === NGHTTP2_REFUSED_STREAM) handler.onRefused();
      else handler.onResponseError(flow, error ?? closedBy(rstCode));
      // An answer may come before the whole request was read: nobody wants the rest.
      if (!writableFinished) stream!.close(NGHTTP2_CANCEL);
    }

    handler.onRequestStart(flow);
    if (over) return open < most;
    try {
      stream = session.request(headersOf(message, authority));
    } catch {
      onGone();
      handler.onRefused();
      return false;
    }
    clearTimeout(idle);
    open++;
    stream.on('response', ({ ':status': status, ...headers }) => {
      if (over) return;
      answered = true;
      handler.onResponseStart(flow, Number(status), headers);
      stream!.on('data', (chunk: Buffer) => {
        if (!over) handler.onResponseData(flow, chunk);
      });
    });
    // `end` also comes with a reset, whose code is known by then. One without an error looks like an end: decoders know.
    stream.on('end', () => finish());
    stream.on('error', finish);
    stream.on('close', () => {
      finish();
      closed();
    });
    stream.end(message.body);
    return open < most;
  }

  return {
    shared: true,
    send,
    close(done) {
      if (socket.closed) process.nextTick(done);
      else socket.once('close', done);
      closing = true;
      if (open === 0) end();
    },
  };
}

function closedBy(rstCode: number): Error {
  const code = rstCode === NGHTTP2_NO_ERROR ? 'ECONNRESET' : `HTTP/2 error ${rstCode}`;
  return Object.assign(new Error('The stream was closed.'), { code });
}

function headersOf({ method, path, headers, body }: Message, authority: string): OutgoingHttpHeaders {
  const out: OutgoingHttpHeaders = {};
  for (const [name, value] of Object.entries(headers)) out[name.toLowerCase()] = value;
  const { host = authority } = out;
  for (const name of OF_THE_CONNECTION) delete out[name];
  return {
    ...out,
    'content-length': Buffer.byteLength(body),
    ':method': method,
    ':path': path,
    ':scheme': 'https',
    ':authority': host,
  };
}
