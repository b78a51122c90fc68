// A chat request in the words of the Responses wire: each field taken, refused by name or listed as left out; and, as a server sees
// it that is not ours, the same request as the official SDK sends for the same conversation.
import OpenAI from 'openai';
import { describe, expect, test } from 'vitest';
import { chatRequest } from '../../src/core/chat.ts';
import type { ReasoningDetail, StreamEvent } from '../../src/core/events.ts';
import { createOpenAiResponsesDecoder } from '../../src/providers/openai-responses/decode.ts';
import {
  createOpenAiResponsesProvider,
  type OpenAiResponsesProviderConfig,
} from '../../src/providers/openai-responses/provider.ts';
import { openaiResponsesRequest } from '../../src/providers/openai-responses/request.ts';
import { createTransport } from '../../src/providers/transport.ts';
import { asked, forThisTest, send, startServer } from '../support/upstream.ts';

const hello = [{ role: 'user', content: 'Hi' }];
const png = 'data:image/png;base64,iVBORw0KGgo=';

/** `model` is one that this project knows nothing of. */
function build(request: object, { model = 'm-1', drop = [] as string[], vendor = {} } = {}) {
  const chat = chatRequest.parse({ model: 'alias', messages: hello, ...request });
  const { body, dropped } = openaiResponsesRequest({ drop }, chat, model, vendor);
  return { body: JSON.parse(JSON.stringify(body)), dropped };
}
const bodyOf = (request: object, options?: Parameters<typeof build>[1]) => build(request, options).body;
const inputOf = (messages: object[], options?: Parameters<typeof build>[1]) => bodyOf({ messages }, options).input;

const plain = {
  model: 'm-1',
  stream: true,
  store: false,
  include: ['reasoning.encrypted_content'],
  input: hello,
};

// ---- as the SDK sends it --------------------------------------------------------------------------------------------

type Config = Omit<OpenAiResponsesProviderConfig, 'name'>;
const providerOf = (config: Config) =>
  forThisTest(createOpenAiResponsesProvider({ name: 'up', ...config }, createTransport()));

const weather = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };

/** The same conversation: as our clients say it, and as the SDK's users do. */
const conversations: [about: string, chat: object, sdk: object][] = [
  ['a question', { messages: hello }, { input: [{ role: 'user', content: 'Hi' }] }],
  [
    'a system prompt, an image, sampling and a limit',
    {
      messages: [
        { role: 'system', content: 'Be brief.' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'What is this?' },
            { type: 'image_url', image_url: { url: png, detail: 'low' } },
          ],
        },
      ],
      temperature: 0.2,
      top_p: 0.9,
      max_completion_tokens: 100,
    },
    {
      input: [
        { role: 'system', content: 'Be brief.' },
        {
          role: 'user',
          content: [
            { type: 'input_text', text: 'What is this?' },
            { type: 'input_image', image_url: png, detail: 'low' },
          ],
        },
      ],
      temperature: 0.2,
      top_p: 0.9,
      max_output_tokens: 100,
    },
  ],
  [
    'tools called in parallel, and answered',
    {
      messages: [
        ...hello,
        {
          role: 'assistant',
          content: 'I look.',
          reasoning_details: [
            { type: 'reasoning.summary', summary: 'Two cities.', id: 'rs_1', format: 'openai-responses-v1' },
            { type: 'reasoning.encrypted', data: 'sealed', id: 'rs_1', format: 'openai-responses-v1' },
          ],
          tool_calls: [
            { id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"city": "Faro"}' } },
            { id: 'call_2', type: 'function', function: { name: 'weather', arguments: '{"city":"Lagos"}' } },
          ],
        },
        { role: 'tool', tool_call_id: 'call_1', content: 'sun' },
        { role: 'tool', tool_call_id: 'call_2', content: 'rain' },
      ],
      tools: [{ type: 'function', function: { name: 'weather', description: 'Tells it.', parameters: weather } }],
      tool_choice: { type: 'function', function: { name: 'weather' } },
      parallel_tool_calls: true,
      reasoning_effort: 'high',
    },
    {
      input: [
        ...hello,
        {
          type: 'reasoning',
          id: 'rs_1',
          summary: [{ type: 'summary_text', text: 'Two cities.' }],
          encrypted_content: 'sealed',
        },
        { role: 'assistant', content: 'I look.' },
        { type: 'function_call', call_id: 'call_1', name: 'weather', arguments: '{"city": "Faro"}' },
        { type: 'function_call', call_id: 'call_2', name: 'weather', arguments: '{"city":"Lagos"}' },
        { type: 'function_call_output', call_id: 'call_1', output: 'sun' },
        { type: 'function_call_output', call_id: 'call_2', output: 'rain' },
      ],
      tools: [{ type: 'function', name: 'weather', description: 'Tells it.', parameters: weather, strict: false }],
      tool_choice: { type: 'function', name: 'weather' },
      parallel_tool_calls: true,
      reasoning: { effort: 'high', summary: 'auto' },
    },
  ],
  [
    'an answer in JSON',
    {
      messages: hello,
      response_format: { type: 'json_schema', json_schema: { name: 'w', schema: weather, strict: true } },
      verbosity: 'low',
    },
    {
      input: hello,
      text: { format: { type: 'json_schema', name: 'w', schema: weather, strict: true }, verbosity: 'low' },
    },
  ],
];

