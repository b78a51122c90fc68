// What goes out to a provider of the Messages wire: held against what the official SDK sends for the same, and field by field with
// what each generation of models takes. The conversation itself is in anthropic.messages.test.ts.
import Anthropic from '@anthropic-ai/sdk';
import { describe, expect, test } from 'vitest';
import type { ChatRequest } from '../../src/core/chat.ts';
import { type AnthropicProviderConfig, createAnthropicProvider } from '../../src/providers/anthropic/provider.ts';
import { anthropicRequest } from '../../src/providers/anthropic/request.ts';
import { createTransport } from '../../src/providers/transport.ts';
import { asked, forThisTest, hello, type Seen } from '../support/upstream.ts';

type Config = Omit<Partial<AnthropicProviderConfig>, 'name' | 'baseUrl'>;

const CURRENT = 'claude-opus-5-5';
const BUDGET = 'claude-haiku-4-5';
const tools = [{ type: 'function', function: { name: 'look', parameters: { type: 'object', properties: {} } } }];

function ask(request: object, model = CURRENT, config: Config = {}, vendor?: Record<string, unknown>) {
  const { body, dropped } = anthropicRequest(config, { ...hello, ...request } as ChatRequest, model, vendor);
  return { body: body as Record<string, any>, dropped };
}

/** The request that the SDK makes of these parameters. */
async function askSdk(params: object) {
  const seen: { method: string; path: string; headers: Headers; body: any }[] = [];
  const client = new Anthropic({
    apiKey: 'k',
    baseURL: 'http://anthropic.invalid',
    maxRetries: 0,
    fetch: async (url, init) => {
      const body = JSON.parse(String(init?.body));
      seen.push({
        method: init!.method!,
        path: new URL(String(url)).pathname,
        headers: new Headers(init?.headers),
        body,
      });
      return new Response('', { status: 400 });
    },
  });
  await client.messages.create(params as Anthropic.MessageCreateParamsStreaming).catch(() => {});
  expect(seen).toHaveLength(1);
  return seen[0]!;
}

function send(config: Config, request: object = {}, path = '/v1'): Promise<Seen> {
  const providerAt = (url: string) => {
    const filled = { name: 'up', baseUrl: url + path, ...config };
    return forThisTest(createAnthropicProvider(filled, createTransport({ proxy: false })));
  };
  return asked(providerAt, { ...hello, ...request }, CURRENT);
}

// ---- as the SDK does it ---------------------------------------------------------------------------------------------

const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const weather = {
  name: 'get_weather',
  description: 'Says how the weather is.',
  parameters: {
    type: 'object',
    properties: { city: { type: 'string' } },
    required: ['city'],
    additionalProperties: false,
  },
};

