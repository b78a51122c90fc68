// The fetch that packages are given, against a server that is not ours: what goes out, what comes back, holding back and leaving.
import type { ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import { expect, test, vi } from 'vitest';
import { type Call, createCallFetch } from '../../src/providers/ai-sdk/fetch.ts';
import { createTransport } from '../../src/providers/transport.ts';
import { forThisTest, type Seen, startServer } from '../support/upstream.ts';

function fetching(query?: Record<string, string>) {
  const transport = forThisTest(createTransport());
  const { fetch, within } = createCallFetch(transport, query);
  const controller = new AbortController();
  const call = { signal: controller.signal, onSent: vi.fn(), fault: undefined } satisfies Call;
  const fetchWithin = (input: string | URL | Request, init?: RequestInit) => within(call, () => fetch(input, init));
  return {
    fetch: fetchWithin as typeof fetch,
    call: call as Call & typeof call,
    abort: (reason?: unknown) => controller.abort(reason),
  };
}

// ---- out ------------------------------------------------------------------------------------------------------------

test.each<[about: string, input: (url: string) => string | URL | Request, init: RequestInit, seen: Partial<Seen>]>([
  ['an address alone', (url) => `${url}/a?b=1`, {}, { method: 'GET', url: '/a?b=1', text: '' }],
  ['a URL', (url) => new URL('/a', url), { method: 'POST', body: '{"ü":1}' }, { method: 'POST', text: '{"ü":1}' }],
  [
    'bytes of text',
    (url) => url,
    { method: 'POST', body: new TextEncoder().encode('{"ü":1}') },
    { method: 'POST', text: '{"ü":1}' },
  ],
  [
    'a request',
    (url) => new Request(`${url}/r`, { method: 'PUT', body: 'x', headers: { 'x-a': '1' } }),
    {},
    { method: 'PUT', url: '/r', text: 'x', headers: expect.objectContaining({ 'x-a': '1' }) },
  ],
  [
    'headers of every form',
    (url) => url,
    { headers: new Headers([['X-A', '1']]) },
    { headers: expect.objectContaining({ 'x-a': '1' }) },
  ],
])('%s goes out', async (_about, input, init, expected) => {
  const { url, seen } = await startServer((response) => response.end('yes'));
  const { fetch, call } = fetching();
  const response = await fetch(input(url), init);
  expect(await response.text()).toBe('yes');
  expect(seen).toMatchObject([expected]);
  expect(call.onSent).toHaveBeenCalledOnce();
});

test('the query of the config is added to each address', async () => {
  const { url, seen } = await startServer();
  await fetching({ version: 'a b' }).fetch(`${url}/p?q=1`);
  expect(seen[0]!.url).toBe('/p?q=1&version=a+b');
});

test.each<[about: string, body: RequestInit['body']]>([
  ['a form', new FormData()],
  ['bytes that are no text', new Uint8Array([0xff, 0xfe])],
])('%s is not sent wrongly, but not at all', async (_about, body) => {
  const { url, seen } = await startServer();
  await expect(fetching().fetch(url, { method: 'POST', body })).rejects.toThrow();
  expect(seen).toEqual([]);
});

// ---- back -----------------------------------------------------------------------------------------------------------

test('status, headers and body come back, the body as it was before it was compressed', async () => {
  const { url } = await startServer((response) => {
    response.writeHead(418, { 'content-encoding': 'gzip', 'x-a': '1', 'x-odd': Buffer.from('✓').toString('latin1') });
    response.end(gzipSync('a teapot'));
  });
  const response = await fetching().fetch(url);
  expect([response.status, response.ok, await response.text()]).toEqual([418, false, 'a teapot']);
  expect(response.headers.get('x-a')).toBe('1');
  expect(response.headers.has('content-encoding')).toBe(false);
  expect(response.headers.has('x-odd')).toBe(false); // text that the standard's headers cannot hold
});

test.each([204, 304])('an answer of %i has no body', async (status) => {
  const { url } = await startServer((response) => response.writeHead(status).end());
  const response = await fetching().fetch(url);
  expect([response.status, response.body]).toEqual([status, null]);
});

test('a status that is none fails', async () => {
  const { url } = await startServer((response) => response.writeHead(799).end());
  await expect(fetching().fetch(url)).rejects.toMatchObject({ code: 'upstream_protocol' });
});

test('a server that is not there is unavailable', async () => {
  await expect(fetching().fetch('http://127.0.0.1:1/')).rejects.toMatchObject({ code: 'upstream_unavailable' });
});

test('a body that is cut just ends, with all that came before, and the call knows why', async () => {
  const { url } = await startServer((response) => {
    response.write('half an ans');
    setImmediate(() => response.destroy());
  });
  const { fetch, call } = fetching();
  const response = await fetch(url);
  expect(await response.text()).toBe('half an ans');
  expect(call.fault).toMatchObject({ code: 'upstream_truncated' });
});

// ---- holding back and leaving ---------------------------------------------------------------------------------------

test('a body that nobody reads is held back at the socket', async () => {
  let writing: ServerResponse | undefined;
  const { url } = await startServer((response) => {
    writing = response;
    const more = () => {
      while (response.write(Buffer.alloc(64 * 1024, 'x')));
    };
    response.on('drain', more);
    more();
  });
  const { fetch } = fetching();
  const response = await fetch(url);
  let before = -1;
  await vi.waitUntil(
    () => {
      const written = writing!.socket!.bytesWritten;
      const still = written === before && writing!.writableNeedDrain;
      before = written;
      return still;
    },
    { timeout: 20_000, interval: 100 },
  );
  const reader = response.body!.getReader();
  let read = 0;
  while (read <= before) read += (await reader.read()).value!.length; // it goes on
  await reader.cancel();
});

test.each(['cancelled', 'aborted'])('a body that is %s closes the socket', async (how) => {
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  const { url } = await startServer((response) => {
    response.on('close', resolve);
    response.write('x');
  });
  const { fetch, abort } = fetching();
  const response = await fetch(url);
  const reader = response.body!.getReader();
  await reader.read();
  const reason = new Error('gone');
  const rest = reader.read();
  if (how === 'cancelled') void reader.cancel();
  else abort(reason);
  if (how === 'aborted') await expect(rest).rejects.toBe(reason);
  else expect(await rest).toMatchObject({ done: true });
  await closed;
});

test("a request can be left by the call's signal and by its own", async () => {
  const { url } = await startServer(() => {});
  const { fetch, abort } = fetching();
  const own = new AbortController();
  const first = fetch(url, { signal: own.signal });
  own.abort(new Error('own'));
  await expect(first).rejects.toThrow('own');
  const second = fetch(url);
  abort(new Error('call'));
  await expect(second).rejects.toThrow('call');
});

test('what is fetched later on by the same work belongs to its call, and not to another', async () => {
  const { url } = await startServer((response) => response.end('yes'));
  const transport = forThisTest(createTransport());
  const { fetch, within } = createCallFetch(transport);
  const calls = [1, 2].map(() => ({ signal: new AbortController().signal, onSent: vi.fn() }));
  await Promise.all(
    calls.map((call) =>
      within(call, async () => {
        await (await fetch(url)).text();
        await (await fetch(url)).text();
      }),
    ),
  );
  for (const { onSent } of calls) expect(onSent).toHaveBeenCalledTimes(2);
});
