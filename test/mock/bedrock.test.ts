import { Readable } from 'node:stream';
import {
  BedrockRuntimeClient,
  type BedrockRuntimeClientConfig,
  ConverseCommand,
  type ConverseCommandInput,
  ConverseStreamCommand,
} from '@aws-sdk/client-bedrock-runtime';
import { EventStreamCodec } from '@smithy/core/event-streams';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type MockServer, startMock } from '../../src/mock/server.ts';
import type { Json } from './client.ts';

let mock: MockServer;
let client: BedrockRuntimeClient;
beforeAll(async () => {
  mock = await startMock();
  client = connect({ credentials: { accessKeyId: 'mock', secretAccessKey: 'mock' } });
});
afterAll(() => mock.close());

/** The SDK's own handler speaks HTTP/2 without asking; this one sends what the SDK built and signed over HTTP/1.1. */
function connect(config: BedrockRuntimeClientConfig, tamper = (request: Json) => request): BedrockRuntimeClient {
  return new BedrockRuntimeClient({
    endpoint: mock.origin,
    region: 'eu-central-1',
    maxAttempts: 1,
    ...config,
    requestHandler: {
      async handle(request: Json) {
        const { method, path, headers, body } = tamper(request);
        const { host, 'content-length': _, ...sent } = headers;
        const response = await fetch(mock.origin + path, { method, headers: sent, body });
        return {
          response: {
            statusCode: response.status,
            headers: Object.fromEntries(response.headers),
            body: Readable.fromWeb(response.body as Json),
          },
        } as Json;
      },
    } as Json,
  });
}

const HELLO: ConverseCommandInput['messages'] = [{ role: 'user', content: [{ text: 'Say hello to the world' }] }];
const spec = (name: string, properties: Json = {}) => ({
  toolSpec: { name, inputSchema: { json: { type: 'object', properties, required: Object.keys(properties) } } },
});
const toolConfig = { tools: [spec('look_up', { city: { type: 'string' } }), spec('clock')] };

async function stream(modelId: string, more: object = {}, by = client): Promise<Json[]> {
  const { stream } = await by.send(new ConverseStreamCommand({ modelId, messages: HELLO, ...more }));
  const events: Json[] = [];
  for await (const event of stream!) events.push(event);
  return events;
}

const whole = (modelId: string, more: object = {}) =>
  client.send(new ConverseCommand({ modelId, messages: HELLO, ...more }));

/** Content blocks as a client puts them together. */
function fold(events: Json[]): Json[] {
  const content: Json[] = [];
  const inputs: string[] = [];
  for (const { contentBlockStart, contentBlockDelta } of events) {
    if (contentBlockStart) content[contentBlockStart.contentBlockIndex] = { ...contentBlockStart.start };
    if (!contentBlockDelta) continue;
    const { contentBlockIndex: at, delta } = contentBlockDelta;
    content[at] ??= {};
    if (delta.text !== undefined) content[at].text = (content[at].text ?? '') + delta.text;
    if (delta.toolUse) inputs[at] = (inputs[at] ?? '') + delta.toolUse.input;
    if (delta.reasoningContent) {
      content[at].reasoningContent ??= { reasoningText: { text: '' } };
      const { reasoningText } = content[at].reasoningContent;
      reasoningText.text += delta.reasoningContent.text ?? '';
      reasoningText.signature = delta.reasoningContent.signature;
    }
  }
  for (const [at, input] of inputs.entries()) if (input) content[at].toolUse.input = JSON.parse(input);
  return content;
}

function post(path: string, body: unknown, headers: Record<string, string> = { authorization: 'Bearer mock' }) {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return fetch(mock.origin + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: text,
  });
}

// ---- answers --------------------------------------------------------------------------------------------------------

test('events come in the order and with the fields that the API gives them', async () => {
  const events = await stream('reasoning-2+lorem-2');
  const delta = (contentBlockIndex: number, delta: object) => ({ contentBlockDelta: { contentBlockIndex, delta } });
  expect(events).toEqual([
    { messageStart: { role: 'assistant' } },
    delta(0, { reasoningContent: { text: 'The' } }),
    delta(0, { reasoningContent: { text: ' user' } }),
    delta(0, { reasoningContent: { signature: expect.any(String) } }),
    { contentBlockStop: { contentBlockIndex: 0 } },
    delta(1, { text: 'Lorem' }),
    delta(1, { text: ' ipsum' }),
    { contentBlockStop: { contentBlockIndex: 1 } },
    { messageStop: { stopReason: 'end_turn' } },
    {
      metadata: {
        metrics: { latencyMs: 7 },
        usage: {
          inputTokens: 5,
          outputTokens: 4,
          totalTokens: 9,
          cacheReadInputTokens: 0,
          cacheWriteInputTokens: 0,
        },
      },
    },
  ]);
});

