// What goes out to a provider of the generateContent wire: held against what the official SDK sends for the same, and field by field
// with what each generation of models takes.
import { type GenerateContentParameters, GoogleGenAI } from '@google/genai';
import { describe, expect, test } from 'vitest';
import type { ChatRequest } from '../../src/core/chat.ts';
import { createGeminiProvider, type GeminiProviderConfig } from '../../src/providers/gemini/provider.ts';
import { geminiRequest } from '../../src/providers/gemini/request.ts';
import { createTransport } from '../../src/providers/transport.ts';
import { asked, forThisTest, hello, type Seen, startServer } from '../support/upstream.ts';

type Config = Partial<Omit<GeminiProviderConfig, 'name'>>;

const GOOGLE = 'https://generativelanguage.googleapis.com/v1beta';
const VERTEX = 'https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/europe-west4';
const NEW = 'gemini-3.8-flash';
const hi = { contents: [{ role: 'user', parts: [{ text: 'Hi' }] }] };
const tools = [
  { type: 'function', function: { name: 'look', parameters: { type: 'object', properties: { at: {} } } } },
];

function ask(request: object, model = NEW, config: Config = {}, vendor?: Record<string, unknown>) {
  const filled = { baseUrl: GOOGLE, ...config };
  const { body, dropped } = geminiRequest(filled, { ...hello, ...request } as ChatRequest, model, vendor);
  const { model: path, ...rest } = body as Record<string, any>;
  return { path, body: rest, dropped };
}

function send(config: Config, request: object = {}, model = NEW, path = '/v1beta'): Promise<Seen> {
  const providerAt = (url: string) => {
    const filled = { name: 'up', baseUrl: url + path, ...config };
    return forThisTest(createGeminiProvider(filled, createTransport({ proxy: false })));
  };
  return asked(providerAt, { ...hello, ...request }, model);
}

/** The request that the SDK makes of these parameters. */
async function sendSdk(params: Omit<GenerateContentParameters, 'model'>, model = NEW): Promise<Seen> {
  const { seen, url } = await startServer();
  const client = new GoogleGenAI({ apiKey: 'k', vertexai: false, httpOptions: { baseUrl: url, apiVersion: 'v1beta' } });
  for await (const _chunk of await client.models.generateContentStream({ model, ...params }));
  expect(seen).toHaveLength(1);
  return seen[0]!;
}

// ---- as the SDK does it ---------------------------------------------------------------------------------------------

const PIXEL = 'iVBORw0KGgo=';
const schema = {
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
  additionalProperties: false,
};
const weather = { name: 'get_weather', description: 'Says how the weather is.' };
const weatherTool = { type: 'function', function: { ...weather, parameters: schema } };

