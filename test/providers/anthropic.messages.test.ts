// A conversation in the words of the Messages wire: who says what in which order, what media become, what is marked for the cache,
// and what cannot be said. The other fields of a request are in anthropic.request.test.ts.
import { describe, expect, test } from 'vitest';
import type { ChatRequest } from '../../src/core/chat.ts';
import type { StreamEvent } from '../../src/core/events.ts';
import { createAnthropicDecoder } from '../../src/providers/anthropic/decode.ts';
import { anthropicRequest } from '../../src/providers/anthropic/request.ts';

const CURRENT = 'claude-opus-5-5'; // takes system messages anywhere, and no prefill
const OLD = 'claude-haiku-4-5'; // the other way round

function ask(messages: object[], model = CURRENT, more: object = {}) {
  const { body, dropped } = anthropicRequest({}, { model: 'alias', messages, ...more } as ChatRequest, model);
  const { system, messages: sent } = body as { system?: unknown; messages: { role: string; content: any[] }[] };
  return { system, messages: sent, dropped };
}

const user = (content: unknown) => ({ role: 'user', content });
const assistant = (content: unknown) => ({ role: 'assistant', content });
const system = (content: unknown) => ({ role: 'system', content });
const text = (text: string) => ({ type: 'text', text });
const call = (id: string, args = '{}') => ({ id, type: 'function', function: { name: 'look', arguments: args } });
const calling = (...ids: string[]) => ({ role: 'assistant', content: null, tool_calls: ids.map((id) => call(id)) });
const result = (tool_call_id: string, content: unknown = 'seen') => ({ role: 'tool', tool_call_id, content });

/** `user: a | assistant: b`: roles and what stands in the blocks, as far as these tests need it. */
function shape(messages: { role: string; content: any[] }[]): string {
  const word = (block: any) =>
    block.text ?? block.name ?? block.tool_use_id ?? block.thinking ?? block.data ?? block.type;
  return messages.map(({ role, content }) => `${role}: ${content.map(word).join(', ')}`).join(' | ');
}

// ---- turns ----------------------------------------------------------------------------------------------------------

test.each<[about: string, messages: object[], shape: string]>([
  [
    'neighbours of one role become one turn',
    [user('a'), user('b'), assistant('c'), assistant('d'), user('e')],
    'user: a, b | assistant: c, d | user: e',
  ],
  [
    'results and what is said to them are one turn',
    [user('a'), calling('c1', 'c2'), result('c1'), result('c2'), user('b')],
    'user: a | assistant: look, look | user: c1, c2, b',
  ],
  [
    'results come first, whatever came in between',
    [user('a'), calling('c1', 'c2'), result('c1'), user('b'), result('c2')],
    'user: a | assistant: look, look | user: c1, c2, b',
  ],
  ['the assistant may begin', [assistant('Hello.'), user('a')], 'assistant: Hello. | user: a'],
  [
    'empty words of the assistant are none',
    [user('a'), assistant(' \n'), assistant([text('')]), user('b')],
    'user: a, b',
  ],
  ['nor are empty words beside others', [user([text('a'), text(' '), text('b')])], 'user: a, b'],
  [
    'nor beside a call',
    [user('a'), { ...calling('c1'), content: '' }, result('c1')],
    'user: a | assistant: look | user: c1',
  ],
  [
    'a refusal is what the assistant said',
    [user('a'), { ...assistant(null), refusal: 'No.' }, user('b')],
    'user: a | assistant: No. | user: b',
  ],
])('%s', (_about, messages, expected) => {
  const sent = ask(messages);
  expect(shape(sent.messages)).toBe(expected);
  expect(sent.dropped).toEqual([]);
});

