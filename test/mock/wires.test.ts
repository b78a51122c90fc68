// What holds on every wire alike: one request each, as small as it can be, and the parts of a model's name that act below the wire.
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type MockServer, startMock } from '../../src/mock/server.ts';
import { WIRES } from '../../src/mock/wires.ts';
import { drain, type Json } from './client.ts';

let mock: MockServer;
beforeAll(async () => {
  mock = await startMock();
});
afterAll(() => mock.close());

interface Speaker {
  path(model: string, stream: boolean): string;
  headers: Record<string, string>;
  body(model: string, stream: boolean): Json;
  /** What is generated, however it is framed. */
  text(bytes: Buffer): string;
}

const messages = [{ role: 'user', content: 'Say hello' }];
const content = [{ role: 'user', parts: [{ text: 'Say hello' }] }];
const bearer = { authorization: 'Bearer sk-mock' };
/** Texts of a JSON payload under one name, wherever it starts: enough to compare, and independent of framing. */
const texts = (pattern: RegExp) => (bytes: Buffer) =>
  [...bytes.toString().matchAll(pattern)].map(([, text]) => JSON.parse(`"${text}"`)).join('');

const SPEAKERS: Record<string, Speaker> = {
  openai: {
    path: () => '/v1/chat/completions',
    headers: bearer,
    body: (model, stream) => ({ model, stream, messages }),
    text: texts(/"delta":\{"content":"((?:[^"\\]|\\.)*)"/g),
  },
  anthropic: {
    path: () => '/v1/messages',
    headers: { 'x-api-key': 'mock', 'anthropic-version': '2023-06-01' },
    body: (model, stream) => ({ model, stream, messages, max_tokens: 200_000 }),
    text: texts(/"type":"text_delta","text":"((?:[^"\\]|\\.)*)"/g),
  },
  gemini: {
    path: (model, stream) =>
      `/v1beta/models/${encodeURIComponent(model)}:${stream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`,
    headers: { 'x-goog-api-key': 'mock' },
    body: () => ({ contents: content }),
    text: texts(/"parts":\s*\[\s*\{\s*"text":\s*"((?:[^"\\]|\\.)*)"/g),
  },
  'openai-responses': {
    path: () => '/v1/responses',
    headers: bearer,
    body: (model, stream) => ({ model, stream, input: messages }),
    text: texts(/"type":"response.output_text.delta"[^\n]*"delta":"((?:[^"\\]|\\.)*)"/g),
  },
  bedrock: {
    path: (model, stream) => `/model/${encodeURIComponent(model)}/converse${stream ? '-stream' : ''}`,
    headers: bearer,
    body: () => ({ messages: [{ role: 'user', content: [{ text: 'Say hello' }] }] }),
    text: texts(/"delta":\{"text":"((?:[^"\\]|\\.)*)"/g),
  },
};
const names = WIRES.map((wire) => wire.name);

async function ask(name: string, model: string, stream = true): Promise<IncomingMessage> {
  const { path, headers, body } = SPEAKERS[name]!;
  const sent = request(`${mock.origin}${path(model, stream)}`, {
    method: 'POST',
    agent: false,
    headers: { 'content-type': 'application/json', ...headers },
  });
  sent.end(JSON.stringify(body(model, stream)));
  const [response] = await once(sent, 'response');
  return response;
}

async function read(name: string, model: string, stream = true) {
  const response = await ask(name, model, stream);
  const { bytes, complete } = await drain(response);
  return { status: response.statusCode, headers: response.headers, bytes, complete, text: SPEAKERS[name]!.text(bytes) };
}

const record = (model: string) => mock.journal.list().findLast((entry) => entry.model === model)!;

test('every wire is spoken here', () => {
  expect(names).toEqual(Object.keys(SPEAKERS));
});

test.each(names)('%s: lorem is said, counted and ended', async (name) => {
  const { status, complete, text } = await read(name, 'lorem-5');
  expect([status, complete, text]).toEqual([200, true, 'Lorem ipsum dolor sit amet,']);
  expect(record('lorem-5')).toMatchObject({
    tokens_sent: 5,
    phase: 'done',
    usage: { prompt_tokens: 2, completion_tokens: 5 },
  });
});