const SAME: [about: string, ours: object, theirs: Omit<GenerateContentParameters, 'model'>][] = [
  [
    'a system prompt, several turns, sampling and limits',
    {
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Hi' },
        { role: 'assistant', content: 'Hello.' },
        { role: 'user', content: 'Who are you?' },
      ],
      temperature: 0.5,
      top_p: 0.9,
      top_k: 20,
      max_completion_tokens: 500,
      stop: ['###', 'END'],
      seed: 7,
      n: 2,
      service_tier: 'flex',
    },
    {
      contents: [
        { role: 'user', parts: [{ text: 'Hi' }] },
        { role: 'model', parts: [{ text: 'Hello.' }] },
        { role: 'user', parts: [{ text: 'Who are you?' }] },
      ],
      config: {
        systemInstruction: { parts: [{ text: 'Be brief.' }] },
        temperature: 0.5,
        topP: 0.9,
        topK: 20,
        maxOutputTokens: 500,
        stopSequences: ['###', 'END'],
        seed: 7,
        candidateCount: 2,
        serviceTier: 'flex' as never,
      },
    },
  ],
  [
    'tools, thinking, parallel calls with a signature, their results, and the next question',
    {
      messages: [
        { role: 'user', content: 'Weather in Kiel and Bonn?' },
        {
          role: 'assistant',
          content: 'I look.',
          tool_calls: [
            { id: 'k1', type: 'function', function: { name: 'get_weather', arguments: '{"city":"Kiel"}' } },
            { id: 'k2', type: 'function', function: { name: 'get_weather', arguments: '{"city":"Bonn"}' } },
          ],
          reasoning_details: [{ type: 'reasoning.encrypted', format: 'google-gemini-v1', id: 'k1', data: 'U0lH' }],
        },
        { role: 'tool', tool_call_id: 'k1', content: '{"sky":"grey"}' },
        { role: 'tool', tool_call_id: 'k2', content: 'sunny' },
        { role: 'user', content: 'And tomorrow?' },
      ],
      tools: [weatherTool],
      tool_choice: { type: 'function', function: { name: 'get_weather' } },
      reasoning_effort: 'low',
    },
    {
      contents: [
        { role: 'user', parts: [{ text: 'Weather in Kiel and Bonn?' }] },
        {
          role: 'model',
          parts: [
            { text: 'I look.' },
            { functionCall: { id: 'k1', name: 'get_weather', args: { city: 'Kiel' } }, thoughtSignature: 'U0lH' },
            { functionCall: { id: 'k2', name: 'get_weather', args: { city: 'Bonn' } } },
          ],
        },
        {
          role: 'user',
          parts: [
            { functionResponse: { id: 'k1', name: 'get_weather', response: { sky: 'grey' } } },
            { functionResponse: { id: 'k2', name: 'get_weather', response: { output: 'sunny' } } },
          ],
        },
        { role: 'user', parts: [{ text: 'And tomorrow?' }] },
      ],
      config: {
        tools: [{ functionDeclarations: [{ ...weather, parametersJsonSchema: schema }] }],
        toolConfig: { functionCallingConfig: { mode: 'ANY' as never, allowedFunctionNames: ['get_weather'] } },
        thinkingConfig: { includeThoughts: true, thinkingLevel: 'LOW' as never },
      },
    },
  ],
  [
    'images and files, and an answer by a schema',
    {
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'Compare.' },
            { type: 'image_url', image_url: { url: `data:image/png;base64,${PIXEL}` } },
            { type: 'image_url', image_url: { url: 'https://example.com/a.jpg' } },
            { type: 'input_audio', input_audio: { data: 'AAAA', format: 'wav' } },
            { type: 'file', file: { file_id: 'https://generativelanguage.googleapis.com/v1beta/files/abc' } },
          ],
        },
      ],
      response_format: { type: 'json_schema', json_schema: { name: 'city', schema, strict: true } },
    },
    {
      contents: [
        {
          role: 'user',
          parts: [
            { text: 'Compare.' },
            { inlineData: { mimeType: 'image/png', data: PIXEL } },
            { fileData: { fileUri: 'https://example.com/a.jpg', mimeType: 'image/jpeg' } },
            { inlineData: { mimeType: 'audio/wav', data: 'AAAA' } },
            { fileData: { fileUri: 'https://generativelanguage.googleapis.com/v1beta/files/abc' } },
          ],
        },
      ],
      config: { responseMimeType: 'application/json', responseJsonSchema: schema },
    },
  ],
];

test.each(SAME)('the SDK sends the same: %s', async (_about, ours, theirs) => {
  const [mine, sdk] = [await send({ apiKey: 'k' }, ours), await sendSdk(theirs)];
  expect(mine.body).toEqual(sdk.body);
  expect([mine.method, mine.url]).toEqual([sdk.method, sdk.url]);
  for (const header of ['content-type', 'x-goog-api-key']) expect(mine.headers[header]).toBe(sdk.headers[header]);
});

// ---- address and headers --------------------------------------------------------------------------------------------