test.each(conversations)('%s goes out as the official SDK sends it', async (_about, chat, sdk) => {
  const { seen, url } = await startServer((response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.end('data: {"type":"response.completed","response":{"status":"completed"}}\n\n');
  });
  const provider = providerOf({ baseUrl: `${url}/v1`, apiKey: 'sk-1' });
  (await send(provider, { model: 'alias', ...chat }, 'm-1')).abort();

  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'sk-1', maxRetries: 0 });
  const { stream, store, include } = plain;
  await client.responses.create({ model: 'm-1', stream, store, include, ...sdk } as never);
  expect(seen).toHaveLength(2);
  const [ours, theirs] = seen.map(({ method, url, headers, body }) => {
    const { authorization, 'content-type': type, 'api-key': key } = headers;
    return { method, url, authorization, type, key, body };
  });
  expect(ours).toEqual(theirs);
});

test('a dated Azure address has its version in the query, the key is an api-key, the model stays in the body', async () => {
  const account = { apiKey: 'az-1', apiVersion: '2025-04-01-preview' };
  const seen = await asked(
    (url) => providerOf({ baseUrl: `${url}/openai`, ...account }),
    { model: 'alias', messages: hello },
    'my-gpt',
  );
  expect(seen).toMatchObject({
    url: '/openai/responses?api-version=2025-04-01-preview',
    headers: { 'api-key': 'az-1' },
    body: { model: 'my-gpt' },
  });
  expect(seen.headers).not.toHaveProperty('authorization');
});

// ---- fields ---------------------------------------------------------------------------------------------------------

test('a plain request is streamed, stores nothing, and asks for reasoning that can be given back', () => {
  expect(build({ stream: false })).toEqual({ body: plain, dropped: [] });
});

test.each<[name: string, value: unknown]>([
  ['metadata', { a: 'b' }],
  ['moderation', { model: 'omni' }],
  ['parallel_tool_calls', false],
  ['prompt_cache_key', 'k'],
  ['prompt_cache_options', { ttl: '30m' }],
  ['prompt_cache_retention', '24h'],
  ['safety_identifier', 's'],
  ['service_tier', 'flex'],
  ['store', true],
  ['temperature', 0],
  ['top_p', 1],
  ['user', 'u'],
])('carries %s as it is', (name, value) => {
  expect(build({ [name]: value })).toEqual({ body: { ...plain, [name]: value }, dropped: [] });
});

