// Which models there are, as each kind of client asks: the official SDKs against a running Millrace.
import { createHash } from 'node:crypto';
import Anthropic from '@anthropic-ai/sdk';
import { GoogleGenAI } from '@google/genai';
import OpenAI from 'openai';
import { expect, test } from 'vitest';
import { startMillrace, type TestMillrace } from '../support/millrace.ts';

const hash = (key: string) => `sha256:${createHash('sha256').update(key).digest('hex')}`;

const CONFIG = `
providers: { mock: {}, mock-anthropic: {} }
models: { fast: [mock-anthropic/lorem-3, mock/echo], best: mock/echo }
doors:
  openai: { models: { gpt-fixed: fast, "gpt-*": best } }
  anthropic: { models: { claude-fixed: fast, "claude-*": best } }
  gemini: { models: { gemini-fixed: best } }
`;
const ALIASES = ['fast', 'best'];
const EXAMPLES = [
  ...['echo', 'lorem-200', 'lorem-500+rate-50', 'tools', 'reasoning'].map((name) => `mock/${name}`),
  'mock-anthropic/lorem-200',
];
const KEYS = `keys: [{ name: web, hash: "${hash('sesame')}", models: [fast, "mock/e*"] }]`;

const openaiOf = ({ url }: TestMillrace, apiKey = 'unused') =>
  new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });
const anthropicOf = ({ url }: TestMillrace, apiKey = 'unused') =>
  new Anthropic({ baseURL: url, apiKey, maxRetries: 0 });
const googleOf = ({ url }: TestMillrace, apiKey = 'unused', apiVersion?: string) =>
  new GoogleGenAI({ apiKey, apiVersion, httpOptions: { baseUrl: url } });

async function every<Item>(pages: AsyncIterable<Item> | Promise<AsyncIterable<Item>>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of await pages) all.push(item);
  return all;
}

test('OpenAI: the whole list, and one model by its name', async () => {
  const client = openaiOf(await startMillrace(CONFIG));
  const all = await every(client.models.list());
  expect(all.map(({ id }) => id)).toEqual([...ALIASES, 'gpt-fixed', ...EXAMPLES]);
  expect(all[0]).toEqual({ id: 'fast', object: 'model', created: expect.any(Number), owned_by: 'mock-anthropic' });
  expect(await client.models.retrieve('fast')).toEqual(all[0]);
  expect(await client.models.retrieve('gpt-fixed')).toMatchObject({ id: 'gpt-fixed', owned_by: 'mock-anthropic' });
});

test('Anthropic: page by page, there and back, and one model by its name', async () => {
  const client = anthropicOf(await startMillrace(CONFIG));
  const names = [...ALIASES, 'claude-fixed', ...EXAMPLES];
  const whole = await client.models.list();
  expect(whole.data.map(({ id }) => id)).toEqual(names);
  expect(whole).toMatchObject({ has_more: false, first_id: 'fast', last_id: names.at(-1) });
  const fast = { type: 'model', id: 'fast', display_name: 'fast', created_at: '1970-01-01T00:00:00Z' };
  expect(whole.data[0]).toEqual(fast);
  expect(await client.models.retrieve('fast')).toMatchObject(fast);

  const first = await client.models.list({ limit: 2 });
  expect(first).toMatchObject({ has_more: true, first_id: 'fast', last_id: 'best' });
  expect((await every(client.models.list({ limit: 2 }))).map(({ id }) => id)).toEqual(names);
  const back = await client.models.list({ limit: 2, before_id: 'mock/echo' });
  expect(back).toMatchObject({ has_more: true, first_id: 'best', last_id: 'claude-fixed' });
  expect((await client.models.list({ limit: 2, before_id: 'best' })).has_more).toBe(false);
  for (const [query, field] of [
    [{ limit: 0 }, 'limit'],
    [{ after_id: 'gone' }, 'after_id'],
  ] as const) {
    await expect(client.models.list(query)).rejects.toMatchObject({
      status: 400,
      error: { type: 'error', error: { type: 'invalid_request_error', message: expect.stringContaining(field) } },
    });
  }
});

