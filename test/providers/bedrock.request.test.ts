// The ConverseStream request: field by field, model by model, and beside what the official SDK sends for the same conversation.
import type { ConverseStreamCommandInput } from '@aws-sdk/client-bedrock-runtime';
import { describe, expect, test } from 'vitest';
import { type ChatRequest, chatRequest } from '../../src/core/chat.ts';
import { type BedrockRequestConfig, bedrockRequest } from '../../src/providers/bedrock/request.ts';
import { refusalOf } from '../support/upstream.ts';
import { capture } from './bedrock.sdk.ts';

const CLAUDE = 'us.anthropic.claude-sonnet-4-5-20250929-v1:0';
const OLD = 'anthropic.claude-3-haiku-20240307-v1:0';
const NEWEST = 'global.anthropic.claude-opus-5-5';
const NOVA = 'us.amazon.nova-pro-v1:0';
const NOVA2 = 'us.amazon.nova-2-lite-v1:0';
const LLAMA = 'us.meta.llama3-3-70b-instruct-v1:0';
const GPT = 'us.openai.gpt-5.6-luna';
const OSS = 'openai.gpt-oss-120b-1:0';
const MISTRAL = 'mistral.mistral-large-2407-v1:0';
const PROFILE = 'arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6';

const hi = [{ role: 'user', content: 'Hi' }];
const weather = {
  type: 'function',
  function: { name: 'weather', description: 'Now.', parameters: { type: 'object', properties: {} } },
};
const CLOSED = { type: 'object', properties: {}, additionalProperties: false };
const png = 'data:image/png;base64,iVBORw0=';

interface Built {
  body: any;
  dropped: string[];
}

function build(
  request: object,
  model = CLAUDE,
  config: BedrockRequestConfig = {},
  vendor?: Record<string, unknown>,
): Built {
  const chat = chatRequest.parse({ model: 'alias', messages: hi, ...request }) as ChatRequest;
  return bedrockRequest(config, chat, model, vendor);
}

const refusal = (request: object, model = CLAUDE) => refusalOf('bedrock', () => build(request, model));

const content = (parts: unknown[], request: object = {}, model = CLAUDE) =>
  build({ messages: [{ role: 'user', content: parts }], ...request }, model).body.messages[0].content;

test('the body is the conversation alone, with the model beside it for the address', () => {
  expect(build({ stream: true, stream_options: { include_usage: true } })).toEqual({
    body: { modelId: CLAUDE, messages: [{ role: 'user', content: [{ text: 'Hi' }] }] },
    dropped: [],
  });
});

test('nothing is changed in the request that it is built from', () => {
  const chat = chatRequest.parse({
    model: 'x',
    messages: [{ role: 'system', content: 'S', cache_control: { type: 'ephemeral' } }, ...hi, ...hi],
    tools: [weather],
    reasoning_effort: 'high',
  }) as ChatRequest;
  const before = structuredClone(chat);
  bedrockRequest({}, chat, CLAUDE);
  expect(chat).toEqual(before);
});

// ---- beside the SDK -------------------------------------------------------------------------------------------------

async function sentBySdk(input: ConverseStreamCommandInput): Promise<unknown> {
  const { body } = await capture({ credentials: { accessKeyId: 'a', secretAccessKey: 's' } }, input);
  return JSON.parse(body);
}

const bytes = new Uint8Array(Buffer.from('iVBORw0=', 'base64'));