test.each<[about: string, request: object, body: object, dropped?: string[]]>([
  ['the limit', { max_tokens: 99 }, { max_output_tokens: 99 }],
  ['of two limits the newer', { max_tokens: 99, max_completion_tokens: 50 }, { max_output_tokens: 50 }],
  ['a limit below the least, raised', { max_tokens: 1 }, { max_output_tokens: 16 }, ['max_tokens']],
  ['the newer limit, raised', { max_completion_tokens: 15 }, { max_output_tokens: 16 }, ['max_completion_tokens']],
  ['verbosity', { verbosity: 'high' }, { text: { verbosity: 'high' } }],
  ['any JSON', { response_format: { type: 'json_object' } }, { text: { format: { type: 'json_object' } } }],
  ['text, which is nothing to say', { response_format: { type: 'text' } }, {}],
  [
    'a schema without a name, not strict as in Chat Completions',
    { response_format: { type: 'json_schema', json_schema: { description: 'D', schema: {} } } },
    { text: { format: { type: 'json_schema', name: 'answer', description: 'D', schema: {}, strict: false } } },
  ],
  [
    'padding turned off',
    { stream_options: { include_obfuscation: false, include_usage: true } },
    {
      stream_options: { include_obfuscation: false },
    },
  ],
  ['seed', { seed: 1 }, {}, ['seed']],
  ['penalties', { presence_penalty: 1, frequency_penalty: 1 }, {}, ['presence_penalty', 'frequency_penalty']],
  ['biases', { logit_bias: { 5: 1 } }, {}, ['logit_bias']],
  ['top_k', { top_k: 5 }, {}, ['top_k']],
  ['a prediction', { prediction: { type: 'content', content: 'x' } }, {}, ['prediction']],
  ['what nobody knows', { future: 1 }, {}, ['future']],
  ['one answer', { n: 1 }, {}],
])('takes or lists %s', (_about, request, body, dropped = []) => {
  expect(build(request)).toEqual({ body: { ...plain, ...body }, dropped });
});

test.each<[param: string, request: object]>([
  ['stop', { stop: ['\n'] }],
  ['n', { n: 2 }],
  ['logprobs', { logprobs: true }],
  ['top_logprobs', { top_logprobs: 2 }],
  ['modalities', { modalities: ['text', 'audio'] }],
  ['audio', { audio: { voice: 'v', format: 'mp3' } }],
  ['functions', { functions: [{ name: 'f' }] }],
  ['function_call', { function_call: 'auto' }],
  ['response_format.json_schema.schema', { response_format: { type: 'json_schema', json_schema: { name: 'x' } } }],
  ['tools[0].function', { tools: [{ type: 'function' }] }],
  ['tool_choice.function.name', { tool_choice: { type: 'function' } }],
  [
    'tool_choice.allowed_tools.tools[0].function.name',
    {
      tool_choice: { type: 'allowed_tools', allowed_tools: { tools: [{ type: 'function' }] } },
    },
  ],
  ['reasoning_effort', { reasoning_effort: 'immense' }],
  [
    'messages[0].content[0]',
    {
      messages: [{ role: 'user', content: [{ type: 'input_audio', input_audio: { data: 'AA', format: 'wav' } }] }],
    },
  ],
  [
    'messages[0].content[0]',
    {
      messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'gs://b/i.png' } }] }],
    },
  ],
  [
    'messages[0].content[0]',
    {
      messages: [{ role: 'system', content: [{ type: 'image_url', image_url: { url: png } }] }],
    },
  ],
  [
    'messages[0].content[0]',
    {
      messages: [{ role: 'assistant', content: [{ type: 'image_url', image_url: { url: png } }] }],
    },
  ],
  ['messages[0].role', { messages: [{ role: 'function', name: 'f', content: 'x' }] }],
])('refuses %s by name, and names the wire', (param, request) => {
  expect(() => build(request)).toThrow(
    expect.objectContaining({
      code: 'invalid_request',
      param,
      message: expect.stringMatching(/^.+: .+ \(provider wire "openai-responses"\)$/),
    }),
  );
});

test('the config leaves fields out, in the words of either API', () => {
  const drop = ['user', 'include', 'store', 'reasoning.summary'];
  const { body, dropped } = build({ user: 'u', reasoning_effort: 'low' }, { drop });
  expect(body).toEqual({ model: 'm-1', stream: true, reasoning: { effort: 'low' }, input: hello });
  expect(dropped).toEqual(['user']);
});

