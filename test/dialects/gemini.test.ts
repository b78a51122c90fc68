// Google's front door: its chunks byte for byte, built from events and handed on from a provider, and what it makes of a request.
import { describe, expect, test } from 'vitest';
import type { Call } from '../../src/core/contracts.ts';
import { GatewayError } from '../../src/core/errors.ts';
import {
  type Ending,
  type FinishReason,
  NO_USAGE,
  type ReasoningDetail,
  type StreamEvent,
} from '../../src/core/events.ts';
import { CLIENT_NAMES } from '../../src/core/origin.ts';
import { gemini } from '../../src/dialects/gemini/door.ts';
import { createGeminiDecoder } from '../../src/providers/gemini/decode.ts';
import { decoding } from '../support/decode.ts';
import { recordingsOf } from '../support/recordings.ts';

const meta = { streamId: 'str_1', model: 'fast', provider: 'claude', created: 1_700_000_000, dropped: [] };
const usage = { ...NO_USAGE, input_tokens: 19, output_tokens: 42, cached_input_tokens: 3, reasoning_tokens: 8 };
const summary = {
  usage,
  cost_usd: 0,
  model: 'fast',
  provider: 'claude',
  attempts: 1,
  timing: { first_token_ms: 1, total_ms: 2 },
};
const done = (finishReason: FinishReason): Ending & { type: 'done' } => ({ type: 'done', finishReason, ...summary });
const failed = (error: GatewayError): Ending => ({ type: 'error', error, ...summary });
const ALL = { includeThoughts: true };

function encode(events: StreamEvent[], ending: Ending, options: Record<string, unknown> = ALL): string {
  const encoder = gemini.encoder(options);
  return encoder.start(meta) + events.map((event) => encoder.event(event)).join('') + encoder.end(ending);
}
const handOn = (frames: string[], ending: Ending, options = {}) => {
  const encoder = gemini.encoder(options);
  return encoder.start(meta) + frames.map((data) => encoder.raw!(data, false)).join('') + encoder.end(ending);
};
const dataOf = (stream: string) => [...stream.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data!));

const tail = '"modelVersion":"fast","responseId":"str_1"}';
const chunk = (part: string) => `{"candidates":[{"content":{"parts":[${part}],"role":"model"},"index":0}],${tail}`;
const counts =
  '"usageMetadata":{"promptTokenCount":19,"candidatesTokenCount":34,"totalTokenCount":61,"cachedContentTokenCount":3,"thoughtsTokenCount":8}';
const last = (reason: string, part = '{"text":""}') =>
  `{"candidates":[{"content":{"parts":[${part}],"role":"model"},"finishReason":"${reason}","index":0}],${counts},${tail}`;

const call = { index: 0, id: 'call_1', name: 'f', arguments: { a: 1 } };
const EVENTS: StreamEvent[] = [
  { type: 'reasoning', text: 'Hm.' },
  { type: 'token', text: 'Hi\n"😀"' },
  {
    type: 'reasoning-detail',
    detail: { format: 'google-gemini-v1', type: 'reasoning.encrypted', data: 'U2ln', id: 'call_1' },
  },
  { type: 'tool-call-delta', index: 0, id: 'call_1', name: 'f', arguments: '{"a":1}' },
  { type: 'tool-call', call },
  { type: 'usage', usage },
];
const JSONS = [
  chunk('{"text":"Hm.","thought":true}'),
  chunk('{"text":"Hi\\n\\"😀\\""}'),
  chunk('{"functionCall":{"id":"call_1","name":"f","args":{"a":1}},"thoughtSignature":"U2ln"}'),
  last('STOP'),
];

