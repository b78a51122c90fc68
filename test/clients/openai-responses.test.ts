// The official OpenAI client's Responses API against a running Millrace, over every wire: its streaming helper rejects an event that is
// out of order or does not fit, so that it reads to the end says that the sequence is right.
import OpenAI, { APIError, BadRequestError, NotFoundError, RateLimitError } from 'openai';
import { zodTextFormat } from 'openai/helpers/zod';
import { describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { type MockServer, startMock } from '../../src/mock/server.ts';
import { startMillrace, type TestMillrace } from '../support/millrace.ts';

type Item = OpenAI.Responses.ResponseInputItem;
type Event = OpenAI.Responses.ResponseStreamEvent;
type Call = OpenAI.Responses.ResponseFunctionToolCall;

/** `built`: the wire of this door, with frames that are built here all the same. */
const PROVIDERS = ['mock', 'mock-responses', 'mock-anthropic', 'mock-gemini', 'mock-bedrock', 'built'];

async function connect(names = PROVIDERS): Promise<{ client: OpenAI; millrace: TestMillrace; outer: MockServer }> {
  const outer = await startMock({});
  onTestFinished(() => outer.close());
  const providers = names.map((name) =>
    name === 'built'
      ? `built: { wire: openai-responses, baseUrl: "${outer.url}", apiKey: x, passthrough: false }`
      : `${name}: {}`,
  );
  const millrace = await startMillrace(`providers: { ${providers.join(', ')} }`);
  const client = new OpenAI({ baseURL: `${millrace.url}/v1`, apiKey: 'unused', maxRetries: 0 });
  return { client, millrace, outer };
}

const weather = {
  type: 'function' as const,
  name: 'get_weather',
  description: 'The weather of a city',
  parameters: {
    type: 'object',
    properties: { city: { type: 'string', enum: ['Paris', 'Oslo'] } },
    required: ['city'],
    additionalProperties: false,
  },
  strict: true,
};

async function drain(stream: AsyncIterable<Event>): Promise<Event[]> {
  const events: Event[] = [];
  for await (const event of stream) events.push(event);
  events.forEach(({ sequence_number }, at) => void expect(sequence_number).toBe(at));
  return events;
}

const calls = (output: OpenAI.Responses.ResponseOutputItem[]) =>
  output.filter((item): item is Call => item.type === 'function_call');
const outputs = (made: Call[]) =>
  made.map(({ call_id }, at): Item => ({ type: 'function_call_output', call_id, output: `result ${at}` }));

/** Without what the client's helper adds of its own, for the API takes no field that it does not know. */
function asGiven(item: object): Item {
  const { parsed_arguments: _, ...given } = item as Item & { parsed_arguments?: unknown };
  return given as Item;
}

describe.each(PROVIDERS)('%s', (provider) => {
  test('text, streamed, by the helper, and whole', async () => {
    const { client } = await connect([provider]);
    const request = { model: `${provider}/echo`, input: 'Hello there', instructions: 'Be brief.' };
    const events = await drain(await client.responses.create({ ...request, stream: true }));
    expect(events.map(({ type }) => type).filter((type, at, all) => type !== all[at - 1])).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
      'response.output_text.delta',
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.completed',
    ]);
    const final = await client.responses.stream(request).finalResponse();
    const { data: whole, response } = await client.responses.create(request).withResponse();
    for (const answer of [final, whole]) {
      expect(answer).toMatchObject({
        object: 'response',
        status: 'completed',
        output_text: 'Hello there',
        instructions: 'Be brief.',
        usage: {
          input_tokens: expect.any(Number),
          input_tokens_details: { cached_tokens: 0 },
          output_tokens: expect.any(Number),
          output_tokens_details: { reasoning_tokens: 0 },
        },
      });
      expect(answer.usage!.input_tokens).toBeGreaterThan(0);
      expect(answer.usage!.total_tokens).toBe(answer.usage!.input_tokens + answer.usage!.output_tokens);
    }
    if (provider !== 'mock-responses') expect(whole.model).toBe(request.model);
    expect(response.headers.get('millrace-stream-id')).toMatch(/^str_/);
  });

  test('a loop with parallel calls: all that came out goes in again, with reasoning, until there is an answer', async () => {
    const { client } = await connect([provider]);
    const request = {
      model: `${provider}/reasoning-6+tools-2`,
      tools: [weather],
      reasoning: { effort: 'medium' as const, summary: 'auto' as const },
      include: ['reasoning.encrypted_content' as const],
      store: false,
    };
    const input: Item[] = [{ role: 'user', content: 'Hello there' }];
    const first = await client.responses.stream({ ...request, input }).finalResponse();
    const made = calls(first.output as OpenAI.Responses.ResponseOutputItem[]);
    expect(made).toHaveLength(2);
    for (const call of made) expect(JSON.parse(call.arguments)).toHaveProperty('city');
    const thought = first.output.find((item) => item.type === 'reasoning');
    expect(thought?.summary.map(({ text }) => text).join('')).toMatch(/^The user asks/);
    if (provider !== 'mock') expect(thought?.encrypted_content).toBeTruthy();

    const history = [...input, ...first.output.map(asGiven), ...outputs(made)];
    const second = await client.responses.stream({ ...request, input: history }).finalResponse();
    expect(second.output_text).toContain('result 1');
    const whole = await client.responses.create({ ...request, input: history });
    expect(whole.output_text).toBe(second.output_text);

    const wholeFirst = await client.responses.create({ ...request, input });
    const again = [...input, ...(wholeFirst.output as Item[]), ...outputs(calls(wholeFirst.output))];
    expect((await client.responses.create({ ...request, input: again })).output_text).toContain('result 1');
  });

  test('a named tool, and one that is required', async () => {
    const { client } = await connect([provider]);
    const empty = { type: 'object', properties: {}, additionalProperties: false };
    const time = { type: 'function' as const, name: 'get_time', parameters: empty, strict: false };
    const request = { model: `${provider}/tools`, input: 'Hello', tools: [weather, time] };
    const named = await client.responses.create({ ...request, tool_choice: { type: 'function', name: 'get_time' } });
    expect(calls(named.output).map(({ name, arguments: args }) => [name, args])).toEqual([['get_time', '{}']]);
    const required = await client.responses.create({ ...request, tool_choice: 'required', parallel_tool_calls: true });
    expect(calls(required.output).map(({ name }) => name)).toEqual(['get_weather']);
  });

  test('structured output parses, and an image is taken', async () => {
    const { client } = await connect([provider]);
    const format = zodTextFormat(z.object({ city: z.string(), sunny: z.boolean() }), 'answer');
    const image_url =
      'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
    const { output_parsed } = await client.responses.parse({
      model: `${provider}/json`,
      text: { format },
      input: [
        {
          role: 'user',
          content: [
            { type: 'input_text', text: 'See' },
            { type: 'input_image', image_url, detail: 'auto' },
          ],
        },
      ],
    });
    expect(output_parsed).toEqual({ city: expect.any(String), sunny: expect.any(Boolean) });
  });

  test('the token limit and a filter make a response incomplete, and say why', async () => {
    const { client } = await connect([provider]);
    for (const [model, limit, reason] of [
      ['lorem-40', 17, 'max_output_tokens'],
      ['filter', undefined, 'content_filter'],
    ] as const) {
      const request = { model: `${provider}/${model}`, input: 'x', max_output_tokens: limit };
      const streamed = await client.responses.stream(request).finalResponse();
      const whole = await client.responses.create(request);
      for (const answer of [streamed, whole]) {
        expect(answer).toMatchObject({ status: 'incomplete', incomplete_details: { reason } });
      }
    }
  });

  test('refusals have their class and code', async () => {
    const { client } = await connect([provider]);
    for (const [model, error, code] of [
      ['error-404', NotFoundError, 'model_not_found'],
      ['error-429', RateLimitError, 'upstream_rate_limited'],
      ['error-context', BadRequestError, 'context_length_exceeded'],
    ] as const) {
      for (const stream of [true, false]) {
        const asked = client.responses.create({ model: `${provider}/${model}`, input: 'x', stream });
        await expect(asked).rejects.toThrow(error);
        await expect(asked).rejects.toMatchObject({ code });
      }
    }
  });

  test.each([
    ['error-after-3', 'upstream_unavailable'],
    ['cut-3', 'upstream_truncated'],
    ['garbage-3', 'upstream_protocol'],
  ])('inside the stream, %s throws, and what came before was delivered', async (fault, code) => {
    const { client, millrace } = await connect([provider]);
    const request = { model: `${provider}/${fault}+rate-500`, input: 'x' };
    const events: Event[] = [];
    const reading = (async () => {
      for await (const event of await client.responses.create({ ...request, stream: true })) events.push(event);
    })();
    await expect(reading).rejects.toThrow(APIError);
    await expect(reading).rejects.toMatchObject({ code });
    const said = events.map((event) => (event.type === 'response.output_text.delta' ? event.delta : '')).join('');
    expect(said).toBe('Lorem ipsum dolor');
    await expect(client.responses.stream(request).finalResponse()).rejects.toMatchObject({ code });
    await expect(client.responses.create(request)).rejects.toMatchObject({ code });

    const raw = await millrace.post('/v1/responses', { ...request, stream: true });
    const body = await raw.text();
    const ends = [...body.matchAll(/^event: (error|response\.(?:completed|incomplete|failed))$/gm)].map(
      ([, end]) => end,
    );
    expect(ends).toEqual(['error', 'response.failed']);
    const data = [...body.matchAll(/^data: (.*)$/gm)].map(([, json]) => JSON.parse(json!));
    data.forEach(({ sequence_number }, at) => void expect(sequence_number).toBe(at));
    expect(data.at(-1).response).toMatchObject({
      id: data[0].response.id,
      status: 'failed',
      error: { code: 'server_error' },
    });
  });

  test('a client that breaks off ends the provider too', async () => {
    const { client, millrace, outer } = await connect([provider]);
    const request = { model: `${provider}/lorem-1000+rate-200`, input: 'x', stream: true as const };
    for await (const { type } of await client.responses.create(request)) {
      if (type === 'response.output_text.delta') break;
    }
    const [row] = await millrace.rows();
    expect(row!.end_reason).toBe('client_closed');
    const { journal } = millrace.mocks.get(provider) ?? outer;
    await journal.waitFor((record) => record.client_left_at !== null);
  });

  test('what only a provider that stores can do is refused by name', async () => {
    const { client } = await connect([provider]);
    const stored: [said: RegExp, more: object][] = [
      [/previous.response/i, { previous_response_id: 'resp_1', input: 'x' }],
      [
        /input\[1\]|msg_1/,
        {
          input: [
            { role: 'user', content: 'x' },
            { type: 'item_reference', id: 'msg_1' },
          ],
        },
      ],
    ];
    for (const [said, more] of stored) {
      const asked = client.responses.create({ model: `${provider}/lorem-3`, ...more });
      await expect(asked).rejects.toThrow(said);
      await expect(asked).rejects.toMatchObject({ type: 'invalid_request_error' });
    }
  });
});

