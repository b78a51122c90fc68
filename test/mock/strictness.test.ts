import OpenAI from 'openai';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BEHAVIOURS, parseModel } from '../../src/mock/behaviours.ts';
import { sampleOf } from '../../src/mock/schema.ts';
import { type MockServer, startMock } from '../../src/mock/server.ts';
import { body, HELLO, type Json, post } from './client.ts';

let mock: MockServer;
beforeAll(async () => {
  mock = await startMock();
});
afterAll(() => mock.close());

async function refusal(sent: unknown): Promise<{ status: number; error: Json; headers: Headers }> {
  const response = await post(mock, sent);
  const { error } = (await response.json()) as Json;
  expect(Object.keys(error)).toEqual(['message', 'type', 'param', 'code']);
  return { status: response.status, error, headers: response.headers };
}

test('wrong requests are refused as the API refuses them', async () => {
  const user = (content: unknown) => [{ role: 'user', content }];
  const call = { id: 'c1', type: 'function', function: { name: 'f', arguments: '{}' } };
  const tools = [{ type: 'function', function: { name: 'f' } }];
  const cases: [unknown, param: string | null, code: string | null][] = [
    ['{"model":', null, null],
    ['', null, null],
    ['[]', null, null],
    [{ messages: HELLO }, null, null],
    [{ model: 'echo' }, 'messages', 'missing_required_parameter'],
    [{ model: 3, messages: HELLO }, 'model', 'invalid_type'],
    [body('echo', { messages: 'hi' }), 'messages', 'invalid_type'],
    [body('echo', { messages: [] }), 'messages', 'empty_array'],
    [body('echo', { messages: [{ role: 'robot', content: 'x' }] }), 'messages[0].role', 'invalid_value'],
    [body('echo', { messages: [{ content: 'x' }] }), 'messages[0].role', 'missing_required_parameter'],
    [body('echo', { messages: [{ role: 'user' }] }), 'messages[0].content', 'missing_required_parameter'],
    [body('echo', { messages: user(7) }), 'messages[0].content', 'invalid_type'],
    [body('echo', { messages: user([{ type: 'text' }]) }), 'messages[0].content[0].text', 'missing_required_parameter'],
    [body('echo', { messages: user([{ type: 'video' }]) }), 'messages[0].content[0].type', 'invalid_value'],
    [body('echo', { messages: [{ role: 'assistant', content: null }] }), 'messages.[0].content', 'invalid_value'],
    [
      body('echo', { messages: [{ role: 'tool', tool_call_id: 'c1', content: 'x' }] }),
      'messages.[0].role',
      'invalid_value',
    ],
    [body('echo', { messages: [{ role: 'assistant', tool_calls: [call] }] }), 'messages.[1].role', 'invalid_value'],
    [body('echo', { temperature: 3 }), 'temperature', 'integer_above_max_value'],
    [body('echo', { top_p: -0.5 }), 'top_p', 'decimal_below_min_value'],
    [body('echo', { temperature: 'hot' }), 'temperature', 'invalid_type'],
    [body('echo', { max_tokens: 0 }), 'max_tokens', 'integer_below_min_value'],
    [body('echo', { max_tokens: 1.5 }), 'max_tokens', 'invalid_type'],
    [body('echo', { n: 129 }), 'n', 'integer_above_max_value'],
    [body('echo', { stop: ['a', 'b', 'c', 'd', 'e'] }), 'stop', 'array_above_max_length'],
    [body('echo', { stream: 'yes' }), 'stream', 'invalid_type'],
    [body('echo', { prompt: {} }), 'prompt', 'unknown_parameter'],
    [body('echo', { stream_options: { usage: true } }), 'stream_options.usage', 'unknown_parameter'],
    [body('echo', { stream: false, stream_options: { include_usage: true } }), 'stream_options', 'invalid_value'],
    [body('echo', { max_tokens: 1, max_completion_tokens: 1 }), 'max_tokens', 'invalid_value'],
    [body('echo', { tool_choice: 'auto' }), 'tool_choice', 'invalid_value'],
    [body('echo', { parallel_tool_calls: true }), 'parallel_tool_calls', 'invalid_value'],
    [
      body('echo', { tools: [{ type: 'function', function: { name: 'a b' } }] }),
      'tools[0].function.name',
      'invalid_value',
    ],
    [body('echo', { tools: [] }), 'tools', 'empty_array'],
    [
      body('echo', { tools, tool_choice: { type: 'function', function: { name: 'g' } } }),
      'tool_choice',
      'invalid_value',
    ],
    [body('echo', { tools, tool_choice: 'some' }), 'tool_choice', 'invalid_value'],
    [body('echo', { top_logprobs: 2 }), 'top_logprobs', 'invalid_value'],
    [body('echo', { response_format: { type: 'xml' } }), 'response_format.type', 'invalid_value'],
    [body('echo', { response_format: { type: 'json_object' } }), 'messages', 'invalid_value'],
    [
      body('echo', { response_format: { type: 'json_schema', json_schema: { schema: {} } } }),
      'response_format.json_schema.name',
      'missing_required_parameter',
    ],
  ];
  for (const [sent, param, code] of cases) {
    const { status, error } = await refusal(sent);
    expect({ sent, status, param: error.param, code: error.code, type: error.type }).toEqual({
      sent,
      status: 400,
      param,
      code,
      type: 'invalid_request_error',
    });
    expect(error.message).not.toBe('');
  }
});

