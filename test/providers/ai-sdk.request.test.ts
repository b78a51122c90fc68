// A chat request in the words of the AI SDK's specification, version by version: each field taken, refused by name or listed as left
// out. That real packages take it, and what they make of it, is in ai-sdk.vendors.test.ts.
import type { LanguageModelV2Prompt, LanguageModelV3Prompt, LanguageModelV4CallOptions } from '@ai-sdk/provider';
import { expect, test } from 'vitest';
import type { ChatRequest } from '../../src/core/chat.ts';
import type { SpecVersion } from '../../src/providers/ai-sdk/prompt.ts';
import { aiSdkRequest } from '../../src/providers/ai-sdk/request.ts';
import { refusalOf } from '../support/upstream.ts';

const messages: ChatRequest['messages'] = [{ role: 'user', content: 'Hi' }];
const prompt = [{ role: 'user', content: [{ type: 'text', text: 'Hi' }] }];

interface Settings {
  version?: SpecVersion;
  drop?: string[];
  vendor?: Record<string, unknown>;
}

function translate(request: object, { version = 'v4', drop = [], vendor }: Settings = {}) {
  const target = { model: 'm-1', version, provider: 'maker.chat' };
  const chat = { model: 'alias', messages, ...request } as ChatRequest;
  const { body, dropped } = aiSdkRequest(chat, target, drop, vendor);
  const { model, ...options } = body as Record<string, unknown>;
  expect(model).toBe('m-1');
  return { options, dropped };
}

const refusal = (request: object, settings?: Settings) => refusalOf('ai-sdk', () => translate(request, settings));

const VERSIONS: SpecVersion[] = ['v2', 'v3', 'v4'];

// ---- settings -------------------------------------------------------------------------------------------------------

test('without settings there is only the prompt', () => {
  expect(translate({})).toEqual({ options: { prompt }, dropped: [] });
});

const schema = { type: 'object', properties: { a: { type: 'string' } } };
const tool = { type: 'function', function: { name: 'f', description: 'does', parameters: schema } };
const toolOption = { type: 'function', name: 'f', description: 'does', inputSchema: schema };

test.each<[field: string, request: object, options: Partial<LanguageModelV4CallOptions>]>([
  ['temperature', { temperature: 0 }, { temperature: 0 }],
  ['top_p', { top_p: 0.5 }, { topP: 0.5 }],
  ['top_k', { top_k: 4 }, { topK: 4 }],
  ['presence_penalty', { presence_penalty: -1 }, { presencePenalty: -1 }],
  ['frequency_penalty', { frequency_penalty: 1 }, { frequencyPenalty: 1 }],
  ['seed', { seed: 7 }, { seed: 7 }],
  ['max_tokens', { max_tokens: 9 }, { maxOutputTokens: 9 }],
  ['max_completion_tokens over max_tokens', { max_tokens: 9, max_completion_tokens: 5 }, { maxOutputTokens: 5 }],
  ['stop', { stop: '\n' }, { stopSequences: ['\n'] }],
  ['stop, several', { stop: ['a', 'b'] }, { stopSequences: ['a', 'b'] }],
  ['response_format text', { response_format: { type: 'text' } }, {}],
  ['response_format json_object', { response_format: { type: 'json_object' } }, { responseFormat: { type: 'json' } }],
  [
    'response_format json_schema',
    { response_format: { type: 'json_schema', json_schema: { name: 's', description: 'd', schema } } },
    { responseFormat: { type: 'json', name: 's', description: 'd', schema: schema as never } },
  ],
  ['tools', { tools: [tool] }, { tools: [toolOption] as never }],
  [
    'tools without parameters',
    { tools: [{ type: 'function', function: { name: 'f' } }] },
    { tools: [{ type: 'function', name: 'f', inputSchema: { type: 'object', properties: {} } }] },
  ],
  ['tools, none', { tools: [] }, {}],
  ['tool_choice none', { tool_choice: 'none' }, { toolChoice: { type: 'none' } }],
  ['tool_choice required', { tool_choice: 'required' }, { toolChoice: { type: 'required' } }],
  [
    'tool_choice by name',
    { tool_choice: { type: 'function', function: { name: 'f' } } },
    { toolChoice: { type: 'tool', toolName: 'f' } },
  ],
  ['nulls', { temperature: null, stop: null, tools: null, seed: null, max_tokens: null }, {}],
  ['what says nothing', { n: 1, logprobs: false, parallel_tool_calls: true, user: null }, {}],
])('%s', (_field, request, options) => {
  for (const version of VERSIONS) {
    expect(translate(request, { version })).toEqual({ options: { prompt, ...options }, dropped: [] });
  }
});

