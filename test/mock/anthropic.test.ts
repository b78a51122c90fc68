import Anthropic from '@anthropic-ai/sdk';
import { createParser } from 'eventsource-parser';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type MockServer, startMock } from '../../src/mock/server.ts';
import type { Json } from './client.ts';

let mock: MockServer;
let client: Anthropic;
beforeAll(async () => {
  mock = await startMock();
  client = new Anthropic({ baseURL: mock.origin, apiKey: 'mock', maxRetries: 0 });
});
afterAll(() => mock.close());

const HELLO = [{ role: 'user' as const, content: 'Say hello to the world' }];
const weather = {
  name: 'look_up',
  input_schema: {
    type: 'object' as const,
    properties: { city: { type: 'string' }, days: { type: 'integer' } },
    required: ['city', 'days'],
  },
};
const clock = { name: 'clock', input_schema: { type: 'object' as const } };
const KEY = { 'x-api-key': 'sk-ant-mock', 'anthropic-version': '2023-06-01' };

function post(body: unknown, headers: Record<string, string> = KEY): Promise<Response> {
  return fetch(`${mock.url}/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

function body(model: string, more: object = {}): Record<string, unknown> {
  return { model, max_tokens: 4000, messages: HELLO, stream: true, ...more };
}

async function events(model: string, more: object = {}): Promise<{ event: string; data: Json }[]> {
  const found: { event: string; data: Json }[] = [];
  const parser = createParser({
    onEvent: ({ event, data }) => found.push({ event: event!, data: JSON.parse(data) }),
  });
  parser.feed(await (await post(body(model, more))).text());
  return found;
}

function say(model: string, more: object = {}): Promise<Anthropic.Message> {
  return client.messages.stream({ model, max_tokens: 4000, messages: HELLO, ...more }).finalMessage();
}

async function refusal(
  sent: unknown,
  headers?: Record<string, string>,
): Promise<{ status: number; type: string; message: string }> {
  const response = await post(sent, headers);
  const answer = (await response.json()) as Json;
  expect([answer.type, answer.request_id]).toEqual(['error', response.headers.get('request-id')]);
  return { status: response.status, ...answer.error };
}

// ---- answers --------------------------------------------------------------------------------------------------------

test('events come in the order and with the fields that the API gives them', async () => {
  const found = await events('reasoning-2+lorem-2');
  expect(found.every(({ event, data }) => event === data.type)).toBe(true);
  const [start, ...rest] = found.map(({ data }) => data);
  expect(start.message).toEqual({
    id: expect.stringMatching(/^msg_/),
    type: 'message',
    role: 'assistant',
    model: 'reasoning-2+lorem-2',
    content: [],
    stop_reason: null,
    stop_sequence: null,
    stop_details: null,
    usage: {
      input_tokens: 5,
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 0,
      cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 },
      output_tokens: 1,
      service_tier: 'standard',
      inference_geo: 'not_available',
    },
  });
  const delta = (index: number, fields: object) => ({ type: 'content_block_delta', index, delta: fields });
  expect(rest).toEqual([
    { type: 'content_block_start', index: 0, content_block: { type: 'thinking', thinking: '', signature: '' } },
    { type: 'ping' },
    delta(0, { type: 'thinking_delta', thinking: 'The' }),
    delta(0, { type: 'thinking_delta', thinking: ' user' }),
    delta(0, { type: 'signature_delta', signature: expect.any(String) }),
    { type: 'content_block_stop', index: 0 },
    { type: 'content_block_start', index: 1, content_block: { type: 'text', text: '' } },
    delta(1, { type: 'text_delta', text: 'Lorem' }),
    delta(1, { type: 'text_delta', text: ' ipsum' }),
    { type: 'content_block_stop', index: 1 },
    {
      type: 'message_delta',
      delta: { stop_reason: 'end_turn', stop_sequence: null, stop_details: null },
      usage: {
        input_tokens: 5,
        cache_creation_input_tokens: 0,
        cache_read_input_tokens: 0,
        output_tokens: 4,
        output_tokens_details: { thinking_tokens: 2 },
      },
    },
    { type: 'message_stop' },
  ]);
});

test('a message is the same streamed and whole', async () => {
  for (const model of ['lorem-20', 'reasoning-3+lorem-2', 'refusal', 'length', 'huge-5000', 'lorem-0']) {
    const { id, parsed_output, ...streamed } = (await say(model)) as Json;
    const { id: _, ...whole } = await client.messages.create({ model, max_tokens: 4000, messages: HELLO });
    expect(whole).toEqual(streamed);
  }
});

test('tools are called in blocks of their own, with arguments that fit', async () => {
  const message = await say('tools-2', { tools: [weather, clock] });
  const input = { city: 'city', days: 1 };
  expect(message.content).toMatchObject([
    { type: 'tool_use', id: expect.stringMatching(/^toolu_/), name: 'look_up', input },
    { type: 'tool_use', id: expect.stringMatching(/^toolu_/), name: 'clock', input: {} },
  ]);
  expect(message.stop_reason).toBe('tool_use');
  const one = { tool_choice: { type: 'auto', disable_parallel_tool_use: true }, tools: [weather, clock] };
  expect((await say('tools-2', one)).content.length).toBe(1);
  const named = await say('tools', { tool_choice: { type: 'tool', name: 'clock' }, tools: [weather, clock] });
  expect(named.content).toMatchObject([{ name: 'clock' }]);
  const none = await say('tools', { tool_choice: { type: 'none' }, tools: [weather] });
  expect([none.content[0]!.type, none.stop_reason]).toEqual(['text', 'end_turn']);
  const cut = await client.messages.create({ model: 'tools', max_tokens: 2, messages: HELLO, tools: [weather] });
  expect(cut).toMatchObject({ stop_reason: 'max_tokens', content: [{ type: 'tool_use', input: {} }] });
});

test('thinking survives a round trip with tools, and only unchanged', async () => {
  const model = 'reasoning-4+tools-2';
  const thinking = { type: 'enabled', budget_tokens: 1024 };
  const tools = [weather, clock];
  const first = await say(model, { tools, thinking });
  const results = first.content.flatMap((block) =>
    block.type === 'tool_use' ? [{ type: 'tool_result', tool_use_id: block.id, content: `sky of ${block.name}` }] : [],
  );
  const turns = (content: unknown) => [...HELLO, { role: 'assistant', content }, { role: 'user', content: results }];
  const second = await say(model, { tools, thinking, messages: turns(first.content) });
  expect(second.content).toMatchObject([
    { type: 'thinking' },
    { type: 'text', text: 'The tool answered: sky of clock' },
  ]);

  const complain = async (content: unknown, config: object = thinking) =>
    (await refusal(body(model, { tools, thinking: config, messages: turns(content) }))).message;
  const [thought, ...calls] = first.content as Json[];
  const invalid = 'messages.1.content.0: Invalid `signature` in `thinking` block';
  expect(await complain([{ ...thought, thinking: `${thought.thinking}!` }, ...calls])).toBe(invalid);
  expect(await complain([{ ...thought, signature: 'AAAA' }, ...calls])).toBe(invalid);
  expect(await complain([{ type: 'redacted_thinking', data: 'AAAA' }, ...calls])).toContain('redacted_thinking');
  expect(await complain(calls)).toMatch(
    /^messages\.1\.content\.0\.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`/,
  );
  for (const config of [{ type: 'adaptive' }, { type: 'disabled' }, undefined]) {
    const without = await post(body(model, { tools, thinking: config, messages: turns(calls) }));
    expect([config, without.status]).toEqual([config, 200]);
    await without.text();
  }
});

