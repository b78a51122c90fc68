// The mock's Responses wire, by OpenAI's own client where the shape matters to it and by raw bytes where the framing does.
import OpenAI from 'openai';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type MockServer, startMock } from '../../src/mock/server.ts';
import { events, type Json } from './client.ts';

let mock: MockServer;
let client: OpenAI;
beforeAll(async () => {
  mock = await startMock();
  client = new OpenAI({ apiKey: 'sk-mock', baseURL: mock.url, maxRetries: 0 });
});
afterAll(() => mock.close());

const HELLO = 'Say hello to the world';

function ask(model: string, more: object = {}): Promise<Response> {
  return fetch(`${mock.url}/responses`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model, input: HELLO, stream: true, ...more }),
  });
}

async function eventsOf(model: string, more: object = {}): Promise<Json[]> {
  return events(await (await ask(model, more)).text()).map((data) => JSON.parse(data));
}

async function whole(model: string, more: object = {}): Promise<Json> {
  return (await ask(model, { stream: false, ...more })).json();
}

const typesOf = (all: Json[]): string[] => all.map(({ type }) => type.replace('response.', ''));
const deltasOf = (all: Json[], kind: string): Json[] => all.filter(({ type }) => type === `response.${kind}.delta`);
const joined = (deltas: Json[]): string => deltas.map(({ delta }) => delta).join('');

async function refusal(more: object): Promise<{ status: number; error: Json }> {
  const response = await ask('lorem-2', more);
  return { status: response.status, error: ((await response.json()) as Json).error };
}

const lookUp = {
  type: 'function' as const,
  name: 'look_up',
  strict: true,
  parameters: {
    type: 'object',
    properties: { city: { type: 'string' } },
    required: ['city'],
    additionalProperties: false,
  },
};
const clock = {
  type: 'function' as const,
  name: 'clock',
  strict: false,
  parameters: { type: 'object', properties: {} },
};

test('a text is an item with a part that grows, its events numbered and named', async () => {
  const response = await ask('lorem-2');
  expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  const raw = await response.text();
  const all: Json[] = events(raw).map((data) => JSON.parse(data));
  expect([...raw.matchAll(/^event: (.*)$/gm)].map(([, name]) => name)).toEqual(all.map(({ type }) => type));
  expect(all.map((event) => event.sequence_number)).toEqual(all.map((_, at) => at));
  expect(typesOf(all)).toEqual([
    'created',
    'in_progress',
    'output_item.added',
    'content_part.added',
    'output_text.delta',
    'output_text.delta',
    'output_text.done',
    'content_part.done',
    'output_item.done',
    'completed',
  ]);
  const id = all[2].item.id;
  const place = { item_id: id, output_index: 0, content_index: 0 };
  const part = { type: 'output_text', annotations: [], logprobs: [], text: 'Lorem ipsum' };
  const item = { id, type: 'message', status: 'completed', content: [part], role: 'assistant' };
  expect(id).toMatch(/^msg_[0-9a-f]{50}$/);
  expect(all[2]).toMatchObject({ item: { ...item, status: 'in_progress', content: [] }, output_index: 0 });
  expect(all[3]).toMatchObject({ ...place, part: { ...part, text: '' } });
  expect(all[4]).toMatchObject({ ...place, delta: 'Lorem', logprobs: [] });
  expect(all[6]).toMatchObject({ ...place, text: 'Lorem ipsum' });
  expect(all[7]).toMatchObject({ ...place, part });
  expect(all[8]).toMatchObject({ item, output_index: 0 });
  expect(all[9].response).toMatchObject({
    id: all[0].response.id,
    object: 'response',
    status: 'completed',
    model: 'lorem-2',
    output: [item],
    usage: {
      input_tokens: 5,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens: 2,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: 7,
    },
  });
  expect(all[0].response).toMatchObject({ status: 'in_progress', output: [], usage: null });
});

test('deltas are padded to a multiple of sixteen unless that is not wanted', async () => {
  for (const { delta, obfuscation } of deltasOf(await eventsOf('lorem-30'), 'output_text')) {
    expect((delta.length + obfuscation.length) % 16).toBe(0);
  }
  const plain = await eventsOf('lorem-3', { stream_options: { include_obfuscation: false } });
  expect(plain.some((event) => 'obfuscation' in event)).toBe(false);
});

