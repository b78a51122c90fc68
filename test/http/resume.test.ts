// GET /v1/streams/:id: what was said is said again from any event on, and then what comes, to any number of clients, in the shape of the
// front door that began the stream.
import { createHash } from 'node:crypto';
import { type IncomingMessage, request } from 'node:http';
import { DefaultChatTransport, readUIMessageStream } from 'ai';
import { describe, expect, test } from 'vitest';
import {
  ask,
  eventually,
  foldNative,
  idOf,
  readSse,
  type Sse,
  startMillrace,
  type TestMillrace,
} from '../support/millrace.ts';

const get = (millrace: TestMillrace, path: string, headers: Record<string, string> = {}) =>
  fetch(millrace.url + path, { headers });
const codeOf = async (response: Response) => [response.status, ((await response.json()) as any).error.code];

/** Reads events until one has this id, and leaves. */
async function readUpTo(response: Response, id: number): Promise<Sse[]> {
  return readSse(response, (event) => Number(event.id) >= id);
}

const messages = [{ role: 'user', content: 'Hi' }];
const DOORS: [string, object][] = [
  ['/v1/chat', { messages }],
  ['/v1/chat/completions', { stream: true, messages }],
  ['/v1/messages', { stream: true, max_tokens: 1000, messages }],
  ['/v1/responses', { stream: true, input: 'Hi' }],
  ['/v1/ui/chat', { messages: [{ id: 'm', role: 'user', parts: [{ type: 'text', text: 'Hi' }] }] }],
];

describe.each(['mock', 'mock-anthropic'])('%s', (provider) => {
  test.each(DOORS)('%s: from every event on, during and after, the same events come', async (path, body) => {
    const millrace = await startMillrace('providers: { mock: {}, mock-anthropic: {} }');
    const model = `${provider}/reasoning-3+lorem-12+rate-100`;
    const first = await millrace.post(path, { model, ...body });
    const whole = readSse(first);
    const during = Array.from({ length: 8 }, async (_, at) =>
      readSse(await get(millrace, `/v1/streams/${idOf(first)}`, at === 0 ? {} : { 'last-event-id': String(at) })).catch(
        () => null, // it asked for an event that had not been
      ),
    );
    const events = await whole;
    for (const [at, followed] of (await Promise.all(during)).entries()) {
      if (followed?.length) expect(followed).toEqual(events.slice(at));
    }
    const last = Number(events.at(-1)!.id);
    expect(events.map(({ id }) => Number(id))).toEqual(Array.from({ length: last }, (_, at) => at + 1));
    for (let at = 0; at < last; at++) {
      const replayed = await get(millrace, `/v1/streams/${idOf(first)}?last_event_id=${at}`);
      expect(replayed.headers.get('content-type')).toBe(first.headers.get('content-type'));
      expect(await readSse(replayed)).toEqual(events.slice(at));
    }
    expect((await get(millrace, `/v1/streams/${idOf(first)}`, { 'last-event-id': String(last) })).status).toBe(204);
    expect(await millrace.rows()).toHaveLength(1);
  });
});

test.each(['', '?alt=sse'])(
  'frames without ids, as Google sends them, are said again from the beginning %s',
  async (alt) => {
    const millrace = await startMillrace();
    const path = `/v1beta/models/mock%2Florem-12+rate-100:streamGenerateContent${alt}`;
    const first = await millrace.post(path, { contents: [{ role: 'user', parts: [{ text: 'Hi' }] }] });
    const during = get(millrace, `/v1/streams/${idOf(first)}`).then((response) => response.text());
    const text = await first.text();
    expect(await during).toBe(text);
    const after = await get(millrace, `/v1/streams/${idOf(first)}`);
    expect(after.headers.get('content-type')).toBe(first.headers.get('content-type'));
    expect(await after.text()).toBe(text);
    expect(await codeOf(await get(millrace, `/v1/streams/${idOf(first)}?last_event_id=1`))).toEqual([
      400,
      'invalid_request',
    ]);
  },
);

test('detach: a client that comes back in time misses nothing, and the provider noticed nothing', async () => {
  const millrace = await startMillrace();
  const response = await millrace.post('/v1/chat', ask('mock/lorem-40+rate-100', { on_disconnect: 'detach' }));
  const before = await readUpTo(response, 6);
  await eventually(
    async () => (await (await get(millrace, '/v1/streams')).json()) as any,
    ({ data }) => data[0]?.followers === 0,
  );
  const after = await readSse(await get(millrace, `/v1/streams/${idOf(response)}`, { 'last-event-id': '6' }));
  const { end, text } = foldNative([...before, ...after]);
  expect(end.data).toMatchObject({ finish_reason: 'stop', usage: { estimated: false, output_tokens: 40 } });
  expect(text.split(' ')).toHaveLength(40);
  const [row] = await millrace.rows();
  expect(row).toMatchObject({ end_reason: 'stop', delivered_tokens: 40 });
  expect(millrace.journal.list()[0]).toMatchObject({ client_left_at: null });
});

