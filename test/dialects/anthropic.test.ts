// The Anthropic front door without sockets: its frames byte for byte, blocks in a legal order whatever the order of events, raw frames
// handed on, requests translated, thoughts of other vendors there and back.
import { describe, expect, test } from 'vitest';
import type { StreamMeta } from '../../src/core/contracts.ts';
import { GatewayError } from '../../src/core/errors.ts';
import type { Ending, FinishReason, ReasoningDetail, StreamEvent } from '../../src/core/events.ts';
import { CLIENT_NAMES } from '../../src/core/origin.ts';
import { anthropic } from '../../src/dialects/anthropic/door.ts';

const meta: StreamMeta = { streamId: 'str_1', model: 'fast', provider: 'p', created: 1, dropped: [] };
const call = { rest: '', query: {}, headers: {} };
const summary = {
  usage: {
    input_tokens: 100,
    output_tokens: 20,
    cached_input_tokens: 60,
    cache_write_input_tokens: 30,
    reasoning_tokens: 5,
    estimated: false,
  },
  cost_usd: null,
  model: 'fast',
  provider: 'p',
  attempts: 1,
  timing: { first_token_ms: 1, total_ms: 2 },
};
const done = (finishReason: FinishReason): Ending => ({ type: 'done', finishReason, ...summary });
const failed = (error: GatewayError): Ending => ({ type: 'error', error, ...summary });

function encode(events: StreamEvent[], ending: Ending): string {
  const encoder = anthropic.encoder({});
  return encoder.start(meta) + events.map((event) => encoder.event(event)).join('') + encoder.end(ending);
}

type Json = Record<string, any>;

function framesOf(text: string): Json[] {
  return text.split('\n').flatMap((line) => (line.startsWith('data: ') ? [JSON.parse(line.slice(6))] : []));
}

/** The message that a client has at the end; throws where blocks overlap. */
function read(events: StreamEvent[], ending = done('stop')): Json[] {
  const blocks: Json[] = [];
  let open: number | undefined;
  for (const { type, index, content_block, delta } of framesOf(encode(events, ending))) {
    if (type === 'content_block_start') {
      expect([open, index]).toEqual([undefined, blocks.length]);
      open = index;
      blocks.push({ ...content_block, ...('input' in content_block && { input: '' }) });
    } else if (type === 'content_block_delta') {
      expect(index).toBe(open);
      const block = blocks[index]!;
      if (delta.type === 'text_delta') block.text += delta.text;
      if (delta.type === 'thinking_delta') block.thinking += delta.thinking;
      if (delta.type === 'input_json_delta') block.input += delta.partial_json;
      if (delta.type === 'signature_delta') block.signature = delta.signature;
    } else if (type === 'content_block_stop') {
      expect(index).toBe(open);
      open = undefined;
    }
  }
  expect(open).toBeUndefined();
  return blocks.map(({ caller: _, ...block }) => block);
}

function collect(events: StreamEvent[], ending = done('stop')): Json {
  const collector = anthropic.collector({});
  for (const event of events) collector.event(event);
  return collector.result(ending as Ending & { type: 'done' }, meta) as Json;
}

const token = (text: string): StreamEvent => ({ type: 'token', text });
const thought = (text: string): StreamEvent => ({ type: 'reasoning', text });
const detail = (detail: ReasoningDetail): StreamEvent => ({ type: 'reasoning-detail', detail });
const piece = (index: number, args: string, begins = false): StreamEvent => ({
  type: 'tool-call-delta',
  index,
  ...(begins && { id: `c${index}`, name: `f${index}` }),
  arguments: args,
});
const given = (index: number, args: unknown): StreamEvent => ({
  type: 'tool-call',
  call: { index, id: `c${index}`, name: `f${index}`, arguments: args },
});