describe('built from events', () => {
  test('a stream with everything in it, byte for byte', () => {
    expect(encode(EVENTS, done('tool-calls'))).toBe(JSONS.map((json) => `data: ${json}\n\n`).join(''));
  });

  test('without alt=sse it is one JSON array, silence is a blank in it, and an error its last element', () => {
    expect(encode(EVENTS, done('tool-calls'), { ...ALL, array: true })).toBe(`[${JSONS.join(',\n')}]\n`);
    const encoder = gemini.encoder({ array: true });
    expect(encoder.contentType).toMatch(/^application\/json/);
    const error = failed(new GatewayError('upstream_timeout', 'Too slow.'));
    const text =
      encoder.start(meta) +
      encoder.heartbeat +
      encoder.event({ type: 'token', text: 'x' }) +
      encoder.heartbeat +
      encoder.end(error);
    expect(JSON.parse(text)).toMatchObject([{ candidates: [{}] }, { error: { status: 'DEADLINE_EXCEEDED' } }]);
    expect(
      JSON.parse(gemini.encoder({ array: true }).start(meta) + gemini.encoder({ array: true }).end(error)),
    ).toHaveLength(1);
  });

  test('thoughts are shown to those alone who asked for them', () => {
    expect(dataOf(encode(EVENTS, done('stop'), {}))).toHaveLength(3);
  });

  test('an error is the last frame', () => {
    const error = new GatewayError('upstream_truncated', 'It was cut.');
    expect(encode([{ type: 'token', text: 'x' }], failed(error))).toBe(
      `data: ${chunk('{"text":"x"}')}\n\ndata: {"error":{"code":502,"message":"It was cut.","status":"DATA_LOSS","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"UPSTREAM_TRUNCATED","domain":"millrace"}]}}\n\n`,
    );
  });

  test.each<[FinishReason, string]>([
    ['stop', 'STOP'],
    ['length', 'MAX_TOKENS'],
    ['tool-calls', 'STOP'],
    ['content-filter', 'SAFETY'],
    ['cancelled', 'OTHER'],
    ['budget', 'MAX_TOKENS'],
    ['other', 'OTHER'],
  ])('%s ends as %s', (reason, word) => {
    expect(encode([], done(reason))).toBe(`data: ${last(word)}\n\n`);
  });

  test('a call whose arguments are no object is said to be malformed', () => {
    const bad = { index: 0, id: 'c', name: 'f', arguments_text: '{"a', invalid: true } as const;
    expect(dataOf(encode([{ type: 'tool-call', call: bad }], done('tool-calls')))).toMatchObject([
      { candidates: [{ finishReason: 'MALFORMED_FUNCTION_CALL', finishMessage: 'Malformed function call: f({"a)' }] },
    ]);
  });

  test('our own decoder reads the same back', () => {
    const { events } = decoding(createGeminiDecoder)([Buffer.from(encode(EVENTS, done('tool-calls')))]);
    expect(events.filter(({ type }) => type !== 'done' && type !== 'usage')).toEqual(EVENTS.slice(0, -1));
    expect(events.slice(-2)).toEqual([
      { type: 'usage', usage },
      { type: 'done', finishReason: 'tool-calls' },
    ]);
  });

  test('whole: texts joined, each candidate by itself', () => {
    const collector = gemini.collector(ALL);
    for (const event of EVENTS) collector.event(event);
    collector.event({ type: 'token', text: 'Lo', choice: 1 });
    collector.event({ type: 'token', text: 'rem', choice: 1 });
    expect(collector.result(done('tool-calls'), meta)).toEqual({
      candidates: [
        {
          content: {
            parts: [
              { text: 'Hm.', thought: true },
              { text: 'Hi\n"😀"' },
              { functionCall: { id: 'call_1', name: 'f', args: { a: 1 } }, thoughtSignature: 'U2ln' },
            ],
            role: 'model',
          },
          finishReason: 'STOP',
          index: 0,
        },
        { content: { parts: [{ text: 'Lorem' }], role: 'model' }, finishReason: 'STOP', index: 1 },
      ],
      usageMetadata: JSON.parse(`{${counts}}`).usageMetadata,
      modelVersion: 'fast',
      responseId: 'str_1',
    });
  });
});