const CONVERSATIONS: [
  name: string,
  request: object,
  model: string,
  input: Omit<ConverseStreamCommandInput, 'modelId'>,
][] = [
  [
    'system prompts, sampling and stop sequences',
    {
      messages: [{ role: 'system', content: 'Be brief.' }, { role: 'developer', content: 'And kind.' }, ...hi],
      max_tokens: 100,
      temperature: 0.2,
      top_p: 0.9,
      stop: ['END', '\n\n'],
      metadata: { team: 'a' },
      service_tier: 'flex',
    },
    LLAMA,
    {
      system: [{ text: 'Be brief.' }, { text: 'And kind.' }],
      messages: [{ role: 'user', content: [{ text: 'Hi' }] }],
      inferenceConfig: { maxTokens: 100, temperature: 0.2, topP: 0.9, stopSequences: ['END', '\n\n'] },
      requestMetadata: { team: 'a' },
      serviceTier: { type: 'flex' },
    },
  ],
  [
    'tools, two calls at once and their results',
    {
      messages: [
        { role: 'user', content: 'Both?' },
        {
          role: 'assistant',
          content: 'Looking.',
          tool_calls: [
            { id: 'c1', type: 'function', function: { name: 'weather', arguments: '{"city":"Brest"}' } },
            { id: 'c2', type: 'function', function: { name: 'weather', arguments: '' } },
          ],
        },
        { role: 'tool', tool_call_id: 'c1', content: 'Rain' },
        {
          role: 'tool',
          tool_call_id: 'c2',
          content: [
            { type: 'text', text: 'Sun' },
            { type: 'image_url', image_url: { url: png } },
          ],
        },
        { role: 'user', content: 'So?' },
      ],
      tools: [{ ...weather, function: { ...weather.function, strict: true } }],
      tool_choice: { type: 'function', function: { name: 'weather' } },
    },
    CLAUDE,
    {
      messages: [
        { role: 'user', content: [{ text: 'Both?' }] },
        {
          role: 'assistant',
          content: [
            { text: 'Looking.' },
            { toolUse: { toolUseId: 'c1', name: 'weather', input: { city: 'Brest' } } },
            { toolUse: { toolUseId: 'c2', name: 'weather', input: {} } },
          ],
        },
        {
          role: 'user',
          content: [
            { toolResult: { toolUseId: 'c1', content: [{ text: 'Rain' }] } },
            {
              toolResult: {
                toolUseId: 'c2',
                content: [{ text: 'Sun' }, { image: { format: 'png', source: { bytes } } }],
              },
            },
            { text: 'So?' },
          ],
        },
      ],
      toolConfig: {
        tools: [
          {
            toolSpec: {
              name: 'weather',
              description: 'Now.',
              inputSchema: { json: CLOSED },
              strict: true,
            },
          },
        ],
        toolChoice: { tool: { name: 'weather' } },
      },
    },
  ],
  [
    'reasoning given back, and asked for',
    {
      messages: [
        ...hi,
        {
          role: 'assistant',
          content: 'Yes.',
          reasoning_details: [
            { type: 'reasoning.text', format: 'anthropic-claude-v1', text: 'Hm.', signature: 'c2ln' },
            { type: 'reasoning.encrypted', format: 'anthropic-claude-v1', data: 'EqADCkgI' },
          ],
        },
        { role: 'user', content: 'Sure?' },
      ],
      reasoning: { max_tokens: 2000 },
      max_completion_tokens: 5000,
    },
    CLAUDE,
    {
      messages: [
        { role: 'user', content: [{ text: 'Hi' }] },
        {
          role: 'assistant',
          content: [
            { reasoningContent: { reasoningText: { text: 'Hm.', signature: 'c2ln' } } },
            { reasoningContent: { redactedContent: new Uint8Array(Buffer.from('EqADCkgI')) } },
            { text: 'Yes.' },
          ],
        },
        { role: 'user', content: [{ text: 'Sure?' }] },
      ],
      inferenceConfig: { maxTokens: 5000 },
      additionalModelRequestFields: { thinking: { type: 'enabled', budget_tokens: 2000 } },
    },
  ],
  [
    'documents, cache points and an answer by a schema',
    {
      messages: [
        { role: 'system', content: 'Long.', cache_control: { type: 'ephemeral', ttl: '1h' } },
        {
          role: 'user',
          content: [
            { type: 'file', file: { filename: 'tide_table.pdf', file_data: 'data:application/pdf;base64,JVBERg==' } },
            { type: 'text', text: 'When?', cache_control: { type: 'ephemeral' } },
          ],
        },
      ],
      tools: [{ ...weather, cache_control: { type: 'ephemeral', ttl: '5m' } }],
      response_format: {
        type: 'json_schema',
        json_schema: { name: 'tide', description: 'When.', strict: true, schema: { type: 'object', properties: {} } },
      },
    },
    CLAUDE,
    {
      system: [{ text: 'Long.' }, { cachePoint: { type: 'default', ttl: '1h' } }],
      messages: [
        {
          role: 'user',
          content: [
            {
              document: {
                format: 'pdf',
                name: 'tide table',
                source: { bytes: new Uint8Array(Buffer.from('JVBERg==', 'base64')) },
              },
            },
            { text: 'When?' },
            { cachePoint: { type: 'default' } },
          ],
        },
      ],
      toolConfig: {
        tools: [
          {
            toolSpec: {
              name: 'weather',
              description: 'Now.',
              inputSchema: { json: { type: 'object', properties: {} } },
            },
          },
          { cachePoint: { type: 'default' } },
        ],
      },
      outputConfig: {
        textFormat: {
          type: 'json_schema',
          structure: {
            jsonSchema: { schema: JSON.stringify(CLOSED), name: 'tide', description: 'When.' },
          },
        },
      },
    },
  ],
];

test.each(CONVERSATIONS)('%s go out as the SDK sends them', async (_name, request, model, input) => {
  const { modelId, ...body } = build(request, model).body;
  expect(modelId).toBe(model);
  expect(body).toEqual(await sentBySdk({ modelId: model, ...input }));
});