test("OpenAI's client puts a stream together as the whole answer has it", async () => {
  const request = { model: 'reasoning-3+tools-2', input: HELLO, tools: [lookUp, clock] };
  const streamed = await client.responses.stream(request).finalResponse();
  const answer = await client.responses.create(request);
  const shape = ({ output }: Json) => output.map(({ id: _id, call_id: _call, ...item }: Json) => item);
  expect(shape(answer).map(({ type }: Json) => type)).toEqual(['reasoning', 'function_call', 'function_call']);
  expect(shape(answer)[1]).toMatchObject({ name: 'look_up', arguments: '{"city":"city"}', status: 'completed' });
  expect(shape(streamed)).toMatchObject(shape(answer));
  expect(streamed.usage).toEqual(answer.usage);
  expect(answer.usage?.output_tokens_details).toEqual({ reasoning_tokens: 3 });
  expect((await client.responses.create({ model: 'echo', input: HELLO })).output_text).toBe(HELLO);
});

test('reasoning is an item of its own, with a summary, and encrypted where that is asked for', async () => {
  const all = await eventsOf('reasoning-2+lorem-1', { include: ['reasoning.encrypted_content'] });
  expect(typesOf(all).slice(2, 9)).toEqual([
    'output_item.added',
    'reasoning_summary_part.added',
    'reasoning_summary_text.delta',
    'reasoning_summary_text.delta',
    'reasoning_summary_text.done',
    'reasoning_summary_part.done',
    'output_item.done',
  ]);
  expect(all[2].item).toMatchObject({ id: expect.stringMatching(/^rs_/), type: 'reasoning', summary: [] });
  expect(all[8]).toMatchObject({
    output_index: 0,
    item: { summary: [{ type: 'summary_text', text: 'The user' }], encrypted_content: expect.any(String) },
  });
  expect(all[2].item.encrypted_content).not.toBe(all[8].item.encrypted_content); // only the last one counts
  expect(all[9]).toMatchObject({ output_index: 1, item: { type: 'message' } });
  const unasked = await eventsOf('reasoning-2+lorem-1');
  expect(unasked[8].item).not.toHaveProperty('encrypted_content');
});

test('calls come one after another, their arguments in deltas', async () => {
  const all = await eventsOf('tools-2', { tools: [lookUp, clock] });
  const added = all.filter(({ type }) => type === 'response.output_item.added');
  expect(added.map(({ item, output_index }) => [item.name, item.arguments, item.status, output_index])).toEqual([
    ['look_up', '', 'in_progress', 0],
    ['clock', '', 'in_progress', 1],
  ]);
  const [first] = added;
  expect([first.item.id, first.item.call_id]).toEqual([expect.stringMatching(/^fc_/), expect.stringMatching(/^call_/)]);
  const mine = deltasOf(all, 'function_call_arguments').filter(({ item_id }) => item_id === first.item.id);
  expect(mine.length).toBeGreaterThan(1);
  expect(joined(mine)).toBe('{"city":"city"}');
  expect(all.find(({ type }) => type === 'response.function_call_arguments.done').arguments).toBe('{"city":"city"}');
  const one = await whole('tools-2', { tools: [lookUp, clock], parallel_tool_calls: false });
  expect(one.output.length).toBe(1);
  const named = await whole('tools', { tools: [lookUp, clock], tool_choice: { type: 'function', name: 'clock' } });
  expect(named.output[0].name).toBe('clock');
  const none = await whole('tools', { tools: [lookUp], tool_choice: 'none' });
  expect(none.output[0].content[0].text).toBe('I was told not to call a tool.');
});

test('a tool loop with reasoning goes round', async () => {
  const model = 'reasoning+tools';
  const include = ['reasoning.encrypted_content' as const];
  const first = await client.responses.create({ model, input: HELLO, tools: [lookUp], include, store: false });
  const call = first.output.find((item) => item.type === 'function_call')!;
  const input = [
    { role: 'user' as const, content: HELLO },
    ...(first.output as Json[]),
    { type: 'function_call_output' as const, call_id: call.call_id, output: 'blue' },
  ];
  const second = await client.responses.create({ model, input, tools: [lookUp], include, store: false });
  expect(second.output_text).toBe('The tool answered: blue');
});

