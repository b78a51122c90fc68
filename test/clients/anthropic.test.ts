// The official Anthropic client for JavaScript against a running Millrace, over every wire: the provider's own, where words and frames
// go through as they are, and the others, where both are translated.
import { createHash } from 'node:crypto';
import Anthropic, {
  APIError,
  APIUserAbortError,
  AuthenticationError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
  RateLimitError,
} from '@anthropic-ai/sdk';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startMock } from '../../src/mock/server.ts';
import { readSse, startMillrace, type TestMillrace } from '../support/millrace.ts';

const PROVIDERS = ['mock', 'mock-responses', 'mock-anthropic', 'mock-gemini', 'mock-bedrock'];

async function connect(more = ''): Promise<{ client: Anthropic; millrace: TestMillrace }> {
  const millrace = await startMillrace(
    `providers: { ${PROVIDERS.map((name) => `${name}: {}`).join(', ')} }
models: { claude-fast: [mock/echo] }
${more}`,
  );
  return { client: clientOf(millrace), millrace };
}

function clientOf({ url }: TestMillrace, apiKey = 'unused'): Anthropic {
  return new Anthropic({ baseURL: url, apiKey, maxRetries: 0 });
}

const messages: Anthropic.MessageParam[] = [{ role: 'user', content: 'Hello there' }];
const hello = { messages, max_tokens: 2000 };

const weather: Anthropic.Tool = {
  name: 'get_weather',
  description: 'The weather in a city',
  input_schema: {
    type: 'object',
    properties: { city: { type: 'string' } },
    required: ['city'],
    additionalProperties: false,
  },
};

function textOf({ content }: Anthropic.Message): string {
  return content.flatMap((block) => (block.type === 'text' ? [block.text] : [])).join('');
}

function callsOf({ content }: Anthropic.Message): Anthropic.ToolUseBlock[] {
  return content.filter((block) => block.type === 'tool_use');
}

/** Everything but what has to differ from answer to answer. */
function plain({ content, stop_reason, stop_sequence, role, type }: Anthropic.Message) {
  const blocks = content.map((block) => {
    if (block.type === 'tool_use') return { ...block, id: '' };
    if (block.type === 'redacted_thinking') return { type: block.type };
    return block.type === 'thinking' ? { ...block, signature: block.signature !== '' } : block;
  });
  return { blocks, stop_reason, stop_sequence, role, type };
}