test('an answer with a thought, text and a call, byte for byte', () => {
  const events = [
    thought('Hm'),
    detail({ type: 'reasoning.text', format: 'anthropic-claude-v1', text: 'Hm', signature: 'c2ln' }),
    token('Hi'),
    token(' "you"'),
    piece(0, '', true),
    piece(0, '{"a":1}'),
    given(0, { a: 1 }),
  ];
  const usage =
    '{"input_tokens":10,"cache_creation_input_tokens":30,"cache_read_input_tokens":60,"output_tokens":20,"output_tokens_details":{"thinking_tokens":5}}';
  const bodies = [
    '{"type":"message_start","message":{"id":"msg_str_1","type":"message","role":"assistant","model":"fast","content":[],"stop_reason":null,"stop_sequence":null,"stop_details":null,"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}}',
    '{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}',
    '{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Hm"}}',
    '{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"c2ln"}}',
    '{"type":"content_block_stop","index":0}',
    '{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}',
    '{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Hi"}}',
    '{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":" \\"you\\""}}',
    '{"type":"content_block_stop","index":1}',
    '{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"c0","name":"f0","input":{},"caller":{"type":"direct"}}}',
    '{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\\"a\\":1}"}}',
    '{"type":"content_block_stop","index":2}',
    `{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null,"stop_details":null},"usage":${usage}}`,
    '{"type":"message_stop"}',
  ];
  const expected = bodies
    .map((body, at) => `id: ${at + 1}\nevent: ${JSON.parse(body).type}\ndata: ${body}\n\n`)
    .join('');
  expect(encode(events, done('tool-calls'))).toBe(expected);
  expect(collect(events, done('tool-calls'))).toEqual({
    id: 'msg_str_1',
    type: 'message',
    role: 'assistant',
    model: 'fast',
    content: [
      { type: 'thinking', thinking: 'Hm', signature: 'c2ln' },
      { type: 'text', text: 'Hi "you"' },
      { type: 'tool_use', id: 'c0', name: 'f0', input: { a: 1 }, caller: { type: 'direct' } },
    ],
    stop_reason: 'tool_use',
    stop_sequence: null,
    stop_details: null,
    usage: JSON.parse(usage),
  });
});

test.each<[FinishReason, string]>([
  ['stop', 'end_turn'],
  ['length', 'max_tokens'],
  ['tool-calls', 'tool_use'],
  ['content-filter', 'refusal'],
  ['cancelled', 'end_turn'],
  ['budget', 'max_tokens'],
  ['other', 'end_turn'],
])('%s is %s, also of an answer without content', (finish, reason) => {
  expect(framesOf(encode([], done(finish))).map(({ type }) => type)).toEqual([
    'message_start',
    'message_delta',
    'message_stop',
  ]);
  expect(collect([], done(finish))).toMatchObject({ content: [], stop_reason: reason });
});

describe('blocks follow each other', () => {
  test('text, thoughts and calls in turns', () => {
    const events = [token('a'), thought('b'), token('c'), token('d'), piece(0, '{}', true), given(0, {}), token('e')];
    expect(read(events).map(({ type, text, thinking, input }) => [type, text ?? thinking ?? input])).toEqual([
      ['text', 'a'],
      ['thinking', 'b'],
      ['text', 'cd'],
      ['tool_use', '{}'],
      ['text', 'e'],
    ]);
  });

  test('pieces of parallel calls that come in turns are sorted; what can stream does', () => {
    const events = [
      piece(0, '', true),
      piece(1, '', true),
      piece(0, '{"x":'),
      piece(1, '{"y":'),
      token('late'),
      piece(0, '1}'),
      piece(1, '2}'),
      given(0, { x: 1 }),
      given(1, { y: 2 }),
    ];
    expect(read(events)).toEqual([
      { type: 'tool_use', id: 'c0', name: 'f0', input: '{"x":1}' },
      { type: 'tool_use', id: 'c1', name: 'f1', input: '{"y":2}' },
      { type: 'text', text: 'late' },
    ]);
    const encoder = anthropic.encoder({});
    encoder.start(meta);
    encoder.event(piece(0, '{"x":1}', true));
    expect(encoder.event(piece(1, '{"y"', true))).toContain('"partial_json":"{\\"y\\""'); // the first is whole: no wait
  });

  test('a call that was cut, or came without pieces, or without arguments', () => {
    const calls = (events: StreamEvent[]) => read(events, done('length')).map(({ id, input }) => [id, input]);
    expect(calls([piece(0, '{"x', true), piece(1, '{}', true)])).toEqual([
      ['c0', '{"x'],
      ['c1', '{}'],
    ]);
    expect(calls([given(0, { x: 1 })])).toEqual([['c0', '{"x":1}']]);
    expect(calls([piece(0, '', true), piece(1, '', true), given(0, {}), given(1, {})])).toEqual([
      ['c0', ''],
      ['c1', ''],
    ]);
    expect(collect([piece(0, '{"x', true)]).content).toMatchObject([{ input: { INVALID_JSON: '{"x' } }]);
  });

  test('other alternatives than the first are not said', () => {
    expect(read([token('a'), { type: 'token', text: 'b', choice: 1 }, token('c')])).toEqual([
      { type: 'text', text: 'ac' },
    ]);
  });
});