// ---- messages -------------------------------------------------------------------------------------------------------

test('white space alone is left out where something else is said', () => {
  const messages = [
    { role: 'system', content: ' ' },
    {
      role: 'user',
      content: [
        { type: 'text', text: '\n' },
        { type: 'text', text: 'Hi' },
      ],
    },
    { role: 'assistant', content: ' \n' },
    { role: 'user', content: '' },
  ];
  expect(build({ messages }).body).toEqual({
    modelId: CLAUDE,
    messages: [{ role: 'user', content: [{ text: 'Hi' }] }],
  });
  expect(build({ messages: [{ role: 'user', content: '' }] }).body.messages).toEqual([
    { role: 'user', content: [{ text: '' }] },
  ]);
});

test('an empty result of a tool is no block of text', () => {
  const messages = [
    ...hi,
    { role: 'assistant', tool_calls: [{ id: 'c', function: { name: 'weather', arguments: '{}' } }] },
    { role: 'tool', tool_call_id: 'c', content: '' },
  ];
  expect(build({ messages, tools: [weather] }).body.messages[2].content).toEqual([
    { toolResult: { toolUseId: 'c', content: [] } },
  ]);
});

test('a tool that failed is said to have, with words', () => {
  const result = (content: string, model: string) => {
    const messages = [...called('c').slice(0, -1), { role: 'tool', tool_call_id: 'c', content, is_error: true }];
    const { body, dropped } = build({ messages, tools: [weather] }, model);
    return [body.messages[2].content[0].toolResult, dropped];
  };
  expect(result('Boom', CLAUDE)).toEqual([{ toolUseId: 'c', content: [{ text: 'Boom' }], status: 'error' }, []]);
  expect(result('', NOVA)[0]).toMatchObject({ content: [{ text: expect.stringMatching(/./) }], status: 'error' });
  expect(result('', LLAMA)).toEqual([{ toolUseId: 'c', content: [] }, ['is_error']]);
});

const called = (id: string) => [
  ...hi,
  { role: 'assistant', tool_calls: [{ id, function: { name: 'weather', arguments: '{}' } }] },
  { role: 'tool', tool_call_id: id, content: 'Rain' },
];

test.each([
  [CLAUDE, 'toolu_01-ab', true],
  [CLAUDE, 'functions.weather:0', false],
  [CLAUDE, 'x'.repeat(65), false],
  [LLAMA, 'functions.weather:0', true],
  [MISTRAL, 'abcDEF123', true],
  [MISTRAL, 'call_1', false],
])('%s is given the id %s back as it is: %s', (model, id, kept) => {
  const { messages } = build({ messages: called(id), tools: [weather] }, model).body;
  const [call, result] = [messages[1].content[0].toolUse.toolUseId, messages[2].content[0].toolResult.toolUseId];
  expect(call).toBe(result);
  if (kept) expect(call).toBe(id);
  else expect(call).toMatch(/^[0-9a-f]{9}$/);
});

test('two ids that have to be replaced stay two', () => {
  const ids = ['functions.weather:0', 'functions.weather:1'].map(
    (id) => build({ messages: called(id), tools: [weather] }).body.messages[1].content[0].toolUse.toolUseId,
  );
  expect(new Set(ids).size).toBe(2);
});

describe('reasoning in the conversation', () => {
  const said = (detail: object) => ({
    messages: [...hi, { role: 'assistant', content: 'Yes.', reasoning_details: [detail] }, ...hi],
  });
  const claude = { type: 'reasoning.text', format: 'anthropic-claude-v1', text: 'Hm.', signature: 's' };
  const gpt = { type: 'reasoning.encrypted', format: 'bedrock-openai-v1', data: 'rsn_\u0000\u00ff' };

  test('goes back to the models of its maker only', () => {
    const blocks = (detail: object, model: string) => {
      const { body, dropped } = build(said(detail), model);
      return { blocks: body.messages[1].content.slice(0, -1), dropped };
    };
    const claudes = [{ reasoningContent: { reasoningText: { text: 'Hm.', signature: 's' } } }];
    const gpts = [{ reasoningContent: { redactedContent: Buffer.from('rsn_\0\xff', 'latin1').toString('base64') } }];
    for (const model of [CLAUDE, NEWEST, PROFILE])
      expect(blocks(claude, model)).toEqual({ blocks: claudes, dropped: [] });
    expect(blocks(gpt, GPT)).toEqual({ blocks: gpts, dropped: [] });
    for (const [detail, model] of [
      [claude, GPT],
      [claude, NOVA],
      [claude, LLAMA],
      [gpt, CLAUDE],
    ] as const)
      expect(blocks(detail, model)).toEqual({ blocks: [], dropped: ['reasoning_details'] });
  });

  test('without a signature is left out', () => {
    const { signature: _, ...unsigned } = claude;
    expect(build(said(unsigned))).toMatchObject({ dropped: ['reasoning_details'] });
  });
});