describe.each(PROVIDERS)('%s', (provider) => {
  test('text, streamed and whole, with usage', async () => {
    const { client } = await connect();
    const request = { ...hello, model: `${provider}/echo` };
    const stream = client.messages.stream(request);
    const pieces: string[] = [];
    stream.on('text', (piece) => void pieces.push(piece));
    const streamed = await stream.finalMessage();
    expect(textOf(streamed)).toBe('Hello there');
    expect(pieces.join('')).toBe('Hello there');
    expect(streamed).toMatchObject({ type: 'message', role: 'assistant', stop_reason: 'end_turn' });
    expect(streamed.id).toMatch(/^msg_/);
    expect(streamed.usage.input_tokens).toBeGreaterThan(0);
    expect(streamed.usage.output_tokens).toBeGreaterThan(0);

    const whole = await client.messages.create(request);
    expect(plain(whole)).toEqual(plain(streamed));
    expect(whole.usage.output_tokens).toBe(streamed.usage.output_tokens);
  });

  test('frames come in the order and with the names that the protocol demands', async () => {
    const { client } = await connect();
    const request = { ...hello, model: `${provider}/reasoning-4+tools-2`, tools: [weather] };
    const thinking = { type: 'adaptive' as const, display: 'summarized' as const };
    const stream = await client.messages.create({ ...request, thinking, stream: true });
    let open: number | undefined;
    let next = 0;
    const kinds: string[] = [];
    for await (const event of stream) {
      if (kinds.at(-1) !== event.type) kinds.push(event.type);
      if (event.type === 'content_block_start') {
        expect([open, event.index]).toEqual([undefined, next++]);
        open = event.index;
      } else if (event.type === 'content_block_delta') expect(event.index).toBe(open);
      else if (event.type === 'content_block_stop') {
        expect(event.index).toBe(open);
        open = undefined;
      }
    }
    expect(kinds[0]).toBe('message_start');
    expect(kinds.slice(-3)).toEqual(['content_block_stop', 'message_delta', 'message_stop']);
    expect(open).toBeUndefined();
    expect(kinds.filter((kind) => kind.startsWith('message_'))).toHaveLength(3);
  });

  test('calls, their results and the thoughts before them, streamed and whole', async () => {
    const { client } = await connect();
    const model = `${provider}/reasoning-6+tools-2`;
    const request = {
      max_tokens: 4000,
      model,
      system: [{ type: 'text' as const, text: 'Be brief.', cache_control: { type: 'ephemeral' as const } }],
      tools: [weather],
      thinking: { type: 'enabled' as const, budget_tokens: 1024 },
    };
    const first = await client.messages.stream({ ...request, messages }).finalMessage();
    expect(first.stop_reason).toBe('tool_use');
    const thought = first.content.find((block) => block.type === 'thinking');
    expect(thought?.thinking).toMatch(/^The user asks/);
    expect(thought?.signature).not.toBe('');
    const calls = callsOf(first);
    expect(calls).toHaveLength(2);
    for (const { input } of calls) expect(input).toHaveProperty('city');
    const whole = await client.messages.create({ ...request, messages });
    expect(plain(whole)).toEqual(plain(first));

    const results = calls.map(({ id }, at) => ({
      type: 'tool_result' as const,
      tool_use_id: id,
      is_error: at === 0,
      content: [{ type: 'text' as const, text: `result ${at}` }],
    }));
    const history: Anthropic.MessageParam[] = [
      ...messages,
      { role: 'assistant', content: first.content },
      { role: 'user', content: results },
    ];
    const second = await client.messages.stream({ ...request, messages: history }).finalMessage();
    expect(second.stop_reason).toBe('end_turn');
    expect(textOf(second)).toContain('result 1');
    expect(textOf(await client.messages.create({ ...request, messages: history }))).toBe(textOf(second));
  });

  test('the tool runner goes through a whole conversation by itself', async () => {
    const { client } = await connect();
    const asked: unknown[] = [];
    const runner = client.beta.messages.toolRunner({
      ...hello,
      messages: [{ role: 'user', content: 'Hello there' }],
      model: `${provider}/tools`,
      stream: true,
      tools: [
        {
          ...weather,
          type: 'custom',
          parse: (input: unknown) => input,
          run: (input: unknown) => {
            asked.push(input);
            return 'a plague of locusts';
          },
        },
      ],
    });
    let text = '';
    for await (const stream of runner) {
      for (const block of (await stream.finalMessage()).content) if (block.type === 'text') text += block.text;
    }
    expect(text).toContain('a plague of locusts');
    expect(asked).toEqual([{ city: expect.any(String) }]);
  });

  test('what agents send with every request is taken', async () => {
    const { client, millrace } = await connect();
    const answer = await client.beta.messages
      .stream({
        model: `${provider}/echo`,
        max_tokens: 32_000,
        betas: ['interleaved-thinking-2025-05-14', 'context-management-2025-06-27'],
        system: [
          { type: 'text', text: 'You are an agent.', cache_control: { type: 'ephemeral', ttl: '1h' } },
          { type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } },
        ],
        tools: [weather],
        tool_choice: { type: 'auto' },
        thinking: { type: 'adaptive' },
        output_config: { effort: 'medium' },
        metadata: { user_id: 'user_1' },
        ...(provider !== 'mock-anthropic' && { context_management: { edits: [{ type: 'clear_tool_uses_20250919' }] } }),
        messages: [
          { role: 'user', content: [{ type: 'text', text: 'Read it' }] },
          {
            role: 'assistant',
            content: [
              { type: 'text', text: 'Reading.' },
              { type: 'tool_use', id: 'toolu_01', name: 'get_weather', input: { city: 'Oslo' } },
            ],
          },
          {
            role: 'user',
            content: [
              { type: 'tool_result', tool_use_id: 'toolu_01', content: 'No such city', is_error: true },
              { type: 'text', text: 'Go on', cache_control: { type: 'ephemeral' } },
            ],
          },
        ],
      })
      .finalMessage();
    expect(answer.stop_reason).toBe('end_turn');
    expect(JSON.stringify(answer.content)).toContain('Go on');
    const asked = millrace.mocks.get(provider)!.journal.list().at(-1)!;
    expect(JSON.stringify(asked.body)).toContain('No such city');
  });

  test('a client that breaks off its loop ends the provider too', async () => {
    const { client, millrace } = await connect();
    const model = `${provider}/lorem-1000+rate-200`;
    const stream = await client.messages.create({ ...hello, model, stream: true });
    for await (const event of stream) if (event.type === 'content_block_delta') break;
    const record = await millrace.mocks.get(provider)!.journal.waitFor((r) => r.client_left_at !== null);
    expect(record.tokens_sent).toBeLessThan(1000);
    expect((await millrace.rows())[0]).toMatchObject({ end_reason: 'client_closed' });

    const helper = client.messages.stream({ ...hello, model });
    helper.once('text', () => helper.abort());
    await expect(helper.finalMessage()).rejects.toThrow(APIUserAbortError);
  });

  test.each([
    ['an error inside the stream', 'error-after-3', 'overloaded_error'],
    ['a clean end too early', 'end-3', 'api_error'],
    ['a socket cut', 'cut-3', 'api_error'],
    ['garbage', 'garbage-3', 'api_error'],
  ])('%s throws, and what came before was delivered', async (_about, fault, type) => {
    const { client } = await connect();
    const model = `${provider}/${fault}+rate-500`; // paced, so that content comes before its fault
    const events: Anthropic.RawMessageStreamEvent[] = [];
    const reading = (async () => {
      for await (const event of await client.messages.create({ ...hello, model, stream: true })) events.push(event);
    })();
    await expect(reading).rejects.toThrow(APIError);
    await expect(reading).rejects.toMatchObject({ type, error: { type: 'error', error: { type } } });
    const text = events.map((event) =>
      event.type === 'content_block_delta' && event.delta.type === 'text_delta' ? event.delta.text : '',
    );
    expect(text.join('')).toBe('Lorem ipsum dolor');
    expect(events.map((event) => event.type)).not.toContain('message_stop');
    await expect(client.messages.stream({ ...hello, model }).finalMessage()).rejects.toMatchObject({ type });
    await expect(client.messages.create({ ...hello, model })).rejects.toMatchObject({ type });
  });

  test.each([
    ['error-404', NotFoundError, 'not_found_error'],
    ['error-429', RateLimitError, 'rate_limit_error'],
    ['error-401', InternalServerError, 'api_error'],
    ['error-500', InternalServerError, 'overloaded_error'],
    ['error-context', BadRequestError, 'invalid_request_error'],
  ])('%s has its typed error before the stream begins', async (model, kind, type) => {
    const { client } = await connect();
    for (const stream of [true, false]) {
      const asking = client.messages.create({ ...hello, model: `${provider}/${model}`, stream });
      await expect(asking).rejects.toThrow(kind);
      await expect(asking).rejects.toMatchObject({ type, error: { error: { message: expect.stringMatching(/\w/) } } });
      if (model === 'error-context') await expect(asking).rejects.toThrow(/prompt is too long/i);
    }
  });
});