test('all that the API knows is taken', async () => {
  const everything = body('lorem-1', {
    messages: [
      { role: 'developer', content: 'Answer in JSON.' },
      { role: 'user', content: 'hi', name: 'ada' },
      {
        role: 'assistant',
        content: null,
        refusal: null,
        tool_calls: [
          { id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } },
          { id: 'b', type: 'function', function: { name: 'f', arguments: '{}' } },
        ],
      },
      { role: 'tool', tool_call_id: 'b', content: [{ type: 'text', text: '2' }] },
      { role: 'tool', tool_call_id: 'a', content: '1' },
    ],
    stream_options: { include_usage: true, include_obfuscation: false },
    temperature: 1,
    top_p: 0.5,
    max_completion_tokens: 5,
    stop: null,
    seed: 1,
    n: 1,
    tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'object' }, strict: true } }],
    tool_choice: { type: 'allowed_tools', allowed_tools: { mode: 'auto', tools: [{ type: 'function', name: 'f' }] } },
    parallel_tool_calls: false,
    response_format: { type: 'json_object' },
    reasoning_effort: 'low',
    logprobs: true,
    top_logprobs: 1,
    presence_penalty: 0,
    frequency_penalty: 0,
    logit_bias: { '50256': -100 },
    user: 'u',
    metadata: { a: 'b' },
    store: false,
    service_tier: 'auto',
    verbosity: 'low',
    prompt_cache_key: 'k',
    safety_identifier: 's',
  });
  const response = await post(mock, everything);
  expect([response.status, response.ok ? '' : await response.text()]).toEqual([200, '']);
});

test('unknown models and contradictions are models that do not exist', async () => {
  for (const model of [
    'gpt-5',
    '',
    'lorem',
    'lorem-',
    'lorem-1e3',
    'echo+lorem-3',
    'cut-1+end-2',
    'echo+',
    'rate-0',
    'error-399',
    'error-600',
    'crlf+crlf',
    'reasoning+reasoning-3',
  ]) {
    const { status, error } = await refusal(body(model));
    expect({ model, status, code: error.code }).toEqual({ model, status: 404, code: 'model_not_found' });
  }
});