test("the client's own fields for this wire are laid over the body", () => {
  const vendor = {
    truncation: 'auto',
    include: ['file_search_call.results'],
    reasoning: { summary: null },
    model: 'x',
  };
  const { body } = build({ reasoning_effort: 'low' }, { vendor });
  expect(body).toEqual({
    ...plain,
    include: ['reasoning.encrypted_content', 'file_search_call.results'],
    reasoning: { effort: 'low', summary: null },
    truncation: 'auto',
  });
});

// ---- tools ----------------------------------------------------------------------------------------------------------

test('tools lose their wrapping, and are strict only if asked to be', () => {
  const tools = [
    {
      type: 'function',
      function: { name: 'a', parameters: weather, strict: true },
      cache_control: { type: 'ephemeral' },
    },
    { type: 'function', function: { name: 'b', description: null } },
    { type: 'custom', custom: { name: 'c', description: 'C', format: { type: 'text' } } },
    {
      type: 'custom',
      custom: { name: 'd', format: { type: 'grammar', grammar: { syntax: 'regex', definition: '.+' } } },
    },
    { type: 'file_search', vector_store_ids: ['vs_1'] },
  ];
  const { body, dropped } = build({ tools });
  expect(body.tools).toEqual([
    { type: 'function', name: 'a', parameters: weather, strict: true },
    {
      type: 'function',
      name: 'b',
      parameters: { type: 'object', properties: {}, additionalProperties: false },
      strict: false,
    },
    { type: 'custom', name: 'c', description: 'C', format: { type: 'text' } },
    { type: 'custom', name: 'd', format: { type: 'grammar', syntax: 'regex', definition: '.+' } },
    { type: 'file_search', vector_store_ids: ['vs_1'] },
  ]);
  expect(dropped).toEqual(['cache_control']);
});

test.each<[given: unknown, said: unknown]>([
  ['none', 'none'],
  ['required', 'required'],
  [
    { type: 'function', function: { name: 'a' } },
    { type: 'function', name: 'a' },
  ],
  [
    { type: 'custom', custom: { name: 'a' } },
    { type: 'custom', name: 'a' },
  ],
  [
    { type: 'function', name: 'a' },
    { type: 'function', name: 'a' },
  ],
  [{ type: 'file_search' }, { type: 'file_search' }],
  [
    {
      type: 'allowed_tools',
      allowed_tools: { mode: 'required', tools: [{ type: 'function', function: { name: 'a' } }, { type: 'mcp' }] },
    },
    { type: 'allowed_tools', mode: 'required', tools: [{ type: 'function', name: 'a' }, { type: 'mcp' }] },
  ],
])('the tool choice %j is said so', (given, said) => {
  expect(bodyOf({ tool_choice: given }).tool_choice).toEqual(said);
});

test('a search of the web is a tool that the provider runs', () => {
  const approximate = { city: 'Faro', country: 'PT' };
  const options = { search_context_size: 'low', user_location: { type: 'approximate', approximate } };
  expect(bodyOf({ web_search_options: options, tools: [{ type: 'mcp' }] }).tools).toEqual([
    { type: 'mcp' },
    { type: 'web_search', search_context_size: 'low', user_location: { type: 'approximate', ...approximate } },
  ]);
  expect(bodyOf({ web_search_options: {} }).tools).toEqual([{ type: 'web_search' }]);
});