test.each<[model: string, baseUrl: string, path: string]>([
  ['gemini-x', GOOGLE, 'models/gemini-x'],
  ['models/gemini-x', GOOGLE, 'models/gemini-x'],
  ['tunedModels/mine', GOOGLE, 'tunedModels/mine'],
  ['a model:generateContent?alt=x#y', GOOGLE, 'models/a%20model%3AgenerateContent%3Falt%3Dx%23y'],
  ['gemini-x', VERTEX, 'publishers/google/models/gemini-x'],
  ['publishers/google/models/gemini-x', VERTEX, 'publishers/google/models/gemini-x'],
  ['gemini-x', 'https://aiplatform.googleapis.com/v1', 'publishers/google/models/gemini-x'],
  ['gemini-x', 'https://aiplatform.eu.rep.googleapis.com/v1', 'publishers/google/models/gemini-x'],
  ['gemini-x', 'http://proxy/v1/projects/p/locations/global', 'publishers/google/models/gemini-x'],
  ['endpoints/123', VERTEX, 'endpoints/123'],
])('the model %s at %s is %s', (model, baseUrl, path) => {
  expect(ask({}, model, { baseUrl }).path).toBe(path);
});

test.each(['models/../../secrets', '..', 'models//x', ''])('%s is no model', (model) => {
  expect(() => ask({}, model)).toThrow(/^model: .*wire "gemini"/);
});

test('the stream is asked for as events, the path kept, queries and headers of the config added', async () => {
  const { method, url, headers, body } = await send(
    { apiKey: 'k', query: { key: 'q k' }, headers: { 'X-Goog-Api-Key': 'mine', Authorization: 'Bearer t' } },
    {},
    'models/x',
    '/some/v1beta/',
  );
  expect(method).toBe('POST');
  expect(url).toBe('/some/v1beta/models/x:streamGenerateContent?alt=sse&key=q+k');
  expect(headers).toMatchObject({
    'x-goog-api-key': 'mine',
    authorization: 'Bearer t',
    'content-type': 'application/json',
  });
  expect(body).toEqual(hi);
});

test('without a key none is sent', async () => {
  expect((await send({})).headers).not.toHaveProperty('x-goog-api-key');
});

// ---- fields ---------------------------------------------------------------------------------------------------------

test.each<[about: string, request: object, config: object]>([
  ['max_tokens', { max_tokens: 9 }, { maxOutputTokens: 9 }],
  ['max_completion_tokens before max_tokens', { max_tokens: 9, max_completion_tokens: 8 }, { maxOutputTokens: 8 }],
  ['a single stop', { stop: 'x' }, { stopSequences: ['x'] }],
  ['any JSON', { response_format: { type: 'json_object' } }, { responseMimeType: 'application/json' }],
])('%s', (_about, request, generationConfig) => {
  expect(ask(request)).toEqual({ path: `models/${NEW}`, body: { ...hi, generationConfig }, dropped: [] });
});

test('what every answer is anyway needs no word', () => {
  const plain = {
    n: 1,
    stop: [],
    response_format: { type: 'text' },
    tools: [],
    tool_choice: 'auto',
    service_tier: 'auto',
  };
  expect(
    ask({ ...plain, presence_penalty: 0, parallel_tool_calls: true, stream: true, logprobs: false }),
  ).toMatchObject({
    body: hi,
    dropped: [],
  });
});

test('hints that the wire or the model has no place for are left out aloud', () => {
  const { body, dropped } = ask({
    user: 'u',
    presence_penalty: 1,
    frequency_penalty: 1,
    logit_bias: { 1: 1 },
    seed: 2 ** 40,
  });
  expect(body).toEqual(hi);
  expect(dropped.sort()).toEqual(['frequency_penalty', 'logit_bias', 'presence_penalty', 'seed', 'user']);
});

test('penalties go to models that take them', () => {
  const { body, dropped } = ask({ presence_penalty: 1, frequency_penalty: -1 }, 'gemini-2.0-flash');
  expect(body.generationConfig).toEqual({ presencePenalty: 1, frequencyPenalty: -1 });
  expect(dropped).toEqual([]);
});

