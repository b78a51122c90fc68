// Broken connections and servers that are not Millrace, played by a server of the test's own.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { type ChatEvent, createClient, type MillraceError } from '../../src/client/index.ts';

type Answer = (response: ServerResponse, request: IncomingMessage) => void;

/** Answers the first request with the first answer, and so on; the last one again and again. */
async function serve(...answers: Answer[]) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const answer = answers[Math.min(asked.push(`${request.method} ${request.url}`), answers.length) - 1]!;
    request.resume().on('end', () => answer(response, request));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { asked, baseUrl, client: createClient({ baseUrl, reconnects: 3 }) };
}

const RESUME = '"resume_url":"/v1/streams/str_1?token=t"';
const start = (more = '') =>
  `retry: 1\nid: 1\nevent: start\ndata: {"stream_id":"str_1","model":"m","provider":"p"${more && `,${more}`}}\n\n`;
const token = (id: number, text = `${id} `) => `id: ${id}\nevent: token\ndata: ${JSON.stringify({ text })}\n\n`;
const done = (id: number) => `id: ${id}\nevent: done\ndata: {"finish_reason":"stop","cost_usd":null}\n\n`;

const STREAM = { 'content-type': 'text/event-stream; charset=utf-8', 'millrace-stream-id': 'str_1' };
const send =
  (...frames: string[]): Answer =>
  (response) =>
    response.writeHead(200, STREAM).end(frames.join(''));
/** The socket is destroyed once the client has read what was sent. */
const cut =
  (...frames: string[]): Answer =>
  (response) =>
    response.writeHead(200, STREAM).write(frames.join(''), () => setTimeout(() => response.destroy(), 20));
const refuse =
  (status: number, body: string, headers: Record<string, string> = {}): Answer =>
  (response) =>
    response.writeHead(status, headers).end(body);
const hang: Answer = (response) => response.writeHead(200, STREAM).write(start(RESUME) + token(2));

const hello = { model: 'm', messages: [] };
const failure = (promise: Promise<unknown>): Promise<MillraceError> =>
  promise.then(
    () => expect.fail('did not fail'),
    (error) => error,
  );

async function textOf(stream: AsyncIterable<ChatEvent>): Promise<string> {
  let text = '';
  for await (const event of stream) if (event.type === 'token') text += event.text;
  return text;
}

test('a broken stream goes on after the last event, each event once', async () => {
  const { client, asked } = await serve(
    cut(start(RESUME), token(2), token(3)),
    send(token(3), token(4)), // ends clean, without a terminal: as broken as any other
    cut(': ping\n'),
    send(token(5), done(6)),
  );
  expect(await textOf(client.chat(hello))).toBe('2 3 4 5 ');
  const again = (id: number) => `GET /v1/streams/str_1?token=t&last_event_id=${id}`;
  expect(asked).toEqual(['POST /v1/chat', again(3), again(4), again(4)]);
});

test('wherever a stream is cut, and however often, the answer is the same', async () => {
  const frames = [start(RESUME), ...Array.from({ length: 8 }, (_, at) => token(at + 2)), done(10)];
  const bytes = Buffer.from(frames.join(''));
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(bytes.length), { maxLength: 3 }), async (cuts) => {
      const answer: Answer = (response, { url, method }) => {
        const lastId = Number(new URL(url!, 'http://x').searchParams.get('last_event_id'));
        const rest = method === 'POST' ? bytes : Buffer.from(frames.slice(lastId).join(''));
        // Cut in the start event there is nothing to go on from, so the first cut comes after it.
        const at = Math.max(cuts.pop() ?? rest.length, method === 'POST' ? frames[0]!.length : 0);
        response.writeHead(200, STREAM).end(rest.subarray(0, at));
      };
      const { client } = await serve(answer);
      expect(await textOf(client.chat(hello))).toBe('2 3 4 5 6 7 8 9 ');
    }),
    { numRuns: 60 },
  );
});

test('what may pass is tried again, as long as the server asks to wait', async () => {
  const { client, asked } = await serve(
    cut(start(RESUME)),
    refuse(503, '{"error":{"code":"shutting_down","message":"soon"}}', { 'retry-after': '1' }),
    refuse(502, '<h1>Bad gateway</h1>'),
    send(token(2), done(3)),
  );
  const at: number[] = [];
  const began = performance.now();
  for await (const _ of client.chat(hello)) at.push(performance.now() - began);
  expect(asked).toHaveLength(4);
  expect(at[1]! - at[0]!).toBeGreaterThan(990);
});

test.each([
  [404, '{"error":{"code":"stream_not_found","message":"none"}}', 'stream_not_found'],
  [410, '{"error":{"code":"stream_gone","message":"too old"}}', 'stream_gone'],
  [401, '{"error":{"code":"unauthorized","message":"no"}}', 'unauthorized'],
  [403, '<h1>Forbidden</h1>', 'invalid_response'],
])('a %d is final', async (status, body, code) => {
  const { client, asked } = await serve(cut(start(RESUME), token(2)), refuse(status, body));
  expect(await failure(client.chat(hello).result)).toMatchObject({ code, status, partial: { text: '2 ' } });
  expect(asked).toHaveLength(2);
});

test('trying has an end, which begins anew with each new event', async () => {
  const { client, asked } = await serve(
    cut(start(RESUME)),
    cut(),
    cut(),
    cut(token(2)),
    refuse(500, ''),
    refuse(500, ''),
    refuse(500, ''),
  );
  const error = await failure(textOf(client.chat(hello)));
  expect(error).toMatchObject({
    code: 'connection_lost',
    retryable: true,
    partial: { stream_id: 'str_1', text: '2 ' },
  });
  expect(error.cause).toMatchObject({ status: 500 });
  expect(asked).toHaveLength(7);
});

