// The mock's Gemini wire, by Google's own client where the shape matters to it and by raw bytes where the framing does.
import { GoogleGenAI } from '@google/genai';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type MockServer, startMock } from '../../src/mock/server.ts';
import { events, type Json } from './client.ts';

let mock: MockServer;
let client: GoogleGenAI;
beforeAll(async () => {
  mock = await startMock();
  client = new GoogleGenAI({ apiKey: 'mock-key', httpOptions: { baseUrl: mock.origin, apiVersion: 'v1beta' } });
});
afterAll(() => mock.close());

const hello = { contents: [{ role: 'user', parts: [{ text: 'Say hello to the world' }] }] };

interface Ask {
  method?: 'generateContent' | 'streamGenerateContent';
  query?: string;
  headers?: Record<string, string>;
}

function ask(model: string, body: unknown = hello, more: Ask = {}): Promise<Response> {
  const { method = 'streamGenerateContent', query = '?alt=sse', headers = { 'x-goog-api-key': 'mock-key' } } = more;
  return fetch(`${mock.origin}/v1beta/models/${encodeURIComponent(model)}:${method}${query}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

async function chunksOf(model: string, body: unknown = hello): Promise<Json[]> {
  return events(await (await ask(model, body)).text()).map((data) => JSON.parse(data));
}

async function whole(model: string, body: unknown = hello): Promise<Json> {
  return (await ask(model, body, { method: 'generateContent', query: '' })).json();
}

const partsOf = (chunks: Json[], candidate = 0): Json[] =>
  chunks.flatMap((chunk) =>
    chunk.candidates.filter((c: Json) => c.index === candidate).flatMap((c: Json) => c.content.parts),
  );
const textOf = (parts: Json[]): string => parts.map((part) => (part.thought ? '' : (part.text ?? ''))).join('');
const callsOf = (parts: Json[]): Json[] => parts.flatMap((part) => part.functionCall ?? []);

async function refusal(body: unknown, model = 'lorem-2'): Promise<{ status: number; error: Json }> {
  const response = await ask(model, body);
  return { status: response.status, error: ((await response.json()) as Json).error };
}

const lookUp = {
  name: 'look_up',
  parameters: {
    type: 'OBJECT',
    properties: {
      city: { type: 'STRING' },
      days: { type: 'INTEGER' },
      tags: { type: 'ARRAY', items: { type: 'STRING' }, minItems: '2' },
    },
    required: ['city', 'tags'],
  },
};
const clock = { name: 'clock', parametersJsonSchema: { type: 'object', properties: {} } };

test('chunks are whole responses with the usage so far, lines ended by CRLF', async () => {
  const raw = await (await ask('reasoning-1+lorem-2')).text();
  expect(raw.split('\r\n\r\n').length).toBe(5);
  expect(raw.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
  const chunks = events(raw).map((data) => JSON.parse(data));
  const chunk = (candidate: object, candidatesTokenCount: number | undefined, totalTokenCount: number) => ({
    candidates: [{ ...candidate, index: 0 }],
    usageMetadata: {
      promptTokenCount: 5,
      ...(candidatesTokenCount && { candidatesTokenCount }),
      totalTokenCount,
      promptTokensDetails: [{ modality: 'TEXT', tokenCount: 5 }],
      thoughtsTokenCount: 1,
    },
    modelVersion: 'reasoning-1+lorem-2',
    responseId: chunks[0].responseId,
  });
  const content = (part: object) => ({ content: { parts: [part], role: 'model' } });
  expect(chunks).toEqual([
    chunk(content({ text: 'The', thought: true }), undefined, 6),
    chunk(content({ text: 'Lorem' }), 1, 7),
    chunk(content({ text: ' ipsum' }), 2, 8),
    chunk({ ...content({ text: '', thoughtSignature: expect.any(String) }), finishReason: 'STOP' }, 2, 8),
  ]);
});

test("Google's client reads a stream and a whole answer", async () => {
  const request = { model: 'reasoning-4+lorem-6', contents: 'Say hello to the world' };
  let text = '';
  let last: Json;
  for await (const chunk of await client.models.generateContentStream(request)) {
    text += chunk.text ?? '';
    last = chunk;
  }
  expect(text).toBe('Lorem ipsum dolor sit amet, consectetur');
  expect(last.usageMetadata).toMatchObject({
    promptTokenCount: 5,
    candidatesTokenCount: 6,
    thoughtsTokenCount: 4,
    totalTokenCount: 15,
  });
  const answer = await client.models.generateContent(request);
  expect(answer.text).toBe(text);
  expect(answer.candidates?.[0]).toMatchObject({ finishReason: 'STOP', index: 0 });
  expect(answer.usageMetadata).toMatchObject({ promptTokenCount: 5, candidatesTokenCount: 6, thoughtsTokenCount: 4 });
});

test("a tool loop with thinking goes round through Google's client, which gives the signatures back", async () => {
  const chat = client.chats.create({
    model: 'reasoning+tools-2',
    config: { tools: [{ functionDeclarations: [lookUp, clock] as Json[] }] },
  });
  let calls: Json[] = [];
  for await (const chunk of await chat.sendMessageStream({ message: 'weather?' }))
    calls = [...calls, ...(chunk.functionCalls ?? [])];
  expect(calls).toEqual([
    { name: 'look_up', args: { city: 'city', tags: ['tags', 'tags'] } },
    { name: 'clock', args: {} },
  ]);
  const history = chat.getHistory().flatMap(({ parts = [] }) => parts.filter((part) => part.functionCall));
  expect(history.map((part) => typeof part.thoughtSignature)).toEqual(['string', 'undefined']); // the first of several alone
  const message = calls.map(({ name }) => ({ functionResponse: { name, response: { output: `${name} says blue.` } } }));
  const answer = await chat.sendMessage({ message });
  expect(answer.text).toBe('The tool answered: look_up says blue.clock says blue.');
});

test('without alt=sse the stream is one JSON array', async () => {
  const response = await ask('lorem-3', hello, { query: '' });
  expect(response.headers.get('content-type')).toBe('application/json; charset=UTF-8');
  const chunks = (await response.json()) as Json[];
  expect(chunks.length).toBe(4);
  expect(textOf(partsOf(chunks))).toBe('Lorem ipsum dolor');
  expect(await (await ask('error-after-1', hello, { query: '' })).json()).toMatchObject([{}, { error: { code: 500 } }]);
  expect(await (await ask('lorem-0+no-finish', hello, { query: '' })).json()).toEqual([]);
});

test('calls are sent whole and without ids, one a chunk; with index0 all in one', async () => {
  const tools = [{ functionDeclarations: [lookUp, clock] }];
  const chunks = await chunksOf('tools-2', { ...hello, tools });
  expect(chunks.map((chunk) => callsOf(partsOf([chunk])).map(({ name }) => name))).toEqual([['look_up'], ['clock']]);
  expect(callsOf(partsOf(chunks)).some((call) => 'id' in call)).toBe(false);
  expect(chunks[1].candidates[0]).toMatchObject({
    finishReason: 'STOP',
    finishMessage: 'Model generated function call(s).',
  });
  const flat = await chunksOf('tools-2+index0', { ...hello, tools });
  expect(flat.map((chunk) => callsOf(partsOf([chunk])).length)).toEqual([2]);
  expect(callsOf((await whole('tools-2', { ...hello, tools })).candidates[0].content.parts)).toEqual(
    callsOf(partsOf(chunks)),
  );
});

test('a call that the token limit cuts is not sent at all', async () => {
  const chunks = await chunksOf('tools', { ...hello, generationConfig: { maxOutputTokens: 3 } });
  expect(callsOf(partsOf(chunks))).toEqual([]);
  expect(chunks.at(-1).candidates[0].finishReason).toBe('MAX_TOKENS');
  const answer = await whole('tools', { ...hello, generationConfig: { maxOutputTokens: 3 } });
  expect(answer.candidates[0]).toMatchObject({ finishReason: 'MAX_TOKENS' });
});

test('tool_config decides what may be called', async () => {
  const tools = [{ functionDeclarations: [lookUp, clock] }];
  const config = (functionCallingConfig: object) => ({ ...hello, tools, toolConfig: { functionCallingConfig } });
  const named = await chunksOf('tools', config({ mode: 'ANY', allowedFunctionNames: ['clock'] }));
  expect(callsOf(partsOf(named)).map(({ name }) => name)).toEqual(['clock']);
  const none = await chunksOf('tools', config({ mode: 'NONE' }));
  expect(textOf(partsOf(none))).toBe('I was told not to call a tool.');
});

test('finish reasons, JSON by either kind of schema, refusals, stops and candidates', async () => {
  const reasonOf = async (model: string) => (await chunksOf(model)).at(-1).candidates[0].finishReason;
  expect([await reasonOf('length'), await reasonOf('filter')]).toEqual(['MAX_TOKENS', 'SAFETY']);
  expect(await reasonOf('no-finish')).toBe(undefined);
  expect((await chunksOf('filter')).at(-1).candidates[0].safetyRatings[0].blocked).toBe(true);

  const responseMimeType = 'application/json';
  const responseSchema = { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] };
  for (const config of [{ responseSchema }, { responseJsonSchema: responseSchema }]) {
    const chunks = await chunksOf('json', { ...hello, generationConfig: { responseMimeType, ...config } });
    expect(textOf(partsOf(chunks))).toBe('{"n":1}');
  }
  expect(textOf(partsOf(await chunksOf('refusal')))).toBe("I'm sorry, but I can't help with that.");
  const stopped = await chunksOf('lorem-10', { ...hello, generationConfig: { stopSequences: ['sum do'] } });
  expect(textOf(partsOf(stopped))).toBe('Lorem ip');
  const two = await chunksOf('lorem-3', { ...hello, generationConfig: { candidateCount: 2 } });
  expect([textOf(partsOf(two, 0)), textOf(partsOf(two, 1))]).toEqual(['Lorem ipsum dolor', 'elit, sed do']);
  expect(two.at(-1).usageMetadata.candidatesTokenCount).toBe(6);
});

test('usage can be withheld, or come with the finish alone', async () => {
  expect((await chunksOf('no-usage')).some((chunk) => 'usageMetadata' in chunk)).toBe(false);
  expect(await whole('no-usage')).not.toHaveProperty('usageMetadata');
  const chunks = await chunksOf('lorem-2+usage-finish');
  expect(chunks.map((chunk) => 'usageMetadata' in chunk)).toEqual([false, false, true]);
});

test('an error in the stream is bare JSON after the events, and garbage is an event cut short', async () => {
  const raw = await (await ask('error-after-2')).text();
  const [first, second, error] = raw.split('\r\n\r\n');
  expect([first, second].every((event) => event!.startsWith('data: {'))).toBe(true);
  expect(JSON.parse(error!).error).toMatchObject({ code: 500, status: 'INTERNAL' });
  await expect(async () => {
    for await (const _ of await client.models.generateContentStream({ model: 'error-after-1', contents: 'hi' }));
  }).rejects.toThrow();
  const garbage = events(await (await ask('garbage-1')).text());
  expect(() => JSON.parse(garbage[1]!)).toThrow();
});

test('the framing parts hold here too', async () => {
  for (const model of [
    'lorem-2+split',
    'lorem-2+gzip',
    'lorem-2+crlf',
    'lorem-2+comments',
    'lorem-2+rate-1000+slow-1',
  ]) {
    expect(textOf(partsOf(await chunksOf(model)))).toBe('Lorem ipsum');
  }
  expect(await (await ask('lorem-2+comments')).text()).toMatch(/^: /);
});

test('a blocked prompt is an answer without candidates', async () => {
  expect(await whole('error-filter')).toEqual({ promptFeedback: { blockReason: 'PROHIBITED_CONTENT' } });
});

test("errors have Google's shape, and a 429 says in its details when to come back", async () => {
  const limited = await ask('error-429');
  expect([limited.status, limited.headers.get('retry-after')]).toEqual([429, null]);
  const { error } = (await limited.json()) as Json;
  expect(error).toMatchObject({ code: 429, status: 'RESOURCE_EXHAUSTED' });
  const retry = { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '1s' };
  expect(error.details).toContainEqual(retry);
  for (const [model, status, name] of [
    ['error-503', 503, 'UNAVAILABLE'],
    ['error-context', 400, 'INVALID_ARGUMENT'],
    ['nonsense', 404, 'NOT_FOUND'],
  ] as const) {
    expect(await refusal(hello, model)).toMatchObject({ status, error: { code: status, status: name } });
  }
  await expect(client.models.generateContent({ model: 'error-500', contents: 'hi' })).rejects.toMatchObject({
    status: 500,
  });
});

test('a key is wanted in the header or the query; a bearer token is not one', async () => {
  expect((await ask('lorem-1', hello, { headers: {}, query: '?alt=sse&key=abc' })).status).toBe(200);
  for (const [headers, query, status] of [
    [{}, '?alt=sse', 403],
    [{ 'x-goog-api-key': '' }, '?alt=sse&key=', 403],
    [{ authorization: 'Bearer abc' }, '?alt=sse', 401],
  ] as const) {
    expect((await ask('lorem-1', hello, { headers, query })).status).toBe(status);
  }
});

test("the path may say v1, as Google's client does by itself, and a model's + as it is", async () => {
  const plain = new GoogleGenAI({ apiKey: 'mock-key', httpOptions: { baseUrl: mock.origin } });
  expect((await plain.models.generateContent({ model: 'lorem-2+no-usage', contents: 'hi' })).text).toBe('Lorem ipsum');
  expect(mock.journal.list().at(-1)).toMatchObject({ model: 'lorem-2+no-usage' });
});

test('models are listed', async () => {
  const names: string[] = [];
  for await (const model of await client.models.list()) names.push(model.name!);
  expect(names).toContain('models/echo');
});

test('names may be in snake_case, one element may stand without its list, numbers may be strings, nulls are nothing', async () => {
  const chunks = await chunksOf('echo', {
    system_instruction: { parts: { text: 'be brief' } },
    contents: { parts: { text: 'one two three', inline_data: null } },
    generation_config: { max_output_tokens: '2', stop_sequences: null },
  });
  expect(textOf(partsOf(chunks))).toBe('one two');
  expect(chunks.at(-1).usageMetadata.promptTokenCount).toBe(5);
});

test('every mistake of a type is named, all at once', async () => {
  const { status, error } = await refusal({
    contents: [
      { parts: [{ text: 5, image: 'x' }, { text: 'a', functionCall: { name: 'f' } }, { inlineData: { data: '%' } }] },
    ],
    messages: [],
    generationConfig: { seed: 2 ** 40, thinkingConfig: { thinkingLevel: 'EXTREME' }, temperature: 'warm', topK: 1.5 },
    tools: [
      {
        functionDeclarations: [
          { name: 'f', parameters: { type: ['string'], properties: { a: { additionalProperties: false } } } },
        ],
      },
    ],
    toolConfig: 'auto',
  });
  expect([status, error.status]).toEqual([400, 'INVALID_ARGUMENT']);
  const v1beta = 'type.googleapis.com/google.ai.generativelanguage.v1beta';
  const said = [
    "Invalid value at 'contents[0].parts[0].text' (TYPE_STRING), 5",
    'Invalid JSON payload received. Unknown name "image" at \'contents[0].parts[0]\': Cannot find field.',
    "Invalid value at 'contents[0].parts[1]' (oneof), oneof field 'data' is already set. Cannot set 'functionCall'",
    'Invalid value at \'contents[0].parts[2].inline_data.data\' (TYPE_BYTES), Base64 decoding failed for "%"',
    'Invalid JSON payload received. Unknown name "messages": Cannot find field.',
    `Invalid value at 'generation_config.seed' (TYPE_INT32), ${2 ** 40}`,
    `Invalid value at 'generation_config.thinking_config.thinking_level' (${v1beta}.ThinkingConfig.ThinkingLevel), "EXTREME"`,
    'Invalid value at \'generation_config.temperature\' (TYPE_FLOAT), "warm"',
    "Invalid value at 'generation_config.top_k' (TYPE_INT32), 1.5",
    'Invalid JSON payload received. Unknown name "type" at \'tools[0].function_declarations[0].parameters\': Proto field is not repeating, cannot start list.',
    'Invalid JSON payload received. Unknown name "additionalProperties" at \'tools[0].function_declarations[0].parameters.properties[0].value\': Cannot find field.',
    `Invalid value at 'tool_config' (${v1beta}.ToolConfig), "auto"`,
  ];
  expect(error.message.split('\n')).toEqual(said);
  expect(error.details[0].fieldViolations.map(({ description }: Json) => description)).toEqual(said);
  expect((await refusal([])).error.message).toContain('Root element must be a message.');
  expect((await refusal('{"contents":')).error.message).toContain('Invalid JSON payload received.');
});

const user = (...parts: object[]) => ({ role: 'user', parts });
const model = (...parts: object[]) => ({ role: 'model', parts });
const call = (name: string, id?: string) => ({ functionCall: { name, args: {}, id } });
const response = (name: string, id?: string) => ({ functionResponse: { name, response: { output: 'x' }, id } });
const hi = { text: 'hi' };

test.each([
  ['no contents', {}, 'contents: contents is not specified'],
  ['no parts', { contents: [{ role: 'user' }] }, 'contents[0].parts: contents.parts must not be empty.'],
  [
    'a part of nothing',
    { contents: [user({ thought: true })] },
    "contents[0].parts[0].data: required oneof field 'data' must have one initialized field",
  ],
  [
    'a response without a name',
    { contents: [user({ functionResponse: { response: {} } })] },
    'function_response.name: Name cannot be empty.',
  ],
  ['data without a type', { contents: [user({ inlineData: { data: 'AAAA' } })] }, 'inline_data.mime_type'],
  [
    'a data URI as a file',
    { contents: [user({ fileData: { fileUri: 'data:image/png;base64,AAAA' } })] },
    'file_data.file_uri',
  ],
  ['heat', { ...hello, generationConfig: { temperature: 3 } }, 'temperature must be in the range [0, 2].'],
  [
    'too many stops',
    { ...hello, generationConfig: { stopSequences: ['1', '2', '3', '4', '5', '6'] } },
    'stop_sequences',
  ],
  ['no tokens', { ...hello, generationConfig: { maxOutputTokens: 0 } }, 'max_output_tokens must be positive.'],
  ['an odd type', { ...hello, generationConfig: { responseMimeType: 'text/html' } }, 'allowed mimetypes are'],
  [
    'a schema for plain text',
    { ...hello, generationConfig: { responseSchema: { type: 'STRING' } } },
    'response_schema',
  ],
  [
    'a function called 1st',
    { ...hello, tools: [{ functionDeclarations: [{ name: '1st' }] }] },
    'Invalid function name.',
  ],
  [
    'arrays of nothing',
    {
      ...hello,
      tools: [
        {
          functionDeclarations: [
            { name: 'f', parameters: { type: 'OBJECT', properties: { tags: { type: 'ARRAY' } } } },
          ],
        },
      ],
    },
    'tools[0].function_declarations[0].parameters.properties[tags].items: missing field.',
  ],
  [
    'a property that is required but not there',
    { ...hello, tools: [{ functionDeclarations: [{ name: 'f', parameters: { type: 'OBJECT', required: ['a'] } }] }] },
    'parameters.required[0]: property is not defined',
  ],
  [
    'one function twice',
    { ...hello, tools: [{ functionDeclarations: [{ name: 'f' }, { name: 'f' }] }] },
    'Duplicate function declaration found: f',
  ],
  [
    'calling forced without functions',
    { ...hello, toolConfig: { functionCallingConfig: { mode: 'ANY' } } },
    'Function calling config is set without function_declarations.',
  ],
  [
    'a budget and a level',
    { ...hello, generationConfig: { thinkingConfig: { thinkingBudget: 1, thinkingLevel: 'LOW' } } },
    'only one of thinking budget and thinking level',
  ],
  ['an odd role', { contents: [{ role: 'assistant', parts: [hi] }] }, 'Please use a valid role: user, model.'],
  [
    'a call first',
    { contents: [model(call('f')), user(response('f'))] },
    'function call turn comes immediately after a user turn',
  ],
  [
    'a response first',
    { contents: [user(response('f'))] },
    'function response turn comes immediately after a function call turn.',
  ],
  [
    'fewer responses',
    { contents: [user(hi), model(call('f'), call('g')), user(response('f'))] },
    'number of function response parts is equal',
  ],
  [
    'responses in two turns',
    { contents: [user(hi), model(call('f'), call('g')), user(response('f')), user(response('g'))] },
    'number of function response parts is equal',
  ],
  ['no responses', { contents: [user(hi), model(call('f'))] }, 'number of function response parts is equal'],
  [
    'a response to another function',
    { contents: [user(hi), model(call('f')), user(response('g'))] },
    'number of function response parts is equal',
  ],
  [
    'a response to another call',
    { contents: [user(hi), model(call('f', 'a')), user(response('f', 'b'))] },
    'number of function response parts is equal',
  ],
  [
    'a foreign signature',
    { contents: [user(hi), model({ text: 'hi', thoughtSignature: 'AAAA' }), user(hi)] },
    'Corrupted thought signature.',
  ],
])('%s is refused', async (_what, body, message) => {
  const { status, error } = await refusal(body);
  expect([status, error.status]).toEqual([400, 'INVALID_ARGUMENT']);
  expect(error.message).toContain(message);
});

test('cached content that is not there is forbidden, as the API has it', async () => {
  expect(await refusal({ ...hello, cachedContent: 'cachedContents/x' })).toMatchObject({
    status: 403,
    error: { status: 'PERMISSION_DENIED' },
  });
});

test('calls and responses that belong together are taken: parallel ones, with ids, with text beside them', async () => {
  const contents = [
    user(hi),
    model({ text: 'ok' }, call('f', 'a'), call('f', 'b')),
    user(response('f', 'b'), response('f', 'a'), hi),
  ];
  expect((await ask('lorem-1', { contents })).status).toBe(200);
});

test('a model that reasons wants the signature of the first call of this turn back, on the call that it stands for', async () => {
  const [part] = partsOf(await chunksOf('reasoning-1+tools')).filter((part) => part.functionCall);
  const asked = (given: object, ...more: object[]) => ({
    contents: [user(hi), model(given), user(response('get_weather')), ...more],
  });
  const { thoughtSignature: _, ...unsigned } = part;
  expect((await ask('reasoning-1+tools', asked(part))).status).toBe(200);
  const { status, error } = await refusal(asked(unsigned), 'reasoning-1+tools');
  expect([status, error.message]).toEqual([400, expect.stringContaining('`default_api:get_weather` , position 2.')]);
  expect((await ask('tools', asked(unsigned))).status).toBe(200);
  expect((await ask('reasoning-1+tools', asked(unsigned, model(hi), user(hi)))).status).toBe(200);
  const moved = { ...part, functionCall: { ...part.functionCall, args: { city: 'Rome' } } };
  expect((await refusal(asked(moved), 'reasoning-1+tools')).error.message).toBe('Corrupted thought signature.');
  const waived = { ...unsigned, thoughtSignature: 'skip_thought_signature_validator' };
  expect((await ask('reasoning-1+tools', asked(waived))).status).toBe(200);
});

test('the signature of a text is taken back beside it, joined or in pieces', async () => {
  const parts = partsOf(await chunksOf('reasoning-2+lorem-3'));
  const { thoughtSignature } = parts.at(-1);
  expect((await ask('lorem-1', { contents: [user(hi), model(...parts), user(hi)] })).status).toBe(200);
  const joined = { text: textOf(parts), thoughtSignature };
  expect((await ask('lorem-1', { contents: [user(hi), model(joined), user(hi)] })).status).toBe(200);
  const changed = { text: 'something else', thoughtSignature };
  expect((await ask('lorem-1', { contents: [user(hi), model(changed), user(hi)] })).status).toBe(400);
});