test.each<[tier: string, sent: string | undefined]>([
  ['default', 'standard'],
  ['priority', 'priority'],
  ['scale', undefined],
])('service_tier %s is %s', (service_tier, sent) => {
  const { body, dropped } = ask({ service_tier });
  expect(body.serviceTier).toBe(sent);
  expect(dropped).toEqual(sent === undefined ? ['service_tier'] : []);
  expect(ask({ service_tier }, NEW, { baseUrl: VERTEX })).toMatchObject({ body: hi, dropped: ['service_tier'] });
});

test.each<[about: string, request: object, param: string]>([
  ['logprobs', { logprobs: true }, 'logprobs'],
  ['one call at a time', { tools, parallel_tool_calls: false }, 'parallel_tool_calls'],
  ['more stops than it takes', { stop: ['1', '2', '3', '4', '5', '6'] }, 'stop'],
  ['spoken answers', { modalities: ['text', 'audio'] }, 'modalities'],
  ['tools that are no functions', { tools: [{ type: 'web_search' }] }, 'tools[0]'],
  ['a call without tools', { tool_choice: 'required' }, 'tool_choice'],
  ['an unknown choice', { tools, tool_choice: { type: 'custom' } }, 'tool_choice'],
  [
    'a schema that is none',
    { response_format: { type: 'json_schema', json_schema: { name: 'x' } } },
    'response_format.json_schema.schema',
  ],
  ['system messages alone', { messages: [{ role: 'system', content: 'x' }] }, 'messages'],
  ['a result of no call', { messages: [{ role: 'tool', tool_call_id: 'x', content: '' }] }, 'messages[0].tool_call_id'],
  ['an effort that is none', { reasoning_effort: 'huge' }, 'reasoning_effort'],
])('%s is refused, naming field and wire', (_about, request, param) => {
  expect(() => ask(request)).toThrow(
    expect.objectContaining({ code: 'invalid_request', param, message: expect.stringContaining('wire "gemini"') }),
  );
});

test('config drop leaves a field out, and the client is told', () => {
  expect(ask({ stop: ['x'], top_k: 3 }, NEW, { drop: ['stop', 'top_k'] })).toMatchObject({
    body: hi,
    dropped: ['stop', 'top_k'],
  });
});

test('the client’s own fields for this wire are laid over the body, but not its model', () => {
  const vendor = { model: 'other', tools: [{ googleSearch: {} }], generationConfig: { topK: 2 }, cachedContent: 'c' };
  const { path, body } = ask({ tools, top_p: 0.5 }, NEW, {}, vendor);
  expect(path).toBe(`models/${NEW}`);
  expect(body.tools).toEqual([
    { functionDeclarations: [expect.objectContaining({ name: 'look' })] },
    { googleSearch: {} },
  ]);
  expect(body.generationConfig).toEqual({ topP: 0.5, topK: 2 });
  expect(body.cachedContent).toBe('c');
});

test('a schema’s constants are said as the wire knows them, and its description is kept', () => {
  const { body } = ask({
    response_format: {
      type: 'json_schema',
      json_schema: {
        name: 'x',
        description: 'A thing.',
        schema: {
          anyOf: [{ properties: { const: { const: 'a' }, list: { items: { const: 1 } } } }],
          $defs: { d: { const: 'b' } },
        },
      },
    },
  });
  expect(body.generationConfig.responseJsonSchema).toEqual({
    description: 'A thing.',
    anyOf: [{ properties: { const: { enum: ['a'] }, list: { items: { enum: [1] } } } }],
    $defs: { d: { enum: ['b'] } },
  });
});