test('detach: when nobody comes back within the grace time, the provider is left', async () => {
  const millrace = await startMillrace('providers: { mock: {} }\nstreams: { onDisconnect: detach, grace: 100ms }');
  const response = await millrace.post('/v1/chat', ask('mock/lorem-1000+rate-100'));
  await readUpTo(response, 3);
  await millrace.journal.waitFor((record) => record.client_left_at !== null);
  expect((await millrace.rows())[0]).toMatchObject({ end_reason: 'client_closed' });
  // Whoever comes too late is told how it ended.
  const { end } = foldNative(await readSse(await get(millrace, `/v1/streams/${idOf(response)}`)));
  expect(end.data.finish_reason).toBe('cancelled');
});

test('finish: the answer can be read after everybody left', async () => {
  const millrace = await startMillrace();
  const response = await millrace.post('/v1/chat', ask('mock/lorem-30+rate-300', { on_disconnect: 'finish' }));
  await readUpTo(response, 2);
  expect((await millrace.rows())[0]).toMatchObject({ end_reason: 'stop', output_tokens: 30 });
  const { text, end } = foldNative(await readSse(await get(millrace, `/v1/streams/${idOf(response)}`)));
  expect(text.split(' ')).toHaveLength(30);
  expect(end.data.finish_reason).toBe('stop');
});

test('cancel: the stream goes on as long as anybody follows it', async () => {
  const millrace = await startMillrace();
  const controller = new AbortController();
  const response = await millrace.post('/v1/chat', ask('mock/lorem-60+rate-100'), { signal: controller.signal });
  const follower = readSse(await get(millrace, `/v1/streams/${idOf(response)}`));
  controller.abort();
  expect(foldNative(await follower).end.data.finish_reason).toBe('stop');
  const second = await millrace.post('/v1/chat', ask('mock/lorem-1000+rate-100'));
  const [one, other] = [second, await get(millrace, `/v1/streams/${idOf(second)}`)];
  await Promise.all([readUpTo(one, 3), readUpTo(other, 3)]);
  await millrace.journal.waitFor((record) => record.client_left_at !== null);
  expect((await millrace.rows())[0]).toMatchObject({ end_reason: 'client_closed' });
});

test('the resume URL opens its stream without a key, and no other; so it stops it', async () => {
  const hash = `sha256:${createHash('sha256').update('secret').digest('hex')}`;
  const millrace = await startMillrace(`providers: { mock: {} }\nkeys: [{ name: web, hash: "${hash}" }]`);
  const auth = { headers: { authorization: 'Bearer secret' } };
  const streams = [];
  for (let n = 0; n < 2; n++) {
    const response = await millrace.post('/v1/chat', ask('mock/lorem-500+rate-100'), auth);
    const [start] = await readUpTo(response.clone(), 1);
    streams.push({ response, url: JSON.parse(start!.data).resume_url as string });
  }
  const [one, two] = streams as [(typeof streams)[0], (typeof streams)[0]];
  const token = one.url.split('?')[1]!;
  expect((await get(millrace, `/v1/streams/${idOf(two.response)}?${token}`)).status).toBe(401);
  expect(
    (
      await get(
        millrace,
        one.url.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A')),
      )
    ).status,
  ).toBe(401);
  expect((await get(millrace, `/v1/streams/${idOf(one.response)}`)).status).toBe(401);
  const followed = readSse(await get(millrace, `${one.url}&last_event_id=1`));
  expect((await fetch(millrace.url + one.url, { method: 'DELETE' })).status).toBe(200);
  expect((await followed).at(-1)!.data).toContain('"cancelled"');
  await fetch(millrace.url + two.url, { method: 'DELETE' });
});

