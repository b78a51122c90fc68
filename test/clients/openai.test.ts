// The official OpenAI client for JavaScript against a running Millrace: what people already have must work by changing its
// base address. Each thing once with the provider's frames handed on and once with frames built here.
import { createHash } from 'node:crypto';
import OpenAI, {
  APIError,
  APIUserAbortError,
  AuthenticationError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
  PermissionDeniedError,
  RateLimitError,
} from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { type MockServer, startMock } from '../../src/mock/server.ts';
import { startMillrace, type TestMillrace } from '../support/millrace.ts';

const messages = [{ role: 'user' as const, content: 'Hello there' }];

async function connect(more = ''): Promise<{ client: OpenAI; mock: MockServer; millrace: TestMillrace }> {
  const mock = await startMock({});
  onTestFinished(() => mock.close());
  const millrace = await startMillrace(
    `providers:
  asis: { wire: openai, baseUrl: "${mock.url}" }
  built: { wire: openai, baseUrl: "${mock.url}", passthrough: false }
  mock: {}
${more}`,
  );
  return { client: clientOf(millrace), mock, millrace };
}

function clientOf({ url }: TestMillrace, apiKey = 'unused'): OpenAI {
  return new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });
}

type Chunk = OpenAI.ChatCompletionChunk;

async function drain(stream: AsyncIterable<Chunk>): Promise<Chunk[]> {
  const chunks: Chunk[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

const textOf = (chunks: Chunk[], index = 0) =>
  chunks.flatMap(({ choices }) => choices.filter((c) => c.index === index).map((c) => c.delta.content ?? '')).join('');

function functionCalls(message: OpenAI.ChatCompletionMessage): OpenAI.ChatCompletionMessageFunctionToolCall[] {
  return (message.tool_calls ?? []).filter((call) => call.type === 'function');
}

const weather = {
  type: 'function' as const,
  function: {
    name: 'get_weather',
    description: 'The weather in a city',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
};

describe.each([
  ['handed on', 'asis'],
  ['built here', 'built'],
])('frames %s', (_about, up) => {
  test('text streams, and usage only when asked for', async () => {
    const { client } = await connect();
    const request = { model: `${up}/echo`, messages, stream: true as const };
    const plain = await drain(await client.chat.completions.create(request));
    expect(textOf(plain)).toBe('Hello there');
    expect(plain.at(-1)!.choices[0]!.finish_reason).toBe('stop');
    expect(plain.every((chunk) => !chunk.usage && chunk.choices.length === 1)).toBe(true);
    expect(new Set(plain.map(({ id }) => id)).size).toBe(1);

    const metered = await drain(
      await client.chat.completions.create({ ...request, stream_options: { include_usage: true } }),
    );
    expect(textOf(metered)).toBe('Hello there');
    expect(metered.at(-1)).toMatchObject({
      choices: [],
      usage: { prompt_tokens: 2, total_tokens: expect.any(Number) },
    });
    expect(metered.filter((chunk) => chunk.usage)).toHaveLength(1);
  });

  test('a whole answer', async () => {
    const { client } = await connect();
    const { data, response } = await client.chat.completions.create({ model: `${up}/echo`, messages }).withResponse();
    expect(data).toMatchObject({
      object: 'chat.completion',
      choices: [{ index: 0, message: { role: 'assistant', content: 'Hello there' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 2, completion_tokens: expect.any(Number) },
    });
    expect(response.headers.get('millrace-stream-id')).toMatch(/^str_/);
  });

  test('the streaming helper puts tool calls together, and they pair with their results', async () => {
    const { client } = await connect();
    const stream = client.chat.completions.stream({ model: `${up}/tools-2`, messages, tools: [weather] });
    const done: string[] = [];
    stream.on('tool_calls.function.arguments.done', ({ name }) => void done.push(name));
    const [choice] = (await stream.finalChatCompletion()).choices;
    expect(choice!.finish_reason).toBe('tool_calls');
    const calls = functionCalls(choice!.message);
    expect(calls).toHaveLength(2);
    expect(done).toEqual(['get_weather', 'get_weather']);
    for (const call of calls) expect(JSON.parse(call.function.arguments)).toHaveProperty('city');
    expect(new Set(calls.map(({ id }) => id)).size).toBe(2);

    const results = calls.map(({ id }) => ({ role: 'tool' as const, tool_call_id: id, content: 'raining frogs' }));
    const history = [...messages, choice!.message, ...results];
    const answer = await client.chat.completions.create({
      model: `${up}/tools-2`,
      messages: history,
      tools: [weather],
    });
    expect(answer.choices[0]!.message.content).toContain('raining frogs');
  });

  test('the tool runner goes through a whole conversation by itself', async () => {
    const { client } = await connect();
    const asked: unknown[] = [];
    const runner = client.chat.completions.runTools({
      model: `${up}/tools`,
      stream: true,
      messages,
      tools: [
        {
          type: 'function',
          function: {
            ...weather.function,
            parse: JSON.parse,
            function: (args: object) => {
              asked.push(args);
              return 'a plague of locusts';
            },
          },
        },
      ],
    });
    expect(await runner.finalContent()).toContain('a plague of locusts');
    expect(asked).toEqual([{ city: expect.any(String) }]);
  });

  test('parallel calls that all come with index 0 stay apart', async () => {
    const { client } = await connect();
    const { choices } = await client.chat.completions.create({
      model: `${up}/tools-2+index0`,
      messages,
      tools: [weather],
    });
    const calls = functionCalls(choices[0]!.message);
    expect(calls).toHaveLength(2);
    for (const call of calls) expect(JSON.parse(call.function.arguments)).toHaveProperty('city');
  });

  test('structured output parses', async () => {
    const { client } = await connect();
    const schema = z.object({ title: z.string(), pages: z.number() });
    const request = { model: `${up}/json`, messages, response_format: zodResponseFormat(schema, 'book') };
    const streamed = await client.chat.completions.stream(request).finalChatCompletion();
    const whole = await client.chat.completions.parse(request);
    for (const { choices } of [streamed, whole]) {
      expect(choices[0]!.message.parsed).toEqual({ title: expect.any(String), pages: expect.any(Number) });
    }
  });

  test('three alternatives, streamed and whole', async () => {
    const { client } = await connect();
    const request = { model: `${up}/lorem-5`, messages, n: 3 };
    const whole = await client.chat.completions.create(request);
    expect(whole.choices.map(({ index }) => index)).toEqual([0, 1, 2]);
    const texts = whole.choices.map(({ message }) => message.content);
    expect(new Set(texts).size).toBe(3);
    const chunks = await drain(await client.chat.completions.create({ ...request, stream: true }));
    expect([0, 1, 2].map((index) => textOf(chunks, index))).toEqual(texts);
    const ends = chunks.flatMap(({ choices }) => choices.filter((c) => c.finish_reason).map((c) => c.index));
    expect(ends.sort()).toEqual([0, 1, 2]);
  });

  test('reasoning comes beside the text, in the field that clients know', async () => {
    const { client } = await connect();
    const chunks = await drain(
      await client.chat.completions.create({ model: `${up}/reasoning+lorem-3`, messages, stream: true }),
    );
    const thoughts = chunks.map(
      ({ choices }) => (choices[0]?.delta as { reasoning_content?: string })?.reasoning_content,
    );
    expect(thoughts.join('')).toMatch(/^The user asks/);
    expect(textOf(chunks)).toBe('Lorem ipsum dolor');
    const whole = await client.chat.completions.create({ model: `${up}/reasoning+lorem-3`, messages });
    expect(whole.choices[0]!.message).toMatchObject({
      content: 'Lorem ipsum dolor',
      reasoning_content: thoughts.join(''),
    });
  });

  test('a client that breaks off its loop ends the provider too', async () => {
    const { client, mock, millrace } = await connect();
    const stream = await client.chat.completions.create({ model: `${up}/lorem-1000+rate-200`, messages, stream: true });
    for await (const chunk of stream) if (chunk.choices[0]?.delta.content) break;
    const record = await mock.journal.waitFor((r) => r.client_left_at !== null);
    expect(record.tokens_sent).toBeLessThan(1000);
    expect((await millrace.rows())[0]).toMatchObject({ end_reason: 'client_closed' });
  });

  test.each([true, false])('an abort signal ends it at once, stream %s', async (stream) => {
    const { client, mock } = await connect();
    const controller = new AbortController();
    const request = { model: `${up}/lorem-1000+rate-200`, messages, stream };
    const answer = client.chat.completions.create(request, { signal: controller.signal });
    const read = answer.then((value): unknown => (stream ? drain(value as AsyncIterable<Chunk>) : value));
    read.catch(() => {});
    await mock.journal.waitFor((r) => r.tokens_sent > 3);
    controller.abort();
    if (stream)
      await read; // the client ends its loop quietly: it was the one who left
    else await expect(read).rejects.toThrow(APIUserAbortError);
    await mock.journal.waitFor((r) => r.client_left_at !== null);
  });

  test.each([
    ['an error inside the stream', 'error-after-3', 'upstream_unavailable'],
    ['a clean end too early', 'end-3', 'upstream_truncated'],
    ['a socket cut', 'cut-3', 'upstream_truncated'],
    ['garbage', 'garbage-3', 'upstream_protocol'],
  ])('%s throws, and what came before was delivered', async (_about, fault, code) => {
    const { client } = await connect();
    const model = `${up}/${fault}+rate-500`; // paced, so that content comes before its fault
    const chunks: Chunk[] = [];
    const reading = (async () => {
      const stream = await client.chat.completions.create({ model, messages, stream: true });
      for await (const chunk of stream) chunks.push(chunk);
    })();
    await expect(reading).rejects.toThrow(APIError);
    await expect(reading).rejects.toMatchObject({ code });
    expect(textOf(chunks)).toBe('Lorem ipsum dolor');
    expect(chunks.every(({ choices }) => choices.every((c) => !c.finish_reason))).toBe(true);

    const helper = client.chat.completions.stream({ model, messages });
    await expect(helper.finalChatCompletion()).rejects.toMatchObject({ code });
    await expect(client.chat.completions.create({ model, messages })).rejects.toMatchObject({ code });
  });

  test.each([
    ['error-400', BadRequestError, 'invalid_request'],
    ['error-404', NotFoundError, 'model_not_found'],
    ['error-429', RateLimitError, 'upstream_rate_limited'],
    ['error-401', InternalServerError, 'upstream_auth'],
    ['error-500', InternalServerError, 'upstream_unavailable'],
    ['error-context', BadRequestError, 'context_length_exceeded'],
    ['html', InternalServerError, 'upstream_protocol'],
  ])('%s has its typed error before the stream begins', async (model, type, code) => {
    const { client } = await connect();
    for (const stream of [true, false]) {
      const asking = client.chat.completions.create({ model: `${up}/${model}`, messages, stream });
      await expect(asking).rejects.toThrow(type);
      await expect(asking).rejects.toMatchObject({ code, message: expect.stringMatching(/\w/) });
    }
  });
});

test('logprobs come through, streamed and whole', async () => {
  const { client } = await connect();
  const request = { model: 'asis/lorem-3', messages, logprobs: true, top_logprobs: 2 };
  const whole = await client.chat.completions.create(request);
  const tokens = whole.choices[0]!.logprobs!.content!;
  expect(tokens.map(({ token }) => token).join('')).toBe('Lorem ipsum dolor');
  expect(tokens[0]!.top_logprobs).toHaveLength(2);
  const chunks = await drain(await client.chat.completions.create({ ...request, stream: true }));
  const streamed = chunks.flatMap(({ choices }) => choices.flatMap((c) => c.logprobs?.content ?? []));
  expect(streamed).toEqual(tokens);
});

test('retry-after reaches the client, and Millrace itself asks once', async () => {
  const { client, mock } = await connect();
  const error = await client.chat.completions.create({ model: 'asis/error-429', messages }).catch((e: APIError) => e);
  expect(error).toBeInstanceOf(RateLimitError);
  expect((error as APIError).headers!.get('retry-after')).toMatch(/^\d+$/);
  expect(mock.journal.list()).toHaveLength(1);
});

test('a model that is not there, a body that cannot be, a method that does not exist', async () => {
  const { client } = await connect();
  const ask = (model: string, more: object = {}) => client.chat.completions.create({ model, messages, ...more });
  await expect(ask('nobody/nothing')).rejects.toThrow(NotFoundError);
  await expect(ask('nobody/nothing')).rejects.toMatchObject({ code: 'model_not_found', param: 'model' });
  await expect(ask('asis/echo', { temperature: 9 })).rejects.toThrow(BadRequestError);
  await expect(ask('asis/echo', { temperature: 9 })).rejects.toMatchObject({ param: 'temperature' });
  await expect(client.embeddings.create({ model: 'x', input: 'y' })).rejects.toThrow(NotFoundError);
});

test('keys: the right one works, a wrong one is 401, a model it may not use 403', async () => {
  const hash = createHash('sha256').update('sk-right').digest('hex');
  const { millrace } = await connect(`keys: [{ name: web, hash: "sha256:${hash}", models: ["mock/e*"] }]`);
  const ask = (key: string, model = 'mock/echo') =>
    clientOf(millrace, key).chat.completions.create({ model, messages });
  expect((await ask('sk-right')).choices[0]!.message.content).toBe('Hello there');
  await expect(ask('sk-wrong')).rejects.toThrow(AuthenticationError);
  await expect(ask('sk-wrong')).rejects.toMatchObject({ code: 'unauthorized', type: 'authentication_error' });
  await expect(ask('sk-right', 'mock/lorem-5')).rejects.toThrow(PermissionDeniedError);
  await expect(clientOf(millrace, 'sk-wrong').models.list()).rejects.toThrow(AuthenticationError);
});

test('models are listed, aliases first', async () => {
  const { client } = await connect('models: { fast: [mock/echo] }');
  const models = await client.models.list();
  expect(models.data[0]).toEqual({ id: 'fast', object: 'model', created: expect.any(Number), owned_by: 'mock' });
  expect(models.data.map(({ id }) => id)).toContain('mock/echo');
  const { choices } = await client.chat.completions.create({ model: 'fast', messages });
  expect(choices[0]!.message.content).toBe('Hello there');
});