const SAME: [about: string, ours: object, theirs: Omit<Anthropic.MessageCreateParamsStreaming, 'model' | 'stream'>][] =
  [
    [
      'a system prompt, text, limits and stops',
      {
        messages: [
          { role: 'system', content: 'Be brief.' },
          { role: 'user', content: 'Hi' },
          { role: 'assistant', content: 'Hello.' },
          { role: 'user', content: 'Who are you?' },
        ],
        max_completion_tokens: 500,
        stop: ['###', 'END'],
        user: 'u-1',
        service_tier: 'default',
      },
      {
        system: 'Be brief.',
        messages: [
          { role: 'user', content: [{ type: 'text', text: 'Hi' }] },
          { role: 'assistant', content: [{ type: 'text', text: 'Hello.' }] },
          { role: 'user', content: [{ type: 'text', text: 'Who are you?' }] },
        ],
        max_tokens: 500,
        stop_sequences: ['###', 'END'],
        metadata: { user_id: 'u-1' },
        service_tier: 'standard_only',
      },
    ],
    [
      'thinking, two calls and their results',
      {
        messages: [
          { role: 'user', content: 'Weather in Paris and Rome?' },
          {
            role: 'assistant',
            content: 'I look.',
            reasoning_details: [
              { type: 'reasoning.text', text: 'Two cities.', signature: 'c2ln', format: 'anthropic-claude-v1' },
              { type: 'reasoning.encrypted', data: 'ZW5j', format: 'anthropic-claude-v1' },
            ],
            tool_calls: [
              { id: 'toolu_1', type: 'function', function: { name: 'get_weather', arguments: '{"city":"Paris"}' } },
              { id: 'toolu_2', type: 'function', function: { name: 'get_weather', arguments: '' } },
            ],
          },
          { role: 'tool', tool_call_id: 'toolu_1', content: 'Rain' },
          { role: 'tool', tool_call_id: 'toolu_2', content: 'No city', is_error: true },
        ],
        tools: [{ type: 'function', function: { ...weather, strict: true } }],
        parallel_tool_calls: false,
        reasoning_effort: 'high',
        max_tokens: 4096,
      },
      {
        messages: [
          { role: 'user', content: [{ type: 'text', text: 'Weather in Paris and Rome?' }] },
          {
            role: 'assistant',
            content: [
              { type: 'thinking', thinking: 'Two cities.', signature: 'c2ln' },
              { type: 'redacted_thinking', data: 'ZW5j' },
              { type: 'text', text: 'I look.' },
              { type: 'tool_use', id: 'toolu_1', name: 'get_weather', input: { city: 'Paris' } },
              { type: 'tool_use', id: 'toolu_2', name: 'get_weather', input: {} },
            ],
          },
          {
            role: 'user',
            content: [
              { type: 'tool_result', tool_use_id: 'toolu_1', content: [{ type: 'text', text: 'Rain' }] },
              {
                type: 'tool_result',
                tool_use_id: 'toolu_2',
                content: [{ type: 'text', text: 'No city' }],
                is_error: true,
              },
            ],
          },
        ],
        tools: [
          {
            name: 'get_weather',
            description: 'Says how the weather is.',
            input_schema: weather.parameters as Anthropic.Tool.InputSchema,
            strict: true,
          },
        ],
        tool_choice: { type: 'auto', disable_parallel_tool_use: true },
        thinking: { type: 'adaptive', display: 'summarized' },
        output_config: { effort: 'high' },
        max_tokens: 4096,
      },
    ],
    [
      'media, cache marks and a schema',
      {
        messages: [
          {
            role: 'system',
            content: [{ type: 'text', text: 'Long.', cache_control: { type: 'ephemeral', ttl: '1h' } }],
          },
          {
            role: 'user',
            content: [
              { type: 'text', text: 'Compare.' },
              { type: 'image_url', image_url: { url: 'https://example.com/a.jpg' } },
              { type: 'image_url', image_url: { url: `data:image/png;base64,${PIXEL}` } },
              { type: 'file', file: { file_data: 'data:application/pdf;base64,JVBERg==', filename: 'a.pdf' } },
              { type: 'file', file: { file_url: 'https://example.com/b.pdf' } },
              { type: 'file', file: { file_data: 'data:text/csv;base64,YSxi', filename: 'c.csv' } },
              { type: 'file', file: { file_id: 'file_1' }, cache_control: { type: 'ephemeral' } },
            ],
          },
        ],
        response_format: {
          type: 'json_schema',
          json_schema: { name: 'answer', strict: true, schema: weather.parameters },
        },
        max_tokens: 10,
      },
      {
        system: [{ type: 'text', text: 'Long.', cache_control: { type: 'ephemeral', ttl: '1h' } }],
        messages: [
          {
            role: 'user',
            content: [
              { type: 'text', text: 'Compare.' },
              { type: 'image', source: { type: 'url', url: 'https://example.com/a.jpg' } },
              { type: 'image', source: { type: 'base64', media_type: 'image/png', data: PIXEL } },
              {
                type: 'document',
                source: { type: 'base64', media_type: 'application/pdf', data: 'JVBERg==' },
                title: 'a.pdf',
              },
              { type: 'document', source: { type: 'url', url: 'https://example.com/b.pdf' } },
              { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'a,b' }, title: 'c.csv' },
              { type: 'document', source: { type: 'file', file_id: 'file_1' }, cache_control: { type: 'ephemeral' } },
            ],
          },
        ],
        output_config: { format: { type: 'json_schema', schema: weather.parameters } },
        max_tokens: 10,
      },
    ],
  ];