test.each<[wish: object, word: string]>([
  [{ reasoning_effort: 'none' }, 'none'],
  [{ reasoning: { enabled: false } }, 'none'],
  [{ reasoning: { enabled: true } }, 'medium'],
  [{ reasoning_effort: 'xhigh' }, 'xhigh'],
  [{ reasoning: { effort: 'max' } }, 'max'],
  [{ reasoning: { max_tokens: 8192 } }, 'medium'],
])('%j is the effort %s in version 4, and left out before it', (wish, word) => {
  expect(translate(wish)).toEqual({ options: { prompt, reasoning: word }, dropped: [] });
  for (const version of ['v2', 'v3'] as const) {
    expect(translate(wish, { version })).toEqual({ options: { prompt }, dropped: Object.keys(wish) });
  }
});

test('strictness of a tool is kept where the version has a place for it', () => {
  const strict = { tools: [{ ...tool, function: { ...tool.function, strict: true } }] };
  expect(translate(strict, { version: 'v2' })).toEqual({
    options: { prompt, tools: [toolOption] },
    dropped: ['tools.function.strict'],
  });
  for (const version of ['v3', 'v4'] as const) {
    expect(translate(strict, { version }).options.tools).toEqual([{ ...toolOption, strict: true }]);
  }
});

test('hints that the specification has no place for are listed', () => {
  const cache_control = { type: 'ephemeral' };
  const { options, dropped } = translate({
    messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi', cache_control }] }],
    tools: [{ ...tool, cache_control }],
    user: 'u',
    metadata: { a: 'b' },
    logit_bias: { 5: 1 },
    service_tier: 'flex',
    future: 1,
    response_format: { type: 'json_schema', json_schema: { name: 's', schema, strict: true } },
  });
  expect(options).toMatchObject({ prompt, tools: [toolOption] });
  expect(dropped.sort()).toEqual(
    [
      'cache_control',
      'future',
      'logit_bias',
      'metadata',
      'response_format.json_schema.strict',
      'service_tier',
      'user',
    ].sort(),
  );
});

test.each<[param: string, request: object]>([
  ['n', { n: 2 }],
  ['logprobs', { logprobs: true }],
  ['parallel_tool_calls', { parallel_tool_calls: false }],
  ['modalities', { modalities: ['text', 'audio'] }],
  ['tools[1]', { tools: [tool, { type: 'web_search' }] }],
  ['tool_choice', { tool_choice: { type: 'allowed_tools', allowed_tools: {} } }],
  ['response_format.json_schema', { response_format: { type: 'json_schema' } }],
  ['reasoning_effort', { reasoning_effort: 'utmost' }],
])('%s is refused by its name', (param, request) => {
  const error = refusal(request);
  expect(error.param).toBe(param);
  expect(error.message).toContain(param);
});

test('fields that the config drops are left out and listed, also those that would be refused', () => {
  expect(translate({ seed: 1, n: 2, top_p: 0.5 }, { drop: ['seed', 'n', 'absent'] })).toEqual({
    options: { prompt, topP: 0.5 },
    dropped: ['seed', 'n'],
  });
});

test("the client's own fields for this wire are laid over the options", () => {
  const vendor = {
    providerOptions: { maker: { deep: { a: 1 } } },
    tools: [{ type: 'provider', id: 'maker.search', name: 'search', args: {} }],
    seed: 2,
    model: 'another',
  };
  const { options } = translate({ tools: [tool], seed: 1 }, { vendor });
  expect(options).toEqual({
    prompt,
    tools: [toolOption, ...vendor.tools],
    seed: 2,
    providerOptions: vendor.providerOptions,
  });
});

test.each(['prompt', 'headers', 'abortSignal', 'includeRawChunks'])('but not over %s', (field) => {
  expect(refusal({}, { vendor: { [field]: {} } }).param).toBe(`vendor.ai-sdk.${field}`);
});

test('a request is translated without being changed', () => {
  const request = { messages, tools: [tool], stop: ['a'], reasoning_effort: 'low' };
  const before = structuredClone(request);
  translate(request, { vendor: { tools: [{}], providerOptions: {} } });
  expect(request).toEqual(before);
});

// ---- the conversation -----------------------------------------------------------------------------------------------

const call = (id: string, name: string, args: string) => ({
  id,
  type: 'function',
  function: { name, arguments: args },
});