test('over its own wire a request goes on in its own words, with its betas and less what the config leaves out', async () => {
  const mock = await startMock({});
  onTestFinished(() => mock.close());
  const millrace = await startMillrace(`providers:
  own:
    wire: anthropic
    baseUrl: "${mock.url}"
    apiKey: x
    headers: { Anthropic-Beta: "zero, one-2026" }
    drop: [inference_geo]`);
  const tools: Anthropic.ToolUnion[] = [weather, { type: 'web_search_20260318', name: 'web_search', max_uses: 2 }];
  const thinking = { type: 'between_tools' as const };
  const asked = { ...hello, model: 'own/echo', tools, system: 'Be brief.', container: null, thinking };
  const headers = { 'anthropic-beta': 'one-2026,two-2026' };
  const answer = clientOf(millrace).messages.create({ ...asked, inference_geo: 'eu' }, { headers });
  const { data, response } = await answer.withResponse();
  expect(textOf(data)).toBe('Hello there');
  expect(response.headers.get('millrace-dropped')).toBe('inference_geo');
  const record = mock.journal.list().at(-1)!;
  expect(record.body).toEqual({ ...asked, model: 'echo', stream: true });
  expect(record.headers).toMatchObject({
    'anthropic-beta': 'zero,one-2026,two-2026',
    'anthropic-version': '2026-10-21',
  });
});

