import { afterAll, beforeAll, expect, test } from 'vitest';
import { type MockServer, startMock } from '../../src/mock/server.ts';
import { body, calls, fold, type Json, post, stream } from './client.ts';

let mock: MockServer;
beforeAll(async () => {
  mock = await startMock();
});
afterAll(() => mock.close());

async function whole(model: string, more: object = {}): Promise<Json> {
  return (await post(mock, body(model, { stream: false, ...more }))).json();
}

const weather = {
  type: 'function',
  function: {
    name: 'look_up',
    parameters: {
      type: 'object',
      properties: {
        city: { type: 'string' },
        unit: { enum: ['celsius', 'kelvin'] },
        days: { type: 'integer', minimum: 3 },
        exact: { type: 'boolean' },
        at: { type: 'object', properties: { lat: { type: 'number' }, note: { type: 'string' } }, required: ['lat'] },
        tags: { type: 'array', items: { type: 'string', minLength: 6 } },
        spare: { type: 'string' },
      },
      required: ['city', 'unit', 'days', 'exact', 'at', 'tags'],
    },
  },
};
const clock = { type: 'function', function: { name: 'clock' } };

test('chunks have the shape that the API gives them', async () => {
  const response = await post(mock, body('lorem-2'));
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  const { chunks, marked } = fold(await response.text());
  expect(marked).toBe(true);
  const same = {
    id: expect.stringMatching(/^chatcmpl-[0-9a-f]{29}$/),
    object: 'chat.completion.chunk',
    created: expect.any(Number),
    model: 'lorem-2',
    service_tier: 'default',
    system_fingerprint: expect.any(String),
  };
  const choice = (delta: object, finish_reason: string | null = null) => [
    { index: 0, delta, logprobs: null, finish_reason },
  ];
  expect(chunks).toEqual([
    { ...same, choices: choice({ role: 'assistant', content: '', refusal: null }) },
    { ...same, choices: choice({ content: 'Lorem' }), obfuscation: expect.stringMatching(/^[0-9a-f]{1,16}$/) },
    { ...same, choices: choice({ content: ' ipsum' }), obfuscation: expect.stringMatching(/^[0-9a-f]{1,16}$/) },
    { ...same, choices: choice({}, 'stop') },
  ]);
  expect(new Set(chunks.map((chunk) => chunk.id)).size).toBe(1);
  const plain = await post(mock, { ...body('lorem-2'), stream_options: { include_obfuscation: false } });
  expect(fold(await plain.text()).chunks.filter((chunk) => 'obfuscation' in chunk)).toEqual([]);
});

test('echo says exactly what the user said, however odd, in more than one delta', async () => {
  for (const text of [
    '  two  spaces\n\nand\ttabs ',
    'Grüße 👩‍👩‍👧 日本語の長い文章です。',
    'a'.repeat(1000),
    '"\\\u2028\r\n',
    '',
  ]) {
    const streamed = await stream(mock, 'echo', { messages: [{ role: 'user', content: text }] });
    expect(streamed.text).toBe(text);
    if (text.length > 12) expect(streamed.chunks.length).toBeGreaterThan(4);
  }
});

test('echo takes the last user message, its text parts joined', async () => {
  const messages = [
    { role: 'user', content: 'first' },
    {
      role: 'user',
      content: [
        { type: 'text', text: 'one, ' },
        { type: 'image_url', image_url: { url: 'data:,' } },
        { type: 'text', text: 'two' },
      ],
    },
    { role: 'assistant', content: 'hm' },
  ];
  expect((await stream(mock, 'echo', { messages })).text).toBe('one, two');
});

test('lorem-N is N deltas and the same text each time, streamed or whole', async () => {
  const streamed = await stream(mock, 'lorem-200');
  expect(streamed.chunks.filter((chunk) => chunk.choices[0].delta.content).length).toBe(200);
  const answer = await whole('lorem-200');
  expect(answer.choices[0].message.content).toBe(streamed.text);
  expect(answer).toMatchObject({ object: 'chat.completion', model: 'lorem-200' });
  expect(answer.choices[0]).toMatchObject({ index: 0, logprobs: null, finish_reason: 'stop' });
  expect(answer.choices[0].message).toMatchObject({ role: 'assistant', refusal: null });
});

