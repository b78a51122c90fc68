// The `fetch` that a provider package is given: its requests go out through our transport, so that a cancel closes the socket,
// waits are told apart by phase and the pool is ours. Knows the fetch standard; nothing of what is asked or answered.
// https://fetch.spec.whatwg.org/
import { AsyncLocalStorage } from 'node:async_hooks';
import type { UpstreamResponse } from '../../core/contracts.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Transport } from '../transport.ts';

/** One request of a client while its package works on it. */
export interface Call {
  signal: AbortSignal;
  onSent(): void;
  /** What cut a response body. The package only sees the body end, so that it hands on all that came before. */
  fault?: GatewayError;
}

export interface CallFetch {
  fetch: typeof fetch;
  /** Whatever is fetched by `work`, also later on, belongs to this call: a package has one `fetch` for all its requests. */
  within<T>(call: Call, work: () => T): T;
}

/** Bytes that wait for the package to read them before the socket is held back. */
const AHEAD = 64 * 1024;

/** `query` is added to every address. */
export function createCallFetch(transport: Transport, query: Record<string, string> = {}): CallFetch {
  const calls = new AsyncLocalStorage<Call>();

  async function fetchThrough(input: string | URL | Request, init: RequestInit = {}): Promise<Response> {
    const request = input instanceof Request ? input : undefined;
    const call = calls.getStore();
    const given = [call?.signal, init.signal, request?.signal];
    const signal = AbortSignal.any(given.filter((one) => one instanceof AbortSignal));
    const url = new URL(request?.url ?? String(input));
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    const upstream = await transport.open(
      {
        url: url.href,
        method: init.method ?? request?.method ?? 'GET',
        headers: Object.fromEntries(new Headers(init.headers ?? request?.headers)),
        body: textOf(init.body ?? (request ? await request.text() : '')),
      },
      { signal, onSent: () => call?.onSent() },
    );
    return responseOf(upstream, signal, (fault) => {
      if (call) call.fault ??= fault;
    });
  }

  return { fetch: fetchThrough as typeof fetch, within: (call, work) => calls.run(call, work) };
}

/** Answers of 204 and the like may not have a body, as `Response` sees it. */
const BODILESS = [204, 205, 304];

type OnFault = (fault: GatewayError) => void;

function responseOf(upstream: UpstreamResponse, signal: AbortSignal, onFault: OnFault): Response {
  const { status } = upstream;
  if (status > 599) {
    upstream.abort();
    throw new GatewayError('upstream_protocol', `The provider answered with the status ${status}.`);
  }
  const headers = new Headers();
  for (const [name, value] of Object.entries(upstream.headers)) {
    if (name === 'content-encoding' || name === 'content-length') continue; // of the body before it was decompressed
    if (LATIN1.test(value)) headers.set(name, value); // the standard throws at any other
  }
  const body = bodyOf(upstream, signal, onFault);
  if (!BODILESS.includes(status)) return new Response(body, { status, headers });
  void body.cancel();
  return new Response(null, { status, headers });
}

const LATIN1 = /^[\x20-\x7e\xa0-\xff\t]*$/;

function bodyOf(upstream: UpstreamResponse, signal: AbortSignal, onFault: OnFault): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        signal.addEventListener('abort', () => controller.error(signal.reason), { once: true });
        upstream.start({
          data(chunk) {
            controller.enqueue(chunk);
            if (controller.desiredSize! <= 0) upstream.pause();
          },
          end: () => controller.close(),
          error(fault) {
            // Said as an error, it would overtake: web streams throw away what waits in them.
            onFault(fault);
            controller.close();
          },
        });
      },
      pull: () => upstream.resume(),
      cancel: () => upstream.abort(),
    },
    new ByteLengthQueuingStrategy({ highWaterMark: AHEAD }),
  );
}

function textOf(body: unknown): string {
  if (typeof body === 'string') return body;
  if (body instanceof ArrayBuffer || ArrayBuffer.isView(body))
    return new TextDecoder('utf-8', { fatal: true }).decode(body as ArrayBuffer);
  throw new GatewayError('internal', 'The provider package sends a body that is not text.');
}