test('a stream belongs to its key: others are told that there is none, and list their own', async () => {
  const hash = (key: string) => `sha256:${createHash('sha256').update(key).digest('hex')}`;
  const millrace = await startMillrace(`
providers: { mock: {} }
keys:
  - { name: ann, hash: "${hash('ann')}" }
  - { name: bob, hash: "${hash('bob')}" }
  - { name: ops, hash: "${hash('ops')}", admin: true }
`);
  const as = (key: string) => ({ authorization: `Bearer ${key}` });
  const response = await millrace.post('/v1/chat', ask('mock/lorem-1000+rate-100'), { headers: as('ann') });
  const path = `/v1/streams/${idOf(response)}`;
  expect(await codeOf(await get(millrace, path, as('bob')))).toEqual([404, 'stream_not_found']);
  expect(await codeOf(await get(millrace, '/v1/streams/str_unknown', as('bob')))).toEqual([404, 'stream_not_found']);
  const list = async (key: string) => ((await (await get(millrace, '/v1/streams', as(key))).json()) as any).data;
  expect(await list('bob')).toEqual([]);
  for (const key of ['ann', 'ops']) {
    expect(await list(key)).toEqual([
      {
        stream_id: idOf(response),
        key: 'ann',
        model: 'mock/lorem-1000+rate-100',
        door: 'native',
        started_at: expect.stringMatching(/^\d{4}-.*Z$/),
        followers: 1,
      },
    ]);
  }
  const controller = new AbortController();
  const followed = await fetch(millrace.url + path, { headers: as('ops'), signal: controller.signal });
  expect((await list('ann'))[0].followers).toBe(2);
  expect(followed.status).toBe(200);
  controller.abort();
  await fetch(millrace.url + path, { method: 'DELETE', headers: as('ann') });
  expect(await list('ops')).toEqual([]);
});

test('too late is `stream_gone`, too early and no number are `invalid_request`', async () => {
  const millrace = await startMillrace('providers: { mock: {} }\nstreams: { retain: 200ms, buffer: 16KiB }');
  const response = await millrace.post('/v1/chat', ask('mock/lorem-2000'));
  const events = await readSse(response);
  const path = `/v1/streams/${idOf(response)}`;
  expect(await codeOf(await get(millrace, path))).toEqual([410, 'stream_gone']); // its beginning fell out
  const late = await readSse(await get(millrace, `${path}?last_event_id=${events.length - 3}`));
  expect(late).toEqual(events.slice(-3));
  expect(await codeOf(await get(millrace, `${path}?last_event_id=${events.length + 1}`))).toEqual([
    400,
    'invalid_request',
  ]);
  for (const bad of ['x', '-1', '1.5', '9'.repeat(30)]) {
    expect(await codeOf(await get(millrace, path, { 'last-event-id': bad }))).toEqual([400, 'invalid_request']);
  }
  await eventually(
    async () => (await get(millrace, `${path}?last_event_id=${events.length - 3}`)).status,
    (status) => status === 410,
  );
  expect((await fetch(millrace.url + path, { method: 'DELETE' })).status).toBe(410);
});

test('what all streams keep together is bounded: the oldest that ended goes first', async () => {
  const millrace = await startMillrace('providers: { mock: {} }\nstreams: { memory: 120KiB }');
  const ids = [];
  for (let n = 0; n < 5; n++) {
    const response = await millrace.post('/v1/chat', ask('mock/lorem-1000'));
    await response.text();
    ids.push(idOf(response));
  }
  const found = await Promise.all(ids.map(async (id) => (await get(millrace, `/v1/streams/${id}`)).status));
  expect(found).toEqual([410, 410, 410, 200, 200]); // 48 KiB each
});

function open(url: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => request(url, resolve).once('error', reject).end());
}

test('a follower that never reads is dropped alone and harms nobody', async () => {
  const millrace = await startMillrace('providers: { mock: {} }\nstreams: { buffer: 64KiB, stall: 10s }');
  const response = await millrace.post('/v1/chat', ask('mock/lorem-200000'));
  const idle = await open(`${millrace.url}/v1/streams/${idOf(response)}`);
  idle.pause();
  const dropped = new Promise((resolve) => idle.once('error', resolve));
  const { end, events } = foldNative(await readSse(response));
  expect(end.data.usage.output_tokens).toBe(200_000);
  expect(events).toHaveLength(200_002);
  expect((await millrace.rows())[0]).toMatchObject({ end_reason: 'stop', delivered_tokens: 200_000 });
  idle.resume();
  expect(await dropped).toMatchObject({ code: 'ECONNRESET' });
});

test('a follower that is slow reads the rest after the end', async () => {
  const millrace = await startMillrace('providers: { mock: {} }\nstreams: { buffer: 64MiB }');
  const response = await millrace.post('/v1/chat', ask('mock/lorem-100000'));
  const slow = await open(`${millrace.url}/v1/streams/${idOf(response)}`);
  slow.pause();
  const events = await readSse(response);
  await millrace.rows();
  let text = '';
  slow.setEncoding('utf8').on('data', (chunk) => {
    text += chunk;
  });
  slow.resume(); // it was paused by hand
  await new Promise((resolve) => slow.once('end', resolve));
  expect(await readSse(new Response(text))).toEqual(events);
});