describe('reasoning of other vendors goes there and back', () => {
  const own = { format: 'anthropic-claude-v1', type: 'reasoning.encrypted', data: 'b3Bh' } as const;
  const summaryOf = { format: 'openai-responses-v1', type: 'reasoning.summary', summary: 'Hm', id: 'rs_1' } as const;
  const sealed = { format: 'openai-responses-v1', type: 'reasoning.encrypted', data: 'xyz', id: 'rs_1' } as const;
  const ofCall = { format: 'google-gemini-v1', type: 'reasoning.encrypted', data: 'abc', id: 'c0' } as const;

  function back(content: Json[]): Json {
    const body = { model: 'm', max_tokens: 9, messages: [{ role: 'assistant', content }] };
    return anthropic.parse(body, call).chat.messages[0]!;
  }
  function returned(events: StreamEvent[]): Json {
    const whole = collect(events).content;
    const streamed = read(events).map((block) =>
      block.type === 'tool_use' ? { ...block, input: JSON.parse(block.input || '{}') } : block,
    );
    expect(back(streamed)).toEqual(back(whole));
    return back(whole);
  }

  test('details of one thought are its signature, in order', () => {
    const events = [thought('Hm'), detail(summaryOf), detail(sealed), token('Hi')];
    const [block, text] = read(events);
    expect(block).toEqual({ type: 'thinking', thinking: 'Hm', signature: expect.stringMatching(/^millrace:[\w-]+$/) });
    expect(text).toEqual({ type: 'text', text: 'Hi' });
    expect(returned(events)).toEqual({ role: 'assistant', content: 'Hi', reasoning_details: [summaryOf, sealed] });
  });

  test('what has no visible thought is a block of its own, also between text and a call', () => {
    const events = [token('Hi'), detail(ofCall), piece(0, '{}', true), given(0, {})];
    expect(read(events).map(({ type }) => type)).toEqual(['text', 'redacted_thinking', 'tool_use']);
    expect(returned(events)).toMatchObject({ content: 'Hi', reasoning_details: [ofCall], tool_calls: [{ id: 'c0' }] });
    expect(read([token('Hi'), detail(ofCall)]).map(({ type }) => type)).toEqual(['text', 'redacted_thinking']);
  });

  test("the vendor's own are blocks as they are, and know again what stood in front of them", () => {
    const signed = { format: 'anthropic-claude-v1', type: 'reasoning.text', text: 'b', signature: 'c2ln' } as const;
    const events = [
      detail(own),
      token('a'),
      thought('b'),
      detail(signed),
      piece(0, '{}', true),
      given(0, {}),
      detail(own),
    ];
    expect(read(events)).toEqual([
      { type: 'redacted_thinking', data: 'b3Bh' },
      { type: 'text', text: 'a' },
      { type: 'thinking', thinking: 'b', signature: 'c2ln' },
      { type: 'tool_use', id: 'c0', name: 'f0', input: '{}' },
      { type: 'redacted_thinking', data: 'b3Bh' },
    ]);
    expect(returned(events).reasoning_details).toEqual([own, { ...signed, id: 'text' }, { ...own, id: 'c0' }]);
  });

  test('signed text that comes when its block is closed is not shown twice', () => {
    const signed = { format: 'anthropic-claude-v1', type: 'reasoning.text', text: 'b', signature: 'c2ln' } as const;
    const events = [thought('b'), token('a'), detail(signed)];
    expect(read(events).map(({ type }) => type)).toEqual(['thinking', 'text', 'redacted_thinking']);
    expect(returned(events).reasoning_details).toEqual([signed]);
  });

  test('unsigned thoughts come back beside the calls that they led to', () => {
    const events = [thought('Hm'), piece(0, '{}', true), given(0, {})];
    expect(returned(events)).toMatchObject({ reasoning_content: 'Hm', tool_calls: [{ id: 'c0' }] });
    expect(returned([thought('Hm'), token('Hi')])).toEqual({ role: 'assistant', content: 'Hi' });
  });

  test('the vendor itself is not sent those of others, nor a message that held nothing else', () => {
    const [foreign] = read([thought('Hm'), detail(sealed)]);
    const native = { type: 'thinking', thinking: 'x', signature: 'c2ln' };
    const messages = [
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: [foreign] },
      { role: 'assistant', content: [foreign, native, { type: 'text', text: 'a' }] },
    ];
    expect(anthropic.parse({ model: 'm', messages, brand_new: 1 }, call).verbatim!.body).toEqual({
      model: 'm',
      brand_new: 1,
      messages: [messages[0], { role: 'assistant', content: [native, { type: 'text', text: 'a' }] }],
    });
  });

  test('a signature that a client has spoilt says nothing', () => {
    const content = [
      { type: 'thinking', thinking: 'x', signature: 'millrace:!!' },
      { type: 'redacted_thinking', data: `millrace:${Buffer.from('[{"type":1},null]').toString('base64url')}` },
      { type: 'text', text: 'Hi' },
    ];
    expect(back(content)).toEqual({ role: 'assistant', content: 'Hi' });
  });
});