// ---- media ----------------------------------------------------------------------------------------------------------

describe('media', () => {
  const image = (url: string, more: object = {}) => ({ type: 'image_url', image_url: { url, ...more } });
  const file = (file: object) => ({ type: 'file', file });
  const data = (type: string) => `data:${type};base64,AAAA`;

  test.each([
    ['image/png', { image: { format: 'png' } }],
    ['image/jpg', { image: { format: 'jpeg' } }],
    ['image/webp', { image: { format: 'webp' } }],
    ['image/gif', { image: { format: 'gif' } }],
    ['video/mp4', { video: { format: 'mp4' } }],
    ['video/quicktime', { video: { format: 'mov' } }],
    ['audio/mpeg', { audio: { format: 'mp3' } }],
    ['application/pdf', { document: { format: 'pdf', name: 'document' } }],
    ['text/csv', { document: { format: 'csv', name: 'document' } }],
    ['text/x-python', { document: { format: 'txt', name: 'document' } }],
    ['application/json', { document: { format: 'txt', name: 'document' } }],
  ])('%s by its bytes', (type, block) => {
    const [[kind, fields]] = Object.entries(block) as [[string, object]];
    expect(content([file({ file_data: data(type) })])).toEqual([{ [kind]: { ...fields, source: { bytes: 'AAAA' } } }]);
  });

  test('sound as the request has it', () => {
    const part = { type: 'input_audio', input_audio: { data: 'AAAA', format: 'wav' } };
    expect(content([part])).toEqual([{ audio: { format: 'wav', source: { bytes: 'AAAA' } } }]);
  });

  test('an address in S3 is handed on, any other refused', () => {
    const s3Location = { uri: 's3://bucket/cat.png' };
    expect(content([image('s3://bucket/cat.png')])).toEqual([{ image: { format: 'png', source: { s3Location } } }]);
    const web = image('https://example.com/cat.png');
    expect(refusal({ messages: [{ role: 'user', content: [{ type: 'text', text: 'x' }, web] }] })).toMatchObject({
      param: 'messages[0].content[1]',
      message: expect.stringContaining('s3://'),
    });
  });

  test.each([
    ['an upload at a provider', file({ file_id: 'file-1' })],
    ['an image of another format', image('data:image/tiff;base64,AAAA')],
    ['an archive', file({ file_data: data('application/zip') })],
    ['an address that does not say what it is', file({ file_url: 's3://bucket/report' })],
    ['an image whose address does not say what it is', image('s3://bucket/cat')],
  ])('%s is refused', (_what, part) => {
    expect(refusal({ messages: [{ role: 'user', content: [part] }] }).param).toBe('messages[0].content[0]');
  });

  test('how closely to look is left out', () => {
    const messages = [{ role: 'user', content: [image(png, { detail: 'high' })] }];
    expect(build({ messages }).dropped).toEqual(['image_url.detail']);
  });

  test('documents have names that the API takes, each once', () => {
    const names = [
      "John's report.pdf",
      'résumé.pdf',
      '분기보고서.pdf',
      'Report -  Final_2.pdf',
      'a\tb.md',
      'a b.txt',
      '.pdf',
      `${'x'.repeat(300)}.pdf`,
    ];
    const parts = names.map((filename) => file({ filename, file_data: data('application/pdf') }));
    const given = content(parts).map(({ document }: any) => document.name);
    expect(given).toEqual([
      'John s report',
      'resume',
      'document',
      'Report - Final 2',
      'a b',
      'a b (2)',
      'document (2)',
      'x'.repeat(180),
    ]);
  });
});

// ---- tools ----------------------------------------------------------------------------------------------------------

