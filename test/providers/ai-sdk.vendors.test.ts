// Two real packages end to end over real sockets: one whose API is nearly Chat Completions, against the mock; one with an API of its
// own, against a server that speaks it. What they send, what they make of an answer, refusals, cuts and leaving.
// https://docs.cohere.com/v2/reference/chat-stream
import type { ServerResponse } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import type { Provider } from '../../src/core/contracts.ts';
import type { StreamEvent } from '../../src/core/events.ts';
import { type MockServer, startMock } from '../../src/mock/server.ts';
import { fold } from '../support/decode.ts';
import { startServer } from '../support/upstream.ts';
import { type Asked, ask, providerOf, textOf } from './ai-sdk.folder.ts';

const weather = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'Weather of a city.',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
};

/** The second turn, as a client makes it from the events of the first. */
function continued(events: StreamEvent[], result: string) {
  const calls = fold(events).calls;
  const tool_calls = calls.map((call) => ({
    id: call.id,
    type: 'function',
    function: { name: call.name, arguments: JSON.stringify('arguments' in call ? call.arguments : {}) },
  }));
  return [
    { role: 'user', content: 'Weather in Oslo?' },
    { role: 'assistant', content: textOf(events), tool_calls, reasoning_details: fold(events).details },
    ...calls.map(({ id }) => ({ role: 'tool', tool_call_id: id, content: result })),
  ];
}

// ---- against the mock -----------------------------------------------------------------------------------------------

async function mistral(config: { drop?: string[] } = {}): Promise<{ mock: MockServer; provider: Provider }> {
  const mock = await startMock();
  onTestFinished(() => mock.close());
  const apiKey = 'sk-mock-0123456789';
  return { mock, provider: await providerOf({ package: '@ai-sdk/mistral', baseUrl: mock.url, apiKey, ...config }) };
}

test('text comes through, and the request is what the package makes of it', async () => {
  const { mock, provider } = await mistral();
  const request = { temperature: 0.5, max_tokens: 50, messages: [{ role: 'user', content: 'Grüße 😀' }] };
  const asked = await ask(provider, request, 'echo');
  const events = await asked.ended;
  expect(textOf(events)).toBe('Grüße 😀');
  expect(events.at(-1)).toEqual({ type: 'done', finishReason: 'stop' });
  expect(asked.sent()).toBe(1);
  const [record] = mock.journal.list();
  expect(record).toMatchObject({ method: 'POST', path: '/v1/chat/completions' });
  expect(record!.headers.authorization).toMatch(/^Bearer .*6789$/);
  expect(record!.body).toEqual({
    model: 'echo',
    messages: [{ role: 'user', content: [{ type: 'text', text: 'Grüße 😀' }] }],
    temperature: 0.5,
    max_tokens: 50,
    stream: true,
  });
});

test('tools and their results go there and back', async () => {
  const { provider } = await mistral();
  const first = await (await ask(provider, { tools: [weather], tool_choice: 'auto' }, 'tools-2')).ended;
  const calls = fold(first).calls;
  expect(calls).toHaveLength(2);
  expect(calls[0]).toMatchObject({ index: 0, name: 'get_weather', arguments: { city: expect.any(String) } });
  expect(first.at(-1)).toEqual({ type: 'done', finishReason: 'tool-calls' });
  const messages = continued(first, '7 degrees');
  const second = await (await ask(provider, { tools: [weather], messages }, 'tools')).ended;
  expect(textOf(second)).toContain('7 degrees');
  expect(second.at(-1)).toEqual({ type: 'done', finishReason: 'stop' });
});

test('a schema for the answer reaches the model', async () => {
  const { provider } = await mistral();
  const schema = {
    type: 'object',
    properties: { a: { type: 'string' } },
    required: ['a'],
    additionalProperties: false,
  };
  const response_format = { type: 'json_schema', json_schema: { name: 's', schema } };
  const events = await (await ask(provider, { response_format }, 'json')).ended;
  expect(JSON.parse(textOf(events))).toEqual({ a: expect.any(String) });
});