test('thoughts that are not to be displayed still have their signature', async () => {
  const thinking = { type: 'adaptive', display: 'omitted' };
  const message = await say('reasoning-3+lorem-1', { thinking });
  const [block] = message.content;
  expect(block).toMatchObject({ type: 'thinking', thinking: '' });
  expect(message.usage.output_tokens).toBe(4);
  const messages = [...HELLO, { role: 'assistant', content: message.content }, ...HELLO];
  expect((await say('echo', { thinking, messages })).content).toMatchObject([{ text: HELLO[0]!.content }]);
});

test('finish reasons are those of the API', async () => {
  const reasons = async (model: string, more?: object) => {
    const { stop_reason, stop_sequence } = await say(model, more);
    return [stop_reason, stop_sequence];
  };
  expect(await reasons('lorem-3')).toEqual(['end_turn', null]);
  expect(await reasons('length')).toEqual(['max_tokens', null]);
  expect(await reasons('lorem-9', { max_tokens: 3 })).toEqual(['max_tokens', null]);
  expect(await reasons('lorem-9', { stop_sequences: ['amet', ' dolor'] })).toEqual(['stop_sequence', ' dolor']);
  expect(await reasons('filter')).toEqual(['refusal', null]);
  expect(await reasons('refusal')).toEqual(['refusal', null]);
  expect(await reasons('no-finish')).toEqual([null, null]);
  expect((await say('refusal')).stop_details).toMatchObject({ type: 'refusal' });
});