describe('tools', () => {
  const tools = [weather];
  const toolConfig = (request: object, model = CLAUDE) => build({ tools, ...request }, model).body.toolConfig;
  const own = (request: object, model = CLAUDE) =>
    build({ tools, ...request }, model).body.additionalModelRequestFields;

  test.each([
    [undefined, undefined],
    ['auto', { auto: {} }],
    ['required', { any: {} }],
    [{ type: 'function', function: { name: 'weather' } }, { tool: { name: 'weather' } }],
  ])('the choice %j', (tool_choice, toolChoice) => {
    expect(toolConfig({ tool_choice })).toEqual({ tools: [expect.anything()], ...(toolChoice && { toolChoice }) });
  });

  test('without parameters take none', () => {
    const bare = { type: 'function', function: { name: 'clock', description: ' ' } };
    expect(toolConfig({ tools: [bare] }).tools).toEqual([
      { toolSpec: { name: 'clock', inputSchema: { json: { type: 'object', properties: {} } } } },
    ]);
  });

  test('are not offered where none may be called', () => {
    expect(toolConfig({ tool_choice: 'none' })).toBeUndefined();
  });

  test('once called stay declared, and a model that can be told so keeps from calling them', () => {
    const request = { messages: called('c'), tool_choice: 'none' };
    expect(toolConfig(request)).toEqual({ tools: [expect.anything()] });
    expect(own(request)).toEqual({ tool_choice: { type: 'none' } });
    expect(refusal({ tools, ...request }, NOVA).param).toBe('tool_choice');
  });

  test('that were called and are offered no more are declared for the sake of the conversation', () => {
    const { body } = build({ messages: called('c') });
    expect(body.toolConfig.tools.map(({ toolSpec }: any) => toolSpec.name)).toEqual(['weather']);
    expect(body.additionalModelRequestFields).toEqual({ tool_choice: { type: 'none' } });
    const { body: novas } = build({ messages: called('c') }, NOVA);
    expect(novas.toolConfig.tools).toHaveLength(1);
    expect(novas.additionalModelRequestFields).toBeUndefined();
  });

  test('one at a time is something that only some models can be told, and in one place', () => {
    const request = { parallel_tool_calls: false };
    expect(own(request)).toEqual({ tool_choice: { type: 'auto', disable_parallel_tool_use: true } });
    expect(own({ ...request, tool_choice: 'required' })).toMatchObject({ tool_choice: { type: 'any' } });
    expect(toolConfig({ ...request, tool_choice: 'required' })).not.toHaveProperty('toolChoice');
    expect(refusal({ tools, ...request }, NOVA).param).toBe('parallel_tool_calls');
    expect(build(request, NOVA).dropped).toEqual([]); // without tools it says nothing
    expect(build({ tools, parallel_tool_calls: true }, NOVA).dropped).toEqual([]);
  });

  test('held to their schema where the model can be', () => {
    const strict = { ...weather, function: { ...weather.function, strict: true } };
    const spec = (model: string) => {
      const { body, dropped } = build({ tools: [strict] }, model);
      return [body.toolConfig.tools[0].toolSpec.strict, dropped];
    };
    expect(spec(CLAUDE)).toEqual([true, []]);
    const open = { ...strict, function: { ...strict.function, parameters: { type: 'object' } } };
    expect(build({ tools: [open] }).dropped).toEqual(['tools.strict']);
    expect(spec(OLD)).toEqual([undefined, ['tools.strict']]);
    expect(spec(NOVA)).toEqual([undefined, ['tools.strict']]);
  });

  test.each([
    [{ tools: [{ type: 'web_search' }] }, 'tools[0].type'],
    [{ tools, tool_choice: { type: 'allowed_tools' } }, 'tool_choice'],
    [{ tool_choice: 'required' }, 'tool_choice'],
  ])('%j is refused', (request, param) => {
    expect(refusal(request).param).toBe(param);
  });
});

// ---- reasoning ------------------------------------------------------------------------------------------------------

