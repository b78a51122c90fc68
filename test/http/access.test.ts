// Who may call what: keys, allow-lists, loopback without keys, and what each may see of the usage.
import { createHash } from 'node:crypto';
import { request } from 'node:http';
import { expect, test } from 'vitest';
import { ask, readSse, startMillrace } from '../support/millrace.ts';

const hash = (key: string) => `sha256:${createHash('sha256').update(key).digest('hex')}`;
const keyed = `
providers: { mock: {} }
models: { fast: mock/lorem-3 }
keys:
  - { name: web, hash: "${hash('web-key')}", models: [fast, "mock/echo*"] }
  - { name: boss, hash: "${hash('boss-key')}", admin: true }
`;
const bearer = (key: string) => ({ headers: { authorization: `Bearer ${key}` } });

test('with keys, a request without one or with a wrong one is unauthorized, whatever it asks', async () => {
  const millrace = await startMillrace(keyed);
  for (const headers of [
    {},
    { authorization: 'Bearer nope' },
    { authorization: 'Basic d2ViLWtleQ==' },
    { 'x-api-key': 'no' },
  ]) {
    const response = await millrace.post('/v1/chat', ask('fast'), { headers: headers as Record<string, string> });
    expect(response.status).toBe(401);
    for (const path of ['/v1/models', '/v1/usage', '/v1/usage/requests']) {
      expect((await fetch(millrace.url + path, { headers: headers as Record<string, string> })).status).toBe(401);
    }
  }
  expect((await fetch(`${millrace.url}/healthz`)).status).toBe(200);
  expect(JSON.stringify(millrace.logs)).not.toMatch(/web-key|nope|d2ViLWtleQ/);
});

test('a key reaches its models only, and sees them only in the list', async () => {
  const millrace = await startMillrace(keyed);
  const ok = await millrace.post('/v1/chat', ask('fast'), bearer('web-key'));
  expect((await readSse(ok)).at(-1)!.event).toBe('done');
  expect((await millrace.post('/v1/chat', ask('mock/echo'), { headers: { 'x-api-key': 'web-key' } })).status).toBe(200);
  const refused = await millrace.post('/v1/chat', ask('mock/lorem-9'), bearer('web-key'));
  expect(refused.status).toBe(403);
  const { data } = (await (await fetch(`${millrace.url}/v1/models`, bearer('web-key'))).json()) as any;
  expect(data.map((model: any) => model.id)).toEqual(['fast', 'mock/echo']);
});

test('a key sees its own usage; an admin key sees all', async () => {
  const millrace = await startMillrace(keyed);
  await readSse(await millrace.post('/v1/chat', ask('fast'), bearer('web-key')));
  await readSse(await millrace.post('/v1/chat', ask('fast'), bearer('boss-key')));
  const get = async (path: string, key: string) => (await fetch(millrace.url + path, bearer(key))).json() as any;
  expect((await get('/v1/usage/requests', 'web-key')).data.map((row: any) => row.key)).toEqual(['web']);
  expect((await get('/v1/usage/requests', 'boss-key')).data.map((row: any) => row.key)).toEqual(['boss', 'web']);
  expect((await get('/v1/usage?by=key', 'boss-key')).data).toHaveLength(2);
  expect((await get('/v1/usage?by=key&key=boss', 'web-key')).error.code).toBe('forbidden');
  const csv = await (await fetch(`${millrace.url}/v1/usage?by=day,model,key&format=csv`, bearer('boss-key'))).text();
  expect(csv.split('\r\n')[0]).toMatch(/^day,model,key,requests,errors,input_tokens/);
  expect(csv).toMatch(/fast,web,1,0,/);
});

test('without keys a page elsewhere cannot reach Millrace by a name of its own', async () => {
  const millrace = await startMillrace();
  const { port } = new URL(millrace.url);
  const status = (host: string) =>
    new Promise<number>((resolve) => {
      const headers = { host, 'content-type': 'application/json' };
      const outgoing = request({ port, host: '127.0.0.1', path: '/v1/chat', method: 'POST', headers }, (response) => {
        response.resume();
        resolve(response.statusCode!);
      });
      outgoing.end(JSON.stringify(ask('mock/lorem-1')));
    });
  expect(await status(`evil.example:${port}`)).toBe(403);
  expect(await status(`127.0.0.1.evil.example:${port}`)).toBe(403);
  for (const host of [`localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`]) expect(await status(host)).toBe(200);
});

test('CORS and the request id reach a hijacked stream too', async () => {
  const millrace = await startMillrace('server: { cors: ["https://chat.example.com"] }\nproviders: { mock: {} }');
  const response = await millrace.post('/v1/chat', ask('mock/lorem-1'), {
    headers: { origin: 'https://chat.example.com', 'x-request-id': 'abc-1' },
  });
  expect(response.headers.get('access-control-allow-origin')).toBe('https://chat.example.com');
  expect(response.headers.get('x-request-id')).toBe('abc-1');
  expect(response.headers.get('millrace-stream-id')).toMatch(/^str_[\w-]{22,}$/);
  expect(response.headers.get('x-accel-buffering')).toBe('no');
  expect(response.headers.get('cache-control')).toBe('no-cache, no-transform');
  const stranger = await millrace.post('/v1/chat', ask('mock/lorem-1'), {
    headers: { origin: 'https://evil.example' },
  });
  expect(stranger.headers.get('access-control-allow-origin')).toBeNull();
});

test('prompts are rendered in front of the messages, and a missing variable is named', async () => {
  const millrace = await startMillrace();
  const { mkdir, writeFile } = await import('node:fs/promises');
  await mkdir(`${millrace.folder}/prompts`, { recursive: true });
  await writeFile(
    `${millrace.folder}/prompts/greet.prompt`,
    '---\nmodel: mock/echo\ninput:\n  schema:\n    who: string, whom to greet\n---\nHello {{who}}!',
  );
  const ok = async () => {
    const response = await millrace.post('/v1/chat', {
      prompt: { name: 'greet', variables: { who: '<b>Ada</b>' } },
      stream: false,
    });
    return response.ok ? ((await response.json()) as any).text : undefined;
  };
  const { eventually } = await import('../support/millrace.ts');
  expect(await eventually(ok, (text) => text !== undefined)).toBe('Hello <b>Ada</b>!');
  const missing: any = await (await millrace.post('/v1/chat', { prompt: { name: 'greet' } })).json();
  expect(missing.error).toMatchObject({ code: 'invalid_request', param: 'prompt.variables.who' });
});

test('health, readiness and the list of models', async () => {
  const millrace = await startMillrace('providers: { mock: {} }\nmodels: { fast: mock/echo }');
  const get = async (path: string) => (await fetch(millrace.url + path)).json() as any;
  expect(await get('/healthz')).toEqual({ status: 'ok' });
  expect(await get('/readyz')).toMatchObject({ status: 'ok', ledger: 'ok', streams: 0, providers: ['mock'] });
  const { object, data } = await get('/v1/models');
  expect(object).toBe('list');
  expect(data[0]).toMatchObject({ id: 'fast', object: 'model', owned_by: 'mock' });
  const none = await fetch(`${millrace.url}/v1/nothing`);
  expect([none.status, ((await none.json()) as any).error.code]).toEqual([404, 'invalid_request']);
});