describe('system messages', () => {
  const [late, early] = [CURRENT, OLD];
  test.each<[about: string, model: string, messages: object[], system: unknown, shape: string]>([
    ['go in front', late, [system('s'), user('a')], 's', 'user: a'],
    [
      'keep their order',
      late,
      [system('s'), { role: 'developer', content: 't' }, user('a')],
      [text('s'), text('t')],
      'user: a',
    ],
    ['of nothing are none', late, [system(' '), user('a')], undefined, 'user: a'],
    [
      'stay where they were said',
      late,
      [system('s'), user('a'), system('t'), assistant('b'), user('c')],
      's',
      'user: a | system: t | assistant: b | user: c',
    ],
    [
      'stay at the end',
      late,
      [user('a'), assistant('b'), user('c'), system('t'), system('u')],
      undefined,
      'user: a | assistant: b | user: c | system: t, u',
    ],
    [
      'wait for the user',
      late,
      [user('a'), assistant('b'), system('t'), user('c')],
      undefined,
      'user: a | assistant: b | user: c | system: t',
    ],
    [
      'wait for the results',
      late,
      [user('a'), calling('c1'), system('t'), result('c1')],
      undefined,
      'user: a | assistant: look | user: c1 | system: t',
    ],
    [
      'stand behind all that the user says',
      late,
      [user('a'), system('t'), user('b')],
      undefined,
      'user: a, b | system: t',
    ],
    [
      'go in front where the model takes no others',
      early,
      [system('s'), user('a'), system('t'), assistant('b'), user('c')],
      [text('s'), text('t')],
      'user: a | assistant: b | user: c',
    ],
  ])('%s', (_about, model, messages, expected, turns) => {
    const sent = ask(messages, model);
    expect(sent.system).toEqual(expected);
    expect(shape(sent.messages)).toBe(turns);
  });
});

describe('a conversation that ends with the assistant', () => {
  test('is refused by models that would answer it with an error', () => {
    expect(() => ask([user('a'), assistant('b')])).toThrow(
      expect.objectContaining({
        code: 'invalid_request',
        param: 'messages[1]',
        message: expect.stringContaining('anthropic'),
      }),
    );
  });

  test('is gone on with by models that can, from its last letter', () => {
    const { messages } = ask([user('a'), assistant('{"a": \n')], OLD);
    expect(messages.at(-1)).toEqual({ role: 'assistant', content: [text('{"a":')] });
  });

  test('is gone on with without thinking, which excludes it', () => {
    const { dropped } = ask([user('a'), assistant('b')], OLD, { reasoning_effort: 'low' });
    expect(dropped).toEqual(['reasoning_effort']);
  });

  test('is none if the assistant said nothing', () => {
    expect(shape(ask([user('a'), assistant('')]).messages)).toBe('user: a');
  });
});

test.each<[param: string, messages: object[]]>([
  ['messages[0]', [user('')]],
  ['messages[2].content[0]', [user('a'), assistant('b'), user([text(' ')])]],
  ['messages', [system('only this')]],
  ['messages[0].content[0]', [user([{ type: 'input_audio', input_audio: { data: 'AAAA', format: 'wav' } }])]],
  ['messages[0].content[0]', [user([{ type: 'image_url', image_url: { url: 'data:image/svg+xml;base64,AAAA' } }])]],
  ['messages[0].content[0]', [user([{ type: 'image_url', image_url: { url: 'gs://bucket/a.png' } }])]],
  ['messages[0].content[0]', [user([{ type: 'file', file: { file_url: 'https://example.com/a.docx' } }])]],
  [
    'messages[1].content[0]',
    [user('a'), assistant([{ type: 'image_url', image_url: { url: 'https://example.com/a.png' } }]), user('b')],
  ],
  [
    'messages[0].content[0]',
    [system([{ type: 'image_url', image_url: { url: 'https://example.com/a.png' } }]), user('a')],
  ],
  [
    'messages[1].tool_calls[0].function.arguments',
    [user('a'), { ...calling('c'), tool_calls: [call('c', '[1]')] }, result('c')],
  ],
  ['messages[0].role', [{ role: 'function', name: 'f', content: 'x' }, user('a')]],
])('%s of %j is refused by name', (param, messages) => {
  expect(() => ask(messages)).toThrow(
    expect.objectContaining({ code: 'invalid_request', param, message: expect.stringContaining('"anthropic"') }),
  );
});

// ---- blocks ---------------------------------------------------------------------------------------------------------

