// The client against a running Millrace: what is looped over, what is folded, stopping, leaving, failing.
import { type AddressInfo, connect, createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { type ChatEvent, createClient, MillraceError, toMessage } from '../../src/client/index.ts';
import { eventually, startMillrace, type TestMillrace } from '../support/millrace.ts';

const clientOf = ({ url: baseUrl }: TestMillrace) => createClient({ baseUrl });
const hello = (model: string) => ({ model, messages: [{ role: 'user' as const, content: 'Hello there' }] });
const failure = (promise: Promise<unknown>): Promise<MillraceError> =>
  promise.then(
    () => expect.fail('did not fail'),
    (error) => error,
  );

async function collect(stream: AsyncIterable<ChatEvent>): Promise<ChatEvent[]> {
  const events: ChatEvent[] = [];
  for await (const event of stream) events.push(event);
  return events;
}

test('events come typed, in order, and fold into what a whole answer is', async () => {
  const client = clientOf(await startMillrace());
  const stream = client.chat(hello('mock/reasoning+tools'));
  const events = await collect(stream);
  expect(events[0]).toMatchObject({ type: 'start', stream_id: stream.id, provider: 'mock' });
  expect(events.at(-1)).toMatchObject({ type: 'done', finish_reason: 'tool-calls', usage: { estimated: false } });
  const whole = await client.complete(hello('mock/reasoning+tools'));
  const { stream_id, timing, ...answer } = await stream.result;
  expect(stream_id).toBe(stream.id);
  expect(timing.total_ms).toBeGreaterThan(0);
  expect(answer.reasoning).toMatch(/^The user asks/);
  const call = { id: expect.any(String), name: 'get_weather', arguments: { city: 'Paris' } };
  expect(answer.tool_calls).toEqual([call]);
  expect(whole).toEqual({ ...answer, tool_calls: [call], stream_id: expect.any(String), timing: expect.any(Object) });
});

test('the result comes without a loop, and beside one that begins later', async () => {
  const client = clientOf(await startMillrace());
  expect((await client.chat(hello('mock/echo')).result).text).toBe('Hello there');
  const stream = client.chat(hello('mock/lorem-20'));
  const { text } = await stream.result;
  const tokens = (await collect(stream)).flatMap((event) => (event.type === 'token' ? [event.text] : []));
  expect(tokens).toHaveLength(20);
  expect(tokens.join('')).toBe(text);
  expect(() => stream[Symbol.asyncIterator]()).toThrow(TypeError);
});

test('an answer goes back as a message, and the tool’s result after it', async () => {
  const millrace = await startMillrace('providers: { mock: { wire: mock, speaks: anthropic } }');
  const client = clientOf(millrace);
  const { messages } = hello('');
  const model = 'mock/reasoning+tools';
  const answer = await client.chat({ model, messages }).result;
  expect(answer.reasoning_details).toHaveLength(1);
  const [call] = answer.tool_calls;
  const next = await client.chat({
    model: 'mock/lorem-3',
    messages: [...messages, toMessage(answer), { role: 'tool', tool_call_id: call!.id, content: '21 °C' }],
  }).result;
  expect(next).toMatchObject({ text: 'Lorem ipsum dolor', finish_reason: 'stop' });
});

test('a field that the provider cannot do is named', async () => {
  const millrace = await startMillrace('providers: { mock: { wire: mock, speaks: anthropic } }');
  const stream = clientOf(millrace).chat({ ...hello('mock/echo'), seed: 7 });
  expect(stream.dropped).toEqual([]);
  await stream.result;
  expect(stream.dropped).toEqual(['seed']);
});

test('stop ends the loop with done, cancelled, and the usage', async () => {
  const millrace = await startMillrace();
  const stream = clientOf(millrace).chat(hello('mock/stall-3'));
  const events: ChatEvent[] = [];
  for await (const event of stream) {
    events.push(event);
    if (event.type === 'token' && event.text === ' dolor') void stream.stop();
  }
  expect(events.at(-1)).toMatchObject({ type: 'done', finish_reason: 'cancelled', usage: { output_tokens: 3 } });
  expect(await stream.result).toMatchObject({ text: 'Lorem ipsum dolor', finish_reason: 'cancelled' });
  await stream.stop();
  expect(await millrace.rows()).toMatchObject([{ end_reason: 'cancelled', delivered_tokens: 3 }]);
});

test('stop before the first token cuts the connection and ends the loop without a throw', async () => {
  const millrace = await startMillrace();
  const stream = clientOf(millrace).chat(hello('mock/stall-0'));
  const events = collect(stream);
  await millrace.journal.waitFor((record) => record.model === 'stall-0');
  await stream.stop();
  expect(await events).toEqual([]);
  await millrace.journal.waitFor((record) => record.client_left_at !== null);
  const error = await failure(stream.result);
  expect(error).toBeInstanceOf(MillraceError);
  expect(error).toMatchObject({ code: 'stopped', retryable: false, partial: { text: '' } });
});

test('leaving the loop ends the generation; the result says stopped and has what had come', async () => {
  const millrace = await startMillrace();
  const stream = clientOf(millrace).chat(hello('mock/stall-3'));
  for await (const event of stream) if (event.type === 'token' && event.text === ' dolor') break;
  await millrace.journal.waitFor((record) => record.client_left_at !== null);
  expect(await failure(stream.result)).toMatchObject({ code: 'stopped', partial: { text: 'Lorem ipsum dolor' } });
});

test.each(['mock/stall-0', 'mock/stall-3'])('%s: an abort rejects with the signal’s own reason', async (model) => {
  const millrace = await startMillrace();
  const caller = new AbortController();
  const stream = clientOf(millrace).chat(hello(model), { signal: caller.signal });
  const looped = failure(collect(stream));
  const result = failure(stream.result);
  await millrace.journal.waitFor((record) => record.tokens_sent === Number(model.at(-1)));
  const reason = new Error('the page was closed');
  caller.abort(reason);
  expect(await looped).toBe(reason);
  expect(await result).toBe(reason);
  await millrace.journal.waitFor((record) => record.client_left_at !== null);
});

test('a signal that was aborted before asks nothing', async () => {
  const millrace = await startMillrace();
  const signal = AbortSignal.abort(new Error('too late'));
  expect(await failure(clientOf(millrace).chat(hello('mock/echo'), { signal }).result)).toBe(signal.reason);
  expect(await failure(clientOf(millrace).complete(hello('mock/echo'), { signal }))).toBe(signal.reason);
  expect(millrace.journal.list()).toEqual([]);
});

test('a failure before the stream is thrown with its code, status, wait and field', async () => {
  const client = clientOf(await startMillrace());
  const limited = client.chat(hello('mock/error-429'));
  const error = await failure(collect(limited));
  expect(error).toBeInstanceOf(MillraceError);
  expect(error).toMatchObject({ code: 'upstream_rate_limited', status: 429, retryable: true, cost_usd: 0 });
  expect(error.retryAfter).toBeGreaterThan(0);
  expect(error.partial).toBeUndefined();
  expect(await failure(limited.result)).toBe(error);
  const wrong = client.chat({ ...hello('mock/echo'), temperature: 9 });
  expect(await failure(wrong.result)).toMatchObject({ code: 'invalid_request', status: 400, param: 'temperature' });
  expect(await failure(client.complete(hello('nobody')))).toMatchObject({ code: 'model_not_found', status: 404 });
});

test('a failure in the stream is thrown after its events, with what it cost and what had come', async () => {
  const client = clientOf(await startMillrace());
  const seen: string[] = [];
  const stream = client.chat(hello('mock/cut-3'));
  const looped = (async () => {
    for await (const event of stream) seen.push(event.type);
  })();
  expect(await failure(looped)).toMatchObject({
    code: 'upstream_truncated',
    status: 502,
    retryable: true,
    usage: { output_tokens: 3, estimated: true },
    cost_usd: expect.any(Number),
    attempts: 1,
    partial: { text: 'Lorem ipsum dolor', tool_calls: [] },
  });
  expect(seen).toEqual(['start', 'token', 'token', 'token']);
});

test('the key goes along, and models are listed', async () => {
  const hash = '2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683'; // of "key"
  const millrace = await startMillrace(
    `providers: { mock: {} }\nmodels: { fast: mock/echo }\nkeys: [{ name: web, hash: "sha256:${hash}" }]`,
  );
  expect(await failure(clientOf(millrace).models())).toMatchObject({ code: 'unauthorized', status: 401 });
  const client = createClient({ baseUrl: `${millrace.url}/`, apiKey: 'key', headers: { 'x-request-id': 'mine' } });
  expect((await client.models())[0]).toMatchObject({ id: 'fast', owned_by: 'mock' });
  const stream = client.chat(hello('mock/stall-1'));
  for await (const event of stream) if (event.type === 'token') void stream.stop();
  expect((await stream.result).finish_reason).toBe('cancelled');
});

test('a stream nobody reads holds the provider back, and is whole when it is read at last', async () => {
  const millrace = await startMillrace('providers: { mock: {} }\nstreams: { buffer: 100MiB }');
  const stream = clientOf(millrace).chat(hello('mock/lorem-200000'));
  const record = await millrace.journal.waitFor(({ tokens_sent }) => tokens_sent > 1000);
  let before = 0;
  const held = await eventually(
    async () => {
      before = record.tokens_sent;
      await new Promise((resolve) => setTimeout(resolve, 200));
      return record.tokens_sent;
    },
    (now) => now === before,
  );
  expect(held).toBeLessThan(200_000);
  let tokens = 0;
  for await (const event of stream) if (event.type === 'token') tokens++;
  expect(tokens).toBe(200_000);
});

/** Between client and server, and gone after the first kilobytes of each answer. */
async function brittle({ url }: TestMillrace) {
  let connections = 0;
  const proxy = createServer((near) => {
    connections++;
    const far = connect(Number(new URL(url).port), '127.0.0.1');
    let passed = 0;
    near.pipe(far).on('data', (chunk) => {
      passed += chunk.length;
      near.write(chunk, () => passed > 4000 && near.destroy());
    });
    near.on('close', () => far.destroy()).on('error', () => {});
    far.on('close', () => near.end()).on('error', () => {});
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void proxy.close());
  const client = createClient({ baseUrl: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}` });
  return { client, connections: () => connections };
}

test('a connection that breaks again and again loses nothing of an answer that waits for its reader', async () => {
  const millrace = await startMillrace();
  const { client, connections } = await brittle(millrace);
  const request = { ...hello('mock/lorem-300+rate-300'), on_disconnect: 'detach' as const };
  const { text } = await clientOf(millrace).complete(request);
  const answer = await client.chat(request).result;
  expect(answer).toMatchObject({ text, finish_reason: 'stop', usage: { output_tokens: 300, estimated: false } });
  expect(connections()).toBeGreaterThan(1);
});

test('an answer that the server ended because the connection broke is not taken for a stopped one', async () => {
  const millrace = await startMillrace();
  const { client } = await brittle(millrace);
  const request = { ...hello('mock/lorem-9000+rate-300'), on_disconnect: 'cancel' as const };
  const error = await failure(client.chat(request).result);
  expect(error).toMatchObject({ code: 'connection_lost', retryable: true, usage: { estimated: true } });
  expect(error.partial!.text).toMatch(/^Lorem ipsum/);
});