describe('frames of the same wire', () => {
  const raws = [
    '{"type":"message_start","message":{"id":"msg_9","model":"up","content":[],"usage":{"input_tokens":3,"output_tokens":1,"service_tier":"standard"}}}',
    '{"type": "ping"}',
    '{"type":"content_block_start","index":0,"content_block":{"type":"server_tool_use","id":"s","name":"web_search","input":{}}}',
    '{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\\"q\\":1}"}}',
    '{"type":"content_block_stop","index":0}',
    '{"index":1,"type":"content_block_start","content_block":{"type":"text","text":""}}',
    '{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Hi"}}',
    '{"type":"content_block_delta","index":1,"delta":{"type":"citations_delta","citation":{"url":"u"}}}',
    '{"type":"content_block_stop","index":1}',
    '{"type":"message_delta","delta":{"stop_reason":"stop_sequence","stop_sequence":"X"},"context_management":{},"usage":{"output_tokens":7}}',
    '{"type":"message_stop"}',
  ];
  function handOn(frames: string[], ending: Ending): string {
    const encoder = anthropic.encoder({});
    return encoder.start(meta) + frames.map((data) => encoder.raw!(data, false)).join('') + encoder.end(ending);
  }

  test('are handed on untouched, the terminal once', () => {
    const expected = raws.map((data, at) => `id: ${at + 1}\nevent: ${JSON.parse(data).type}\ndata: ${data}\n\n`);
    expect(handOn(raws, done('stop'))).toBe(expected.join(''));
  });

  test('are folded to the message that the API answers whole, with what only it knows', () => {
    const collector = anthropic.collector({});
    for (const data of raws) collector.raw!(data, false);
    expect(collector.result(done('stop') as Ending & { type: 'done' }, meta)).toMatchObject({
      id: 'msg_9',
      model: 'up',
      content: [
        { type: 'server_tool_use', id: 's', name: 'web_search', input: { q: 1 } },
        { type: 'text', text: 'Hi', citations: [{ url: 'u' }] },
      ],
      stop_reason: 'stop_sequence',
      stop_sequence: 'X',
      context_management: {},
      usage: { input_tokens: 3, output_tokens: 7, service_tier: 'standard' },
    });
  });

  test('that stop before their end are ended here, with what is missing', () => {
    const kinds = (frames: string[], ending: Ending) => framesOf(handOn(frames, ending)).map(({ type }) => type);
    expect(kinds(raws.slice(0, 7), done('cancelled')).slice(7)).toEqual([
      'content_block_stop',
      'message_delta',
      'message_stop',
    ]);
    expect(kinds(raws.slice(0, 10), done('stop')).slice(10)).toEqual(['message_stop']);
    expect(kinds(raws.slice(0, 7), failed(new GatewayError('upstream_truncated', 'Cut.'))).slice(7)).toEqual(['error']);
  });

  test('whose name could end a line are left out', () => {
    expect(handOn(['{"type":"a\\nb"}', '{"x":1}'], done('stop'))).not.toMatch(/a.*b|"x"/);
  });
});