test('frames have the headers and the padding of the API', async () => {
  const response = await post('/model/lorem-40/converse-stream', { messages: HELLO });
  expect(response.headers.get('content-type')).toBe('application/vnd.amazon.eventstream');
  const bytes = Buffer.from(await response.arrayBuffer());
  const codec = new EventStreamCodec(
    (bytes) => Buffer.from(bytes).toString(),
    (text) => Buffer.from(text),
  );
  const paddings: string[] = [];
  for (let at = 0; at < bytes.length; at += bytes.readUInt32BE(at)) {
    const { headers, body } = codec.decode(bytes.subarray(at, at + bytes.readUInt32BE(at)));
    expect(Object.entries(headers).map(([name, { type }]) => [name, type])).toEqual([
      [':event-type', 'string'],
      [':content-type', 'string'],
      [':message-type', 'string'],
    ]);
    paddings.push(JSON.parse(Buffer.from(body).toString()).p);
  }
  expect(paddings.every((padding) => /^abc|^ab?$/.test(padding))).toBe(true);
  expect(new Set(paddings.map((padding) => padding.length)).size).toBeGreaterThan(10);
});

test('a message is the same streamed and whole', async () => {
  for (const model of ['lorem-20', 'reasoning-3+lorem-2', 'refusal', 'length', 'huge-5000', 'lorem-0']) {
    const events = await stream(model);
    const { output, stopReason, usage } = await whole(model);
    expect([model, output!.message!.content, stopReason]).toEqual([
      model,
      fold(events),
      events.at(-2).messageStop.stopReason,
    ]);
    expect(usage).toEqual(events.at(-1).metadata.usage);
  }
});

test('tools are called in blocks of their own, with arguments that fit', async () => {
  const [first, second, ...none] = fold(await stream('tools-2', { toolConfig }));
  expect(none).toEqual([]);
  const toolUseId = expect.stringMatching(/^tooluse_[a-f0-9]+$/);
  expect(first).toEqual({ toolUse: { toolUseId, name: 'look_up', input: { city: 'city' } } });
  expect(second).toEqual({ toolUse: { toolUseId, name: 'clock', input: {} } });
  const { output, stopReason } = await whole('tools', {
    toolConfig: { ...toolConfig, toolChoice: { tool: { name: 'clock' } } },
  });
  expect([output!.message!.content, stopReason]).toEqual([
    [{ toolUse: { toolUseId, name: 'clock', input: {} } }],
    'tool_use',
  ]);
});

test('thinking survives a round trip with tools, and only unchanged', async () => {
  const model = 'reasoning-4+tools-2';
  const thinking = { additionalModelRequestFields: { thinking: { type: 'enabled', budget_tokens: 1024 } } };
  const content = fold(await stream(model, { toolConfig, ...thinking }));
  const results = content.flatMap(({ toolUse }) =>
    toolUse ? [{ toolResult: { toolUseId: toolUse.toolUseId, content: [{ json: { of: toolUse.name } }] } }] : [],
  );
  const more = (said: Json[]) => ({
    toolConfig,
    ...thinking,
    messages: [...HELLO!, { role: 'assistant', content: said }, { role: 'user', content: results }],
  });
  expect(fold(await stream(model, more(content)))).toMatchObject([
    { reasoningContent: { reasoningText: { text: 'The user asks for' } } },
    { text: 'The tool answered: {"of":"clock"}' },
  ]);
  const [thought, ...calls] = content;
  const changed = structuredClone(thought);
  changed.reasoningContent.reasoningText.text += '!';
  await expect(stream(model, more([changed, ...calls]))).rejects.toThrow(/Invalid `signature` in `thinking` block/);
  const unsigned = structuredClone(thought);
  delete unsigned.reasoningContent.reasoningText.signature;
  await expect(stream(model, more([unsigned, ...calls]))).rejects.toThrow(/thinking\.signature: Field required/);
  await expect(stream(model, more(calls))).rejects.toThrow(/Expected `thinking` or `redacted_thinking`/);
});