test('calls of a custom tool and their outputs are items of their own kind', () => {
  const call = (id: string, name: string) => ({ id, type: 'function', function: { name, arguments: 'SELECT 1' } });
  const { input } = bodyOf({
    tools: [{ type: 'custom', custom: { name: 'sql' } }],
    messages: [
      { role: 'assistant', content: null, tool_calls: [call('call_1', 'sql'), call('call_2', 'other')] },
      { role: 'tool', tool_call_id: 'call_1', content: '1' },
      { role: 'tool', tool_call_id: 'call_2', content: '2' },
    ],
  });
  expect(input).toEqual([
    { type: 'custom_tool_call', call_id: 'call_1', name: 'sql', input: 'SELECT 1' },
    { type: 'function_call', call_id: 'call_2', name: 'other', arguments: 'SELECT 1' },
    { type: 'custom_tool_call_output', call_id: 'call_1', output: '1' },
    { type: 'function_call_output', call_id: 'call_2', output: '2' },
  ]);
});

// ---- messages -------------------------------------------------------------------------------------------------------

test('messages keep their roles and places', () => {
  const messages = [
    { role: 'developer', content: 'Be brief.' },
    { role: 'user', content: 'a' },
    { role: 'system', content: [{ type: 'text', text: 'Now in Latin.' }] },
    { role: 'user', content: '' },
    { role: 'assistant', content: 'b' },
  ];
  expect(inputOf(messages)).toEqual(
    messages.map((message) => ({ ...message, ...(message.role === 'system' && { content: 'Now in Latin.' }) })),
  );
});

test('an answer keeps its texts and its refusal, and is left out where there is none', () => {
  const content = [
    { type: 'text', text: 'a' },
    { type: 'text', text: '' },
    { type: 'refusal', refusal: 'no' },
  ];
  expect(
    inputOf([
      { role: 'assistant', content, refusal: 'never' },
      { role: 'assistant', content: '' },
      { role: 'assistant', content: null, refusal: 'no' },
    ]),
  ).toEqual([
    {
      role: 'assistant',
      content: [
        { type: 'output_text', text: 'a' },
        { type: 'refusal', refusal: 'no' },
        { type: 'refusal', refusal: 'never' },
      ],
    },
    { role: 'assistant', content: [{ type: 'refusal', refusal: 'no' }] },
  ]);
});

const file = (fields: object) => ({ type: 'file', file: fields });
const pdf = 'data:application/pdf;base64,JVBERi0=';

test.each<[about: string, given: object, said: object]>([
  [
    'an image by its address',
    { type: 'image_url', image_url: { url: 'https://x.example/a.png' } },
    {
      type: 'input_image',
      image_url: 'https://x.example/a.png',
    },
  ],
  ['a file', file({ file_data: pdf, filename: 'a.pdf' }), { type: 'input_file', filename: 'a.pdf', file_data: pdf }],
  ['a file without a name', file({ file_data: pdf }), { type: 'input_file', filename: 'file.pdf', file_data: pdf }],
  [
    'a file that is text',
    file({ file_data: 'data:text/plain,a%20b' }),
    {
      type: 'input_file',
      filename: 'file.txt',
      file_data: 'data:text/plain;base64,YSBi',
    },
  ],
  ['a file that is an image', file({ file_data: png }), { type: 'input_image', image_url: png }],
  [
    'a file by its address',
    file({ file_url: 'https://x.example/a.pdf' }),
    {
      type: 'input_file',
      file_url: 'https://x.example/a.pdf',
    },
  ],
  ['an upload', file({ file_id: 'file-1' }), { type: 'input_file', file_id: 'file-1' }],
])('%s is part of a question or of a result', (_about, given, said) => {
  const content = [{ type: 'text', text: 'See:' }, given];
  expect(inputOf([{ role: 'user', content }])[0].content).toEqual([{ type: 'input_text', text: 'See:' }, said]);
  expect(inputOf([{ role: 'tool', tool_call_id: 'c', content: [given] }])[0].output).toEqual([said]);
});

test('names of speakers have no place here', () => {
  const { body, dropped } = build({ messages: [{ role: 'user', name: 'Ana', content: 'Hi' }] });
  expect({ body, dropped }).toEqual({ body: plain, dropped: ['name'] });
});