test('an error inside the stream, and before it', () => {
  const error = new GatewayError('upstream_unavailable', 'Gone.');
  expect(
    encode([token('a')], failed(error))
      .split('\n\n')
      .at(-2),
  ).toBe(
    'id: 4\nevent: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Gone."},"request_id":"req_str_1"}',
  );
  const tooLong = anthropic.fault(new GatewayError('context_length_exceeded', 'Over 8192 tokens.'));
  expect(tooLong).toMatchObject({ error: { message: 'prompt is too long: Over 8192 tokens.' } });
});

test('a whole request, as a provider of another wire gets it', () => {
  const cache_control = { type: 'ephemeral', ttl: '1h' };
  const parsed = anthropic.parse(
    {
      model: 'm',
      max_tokens: 100,
      stream: true,
      system: [{ type: 'text', text: 'Be brief.', cache_control }],
      temperature: 0.5,
      top_k: 4,
      stop_sequences: ['X'],
      metadata: { user_id: 'u' },
      thinking: { type: 'adaptive' },
      output_config: { effort: 'xhigh', format: { type: 'json_schema', schema: { type: 'object' } } },
      tools: [
        { name: 'f', description: 'F', input_schema: { type: 'object' }, strict: true, cache_control },
        { type: 'web_search_20260318', name: 'web_search' },
      ],
      tool_choice: { type: 'any', disable_parallel_tool_use: true },
      context_management: { edits: [] },
      inference_geo: 'eu',
      messages: [
        {
          role: 'user',
          content: [
            { type: 'image', source: { type: 'url', url: 'https://a/b.png' } },
            {
              type: 'document',
              source: { type: 'text', media_type: 'text/plain', data: 'é' },
              title: 'a.txt',
              cache_control,
            },
            { type: 'search_result', source: 's', title: 't', content: [{ type: 'text', text: 'c' }] },
            { type: 'container_upload', file_id: 'file_1' },
          ],
        },
        {
          role: 'assistant',
          content: [
            { type: 'text', text: 'Look' },
            { type: 'server_tool_use', id: 's', name: 'web_search', input: {} },
            { type: 'tool_use', id: 'c0', name: 'f', input: { a: 1 } },
            { type: 'tool_use', id: 'c1', name: 'f', input: {}, cache_control },
          ],
        },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: 'c0', is_error: true, content: 'no' },
            {
              type: 'tool_result',
              tool_use_id: 'c1',
              content: [
                { type: 'text', text: 'seen' },
                { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
                { type: 'tool_reference', tool_name: 'g' },
              ],
            },
            { type: 'text', text: 'Go on' },
          ],
        },
        { role: 'system', content: 'Hurry.' },
      ],
    },
    { ...call, headers: { 'anthropic-beta': 'a,b', 'anthropic-version': '2023-06-01', 'x-api-key': 'k' } },
  );
  expect(parsed.stream).toBe(true);
  expect(parsed.verbatim!.headers).toEqual({ 'anthropic-beta': 'a,b', 'anthropic-version': '2023-06-01' });
  expect(parsed.chat).toEqual({
    [CLIENT_NAMES]: expect.anything(),
    model: 'm',
    context_management: { edits: [] },
    max_tokens: 100,
    temperature: 0.5,
    top_k: 4,
    stop: ['X'],
    user: 'u',
    inference_geo: 'eu',
    reasoning: { effort: 'xhigh' },
    response_format: { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema: { type: 'object' } } },
    tools: [
      {
        type: 'function',
        function: { name: 'f', description: 'F', parameters: { type: 'object' }, strict: true },
        cache_control,
      },
      { type: 'web_search_20260318', name: 'web_search' },
    ],
    tool_choice: 'required',
    parallel_tool_calls: false,
    messages: [
      { role: 'system', content: 'Be brief.', cache_control },
      {
        role: 'user',
        content: [
          { type: 'image_url', image_url: { url: 'https://a/b.png' } },
          { type: 'file', file: { file_data: 'data:text/plain;base64,w6k=', filename: 'a.txt' }, cache_control },
          { type: 'text', text: 't\ns\nc' },
          { type: 'file', file: { file_id: 'file_1' } },
        ],
      },
      {
        role: 'assistant',
        content: 'Look',
        tool_calls: [
          { id: 'c0', type: 'function', function: { name: 'f', arguments: '{"a":1}' } },
          { id: 'c1', type: 'function', function: { name: 'f', arguments: '{}' } },
        ],
        cache_control,
      },
      { role: 'tool', tool_call_id: 'c0', content: 'no', is_error: true },
      {
        role: 'tool',
        tool_call_id: 'c1',
        content: [
          { type: 'text', text: 'seen' },
          { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
          { type: 'text', text: '{"type":"tool_reference","tool_name":"g"}' },
        ],
      },
      { role: 'user', content: 'Go on' },
      { role: 'system', content: 'Hurry.' },
    ],
  });
});