test('a conversation with parallel tool calls', () => {
  const conversation = [
    { role: 'system', content: 'Be brief.' },
    {
      role: 'developer',
      content: [
        { type: 'text', text: 'One.' },
        { type: 'text', text: 'Two.' },
      ],
    },
    { role: 'user', content: 'Weather?' },
    { role: 'assistant', content: 'I look.', tool_calls: [call('a', 'f', '{"x":1}'), call('b', 'g', '')] },
    {
      role: 'tool',
      tool_call_id: 'b',
      content: [
        { type: 'text', text: 'ra' },
        { type: 'text', text: 'in' },
      ],
    },
    { role: 'tool', tool_call_id: 'a', content: '7°' },
    { role: 'user', content: [{ type: 'text', text: 'Thanks' }] },
    { role: 'assistant', refusal: 'No.' },
  ];
  const expected: LanguageModelV2Prompt & LanguageModelV3Prompt = [
    { role: 'system', content: 'Be brief.' },
    { role: 'system', content: 'One.\n\nTwo.' },
    { role: 'user', content: [{ type: 'text', text: 'Weather?' }] },
    {
      role: 'assistant',
      content: [
        { type: 'text', text: 'I look.' },
        { type: 'tool-call', toolCallId: 'a', toolName: 'f', input: { x: 1 } },
        { type: 'tool-call', toolCallId: 'b', toolName: 'g', input: {} },
      ],
    },
    {
      role: 'tool',
      content: [
        { type: 'tool-result', toolCallId: 'b', toolName: 'g', output: { type: 'text', value: 'rain' } },
        { type: 'tool-result', toolCallId: 'a', toolName: 'f', output: { type: 'text', value: '7°' } },
      ],
    },
    { role: 'user', content: [{ type: 'text', text: 'Thanks' }] },
    { role: 'assistant', content: [{ type: 'text', text: 'No.' }] },
  ];
  for (const version of VERSIONS) {
    expect(translate({ messages: conversation }, { version }).options.prompt).toEqual(expected);
  }
});

test('the result of a call that nobody made is refused', () => {
  expect(refusal({ messages: [{ role: 'tool', tool_call_id: 'x', content: '7' }] }).param).toBe(
    'messages[0].tool_call_id',
  );
});

const PIXEL = 'iVBORw0KGgo=';
const image = (url: string, more: object = {}) => ({ type: 'image_url', image_url: { url, ...more } });
const file = (fields: object) => ({ type: 'file', file: fields });
const url = new URL('https://example.com/a');

test.each<[about: string, part: object, v2: object | string, v4: object]>([
  [
    'an image as data',
    image(`data:image/png;base64,${PIXEL}`),
    { mediaType: 'image/png', data: PIXEL },
    { mediaType: 'image/png', data: { type: 'data', data: PIXEL } },
  ],
  [
    'an image by address',
    image('https://example.com/a'),
    { mediaType: 'image/*', data: url },
    { mediaType: 'image', data: { type: 'url', url } },
  ],
  [
    'an image whose address tells its type',
    image('https://example.com/a.png'),
    { mediaType: 'image/png', data: new URL('https://example.com/a.png') },
    { mediaType: 'image/png', data: { type: 'url', url: new URL('https://example.com/a.png') } },
  ],
  [
    'sound',
    { type: 'input_audio', input_audio: { data: 'UklG', format: 'wav' } },
    { mediaType: 'audio/wav', data: 'UklG' },
    { mediaType: 'audio/wav', data: { type: 'data', data: 'UklG' } },
  ],
  [
    'a file as data',
    file({ file_data: 'JVBERg==', filename: 'a.pdf' }),
    { mediaType: 'application/pdf', filename: 'a.pdf', data: 'JVBERg==' },
    { mediaType: 'application/pdf', filename: 'a.pdf', data: { type: 'data', data: 'JVBERg==' } },
  ],
  [
    'a file by address',
    file({ file_url: 'https://example.com/a' }),
    { mediaType: 'application/octet-stream', data: url },
    { mediaType: 'application/octet-stream', data: { type: 'url', url } },
  ],
  [
    'an upload',
    file({ file_id: 'up-1' }),
    'messages[0].content[0]',
    { mediaType: 'application/octet-stream', data: { type: 'reference', reference: { maker: 'up-1' } } },
  ],
])('%s, as each version wants it', (_about, part, old, v4) => {
  const request = { messages: [{ role: 'user', content: [part] }] };
  const partOf = (version: SpecVersion) =>
    (translate(request, { version }).options.prompt as { content: object[] }[])[0]!.content[0];
  for (const version of ['v2', 'v3'] as const) {
    if (typeof old === 'string') expect(refusal(request, { version }).param).toBe(old);
    else expect(partOf(version)).toEqual({ type: 'file', ...old });
  }
  expect(partOf('v4')).toEqual({ type: 'file', ...v4 });
});