describe('where the prompt is worth caching', () => {
  const cache_control = { type: 'ephemeral', ttl: '1h' };
  const messages = [
    { role: 'system', content: 'Long.', cache_control },
    {
      role: 'user',
      content: [
        { type: 'text', text: 'a', cache_control },
        { type: 'text', text: 'b' },
      ],
    },
  ];
  const mark = { prompt_cache_breakpoint: { mode: 'explicit' } };

  test('is marked for a model that takes marks', () => {
    const { body, dropped } = build({ messages }, { model: 'gpt-5.6-terra' });
    expect(body.input).toEqual([
      { role: 'system', content: [{ type: 'input_text', text: 'Long.', ...mark }] },
      {
        role: 'user',
        content: [
          { type: 'input_text', text: 'a', ...mark },
          { type: 'input_text', text: 'b' },
        ],
      },
    ]);
    expect(dropped).toEqual([]);
  });

  test('is left to the provider by others, which cache by themselves', () => {
    const { body, dropped } = build({ messages }, { model: 'gpt-5.4' });
    expect(JSON.stringify(body)).not.toContain('cache');
    expect(dropped).toEqual(['cache_control']);
  });

  test("may be said in this wire's own words to any", () => {
    const own = { prompt_cache_breakpoint: { mode: 'explicit', ttl: '12h' } };
    const said = inputOf([{ role: 'user', content: [{ type: 'text', text: 'a', ...own }] }]);
    expect(said[0].content).toEqual([{ type: 'input_text', text: 'a', ...own }]);
  });
});

// ---- reasoning ------------------------------------------------------------------------------------------------------

const all = [
  'gpt-5.6',
  'gpt-5.4',
  'gpt-5.1',
  'gpt-5',
  'o4-mini',
  'gpt-4o',
  'openai/GPT-4.1',
  'ft:gpt-4o:me::1',
  'mine',
];

test.each<[wish: object, said: string]>([
  [{}, '- - - - - - - - -'],
  [{ reasoning_effort: 'none' }, 'none none none minimal low - - - none'],
  [{ reasoning: { enabled: false } }, 'none none none minimal low - - - none'],
  [{ reasoning_effort: 'minimal' }, 'low low low minimal low - - - minimal'],
  [{ reasoning: { effort: 'medium' } }, 'medium medium medium medium medium - - - medium'],
  [{ reasoning_effort: 'xhigh' }, 'xhigh xhigh high high high - - - xhigh'],
  [{ reasoning: { effort: 'max' } }, 'max xhigh high high high - - - max'],
  [{ reasoning: { max_tokens: 9000 } }, 'medium medium medium medium medium - - - medium'],
])('the wish %j is said in the words that each model knows', (wish, said) => {
  expect(all.map((model) => bodyOf(wish, { model }).reasoning?.effort ?? '-').join(' ')).toBe(said);
});

test('a summary of the reasoning is asked for when reasoning is', () => {
  const reasoningFor = (request: object) => bodyOf(request).reasoning;
  expect(reasoningFor({})).toBeUndefined();
  expect(reasoningFor({ reasoning_effort: 'low' })).toEqual({ effort: 'low', summary: 'auto' });
  expect(reasoningFor({ reasoning: { enabled: true } })).toEqual({ summary: 'auto' });
  expect(reasoningFor({ reasoning: { effort: 'low', summary: 'detailed' } })).toEqual({
    effort: 'low',
    summary: 'detailed',
  });
  expect(reasoningFor({ reasoning: { summary: 'concise' } })).toEqual({ summary: 'concise' });
  expect(reasoningFor({ reasoning_effort: 'none' })).toEqual({ effort: 'none' });
});

test('a model that cannot do as wished is named in what was left out', () => {
  const droppedBy = (model: string, request: object) => build(request, { model }).dropped;
  expect(droppedBy('gpt-4o', { reasoning_effort: 'low' })).toEqual(['reasoning_effort']);
  expect(droppedBy('gpt-4o', { reasoning: { summary: 'auto' } })).toEqual(['reasoning']);
  expect(droppedBy('gpt-4o', { reasoning_effort: 'none' })).toEqual([]);
  expect(droppedBy('o3', { reasoning: { enabled: false } })).toEqual(['reasoning']);
  expect(droppedBy('gpt-5.1', { reasoning_effort: 'none' })).toEqual([]);
});

