// The AI SDK's own chat, the part of `useChat` that is not React, against a running Millrace: it sends, streams, calls tools, goes on
// by itself, stops and fails as it does with a route of its own. Its parser knows the chunks and refuses all others.
import {
  AbstractChat,
  type ChatInit,
  type ChatState,
  DefaultChatTransport,
  lastAssistantMessageIsCompleteWithToolCalls,
  parseJsonEventStream,
  type UIMessage,
  uiMessageChunkSchema,
} from 'ai';
import { describe, expect, test } from 'vitest';
import { eventually, startMillrace, type TestMillrace } from '../support/millrace.ts';

const PROVIDERS = ['mock', 'mock-responses', 'mock-anthropic', 'mock-gemini', 'mock-bedrock'];
const CONFIG = `providers: { ${PROVIDERS.map((name) => `${name}: {}`).join(', ')} }`;

/** As in the SDK's own React package, less the subscriptions. */
class TestChat extends AbstractChat<UIMessage> {
  constructor({ messages = [], ...init }: ChatInit<UIMessage>) {
    const state: ChatState<UIMessage> = {
      status: 'ready',
      error: undefined,
      messages,
      pushMessage: (message) => void state.messages.push(message),
      popMessage: () => void state.messages.pop(),
      replaceMessage(index, message) {
        state.messages[index] = structuredClone(message);
      },
      snapshot: (thing) => structuredClone(thing),
    };
    super({ ...init, state });
  }
}

function chatWith(millrace: TestMillrace, body: object, init: Omit<ChatInit<UIMessage>, 'transport'> = {}): TestChat {
  return new TestChat({ ...init, transport: new DefaultChatTransport({ api: `${millrace.url}/v1/ui/chat`, body }) });
}

const textOf = (message: UIMessage | undefined) =>
  message?.parts.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('');
const partsOf = (message: UIMessage | undefined, type: string): any[] =>
  message?.parts.filter((part) => part.type === type) ?? [];

const weather = {
  description: 'The weather in a city',
  inputSchema: {
    type: 'object',
    properties: { city: { type: 'string', enum: ['Paris'] } },
    required: ['city'],
    additionalProperties: false,
  },
};
const time = { inputSchema: { type: 'object', properties: {}, additionalProperties: false } };

/** Runs both tools in the client and lets the chat go on by itself, as the SDK's documentation has it. */
function chatWithTools(millrace: TestMillrace, model: string, more: object = {}): TestChat {
  const chat = chatWith(
    millrace,
    { model, tools: { get_weather: weather, get_time: time }, ...more },
    {
      sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithToolCalls,
      onToolCall: ({ toolCall: { toolName, toolCallId } }) => {
        const output = toolName === 'get_weather' ? { degrees: 21 } : 'noon';
        void chat.addToolOutput({ tool: toolName, toolCallId, output });
      },
    },
  );
  return chat;
}