test('a hundred thousand unpaced tokens all arrive', async () => {
  const raw = await (await post(mock, body('lorem-100000'))).text();
  expect(raw.match(/"content":" ?\w/g)?.length).toBe(100_000);
  expect(raw.endsWith('data: [DONE]\n\n')).toBe(true);
});

test('usage comes when asked for, in a last chunk without choices, and is null before', async () => {
  const asked = await stream(mock, 'reasoning-4+lorem-6', { stream_options: { include_usage: true } });
  const last = asked.chunks.at(-1);
  expect(last.choices).toEqual([]);
  expect(last.usage).toMatchObject({ prompt_tokens: 5, completion_tokens: 10, total_tokens: 15 });
  expect(last.usage.completion_tokens_details.reasoning_tokens).toBe(4);
  expect(asked.chunks.slice(0, -1).every((chunk) => chunk.usage === null)).toBe(true);
  const unasked = await stream(mock, 'lorem-6');
  expect(unasked.chunks.some((chunk) => 'usage' in chunk)).toBe(false);
  expect((await whole('lorem-6')).usage).toMatchObject({ prompt_tokens: 5, completion_tokens: 6 });
});

test('usage can be withheld, or come in the finish chunk', async () => {
  const options = { stream_options: { include_usage: true } };
  expect((await stream(mock, 'no-usage', options)).chunks.some((chunk) => 'usage' in chunk)).toBe(false);
  expect(await whole('no-usage')).not.toHaveProperty('usage');
  const { chunks } = await stream(mock, 'lorem-3+usage-finish', options);
  expect(chunks.at(-1).choices[0].finish_reason).toBe('stop');
  expect(chunks.at(-1).usage.completion_tokens).toBe(3);
});

test('reasoning comes before the text', async () => {
  const streamed = await stream(mock, 'reasoning+lorem-3');
  expect(streamed.reasoning).toMatch(/^The user/);
  expect(streamed.text).toBe('Lorem ipsum dolor');
  const kinds = streamed.chunks.slice(1).flatMap((chunk) => Object.keys(chunk.choices[0].delta));
  expect(kinds).toEqual([...Array(12).fill('reasoning_content'), 'content', 'content', 'content']);
  expect((await whole('reasoning+lorem-3')).choices[0].message).toMatchObject({
    reasoning_content: streamed.reasoning,
    content: streamed.text,
  });
});

test('tools calls the first tool with arguments that fit its schema, in several deltas', async () => {
  const streamed = await stream(mock, 'tools', { tools: [weather, clock] });
  const [call, ...others] = calls(streamed);
  expect(others).toEqual([]);
  expect(call!.name).toBe('look_up');
  expect(call!.id).toMatch(/^call_/);
  expect(JSON.parse(call!.arguments)).toEqual({
    city: 'city',
    unit: 'celsius',
    days: 3,
    exact: true,
    at: { lat: 0.5 },
    tags: ['tagsxx'],
  });
  expect(streamed.finish).toBe('tool_calls');
  expect(streamed.chunks[0].choices[0].delta).toEqual({ role: 'assistant', content: null });
  expect(streamed.chunks.length).toBeGreaterThan(6);
  const answer = await whole('tools', { tools: [weather] });
  expect(answer.choices[0].message.content).toBe(null);
  expect(answer.choices[0].message.tool_calls[0].function).toEqual({ name: 'look_up', arguments: call!.arguments });
});

test('tools obeys tool_choice, and asks for the weather when it was given no tool', async () => {
  const tools = [weather, clock];
  const named = await stream(mock, 'tools', { tools, tool_choice: { type: 'function', function: { name: 'clock' } } });
  expect(calls(named)[0]!.name).toBe('clock');
  const none = await stream(mock, 'tools', { tools, tool_choice: 'none' });
  expect(calls(none)).toEqual([]);
  expect(none.finish).toBe('stop');
  const [free] = calls(await stream(mock, 'tools'));
  expect([free!.name, free!.arguments]).toEqual(['get_weather', '{"city":"Paris"}']);
});

test('tools-2 calls two tools in parallel unless that is forbidden', async () => {
  const tools = [weather, clock];
  const two = await stream(mock, 'tools-2', { tools });
  expect(calls(two).map((call) => call.name)).toEqual(['look_up', 'clock']);
  const one = await stream(mock, 'tools-2', { tools, parallel_tool_calls: false });
  expect(calls(one).length).toBe(1);
  const flat = await stream(mock, 'tools-2+index0', { tools });
  const deltas = flat.chunks.flatMap((chunk) => chunk.choices[0].delta.tool_calls ?? []);
  expect(new Set(deltas.map((delta) => delta.index))).toEqual(new Set([0]));
  expect(new Set(deltas.flatMap((delta) => delta.id ?? [])).size).toBe(2);
});

test('after a tool result, tools answers with text that quotes it', async () => {
  const messages = [
    { role: 'user', content: 'weather?' },
    {
      role: 'assistant',
      content: null,
      tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'look_up', arguments: '{}' } }],
    },
    { role: 'tool', tool_call_id: 'call_1', content: '{"sky":"blue"}' },
  ];
  const streamed = await stream(mock, 'tools', { tools: [weather], messages });
  expect(streamed.text).toContain('{"sky":"blue"}');
  expect(streamed.chunks[0].choices[0].delta.content).toBe('');
  expect(streamed.finish).toBe('stop');
});