describe('handed on', () => {
  const frames = ['{"candidates":[{"content":{"parts":[{"text":"\\"finishReason\\""}]}}]}', '{"x":1}'];
  const end = '{"candidates":[{"finishReason":"STOP"}]}';

  test("the provider's frames as they are, and nothing after its end", () => {
    expect(handOn([...frames, end], done('stop'))).toBe([...frames, end].map((data) => `data: ${data}\n\n`).join(''));
    expect(handOn([...frames, end], done('stop'), { array: true })).toBe(`[${[...frames, end].join(',\n')}]\n`);
  });

  test('an end that the provider did not say is said here', () => {
    expect(dataOf(handOn(frames, done('budget'))).at(-1)).toMatchObject({
      candidates: [{ finishReason: 'MAX_TOKENS' }],
    });
    expect(dataOf(handOn(frames, failed(new GatewayError('internal', 'x')))).at(-1)).toMatchObject({
      error: { code: 500 },
    });
  });

  test('each recording folds into the answer that its events say', () => {
    for (const { body, id } of recordingsOf('gemini')) {
      const { frames, text, calls, end } = decoding(createGeminiDecoder)([body]);
      if (end.type === 'error') continue;
      const collector = gemini.collector({});
      for (const data of frames) collector.raw!(data, false);
      const { candidates = [] } = collector.result(done(end.finishReason), meta) as any;
      const parts = candidates[0]?.content.parts ?? [];
      const said = parts.map((part: any) => (part.thought ? '' : (part.text ?? ''))).join('');
      expect(said, id).toBe(text);
      const whole = parts.flatMap(({ functionCall }: any) => (functionCall?.args ? functionCall : []));
      const given = calls.map((call) => ('arguments' in call ? { name: call.name, args: call.arguments } : {}));
      if (whole.length === calls.length) {
        expect(
          whole.map(({ name, args }: any) => ({ name, args })),
          id,
        ).toEqual(given);
      }
    }
  });
});

test('failures have the shape of all Google APIs', () => {
  const error = new GatewayError('upstream_rate_limited', 'Slow down.', { retryAfter: 34 });
  expect(gemini.fault(error)).toEqual({
    error: {
      code: 429,
      message: 'Slow down.',
      status: 'RESOURCE_EXHAUSTED',
      details: [
        {
          '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
          reason: 'UPSTREAM_RATE_LIMITED',
          domain: 'millrace',
        },
        { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '34s' },
      ],
    },
  });
});

// ---- requests -------------------------------------------------------------------------------------------------------

const at = (rest: string, query = {}): Call => ({ rest, query, headers: {} });
const parse = (body: unknown, rest = 'm:generateContent') => gemini.parse(body, at(rest));
const chatOf = (body: object) => {
  const { model: _, ...chat } = parse({ contents: [{ parts: [{ text: 'Hi' }] }], ...body }).chat;
  return chat;
};
const messagesOf = (...contents: object[]) => parse({ contents }).chat.messages;
const user = (...parts: object[]) => ({ role: 'user', parts });
const model = (...parts: object[]) => ({ role: 'model', parts });

test('model and method are in the path, whatever the model has in its name', () => {
  const { chat, stream, options } = gemini.parse(
    { contents: [user({ text: 'Hi' })] },
    at('bedrock/anthropic.claude-v1:0:streamGenerateContent', { alt: 'sse' }),
  );
  expect({ model: chat.model, stream, options }).toEqual({
    model: 'bedrock/anthropic.claude-v1:0',
    stream: true,
    options: { array: false, includeThoughts: false },
  });
  expect(parse({ contents: [user({ text: 'Hi' })] })).toMatchObject({ stream: false });
  for (const rest of ['m:countTokens', 'm', 'm:embedContent'])
    expect(() => parse({ contents: [user({ text: 'Hi' })] }, rest)).toThrow(/expected :generateContent/);
});