test('json fits the schema of output_config', async () => {
  const schema = {
    type: 'object',
    properties: { city: { type: 'string' } },
    required: ['city'],
    additionalProperties: false,
  };
  const message = await say('json', { output_config: { format: { type: 'json_schema', schema } } });
  expect(message.content).toMatchObject([{ type: 'text', text: '{"city":"city"}' }]);
});

test('usage can be withheld, or known at the end only', async () => {
  const withheld = await events('no-usage');
  expect(JSON.stringify(withheld)).not.toContain('"usage"');
  const late = await events('lorem-3+usage-finish');
  expect(late[0]!.data.message.usage).toEqual({ input_tokens: 0, output_tokens: 0 });
  expect(late.at(-2)!.data.usage).toMatchObject({ input_tokens: 5, output_tokens: 3 });
  expect((await events('no-done')).at(-1)!.event).toBe('message_delta');
});

test('a marked prompt is written to the cache once, then read, and counted apart', async () => {
  const cache_control = { type: 'ephemeral' };
  const usage = async (system: unknown, messages: unknown = HELLO) => {
    const { input_tokens, cache_creation_input_tokens, cache_read_input_tokens } = (
      await say('lorem-1', { system, messages })
    ).usage;
    return [input_tokens, cache_creation_input_tokens, cache_read_input_tokens];
  };
  const system = [{ type: 'text', text: 'You are kind', cache_control }];
  expect(await usage([{ type: 'text', text: 'You are kind' }])).toEqual([8, 0, 0]);
  expect(await usage(system)).toEqual([5, 3, 0]);
  expect(await usage(system)).toEqual([5, 0, 3]);
  const longer = [{ role: 'user', content: [{ type: 'text', text: 'one two', cache_control }] }];
  expect(await usage(system, longer)).toEqual([0, 2, 3]);
  expect(await usage('You are not')).toEqual([8, 0, 0]);
  const { usage: hour } = await say('lorem-1', {
    system: [{ type: 'text', text: 'For long', cache_control: { type: 'ephemeral', ttl: '1h' } }],
  });
  expect(hour.cache_creation).toEqual({ ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 2 });
});

test('a failure inside the stream is an error event', async () => {
  const found = await events('error-after-2');
  expect(found.at(-1)).toMatchObject({ event: 'error', data: { error: { type: 'overloaded_error' } } });
  await expect(say('error-after-2')).rejects.toThrow('Overloaded');
  await expect(say('cut-2')).rejects.toThrow();
});

// ---- refusals -------------------------------------------------------------------------------------------------------