describe('reasoning', () => {
  const asked = (request: object, model: string, config?: BedrockRequestConfig) => {
    const { body, dropped } = build(request, model, config);
    return { own: body.additionalModelRequestFields, limit: body.inferenceConfig?.maxTokens, dropped };
  };
  const effort = (reasoning_effort: string) => ({ reasoning_effort });
  const adaptive = (effort?: string, display = true) => ({
    thinking: { type: 'adaptive', ...(display && { display: 'summarized' }) },
    ...(effort && { output_config: { effort } }),
  });
  const budget = (budget_tokens: number) => ({ thinking: { type: 'enabled', budget_tokens } });

  test.each([
    ['us.anthropic.claude-3-7-sonnet-20250219-v1:0', 'medium', budget(8192)],
    ['us.anthropic.claude-opus-4-20250514-v1:0', 'low', budget(2048)],
    ['us.anthropic.claude-opus-4-1-20250805-v1:0', 'high', budget(16_384)],
    ['anthropic.claude-haiku-4-5-20251001-v1:0', 'minimal', budget(1024)],
    ['anthropic.claude-opus-4-6-v1', 'xhigh', adaptive('high', false)],
    ['anthropic.claude-sonnet-4-6', 'max', adaptive('max', false)],
    ['us.anthropic.claude-opus-4-7', 'xhigh', adaptive('xhigh')],
    ['us.anthropic.claude-opus-5', 'minimal', adaptive('low')],
    ['us.anthropic.claude-sonnet-5-20260601-v1:0', 'low', adaptive('low')],
    [NEWEST, 'medium', adaptive('medium')],
    ['anthropic.claude-invented-9', 'max', adaptive('max')],
    [PROFILE, 'high', adaptive('high')],
    [OSS, 'max', { reasoning_effort: 'high' }],
    [GPT, 'xhigh', { reasoning: { effort: 'xhigh' } }],
    [NOVA2, 'high', { reasoningConfig: { type: 'enabled', maxReasoningEffort: 'high' } }],
    ['moonshotai.kimi-k2.5', 'medium', { reasoning_effort: 'high' }],
  ])('%s with effort %s', (model, word, own) => {
    expect(asked(effort(word), model)).toMatchObject({ own, dropped: [] });
  });

  test.each([
    ['anthropic.claude-haiku-4-5-20251001-v1:0', undefined, []],
    ['anthropic.claude-opus-4-7', undefined, []],
    ['anthropic.claude-opus-5', { thinking: { type: 'disabled' } }, []],
    ['anthropic.claude-haiku-5-5', { thinking: { type: 'disabled' } }, []],
    ['anthropic.claude-sonnet-5-5', { thinking: { type: 'between_tools' } }, []],
    [NEWEST, { output_config: { effort: 'low' } }, ['reasoning_effort']],
    ['anthropic.claude-fable-5-1', { output_config: { effort: 'low' } }, ['reasoning_effort']],
    [GPT, { reasoning: { effort: 'none' } }, []],
    [OSS, { reasoning_effort: 'low' }, ['reasoning_effort']],
    [NOVA2, undefined, []],
    [LLAMA, undefined, ['reasoning_effort']],
  ])('%s with none', (model, own, dropped) => {
    expect(asked(effort('none'), model)).toEqual({ own, limit: undefined, dropped });
  });

  test.each([
    [CLAUDE, budget(8192)],
    [NEWEST, adaptive()],
    [GPT, undefined],
    [NOVA2, { reasoningConfig: { type: 'enabled', maxReasoningEffort: 'medium' } }],
  ])('%s as much as it sees fit', (model, own) => {
    expect(asked({ reasoning: { enabled: true } }, model)).toMatchObject({ own, dropped: [] });
  });

  test.each([LLAMA, NOVA, OLD])('%s does not, and the client is told', (model) => {
    expect(asked(effort('high'), model)).toEqual({ own: undefined, limit: undefined, dropped: ['reasoning_effort'] });
    expect(asked({ reasoning: { max_tokens: 2000 } }, model).dropped).toEqual(['reasoning']);
  });

  test('where it is said in words, a budget is only hinted at', () => {
    const request = { reasoning: { max_tokens: 9000 } };
    expect(asked(request, NEWEST)).toMatchObject({ own: adaptive('medium'), dropped: ['reasoning.max_tokens'] });
    expect(asked(request, OSS)).toMatchObject({
      own: { reasoning_effort: 'medium' },
      dropped: ['reasoning.max_tokens'],
    });
  });

  test('how long its summary is to be is only a hint', () => {
    const summary = (summary: string) => asked({ reasoning: { effort: 'low', summary } }, NEWEST).dropped;
    expect([summary('auto'), summary('detailed')]).toEqual([[], ['reasoning.summary']]);
  });

  test('unasked, nothing is said of it', () => {
    for (const model of [CLAUDE, NEWEST, GPT, NOVA2]) expect(asked({}, model).own).toBeUndefined();
  });

  test('leaves room for the answer, within what the model generates', () => {
    expect(asked(effort('medium'), CLAUDE).limit).toBe(8192 + 8192);
    expect(asked(effort('high'), NEWEST).limit).toBe(16_384 + 8192);
    expect(asked(effort('max'), 'anthropic.claude-opus-4-20250514-v1:0')).toMatchObject({
      own: budget(30_976),
      limit: 32_000,
    });
  });

  test('keeps within the limit that the client gave', () => {
    expect(asked({ ...effort('high'), max_tokens: 4000 }, CLAUDE)).toEqual({
      own: budget(2976),
      limit: 4000,
      dropped: [],
    });
    expect(asked({ ...effort('high'), max_tokens: 1500 }, CLAUDE)).toMatchObject({ own: budget(1024) });
    expect(asked({ ...effort('high'), max_tokens: 500 }, CLAUDE)).toEqual({
      own: undefined,
      limit: 500,
      dropped: ['reasoning_effort'],
    });
    expect(asked({ reasoning: { max_tokens: 2000 }, max_tokens: 3000 }, CLAUDE)).toEqual({
      own: budget(1976),
      limit: 3000,
      dropped: ['reasoning.max_tokens'],
    });
    const limited = { ...effort('high'), max_tokens: 100 };
    expect(asked(limited, NOVA2)).toEqual({
      own: { reasoningConfig: { type: 'enabled', maxReasoningEffort: 'medium' } },
      limit: 100,
      dropped: ['reasoning_effort'],
    });
  });

  test('gives way to a call that must be made, and with a budget to calls made without it', () => {
    const forced = { ...effort('low'), tools: [weather], tool_choice: 'required' };
    for (const model of [CLAUDE, NEWEST])
      expect(asked(forced, model)).toMatchObject({ own: undefined, dropped: ['reasoning_effort'] });
    expect(asked(forced, 'anthropic.claude-opus-5').own).toEqual({ thinking: { type: 'disabled' } });
    const answering = { ...effort('low'), tools: [weather], messages: called('c') };
    expect(asked(answering, CLAUDE)).toMatchObject({ own: undefined, dropped: ['reasoning_effort'] });
    expect(asked(answering, NEWEST)).toMatchObject({ own: adaptive('low'), dropped: [] });
  });

  test('takes precedence over sampling', () => {
    const sampled = { ...effort('low'), temperature: 0.5, top_p: 0.9, top_k: 40 };
    const { body, dropped } = build(sampled);
    expect(body.inferenceConfig).toEqual({ maxTokens: 2048 + 8192 });
    expect(body.additionalModelRequestFields).toEqual(budget(2048));
    expect(dropped).toEqual(['temperature', 'top_p', 'top_k']);
  });

  test('is asked for as the config says, of a Claude or what may be one', () => {
    expect(asked(effort('low'), CLAUDE, { thinking: 'adaptive' }).own).toEqual(adaptive('low'));
    expect(asked(effort('low'), PROFILE, { thinking: 'budget' }).own).toEqual(budget(2048));
    expect(asked(effort('low'), OSS, { thinking: 'budget' }).own).toEqual({ reasoning_effort: 'low' });
  });
});

