// Joins a connection's callbacks to a sink that is attached a moment later, and undoes a content-encoding nobody asked for. Knows one
// response; no socket, no pool.
import {
  constants,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createZstdDecompress,
  type Gunzip,
} from 'node:zlib';
import type { BodySink, UpstreamResponse } from '../core/contracts.ts';
import { GatewayError } from '../core/errors.ts';
import type { Flow } from './transport.http1.ts';

export interface Body {
  response(status: number): UpstreamResponse;
  data(chunk: Buffer): void;
  end(): void;
  error(error: GatewayError): void;
  abort(): void;
}

/** `release` is called when the body is closed from this side before its end. */
export function createBody(flow: Flow, headers: Record<string, string>, release: () => void): Body {
  let sink: BodySink | undefined;
  let over = false;
  let ended: { error?: GatewayError } | undefined; // came before the sink did
  const inflater = inflaterFor(headers['content-encoding']);
  flow.pause(); // until a sink is attached

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
  inflater?.on('drain', () => flow.resume());
  inflater?.on('end', () => finish());
  inflater?.on('error', (cause) => {
    flow.abort(cause);
    finish(
      new GatewayError('upstream_protocol', 'The provider sent a compressed body that does not decompress.', { cause }),
    );
  });

  function abort(): void {
    if (over) return; // the socket may serve another request by now
    over = true;
    release();
    inflater?.destroy();
    flow.abort(new Error('closed by Millrace'));
  }

  return {
    response: (status) => ({
      status,
      headers,
      start(to) {
        sink = to;
        if (ended && (ended.error || !inflater)) finish(ended.error);
        else flow.resume();
      },
      pause: () => (inflater ? inflater.pause() : flow.pause()),
      resume: () => (inflater ? inflater.resume() : flow.resume()),
      abort,
    }),
    data(chunk) {
      if (over) return;
      if (!inflater) sink?.data(chunk);
      else if (!inflater.write(chunk)) flow.pause();
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