test('a key and a version are needed, in either header', async () => {
  const { 'x-api-key': key, 'anthropic-version': version } = KEY;
  const none = await refusal(body('echo'), { 'anthropic-version': version });
  expect(none).toMatchObject({ status: 401, type: 'authentication_error', message: 'x-api-key header is required' });
  expect((await refusal(body('echo'), { ...KEY, 'x-api-key': '' })).status).toBe(401);
  expect((await refusal(body('echo'), { authorization: 'Bearer', 'anthropic-version': version })).status).toBe(401);
  const unversioned = await refusal(body('echo'), { 'x-api-key': key });
  expect(unversioned).toMatchObject({ status: 400, message: 'anthropic-version: header is required' });
  const wrong = await refusal(body('echo'), { ...KEY, 'anthropic-version': '2024-01-01' });
  expect(wrong.message).toContain('is not a valid version');
  const bearer = await post(body('echo'), { authorization: 'Bearer sk', 'anthropic-version': version });
  expect(bearer.status).toBe(200);
});

test('sampling parameters went with version 2026-10-21', async () => {
  const latest = { ...KEY, 'anthropic-version': '2026-10-21' };
  expect((await refusal(body('echo', { temperature: 1 }), latest)).message).toBe(
    'temperature: Extra inputs are not permitted',
  );
  expect((await post(body('echo', { temperature: 1 }))).status).toBe(200);
  const document = { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'x' } };
  const messages = [...HELLO, { role: 'assistant', content: [document] }, ...HELLO];
  expect((await post(body('echo', { messages }))).status).toBe(200);
  expect((await refusal(body('echo', { messages }), latest)).message).toContain('`document` blocks');
});

const call = (id: string) => ({ type: 'tool_use', id, name: 'f', input: {} });
const result = (id: string) => ({ type: 'tool_result', tool_use_id: id, content: 'x' });
const user = (content: unknown) => ({ role: 'user', content });
const assistant = (content: unknown) => ({ role: 'assistant', content });
const image = (source: object) => ({ messages: [user([{ type: 'image', source }])] });
const objectWith = (property: object) => ({
  output_config: {
    format: {
      type: 'json_schema',
      schema: { type: 'object', additionalProperties: false, properties: { a: property } },
    },
  },
});