test.each(SAME)('the SDK sends the same for %s', async (_about, ours, theirs) => {
  const sdk = await askSdk({ ...theirs, model: CURRENT, stream: true });
  const sent = await send({ apiKey: 'k', version: '2026-10-21' }, ours);
  expect([sent.method, sent.url]).toEqual([sdk.method, sdk.path]);
  for (const name of ['anthropic-version', 'content-type']) expect(sent.headers[name]).toBe(sdk.headers.get(name));
  expect(sent.body).toEqual(sdk.body);
  expect(ask(ours).dropped).toEqual([]);
});

// ---- address and headers --------------------------------------------------------------------------------------------

test('the key goes in a header of its own, beside the version that takes most', async () => {
  const { headers } = await send({ apiKey: 'sk-1' });
  expect(headers).toMatchObject({ 'x-api-key': 'sk-1', 'anthropic-version': '2023-06-01' });
  expect(headers).not.toHaveProperty('authorization');
});

test('without a key there is none, and configured headers win however they are written', async () => {
  const headers = { Authorization: 'Bearer t', 'Anthropic-Version': '2026-10-21', 'anthropic-beta': 'a,b' };
  const sent = await send({ headers });
  expect(sent.headers).toMatchObject({
    authorization: 'Bearer t',
    'anthropic-version': '2026-10-21',
    'anthropic-beta': 'a,b',
  });
  expect(sent.headers).not.toHaveProperty('x-api-key');
  expect((await send({ apiKey: 'k', headers: { 'X-Api-Key': 'other' } })).headers['x-api-key']).toBe('other');
});

test.each(['/v1', '/v1/', '/gateway/anthropic/v1', ''])('a base address of "%s" keeps its path', async (path) => {
  expect((await send({}, {}, path)).url).toBe(`${path.replace(/\/$/, '')}/messages`);
});

test('a query is added', async () => {
  expect((await send({ query: { beta: 'true', a: 'b c' } })).url).toBe('/v1/messages?beta=true&a=b+c');
});

// ---- limits and thinking --------------------------------------------------------------------------------------------

test.each([
  ['claude-fable-5-2', 128_000],
  ['claude-opus-5-5', 128_000],
  ['claude-opus-4-6', 128_000],
  ['claude-haiku-4-5-20251001', 64_000],
  ['claude-sonnet-4-20250514', 64_000],
  ['claude-opus-4-1-20250805', 32_000],
  ['claude-opus-4-20250514', 32_000],
  ['claude-3-7-sonnet-20250219', 64_000],
  ['claude-3-5-haiku-latest', 8192],
  ['claude-3-haiku-20240307', 4096],
  ['claude-opus-7', 128_000],
  ['deepseek-chat', 32_000],
])('without a limit %s may say as much as it can', (model, max_tokens) => {
  expect(ask({}, model).body.max_tokens).toBe(max_tokens);
});

test('a limit is the newer field, else the older, else what the config says', () => {
  expect(ask({ max_tokens: 9, max_completion_tokens: 5 }, CURRENT, { maxTokens: 7 }).body.max_tokens).toBe(5);
  expect(ask({ max_tokens: 9 }, CURRENT, { maxTokens: 7 }).body.max_tokens).toBe(9);
  expect(ask({}, CURRENT, { maxTokens: 7 }).body.max_tokens).toBe(7);
});

const ADAPTIVE = { type: 'adaptive', display: 'summarized' };
const effort = (effort: string) => ({ thinking: ADAPTIVE, output_config: { effort } });
const budget = (budget_tokens: number) => ({ thinking: { type: 'enabled', budget_tokens } });
const off = (type: string) => ({ thinking: { type } });