test('stop reasons are those of the API', async () => {
  const reason = async (model: string, more?: object) =>
    (await stream(model, more)).find(({ messageStop }) => messageStop)?.messageStop.stopReason ?? null;
  expect(await reason('lorem-3')).toBe('end_turn');
  expect(await reason('lorem-9', { inferenceConfig: { maxTokens: 3 } })).toBe('max_tokens');
  expect(await reason('lorem-9', { inferenceConfig: { stopSequences: [' dolor'] } })).toBe('stop_sequence');
  expect(await reason('filter')).toBe('content_filtered');
  expect(await reason('refusal')).toBe('content_filtered');
  expect(await reason('no-finish')).toBe(null);
});

test('json fits the schema of outputConfig', async () => {
  const schema = JSON.stringify({ type: 'object', properties: { city: { type: 'string' } }, required: ['city'] });
  const outputConfig = { textFormat: { type: 'json_schema', structure: { jsonSchema: { schema } } } };
  expect(fold(await stream('json', { outputConfig }))).toEqual([{ text: '{"city":"city"}' }]);
});

test('usage can be withheld, or come in front of the stop reason', async () => {
  expect((await stream('no-usage')).at(-1)).toEqual({ messageStop: { stopReason: 'end_turn' } });
  const early = await stream('lorem-3+usage-finish');
  expect([early.at(-2).metadata.usage.outputTokens, Object.keys(early.at(-1))]).toEqual([3, ['messageStop']]);
});

test('what stands in front of a cache point is written to the cache once, then read', async () => {
  const cachePoint = { cachePoint: { type: 'default' } };
  const usage = async (more: object) => {
    const { inputTokens, cacheWriteInputTokens, cacheReadInputTokens, totalTokens } = (await whole('lorem-1', more))
      .usage!;
    return [inputTokens, cacheWriteInputTokens, cacheReadInputTokens, totalTokens];
  };
  const system = [{ text: 'You are kind' }, cachePoint];
  expect(await usage({ system: [{ text: 'You are kind' }] })).toEqual([8, 0, 0, 9]);
  expect(await usage({ system })).toEqual([5, 3, 0, 9]);
  expect(await usage({ system })).toEqual([5, 0, 3, 9]);
  const messages = [{ role: 'user', content: [{ text: 'one two' }, cachePoint] }];
  expect(await usage({ system, messages })).toEqual([0, 2, 3, 6]);
});

test('a failure inside the stream is an exception frame, garbage a wrong checksum', async () => {
  await expect(stream('error-after-2')).rejects.toMatchObject({ name: 'ModelStreamErrorException' });
  await expect(stream('garbage-2')).rejects.toThrow(/checksum/);
  await expect(stream('cut-2')).rejects.toThrow();
});

// ---- credentials ----------------------------------------------------------------------------------------------------

test('a signature is verified over all that arrived', async () => {
  const credentials = { accessKeyId: 'mock', secretAccessKey: 'mock' };
  const by = (config: object, tamper?: (request: Json) => Json) => stream('echo', {}, connect(config, tamper));
  expect(await by({ credentials: { ...credentials, sessionToken: 'token' } })).toContainEqual({
    messageStop: { stopReason: 'end_turn' },
  });
  const wrong: [config: object, tamper?: (request: Json) => Json][] = [
    [{ credentials: { ...credentials, secretAccessKey: 'other' } }],
    [{ credentials }, (request) => ({ ...request, body: Buffer.concat([request.body, Buffer.from(' ')]) })],
    [{ credentials }, (request) => ({ ...request, path: request.path.replace('echo', 'lorem-1') })],
    [{ credentials }, (request) => ({ ...request, headers: { ...request.headers, 'content-type': 'text/plain' } })],
    [{ credentials, systemClockOffset: 3_600_000 }],
  ];
  for (const [config, tamper] of wrong) {
    await expect(by(config, tamper)).rejects.toMatchObject({
      name: 'InvalidSignatureException',
      $metadata: { httpStatusCode: 403 },
    });
  }
  expect(await by({ credentials: { accessKeyId: 'AKIA', secretAccessKey: 'unknown' } })).toContainEqual({
    messageStop: { stopReason: 'end_turn' },
  });
});

test('a bearer key will do, none will not', async () => {
  const bearer = connect({ token: { token: 'sk-mock' }, authSchemePreference: ['httpBearerAuth'] });
  expect(await stream('echo', {}, bearer)).toContainEqual({ messageStop: { stopReason: 'end_turn' } });
  const refused = async (authorization: string) => {
    const response = await post('/model/echo/converse', { messages: HELLO }, authorization ? { authorization } : {});
    return [response.status, response.headers.get('x-amzn-errortype')!.split(':')[0]];
  };
  expect(await refused('')).toEqual([403, 'MissingAuthenticationTokenException']);
  expect(await refused('Bearer ')).toEqual([403, 'AccessDeniedException']);
  expect(await refused('Basic bW9jaw==')).toEqual([403, 'IncompleteSignatureException']);
  expect(await refused('AWS4-HMAC-SHA256 Credential=mock')).toEqual([403, 'IncompleteSignatureException']);
});

