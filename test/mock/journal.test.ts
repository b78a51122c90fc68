import { once } from 'node:events';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type MockServer, startMock } from '../../src/mock/server.ts';
import { body, drain, HELLO, type Json, open, post, send, stream } from './client.ts';

let mock: MockServer;
beforeAll(async () => {
  mock = await startMock();
});
afterAll(() => mock.close());
beforeEach(() => mock.journal.clear());

async function journal(): Promise<Json> {
  return (await fetch(`http://127.0.0.1:${mock.port}/_mock/requests`)).json();
}

test('a finished request is recorded with all that was asked and sent', async () => {
  const asked = body('lorem-4', { temperature: 0.5 });
  const raw = await (await post(mock, asked)).text();
  await mock.journal.waitFor((record) => record.phase === 'done');
  const { open, requests } = await journal();
  expect(open).toBe(0);
  expect(requests).toEqual([
    {
      id: expect.any(String),
      at: expect.any(Number),
      method: 'POST',
      path: '/v1/chat/completions',
      model: 'lorem-4',
      headers: expect.objectContaining({ authorization: 'Bearer …6789', 'content-type': 'application/json' }),
      body: asked,
      bytes_sent: Buffer.byteLength(raw),
      tokens_sent: 4,
      status: 200,
      phase: 'done',
      client_left_at: null,
      finished_at: expect.any(Number),
      usage: { prompt_tokens: 5, completion_tokens: 4 },
    },
  ]);
  expect(requests[0].finished_at).toBeGreaterThanOrEqual(requests[0].at);
});

test('the journal can be cleared', async () => {
  await stream(mock, 'lorem-1');
  const cleared = await fetch(`http://127.0.0.1:${mock.port}/_mock/requests`, { method: 'DELETE' });
  expect(cleared.status).toBe(204);
  expect((await journal()).requests).toEqual([]);
});

test('a client that leaves in the middle is recorded, and nothing more is sent', async () => {
  const { request, response } = await open(mock, body('lorem-1000+rate-200'));
  response.resume();
  await mock.journal.waitFor((record) => record.tokens_sent >= 3);
  expect((await journal()).open).toBe(1);
  const at = Date.now();
  request.destroy();
  const record = await mock.journal.waitFor((record) => record.client_left_at !== null);
  expect(record.client_left_at).toBeGreaterThanOrEqual(at);
  expect([record.phase, record.finished_at]).toEqual(['done', null]);
  expect(record.usage!.completion_tokens).toBe(record.tokens_sent);
  const sent = record.tokens_sent;
  await stream(mock, 'lorem-5+rate-200'); // longer than several of its tokens would have taken
  expect(record.tokens_sent).toBe(sent);
  expect((await journal()).open).toBe(0);
});

test('a client that leaves before the first token is recorded', async () => {
  const sent = send(mock, body('slow-60000'));
  await mock.journal.waitFor((record) => record.model === 'slow-60000');
  sent.destroy();
  const record = await mock.journal.waitFor((record) => record.client_left_at !== null);
  expect([record.status, record.tokens_sent, record.bytes_sent]).toEqual([null, 0, 0]);
});

test('a client that leaves while it waits for a whole answer is recorded', async () => {
  const sent = send(mock, body('lorem-1000000+rate-1', { stream: false }));
  await mock.journal.waitFor((record) => record.model !== null);
  sent.destroy();
  const record = await mock.journal.waitFor((record) => record.client_left_at !== null);
  expect([record.status, record.tokens_sent]).toEqual([null, 0]);
});

test('a client that leaves while it waits for a refusal is recorded', async () => {
  const sent = send(mock, body('error-500+slow-60000'));
  await mock.journal.waitFor((record) => record.model !== null);
  sent.destroy();
  await mock.journal.waitFor((record) => record.client_left_at !== null);
});

test('a client that leaves in the middle of its own request is recorded', async () => {
  const sent = send(mock, body('lorem-1', { messages: [{ role: 'user', content: 'x'.repeat(50_000_000) }] }));
  await mock.journal.waitFor(() => true);
  sent.destroy();
  const record = await mock.journal.waitFor((record) => record.client_left_at !== null);
  expect(record.model).toBe(null);
});