test('a field that an API refuses is left out by config', async () => {
  const strict = await mistral();
  await expect(ask(strict.provider, { seed: 1 }, 'echo')).rejects.toMatchObject({
    code: 'invalid_request',
    message: expect.stringContaining('random_seed'),
  });
  const { provider } = await mistral({ drop: ['seed'] });
  expect(textOf(await (await ask(provider, { seed: 1 }, 'echo')).ended)).toBe('Hi');
});

test.each([
  ['error-401', 'upstream_auth'],
  ['error-404', 'model_not_found'],
  ['error-429', 'upstream_rate_limited'],
  ['error-500', 'upstream_unavailable'],
  ['error-503', 'upstream_unavailable'],
])('the refusal %s is %s', async (model, code) => {
  const { mock, provider } = await mistral();
  await expect(ask(provider, {}, model)).rejects.toMatchObject({ name: 'GatewayError', code });
  expect(mock.journal.list()).toHaveLength(1); // and it is not asked again
});

test.each([
  ['cut-3', 'upstream_truncated', /closed the connection/],
  ['error-after-3', 'upstream_unavailable', /server had an error/],
  ['garbage-3', 'upstream_protocol', /cannot read/],
])('an answer that fails in the middle (%s) keeps what came before', async (model, code, words) => {
  const { provider } = await mistral();
  const events = await (await ask(provider, {}, model)).ended;
  expect(textOf(events)).toBe('Lorem ipsum dolor');
  expect(events.at(-1)).toMatchObject({ type: 'error', error: { code, message: expect.stringMatching(words) } });
});

test.each(['lorem-300', 'lorem-300+split', 'lorem-300+crlf', 'lorem-300+gzip', 'lorem-300+no-done'])(
  'however the bytes come (%s), the text is the same',
  async (model) => {
    const { provider } = await mistral();
    const want = textOf(await (await ask(provider, {}, 'lorem-300')).ended);
    const events = await (await ask(provider, {}, model)).ended;
    expect(textOf(events)).toBe(want);
    expect(events.at(-1)).toMatchObject({ type: 'done' });
  },
);

test('a server that is not there is unavailable', async () => {
  const provider = await providerOf({ package: '@ai-sdk/mistral', baseUrl: 'http://127.0.0.1:1/v1', apiKey: 'k' });
  await expect(ask(provider)).rejects.toMatchObject({ code: 'upstream_unavailable' });
});

test('leaving closes the socket, before the answer and within it', async () => {
  const { mock, provider } = await mistral();
  const asked = await ask(provider, {}, 'lorem-100000+rate-50');
  await asked.until('token');
  asked.response.abort();
  const left = await mock.journal.waitFor((record) => record.client_left_at !== null);
  expect(left.phase).not.toBe('waiting');

  const controller = new AbortController();
  const chat = { model: 'a', messages: [{ role: 'user' as const, content: 'Hi' }] };
  const waiting = provider.send(provider.request(chat, 'slow-60000').body, { signal: controller.signal, onSent() {} });
  await mock.journal.waitFor((record) => record.model === 'slow-60000');
  controller.abort(new Error('gone'));
  await expect(waiting).rejects.toThrow('gone');
  await mock.journal.waitFor((record) => record.model === 'slow-60000' && record.client_left_at !== null);
});

test('a client that is behind holds back the provider, through the package', async () => {
  const { mock, provider } = await mistral();
  const asked = await ask(provider, {}, 'lorem-2000000');
  asked.response.pause();
  const [record] = mock.journal.list();
  let before = -1;
  for (let same = 0; same < 5; before = record!.bytes_sent) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    same = record!.bytes_sent === before ? same + 1 : 0;
  }
  expect(record!.phase).toBe('streaming');
  expect(asked.events).toEqual([]);
  asked.response.abort();
});

// ---- against an API of its own --------------------------------------------------------------------------------------

type Frame = { type: string } & Record<string, unknown>;
const content = (fields: object, index = 0) => ({ index, delta: { message: { content: fields } } });
const call = (fields: object, index = 0) => ({ index, delta: { message: { tool_calls: fields } } });

const usage = { billed_units: { input_tokens: 9, output_tokens: 4 }, tokens: { input_tokens: 70, output_tokens: 12 } };
const end = (finish_reason: string) => ({ type: 'message-end', delta: { finish_reason, usage } });