test('a provider of this wire whose frames are not handed on is as good as another', async () => {
  const mock = await startMock({});
  onTestFinished(() => mock.close());
  const millrace = await startMillrace(
    `providers: { own: { wire: anthropic, baseUrl: "${mock.url}", apiKey: x, passthrough: false } }`,
  );
  const request = { ...hello, model: 'own/reasoning-4+tools', tools: [weather] };
  const streamed = await clientOf(millrace).messages.stream(request).finalMessage();
  expect(streamed.id).toMatch(/^msg_str_/);
  expect(plain(await clientOf(millrace).messages.create(request))).toEqual(plain(streamed));
});

test.each(['mock-anthropic', 'mock-gemini'])(
  'pings before the answer and before an error are nothing to the client, %s',
  async (name) => {
    const { client, millrace } = await connect('streams: { commitAfter: 20ms, heartbeat: 1s }');
    const model = `${name}/slow-1500+lorem-3`;
    const raw = await millrace.post('/v1/messages', { ...hello, model, stream: true });
    const kinds = (await readSse(raw)).map(({ event }) => event);
    expect(kinds.slice(0, 2)).toEqual(['ping', 'ping']);
    expect(kinds.filter((kind) => kind === 'message_start')).toHaveLength(1);
    const answer = await client.messages.stream({ ...hello, model }).finalMessage();
    expect(textOf(answer)).toBe('Lorem ipsum dolor');
    const refused = client.messages.stream({ ...hello, model: `${name}/slow-100+error-429` });
    await expect(refused.finalMessage()).rejects.toMatchObject({ type: 'rate_limit_error' });
  },
);

test('a thread is refused in the words that make its helpers go on without one', async () => {
  const { client } = await connect();
  const thread = client.beta.messages.thread({ model: 'claude-fast', max_tokens: 10 });
  await expect(thread.send({ role: 'user', content: 'Hi' })).rejects.toMatchObject({
    status: 400,
    errorCode: 'thread_unsupported_request',
  });
  const settings = { model: 'claude-fast', max_tokens: 10, unsupportedRequestBehavior: 'continue_unthreaded' as const };
  const reply = await client.beta.messages.thread(settings).send({ role: 'user', content: 'Hi' });
  expect(reply.content).toMatchObject([{ type: 'text', text: 'Hi' }]);
});

test('a tool of the vendor itself is refused by name where another wire would have to run it', async () => {
  const { client } = await connect();
  const tools: Anthropic.ToolUnion[] = [{ type: 'web_search_20260318', name: 'web_search' }];
  const asking = client.messages.create({ ...hello, model: 'mock-gemini/echo', tools });
  await expect(asking).rejects.toThrow(BadRequestError);
  await expect(asking).rejects.toThrow(/tools\[0\]/);
});