test('a client that never reads holds the answer back, and leaving is seen all the same', async () => {
  const { request } = await open(mock, body('lorem-10000000'));
  await mock.journal.waitFor((record) => record.tokens_sent > 0);
  let before = -1;
  while (mock.journal.list()[0]!.tokens_sent !== before) {
    before = mock.journal.list()[0]!.tokens_sent;
    await stream(mock, 'lorem-20+rate-400');
  }
  expect(before).toBeLessThan(200_000);
  expect((await journal()).open).toBe(1);
  request.destroy();
  const record = await mock.journal.waitFor((record) => record.client_left_at !== null);
  expect(record.model).toBe('lorem-10000000');
});

test('a socket that the mock cuts is no client that left', async () => {
  const { response } = await open(mock, body('cut-3'));
  await drain(response);
  const record = await mock.journal.waitFor((record) => record.phase === 'done');
  expect(record).toMatchObject({ tokens_sent: 3, client_left_at: null, finished_at: expect.any(Number) });
});

test('a client that leaves during split bytes, gzip or a hang is recorded', async () => {
  for (const model of ['lorem-100000+split', 'lorem-1000000+gzip', 'hang']) {
    const { request, response } = await open(mock, body(model));
    await once(response, 'data');
    request.destroy();
    const record = await mock.journal.waitFor((record) => record.model === model && record.phase === 'done');
    expect(record.client_left_at).not.toBe(null);
  }
});

test('refused requests are recorded with their status and bill nothing', async () => {
  await post(mock, body('error-503'));
  await post(mock, '{');
  await post(mock, body('no-such-model'));
  const { requests } = await journal();
  expect(requests.map((record: Json) => [record.status, record.model, record.usage])).toEqual([
    [503, 'error-503', null],
    [400, null, null],
    [404, 'no-such-model', null],
  ]);
});

test('a client that follows a redirect is seen doing so', async () => {
  await post(mock, body('redirect'), { redirect: 'follow' });
  const { requests } = await journal();
  expect(requests.map((record: Json) => [record.method, record.path])).toEqual([
    ['POST', '/v1/chat/completions'],
    ['GET', '/_mock/redirected'],
  ]);
});

test('credentials and large bodies are not kept', async () => {
  await post(mock, body('lorem-1', { messages: [{ role: 'user', content: 'x'.repeat(70_000) }] }), {
    headers: { authorization: 'Bearer short', 'x-api-key': 'sk-abcdefghijklmnop', cookie: 'a=b' },
  });
  const [record] = mock.journal.list();
  expect(record!.body).toBe(null);
  expect(record!.headers).toMatchObject({ authorization: 'Bearer …', 'x-api-key': '…mnop', cookie: '…' });
});

test('no more than ten thousand requests are kept', async () => {
  const paths = Array.from({ length: 10_010 }, (_, at) => at);
  while (paths.length > 0) {
    await Promise.all(
      paths.splice(0, 100).map(async (at) => (await fetch(`http://127.0.0.1:${mock.port}/none/${at}`)).arrayBuffer()),
    );
  }
  expect(mock.journal.list().length).toBe(10_000);
  expect(mock.journal.open()).toBe(0);
}, 30_000);

test('closing the mock ends what is open, which is no client leaving', async () => {
  const other = await startMock();
  const { response } = await open(other, body('stall-2', { messages: HELLO }));
  const read = drain(response);
  await other.journal.waitFor((record) => record.tokens_sent === 2);
  await other.close();
  expect((await read).complete).toBe(false);
  expect(other.journal.open()).toBe(0);
  expect(other.journal.list()[0]).toMatchObject({ phase: 'done', client_left_at: null, finished_at: null });
});

test('waiting for what never comes ends with what was seen', async () => {
  await stream(mock, 'lorem-1');
  await expect(mock.journal.waitFor((record) => record.model === 'other', 10)).rejects.toThrow('lorem-1');
});