describe('the choice of tools', () => {
  const strict = [{ type: 'function', function: { name: 'look', strict: true } }];
  const allowed = (mode: string) => ({
    type: 'allowed_tools',
    allowed_tools: { mode, tools: [{ type: 'function', function: { name: 'look' } }] },
  });
  test.each<[about: string, request: object, config: object | undefined]>([
    ['auto', { tools, tool_choice: 'auto' }, undefined],
    ['none', { tools, tool_choice: 'none' }, { mode: 'NONE' }],
    ['required', { tools, tool_choice: 'required' }, { mode: 'ANY' }],
    ['some, if any', { tools, tool_choice: allowed('auto') }, { mode: 'VALIDATED', allowedFunctionNames: ['look'] }],
    [
      'some, at least one',
      { tools, tool_choice: allowed('required') },
      { mode: 'ANY', allowedFunctionNames: ['look'] },
    ],
    ['strict tools', { tools: strict }, { mode: 'VALIDATED' }],
    ['none without tools', { tool_choice: 'none' }, undefined],
  ])('%s', (_about, request, functionCallingConfig) => {
    expect(ask(request).body.toolConfig).toEqual(functionCallingConfig && { functionCallingConfig });
  });

  test('a function without parameters has no schema', () => {
    expect(ask({ tools: strict }).body.tools).toEqual([{ functionDeclarations: [{ name: 'look' }] }]);
  });
});

// ---- thinking -------------------------------------------------------------------------------------------------------

const shown = { includeThoughts: true };
test.each<[model: string, request: object, config: object | undefined, dropped?: string[]]>([
  [NEW, {}, undefined],
  [NEW, { reasoning_effort: 'minimal' }, { ...shown, thinkingLevel: 'LOW' }],
  [NEW, { reasoning_effort: 'medium' }, { ...shown, thinkingLevel: 'MEDIUM' }],
  [NEW, { reasoning_effort: 'max' }, { ...shown, thinkingLevel: 'HIGH' }],
  [NEW, { reasoning: { max_tokens: 9000 } }, { ...shown, thinkingLevel: 'MEDIUM' }],
  [NEW, { reasoning: { enabled: true } }, shown],
  [NEW, { reasoning: { summary: 'auto' } }, shown],
  [NEW, { reasoning: { summary: 'detailed' } }, shown, ['reasoning.summary']],
  [NEW, { reasoning_effort: 'none' }, { thinkingLevel: 'LOW' }, ['reasoning_effort']],
  ['a-model-of-tomorrow', { reasoning_effort: 'minimal' }, { ...shown, thinkingLevel: 'LOW' }],
  ['gemini-3-flash-preview', { reasoning_effort: 'minimal' }, { ...shown, thinkingLevel: 'MINIMAL' }],
  ['gemini-3.5-flash-lite', { reasoning: { enabled: false } }, { thinkingLevel: 'MINIMAL' }, ['reasoning']],
  ['gemini-3.1-pro-preview', { reasoning_effort: 'minimal' }, { ...shown, thinkingLevel: 'LOW' }],
  ['gemini-2.5-flash', { reasoning_effort: 'low' }, { ...shown, thinkingBudget: 2048 }],
  ['gemini-2.5-flash', { reasoning_effort: 'max' }, { ...shown, thinkingBudget: 24_576 }],
  ['gemini-2.5-flash', { reasoning: { max_tokens: 700 } }, { ...shown, thinkingBudget: 700 }],
  ['gemini-2.5-flash', { reasoning: { enabled: true } }, { ...shown, thinkingBudget: -1 }],
  ['gemini-2.5-flash', { reasoning_effort: 'none' }, { thinkingBudget: 0 }],
  ['gemini-2.5-flash-lite', { reasoning: { max_tokens: 100 } }, { ...shown, thinkingBudget: 512 }],
  [
    'publishers/google/models/gemini-2.5-pro',
    { reasoning_effort: 'none' },
    { thinkingBudget: 128 },
    ['reasoning_effort'],
  ],
  ['gemini-2.0-flash', { reasoning_effort: 'high' }, undefined, ['reasoning_effort']],
  ['gemini-2.0-flash', { reasoning_effort: 'none' }, undefined],
])('%s asked for %j thinks as %j', (model, request, thinkingConfig, dropped = []) => {
  const { body, dropped: left } = ask(request, model);
  expect(body.generationConfig?.thinkingConfig).toEqual(thinkingConfig);
  expect(left).toEqual(dropped);
});