const WRONG: [more: object, message: string | RegExp][] = [
  [{ max_tokens: undefined }, 'max_tokens: Field required'],
  [{ messages: undefined }, 'messages: Field required'],
  [{ model: undefined }, 'model: Field required'],
  [{ model: 3 }, 'model: Input should be a valid string'],
  [{ max_tokens: 0 }, 'max_tokens: Input should be greater than or equal to 1'],
  [{ max_tokens: 1.5 }, 'max_tokens: Input should be a valid integer'],
  [{ messages: 'hi' }, 'messages: Input should be a valid list'],
  [{ messages: [] }, 'messages: at least one message is required'],
  [{ stream: 'yes' }, 'stream: Input should be a valid boolean'],
  [{ temperature: 1.5 }, 'temperature: Input should be less than or equal to 1'],
  [{ temperature: 1, top_p: 0.9 }, /cannot both be specified/],
  [{ seed: 7 }, 'seed: Extra inputs are not permitted'],
  [{ stop_sequences: [' '] }, 'stop_sequences: each stop sequence must contain non-whitespace'],
  [{ metadata: { user: 'x' } }, 'metadata.user: Extra inputs are not permitted'],
  [{ service_tier: 'flex' }, "service_tier: Input should be 'auto' or 'standard_only'"],
  [{ messages: [assistant('hi')] }, 'messages: first message must use the "user" role'],
  [{ messages: [{ role: 'tool', content: 'x' }] }, "messages.0.role: Input should be 'user', 'assistant' or 'system'"],
  [{ messages: [user('')] }, /^messages\.0: all messages must have non-empty content/],
  [{ messages: [user([])] }, /^messages\.0: all messages must have non-empty content/],
  [{ messages: [user([{ type: 'text', text: '' }])] }, 'messages: text content blocks must be non-empty'],
  [
    { messages: [user([{ type: 'text', text: ' ' }])] },
    'messages: text content blocks must contain non-whitespace text',
  ],
  [
    { messages: [user([{ type: 'text', text: 'x', name: 'y' }])] },
    'messages.0.content.0.text.name: Extra inputs are not permitted',
  ],
  [{ messages: [user([{ type: 'text' }])] }, 'messages.0.content.0.text.text: Field required'],
  [{ messages: [user([{ type: 'video' }])] }, /^messages\.0\.content\.0: Input tag 'video' found using 'type'/],
  [
    { messages: [...HELLO, { role: 'system', content: 'x' }, user('x')] },
    "messages.1: role 'system' must precede an 'assistant' message or end the array",
  ],
  [
    { messages: [...HELLO, assistant('yes ')] },
    'messages: final assistant content cannot end with trailing whitespace',
  ],
  [{ messages: [user([call('a')])] }, /`tool_use` blocks are not permitted in `user` messages/],
  [
    { messages: [...HELLO, assistant([call('a')])] },
    /^messages\.1: `tool_use` ids were found without `tool_result` blocks immediately after: a\./,
  ],
  [
    { messages: [...HELLO, assistant([call('a'), call('b')]), user([result('a')]), user([result('b')])] },
    /^messages\.1: `tool_use` ids were found without .* after: b\./,
  ],
  [
    { messages: [...HELLO, assistant([call('a')]), user([{ type: 'text', text: 'so' }, result('a')])] },
    /^messages\.1: `tool_use` ids were found without/,
  ],
  [
    { messages: [...HELLO, assistant('x'), user([result('a')])] },
    /^messages\.2\.content\.0: unexpected `tool_use_id` found in `tool_result` blocks: a\./,
  ],
  [
    { messages: [...HELLO, assistant([call('a')]), user([result('a'), result('a')])] },
    /each tool_use must have a single result/,
  ],
  [
    { messages: [...HELLO, assistant([call('a')]), user([result('a')]), assistant([call('a')]), user([result('a')])] },
    'messages: `tool_use` ids must be unique',
  ],
  [
    { messages: [...HELLO, assistant([call('a b')]), user([result('a b')])] },
    "messages.1.content.0.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'",
  ],
  [
    { tools: [{ name: 'a b', input_schema: { type: 'object' } }] },
    "tools.0.custom.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'",
  ],
  [{ tools: [{ name: 'a' }] }, 'tools.0.custom.input_schema: Field required'],
  [{ tools: [{ name: 'a', input_schema: {} }] }, 'tools.0.custom.input_schema.type: Field required'],
  [{ tools: [weather, weather] }, 'tools: Tool names must be unique.'],
  [{ tool_choice: { type: 'any' } }, /may only be specified while providing tools/],
  [{ tools: [weather], tool_choice: { type: 'tool', name: 'g' } }, "Tool 'g' not found in provided tools"],
  [
    { tools: [weather], tool_choice: 'auto' },
    'tool_choice: Input should be a valid dictionary or object to extract fields from',
  ],
  [{ tools: [{ ...weather, strict: true }] }, /^tools\.0\.custom: For 'object' type, 'additionalProperties'/],
  [
    { thinking: { type: 'enabled', budget_tokens: 100 } },
    'thinking.enabled.budget_tokens: Input should be greater than or equal to 1024',
  ],
  [
    { thinking: { type: 'enabled', budget_tokens: 4000 } },
    '`max_tokens` must be greater than `thinking.budget_tokens`.',
  ],
  [{ thinking: { type: 'enabled', budget_tokens: 2000 }, temperature: 0 }, /`temperature` may only be set to 1/],
  [
    { thinking: { type: 'enabled', budget_tokens: 2000 }, tools: [weather], tool_choice: { type: 'any' } },
    'Thinking may not be enabled when tool_choice forces tool use.',
  ],
  [objectWith({ type: 'object' }), /^output_config\.format\.schema: For 'object' type, 'additionalProperties'/],
  [objectWith({ type: 'integer', minimum: 1 }), /For 'integer' type, properties minimum are not supported/],
  [
    { messages: [user(Array(5).fill({ type: 'text', text: 'x', cache_control: { type: 'ephemeral' } }))] },
    'A maximum of 4 blocks with cache_control may be provided. Found 5.',
  ],
  [
    { system: [{ type: 'text', text: 'x', cache_control: { type: 'ephemeral', ttl: '2h' } }] },
    "system.0.cache_control.ephemeral.ttl: Input should be '5m' or '1h'",
  ],
  [image({ type: 'url', url: 'http://example.com/a.png' }), /Only HTTPS URLs are supported/],
  [image({ type: 'base64', media_type: 'image/png', data: '' }), /image cannot be empty/],
  [image({ type: 'base64', media_type: 'image/png', data: 'data:image/png;base64,AAAA' }), /invalid base64 data/],
  [
    image({ type: 'base64', media_type: 'image/bmp', data: 'AAAA' }),
    /^messages\.0\.content\.0\.image\.source\.base64\.media_type: Input should be 'image\/jpeg', /,
  ],
];

