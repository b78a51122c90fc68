// What a client is told about a body that cannot be taken: one message, which names the field, for both front doors that take an
// OpenAI-shaped body; and the bodies that real SDKs send, which must be taken.
import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../src/core/errors.ts';
import { native } from '../../src/dialects/native.ts';
import { openai } from '../../src/dialects/openai/door.ts';

/** Neither door looks at more than the body. */
const NO_CALL = { rest: '', query: {}, headers: {} };

const messages = [{ role: 'user', content: 'Hi' }];
const ok = { model: 'm', messages };

function refusal(dialect: typeof native, body: unknown): { param?: string; message: string } {
  try {
    dialect.parse(body, NO_CALL);
  } catch (error) {
    expect(error).toBeInstanceOf(GatewayError);
    const { code, param, message } = error as GatewayError;
    expect(code).toBe('invalid_request');
    if (param !== undefined) expect(message.startsWith(param)).toBe(true);
    expect(message.length).toBeLessThan(400);
    return { param, message };
  }
  throw new Error(`it was taken: ${JSON.stringify(body)?.slice(0, 200)}`);
}

const say = (content: unknown, role = 'user') => ({ ...ok, messages: [{ role, content }] });

const bad: [about: string, body: unknown, param: string | undefined, message: RegExp][] = [
  ['no body', undefined, undefined, /expected object/],
  ['null', null, undefined, /expected object/],
  ['a list', [ok], undefined, /expected object/],
  ['a text', 'Hi', undefined, /expected object/],
  ['model of the wrong type', { model: 5, messages }, 'model', /expected string/],
  ['model empty', { model: '', messages }, 'model', /./],
  ['messages as text', { model: 'm', messages: 'Hi' }, 'messages', /expected array/],
  ['messages as a map', { model: 'm', messages: { 0: messages[0] } }, 'messages', /expected array/],
  ['a message that is null', { model: 'm', messages: [null] }, 'messages[0]', /expected object/],
  [
    'the second message',
    { model: 'm', messages: [...messages, { role: 'user' }] },
    'messages[1].content',
    /expected string or array/,
  ],
  ['an unknown role', say('Hi', 'robot'), 'messages[0].role', /'system'.*'user'.*'assistant'/],
  ['no role', { model: 'm', messages: [{ content: 'Hi' }] }, 'messages[0].role', /'user'/],
  ['content as a number', say(5), 'messages[0].content', /expected string or array/],
  ['content null from a user', say(null), 'messages[0].content', /expected string or array/],
  ['a part of unknown type', say([{ type: 'video' }]), 'messages[0].content[0].type', /'text'.*'image_url'/],
  ['a part without its text', say([{ type: 'text' }]), 'messages[0].content[0].text', /expected string/],
  [
    'an image without address',
    say([{ type: 'image_url', image_url: {} }]),
    'messages[0].content[0].image_url.url',
    /expected string/,
  ],
  [
    'a tool result for no call',
    { ...ok, messages: [{ role: 'tool', content: 'x' }] },
    'messages[0].tool_call_id',
    /expected string/,
  ],
  [
    'a past call without arguments',
    { ...ok, messages: [{ role: 'assistant', tool_calls: [{ id: 'a', function: { name: 'f' } }] }] },
    'messages[0].tool_calls[0].function.arguments',
    /expected string/,
  ],
  ['temperature as text', { ...ok, temperature: '1' }, 'temperature', /expected number/],
  ['temperature above the scale', { ...ok, temperature: 2.5 }, 'temperature', /<=2/],
  ['max_tokens of nothing', { ...ok, max_tokens: 0 }, 'max_tokens', />0/],
  ['max_tokens in parts', { ...ok, max_tokens: 1.5 }, 'max_tokens', /expected int/],
  ['n of nothing', { ...ok, n: 0 }, 'n', /./],
  ['stop as a number', { ...ok, stop: 5 }, 'stop', /expected string or array/],
  ['stop with a number inside', { ...ok, stop: ['a', 5] }, 'stop[1]', /expected string/],
  ['stream as text', { ...ok, stream: 'yes' }, 'stream', /expected boolean/],
  ['tool_choice that is none', { ...ok, tool_choice: 'maybe' }, 'tool_choice', /"none"\|"auto"\|"required" or object/],
  ['a tool without type', { ...ok, tools: [{}] }, 'tools[0].type', /expected string/],
  [
    'a function without name',
    { ...ok, tools: [{ type: 'function', function: {} }] },
    'tools[0].function.name',
    /expected string/,
  ],
  [
    'parameters as text',
    { ...ok, tools: [{ type: 'function', function: { name: 'f', parameters: '{}' } }] },
    'tools[0].function.parameters',
    /expected record/,
  ],
  ['response_format unknown', { ...ok, response_format: { type: 'xml' } }, 'response_format.type', /"json_schema"/],
  ['on_disconnect unknown', { ...ok, on_disconnect: 'panic' }, 'on_disconnect', /"cancel"\|"detach"\|"finish"/],
];

