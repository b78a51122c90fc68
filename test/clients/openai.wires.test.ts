// The official OpenAI client's chat completions against a running Millrace, over the wires of other providers: text, tools, reasoning,
// leaving and errors. What belongs to its own wire is in openai.test.ts.
import OpenAI, { APIError, BadRequestError, InternalServerError, RateLimitError } from 'openai';
import { describe, expect, test } from 'vitest';
import { startMillrace, type TestMillrace } from '../support/millrace.ts';

const PROVIDERS = ['mock-responses', 'mock-anthropic', 'mock-gemini', 'mock-bedrock'];

async function connect(provider: string): Promise<{ client: OpenAI; millrace: TestMillrace }> {
  const millrace = await startMillrace(`providers: { ${provider}: {} }`);
  const client = new OpenAI({ baseURL: `${millrace.url}/v1`, apiKey: 'unused', maxRetries: 0 });
  return { client, millrace };
}

interface Reasoning {
  reasoning_content?: string;
}

const messages = [{ role: 'user' as const, content: 'Hello there' }];

function tool(name: string, properties: Record<string, object>) {
  const parameters = { type: 'object', properties, required: Object.keys(properties), additionalProperties: false };
  return { type: 'function' as const, function: { name, description: `To ${name}`, parameters } };
}
const tools = [tool('get_weather', { city: { type: 'string', enum: ['Paris'] } }), tool('get_time', {})];

describe.each(PROVIDERS)('%s', (provider) => {
  test('text streams and comes whole, with usage', async () => {
    const { client } = await connect(provider);
    const request = { model: `${provider}/echo`, messages };
    const stream = client.chat.completions.stream({ ...request, stream_options: { include_usage: true } });
    const { choices, usage } = await stream.finalChatCompletion();
    expect(choices).toMatchObject([{ message: { content: 'Hello there' }, finish_reason: 'stop' }]);
    expect(usage!.prompt_tokens).toBeGreaterThan(0);
    const whole = await client.chat.completions.create(request);
    expect(whole.choices).toMatchObject([{ message: { content: 'Hello there' }, finish_reason: 'stop' }]);
    expect(whole.usage).toEqual(usage);
  });

  test('parallel calls after reasoning, streamed and whole, and the answer to their results', async () => {
    const { client } = await connect(provider);
    const request = { model: `${provider}/reasoning-6+tools-2`, tools, reasoning_effort: 'medium' as const };
    const stream = client.chat.completions.stream({ ...request, messages });
    let thoughts = '';
    stream.on('chunk', ({ choices }) => {
      thoughts += (choices[0]?.delta as Reasoning | undefined)?.reasoning_content ?? ''; // of which the helper keeps the last piece
    });
    const streamed = await stream.finalChatCompletion();
    const whole = await client.chat.completions.create({ ...request, messages });
    expect(thoughts).toMatch(/^The user asks/);
    expect((whole.choices[0]!.message as Reasoning).reasoning_content).toBe(thoughts);
    for (const { choices } of [streamed, whole]) {
      const { message, finish_reason } = choices[0]!;
      expect(finish_reason).toBe('tool_calls');
      const calls = (message.tool_calls ?? []).filter((call) => call.type === 'function');
      expect(calls.map(({ function: { name, arguments: args } }) => [name, JSON.parse(args)])).toEqual([
        ['get_weather', { city: 'Paris' }],
        ['get_time', {}],
      ]);
      const results = calls.map(({ id }) => ({ role: 'tool' as const, tool_call_id: id, content: 'raining frogs' }));
      const history = [...messages, message, ...results];
      const answer = await client.chat.completions.create({ ...request, messages: history });
      expect(answer.choices[0]!.message.content).toContain('raining frogs');
    }
  });

  test('a client that breaks off its loop ends the provider too', async () => {
    const { client, millrace } = await connect(provider);
    const model = `${provider}/lorem-1000+rate-200`;
    for await (const chunk of await client.chat.completions.create({ model, messages, stream: true })) {
      if (chunk.choices[0]?.delta.content) break;
    }
    const record = await millrace.mocks.get(provider)!.journal.waitFor((r) => r.client_left_at !== null);
    expect(record.tokens_sent).toBeLessThan(1000);
    expect((await millrace.rows())[0]).toMatchObject({ end_reason: 'client_closed' });
  });

  test.each([
    ['error-after-3', 'upstream_unavailable'],
    ['end-3', 'upstream_truncated'],
    ['cut-3', 'upstream_truncated'],
    ['garbage-3', 'upstream_protocol'],
  ])('inside the stream, %s throws, and what came before was delivered', async (fault, code) => {
    const { client } = await connect(provider);
    const model = `${provider}/${fault}+rate-500`; // paced, so that content comes before its fault
    let text = '';
    const reading = (async () => {
      for await (const { choices } of await client.chat.completions.create({ model, messages, stream: true })) {
        text += choices[0]!.delta.content ?? '';
        expect(choices[0]!.finish_reason).toBeNull();
      }
    })();
    await expect(reading).rejects.toThrow(APIError);
    await expect(reading).rejects.toMatchObject({ code });
    expect(text).toBe('Lorem ipsum dolor');
  });

  test('before the stream, errors have their class and code', async () => {
    const { client } = await connect(provider);
    for (const [model, kind, code] of [
      ['error-429', RateLimitError, 'upstream_rate_limited'],
      ['error-500', InternalServerError, 'upstream_unavailable'],
      ['error-context', BadRequestError, 'context_length_exceeded'],
    ] as const) {
      for (const stream of [true, false]) {
        const asking = client.chat.completions.create({ model: `${provider}/${model}`, messages, stream });
        await expect(asking).rejects.toThrow(kind);
        await expect(asking).rejects.toMatchObject({ code });
      }
    }
  });
});