const spoken: Frame[] = [
  { type: 'message-start', id: 'x', delta: { message: { role: 'assistant' } } },
  { type: 'content-start', ...content({ type: 'thinking', thinking: '' }) },
  { type: 'content-delta', ...content({ thinking: 'They greet… ' }) },
  { type: 'content-delta', ...content({ thinking: 'so do I.' }) },
  { type: 'content-end', index: 0 },
  { type: 'content-start', ...content({ type: 'text', text: '' }, 1) },
  { type: 'content-delta', ...content({ text: 'Grüße, ' }, 1) },
  { type: 'content-delta', ...content({ text: '„Welt“ 😀' }, 1) },
  { type: 'content-end', index: 1 },
  end('COMPLETE'),
];

const called: Frame[] = [
  { type: 'message-start', id: 'x', delta: { message: { role: 'assistant' } } },
  { type: 'tool-plan-delta', delta: { message: { tool_plan: 'I will look.' } } },
  {
    type: 'tool-call-start',
    ...call({ id: 'get_weather_1', type: 'function', function: { name: 'get_weather', arguments: '' } }),
  },
  { type: 'tool-call-delta', ...call({ function: { arguments: '{"city":' } }) },
  { type: 'tool-call-delta', ...call({ function: { arguments: '"Oslo"}' } }) },
  { type: 'tool-call-end', index: 0 },
  end('TOOL_CALL'),
];

const sse = (frames: Frame[]) => frames.map((frame) => `event: ${frame.type}\ndata: ${JSON.stringify(frame)}\n\n`);

/** A server of that API that answers as told, with the package that speaks to it. */
async function cohere(answer: (response: ServerResponse) => void) {
  const { seen, url } = await startServer(answer);
  const headers = { authorization: 'Bearer other', 'X-Extra': 'yes' };
  const provider = await providerOf({ package: '@ai-sdk/cohere', baseUrl: `${url}/v2`, apiKey: 'co-1', headers });
  return { provider, seen };
}

const saying = (frames: Frame[]) =>
  cohere((response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.end(sse(frames).join(''));
  });

test('text, thinking and usage', async () => {
  const { provider, seen } = await saying(spoken);
  const messages = [
    { role: 'system', content: 'Greet.' },
    { role: 'user', content: 'Hi' },
  ];
  const events = await (await ask(provider, { messages, top_p: 0.5, stop: 'x', seed: 3 }, 'command-x')).ended;
  expect(textOf(events)).toBe('Grüße, „Welt“ 😀');
  expect(events.filter(({ type }) => type === 'reasoning')).toEqual([
    { type: 'reasoning', text: 'They greet… ' },
    { type: 'reasoning', text: 'so do I.' },
  ]);
  expect(fold(events).details).toEqual([{ format: 'ai-sdk', type: 'reasoning.text', text: 'They greet… so do I.' }]);
  expect(events.slice(-2)).toMatchObject([
    { type: 'usage', usage: { input_tokens: 70, output_tokens: 12 } },
    { type: 'done', finishReason: 'stop' },
  ]);
  // The config's headers are the last word.
  expect(seen).toMatchObject([{ url: '/v2/chat', headers: { authorization: 'Bearer other', 'x-extra': 'yes' } }]);
  expect(seen[0]!.body).toEqual({ model: 'command-x', messages, p: 0.5, stop_sequences: ['x'], seed: 3, stream: true });
});

test('a tool call, and the turn after it', async () => {
  const { provider, seen } = await saying(called);
  const first = await (await ask(provider, { tools: [weather] }, 'command-x')).ended;
  expect(fold(first).calls).toEqual([
    { index: 0, id: 'get_weather_1', name: 'get_weather', arguments: { city: 'Oslo' } },
  ]);
  expect(first.at(-1)).toEqual({ type: 'done', finishReason: 'tool-calls' });
  await (await ask(provider, { tools: [weather], messages: continued(first, '7°') }, 'command-x')).ended;
  expect(seen[1]!.body).toMatchObject({
    tools: [weather],
    messages: [
      { role: 'user', content: 'Weather in Oslo?' },
      {
        role: 'assistant',
        tool_calls: [
          { id: 'get_weather_1', type: 'function', function: { name: 'get_weather', arguments: '{"city":"Oslo"}' } },
        ],
      },
      { role: 'tool', tool_call_id: 'get_weather_1', content: '7°' },
    ],
  });
});