test('settings, each by its name here and there', () => {
  const generationConfig = {
    temperature: 0.5,
    topP: 0.9,
    topK: 40,
    candidateCount: 2,
    maxOutputTokens: 100,
    stopSequences: ['END'],
    seed: 7,
    presencePenalty: 1,
    frequencyPenalty: -1,
    responseLogprobs: true,
    logprobs: 3,
    responseModalities: ['TEXT', 'IMAGE'],
    mediaResolution: 'MEDIA_RESOLUTION_LOW',
  };
  expect(chatOf({ generationConfig, safetySettings: [{ category: 'X' }], serviceTier: 'FLEX' })).toEqual({
    [CLIENT_NAMES]: expect.anything(),
    messages: [{ role: 'user', content: 'Hi' }],
    temperature: 0.5,
    top_p: 0.9,
    top_k: 40,
    n: 2,
    max_tokens: 100,
    stop: ['END'],
    seed: 7,
    presence_penalty: 1,
    frequency_penalty: -1,
    logprobs: true,
    top_logprobs: 3,
    modalities: ['text', 'image'],
    mediaResolution: 'MEDIA_RESOLUTION_LOW',
    safetySettings: [{ category: 'X' }],
    service_tier: 'flex',
  });
});

test.each<[object, object | undefined]>([
  [{ includeThoughts: true }, { enabled: true }],
  [{ thinkingBudget: 0 }, { enabled: false }],
  [{ thinkingBudget: -1 }, { enabled: true }],
  [{ thinkingBudget: 512, includeThoughts: true }, { max_tokens: 512 }],
  [{ thinkingLevel: 'high' }, { effort: 'high' }],
  [{ thinkingLevel: 'THINKING_LEVEL_UNSPECIFIED' }, undefined],
])('thinkingConfig %j', (thinkingConfig, reasoning) => {
  expect(chatOf({ generationConfig: { thinkingConfig } }).reasoning).toEqual(reasoning);
});

test.each<[object, unknown]>([
  [{ mode: 'AUTO' }, undefined],
  [{ mode: 'VALIDATED' }, undefined],
  [{ mode: 'NONE' }, 'none'],
  [{ mode: 'ANY' }, 'required'],
  [
    { mode: 'ANY', allowedFunctionNames: ['f'] },
    { type: 'function', function: { name: 'f' } },
  ],
  [
    { mode: 'VALIDATED', allowedFunctionNames: ['f'] },
    {
      type: 'allowed_tools',
      allowed_tools: { mode: 'auto', tools: [{ type: 'function', function: { name: 'f' } }] },
    },
  ],
])('functionCallingConfig %j', (functionCallingConfig, choice) => {
  expect(chatOf({ toolConfig: { functionCallingConfig } }).tool_choice).toEqual(choice);
});

test('functions with either kind of schema, and tools of the provider by their names', () => {
  const parameters = {
    type: 'OBJECT',
    properties: {
      some_city: { type: 'STRING', nullable: true, enum: ['Oslo'], format: 'enum' },
      list: { type: 'ARRAY', items: { anyOf: [{ type: 'NUMBER' }, { type: 'BOOLEAN' }] }, minItems: '2' },
    },
    required: ['some_city'],
    propertyOrdering: ['list', 'some_city'],
  };
  const parametersJsonSchema = { type: 'object', properties: { some_key: { type: 'string' } } };
  const tools = [
    {
      functionDeclarations: [
        { name: 'f', description: 'F.', parameters },
        { name: 'g', parametersJsonSchema },
      ],
    },
    { googleSearch: {} },
  ];
  expect(chatOf({ tools }).tools).toEqual([
    {
      type: 'function',
      function: {
        name: 'f',
        description: 'F.',
        parameters: {
          type: 'object',
          properties: {
            some_city: { type: ['string', 'null'], enum: ['Oslo', null] },
            list: { type: 'array', items: { anyOf: [{ type: 'number' }, { type: 'boolean' }] }, minItems: 2 },
          },
          required: ['some_city'],
        },
      },
    },
    { type: 'function', function: { name: 'g', parameters: parametersJsonSchema } },
    { type: 'googleSearch', googleSearch: {} },
  ]);
});