test('how closely to look at an image is a hint', () => {
  const looked = (detail: string) =>
    translate({ messages: [{ role: 'user', content: [image('https://example.com/a', { detail })] }] }).dropped;
  expect(looked('high')).toEqual(['image_url.detail']);
  expect(looked('auto')).toEqual([]);
});

test.each<[version: SpecVersion, data: object, address: object | undefined]>([
  ['v2', { type: 'media', data: PIXEL, mediaType: 'image/png' }, undefined],
  [
    'v3',
    { type: 'image-data', data: PIXEL, mediaType: 'image/png' },
    { type: 'image-url', url: 'https://example.com/a' },
  ],
  [
    'v4',
    { type: 'file', data: { type: 'data', data: PIXEL }, mediaType: 'image/png' },
    { type: 'file', data: { type: 'url', url }, mediaType: 'image' },
  ],
])('an image in the result of a tool, as %s wants it', (version, data, address) => {
  const request = (source: string) => ({
    messages: [
      { role: 'assistant', tool_calls: [call('a', 'f', '{}')] },
      { role: 'tool', tool_call_id: 'a', content: [{ type: 'text', text: 'See:' }, image(source)] },
    ],
  });
  const outputOf = (source: string) => {
    const { prompt } = translate(request(source), { version }).options as { prompt: any[] };
    return prompt[1].content[0].output;
  };
  const whole = { type: 'content', value: [{ type: 'text', text: 'See:' }, data] };
  expect(outputOf(`data:image/png;base64,${PIXEL}`)).toEqual(whole);
  if (address) expect(outputOf('https://example.com/a').value[1]).toEqual(address);
  else expect(refusal(request('https://example.com/a'), { version }).param).toBe('messages[1].content[1]');
});

// ---- what packages want back ----------------------------------------------------------------------------------------

const mine = (fields: object) => ({ format: 'ai-sdk', ...fields });
const thought = mine({ type: 'reasoning.text', text: 'Hm.', signature: '{"maker":{"s":1}}' });

function assistant(details: object[], more: object = {}) {
  const message = { role: 'assistant', content: 'Hi', reasoning_details: details, ...more };
  const { options, dropped } = translate({ messages: [message] });
  return { parts: (options.prompt as { content: object[] }[])[0]!.content, dropped };
}

test('reasoning goes first, with what the package said of it', () => {
  const plain = mine({ type: 'reasoning.text', text: 'So.' });
  expect(assistant([thought, plain])).toEqual({
    parts: [
      { type: 'reasoning', text: 'Hm.', providerOptions: { maker: { s: 1 } } },
      { type: 'reasoning', text: 'So.' },
      { type: 'text', text: 'Hi' },
    ],
    dropped: [],
  });
});

test('what the package said of a call, and of the text, goes back on them', () => {
  const ofCall = mine({ type: 'reasoning.encrypted', id: 'b', data: '{"maker":{"c":1}}' });
  const ofText = mine({ type: 'reasoning.encrypted', data: '{"maker":{"t":1}}' });
  const tool_calls = [call('a', 'f', '{}'), call('b', 'f', '{}')];
  expect(assistant([ofCall, ofText], { tool_calls })).toEqual({
    parts: [
      { type: 'text', text: 'Hi', providerOptions: { maker: { t: 1 } } },
      { type: 'tool-call', toolCallId: 'a', toolName: 'f', input: {} },
      { type: 'tool-call', toolCallId: 'b', toolName: 'f', input: {}, providerOptions: { maker: { c: 1 } } },
    ],
    dropped: [],
  });
});

test.each<[about: string, details: object[]]>([
  ['of another wire', [{ type: 'reasoning.text', text: 'x', format: 'anthropic-claude-v1' }]],
  ['of a call that is not there', [mine({ type: 'reasoning.encrypted', id: 'gone', data: '{}' })]],
  ['of several texts', [1, 2].map((t) => mine({ type: 'reasoning.encrypted', data: `{"maker":{"t":${t}}}` }))],
  ['of a kind that this wire never makes', [mine({ type: 'reasoning.summary', summary: 'x' })]],
])('details %s are left out and listed', (_about, details) => {
  expect(assistant(details)).toEqual({ parts: [{ type: 'text', text: 'Hi' }], dropped: ['reasoning_details'] });
});

test.each(['{"maker":', '7', 'null'])('a signature that was changed (%s) is refused', (signature) => {
  const message = { role: 'assistant', content: 'Hi', reasoning_details: [{ ...thought, signature }] };
  expect(refusal({ messages: [message] }).param).toBe('messages[0].reasoning_details[0].signature');
});