const NULLABLE: [about: string, extra: object][] = [
  ...[
    ...['stream', 'temperature', 'top_p', 'max_tokens', 'max_completion_tokens', 'stop', 'seed', 'n', 'tools', 'user'],
    ...['tool_choice', 'parallel_tool_calls', 'response_format', 'reasoning_effort', 'logprobs', 'top_logprobs'],
    ...['presence_penalty', 'frequency_penalty', 'stream_options', 'metadata', 'on_disconnect'],
  ].map((name): [string, object] => [name, { [name]: null }]),
  [
    'what an assistant did not say',
    {
      messages: [
        ...messages,
        { role: 'assistant', content: null, tool_calls: null, refusal: null, audio: null, function_call: null },
      ],
    },
  ],
  ['the name of who speaks', { messages: [{ ...messages[0], name: null }] }],
  ['the description of a tool', { tools: [{ type: 'function', function: { name: 'f', description: null } }] }],
  ['the parameters of a tool', { tools: [{ type: 'function', function: { name: 'f', parameters: null } }] }],
  [
    'the detail of an image',
    { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:', detail: null } }] }] },
  ],
];

describe.each([native, openai])('$name', (dialect) => {
  test.each(bad)('refuses %s', (_about, body, param, message) => {
    expect(refusal(dialect, body)).toEqual({ param, message: expect.stringMatching(message) });
  });

  test.each([1e9, 129, Number.MAX_SAFE_INTEGER])('refuses n = %d', (n) => {
    expect(refusal(dialect, { ...ok, n })).toHaveProperty('param', 'n');
  });

  test.each([501, 20_000, 200_000])('refuses a body nested %d deep, rather than overflow its stack', (depth) => {
    const nested = JSON.parse(`${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`);
    for (const body of [nested, { ...ok, extra: nested }, say(nested), { ...ok, metadata: nested }]) {
      refusal(dialect, body);
    }
    expect(refusal(dialect, { ...ok, extra: nested }).message).toMatch(/nested more than 500/);
  });

  test('takes a schema nested as deep as any real one', () => {
    const parameters = JSON.parse(`${'{"a":'.repeat(200)}1${'}'.repeat(200)}`);
    const tools = [{ type: 'function', function: { name: 'f', parameters } }];
    expect(dialect.parse({ ...ok, tools }, NO_CALL).chat.tools).toEqual(tools);
  });

  test('__proto__ and its like in a body pollute nothing and name no field', () => {
    const body = JSON.parse(
      '{"model":"m","messages":[{"role":"user","content":"Hi","__proto__":{"role":"system"}}],"__proto__":{"n":5,"polluted":true},"constructor":{"prototype":{"polluted":true}}}',
    );
    const { chat } = dialect.parse(body, NO_CALL);
    expect(chat.n).toBeUndefined();
    expect((chat as { polluted?: boolean }).polluted).toBeUndefined();
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
    expect(chat.messages[0]!.role).toBe('user');
  });

  test.each(NULLABLE)('takes null, as SDKs send it, for %s', (_about, extra) => {
    dialect.parse({ ...ok, ...extra }, NO_CALL);
  });

  test('what nobody here interprets is kept for the wire that does', () => {
    const extra = {
      reasoning: { effort: 'low' },
      service_tier: 'flex',
      logit_bias: { 5: -100 },
      future: [1, { a: null }],
    };
    expect(dialect.parse({ ...ok, ...extra }, NO_CALL).chat).toMatchObject(extra);
  });

  test('a hostile name of a field cannot pass for another in the message', () => {
    const body = { ...ok, messages: [{ role: 'user', content: 'Hi', name: 5 }] };
    expect(refusal(dialect, body).param).toBe('messages[0].name');
  });
});

test('the path of a field with an odd name quotes it', () => {
  const body = { ...ok, vendor: { 'a].role': 5 } };
  expect(refusal(native, body).param).toBe('vendor["a].role"]');
  expect(refusal(native, { ...ok, vendor: { ['x'.repeat(1000)]: 5 } }).param!.length).toBeLessThan(100);
  expect(refusal(native, { prompt: { name: 'p', ['x'.repeat(1000)]: 5 } }).message.length).toBeLessThan(400);
});

test('the OpenAI door needs a model and a message; the native one may get them from a prompt', () => {
  expect(refusal(openai, { messages }).param).toBe('model');
  expect(refusal(openai, { model: 'm', messages: [] })).toMatchObject({
    param: 'messages',
    message: expect.stringMatching(/>=1/),
  });
  const parsed = native.parse({ prompt: { name: 'greet', variables: { who: 'you' } } }, NO_CALL);
  expect(parsed).toMatchObject({
    prompt: { name: 'greet', variables: { who: 'you' } },
    chat: { model: '', messages: [] },
  });
});

test.each([
  ['a name missing', { variables: {} }, 'prompt.name'],
  ['a field too many', { name: 'greet', vars: {} }, 'prompt'],
  ['variables as a list', { name: 'greet', variables: [] }, 'prompt.variables'],
])('a prompt with %s is refused', (_about, prompt, param) => {
  expect(refusal(native, { prompt }).param).toBe(param);
});

test('the native door streams unless told not to, the OpenAI door only when told', () => {
  const streams = (dialect: typeof native) =>
    [undefined, null, true, false].map((stream) => dialect.parse({ ...ok, stream }, NO_CALL).stream);
  expect(streams(native)).toEqual([true, true, true, false]);
  expect(streams(openai)).toEqual([false, false, true, false]);
});

test('several answers are refused at the native door, and the message says where they can be had', () => {
  expect(refusal(native, { ...ok, n: 3 }).param).toBe('n');
  expect(openai.parse({ ...ok, n: 3 }, NO_CALL).chat.n).toBe(3);
});

test("the native door's own fields do not travel to the provider", () => {
  const parsed = native.parse(
    {
      ...ok,
      metadata: { a: 1 },
      vendor: { openai: { x: 1 } },
      on_disconnect: 'finish',
      n: 1,
    },
    NO_CALL,
  );
  expect(parsed.chat).toEqual(ok);
  expect(parsed).toMatchObject({ onDisconnect: 'finish', vendor: { openai: { x: 1 } } });
});
