// What stands in a provider's place when it is the request that matters: a server that writes down what it is asked, and a
// request sent to it. Shared by the tests of what goes out. Knows no wire.
import { createServer, type IncomingHttpHeaders, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo, Server } from 'node:net';
import { expect, onTestFinished } from 'vitest';
import type { ChatRequest } from '../../src/core/chat.ts';
import type { Provider, UpstreamResponse } from '../../src/core/contracts.ts';
import { GatewayError } from '../../src/core/errors.ts';

/** On a free port of this machine, until the test ends. Resolves with its address. */
export async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

export function startHttp(answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  onTestFinished(() => server.closeAllConnections());
  return listen(server);
}

export interface Seen {
  method: string | undefined;
  url: string | undefined;
  headers: IncomingHttpHeaders;
  text: string;
  /** The text read as JSON; undefined where it is none. */
  body: any;
}

/** A server that writes down what it is asked, and answers as told. */
export async function startServer(answer: (response: ServerResponse) => void = (response) => void response.end()) {
  const seen: Seen[] = [];
  const url = await startHttp((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (piece) => {
      text += piece;
    });
    request.on('end', () => {
      const { method, url, headers } = request;
      seen.push({ method, url, headers, text, body: json(text) });
      answer(response);
    });
  });
  return { seen, url };
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Closed when the test ends. */
export function forThisTest<T extends Pick<Provider, 'close'>>(provider: T): T {
  onTestFinished(() => provider.close());
  return provider;
}

export const hello = { model: 'alias', messages: [{ role: 'user', content: 'Hi' }] };

export function send(
  provider: Provider,
  chat: object,
  model: string,
  signal = new AbortController().signal,
): Promise<UpstreamResponse> {
  return provider.send(provider.request(chat as ChatRequest, model).body, { signal, onSent() {} });
}

/** What a provider asks of a server at the address that it is given; the answer is let go. */
export async function asked(providerAt: (url: string) => Provider, chat: object, model: string): Promise<Seen> {
  const { seen, url } = await startServer();
  const response = await send(providerAt(url), chat, model);
  response.abort();
  expect(seen).toHaveLength(1);
  return seen[0]!;
}

/** The refusal of a request that a wire cannot express: it is an `invalid_request`, and names the wire. */
export function refusalOf(wire: string, build: () => unknown): GatewayError {
  try {
    build();
  } catch (thrown) {
    if (!(thrown instanceof GatewayError)) throw thrown;
    expect(thrown).toMatchObject({
      code: 'invalid_request',
      message: expect.stringContaining(`provider wire "${wire}"`),
    });
    return thrown;
  }
  throw new Error('it was not refused');
}