test('a refusal is a part of another kind', async () => {
  const all = await eventsOf('refusal');
  expect(typesOf(all)).toContain('refusal.done');
  expect(joined(deltasOf(all, 'refusal'))).toBe("I'm sorry, but I can't help with that.");
  const { output } = await whole('refusal');
  expect(output[0].content).toEqual([{ type: 'refusal', refusal: "I'm sorry, but I can't help with that." }]);
});

test('an answer cut short is incomplete, and so is its last item', async () => {
  const all = await eventsOf('lorem-40', { max_output_tokens: 16 });
  expect(deltasOf(all, 'output_text').length).toBe(16);
  expect(all.at(-1)).toMatchObject({
    type: 'response.incomplete',
    response: {
      status: 'incomplete',
      incomplete_details: { reason: 'max_output_tokens' },
      usage: { output_tokens: 16 },
    },
  });
  expect(all.at(-1).response.output[0].status).toBe('incomplete');
  expect((await whole('filter')).incomplete_details).toEqual({ reason: 'content_filter' });
  const call = {
    ...lookUp,
    strict: false,
    parameters: { ...lookUp.parameters, properties: { city: { const: 'x'.repeat(99) } } },
  };
  const cut = await eventsOf('tools', { tools: [call], max_output_tokens: 16 });
  expect(typesOf(cut)).not.toContain('function_call_arguments.done');
  expect(cut.at(-2).item).toMatchObject({ type: 'function_call', status: 'incomplete' });
});

test('no-finish leaves the last event out; there is no other end marker', async () => {
  expect(typesOf(await eventsOf('no-finish')).at(-1)).toBe('output_item.done');
  expect(typesOf(await eventsOf('no-done')).at(-1)).toBe('completed');
  expect((await whole('no-finish')).status).toBe('in_progress');
});

test('usage can be withheld', async () => {
  expect((await eventsOf('no-usage')).at(-1).response.usage).toBe(null);
  expect((await whole('no-usage')).usage).toBe(null);
});

test('JSON fits the schema of text.format', async () => {
  const schema = {
    type: 'object',
    properties: { n: { type: 'integer' } },
    required: ['n'],
    additionalProperties: false,
  };
  const text = { format: { type: 'json_schema', name: 'reply', schema, strict: true } };
  expect((await whole('json', { text })).output[0].content[0].text).toBe('{"n":1}');
});

test('log probabilities come where they are asked for', async () => {
  const all = await eventsOf('lorem-2', { include: ['message.output_text.logprobs'], top_logprobs: 2 });
  const [delta] = deltasOf(all, 'output_text');
  expect(delta.logprobs[0]).toMatchObject({ token: 'Lorem', logprob: expect.any(Number) });
  expect(delta.logprobs[0].top_logprobs.length).toBe(2);
  expect(all.at(-1).response.output[0].content[0].logprobs.map(({ token }: Json) => token)).toEqual([
    'Lorem',
    ' ipsum',
  ]);
});

test('a failure in the stream is an error event, then the response that failed', async () => {
  const all = await eventsOf('error-after-2');
  expect(typesOf(all).slice(-3)).toEqual(['output_text.delta', 'error', 'failed']);
  expect(all.at(-2).error).toMatchObject({ type: 'server_error', code: 'server_error', param: null });
  expect(all.at(-1).response).toMatchObject({ status: 'failed', error: { code: 'server_error' } });
  const stream = await client.responses.create({ model: 'error-after-2', input: HELLO, stream: true });
  await expect(async () => {
    for await (const _ of stream);
  }).rejects.toThrow('The server had an error');
  expect((await ask('error-after-2', { stream: false })).status).toBe(500);
});

test('the framing parts hold here too', async () => {
  for (const model of [
    'lorem-2+split',
    'lorem-2+gzip',
    'lorem-2+crlf',
    'lorem-2+comments',
    'lorem-2+rate-1000+slow-1',
  ]) {
    expect(joined(deltasOf(await eventsOf(model), 'output_text'))).toBe('Lorem ipsum');
  }
  const garbage = events(await (await ask('garbage-1')).text());
  expect(() => JSON.parse(garbage.at(-1)!)).toThrow();
});