// ---- what else ------------------------------------------------------------------------------------------------------

test('sampling where it is taken, and how', () => {
  const sampled = { temperature: 0.5, top_p: 0.9, top_k: 40, stop: 'END' };
  const fields = (model: string) => {
    const { body, dropped } = build(sampled, model);
    return [body.inferenceConfig, body.additionalModelRequestFields, dropped];
  };
  const all = { temperature: 0.5, topP: 0.9, stopSequences: ['END'] };
  expect(fields('us.anthropic.claude-sonnet-4-20250514-v1:0')).toEqual([all, { top_k: 40 }, []]);
  expect(fields(CLAUDE)).toEqual([{ temperature: 0.5, stopSequences: ['END'] }, { top_k: 40 }, ['top_p']]);
  expect(fields(PROFILE)).toEqual([all, { top_k: 40 }, []]);
  expect(fields(MISTRAL)).toEqual([all, { top_k: 40 }, []]);
  expect(fields(NOVA)).toEqual([all, { inferenceConfig: { topK: 40 } }, []]);
  expect(fields(LLAMA)).toEqual([all, undefined, ['top_k']]);
  expect(fields(NEWEST)).toEqual([{ stopSequences: ['END'] }, undefined, ['temperature', 'top_p', 'top_k']]);
  expect(refusal(sampled, GPT).param).toBe('stop');
});

test('the default temperature, asked for, is nothing that could be missed', () => {
  expect(build({ temperature: 1, top_p: 1 }, NEWEST)).toMatchObject({ dropped: [] });
  expect(build({ temperature: 1, top_p: 1 }, NEWEST).body).not.toHaveProperty('inferenceConfig');
});

test('where only one of temperature and top_p is taken, either goes alone', () => {
  expect(build({ temperature: 0.5, top_p: 1 })).toMatchObject({
    body: { inferenceConfig: { temperature: 0.5 } },
    dropped: [],
  });
  expect(build({ top_p: 0.5 })).toMatchObject({ body: { inferenceConfig: { topP: 0.5 } }, dropped: [] });
});

test('temperature goes to one', () => {
  const { body, dropped } = build({ temperature: 1.5 });
  expect([body.inferenceConfig, dropped]).toEqual([{ temperature: 1 }, ['temperature']]);
});

test('either name of the limit, the newer one first', () => {
  expect(build({ max_tokens: 5 }).body.inferenceConfig).toEqual({ maxTokens: 5 });
  expect(build({ max_tokens: 5, max_completion_tokens: 6 })).toMatchObject({
    body: { inferenceConfig: { maxTokens: 6 } },
    dropped: [],
  });
});

