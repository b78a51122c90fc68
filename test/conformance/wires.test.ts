// The same conversation through every wire, from the client's socket to the mock's and back: the client cannot tell which it was.
import { describe, expect, test } from 'vitest';
import { ask, foldNative, type Native, readSse, startMillrace, type TestMillrace } from '../support/millrace.ts';

const PROVIDERS = ['mock', 'mock-responses', 'mock-anthropic', 'mock-gemini', 'mock-bedrock'];
const CONFIG = `providers: { ${PROVIDERS.map((name) => `${name}: {}`).join(', ')} }`;

const WEATHER = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'The weather of a city',
    parameters: {
      type: 'object',
      properties: { city: { type: 'string', enum: ['Paris', 'Oslo'] }, days: { type: 'integer', minimum: 2 } },
      required: ['city', 'days'],
      additionalProperties: false,
    },
  },
};
const TIME = {
  type: 'function',
  function: { name: 'get_time', parameters: { type: 'object', properties: {}, additionalProperties: false } },
};
const PIXEL =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

/** What may differ from wire to wire: names of calls, how prompts are counted, how much time it took. */
function plain({ text, reasoning, toolCalls, end, events }: Native) {
  const { usage } = end.data;
  return {
    text,
    reasoning,
    toolCalls: toolCalls.map(({ name, args }) => ({ name, args })),
    kinds: events
      .filter(({ type }) => type !== 'reasoning-detail')
      .map(({ type }) => type.replace(/^tool-call.*/, 'tool-call')) // complete at its own end, or at the answer's
      .filter((type, at, all) => type !== all[at - 1]),
    end: end.type,
    finish: end.data.finish_reason,
    code: end.data.code,
    output: usage?.estimated ? undefined : usage?.output_tokens, // a busy machine estimates more coarsely
    estimated: usage?.estimated,
  };
}

async function through(millrace: TestMillrace, provider: string, model: string, rest: object): Promise<Native> {
  const response = await millrace.post('/v1/chat', ask(`${provider}/${model}`, rest));
  if (!response.ok) {
    const { error } = (await response.json()) as { error: object };
    return { text: '', reasoning: '', toolCalls: [], events: [], end: { type: 'refused', data: error } };
  }
  return foldNative(await readSse(response));
}

const SCHEMA = {
  type: 'json_schema',
  json_schema: {
    name: 'answer',
    strict: true,
    schema: {
      type: 'object',
      properties: { city: { type: 'string' }, sunny: { type: 'boolean' } },
      required: ['city', 'sunny'],
      additionalProperties: false,
    },
  },
};
const CASES: [what: string, model: string, rest: object][] = [
  ['text', 'lorem-40', {}],
  ['an echo of every script', 'echo', { messages: [{ role: 'user', content: 'naïve 😀 “quotes” "\\" \u2028 日本' }] }],
  [
    'a long history with a system prompt',
    'echo',
    {
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'One' },
        { role: 'assistant', content: 'Two' },
        { role: 'user', content: [{ type: 'text', text: 'Three' }] },
      ],
      temperature: 0.5,
      max_tokens: 100,
      top_p: 0.9,
    },
  ],
  [
    'an image',
    'echo',
    {
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'See' },
            { type: 'image_url', image_url: { url: PIXEL } },
          ],
        },
      ],
    },
  ],
  ['one tool call', 'tools', { tools: [WEATHER, TIME] }],
  ['parallel tool calls, one without arguments', 'tools-3', { tools: [WEATHER, TIME] }],
  [
    'a named tool',
    'tools',
    { tools: [WEATHER, TIME], tool_choice: { type: 'function', function: { name: 'get_time' } } },
  ],
  ['a required tool', 'tools', { tools: [WEATHER, TIME], tool_choice: 'required' }],
  ['structured output', 'json', { response_format: SCHEMA }],
  ['reasoning', 'reasoning-6+lorem-5', { reasoning_effort: 'low' }],
  ['reasoning and then tools', 'reasoning-6+tools', { tools: [WEATHER], reasoning_effort: 'high' }],
  ['the token limit', 'lorem-40', { max_tokens: 17 }],
  ['the limit as the provider says it', 'length', {}],
  ['a content filter', 'filter', {}],
  ['an empty answer', 'lorem-0', {}],
  ['every byte its own packet', 'lorem-10+split', {}],
  ['gzip', 'lorem-30+gzip', {}],
  ['a refused key', 'error-401', {}],
  ['an unknown model', 'error-404', {}],
  ['a rate limit', 'error-429', {}],
  ['a broken server', 'error-500', {}],
  ['an overloaded server', 'error-503', {}],
  ['a prompt that is too long', 'error-context', {}],
  ['an error inside the stream', 'error-after-3', {}],
  ['a cut socket', 'cut-3', {}],
  ['a cut before the headers', 'cut-0', {}],
  ['a clean end too early', 'end-3', {}],
  ['garbage', 'garbage-3', {}],
  ['HTML', 'html', {}],
  ['a redirect', 'redirect', {}],
];