test('errors are those of the API', async () => {
  const limited = await ask('error-429');
  expect([limited.status, limited.headers.get('retry-after')]).toEqual([429, '1']);
  for (const [model, status, code] of [
    ['error-context', 400, 'context_length_exceeded'],
    ['error-filter', 400, 'content_filter'],
    ['nonsense', 404, 'model_not_found'],
  ] as const) {
    const response = await ask(model);
    expect([response.status, ((await response.json()) as Json).error.code]).toEqual([status, code]);
  }
});

test('every kind of input is read', async () => {
  const input = [
    { role: 'developer', content: 'be brief' },
    {
      type: 'message',
      role: 'user',
      content: [
        { type: 'input_text', text: 'one, ' },
        { type: 'input_image', image_url: 'data:image/png;base64,AAAA', detail: 'auto' },
        { type: 'input_file', filename: 'a.pdf', file_data: 'data:application/pdf;base64,AAAA' },
        { type: 'input_text', text: 'two' },
      ],
    },
    {
      type: 'message',
      role: 'assistant',
      id: 'msg_1',
      status: 'completed',
      content: [{ type: 'output_text', text: 'ok', annotations: [] }],
    },
    { role: 'assistant', content: 'ok' },
  ];
  const answer = await whole('echo', { input, instructions: 'you are a parrot' });
  expect(answer.output[0].content[0].text).toBe('one, two');
  expect(answer.usage.input_tokens).toBe(10);
  expect(answer.instructions).toBe('you are a parrot');
});

const user = { role: 'user', content: 'hi' };
const call = { type: 'function_call', call_id: 'call_1', name: 'look_up', arguments: '{}' };
const output = { type: 'function_call_output', call_id: 'call_1', output: 'x' };
const tool = (parameters: object) => [{ ...lookUp, parameters }];

