// The way out: one pooled HTTP client for every provider, whose response bodies are pushed to a sink as they are read.
// Knows sockets, phases and compression; knows no wire, no JSON, no retry. undici's dispatch handlers are used directly
// because a web stream or an SDK's iterator costs five times what the rest of a token does (docs/ARCHITECTURE.md).
// https://undici.nodejs.org/#/docs/api/Dispatcher?id=dispatcherdispatchoptions-handler
import type { Socket } from 'node:net';
import {
  constants,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createZstdDecompress,
  type Gunzip,
} from 'node:zlib';
import { Agent, buildConnector, type Dispatcher } from 'undici';
import type { BodySink, SendContext, UpstreamResponse } from '../core/contracts.ts';
import { GatewayError } from '../core/errors.ts';

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
  /** Sockets per origin; null for no bound. A stream holds one for as long as it runs. */
  connections?: number | null;
}

/** A dispatch under way, as far as its socket goes: what a cancel while connecting must destroy. */
interface Opening {
  socket: Socket | undefined;
  sent: boolean;
}

export function createTransport(options: TransportOptions = {}): Transport {
  // undici connects inside `dispatch`, so the request that asked is the one on the stack. Known here so that a cancel in
  // this phase closes the half-open socket at once rather than leaving it to finish its handshake for nobody.
  let opening: Opening | undefined;
  const connect = buildConnector({ timeout: 0, allowH2: false });
  const agent = new Agent({
    connections: options.connections ?? null,
    pipelining: 1,
    headersTimeout: 0, // waits are bounded by the attempt's own watchdog, which knows the phases
    bodyTimeout: 0,
    keepAliveTimeout: 30_000,
    allowH2: false,
    connect(connectOptions, callback) {
      // The connector returns the socket it opens; undici's types do not say so.
      const socket = connect(connectOptions, callback) as unknown as Socket | undefined;
      if (opening !== undefined) opening.socket = socket;
      return socket;
    },
  });

  function open(request: TransportRequest, { signal, onSent }: SendContext): Promise<UpstreamResponse> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(signal.reason);
        return;
      }
      const url = new URL(request.url);
      const mine: Opening = { socket: undefined, sent: false };
      let controller: Dispatcher.DispatchController | undefined;
      let body: Body | undefined;

      const onAbort = () => {
        body?.abort();
        controller?.abort(signal.reason);
        if (!mine.sent) mine.socket?.destroy(new Error('the client left')); // with an error: undici then drops what waits for it
        reject(signal.reason);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      const release = () => signal.removeEventListener('abort', onAbort);

      opening = mine;
      try {
        agent.dispatch(
          {
            origin: url.origin,
            path: url.pathname + url.search,
            method: request.method as Dispatcher.HttpMethod,
            headers: request.headers,
            body: request.body,
          },
          {
            onRequestStart(started) {
              controller = started;
              mine.sent = true;
              if (signal.aborted) started.abort(signal.reason);
              else onSent();
            },
            onResponseStart(started, status, headers) {
              if (status < 200) return; // informational
              body = createBody(started, flatten(headers), release);
              resolve(body.response(status));
            },
            onResponseData(_started, chunk) {
              body?.data(chunk);
            },
            onResponseEnd() {
              release();
              body?.end();
            },
            onResponseError(_started, error) {
              release();
              const fault = signal.aborted ? signal.reason : connectionFault(error, mine.sent, body !== undefined);
              if (body) body.error(fault);
              else reject(fault);
            },
          },
        );
      } catch (error) {
        release();
        reject(new GatewayError('internal', 'The request to the provider could not be built.', { cause: error }));
      } finally {
        opening = undefined;
      }
    });
  }

  return { open, close: () => agent.close() };
}

interface Body {
  response(status: number): UpstreamResponse;
  data(chunk: Buffer): void;
  end(): void;
  error(error: GatewayError): void;
  abort(): void;
}

/** Joins undici's callbacks to a sink that is attached a moment later, and undoes a content-encoding nobody asked for. */
function createBody(
  controller: Dispatcher.DispatchController,
  headers: Record<string, string>,
  release: () => void,
): Body {
  let sink: BodySink | undefined;
  let over = false;
  let ended: { error?: GatewayError } | undefined; // came before the sink did
  const inflater = inflaterFor(headers['content-encoding']);
  controller.pause(); // until a sink is attached

  function finish(error?: GatewayError): void {
    if (over) return;
    if (!sink) {
      ended = { error };
      return;
    }
    over = true;
    if (error) sink.error(error);
    else sink.end();
  }

  inflater?.on('data', (chunk: Buffer) => {
    if (!over) sink?.data(chunk);
  });
  inflater?.on('drain', () => controller.resume());
  inflater?.on('end', () => finish());
  inflater?.on('error', (cause) => {
    controller.abort(cause);
    finish(
      new GatewayError('upstream_protocol', 'The provider sent a compressed body that does not decompress.', { cause }),
    );
  });

  function abort(): void {
    if (over) return; // the socket may serve another request by now
    over = true;
    release();
    inflater?.destroy();
    controller.abort(new Error('closed by Millrace'));
  }

  return {
    response: (status) => ({
      status,
      headers,
      start(to) {
        sink = to;
        if (ended && (ended.error || !inflater)) finish(ended.error);
        else controller.resume();
      },
      pause: () => (inflater ? inflater.pause() : controller.pause()),
      resume: () => (inflater ? inflater.resume() : controller.resume()),
      abort,
    }),
    data(chunk) {
      if (over) return;
      if (!inflater) sink?.data(chunk);
      else if (!inflater.write(chunk)) controller.pause();
    },
    end() {
      if (inflater) inflater.end();
      else finish();
    },
    error: finish,
    abort: () => {
      over = true;
      inflater?.destroy();
    },
  };
}

function inflaterFor(encoding: string | undefined): Gunzip | undefined {
  const gzip = { finishFlush: constants.Z_SYNC_FLUSH };
  switch (encoding?.trim().toLowerCase()) {
    case 'gzip':
    case 'x-gzip':
      return createGunzip(gzip);
    case 'deflate':
      return createInflate(gzip);
    case 'br':
      return createBrotliDecompress();
    case 'zstd':
      return createZstdDecompress();
    default:
      return undefined;
  }
}

function flatten(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) flat[name.toLowerCase()] = Array.isArray(value) ? value.join(', ') : value;
  }
  return flat;
}

function connectionFault(cause: Error & { code?: string }, sent: boolean, answered: boolean): GatewayError {
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