test.each([
  [{ type: 'enabled', budget_tokens: 2048 }, undefined, { max_tokens: 2048 }],
  [{ type: 'enabled', budget_tokens: 2048 }, 'high', { max_tokens: 2048 }],
  [{ type: 'adaptive' }, undefined, { enabled: true }],
  [{ type: 'disabled' }, 'high', { enabled: false }],
  [undefined, 'low', { effort: 'low' }],
  [undefined, undefined, undefined],
])('thinking %j with effort %s', (thinking, effort, reasoning) => {
  const body = { model: 'm', messages: [], thinking, output_config: { effort } };
  expect(anthropic.parse(body, call).chat.reasoning).toEqual(reasoning);
});

test.each([
  [{ messages: [{ role: 'user', content: [{ type: 'text' }] }] }, 'messages[0].content[0].text'],
  [
    { messages: [{ role: 'user', content: [{ type: 'image', source: { type: 'base64' } }] }] },
    'messages[0].content[0].source.media_type',
  ],
  [{ messages: [{ role: 'tool', content: 'x' }] }, 'messages[0].role'],
  [{ messages: [], tools: [{ name: 'f' }] }, 'tools[0].input_schema'],
  [{ messages: [], thinking: { type: 'enabled' } }, 'thinking.budget_tokens'],
  [{ messages: [], thread: { type: 'create' } }, 'thread'],
  [{}, 'messages'],
])('%j names what is wrong', (body, param) => {
  expect(() => anthropic.parse({ model: 'm', ...body }, call)).toThrow(
    expect.objectContaining({ code: 'invalid_request', param }),
  );
});