test.each<[about: string, model: string, request: object, body: object, dropped?: string[]]>([
  ['an effort', 'claude-opus-5-5', { reasoning_effort: 'medium' }, effort('medium')],
  ['the highest effort', 'claude-opus-4-7', { reasoning: { effort: 'max' } }, effort('max')],
  ['an effort that the model does not know', 'claude-opus-4-6', { reasoning_effort: 'xhigh' }, effort('high')],
  ['the least effort', 'claude-sonnet-5', { reasoning_effort: 'minimal' }, effort('low')],
  ['reasoning as such', 'claude-sonnet-5-5', { reasoning: { enabled: true } }, { thinking: ADAPTIVE }],
  [
    'a budget where there is none',
    'claude-opus-5',
    { reasoning: { max_tokens: 9000 } },
    effort('medium'),
    ['reasoning.max_tokens'],
  ],
  ['nothing', 'claude-opus-5-5', {}, {}],
  ['nothing, of an old model', BUDGET, {}, {}],
  ['an effort where tokens are counted', BUDGET, { reasoning_effort: 'high' }, budget(16_384)],
  ['a budget', 'claude-sonnet-4-5', { reasoning: { max_tokens: 5000 } }, budget(5000)],
  ['reasoning as such where tokens are counted', BUDGET, { reasoning: { enabled: true } }, budget(8192)],
  ['a budget below the least', BUDGET, { reasoning: { max_tokens: 10 } }, budget(1024), ['reasoning.max_tokens']],
  ['an effort above the limit', BUDGET, { reasoning_effort: 'high', max_tokens: 4000 }, budget(3200)],
  [
    'a budget above the limit',
    BUDGET,
    { reasoning: { max_tokens: 5000 }, max_tokens: 4000 },
    budget(3200),
    ['reasoning.max_tokens'],
  ],
  ['a limit that leaves just the least', BUDGET, { reasoning_effort: 'high', max_tokens: 1025 }, budget(1024)],
  ['a limit below every budget', BUDGET, { reasoning_effort: 'low', max_tokens: 1024 }, {}, ['reasoning_effort']],
  [
    'an effort of a model that cannot think',
    'claude-3-haiku-20240307',
    { reasoning: { effort: 'low' } },
    {},
    ['reasoning'],
  ],
  ['none, unasked', 'claude-opus-4-8', { reasoning_effort: 'none' }, {}],
  ['none, of an old model', BUDGET, { reasoning_effort: 'none' }, {}],
  ['none where it is on by default', 'claude-haiku-5-5', { reasoning: { enabled: false } }, off('disabled')],
  ['none but between calls', 'claude-sonnet-5-5', { reasoning_effort: 'none' }, off('between_tools')],
  [
    'none where it is always on',
    'claude-opus-5-5',
    { reasoning_effort: 'none' },
    { output_config: { effort: 'low' } },
    ['reasoning_effort'],
  ],
  [
    'none, of a model of tomorrow',
    'claude-opus-6',
    { reasoning_effort: 'none' },
    { output_config: { effort: 'low' } },
    ['reasoning_effort'],
  ],
  ['an effort, of a model of tomorrow', 'claude-opus-6', { reasoning_effort: 'xhigh' }, effort('xhigh')],
  ['an effort, of another vendor', 'glm-5', { reasoning_effort: 'low' }, budget(2048)],
])('of thinking, %s', (_about, model, request, expected, dropped = []) => {
  const asked = ask(request, model);
  const { thinking, output_config } = asked.body;
  expect({ ...(thinking && { thinking }), ...(output_config && { output_config }) }).toEqual(expected);
  expect(asked.dropped).toEqual(dropped);
});

test('the config may say otherwise how a model is told to think', () => {
  expect(ask({ reasoning_effort: 'low' }, 'glm-5', { thinking: 'adaptive' }).body).toMatchObject(effort('low'));
  expect(ask({ reasoning_effort: 'low' }, 'claude-opus-4-6', { thinking: 'budget' }).body).toMatchObject(budget(2048));
});