// ---- refusals -------------------------------------------------------------------------------------------------------

const user = (...content: unknown[]) => ({ role: 'user', content });
const assistant = (...content: unknown[]) => ({ role: 'assistant', content });
const text = { text: 'x' };
const call = (toolUseId: string) => ({ toolUse: { toolUseId, name: 'f', input: {} } });
const result = (toolUseId: string) => ({ toolResult: { toolUseId, content: [text] } });
const tools = { toolConfig };

const WRONG: [more: object, message: string | RegExp][] = [
  [{ messages: undefined }, /Value at 'messages' failed to satisfy constraint: Member must not be null$/],
  [{ messages: 'hi' }, /^The format of the value at messages is incorrect/],
  [{ messages: [] }, /must start with a user message/],
  [{ messages: [assistant(text)] }, /must start with a user message/],
  [{ messages: [user(text), user(text)] }, /must alternate between user and assistant roles/],
  [{ messages: [user()] }, /^The content field in the Message object at messages\.0 is empty\./],
  [{ messages: [{ role: 'tool', content: [text] }] }, /'messages\.0\.role' .* enum value set: \[assistant, user\]$/],
  [
    { messages: [user({ text: ' ' })] },
    /^The text field in the ContentBlock object at messages\.0\.content\.0 is blank/,
  ],
  [
    { messages: [user({})] },
    /^The ContentBlock object at messages\.0\.content\.0 must set one of the following keys: text/,
  ],
  [
    { messages: [user({ ...text, ...call('a') })] },
    /^The ContentBlock object at messages\.0\.content\.0 must set one of/,
  ],
  [{ messages: [user({ video_url: 'x' })] }, /messages\.0\.content\.0\.video_url/],
  [{ messages: [user(call('a'))], ...tools }, /toolUse field .* not supported for the user role/],
  [
    { messages: [user(text), assistant(call('a')), user(result('a'))] },
    /^The toolConfig field must be defined when using/,
  ],
  [
    { messages: [user(text), assistant(call('a'), call('b')), user(result('a'))], ...tools },
    'Expected toolResult blocks at messages.2.content for the following Ids: b',
  ],
  [{ messages: [user(text), assistant(call('a'))], ...tools }, /^Expected toolResult blocks at messages\.2\.content/],
  [{ messages: [user(text), assistant(text), user(result('a'))], ...tools }, /exceeds the number of toolUse blocks/],
  [
    { messages: [user(text), assistant(call('a b')), user(result('a b'))], ...tools },
    /'messages\.1\.content\.0\.toolUse\.toolUseId' failed to satisfy constraint: Member must satisfy regular expression/,
  ],
  [
    {
      messages: [
        user(text),
        assistant(call('a')),
        user({ toolResult: { toolUseId: 'a', content: [], status: 'error' } }),
      ],
      ...tools,
    },
    /cannot be empty when status value is error/,
  ],
  [{ messages: [user({ document: { name: 'a', source: { bytes: 'AAAA' } } })] }, /^A text block must be included/],
  [
    { messages: [user(text, { document: { name: 'a.pdf', source: { text: 'x' } } })] },
    /^The document file name can only/,
  ],
  [{ messages: [user({ image: { format: 'bmp', source: { bytes: 'AAAA' } } })] }, /image\.format/],
  [{ messages: [user({ image: { format: 'png', source: { bytes: 'data:,x' } } })] }, /image\.source\.bytes/],
  [{ inferenceConfig: { maxTokens: 0 } }, /Value '0' at 'inferenceConfig\.maxTokens' .* greater than or equal to 1$/],
  [{ inferenceConfig: { temperature: 2 } }, /less than or equal to 1$/],
  [{ inferenceConfig: { max_tokens: 5 } }, /inferenceConfig\.max_tokens/],
  [{ max_tokens: 5 }, /max_tokens/],
  [{ toolConfig: { tools: [] } }, /'toolConfig\.tools' .* length greater than or equal to 1$/],
  [{ toolConfig: { tools: [spec('a b')] } }, /'toolConfig\.tools\.0\.toolSpec\.name'/],
  [{ toolConfig: { tools: [spec('a'), spec('a')] } }, /defined more than once/],
  [{ toolConfig: { ...toolConfig, toolChoice: 'auto' } }, /^The format of the value at toolConfig\.toolChoice/],
  [{ toolConfig: { ...toolConfig, toolChoice: { tool: { name: 'g' } } } }, /not defined in toolConfig\.tools/],
  [
    { outputConfig: { textFormat: { type: 'json_schema', structure: { jsonSchema: { schema: '{' } } } } },
    /is not valid JSON/,
  ],
  [
    { additionalModelRequestFields: { thinking: { type: 'enabled', budget_tokens: 10 } } },
    'The model returned the following errors: thinking.enabled.budget_tokens: Input should be greater than or equal to 1024',
  ],
  [
    {
      inferenceConfig: { maxTokens: 1024 },
      additionalModelRequestFields: { thinking: { type: 'enabled', budget_tokens: 1024 } },
    },
    /`max_tokens` must be greater than `thinking\.budget_tokens`/,
  ],
  [{ messages: [user(text, ...Array(5).fill({ cachePoint: { type: 'default' } }))] }, /A maximum of 4 blocks/],
];