test('the form of the answer', () => {
  const schema = { type: 'object', properties: { some_key: { type: 'string' } } };
  const formatOf = (generationConfig: object) => chatOf({ generationConfig }).response_format;
  const wanted = { type: 'json_schema', json_schema: { name: 'response', schema } };
  const responseMimeType = 'application/json';
  expect(formatOf({ responseMimeType })).toEqual({ type: 'json_object' });
  expect(formatOf({ responseMimeType, responseJsonSchema: schema })).toEqual(wanted);
  expect(formatOf({ responseFormat: [{ text: { mimeType: 'APPLICATION_JSON', schema } }] })).toEqual(wanted);
  expect(
    formatOf({ responseMimeType, responseSchema: { type: 'OBJECT', properties: { some_key: { type: 'STRING' } } } }),
  ).toEqual(wanted);
  expect(formatOf({ responseMimeType: 'text/plain' })).toBe(undefined);
  expect(formatOf({ responseMimeType: 'text/x.enum', responseSchema: { type: 'STRING' } })).toEqual({
    type: 'text/x.enum',
  });
});

test('snake_case and lists without brackets are read the same', () => {
  const plain = {
    systemInstruction: { parts: [{ text: 'Be brief.' }] },
    contents: [
      user({ inlineData: { mimeType: 'image/png', data: 'AA__' } }),
      model({ functionCall: { name: 'f', args: { some_key: 1 } } }),
      user({ functionResponse: { name: 'f', response: { some_key: 1 } } }),
    ],
    generationConfig: { maxOutputTokens: 5, thinkingConfig: { thinkingBudget: 1 } },
  };
  const snake = {
    system_instruction: { parts: { text: 'Be brief.' } },
    contents: [
      { role: 'user', parts: { inline_data: { mime_type: 'image/png', data: 'AA__' } } },
      model({ function_call: { name: 'f', args: { some_key: 1 } } }),
      user({ function_response: { name: 'f', response: { some_key: 1 } } }),
    ],
    generation_config: { max_output_tokens: 5, thinking_config: { thinking_budget: 1 } },
  };
  expect(parse(snake).chat).toEqual(parse(plain).chat);
  expect(parse(snake).chat.messages).toEqual([
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AA//' } }] },
    {
      role: 'assistant',
      content: null,
      tool_calls: [{ id: 'call_0', type: 'function', function: { name: 'f', arguments: '{"some_key":1}' } }],
    },
    { role: 'tool', tool_call_id: 'call_0', content: '{"some_key":1}' },
  ]);
});

test('files, sound and images, as bytes and by address', () => {
  const upload = 'https://generativelanguage.googleapis.com/v1beta/files/abc';
  const [message] = messagesOf(
    user(
      { text: 'See' },
      { inlineData: { mimeType: 'audio/mpeg', data: 'AAAA' } },
      { inlineData: { mimeType: 'application/pdf', data: 'AAAA', displayName: 'a.pdf' } },
      { fileData: { mimeType: 'image/png', fileUri: 'https://example.com/a.png' } },
      { fileData: { fileUri: 'https://example.com/a.pdf' } },
      { fileData: { fileUri: upload } },
    ),
  );
  expect(message!.content).toEqual([
    { type: 'text', text: 'See' },
    { type: 'input_audio', input_audio: { data: 'AAAA', format: 'mp3' } },
    { type: 'file', file: { file_data: 'data:application/pdf;base64,AAAA', filename: 'a.pdf' } },
    { type: 'image_url', image_url: { url: 'https://example.com/a.png' } },
    { type: 'file', file: { file_url: 'https://example.com/a.pdf' } },
    { type: 'file', file: { file_id: 'files/abc' } },
  ]);
});

test("a stream's chunks, kept one by one, are one message of the model again", () => {
  const messages = messagesOf(
    user({ text: 'Hi' }),
    model({ text: 'Hm', thought: true }),
    model({ text: 'Lo' }),
    model({ text: 'rem' }),
    model({ text: '' }),
    user({ text: 'More' }),
    model({ text: '' }),
    user({ text: 'Still there?' }),
  );
  expect(messages.map(({ role, content }) => [role, content])).toEqual([
    ['user', 'Hi'],
    ['assistant', 'Lorem'],
    ['user', 'More'],
    ['user', 'Still there?'],
  ]);
});