const midTurn = (details: object[] = []) => ({
  messages: [
    { role: 'user', content: 'Look' },
    {
      role: 'assistant',
      content: null,
      reasoning_details: details,
      tool_calls: [{ id: 'toolu_1', type: 'function', function: { name: 'look', arguments: '{}' } }],
    },
    { role: 'tool', tool_call_id: 'toolu_1', content: 'Seen' },
  ],
  tools,
  reasoning_effort: 'low',
});
const signed = { type: 'reasoning.text', text: 'Hm.', signature: 's', format: 'anthropic-claude-v1' };

test('a turn that came without its thoughts goes on without, where the API would refuse it', () => {
  const bare = ask(midTurn(), BUDGET);
  expect([bare.body.thinking, bare.dropped]).toEqual([undefined, ['reasoning_effort']]);
  expect(ask(midTurn([signed]), BUDGET).body).toMatchObject(budget(2048));
  expect(ask(midTurn(), CURRENT).body).toMatchObject(effort('low'));
});

// ---- sampling -------------------------------------------------------------------------------------------------------

test.each<[about: string, model: string, request: object, sent: object, dropped: string[], version?: string]>([
  ['where the model takes one', BUDGET, { temperature: 0.3 }, { temperature: 0.3 }, []],
  ['where the model takes one, of two', BUDGET, { temperature: 0.3, top_p: 0.9 }, { temperature: 0.3 }, ['top_p']],
  ['where the first of two says nothing', BUDGET, { temperature: 1, top_p: 0.9 }, { top_p: 0.9 }, []],
  ['where the second of two says nothing', BUDGET, { temperature: 0, top_p: 1 }, { temperature: 0 }, []],
  [
    'where the model takes all',
    'claude-sonnet-4-0',
    { temperature: 0.3, top_p: 0.9, top_k: 5 },
    { temperature: 0.3, top_p: 0.9, top_k: 5 },
    [],
  ],
  ['beyond the scale', BUDGET, { temperature: 1.4 }, { temperature: 1 }, ['temperature']],
  [
    'where the model takes none',
    CURRENT,
    { temperature: 0.3, top_p: 0.9, top_k: 5 },
    {},
    ['temperature', 'top_p', 'top_k'],
  ],
  ['where the default is asked for', CURRENT, { temperature: 1, top_p: 1 }, {}, []],
  [
    'beside thinking',
    BUDGET,
    { temperature: 0.3, top_p: 0.5, top_k: 5, reasoning_effort: 'low' },
    {},
    ['temperature', 'top_p', 'top_k'],
  ],
  [
    'beside thinking, where it is allowed',
    BUDGET,
    { temperature: 1, top_p: 0.97, reasoning_effort: 'low' },
    { top_p: 0.97 },
    [],
  ],
  [
    'with the version that has none',
    BUDGET,
    { temperature: 0.3, top_k: 5 },
    {},
    ['temperature', 'top_k'],
    '2026-10-21',
  ],
  ['of a model of tomorrow', 'claude-sonnet-6', { temperature: 0.3 }, {}, ['temperature']],
])('sampling %s', (_about, model, request, sent, dropped, version) => {
  const { body, dropped: left } = ask(request, model, { version });
  const { temperature, top_p, top_k } = body;
  expect(JSON.parse(JSON.stringify({ temperature, top_p, top_k }))).toEqual(sent);
  expect([...left].sort()).toEqual([...dropped].sort());
});

// ---- tools ----------------------------------------------------------------------------------------------------------

const named = { type: 'function', function: { name: 'look' } };

test.each<[request: object, choice: object | undefined]>([
  [{ tools }, undefined],
  [{ tools, tool_choice: 'auto' }, undefined],
  [{ tools, tool_choice: 'none' }, { type: 'none' }],
  [{ tools, tool_choice: 'required' }, { type: 'any' }],
  [
    { tools, tool_choice: named },
    { type: 'tool', name: 'look' },
  ],
  [{ tools, parallel_tool_calls: true }, undefined],
  [
    { tools, parallel_tool_calls: false },
    { type: 'auto', disable_parallel_tool_use: true },
  ],
  [
    { tools, tool_choice: 'required', parallel_tool_calls: false },
    { type: 'any', disable_parallel_tool_use: true },
  ],
  [{ tool_choice: 'none' }, undefined],
  [{ parallel_tool_calls: false }, undefined],
])('of tools %j', (request, choice) => {
  const { body, dropped } = ask(request, BUDGET);
  expect(body.tool_choice).toEqual(choice);
  expect(dropped).toEqual([]);
});