test.each([undefined, 'v1'])('Google, version %s: page by page, and one model by its name', async (version) => {
  const client = googleOf(await startMillrace(CONFIG), 'unused', version);
  const names = [...ALIASES, 'gemini-fixed', ...EXAMPLES].map((name) => `models/${name}`);
  expect((await every(client.models.list())).map(({ name }) => name)).toEqual(names);
  expect((await every(client.models.list({ config: { pageSize: 2 } }))).map(({ name }) => name)).toEqual(names);
  const fast = {
    name: 'models/fast',
    displayName: 'fast',
    supportedActions: ['generateContent', 'streamGenerateContent', 'countTokens'],
  };
  expect(await client.models.get({ model: 'fast' })).toMatchObject(fast);
  expect((await client.models.get({ model: 'models/mock/echo' })).name).toBe('models/mock/echo');
  await expect(client.models.list({ config: { pageToken: 'x' } })).rejects.toMatchObject({ status: 400 });
});

test('a name that is not listed is told of too, if a request with it would be taken', async () => {
  const millrace = await startMillrace(CONFIG);
  const name = 'mock/lorem-7+rate-50';
  expect((await openaiOf(millrace).models.retrieve(name)).id).toBe(name);
  expect((await anthropicOf(millrace).models.retrieve(name)).id).toBe(name);
  expect((await googleOf(millrace).models.get({ model: name })).name).toBe(`models/${name}`);
  expect((await anthropicOf(millrace).models.retrieve('claude-of-tomorrow')).id).toBe('claude-of-tomorrow');
  const response = await fetch(`${millrace.url}/v1/models/mock/a/b:c`);
  expect(await response.json()).toMatchObject({ id: 'mock/a/b:c', owned_by: 'mock' });
});

test('a model that is not there is a 404 in the words of the client', async () => {
  const millrace = await startMillrace(CONFIG);
  await expect(openaiOf(millrace).models.retrieve('claude-fixed')).rejects.toMatchObject({
    status: 404,
    code: 'model_not_found',
    param: 'model',
  });
  const error = { type: 'error', error: { type: 'not_found_error', message: expect.stringContaining('"nobody/x"') } };
  await expect(anthropicOf(millrace).models.retrieve('nobody/x')).rejects.toMatchObject({ status: 404, error });
  const failure = await googleOf(millrace)
    .models.get({ model: 'nobody' })
    .catch((thrown) => thrown);
  expect(failure.status).toBe(404);
  expect(JSON.parse(failure.message).error).toMatchObject({ code: 404, status: 'NOT_FOUND' });
});

test('a key sees what it may use, brought as each client brings it; a wrong one is refused in its words', async () => {
  const millrace = await startMillrace(CONFIG + KEYS);
  const openai = openaiOf(millrace, 'sesame');
  expect((await every(openai.models.list())).map(({ id }) => id)).toEqual(['fast', 'gpt-fixed', 'mock/echo']);
  const anthropic = anthropicOf(millrace, 'sesame');
  const listed = await every(anthropic.models.list({ limit: 1 }));
  expect(listed.map(({ id }) => id)).toEqual(['fast', 'claude-fixed', 'mock/echo']);
  const google = googleOf(millrace, 'sesame');
  expect((await every(google.models.list())).map(({ name }) => name)).toEqual(['models/fast', 'models/mock/echo']);
  const byQuery = await fetch(`${millrace.url}/v1beta/models?key=sesame&pageSize=1`);
  expect(await byQuery.json()).toMatchObject({ models: [{ name: 'models/fast' }], nextPageToken: expect.any(String) });

  await expect(openai.models.retrieve('best')).rejects.toMatchObject({ status: 403, code: 'forbidden' });
  await expect(anthropic.models.retrieve('best')).rejects.toMatchObject({
    status: 403,
    error: { error: { type: 'permission_error' } },
  });
  await expect(google.models.get({ model: 'best' })).rejects.toMatchObject({ status: 403 });
  await expect(openaiOf(millrace, 'no').models.list()).rejects.toMatchObject({ status: 401, code: 'unauthorized' });
  await expect(anthropicOf(millrace, 'no').models.list()).rejects.toMatchObject({
    status: 401,
    error: { error: { type: 'authentication_error' } },
  });
  await expect(googleOf(millrace, 'no').models.list()).rejects.toMatchObject({
    status: 401,
    message: expect.stringContaining('UNAUTHENTICATED'),
  });
});