test('ids of other providers are put into letters that this one takes, alike in call and result', () => {
  const { messages } = ask([
    user('a'),
    calling('functions.look:0', 'toolu_ok-1'),
    result('functions.look:0'),
    result('toolu_ok-1'),
  ]);
  const [first, second] = messages[1]!.content;
  expect(first.id).toMatch(/^[\w-]+$/);
  expect(second.id).toBe('toolu_ok-1');
  expect(messages[2]!.content.map(({ tool_use_id }) => tool_use_id)).toEqual([first.id, second.id]);
});

test('a result may be a picture, a failure, or nothing', () => {
  const picture = { type: 'image_url', image_url: { url: 'https://example.com/a.png' } };
  const { messages } = ask([
    user('a'),
    calling('c1', 'c2', 'c3'),
    result('c1', [text('Here:'), picture]),
    { ...result('c2', 'broken'), is_error: true },
    result('c3', ''),
  ]);
  expect(messages[2]!.content).toEqual([
    {
      type: 'tool_result',
      tool_use_id: 'c1',
      content: [text('Here:'), { type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } }],
    },
    { type: 'tool_result', tool_use_id: 'c2', content: [text('broken')], is_error: true },
    { type: 'tool_result', tool_use_id: 'c3' },
  ]);
});

test.each<[about: string, part: object, block: object]>([
  [
    'a picture among files',
    { type: 'file', file: { file_data: 'AAAA', filename: 'a.WEBP' } },
    { type: 'image', source: { type: 'base64', media_type: 'image/webp', data: 'AAAA' } },
  ],
  [
    'an uploaded picture',
    { type: 'file', file: { file_id: 'file_1', filename: 'a.png' } },
    { type: 'image', source: { type: 'file', file_id: 'file_1' } },
  ],
  [
    'an address that does not say what it is',
    { type: 'file', file: { file_url: 'https://example.com/get?id=1' } },
    { type: 'document', source: { type: 'url', url: 'https://example.com/get?id=1' } },
  ],
  [
    'JSON',
    { type: 'file', file: { file_data: 'data:application/json,%7B%7D', filename: 'a.json' } },
    { type: 'document', source: { type: 'text', media_type: 'text/plain', data: '{}' }, title: 'a.json' },
  ],
])('%s', (_about, part, block) => {
  expect(ask([user([part])]).messages[0]!.content).toEqual([block]);
});

test("how closely to look at a picture is no one's to say here", () => {
  const look = (detail: string) =>
    user([{ type: 'image_url', image_url: { url: 'https://example.com/a.png', detail } }]);
  expect(ask([look('high')]).dropped).toEqual(['image_url.detail']);
  expect(ask([look('auto')]).dropped).toEqual([]);
});

// ---- cache marks ----------------------------------------------------------------------------------------------------

const cache_control = { type: 'ephemeral' };
const marked = (content: string) => [{ ...text(content), cache_control }];

function marks({ messages, system }: ReturnType<typeof ask>): string[] {
  const blocks = [...((system ?? []) as any[]), ...messages.flatMap(({ content }) => content)];
  return blocks.filter((block) => block.cache_control).map((block) => block.text ?? block.name ?? block.tool_use_id);
}

test('marks stay where they were made; on a message they are on its end', () => {
  const sent = ask([
    system(marked('s')),
    { ...user([text('a'), text('b')]), cache_control: { type: 'ephemeral', ttl: '1h' } },
    { ...calling('c1'), cache_control },
    result('c1', [{ ...text('seen'), cache_control }]),
  ]);
  expect(marks(sent)).toEqual(['s', 'b', 'look', 'c1']);
  expect(sent.messages[0]!.content[1].cache_control).toEqual({ type: 'ephemeral', ttl: '1h' });
  expect(sent.messages[2]!.content[0].content).toEqual([text('seen')]);
  expect(sent.dropped).toEqual([]);
});

test('of more than four marks the first and the last three stay', () => {
  const sent = ask([system(marked('s')), ...'abcde'.split('').map((letter) => user(marked(letter)))]);
  expect(marks(sent)).toEqual(['s', 'c', 'd', 'e']);
  expect(sent.dropped).toEqual(['cache_control']);
});