test('wrong requests are refused as the API refuses them', async () => {
  for (const [more, message] of WRONG) {
    const refused = await refusal(body('echo', more));
    expect({ more, status: refused.status, type: refused.type }).toEqual({
      more,
      status: 400,
      type: 'invalid_request_error',
    });
    if (typeof message === 'string') expect(refused.message).toBe(message);
    else expect(refused.message).toMatch(message);
  }
  expect((await refusal('{"model":')).message).toContain('not valid JSON');
});

test('all that the API knows is taken', async () => {
  const everything = body('lorem-1', {
    system: [{ type: 'text', text: 'Be kind', cache_control: { type: 'ephemeral', ttl: '1h' } }],
    messages: [
      user([
        { type: 'text', text: 'hi' },
        { type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } },
        { type: 'document', source: { type: 'base64', media_type: 'application/pdf', data: 'AAAA' }, title: 'a' },
      ]),
      user('and more'),
      assistant([{ type: 'text', text: 'hm' }, call('a'), call('b')]),
      user([{ ...result('a'), content: [{ type: 'text', text: '1' }], is_error: true }, result('b')]),
      { role: 'system', content: 'Be brief' },
      assistant('and so'),
    ],
    temperature: 0.5,
    top_k: 3,
    stop_sequences: ['x'],
    metadata: { user_id: 'u' },
    service_tier: 'auto',
    tools: [
      { ...weather, description: 'd', strict: false, cache_control: { type: 'ephemeral' } },
      { name: 'web_search', type: 'web_search_20250305', max_uses: 3 },
    ],
    tool_choice: { type: 'any', disable_parallel_tool_use: true },
    thinking: { type: 'adaptive', display: 'summarized' },
    output_config: { effort: 'low' },
  });
  const response = await post(everything);
  expect([response.status, response.ok ? '' : await response.text()]).toEqual([200, '']);
});

test('statuses have the error types of the API', async () => {
  const cases: [model: string, status: number, type: string][] = [
    ['gpt-5', 404, 'not_found_error'],
    ['error-400', 400, 'invalid_request_error'],
    ['error-401', 401, 'authentication_error'],
    ['error-403', 403, 'permission_error'],
    ['error-413', 413, 'request_too_large'],
    ['error-418', 418, 'invalid_request_error'],
    ['error-429', 429, 'rate_limit_error'],
    ['error-500', 500, 'api_error'],
    ['error-529', 529, 'overloaded_error'],
    ['error-599', 599, 'api_error'],
    ['error-context', 400, 'invalid_request_error'],
    ['error-filter', 400, 'invalid_request_error'],
  ];
  for (const [model, status, type] of cases) {
    const refused = await refusal(body(model));
    expect([model, refused.status, refused.type]).toEqual([model, status, type]);
  }
  const { headers } = await post(body('error-429'));
  expect(headers.get('retry-after')).toBe('1');
  expect(headers.get('anthropic-ratelimit-requests-remaining')).toBe('0');
  await expect(say('error-429')).rejects.toThrow(Anthropic.RateLimitError);
});