describe('cache hints', () => {
  const hinted = (ttl?: string) => ({
    messages: [{ role: 'user', content: 'Long', cache_control: { type: 'ephemeral', ...(ttl && { ttl }) } }],
  });
  const blocks = (model: string, ttl?: string) => {
    const { body, dropped } = build(hinted(ttl), model);
    return [body.messages[0].content.slice(1), dropped];
  };
  const point = { cachePoint: { type: 'default' } };

  test('are cache points where the model takes them', () => {
    expect(blocks(CLAUDE)).toEqual([[point], []]);
    expect(blocks(CLAUDE, '5m')).toEqual([[point], []]);
    expect(blocks(NEWEST, '1h')).toEqual([[{ cachePoint: { type: 'default', ttl: '1h' } }], []]);
    expect(blocks(OLD, '1h')).toEqual([[point], ['cache_control.ttl']]);
    for (const model of [NOVA, LLAMA, GPT]) expect(blocks(model)).toEqual([[], ['cache_control']]);
  });

  test('inside the result of a tool come behind it', () => {
    const messages = called('c');
    const piece = { type: 'text', text: 'Rain', cache_control: { type: 'ephemeral' } };
    messages[2] = { role: 'tool', tool_call_id: 'c', content: [piece] as any };
    expect(build({ messages, tools: [weather] }).body.messages[2].content).toEqual([
      { toolResult: { toolUseId: 'c', content: [{ text: 'Rain' }] } },
      point,
    ]);
  });
});

test.each([
  [{ n: 2 }, 'n'],
  [{ logprobs: true }, 'logprobs'],
  [{ response_format: { type: 'json_schema', json_schema: { name: 'x' } } }, 'response_format.json_schema.schema'],
  [
    { response_format: { type: 'json_schema', json_schema: { schema: { type: 'object' } } } },
    'response_format.json_schema.schema',
  ],
  [{ modalities: ['text', 'audio'] }, 'modalities'],
  [{ web_search_options: { size: 1 } }, 'web_search_options'],
])('%j is refused by name', (request, param) => {
  expect(refusal(request).param).toBe(param);
});

test('a schema goes as it came to models whose limits are not known', () => {
  const schema = { type: 'object', minProperties: 1 };
  const { body } = build({ response_format: { type: 'json_schema', json_schema: { schema } } }, LLAMA);
  expect(JSON.parse(body.outputConfig.textFormat.structure.jsonSchema.schema)).toEqual(schema);
});

test('JSON without a schema is what the prompt has to ask for', () => {
  const { body, dropped } = build({ response_format: { type: 'json_object' } });
  expect([body.outputConfig, dropped]).toEqual([undefined, ['response_format']]);
});

test('hints that the wire has no place for are listed', () => {
  const hints = { seed: 1, presence_penalty: 1, frequency_penalty: 1, user: 'u', logit_bias: { a: 1 }, store: true };
  expect(build({ ...hints, response_format: { type: 'text' }, n: 1 }).dropped.sort()).toEqual(
    Object.keys(hints).sort(),
  );
});

test('the tier of service, where this API has it', () => {
  const tier = (service_tier: string) => {
    const { body, dropped } = build({ service_tier });
    return [body.serviceTier, dropped];
  };
  expect(tier('priority')).toEqual([{ type: 'priority' }, []]);
  expect(tier('auto')).toEqual([undefined, []]);
  expect(tier('scale')).toEqual([undefined, ['service_tier']]);
});

test.each([
  [{ team: 'a/b', run: '' }, true],
  [{ team: 'ä' }, false],
  [{ team: 1 }, false],
  [{ '': 'x' }, false],
  [Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`k${i}`, 'v'])), false],
])('metadata %j fits the log: %s', (metadata, fits) => {
  const { body, dropped } = build({ metadata });
  expect([body.requestMetadata, dropped]).toEqual(fits ? [metadata, []] : [undefined, ['metadata']]);
});

test("a vendor's own fields are laid over the body, never over the model", () => {
  const vendor = {
    modelId: 'other',
    model: 'other',
    guardrailConfig: { guardrailIdentifier: 'g', guardrailVersion: '1' },
    performanceConfig: { latency: 'optimized' },
    additionalModelRequestFields: { anthropic_beta: ['x'] },
    toolConfig: { tools: [{ systemTool: { name: 'nova_grounding' } }] },
  };
  const { body } = build({ top_k: 5, tools: [weather] }, CLAUDE, {}, vendor);
  expect(body).toMatchObject({
    modelId: CLAUDE,
    guardrailConfig: vendor.guardrailConfig,
    performanceConfig: { latency: 'optimized' },
    additionalModelRequestFields: { top_k: 5, anthropic_beta: ['x'] },
  });
  expect(body.toolConfig.tools).toEqual([expect.anything(), { systemTool: { name: 'nova_grounding' } }]);
  expect(body).not.toHaveProperty('model');
});

test('fields that the config leaves out are listed', () => {
  const { body, dropped } = build({ temperature: 0.5, tools: [weather] }, CLAUDE, { drop: ['temperature', 'seed'] });
  expect([body.inferenceConfig, dropped]).toEqual([undefined, ['temperature']]);
});