test.each<[thinking: 'level' | 'budget', model: string, config: object]>([
  ['budget', NEW, { ...shown, thinkingBudget: 16_384 }],
  ['level', 'gemini-2.5-flash', { ...shown, thinkingLevel: 'HIGH' }],
])('config says that it is by %s for %s', (thinking, model, thinkingConfig) => {
  expect(ask({ reasoning_effort: 'high' }, model, { thinking }).body.generationConfig).toEqual({ thinkingConfig });
});

// ---- the conversation -----------------------------------------------------------------------------------------------

const calls = (...ids: string[]) =>
  ids.map((id) => ({ id, type: 'function', function: { name: `f_${id}`, arguments: '{"n":1}' } }));
const result = (id: string, content: unknown = 'ok', more: object = {}) => ({
  role: 'tool',
  tool_call_id: id,
  content,
  ...more,
});
const user = { role: 'user', content: 'Hi' };
const encrypted = (data: string, id?: string) => ({
  type: 'reasoning.encrypted',
  format: 'google-gemini-v1',
  data,
  ...(id && { id }),
});
const contentsOf = (messages: object[], model = NEW, config: Config = {}) =>
  ask({ messages }, model, config).body.contents as any[];
const UNSIGNED = 'skip_thought_signature_validator';

test('system text comes first, wherever it stood, and neighbours of one role are one content', () => {
  const { body } = ask({
    messages: [
      { role: 'system', content: 'A' },
      user,
      { role: 'user', content: 'there' },
      { role: 'developer', content: [{ type: 'text', text: 'B' }] },
      { role: 'assistant', content: 'Yes' },
      { role: 'assistant', content: '?' },
    ],
  });
  expect(body).toEqual({
    systemInstruction: { parts: [{ text: 'A' }, { text: 'B' }] },
    contents: [
      { role: 'user', parts: [{ text: 'Hi' }, { text: 'there' }] },
      { role: 'model', parts: [{ text: 'Yes' }, { text: '?' }] },
    ],
  });
});

test('results stand in the order of their calls, with ids where the API takes them', () => {
  const messages = [
    user,
    { role: 'assistant', tool_calls: calls('a', 'b') },
    result('b', 'second'),
    result('a', 'first'),
  ];
  const response = (id: string, output: string, ids: boolean) => ({
    functionResponse: { ...(ids && { id }), name: `f_${id}`, response: { output } },
  });
  expect(contentsOf(messages)[2].parts).toEqual([response('a', 'first', true), response('b', 'second', true)]);
  const onVertex = contentsOf(messages, NEW, { baseUrl: VERTEX });
  expect(onVertex[1].parts.map((part: any) => part.functionCall)).toEqual([
    { name: 'f_a', args: { n: 1 } },
    { name: 'f_b', args: { n: 1 } },
  ]);
  expect(onVertex[2].parts).toEqual([response('a', 'first', false), response('b', 'second', false)]);
});

test.each<[about: string, message: object, response: object]>([
  ['text', result('a', 'plain'), { output: 'plain' }],
  ['nothing', result('a', ''), { output: '' }],
  ['an object', result('a', ' {"x":[1]}'), { x: [1] }],
  ['a list', result('a', '[1]'), { output: '[1]' }],
  [
    'an object with a number too long to read',
    result('a', '{"id":12345678901234567890}'),
    { output: '{"id":12345678901234567890}' },
  ],
  ['what only begins like an object', result('a', '{oops'), { output: '{oops' }],
  [
    'several texts',
    result('a', [
      { type: 'text', text: 'x' },
      { type: 'text', text: 'y' },
    ]),
    { output: 'x\ny' },
  ],
  ['a failure', result('a', 'no such city', { is_error: true }), { error: 'no such city' }],
])('a result that is %s', (_about, message, response) => {
  const [, , content] = contentsOf([user, { role: 'assistant', tool_calls: calls('a') }, message]);
  expect(content.parts).toEqual([{ functionResponse: { id: 'a', name: 'f_a', response } }]);
});