test('a forced call and thinking exclude each other, and the call is what changes the answer', () => {
  const request = { tools, tool_choice: 'required', reasoning_effort: 'high' };
  const old = ask(request, BUDGET);
  expect([old.body.tool_choice, old.body.thinking, old.dropped]).toEqual([
    { type: 'any' },
    undefined,
    ['reasoning_effort'],
  ]);
  const on = ask({ tools, tool_choice: 'required' }, 'claude-sonnet-5');
  expect([on.body.tool_choice, on.body.thinking, on.dropped]).toEqual([{ type: 'any' }, { type: 'disabled' }, []]);
});

test('a tool without parameters takes none, and one that is strict is said in what the wire can hold it to', () => {
  const parameters = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    type: 'object',
    properties: {
      city: { type: 'string', minLength: 1, description: 'Where.', pattern: '^[A-Z]' },
      days: { type: ['integer', 'null'], minimum: 1, maximum: 7 },
      kind: {
        oneOf: [{ const: 'rain' }, { type: 'object', properties: { $ref: { type: 'string', pattern: '(?=a)' } } }],
      },
    },
    required: ['city'],
  };
  const { body, dropped } = ask({
    tools: [
      { type: 'function', function: { name: 'bare' } },
      { type: 'function', function: { name: 'loose', parameters } },
      {
        type: 'function',
        function: { name: 'strict', parameters, strict: true },
        cache_control: { type: 'ephemeral' },
      },
      { type: 'function', function: { name: 'open', parameters: { type: 'object' }, strict: true } },
    ],
  });
  expect(body.tools).toEqual([
    { name: 'bare', input_schema: { type: 'object', properties: {} } },
    { name: 'loose', input_schema: parameters },
    {
      name: 'strict',
      strict: true,
      cache_control: { type: 'ephemeral' },
      input_schema: {
        type: 'object',
        properties: {
          city: { type: 'string', description: 'Where.\n\n{minLength: 1}', pattern: '^[A-Z]' },
          days: { type: ['integer', 'null'], description: '{minimum: 1, maximum: 7}' },
          kind: {
            anyOf: [
              { const: 'rain' },
              {
                type: 'object',
                properties: { $ref: { type: 'string', description: '{pattern: "(?=a)"}' } },
                additionalProperties: false,
              },
            ],
          },
        },
        required: ['city'],
        additionalProperties: false,
      },
    },
    { name: 'open', input_schema: { type: 'object' } },
  ]);
  expect(dropped).toEqual(['tools.strict']);
});

test('strict tools are plain tools to a model that knows none', () => {
  const { body, dropped } = ask(
    { tools: [{ type: 'function', function: { ...weather, strict: true } }] },
    'claude-sonnet-4-0',
  );
  expect(body.tools[0]).toEqual({
    name: weather.name,
    description: weather.description,
    input_schema: weather.parameters,
  });
  expect(dropped).toEqual(['tools.strict']);
});

test("a schema's description is kept where it has none of its own", () => {
  const json_schema = { name: 'n', description: 'An answer.', schema: weather.parameters };
  const { body } = ask({ response_format: { type: 'json_schema', json_schema } });
  expect(body.output_config.format.schema).toEqual({ description: 'An answer.', ...weather.parameters });
});

// ---- what cannot be said --------------------------------------------------------------------------------------------

const schema = (schema: unknown) => ({ response_format: { type: 'json_schema', json_schema: { name: 'n', schema } } });