test('a stream that failed before it began cannot be followed', async () => {
  const millrace = await startMillrace();
  const response = await millrace.post('/v1/chat', ask('mock/error-500'));
  expect(response.status).toBe(503);
  expect(((await (await get(millrace, '/v1/streams')).json()) as any).data).toEqual([]);
});

describe('Idempotency-Key', () => {
  const send = (millrace: TestMillrace, body: object, key = 'k1', path = '/v1/chat') =>
    millrace.post(path, body, { headers: { 'idempotency-key': key } });

  test('the same request sent twice, at once or later, is one stream and one bill', async () => {
    const millrace = await startMillrace();
    const body = ask('mock/lorem-20+rate-200');
    const answers = await Promise.all([send(millrace, body), send(millrace, body)]);
    expect(new Set(answers.map(idOf)).size).toBe(1);
    const [one, two] = await Promise.all(answers.map((answer) => readSse(answer)));
    expect(two).toEqual(one);
    expect(await readSse(await send(millrace, body))).toEqual(one);
    expect(await millrace.rows()).toHaveLength(1);
    expect(idOf(await send(millrace, body, 'k2'))).not.toBe(idOf(answers[0]!));
  });

  test('whole answers too', async () => {
    const millrace = await startMillrace();
    const body = ask('mock/lorem-20+rate-200', { stream: false });
    const answers = await Promise.all([send(millrace, body), send(millrace, body)]);
    const [one, two] = await Promise.all(answers.map((answer) => answer.json()));
    expect(two).toEqual(one);
    expect(await (await send(millrace, body)).json()).toEqual(one);
    expect(await millrace.rows()).toHaveLength(1);
  });

  test('another request with the same key is a conflict, in the shape of its door', async () => {
    const millrace = await startMillrace();
    await (await send(millrace, ask('mock/echo'))).text();
    expect(await codeOf(await send(millrace, ask('mock/lorem-3')))).toEqual([409, 'idempotency_conflict']);
    const other = await send(millrace, ask('mock/echo', { max_tokens: 5 }), 'k1', '/v1/messages');
    expect([other.status, ((await other.json()) as any).type]).toEqual([409, 'error']);
    expect(await millrace.rows()).toHaveLength(1);
  });

  test('what failed, was left or was stopped is done anew', async () => {
    const millrace = await startMillrace();
    const failing = ask('mock/error-after-3');
    await (await send(millrace, failing)).text();
    await (await send(millrace, failing)).text();
    const long = ask('mock/lorem-1000+rate-100');
    await readUpTo(await send(millrace, long, 'k2'), 3);
    await millrace.rows();
    const again = await send(millrace, long, 'k2');
    await fetch(`${millrace.url}/v1/streams/${idOf(again)}`, { method: 'DELETE' });
    expect(foldNative(await readSse(again)).end.data.finish_reason).toBe('cancelled');
    expect((await millrace.rows()).map(({ end_reason }) => end_reason)).toEqual([
      'cancelled',
      'client_closed',
      'upstream_unavailable',
      'upstream_unavailable',
    ]);
  });
});

test("the AI SDK's chat transport takes up the running answer of its chat, and nothing when there is none", async () => {
  const millrace = await startMillrace();
  const transport = new DefaultChatTransport({
    api: `${millrace.url}/v1/ui/chat`,
    body: { model: 'mock/lorem-40+rate-100', on_disconnect: 'detach' },
  });
  expect(await transport.reconnectToStream({ chatId: 'chat-1' })).toBeNull();
  const controller = new AbortController();
  const sent = await transport.sendMessages({
    chatId: 'chat-1',
    messages: [{ id: 'm1', role: 'user', parts: [{ type: 'text', text: 'Hi' }] }],
    abortSignal: controller.signal,
    trigger: 'submit-message',
    messageId: undefined,
  });
  await sent.getReader().read();
  controller.abort(); // the page was reloaded
  expect(await transport.reconnectToStream({ chatId: 'chat-2' })).toBeNull();
  const resumed = await transport.reconnectToStream({ chatId: 'chat-1' });
  let message: any;
  for await (message of readUIMessageStream({ stream: resumed! }));
  const [text] = message.parts.filter((part: any) => part.type === 'text');
  expect(text.text.split(' ')).toHaveLength(40);
  expect(await transport.reconnectToStream({ chatId: 'chat-1' })).toBeNull();
  expect(await millrace.rows()).toHaveLength(1);
});