test('parallel calls meet their results by id, else by name and order; errors and images among them', () => {
  const messages = messagesOf(
    user({ text: 'Hi' }),
    model({ functionCall: { name: 'f' } }, { functionCall: { id: 'x', name: 'f' } }, { functionCall: { name: 'g' } }),
    user(
      { functionResponse: { id: 'x', name: 'f', response: { output: 'second' } } },
      { functionResponse: { name: 'g', response: { error: 'broken' } } },
      {
        functionResponse: {
          name: 'f',
          response: { output: { n: 1 } },
          parts: [{ inlineData: { mimeType: 'image/png', data: 'AAAA' } }],
        },
      },
      { text: 'And?' },
    ),
  );
  expect(messages.slice(2)).toEqual([
    { role: 'tool', tool_call_id: 'x', content: 'second' },
    { role: 'tool', tool_call_id: 'call_2', content: 'broken', is_error: true },
    {
      role: 'tool',
      tool_call_id: 'call_0',
      content: [
        { type: 'text', text: '{"n":1}' },
        { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
      ],
    },
    { role: 'user', content: 'And?' },
  ]);
});

test('results without ids answer calls of one function in order', () => {
  const result = (output: string) => ({ functionResponse: { name: 'f', response: { output } } });
  const messages = messagesOf(
    user({ text: 'Hi' }),
    model({ functionCall: { name: 'f' } }, { functionCall: { name: 'f' } }),
    user(result('first'), result('second')),
    model({ functionCall: { name: 'f' } }),
    user(result('third')),
  );
  const results = messages.filter(({ role }) => role === 'tool');
  expect(results.map(({ tool_call_id, content }) => [tool_call_id, content])).toEqual([
    ['call_0', 'first'],
    ['call_1', 'second'],
    ['call_2', 'third'],
  ]);
});

test.each<[string, object]>([
  ['contents', {}],
  ['contents', { contents: [] }],
  ['contents[0].role', { contents: [{ role: 'system', parts: [] }] }],
  ['contents[0].parts[0].functionCall', { contents: [user({ functionCall: { name: 'f' } })] }],
  ['contents[0].parts[0].functionResponse.name', { contents: [user({ functionResponse: { name: 'f' } })] }],
  [
    'systemInstruction.parts[0]',
    { contents: [user({ text: 'x' })], systemInstruction: user({ fileData: { fileUri: 'u' } }) },
  ],
  ['generationConfig.temperature', { contents: [user({ text: 'x' })], generationConfig: { temperature: 3 } }],
  ['generationConfig.stop', { contents: [user({ text: 'x' })], generationConfig: { stop: 'x' } }],
  ['messages', { contents: [user({ text: 'x' })], messages: [] }],
])('%s is named when it is at fault', (param, body) => {
  expect(() => parse(body)).toThrow(expect.objectContaining({ code: 'invalid_request', param }));
});

test('nothing that is nested too deep, and no field called __proto__, does harm', () => {
  let deep: unknown = {};
  for (let level = 0; level < 100_000; level++) deep = { a: deep };
  expect(() => parse(deep)).toThrow(/nested/);
  const hostile = JSON.parse('{"contents":[{"parts":[{"text":"x"}]}],"__proto__":{"polluted":true}}');
  parse(hostile);
  expect({}).not.toHaveProperty('polluted');
});

// ---- what must come back ----------------------------------------------------------------------------------------------

const DETAILS: ReasoningDetail[] = [
  { format: 'anthropic-claude-v1', type: 'reasoning.text', text: 'Hm. 😀', signature: 'c2ln' },
  { format: 'other', type: 'reasoning.encrypted', data: 'x', id: 'call_1' },
];
const detailEvents = DETAILS.map((detail): StreamEvent => ({ type: 'reasoning-detail', detail }));
const partsOf = (stream: string): any[] => dataOf(stream).flatMap(({ candidates }) => candidates[0].content.parts);
const returned = (parts: object[]) => (messagesOf(user({ text: 'Hi' }), model(...parts))[1] as any) ?? {};

describe('reasoning of other wires', () => {
  test('travels on the call that it led to, or at the end, and comes back as it was', () => {
    const withCall = partsOf(encode([...detailEvents, { type: 'tool-call', call }], done('tool-calls')));
    expect(withCall.map((part) => typeof part.thoughtSignature)).toEqual(['string', 'undefined']);
    expect(returned(withCall).reasoning_details).toEqual(DETAILS);
    const without = partsOf(encode([{ type: 'token', text: 'x' }, ...detailEvents], done('stop')));
    expect(without.map((part) => typeof part.thoughtSignature)).toEqual(['undefined', 'string']);
    expect(returned(without).reasoning_details).toEqual(DETAILS);
  });

  test('is tied to its call also where the client left the ids out or writes bytes in another alphabet', () => {
    const [{ functionCall, thoughtSignature }] = partsOf(
      encode([...detailEvents, { type: 'tool-call', call }], done('tool-calls')),
    );
    const { id: _, ...bare } = functionCall;
    const signature = Buffer.from(thoughtSignature, 'base64').toString('base64url');
    const { tool_calls, reasoning_details } = returned([{ functionCall: bare, thoughtSignature: signature }]);
    expect(tool_calls[0].id).toBe('call_0');
    expect(reasoning_details).toEqual([DETAILS[0], { ...DETAILS[1], id: 'call_0' }]);
  });

  test('is not shown to a provider of this wire; its own signatures are', () => {
    const [part] = partsOf(encode([...detailEvents, { type: 'tool-call', call }], done('tool-calls')));
    const contents = [user({ text: 'Hi' }), model(part), user({ functionResponse: { name: 'f', response: {} } })];
    const body = { contents, tools: [{ googleSearch: {} }], some_new_field: { deep_er: 1 } };
    const { verbatim } = parse(body);
    const { thoughtSignature: _, ...bare } = part;
    expect(verbatim).toEqual({ wire: 'gemini', body: { ...body, contents: [contents[0], model(bare), contents[2]] } });
    const own = { ...body, contents: [user({ text: 'Hi' }), model({ text: '', thoughtSignature: 'U2ln' })] };
    expect(parse(own).verbatim!.body).toEqual(own);
  });

  test('that was damaged on its way holds nothing', () => {
    const [part] = partsOf(encode([...detailEvents, { type: 'tool-call', call }], done('tool-calls')));
    const thoughtSignature = part.thoughtSignature.slice(0, 40);
    expect(returned([{ ...part, thoughtSignature }]).reasoning_details).toBe(undefined);
  });
});

test("this wire's own signatures are details, with the call that they belong to", () => {
  const format = 'google-gemini-v1';
  const encrypted = { format, type: 'reasoning.encrypted' };
  expect(
    returned([
      { functionCall: { id: 'a', name: 'f' }, thoughtSignature: 'U2ln' },
      { functionCall: { id: 'b', name: 'f' } },
    ]).reasoning_details,
  ).toEqual([{ ...encrypted, data: 'U2ln', id: 'a' }]);
  expect(
    returned([{ functionCall: { id: 'a', name: 'f' } }, { text: '', thoughtSignature: 'U2ln' }]).reasoning_details,
  ).toEqual([{ ...encrypted, data: 'U2ln', id: 'a' }]);
  expect(returned([{ text: 'x', thoughtSignature: 'U2ln' }]).reasoning_details).toEqual([
    { ...encrypted, data: 'U2ln' },
  ]);
  const standIn = { functionCall: { name: 'f' }, thoughtSignature: 'skip_thought_signature_validator' };
  expect(returned([standIn]).reasoning_details).toBe(undefined);
});