test('the count of input tokens is answered without a provider', async () => {
  const { client } = await connect();
  const counted = await client.responses.inputTokens.count({ model: 'mock/echo', input: 'Hello there, all of you' });
  expect(counted).toEqual({ object: 'response.input_tokens', input_tokens: expect.any(Number) });
  expect(counted.input_tokens).toBeGreaterThan(3);
});

test('over the same wire the request goes on in its own words', async () => {
  const { client, millrace } = await connect();
  await client.responses.create({
    model: 'mock-responses/lorem-3',
    input: [{ role: 'user', content: 'x' }],
    tools: [{ type: 'web_search' }],
    truncation: 'auto',
    max_tool_calls: 3,
    metadata: { a: 'b' },
  });
  const { body } = millrace.mocks.get('mock-responses')!.journal.list().at(-1)!;
  expect(body).toEqual({
    model: 'lorem-3',
    input: [{ role: 'user', content: 'x' }],
    tools: [{ type: 'web_search' }],
    truncation: 'auto',
    max_tool_calls: 3,
    metadata: { a: 'b' },
    stream: true,
  });
});

test('reasoning of one provider is left out where the conversation goes on with another', async () => {
  const { client } = await connect();
  const input: Item[] = [{ role: 'user', content: 'Hello there' }];
  const first = await client.responses.create({
    model: 'mock-anthropic/reasoning-6+lorem-3',
    input,
    reasoning: { effort: 'low' },
  });
  expect(first.output.map(({ type }) => type)).toEqual(['reasoning', 'message']);
  const history: Item[] = [...input, ...(first.output as Item[]), { role: 'user', content: 'And now?' }];
  for (const provider of PROVIDERS) {
    const { output_text } = await client.responses.create({ model: `${provider}/echo`, input: history });
    expect(output_text).toBe('And now?');
  }
});

test('a provider of another wire takes over before the first word, asked in its own words', async () => {
  const { url } = await startMillrace(`
providers: { mock-responses: {}, mock-anthropic: {} }
models: { main: [mock-responses/error-500, mock-anthropic/echo] }`);
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'unused', maxRetries: 0 });
  const final = await client.responses.stream({ model: 'main', input: 'Hello there' }).finalResponse();
  expect(final).toMatchObject({ status: 'completed', model: 'main', output_text: 'Hello there' });
});