test('json fits the schema of response_format', async () => {
  const schema = {
    type: 'object',
    properties: { who: { $ref: '#/$defs/person' }, mail: { type: 'string', format: 'email' } },
    required: ['who', 'mail'],
    $defs: { person: { type: 'object', properties: { age: { type: 'integer' } }, required: ['age'] } },
  };
  const response_format = { type: 'json_schema', json_schema: { name: 'reply', schema } };
  const { text } = await stream(mock, 'json', { response_format });
  expect(JSON.parse(text)).toEqual({ who: { age: 1 }, mail: 'ada@example.com' });
  expect(JSON.parse((await stream(mock, 'json')).text)).toEqual({ answer: 'lorem' });
});

test('a refusal is no content', async () => {
  const streamed = await stream(mock, 'refusal');
  expect([streamed.text, streamed.refusal]).toEqual(['', "I'm sorry, but I can't help with that."]);
  expect((await whole('refusal')).choices[0].message).toMatchObject({ content: null, refusal: streamed.refusal });
});

test('huge-N is one delta of N bytes', async () => {
  const { chunks, text } = await stream(mock, 'huge-300000');
  expect(text.length).toBe(300_000);
  expect(chunks.length).toBe(3);
});

test('token limits cut the answer with finish length, stop sequences end it', async () => {
  for (const limit of [{ max_tokens: 3 }, { max_completion_tokens: 3 }]) {
    const { text, finish } = await stream(mock, 'lorem-10', limit);
    expect([text, finish]).toEqual(['Lorem ipsum dolor', 'length']);
  }
  expect((await stream(mock, 'lorem-3', { max_tokens: 3 })).finish).toBe('stop');
  const stopped = await stream(mock, 'lorem-10', { stop: ['never', 'sum do'] });
  expect([stopped.text, stopped.finish]).toEqual(['Lorem ip', 'stop']);
  expect((await whole('lorem-10', { stop: ' dolor' })).choices[0].message.content).toBe('Lorem ipsum');
  expect((await stream(mock, 'tools', { max_tokens: 2 })).finish).toBe('length');
});

test('the finish reason can be told', async () => {
  expect((await stream(mock, 'length')).finish).toBe('length');
  expect((await stream(mock, 'filter')).finish).toBe('content_filter');
  const none = await stream(mock, 'no-finish');
  expect([none.finish, none.marked]).toEqual([null, true]);
  expect((await whole('no-finish')).choices[0].finish_reason).toBe(null);
});

test('n choices come interleaved, each with a text of its own', async () => {
  const raw = await (await post(mock, body('lorem-3', { n: 2, stream_options: { include_usage: true } }))).text();
  const first = fold(raw, 0);
  const second = fold(raw, 1);
  expect(first.text).toBe('Lorem ipsum dolor');
  expect(second.text).not.toBe(first.text);
  expect([first.finish, second.finish]).toEqual(['stop', 'stop']);
  expect(first.usage.completion_tokens).toBe(6);
  const order = first.chunks.flatMap((chunk) => chunk.choices.map((choice: Json) => choice.index));
  expect(order).toEqual([0, 1, 0, 1, 0, 1, 0, 1, 0, 1]);
  expect((await whole('lorem-3', { n: 3 })).choices.map((choice: Json) => choice.index)).toEqual([0, 1, 2]);
});

test('logprobs come with each token', async () => {
  const { chunks } = await stream(mock, 'lorem-2', { logprobs: true, top_logprobs: 2 });
  const [token] = chunks[1].choices[0].logprobs.content;
  expect(token).toMatchObject({ token: 'Lorem', bytes: [...Buffer.from('Lorem')] });
  expect(token.logprob).toBeLessThan(0);
  expect(token.top_logprobs.length).toBe(2);
  expect((await whole('lorem-2', { logprobs: true })).choices[0].logprobs.content.length).toBe(2);
});