describe.each(PROVIDERS)('%s', (provider) => {
  test('text streams into a message that says what it cost', async () => {
    const millrace = await startMillrace(CONFIG);
    const ends: unknown[] = [];
    const chat = chatWith(
      millrace,
      { model: `${provider}/echo`, system: 'Be brief.', temperature: 0.5 },
      { onFinish: ({ finishReason, isError, isAbort }) => void ends.push({ finishReason, isError, isAbort }) },
    );
    await chat.sendMessage({ text: 'Hello “there” 😀' });
    expect(chat.error).toBeUndefined();
    expect(chat.status).toBe('ready');
    expect(ends).toEqual([{ finishReason: 'stop', isError: false, isAbort: false }]);
    expect(chat.messages).toHaveLength(2);
    expect(chat.lastMessage).toMatchObject({
      id: expect.stringMatching(/^msg_/),
      role: 'assistant',
      metadata: {
        stream_id: expect.stringMatching(/^str_/),
        finish_reason: 'stop',
        model: `${provider}/echo`,
        provider,
        usage: { output_tokens: expect.any(Number), estimated: false },
      },
      parts: [{ type: 'step-start' }, { type: 'text', text: 'Hello “there” 😀', state: 'done' }],
    });

    await chat.sendMessage({ text: 'And again' });
    expect(chat.messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'user', 'assistant']);
    expect(textOf(chat.lastMessage)).toBe('And again');
    expect(new Set(chat.messages.map(({ id }) => id)).size).toBe(4);
  });

  test('parallel calls are run by the client, and the answer goes on in the same message', async () => {
    const millrace = await startMillrace(CONFIG);
    const chat = chatWithTools(millrace, `${provider}/tools-2`);
    await chat.sendMessage({ text: 'Weather and time?' });
    expect(chat.error).toBeUndefined();
    expect(chat.messages).toHaveLength(2);
    const [call] = partsOf(chat.lastMessage, 'tool-get_weather');
    expect(call).toMatchObject({ state: 'output-available', input: { city: 'Paris' }, output: { degrees: 21 } });
    expect(partsOf(chat.lastMessage, 'tool-get_time')).toMatchObject([{ input: {}, output: 'noon' }]);
    expect(partsOf(chat.lastMessage, 'step-start')).toHaveLength(2);
    expect(textOf(chat.lastMessage)).toContain('noon');
    expect(chat.lastMessage!.metadata).toMatchObject({ finish_reason: 'stop' });
  });

  test('reasoning streams, and what the provider signed of it comes back with the results of its calls', async () => {
    const millrace = await startMillrace(CONFIG);
    const chat = chatWithTools(millrace, `${provider}/reasoning-6+tools-2`, { reasoning_effort: 'medium' });
    await chat.sendMessage({ text: 'Weather and time?' });
    expect(chat.error).toBeUndefined();
    const thoughts = partsOf(chat.lastMessage, 'reasoning');
    expect(thoughts.length).toBeGreaterThan(0);
    expect(thoughts.every(({ text, state }) => text !== '' && state === 'done')).toBe(true);
    const { parts } = chat.lastMessage!;
    const details = parts
      .slice(
        0,
        parts.findLastIndex(({ type }) => type === 'step-start'),
      )
      .flatMap((part: any) => part.providerMetadata ?? part.callProviderMetadata ?? [])
      .flatMap(({ millrace: { reasoning_details } }) => reasoning_details);
    expect(details.length > 0).toBe(provider !== 'mock'); // which signs nothing
    const asked = millrace.mocks.get(provider)!.journal.list().at(-1)!.body;
    for (const { signature, data, summary } of details) {
      expect(JSON.stringify(asked)).toContain(JSON.stringify(signature ?? data ?? summary).slice(1, -1));
    }

    // The whole conversation once more, and one turn further.
    await chat.sendMessage({ text: 'Thanks' });
    expect(chat.error).toBeUndefined();
    expect(chat.status).toBe('ready');
  });

  test('an error before the stream is thrown with its body, one inside it with its message', async () => {
    const millrace = await startMillrace(CONFIG);
    const before = chatWith(millrace, { model: `${provider}/error-429` });
    await before.sendMessage({ text: 'Hello' });
    expect(before.status).toBe('error');
    expect(JSON.parse(before.error!.message)).toMatchObject({
      error: { code: 'upstream_rate_limited', retryable: true, status: 429 },
    });

    const inside = chatWith(millrace, { model: `${provider}/error-after-3` });
    await inside.sendMessage({ text: 'Hello' });
    expect(inside.status).toBe('error');
    expect(inside.error!.message).toMatch(/provider/i);
    expect(inside.error!.message).not.toMatch(/^[{[]/);
    expect(textOf(inside.lastMessage)).not.toBe('');
    expect(partsOf(inside.lastMessage, 'text')).toMatchObject([{ state: 'done' }]);
    expect(inside.lastMessage!.metadata).toMatchObject({
      error: { code: expect.stringMatching(/^upstream_/), message: inside.error!.message },
      usage: { output_tokens: 3 },
    });
  });

  test('stop closes the stream at the provider', async () => {
    const millrace = await startMillrace(CONFIG);
    const chat = chatWith(millrace, { model: `${provider}/lorem-500+rate-100` });
    const sending = chat.sendMessage({ text: 'Hello' });
    await eventually(() => textOf(chat.lastMessage) !== '' && chat.status === 'streaming');
    await chat.stop();
    await sending;
    expect(chat.status).toBe('ready');
    expect(chat.error).toBeUndefined();
    const [row] = await millrace.rows();
    expect(row!.end_reason).toBe('client_closed');
    expect(millrace.mocks.get(provider)!.journal.list().at(-1)!.client_left_at).not.toBeNull();

    await chat.sendMessage({ text: 'Go on' }, { body: { model: `${provider}/echo` } }); // half an answer in the history
    expect(textOf(chat.lastMessage)).toBe('Go on');
  });

  test('a failed tool is told to the model', async () => {
    const millrace = await startMillrace(CONFIG);
    const chat = chatWith(
      millrace,
      { model: `${provider}/tools`, tools: { get_weather: weather } },
      {
        sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithToolCalls,
        onToolCall: ({ toolCall: { toolName, toolCallId } }) => {
          const errorText = 'no such city';
          void chat.addToolOutput({ tool: toolName, toolCallId, state: 'output-error', errorText });
        },
      },
    );
    await chat.sendMessage({ text: 'Weather?' });
    expect(chat.error).toBeUndefined();
    expect(textOf(chat.lastMessage)).toContain('no such city');
  });

  test('a user who goes on without answering a call is answered', async () => {
    const millrace = await startMillrace(CONFIG);
    const chat = chatWith(millrace, { model: `${provider}/tools`, tools: { get_weather: weather } });
    await chat.sendMessage({ text: 'Weather?' });
    expect(chat.lastMessage!.parts.at(-1)).toMatchObject({ type: 'tool-get_weather', state: 'input-available' });
    await chat.sendMessage({ text: 'Never mind' }, { body: { model: `${provider}/echo` } });
    expect(chat.error).toBeUndefined();
    expect(textOf(chat.lastMessage)).toBe('Never mind');
  });

  test('a whole answer is the message that the stream makes', async () => {
    const millrace = await startMillrace(CONFIG);
    const model = `${provider}/reasoning-6+tools`;
    const messages = [{ id: 'u', role: 'user' as const, parts: [{ type: 'text' as const, text: 'Weather?' }] }];
    const body = { model, tools: { get_weather: weather }, reasoning_effort: 'low' };
    const chat = chatWith(millrace, body, { messages: [...messages] });
    await chat.sendMessage();
    expect(chat.error).toBeUndefined();
    const response = await millrace.post('/v1/ui/chat', { ...body, messages, stream: false });
    const whole = (await response.json()) as UIMessage;
    const outline = ({ role, parts }: UIMessage) => ({
      role,
      parts: parts.map((part: any) => [part.type, part.state, part.text, part.input]),
    });
    expect(outline(whole)).toEqual(outline(chat.lastMessage!));
    expect(whole.metadata).toMatchObject({ finish_reason: 'tool-calls', provider });

    // A message that goes on has its earlier parts too, and the same id.
    const parts = whole.parts.map((part: any) =>
      part.type === 'tool-get_weather' ? { ...part, state: 'output-available', output: 'sunny' } : part,
    );
    const more = await millrace.post('/v1/ui/chat', {
      ...body,
      messages: [...messages, { ...whole, parts }],
      stream: false,
    });
    const both = (await more.json()) as UIMessage;
    expect(both.id).toBe(whole.id);
    expect(both.parts.slice(0, parts.length)).toEqual(parts);
    expect(textOf(both)).toContain('sunny');
  });
});

test('an answer without a model in the request is from the one that the config names', async () => {
  const millrace = await startMillrace('providers: { mock: {} }\ndoors: { ui: { default: mock/echo } }');
  const chat = chatWith(millrace, {});
  await chat.sendMessage({ text: 'Hello' });
  expect(textOf(chat.lastMessage)).toBe('Hello');
});

test('a picture goes along', async () => {
  const millrace = await startMillrace(CONFIG);
  const url =
    'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
  for (const provider of PROVIDERS) {
    const chat = chatWith(millrace, { model: `${provider}/echo` });
    await chat.sendMessage({ text: 'See', files: [{ type: 'file', mediaType: 'image/png', filename: 'a.png', url }] });
    expect(chat.error, provider).toBeUndefined();
    expect(textOf(chat.lastMessage), provider).toBe('See');
    expect(JSON.stringify(millrace.mocks.get(provider)!.journal.list().at(-1)!.body)).toContain('iVBORw0KGgo');
  }
});

test('an answer is made again in a message of its own', async () => {
  const millrace = await startMillrace(CONFIG);
  const chat = chatWith(millrace, { model: 'mock/echo' });
  await chat.sendMessage({ text: 'Hello' });
  const first = chat.lastMessage!.id;
  await chat.regenerate();
  expect(chat.messages).toHaveLength(2);
  expect(chat.lastMessage!.id).not.toBe(first);
  expect(textOf(chat.lastMessage)).toBe('Hello');
});

test('the strict parser takes every frame, and the end marker is last', async () => {
  const millrace = await startMillrace(CONFIG);
  for (const model of [
    'reasoning-4+tools-3+comments+split',
    'lorem-0',
    'huge-100000',
    'error-after-2',
    'length',
    'json',
  ]) {
    const response = await millrace.post('/v1/ui/chat', {
      model: `mock/${model}`,
      messages: [{ id: '1', role: 'user', parts: [{ type: 'text', text: 'Hello' }] }],
    });
    expect(response.headers.get('x-vercel-ai-ui-message-stream')).toBe('v1');
    const [body, copy] = response.body!.tee();
    const types: string[] = [];
    const stream = parseJsonEventStream({ stream: body, schema: uiMessageChunkSchema });
    for await (const result of stream as unknown as AsyncIterable<any>) {
      expect(result.success, JSON.stringify(result)).toBe(true);
      types.push(result.value.type);
    }
    expect(types.slice(0, 2)).toEqual(['start', 'start-step']);
    expect(types.at(-1)).toBe(model === 'error-after-2' ? 'error' : 'finish');
    const text = await new Response(copy).text();
    expect(text).toMatch(/\nid: \d+\ndata: \[DONE\]\n\n$/);
    const ids = [...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));
    expect(ids).toEqual(ids.map((_, at) => at + 1));
  }
});