test('reasoning to be given back is asked for of models that reason', () => {
  const asked = all.filter((model) => 'include' in bodyOf({}, { model }));
  expect(asked).toEqual(['gpt-5.6', 'gpt-5.4', 'gpt-5.1', 'gpt-5', 'o4-mini', 'mine']);
});

test.each<[model: string, request: object, taken: boolean]>([
  ['gpt-4o', {}, true],
  ['mine', { reasoning_effort: 'high' }, true],
  ['gpt-5', {}, false],
  ['o3-mini', {}, false],
  ['gpt-5.1', {}, true],
  ['gpt-5.1', { reasoning_effort: 'low' }, false],
  ['gpt-5.6', {}, false],
  ['gpt-5.6', { reasoning_effort: 'none' }, true],
  ['gpt-5-chat-latest', {}, true],
])('how to sample, said to %s with %j: %s', (model, request, taken) => {
  const { body, dropped } = build({ ...request, temperature: 0.5, top_p: 0.5 }, { model });
  expect([body.temperature, body.top_p]).toEqual(taken ? [0.5, 0.5] : [undefined, undefined]);
  expect(dropped).toEqual(taken ? [] : ['temperature', 'top_p']);
});

describe('reasoning given back', () => {
  const format = 'openai-responses-v1';
  const assistant = (reasoning_details: object[], content = 'So.') => ({
    role: 'assistant',
    content,
    reasoning_details,
  });

  test('what the decoder gave out makes the same item again', () => {
    const items = [
      {
        type: 'reasoning',
        id: 'rs_1',
        summary: [
          { type: 'summary_text', text: 'a' },
          { type: 'summary_text', text: 'b' },
        ],
        encrypted_content: 'sealed',
      },
      { type: 'reasoning', id: 'rs_2', summary: [], encrypted_content: 'too' },
      { type: 'reasoning', id: 'rs_3', summary: [], content: [{ type: 'reasoning_text', text: 'plain' }] },
    ];
    const events: StreamEvent[] = [];
    const decoder = createOpenAiResponsesDecoder({ emit: (event) => void events.push(event), choices: 1 });
    const response = { status: 'completed', output: items };
    decoder.push(Buffer.from(`data: ${JSON.stringify({ type: 'response.completed', response })}\n\n`));
    const details = events.flatMap((e): ReasoningDetail[] => (e.type === 'reasoning-detail' ? [e.detail] : []));
    expect(inputOf([assistant(details)])).toEqual([...items, { role: 'assistant', content: 'So.' }]);
  });

  test('without ids, what is encrypted ends an item', () => {
    const detail = (fields: object) => ({ format, ...fields });
    const details = [
      detail({ type: 'reasoning.summary', summary: 'a' }),
      detail({ type: 'reasoning.encrypted', data: '1' }),
      detail({ type: 'reasoning.encrypted', data: '2' }),
    ];
    expect(inputOf([assistant(details)]).slice(0, -1)).toEqual([
      { type: 'reasoning', summary: [{ type: 'summary_text', text: 'a' }], encrypted_content: '1' },
      { type: 'reasoning', summary: [], encrypted_content: '2' },
    ]);
  });

  test('that of another maker is left out and listed', () => {
    const details = [{ format: 'anthropic-claude-v1', type: 'reasoning.text', text: 'x', signature: 'y' }];
    const { body, dropped } = build({ messages: [assistant(details)] });
    expect({ input: body.input, dropped }).toEqual({
      input: [{ role: 'assistant', content: 'So.' }],
      dropped: ['reasoning_details'],
    });
  });

  test('that which led to nothing is left out and listed', () => {
    const details = [{ format, type: 'reasoning.encrypted', data: '1', id: 'rs_1' }];
    const { body, dropped } = build({ messages: [...hello, assistant(details, ''), ...hello] });
    expect({ input: body.input, dropped }).toEqual({ input: [...hello, ...hello], dropped: ['reasoning_details'] });
  });
});