test('where the server offers no way back, a broken stream is connection_lost at once', async () => {
  const { client, asked } = await serve(cut(start(), token(2)));
  const error = await failure(client.chat(hello).result);
  expect(error).toMatchObject({ code: 'connection_lost', partial: { text: '2 ' } });
  expect(error.cause).toBeInstanceOf(Error);
  expect(asked).toEqual(['POST /v1/chat']);
});

test('the way back goes below the base URL, wherever the server believes to be', async () => {
  const elsewhere = '"resume_url":"https://example.com/inner/v1/streams/str_1?token=t"';
  const { baseUrl, asked } = await serve(cut(start(elsewhere), token(2)), send(done(3)));
  const client = createClient({ baseUrl: `${baseUrl}/outer/` });
  expect(await textOf(client.chat(hello))).toBe('2 ');
  expect(asked).toEqual(['POST /outer/v1/chat', 'GET /outer/v1/streams/str_1?token=t&last_event_id=2']);
});

test('an unfinished last event counts for nothing, a clean end without a terminal is no end', async () => {
  const { client } = await serve(send(start(), token(2), done(3).trimEnd()));
  expect(await failure(textOf(client.chat(hello)))).toMatchObject({ code: 'connection_lost' });
});

test('events that this version does not know are passed over, and nothing after the terminal is looked at', async () => {
  const unknown = 'id: 2\nevent: fallback\ndata: not json\n\nid: 3\nevent: __proto__\ndata: {}\n\n';
  const { client } = await serve(send(start(), unknown, token(4), done(5), token(6), done(7)));
  const stream = client.chat(hello);
  const types: string[] = [];
  for await (const { type } of stream) types.push(type);
  expect(types).toEqual(['start', 'token', 'done']);
  expect(await stream.result).toMatchObject({ stream_id: 'str_1', text: '4 ', finish_reason: 'stop' });
});

test.each<[about: string, answer: Answer, expected: object]>([
  ['a missing event', send(start(), token(3)), { code: 'invalid_response', message: 'Events 2 to 2 are missing.' }],
  ['broken JSON', send(start(), 'id: 2\nevent: token\ndata: {"te\n\n'), { code: 'invalid_response' }],
  ['a page', (response) => response.setHeader('content-type', 'text/html').end('<p>Hi'), { code: 'invalid_response' }],
  ['a proxy’s error', refuse(502, '<h1>Bad gateway</h1>'), { code: 'invalid_response', status: 502, retryable: true }],
  ['a proxy’s login', refuse(403, ''), { code: 'invalid_response', status: 403, retryable: false }],
  [
    'a wait until a date',
    refuse(503, '', { 'retry-after': new Date(Date.now() + 60_000).toUTCString() }),
    { status: 503 },
  ],
  ['no answer at all', (response) => response.destroy(), { code: 'connection_failed', retryable: true }],
])('%s is an error with a code', async (_about, answer, expected) => {
  const { client } = await serve(answer);
  const error = await failure(client.chat(hello).result);
  expect(error).toMatchObject({ name: 'MillraceError', ...expected });
  if (error.status === 503) expect(error.retryAfter).toBeGreaterThan(50);
});

test('a page where JSON was asked for is an error with a code', async () => {
  const { client } = await serve((response) => response.end('<p>Hi'));
  expect(await failure(client.models())).toMatchObject({ code: 'invalid_response' });
  expect(await failure(client.complete(hello))).toMatchObject({ code: 'invalid_response', status: 200 });
});

test('a server that does not know stopping has its connection cut; one whose stream is over is read to its end', async () => {
  const old = await serve(hang, refuse(404, '{"error":{"code":"invalid_request","message":"no such path"}}'));
  const stopped = old.client.chat(hello);
  for await (const event of stopped) if (event.type === 'token') void stopped.stop();
  expect(old.asked).toEqual(['POST /v1/chat', 'DELETE /v1/streams/str_1']);
  expect(await failure(stopped.result)).toMatchObject({ code: 'stopped', partial: { text: '2 ' } });

  let finish = () => {};
  const over = await serve(
    (response, request) => {
      hang(response, request);
      finish = () => response.end(done(3));
    },
    (response, request) => {
      refuse(404, '{"error":{"code":"stream_not_found","message":"over"}}')(response, request);
      finish();
    },
  );
  const ending = over.client.chat(hello);
  for await (const event of ending) if (event.type === 'token') void ending.stop();
  expect((await ending.result).finish_reason).toBe('stop');
});

test('after an abort the loop throws at once, also when more had come', async () => {
  const caller = new AbortController();
  const { client } = await serve(hang);
  const seen: string[] = [];
  const looped = async () => {
    for await (const event of client.chat(hello, { signal: caller.signal })) {
      seen.push(event.type);
      caller.abort(new Error('enough'));
    }
  };
  expect((await failure(looped())).message).toBe('enough');
  expect(seen).toEqual(['start']);
});

test('stopping, leaving and aborting end the waiting for another try', async () => {
  const slow = `retry: 600000\n${start(RESUME).replace('retry: 1\n', '')}`;
  const caller = new AbortController();
  const { client } = await serve(cut(slow), hang);
  const stream = client.chat(hello, { signal: caller.signal });
  const looped = failure(
    (async () => {
      for await (const event of stream)
        if (event.type === 'start') setTimeout(() => caller.abort(new Error('enough')), 60);
    })(),
  );
  expect((await looped).message).toBe('enough');
});