test.each(names)('%s: a cut leaves what came before it, a clean end too soon looks whole to HTTP', async (name) => {
  const cut = await read(name, 'cut-3');
  expect([cut.complete, cut.text, record('cut-3').tokens_sent]).toEqual([false, 'Lorem ipsum dolor', 3]);
  const end = await read(name, 'end-2');
  expect([end.complete, end.text, record('end-2').tokens_sent]).toEqual([true, 'Lorem ipsum', 2]);
  const whole = await read(name, 'lorem-10', true);
  expect(whole.bytes.length).toBeGreaterThan(end.bytes.length);
});

test.each(names)('%s: a stall keeps the socket open until the client leaves', async (name) => {
  const model = 'lorem-7+stall-2';
  mock.journal.clear();
  const response = await ask(name, model);
  response.on('error', () => {});
  await mock.journal.waitFor((entry) => entry.model === model && entry.tokens_sent === 2);
  response.destroy();
  const left = await mock.journal.waitFor((entry) => entry.model === model && entry.client_left_at !== null);
  expect(left.finished_at).toBe(null);
});

test.each(names)('%s: an error and garbage come inside a stream that began well', async (name) => {
  for (const model of ['error-after-2', 'garbage-2']) {
    const { status, complete, text, bytes } = await read(name, model);
    expect([model, status, complete, text.startsWith('Lorem ipsum')]).toEqual([model, 200, true, true]);
    const end = await read(name, 'end-2');
    expect(bytes.length).toBeGreaterThan(end.bytes.length);
  }
});

test.each(names)('%s: split, gzip and pace change when bytes come, not which', async (name) => {
  for (const model of ['lorem-4+split', 'lorem-4+rate-500', 'lorem-4+slow-5']) {
    expect([model, (await read(name, model)).text]).toEqual([model, 'Lorem ipsum dolor sit']);
  }
  const { headers, complete } = await read(name, 'lorem-4+gzip');
  expect([headers['content-encoding'], complete]).toEqual(['gzip', true]);
});

test.each(names)('%s: statuses, pages and redirects answer instead', async (name) => {
  for (const status of [400, 404, 429, 500, 503]) {
    const { status: got, headers, bytes } = await read(name, `error-${status}`);
    expect([got, headers['content-type']?.split(';')[0]]).toEqual([status, 'application/json']);
    expect(() => JSON.parse(bytes.toString())).not.toThrow();
  }
  expect((await read(name, 'error-context')).status).toBe(400);
  const { status, text } = await read(name, 'error-filter'); // one wire says so with 200 and no candidates
  expect([status, text]).toEqual([name === 'gemini' ? 200 : 400, '']);
  expect((await read(name, 'html')).headers['content-type']).toContain('text/html');
  expect((await read(name, 'redirect')).status).toBe(302);
});

test.each(names)('%s: a model that means nothing is refused with its name', async (name) => {
  const { status, bytes } = await read(name, 'lorem-3+nonsense');
  expect([400, 404]).toContain(status);
  expect(bytes.toString()).toContain('nonsense');
});

test.each(names)('%s: a whole answer is one JSON object, and fails as a stream does', async (name) => {
  const { status, headers, bytes } = await read(name, 'lorem-3', false);
  expect([status, headers['content-type']?.split(';')[0]]).toEqual([200, 'application/json']);
  expect(JSON.stringify(JSON.parse(bytes.toString()))).toContain('"Lorem ipsum dolor"');
  expect((await read(name, 'cut-2', false)).complete).toBe(false);
  expect((await read(name, 'error-after-2', false)).status).toBe(500);
  const { bytes: half } = await read(name, 'end-2', false);
  expect(() => JSON.parse(half.toString())).toThrow();
});

test.each(names)('%s: a hundred thousand tokens all arrive', async (name) => {
  await read(name, 'lorem-100000');
  expect(record('lorem-100000').tokens_sent).toBe(100_000);
});

test.each(names)('%s: it does not take what is no JSON', async (name) => {
  const { path, headers } = SPEAKERS[name]!;
  const response = await fetch(`${mock.origin}${path('echo', true)}`, { method: 'POST', headers, body: '{"half' });
  expect(response.status).toBe(400);
  expect((await fetch(`${mock.origin}${path('echo', true)}`)).status).toBeGreaterThanOrEqual(404);
});

test('models are listed where a wire lists them', async () => {
  const lists = WIRES.flatMap((wire) => wire.models?.().path ?? []);
  expect(lists).toEqual(['/v1/models', '/v1beta/models']);
  for (const path of lists) {
    const text = await (await fetch(mock.origin + path)).text();
    expect(text).toContain('lorem-200');
  }
});