test.each([
  ['an unknown parameter', { messages: [] }, 'messages', 'unknown_parameter', "Unknown parameter: 'messages'."],
  ['no model', { model: undefined }, 'model', 'missing_required_parameter', "Missing required parameter: 'model'."],
  ['no input', { input: undefined }, 'input', 'missing_required_parameter', 'must be provided.'],
  [
    'few tokens',
    { max_output_tokens: 5 },
    'max_output_tokens',
    'integer_below_min_value',
    'Expected a value >= 16, but got 5 instead.',
  ],
  ['a stop sequence', { stop: ['x'] }, 'stop', 'unknown_parameter', "Unknown parameter: 'stop'."],
  [
    'the usage option of another wire',
    { stream_options: { include_usage: true } },
    'stream_options.include_usage',
    'unknown_parameter',
    'Unknown parameter',
  ],
  [
    'an odd effort',
    { reasoning: { effort: 'huge' } },
    'reasoning.effort',
    'invalid_value',
    "Invalid value: 'huge'. Supported values are: 'none', 'minimal'",
  ],
  [
    'a role that there is not',
    { input: [{ role: 'tool', content: 'x' }] },
    'input[0].role',
    'invalid_value',
    "Invalid value: 'tool'.",
  ],
  [
    'an item that there is not',
    { input: [{ type: 'tool_use' }] },
    'input[0].type',
    'invalid_value',
    "Invalid value: 'tool_use'.",
  ],
  [
    'text of another wire',
    { input: [{ role: 'user', content: [{ type: 'text', text: 'x' }] }] },
    'input[0].content[0].type',
    'invalid_value',
    "Supported values are: 'input_text', 'input_image', 'input_file'.",
  ],
  [
    'input from the assistant',
    { input: [{ role: 'assistant', content: [{ type: 'input_text', text: 'x' }] }] },
    'input[0].content[0].type',
    'invalid_value',
    "Supported values are: 'output_text', 'refusal'.",
  ],
  [
    'calls of another wire',
    { input: [{ role: 'assistant', content: 'x', tool_calls: [] }] },
    'input[0].tool_calls',
    'unknown_parameter',
    'Unknown parameter',
  ],
  [
    'a tool of another wire',
    { tools: [{ type: 'function', function: { name: 'f' } }] },
    'tools[0].name',
    'missing_required_parameter',
    'Missing required parameter',
  ],
  [
    'a message with an id of another kind',
    { input: [{ role: 'assistant', id: 'abc', content: 'x' }] },
    'input[0].id',
    'invalid_value',
    "Expected an ID that begins with 'msg'.",
  ],
  [
    'a call with its call id as id',
    { input: [user, { ...call, id: 'call_1' }, output] },
    'input[1].id',
    'invalid_value',
    "Expected an ID that begins with 'fc'.",
  ],
  ['a call without output', { input: [user, call] }, 'input', null, 'No tool output found for function call call_1.'],
  [
    'an output without call',
    { input: [user, output] },
    'input',
    null,
    'No tool call found for function call output with call_id call_1.',
  ],
  [
    'an output before its call',
    { input: [user, output, call] },
    'input',
    null,
    'No tool call found for function call output',
  ],
  [
    'a response that is not stored',
    { previous_response_id: 'resp_1' },
    'previous_response_id',
    'previous_response_not_found',
    "Previous response with id 'resp_1' not found.",
  ],
  [
    'a choice without tools',
    { tool_choice: 'required' },
    'tool_choice',
    null,
    "Tool choice 'required' must be specified with 'tools' parameter.",
  ],
  [
    'a choice of no tool',
    { tools: [lookUp], tool_choice: { type: 'function', name: 'f' } },
    'tool_choice',
    null,
    "not found in 'tools' parameter.",
  ],
  [
    'stream options without stream',
    { stream: false, stream_options: {} },
    'stream_options',
    null,
    "only allowed when 'stream' is enabled.",
  ],
  [
    'JSON that nobody speaks of',
    { text: { format: { type: 'json_object' } } },
    'input',
    null,
    "must contain the word 'json'",
  ],
  [
    'an open object in strict mode',
    { tools: tool({ type: 'object', properties: {} }) },
    'tools[0].parameters',
    'invalid_function_parameters',
    "In context=(), 'additionalProperties' is required to be supplied and to be false.",
  ],
  [
    'an optional property in strict mode',
    {
      tools: tool({
        type: 'object',
        properties: { a: { type: 'object', properties: { b: {} }, additionalProperties: false } },
        required: ['a'],
        additionalProperties: false,
      }),
    },
    'tools[0].parameters',
    'invalid_function_parameters',
    "In context=('properties', 'a'), 'required' is required to be supplied and to be an array including every key in properties. Missing 'b'.",
  ],
  [
    'an open answer in strict mode',
    { text: { format: { type: 'json_schema', name: 'r', strict: true, schema: { type: 'object' } } } },
    'text.format.schema',
    'invalid_json_schema',
    "Invalid schema for response_format 'r'",
  ],
])('%s is refused', async (_what, more, param, code, message) => {
  const { status, error } = await refusal(more);
  expect([status, error.type, error.param, error.code]).toEqual([400, 'invalid_request_error', param, code]);
  expect(error.message).toContain(message);
});

test('reasoning is taken back as it was said, encrypted, and in front of what followed it', async () => {
  const { output: items } = await whole('reasoning-2+lorem-1', { include: ['reasoning.encrypted_content'] });
  const [reasoning, message] = items;
  const given = (...more: object[]) => ({ input: [user, ...more, user] });
  expect((await ask('lorem-1', given(reasoning, message))).status).toBe(200);
  expect((await ask('lorem-1', given({ ...reasoning, summary: [] }, message))).status).toBe(200);
  const changed = { ...reasoning, summary: [{ type: 'summary_text', text: 'No user' }] };
  const foreign = { ...reasoning, summary: [], encrypted_content: 'gAAAAAB' };
  for (const item of [changed, foreign]) {
    expect(await refusal(given(item, message))).toMatchObject({
      status: 400,
      error: { code: 'invalid_encrypted_content' },
    });
  }
  const alone = await refusal(given(reasoning));
  expect(alone.error.message).toBe(
    `Item '${reasoning.id}' of type 'reasoning' was provided without its required following item.`,
  );
  const { encrypted_content: _, ...open } = reasoning;
  for (const item of [open, { type: 'item_reference', id: reasoning.id }]) {
    const { status, error } = await refusal(given(item, message));
    expect([status, error.message]).toEqual([
      404,
      expect.stringContaining(`Item with id '${reasoning.id}' not found.`),
    ]);
  }
});