test.each<[param: string, request: object, model?: string]>([
  ['n', { n: 2 }],
  ['logprobs', { logprobs: true }],
  ['top_logprobs', { top_logprobs: 3 }],
  ['modalities', { modalities: ['text', 'audio'] }],
  ['audio', { audio: { voice: 'x' } }],
  ['functions', { functions: [{ name: 'f' }] }],
  ['web_search_options', { web_search_options: { user_location: 'x' } }],
  ['stop', { stop: '\n' }],
  ['stop', { stop: ['END', ''] }],
  ['tools[1]', { tools: [...tools, { type: 'web_search' }] }],
  ['tool_choice', { tool_choice: 'required' }],
  ['tool_choice', { tools, tool_choice: { type: 'allowed_tools' } }, BUDGET],
  ['tool_choice', { tools, tool_choice: 'required' }, 'claude-opus-5-5'],
  ['tool_choice', { tools, tool_choice: named }, 'claude-sonnet-5-5'],
  ['tool_choice', { tools, tool_choice: named }, 'claude-fable-5'],
  ['response_format', schema(weather.parameters), 'claude-opus-4-20250514'],
  ['response_format.json_schema.schema', schema(undefined)],
  ['response_format.json_schema.schema', schema({ type: 'object', additionalProperties: { type: 'string' } })],
  ['response_format.json_schema.schema', schema({ type: 'array', items: { type: 'object' } })],
  ['reasoning_effort', { reasoning_effort: 'enormous' }],
])('%s of %j is refused by name', (param, request, model) => {
  expect(() => ask(request, model)).toThrow(
    expect.objectContaining({
      code: 'invalid_request',
      param,
      message: expect.stringMatching(new RegExp(`^${param.replace(/[[\]]/g, '\\$&')}: .*"anthropic"`)),
    }),
  );
});

test.each<[request: object, dropped: string[]]>([
  [
    { seed: 1, presence_penalty: 0.5, frequency_penalty: -1, logit_bias: { 5: 1 } },
    ['seed', 'presence_penalty', 'frequency_penalty', 'logit_bias'],
  ],
  [
    { metadata: { a: 'b' }, store: true, prompt_cache_key: 'k', verbosity: 'low' },
    ['metadata', 'store', 'prompt_cache_key', 'verbosity'],
  ],
  [{ response_format: { type: 'json_object' } }, ['response_format']],
  [{ service_tier: 'flex' }, ['service_tier']],
  [{ user: 'x'.repeat(257) }, ['user']],
  [
    { seed: null, n: 1, logprobs: false, presence_penalty: 0, response_format: { type: 'text' }, service_tier: 'auto' },
    [],
  ],
])('of %j the client is told what was left out', (request, dropped) => {
  const { body, dropped: left } = ask(request);
  expect([...left].sort()).toEqual([...dropped].sort());
  expect(body).toEqual(ask({}).body);
});

test('a paid tier may be used, and who asks goes along under either name', () => {
  expect(ask({ service_tier: 'priority', safety_identifier: 's', user: 'u' }).body).toMatchObject({
    service_tier: 'auto',
    metadata: { user_id: 's' },
  });
});

test('the config leaves fields out, and says so', () => {
  const { body, dropped } = ask({ tools, stop: 'x', user: 'u' }, CURRENT, { drop: ['tools', 'stop', 'absent'] });
  expect(body).toEqual(ask({ user: 'u' }).body);
  expect(dropped).toEqual(['tools', 'stop']);
});

test("the client's own fields for this wire are laid over the rest", () => {
  const search = { type: 'web_search_20260318', name: 'web_search' };
  const vendor = { tools: [search], thinking: { display: 'omitted' }, speed: 'fast', model: 'other', stream: false };
  const { body } = ask({ tools, reasoning_effort: 'low' }, CURRENT, {}, vendor);
  expect(body).toMatchObject({
    model: CURRENT,
    stream: true,
    speed: 'fast',
    thinking: { type: 'adaptive', display: 'omitted' },
  });
  expect(body.tools).toEqual([expect.objectContaining({ name: 'look' }), search]);
});

describe('built without changing what it is built from', () => {
  const freeze = <T>(value: T): T => {
    if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(freeze);
    return value;
  };
  test.each(SAME)('%s', (_about, ours) => {
    const frozen = freeze(structuredClone(ours));
    expect(ask(frozen).body).toEqual(ask(ours).body);
  });
});