test('an image in a result stands inside it, for older models beside it', () => {
  const image = { type: 'image_url', image_url: { url: `data:image/png;base64,${PIXEL}` } };
  const messages = [
    user,
    { role: 'assistant', tool_calls: calls('a') },
    result('a', [{ type: 'text', text: 'see' }, image]),
  ];
  const inlineData = { mimeType: 'image/png', data: PIXEL };
  const response = { id: 'a', name: 'f_a', response: { output: 'see' } };
  expect(contentsOf(messages)[2].parts).toEqual([{ functionResponse: { ...response, parts: [{ inlineData }] } }]);
  expect(contentsOf(messages, 'gemini-2.5-pro')[2].parts).toEqual([{ functionResponse: response }, { inlineData }]);
});

test('the id of an upload is its address', () => {
  const file = { role: 'user', content: [{ type: 'file', file: { file_id: 'files/abc' } }] };
  expect(contentsOf([file])[0].parts).toEqual([{ fileData: { fileUri: `${GOOGLE}/files/abc` } }]);
});

test('hints of caching and of how closely to look are left out aloud', () => {
  const cache_control = { type: 'ephemeral' };
  const image = { type: 'image_url', image_url: { url: 'https://example.com/a.png', detail: 'high' } };
  expect(ask({ messages: [{ role: 'user', content: [image] }] }).dropped).toEqual(['image_url.detail']);
  expect(ask({ messages: [{ ...user, cache_control }] }).dropped).toEqual(['cache_control']);
  expect(ask({ tools: [{ ...tools[0], cache_control }] }).dropped).toEqual(['cache_control']);
});

test('thoughts and signatures go back onto what they came with', () => {
  const reasoning_details = [
    { type: 'reasoning.text', format: 'google-gemini-v1', text: 'Hm.', signature: 'T' },
    { type: 'reasoning.summary', format: 'google-gemini-v1', summary: 'Short.' },
    encrypted('C', 'a'),
    encrypted('E'),
    { type: 'reasoning.text', format: 'anthropic-claude-v1', text: 'of another', signature: 'x' },
    encrypted('gone', 'taken-out'),
  ];
  const messages = [
    user,
    { role: 'assistant', content: 'Look:', reasoning_details, tool_calls: calls('a', 'b') },
    result('a'),
    result('b'),
  ];
  const { body, dropped } = ask({ messages });
  expect(body.contents[1].parts).toEqual([
    { text: 'Hm.', thought: true, thoughtSignature: 'T' },
    { text: 'Short.', thought: true },
    { text: 'Look:' },
    { text: '', thoughtSignature: 'E' },
    { functionCall: { id: 'a', name: 'f_a', args: { n: 1 } }, thoughtSignature: 'C' },
    { functionCall: { id: 'b', name: 'f_b', args: { n: 1 } } },
  ]);
  expect(dropped).toEqual(['reasoning_details']);
});

test('calls of the current turn that lost their signature get the documented stand-in, the first of each step', () => {
  const before = [
    user,
    { role: 'assistant', tool_calls: calls('old') },
    result('old'),
    { role: 'assistant', content: 'Done.' },
  ];
  const now = [
    { role: 'user', content: 'Again' },
    { role: 'assistant', tool_calls: calls('a', 'b') },
    result('a'),
    result('b'),
    { role: 'assistant', tool_calls: calls('c'), reasoning_details: [encrypted('S', 'c')] },
    result('c'),
  ];
  const signatures = (model: string) =>
    contentsOf([...before, ...now], model).flatMap(({ parts }) =>
      parts.flatMap((part: any) => (part.functionCall ? [part.thoughtSignature] : [])),
    );
  expect(signatures(NEW)).toEqual([undefined, UNSIGNED, undefined, 'S']);
  expect(signatures('gemini-2.5-flash')).toEqual([undefined, undefined, undefined, 'S']);
});
