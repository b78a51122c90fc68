// DELETE /v1/streams/:id: a stop is not a disconnect. The provider is left at once, and whoever reads the stream hears its usual end
// with the usage so far.
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { ask, foldNative, idOf, readSse, startMillrace } from '../support/millrace.ts';

test('a stopped stream ends with `done`, `cancelled` and its usage, for its reader and for who stopped it', async () => {
  const millrace = await startMillrace();
  const response = await millrace.post('/v1/chat', ask('mock/lorem-1000+rate-200'));
  const reading = readSse(response);
  await millrace.journal.waitFor((record) => record.tokens_sent >= 5);
  const stopped = await fetch(`${millrace.url}/v1/streams/${idOf(response)}`, { method: 'DELETE' });
  expect(stopped.status).toBe(200);
  const said: any = await stopped.json();
  const { end } = foldNative(await reading);
  expect(end).toMatchObject({ type: 'done', data: { finish_reason: 'cancelled', usage: { estimated: true } } });
  expect(said).toEqual({ stream_id: idOf(response), ...end.data });
  expect(end.data.usage.output_tokens).toBeGreaterThanOrEqual(4);
  expect(end.data.cost_usd).toBeGreaterThan(0);
  await millrace.journal.waitFor((record) => record.client_left_at !== null);
  const rows = await millrace.rows();
  expect(rows).toHaveLength(1);
  expect(rows[0]).toMatchObject({ end_reason: 'cancelled', cost_usd: end.data.cost_usd });
});

test.each([
  ['/v1/chat/completions', {}, '[DONE]'],
  ['/v1/messages', { max_tokens: 5000 }, '"message_stop"'],
  ['/v1/responses', {}, '"response.incomplete"'],
  ['/v1/ui/chat', {}, '[DONE]'],
])('%s ends a stopped stream in its own way', async (path, more, last) => {
  const millrace = await startMillrace();
  const { messages, ...body }: any = ask('mock/lorem-1000+rate-200', { stream: true, ...more });
  const words = path === '/v1/responses' ? { input: 'Hello' } : { messages };
  if (path === '/v1/ui/chat')
    words.messages = [{ id: 'm1', role: 'user', parts: [{ type: 'text', text: 'Hello there' }] }];
  const response = await millrace.post(path, { ...body, ...words });
  const reading = readSse(response);
  await millrace.journal.waitFor((record) => record.tokens_sent >= 5);
  expect((await fetch(`${millrace.url}/v1/streams/${idOf(response)}`, { method: 'DELETE' })).status).toBe(200);
  expect((await reading).at(-1)!.data).toContain(last);
  expect((await millrace.rows())[0]).toMatchObject({ end_reason: 'cancelled' });
});

test('a stop before the first token ends the stream at once, without another attempt', async () => {
  const millrace = await startMillrace(`
providers: { mock: {} }
models: { slow: { targets: [mock/stall-0, mock/echo], retries: 2 } }
streams: { commitAfter: 0s }
`);
  const response = await millrace.post('/v1/chat', ask('slow'));
  await millrace.journal.waitFor((record) => record.phase === 'waiting');
  await fetch(`${millrace.url}/v1/streams/${idOf(response)}`, { method: 'DELETE' });
  const { end, text } = foldNative(await readSse(response));
  expect(end).toMatchObject({ type: 'done', data: { finish_reason: 'cancelled', attempts: 1 } });
  expect(text).toBe('');
  expect(await millrace.rows()).toHaveLength(1);
});

test('only the key that started a stream, or an admin, may stop it; to others it does not exist', async () => {
  const hash = (key: string) => `sha256:${createHash('sha256').update(key).digest('hex')}`;
  const millrace = await startMillrace(`
providers: { mock: {} }
keys:
  - { name: ann, hash: "${hash('ann-key')}" }
  - { name: bob, hash: "${hash('bob-key')}" }
  - { name: ops, hash: "${hash('ops-key')}", admin: true }
`);
  const as = (key: string) => ({ headers: { authorization: `Bearer ${key}` } });
  const start = () => millrace.post('/v1/chat', ask('mock/lorem-1000+rate-200'), as('ann-key'));
  const stop = (id: string, key: string) => fetch(`${millrace.url}/v1/streams/${id}`, { method: 'DELETE', ...as(key) });
  const [first, second] = [await start(), await start()];
  const [refused, unknown] = [await stop(idOf(first), 'bob-key'), await stop('str_unknown', 'bob-key')];
  expect([refused.status, unknown.status]).toEqual([404, 404]);
  expect(await refused.json()).toEqual(await unknown.json());
  expect((await stop(idOf(first), 'wrong')).status).toBe(401);
  expect((await stop(idOf(first), 'ann-key')).status).toBe(200);
  expect((await stop(idOf(second), 'ops-key')).status).toBe(200);
  for (const response of [first, second]) {
    expect(foldNative(await readSse(response)).end.data.finish_reason).toBe('cancelled');
  }
  const again: any = await (await stop(idOf(first), 'ann-key')).json(); // it is over: how it ended is told once more
  expect(again.finish_reason).toBe('cancelled');
});