test('wrong requests are refused as the API refuses them', async () => {
  for (const [more, message] of WRONG) {
    const response = await post('/model/echo/converse-stream', { messages: HELLO, ...more });
    expect([more, response.status]).toEqual([more, 400]);
    expect(response.headers.get('x-amzn-errortype')).toMatch(/^ValidationException:http/);
    const answer = (await response.json()) as Json;
    if (typeof message === 'string') expect(answer.message).toBe(message);
    else expect(answer.message).toMatch(message);
  }
  expect((await post('/model/echo/converse', '{"mess')).headers.get('x-amzn-errortype')).toMatch(/^Serialization/);
  expect((await post('/model/%E0%A4%A/converse', { messages: HELLO })).status).toBe(400);
});

test('all that the API knows is taken', async () => {
  const everything = {
    system: [{ text: 'Be kind' }, { cachePoint: { type: 'default', ttl: '1h' } }],
    messages: [
      user(
        text,
        { image: { format: 'png', source: { bytes: 'AAAA' } } },
        { document: { format: 'pdf', name: 'A (1) [b]-c', source: { s3Location: { uri: 's3://a/b' } } } },
      ),
      assistant(text, call('a'), call('b')),
      user(
        { toolResult: { toolUseId: 'a', content: [{ json: {} }], status: 'success' } },
        result('b'),
        { cachePoint: { type: 'default' } },
        text,
      ),
      assistant(text),
    ],
    inferenceConfig: { maxTokens: 5, temperature: 0.5, topP: 0.5, stopSequences: ['y'] },
    toolConfig: { tools: [...toolConfig.tools, { cachePoint: { type: 'default' } }], toolChoice: { any: {} } },
    guardrailConfig: { guardrailIdentifier: 'a', guardrailVersion: '1' },
    additionalModelRequestFields: { top_k: 5 },
    additionalModelResponseFieldPaths: ['/stop_sequence'],
    requestMetadata: { a: 'b' },
    performanceConfig: { latency: 'standard' },
    serviceTier: { type: 'default' },
    outputConfig: { effort: 'low' },
  };
  const response = await post('/model/lorem-1/converse-stream', everything);
  expect([response.status, response.ok ? '' : await response.text()]).toEqual([200, '']);
});

test('statuses have the exceptions of the API', async () => {
  const cases: [model: string, status: number, name: string][] = [
    ['gpt-5', 400, 'ValidationException'],
    ['error-400', 400, 'ValidationException'],
    ['error-403', 403, 'AccessDeniedException'],
    ['error-404', 404, 'ResourceNotFoundException'],
    ['error-408', 408, 'ModelTimeoutException'],
    ['error-424', 424, 'ModelErrorException'],
    ['error-429', 429, 'ThrottlingException'],
    ['error-500', 500, 'InternalServerException'],
    ['error-503', 503, 'ServiceUnavailableException'],
    ['error-529', 529, 'InternalServerException'],
    ['error-context', 400, 'ValidationException'],
    ['error-filter', 400, 'ValidationException'],
  ];
  for (const [model, httpStatusCode, name] of cases) {
    const requestId = expect.stringMatching(/^req_/);
    await expect(whole(model)).rejects.toMatchObject({ name, $metadata: { httpStatusCode, requestId } });
  }
});