test('how much to reason is said in the words of the API', async () => {
  const { provider, seen } = await saying(spoken);
  await (await ask(provider, { reasoning_effort: 'none' })).ended;
  await (await ask(provider, { reasoning: { effort: 'high' } })).ended;
  expect(seen.map(({ body }) => body.thinking)).toMatchObject([{ type: 'disabled' }, { type: 'enabled' }]);
});

test('media that the package cannot send are refused as the request that they are', async () => {
  const { provider, seen } = await saying(spoken);
  const file = { type: 'file', file: { file_url: 'https://example.com/a.pdf' } };
  const asking = ask(provider, { messages: [{ role: 'user', content: [file] }] });
  await expect(asking).rejects.toMatchObject({ code: 'invalid_request' });
  expect(seen).toEqual([]);
});

test.each([
  ['MAX_TOKENS', { type: 'done', finishReason: 'length' }],
  ['STOP_SEQUENCE', { type: 'done', finishReason: 'stop' }],
  ['TIMEOUT_OF_TOMORROW', { type: 'done', finishReason: 'other' }],
  ['ERROR', { type: 'error', error: { code: 'upstream_unavailable' } }],
])('an answer that ends with %s', async (reason, ending) => {
  const { provider } = await saying([...spoken.slice(0, -1), end(reason)]);
  expect((await (await ask(provider)).ended).at(-1)).toMatchObject(ending);
});

test.each<[how: string, cut: (response: ServerResponse) => void]>([
  ['closed', (response) => response.end()],
  ['torn', (response) => response.destroy()],
])('an answer that is %s too early is never a success, and gives out no call', async (_how, cut) => {
  for (const frames of [spoken, called]) {
    const whole = sse(frames).slice(0, -1).join('');
    const places = [0, ...[...whole.matchAll(/\n/g)].map(({ index }) => index + 1), whole.length - 9];
    let stopAt = 0;
    const { provider } = await cohere((response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.flushHeaders();
      response.write(whole.slice(0, stopAt) || ': nothing\n\n', () => cut(response));
    });
    for (stopAt of places) {
      const events = await (await ask(provider)).ended;
      expect(events.at(-1)).toMatchObject({ type: 'error', error: { code: 'upstream_truncated' } });
      expect(fold(events).calls).toEqual([]);
      expect('Grüße, „Welt“ 😀'.startsWith(textOf(events))).toBe(true);
    }
  }
});

test('a refusal keeps its message and how long to wait', async () => {
  const { provider } = await cohere((response) => {
    response.writeHead(429, { 'content-type': 'application/json', 'retry-after': '12' });
    response.end('{"message":"Trial keys are limited."}');
  });
  await expect(ask(provider)).rejects.toMatchObject({
    code: 'upstream_rate_limited',
    retryAfter: 12,
    message: expect.stringContaining('Trial keys are limited.'),
  });
});

test('leaving in the middle is seen by the server', async () => {
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  const { provider } = await cohere((response) => {
    response.on('close', resolve);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(sse(spoken.slice(0, 7)).join(''));
  });
  const asked: Asked = await ask(provider);
  await asked.until('token');
  asked.abort();
  await closed;
  expect(asked.events.at(-1)).toEqual({ type: 'token', text: 'Grüße, ' });
});

test('a package without its key says which it wants', async () => {
  const provider = await providerOf({ package: '@ai-sdk/cohere', baseUrl: 'http://127.0.0.1:1/v2' });
  const set = process.env.COHERE_API_KEY;
  delete process.env.COHERE_API_KEY;
  onTestFinished(() => {
    if (set !== undefined) process.env.COHERE_API_KEY = set;
  });
  await expect(ask(provider)).rejects.toMatchObject({
    code: 'upstream_auth',
    message: expect.stringContaining('COHERE_API_KEY'),
  });
});