describe.each(CASES)('%s', (_what, model, rest) => {
  test('reads the same through every wire', async () => {
    const millrace = await startMillrace(CONFIG);
    const [first, ...others] = await Promise.all(PROVIDERS.map((name) => through(millrace, name, model, rest)));
    expect(first!.end.type).toMatch(/done|error|refused/);
    for (const [at, other] of others.entries()) expect(plain(other), PROVIDERS[at + 1]).toEqual(plain(first!));
  });
});

describe.each(PROVIDERS)('%s', (provider) => {
  test('a second turn with tool results and signed reasoning is accepted and answered', async () => {
    const millrace = await startMillrace(CONFIG);
    const model = 'reasoning-6+tools-2';
    const rest = { tools: [WEATHER, TIME], reasoning_effort: 'medium' };
    const first = await through(millrace, provider, model, rest);
    expect(first.end.data.finish_reason, JSON.stringify(first.end.data)).toBe('tool-calls');
    const details = first.events.flatMap(({ type, data }) => (type === 'reasoning-detail' ? [data] : []));
    if (provider !== 'mock') expect(details.length).toBeGreaterThan(0);
    const messages = [
      { role: 'user', content: 'Hello there' },
      {
        role: 'assistant',
        content: null,
        reasoning_details: details,
        tool_calls: first.toolCalls.map(({ id, name, args }) => ({
          id,
          type: 'function',
          function: { name, arguments: JSON.stringify(args) },
        })),
      },
      ...first.toolCalls.map(({ id }, at) => ({ role: 'tool', tool_call_id: id, content: `result ${at}` })),
    ];
    const second = await through(millrace, provider, model, { ...rest, messages });
    expect(second.end.data.finish_reason, JSON.stringify(second.end.data)).toBe('stop');
    expect(second.text).toContain('result 1');
    // Whole, and the same conversation once more.
    const whole = await millrace.post('/v1/chat', ask(`${provider}/${model}`, { ...rest, messages, stream: false }));
    expect(((await whole.json()) as { text: string }).text).toBe(second.text);
  });

  test('signed reasoning survives the OpenAI door too', async () => {
    const millrace = await startMillrace(CONFIG);
    const model = `${provider}/reasoning-6+tools-2`;
    const rest = { tools: [WEATHER, TIME], reasoning_effort: 'medium' };
    const answer = await millrace.post('/v1/chat/completions', ask(model, rest));
    const { choices } = (await answer.json()) as any;
    const { message } = choices[0];
    const messages = [
      { role: 'user', content: 'Hello there' },
      message,
      ...message.tool_calls.map((call: { id: string }) => ({ role: 'tool', tool_call_id: call.id, content: 'fine' })),
    ];
    const second = await millrace.post('/v1/chat/completions', ask(model, { ...rest, messages }));
    expect(((await second.json()) as any).choices?.[0].message.content).toContain('fine');
  });

  test('what the wire has no place for is named in a header, and what it cannot do is refused by name', async () => {
    const millrace = await startMillrace(CONFIG);
    const hints = { brand_new_hint: 1 };
    const refusals = { n: 3 };
    const hinted = await millrace.post('/v1/chat', ask(`${provider}/lorem-3`, hints));
    const refused = await millrace.post('/v1/chat/completions', ask(`${provider}/lorem-3`, refusals));
    if (provider === 'mock') {
      // Its wire takes whatever a vendor may know: it is the provider that refuses a field it does not.
      expect(hinted.status).toBe(400);
      expect(refused.status).toBe(200);
      return;
    }
    expect(hinted.headers.get('millrace-dropped')).toBe('brand_new_hint');
    expect((await foldNative(await readSse(hinted))).end.type).toBe('done');
    if (provider === 'mock-gemini') {
      expect(((await refused.json()) as any).choices).toHaveLength(3);
      return;
    }
    expect(await refused.json()).toMatchObject({ error: { code: 'invalid_request', param: 'n' } });
  });

  test('a cancelled stream is closed at the provider', async () => {
    const millrace = await startMillrace(CONFIG);
    const response = await millrace.post('/v1/chat', ask(`${provider}/lorem-500+rate-100`));
    await readSse(response, ({ event }) => event === 'token');
    const { journal } = millrace.mocks.get(provider)!;
    const [row] = await millrace.rows();
    expect(row!.end_reason).toBe('client_closed');
    expect(journal.list().at(-1)!.client_left_at).not.toBeNull();
    expect(journal.open()).toBe(0);
  });
});