test('a conversation may go from one wire to another between any two turns', async () => {
  const { client } = await connect();
  const tools = [weather];
  const thinking = { type: 'adaptive' as const, display: 'summarized' as const };
  for (const from of PROVIDERS) {
    const model = `${from}/reasoning-4+tools`;
    const first = await client.messages.create({ ...hello, model, tools, thinking });
    const [call] = callsOf(first);
    const history: Anthropic.MessageParam[] = [
      ...messages,
      { role: 'assistant', content: first.content },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: call!.id, content: 'frogs' }] },
    ];
    for (const to of PROVIDERS) {
      const request = { ...hello, messages: history, model: `${to}/reasoning-4+tools`, tools, thinking };
      expect(textOf(await client.messages.create(request)), `${from} to ${to}`).toContain('frogs');
    }
  }
});

test('images, documents and structured output go to wires that have them', async () => {
  const { client } = await connect();
  const data = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
  const content: Anthropic.ContentBlockParam[] = [
    { type: 'image', source: { type: 'base64', media_type: 'image/png', data } },
    {
      type: 'document',
      source: { type: 'base64', media_type: 'application/pdf', data: 'JVBERi0xLjQK' },
      title: 'a.pdf',
    },
    { type: 'text', text: 'See' },
  ];
  const schema = {
    type: 'object',
    properties: { city: { type: 'string' } },
    required: ['city'],
    additionalProperties: false,
  };
  for (const provider of PROVIDERS) {
    const seen = await client.messages.create({
      ...hello,
      model: `${provider}/echo`,
      messages: [{ role: 'user', content }],
    });
    expect(textOf(seen), provider).toBe('See');
    const held = await client.messages.create({
      ...hello,
      model: `${provider}/json`,
      output_config: { format: { type: 'json_schema', schema } },
    });
    expect(JSON.parse(textOf(held)), provider).toEqual({ city: expect.any(String) });
  }
});

test('tokens are counted without asking a provider', async () => {
  const { client, millrace } = await connect();
  const short = await client.messages.countTokens({ model: 'claude-fast', messages });
  const long = await client.messages.countTokens({
    model: 'claude-fast',
    messages,
    system: 'Be brief.',
    tools: [weather],
  });
  expect(short.input_tokens).toBeGreaterThan(1);
  expect(long.input_tokens).toBeGreaterThan(short.input_tokens + 10);
  expect(millrace.journal.list()).toEqual([]);
});

test('an alias is accepted and answered, and names of clients that cannot be changed are mapped by the config', async () => {
  const { client } = await connect('doors: { anthropic: { models: { "claude-*": claude-fast } } }');
  const answer = await client.messages.create({ ...hello, model: 'claude-opus-5-5' });
  expect(textOf(answer)).toBe('Hello there');
  expect(answer.model).toBe('claude-opus-5-5');
});

test('a body that cannot be, a model that is not there, a wrong key', async () => {
  const { client, millrace } = await connect();
  const broken = client.messages.create({
    ...hello,
    model: 'claude-fast',
    messages: [{ role: 'user', content: [{ type: 'text' } as never] }],
  });
  await expect(broken).rejects.toThrow(BadRequestError);
  await expect(broken).rejects.toThrow(/messages\[0\]\.content\[0\]\.text/);
  await expect(client.messages.create({ ...hello, model: 'nobody/nothing' })).rejects.toThrow(NotFoundError);
  const raw = await millrace.post('/v1/messages', { ...hello, model: 'nobody/nothing' });
  expect(await raw.json()).toEqual({
    type: 'error',
    error: { type: 'not_found_error', message: expect.any(String) },
    request_id: null,
  });
});

test('keys come as this client sends them', async () => {
  const hash = createHash('sha256').update('sk-right').digest('hex');
  const { millrace } = await connect(`keys: [{ name: web, hash: "sha256:${hash}" }]`);
  const right = clientOf(millrace, 'sk-right').messages.create({ ...hello, model: 'claude-fast' });
  expect(textOf(await right)).toBe('Hello there');
  const wrong = clientOf(millrace, 'sk-wrong').messages.create({ ...hello, model: 'claude-fast' });
  await expect(wrong).rejects.toThrow(AuthenticationError);
  await expect(wrong).rejects.toMatchObject({ type: 'authentication_error' });
});
