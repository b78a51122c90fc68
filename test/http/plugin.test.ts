// Millrace mounted into somebody's fastify app: its routes, its errors, and nothing else of that app, change hands.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify';
import OpenAI from 'openai';
import { expect, onTestFinished, test } from 'vitest';
import { type MillraceOptions, millrace } from '../../src/index.ts';
import { ask, foldNative, readSse } from '../support/millrace.ts';

const MOCK = { providers: { mock: {} } };

async function appWith(
  options: MillraceOptions & { prefix?: string },
  prepare: (app: FastifyInstance) => void = () => {},
  server: FastifyServerOptions = {},
) {
  const cwd = await mkdtemp(join(tmpdir(), 'millrace-plugin-'));
  const app = fastify(server);
  prepare(app);
  await app.register(millrace, { config: MOCK, cwd, env: {}, ...options });
  onTestFinished(async () => {
    await app.close();
    await rm(cwd, { recursive: true, force: true });
  });
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    fetch(url + path, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json', ...headers },
    });
  return { app, url, post };
}

test('streams under a prefix, for an official SDK too', async () => {
  const { url, post } = await appWith({ prefix: '/llm' });
  const { text, end } = foldNative(await readSse(await post('/llm/v1/chat', ask('mock/echo'))));
  expect(text).toBe('Hello there');
  expect(end.type).toBe('done');
  const client = new OpenAI({ baseURL: `${url}/llm/v1`, apiKey: 'none' });
  const stream = await client.chat.completions.create({
    model: 'mock/echo',
    stream: true,
    messages: [{ role: 'user', content: 'Hi' }],
  });
  let said = '';
  for await (const chunk of stream) said += chunk.choices[0]?.delta.content ?? '';
  expect(said).toBe('Hi');
});

test('the app keeps its own routes, errors, unknown paths and JSON parser', async () => {
  const { url, post } = await appWith({ prefix: '/llm' }, (app) => {
    app.removeContentTypeParser('application/json');
    app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
    app.setErrorHandler((error, _request, reply) => reply.code(418).send({ mine: (error as Error).message }));
    app.post('/raw', async (request) => ({ raw: Buffer.isBuffer(request.body) }));
    app.get('/fail', async () => {
      throw new Error('teapot');
    });
  });
  expect(await (await post('/raw', { a: 1 })).json()).toEqual({ raw: true });
  const failed = await fetch(`${url}/fail`);
  expect([failed.status, await failed.json()]).toEqual([418, { mine: 'teapot' }]);
  expect((await fetch(`${url}/nowhere`)).headers.get('x-request-id')).toBeNull();
  expect(foldNative(await readSse(await post('/llm/v1/chat', ask('mock/echo')))).text).toBe('Hello there');
  const unknown = await fetch(`${url}/llm/nowhere`);
  expect([unknown.status, await unknown.json()]).toMatchObject([404, { error: { code: 'invalid_request' } }]);
  expect((await fetch(`${url}/llm/`)).status).toBe(404); // no page unless asked for
  const refused = await post('/llm/v1/messages', { model: 'mock/echo', max_tokens: 1, messages: 'none' });
  expect([refused.status, await refused.json()]).toMatchObject([400, { error: { type: 'invalid_request_error' } }]);
});

test('the app says who is calling: rows, allowed models and streams are theirs', async () => {
  const users: Record<string, object> = { ann: { models: ['mock/e*'] }, bob: {}, ops: { admin: true } };
  const { url, post } = await appWith({
    async authenticate({ headers }) {
      const name = String(headers.cookie ?? '');
      if (name === 'banned') throw Object.assign(new Error('You are banned.'), { statusCode: 403 });
      if (!users[name]) throw Object.assign(new Error('Who are you?'), { statusCode: 401 });
      return { name, ...users[name] };
    },
  });
  const as = (cookie: string) => ({ cookie });
  const status = async (cookie: string, model: string) => {
    const response = await post('/v1/chat', ask(model, { stream: false }), as(cookie));
    return [response.status, ((await response.json()) as any).error?.code];
  };
  expect(await status('', 'mock/echo')).toEqual([401, 'unauthorized']);
  expect(await status('banned', 'mock/echo')).toEqual([403, 'forbidden']);
  expect(await status('ann', 'mock/echo')).toEqual([200, undefined]);
  expect(await status('ann', 'mock/lorem-3')).toEqual([403, 'forbidden']);
  expect(await status('bob', 'mock/lorem-3')).toEqual([200, undefined]);
  const rows = async (cookie: string) => {
    const response = await fetch(`${url}/v1/usage/requests`, { headers: as(cookie) });
    return ((await response.json()) as any).data.map((row: any) => row.key);
  };
  expect(await rows('ann')).toEqual(['ann']);
  expect((await rows('ops')).sort()).toEqual(['ann', 'bob']);
  const stream = await post('/v1/chat', ask('mock/lorem-500+rate-100'), as('bob'));
  const stop = (cookie: string) =>
    fetch(`${url}/v1/streams/${stream.headers.get('millrace-stream-id')}`, { method: 'DELETE', headers: as(cookie) });
  expect((await stop('ann')).status).toBe(404);
  expect((await stop('bob')).status).toBe(200);
  expect(foldNative(await readSse(stream)).end.data.finish_reason).toBe('cancelled');
});

test('a stream that is under way when the app closes runs to its end', async () => {
  const { app, post } = await appWith({});
  const response = await post('/v1/chat', ask('mock/lorem-40+rate-200'));
  const reading = readSse(response);
  const closed = app.close();
  expect(foldNative(await reading).end).toMatchObject({ type: 'done', data: { finish_reason: 'stop' } });
  await closed;
});

test('a wrong config is a clear error of register', async () => {
  const app = fastify();
  await expect(async () => {
    await app.register(millrace, { config: { providers: { mock: { colour: 'red' } } }, env: {} });
  }).rejects.toThrow(/config:\d+:\d+.*colour/s);
});