test('error statuses have the bodies of the API', async () => {
  const cases: [model: string, status: number, type: string, code: string | null][] = [
    ['error-400', 400, 'invalid_request_error', null],
    ['error-401', 401, 'invalid_request_error', 'invalid_api_key'],
    ['error-404', 404, 'invalid_request_error', 'model_not_found'],
    ['error-418', 418, 'invalid_request_error', null],
    ['error-429', 429, 'requests', 'rate_limit_exceeded'],
    ['error-500', 500, 'server_error', null],
    ['error-503', 503, 'server_error', null],
    ['error-529', 529, 'server_error', null],
    ['error-context', 400, 'invalid_request_error', 'context_length_exceeded'],
    ['error-filter', 400, 'invalid_request_error', 'content_filter'],
  ];
  for (const [model, status, type, code] of cases) {
    const refused = await refusal(body(model));
    expect([model, refused.status, refused.error.type, refused.error.code]).toEqual([model, status, type, code]);
    expect(refused.headers.get('x-request-id')).toMatch(/^req_/);
  }
  const { headers } = await refusal(body('error-429'));
  expect(headers.get('retry-after')).toBe('1');
  expect(headers.get('x-ratelimit-remaining-requests')).toBe('0');
});

test('other paths and methods are refused', async () => {
  expect((await fetch(`${mock.url}/chat/completions`)).status).toBe(405);
  expect((await fetch(`${mock.url}/models`, { method: 'POST' })).status).toBe(405);
  expect((await fetch(`${mock.url}/completions`, { method: 'POST', body: '{}' })).status).toBe(404);
  expect((await fetch(`http://127.0.0.1:${mock.port}/_mock/requests`, { method: 'POST' })).status).toBe(405);
});

test('a body beyond all measure is refused', async () => {
  const { status } = await refusal(`"${'x'.repeat(65 * 1024 * 1024)}"`);
  expect(status).toBe(413);
});

test('the list of models names every behaviour, and each name on it is a model', async () => {
  const { object, data } = (await (await fetch(`${mock.url}/models`)).json()) as Json;
  expect(object).toBe('list');
  expect(data.length).toBe(BEHAVIOURS.length);
  for (const { id } of data) expect(parseModel(id)).toHaveProperty('plan');
});

test('the vendor’s own SDK reads it', async () => {
  const client = new OpenAI({ baseURL: mock.url, apiKey: 'mock', maxRetries: 0 });
  const runner = client.chat.completions.stream({
    model: 'tools-2',
    messages: [{ role: 'user', content: 'hi' }],
    stream_options: { include_usage: true },
  });
  const completion = await runner.finalChatCompletion();
  const [call] = completion.choices[0]!.message.tool_calls!;
  expect(call).toMatchObject({ function: { name: 'get_weather', arguments: '{"city":"Paris"}' } });
  expect(completion.usage!.completion_tokens).toBeGreaterThan(2);
  const failing = client.chat.completions.create({ model: 'error-429', messages: [{ role: 'user', content: 'hi' }] });
  await expect(failing).rejects.toThrow(OpenAI.RateLimitError);
});

test('schemas are satisfied by the smallest value', () => {
  const cases: [schema: Record<string, unknown>, value: unknown][] = [
    [{ const: 5 }, 5],
    [{ type: ['string', 'null'] }, 'value'],
    [{ anyOf: [{ type: 'null' }, { type: 'string' }] }, null],
    [{ type: 'number', exclusiveMinimum: 10 }, 10.5],
    [{ type: 'integer', maximum: -3 }, -3],
    [{ type: 'integer', multipleOf: 5, minimum: 7 }, 10],
    [{ type: 'string', maxLength: 2 }, 'va'],
    [{ type: 'array', minItems: 2, items: { type: 'boolean' } }, [true, true]],
    [{ type: 'array', maxItems: 0 }, []],
    [{ allOf: [{ properties: { a: { type: 'integer' } }, required: ['a'] }] }, { a: 1 }],
    [{ type: 'object', properties: { a: {} } }, {}],
    [{ $ref: '#/definitions/x~1y', definitions: { 'x/y': { example: 'here' } } }, 'here'],
  ];
  for (const [schema, value] of cases) expect(sampleOf(schema)).toEqual(value);
  const endless = { type: 'object', properties: { next: { $ref: '#' } }, required: ['next'] };
  expect(JSON.stringify(sampleOf(endless)).length).toBeLessThan(1000);
});