test('the marks of tools count, and so does that of the whole request', () => {
  const tool = { type: 'function', function: { name: 'look' }, cache_control };
  const messages = 'abc'.split('').map((letter) => user(marked(letter)));
  expect(marks(ask(messages, CURRENT, { tools: [tool] }))).toEqual(['a', 'b', 'c']);
  const { body } = anthropicRequest({}, { model: 'm', messages, tools: [tool], cache_control } as ChatRequest, CURRENT);
  expect(body).toMatchObject({ cache_control, tools: [{ cache_control }] });
  expect(JSON.stringify(body).match(/cache_control/g)).toHaveLength(4);
});

// ---- reasoning ------------------------------------------------------------------------------------------------------

test("others' reasoning, and what is not signed, stays behind", () => {
  const reasoning_details = [
    { type: 'reasoning.text', text: 'x', signature: 's', format: 'google-gemini-v1' },
    { type: 'reasoning.text', text: 'y', format: 'anthropic-claude-v1' },
  ];
  const sent = ask([user('a'), { ...assistant('b'), reasoning_details }, user('c')]);
  expect(shape(sent.messages)).toBe('user: a | assistant: b | user: c');
  expect(sent.dropped).toEqual(['reasoning_details']);
  const alone = ask([user('a'), { ...assistant(''), reasoning_details }, user('c')]);
  expect(alone.messages.map(({ role }) => role)).toEqual(['user', 'user']);
});

test('what was streamed goes back block by block in the order in which it came', () => {
  const blocks = [
    { type: 'thinking', thinking: 'First.', signature: 'c2lnMQ==' },
    { type: 'redacted_thinking', data: 'ZW5j' },
    { type: 'text', text: 'I look twice.' },
    { type: 'thinking', thinking: '', signature: 'c2lnMg==' },
    { type: 'tool_use', id: 'toolu_1', name: 'look', input: { at: 1 } },
    { type: 'thinking', thinking: 'And now the other.', signature: 'c2lnMw==' },
    { type: 'tool_use', id: 'toolu_2', name: 'look', input: {} },
  ];
  const message = { role: 'assistant', content: '', reasoning_details: [] as object[], tool_calls: [] as object[] };
  for (const event of stream(blocks)) {
    if (event.type === 'token') message.content += event.text;
    if (event.type === 'reasoning-detail') message.reasoning_details.push(event.detail);
    if (event.type === 'tool-call' && 'arguments' in event.call)
      message.tool_calls.push(call(event.call.id, JSON.stringify(event.call.arguments)));
  }
  const { messages, dropped } = ask([user('a'), message, result('toolu_1'), result('toolu_2')]);
  expect(messages[1]).toEqual({ role: 'assistant', content: blocks });
  expect(dropped).toEqual([]);
});

/** As the API would stream these blocks. */
function stream(blocks: any[]): StreamEvent[] {
  const frames = blocks.flatMap((block, index) => {
    const delta = (fields: object) => ({ type: 'content_block_delta', index, delta: fields });
    const { type } = block;
    const opened = { text: { text: '' }, thinking: { thinking: '', signature: '' }, tool_use: { input: {} } }[
      type as 'text'
    ];
    return [
      { type: 'content_block_start', index, content_block: { ...block, ...opened } },
      ...(type === 'text' ? [delta({ type: 'text_delta', text: block.text })] : []),
      ...(block.thinking ? [delta({ type: 'thinking_delta', thinking: block.thinking })] : []),
      ...(block.signature ? [delta({ type: 'signature_delta', signature: block.signature })] : []),
      ...(type === 'tool_use' ? [delta({ type: 'input_json_delta', partial_json: JSON.stringify(block.input) })] : []),
      { type: 'content_block_stop', index },
    ];
  });
  frames.push(
    { type: 'message_delta', delta: { stop_reason: 'tool_use' } } as never,
    { type: 'message_stop' } as never,
  );
  const events: StreamEvent[] = [];
  const decoder = createAnthropicDecoder({ emit: (event) => void events.push(event), choices: 1 });
  for (const frame of frames) decoder.push(Buffer.from(`event: ${frame.type}\ndata: ${JSON.stringify(frame)}\n\n`));
  expect(events.at(-1)).toEqual({ type: 'done', finishReason: 'tool-calls' });
  return events;
}
