// The decoder against what nobody has recorded: noise, damaged bodies, blocks and deltas in every order, frames read by their shape.
// What the API really sends is in test/conformance.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../src/core/errors.ts';
import { createAnthropicDecoder } from '../../src/providers/anthropic/decode.ts';
import {
  anyArguments,
  damaged,
  decoding,
  expectSameByteByByte,
  expectStreamedWhole,
  nearlyRight,
  noise,
} from '../support/decode.ts';
import { recordingsOf } from '../support/recordings.ts';

const bodies = recordingsOf('anthropic-messages').flatMap(({ body }) => (body.length < 20_000 ? [body] : []));

type Frame = { type: string; [field: string]: unknown };
const sse = (...frames: Frame[]) =>
  Buffer.from(frames.map((frame) => `event: ${frame.type}\ndata: ${JSON.stringify(frame)}\n\n`).join(''));
const start = { type: 'message_start', message: { usage: { input_tokens: 3, output_tokens: 1 } } };
const open = (index: number, content_block: object) => ({ type: 'content_block_start', index, content_block });
const delta = (index: number, delta: object) => ({ type: 'content_block_delta', index, delta });
const close = (index: number) => ({ type: 'content_block_stop', index });
const why = (stop_reason: unknown, usage?: object) => ({ type: 'message_delta', delta: { stop_reason }, usage });
const stop = { type: 'message_stop' };
const say = (index: number, text: string) => delta(index, { type: 'text_delta', text });
const think = (index: number, thinking: string) => delta(index, { type: 'thinking_delta', thinking });
const sign = (index: number, signature: string) => delta(index, { type: 'signature_delta', signature });
const argue = (index: number, partial_json: string) => delta(index, { type: 'input_json_delta', partial_json });
const TEXT = { type: 'text', text: '' };
const THINKING = { type: 'thinking', thinking: '', signature: '' };
const tool = (id: string, input: object = {}) => ({ type: 'tool_use', id, name: 'look', input });

const decode = decoding(createAnthropicDecoder, { late: sse(stop), format: /^anthropic-claude-v1$/ });

// ---- nothing breaks it ----------------------------------------------------------------------------------------------

test('no bytes make it throw or end twice', () => {
  const words = [
    'data: ',
    '\n',
    '\n\n',
    '{',
    '}',
    '{"type":"',
    'null',
    '[DONE]',
    'event: error\n',
    'error: ',
    '"index":',
  ];
  fc.assert(
    fc.property(noise(...words), (chunks) => void decode(chunks)),
    { numRuns: 2000 },
  );
});

test('frames with anything at all in any field do neither, in any order', () => {
  const { junk, or, record } = nearlyRight(5);
  const words = or(fc.constantFrom('a', '', null, 'b c', '{"a":', '1}', '{}'));
  const usage = or(
    record({
      input_tokens: or(fc.nat()),
      output_tokens: or(fc.double()),
      cache_read_input_tokens: or(fc.nat()),
      output_tokens_details: or(record({ thinking_tokens: or(fc.integer()) })),
    }),
  );
  const block = record({
    type: or(fc.constantFrom('text', 'thinking', 'redacted_thinking', 'tool_use', 'server_tool_use', 'constructor')),
    text: words,
    thinking: words,
    signature: words,
    data: words,
    id: words,
    name: words,
    input: junk,
  });
  const change = record({
    type: or(fc.constantFrom('text_delta', 'thinking_delta', 'signature_delta', 'input_json_delta', '__proto__')),
    text: words,
    thinking: words,
    signature: words,
    partial_json: words,
    stop_reason: or(fc.constantFrom('end_turn', 'tool_use', 'max_tokens', null, 'constructor', '')),
  });
  const frame = or(
    record({
      type: or(
        fc.constantFrom(
          'message_start',
          'content_block_start',
          'content_block_delta',
          'content_block_delta',
          'content_block_stop',
          'message_delta',
          'ping',
        ),
      ),
      index: or(fc.nat(2)),
      message: or(record({ usage })),
      content_block: or(block),
      delta: or(change),
      usage,
    }),
  );
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 12 }), fc.boolean(), (frames, whole) => {
      const body = frames.map((frame) => `data: ${JSON.stringify(frame)}\n\n`).join('');
      decode([Buffer.from(body), ...(whole ? [sse(why('tool_use'), stop)] : [])]);
    }),
    { numRuns: 3000 },
  );
});

test('bodies damaged anywhere do neither, and never lose their ending', () => {
  fc.assert(
    fc.property(damaged(bodies, '\n', '\n\n', '"', '}', ' ', 'data: '), (body) => void decode([body])),
    { numRuns: 3000 },
  );
});

test('a body cut into single bytes decodes as it does whole', () => {
  fc.assert(
    fc.property(fc.constantFrom(...bodies), (body) => expectSameByteByByte(decode, body, /toolu_\w{32}/g)),
    { numRuns: 100 },
  );
});

test('a fault that cuts the body is what the stream ends with, unless the message was over', () => {
  const fault = new GatewayError('upstream_timeout', 'Too slow.');
  const endOf = (...frames: Frame[]) => decode([sse(...frames)], { fault }).end;
  const said = [start, open(0, TEXT), say(0, 'Hi'), close(0)];
  expect(endOf()).toEqual({ type: 'error', error: fault });
  expect(endOf(...said)).toEqual({ type: 'error', error: fault });
  expect(endOf(...said, why('end_turn'))).toEqual({ type: 'error', error: fault });
  expect(endOf(...said, why('end_turn'), stop)).toEqual({ type: 'done', finishReason: 'stop' });
});

// ---- frames read by their shape -------------------------------------------------------------------------------------

/** Texts that look like the JSON around them, besides ordinary ones. */
const content = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.constantFrom(
    '"',
    '\\',
    '"}',
    '"}}',
    '","type":"x',
    '"text":"',
    '"thinking":"',
    '\n',
    '',
    ' ',
    'millrace',
    '}',
    '}  }',
    '😀',
  ),
);

test.each(['text', 'thinking'])('%s that follows other text of its block comes out as it went in', (kind) => {
  const blanks = fc.integer({ min: 0, max: 15 }).map((size) => ' '.repeat(size));
  fc.assert(
    fc.property(fc.array(fc.tuple(content, blanks), { maxLength: 12 }), (pieces) => {
      const frames = pieces.map(
        ([piece, blank]) =>
          `data: {"type":"content_block_delta","index":0,"delta":{"type":"${kind}_delta","${kind}":${JSON.stringify(piece)}}${blank}}\n\n`,
      );
      const read = decode([
        sse(start, open(0, kind === 'text' ? TEXT : THINKING)),
        Buffer.from(frames.join('')),
        sse(close(0), why('end_turn'), stop),
      ]);
      const expected = pieces.map(([piece]) => piece).join('');
      expect(kind === 'text' ? read.text : read.reasoning).toBe(expected);
      expect(kind === 'text' ? read.reasoning : read.text).toBe('');
      expect(read.frames).toHaveLength(pieces.length + 5);
    }),
    { numRuns: 1000 },
  );
});

test('a frame that only looks like those before it is read for what it is', () => {
  const like = (tail: string) =>
    Buffer.from(`data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}${tail}\n\n`);
  const read = decode([
    sse(start, open(0, TEXT)),
    like('}'),
    like('   }'),
    like(',"delta":{"type":"text_delta","text":"b"}}'),
    like('} '),
    sse(delta(1, { type: 'text_delta', text: 'c' }), close(0), why('end_turn'), stop),
  ]);
  expect(read.text).toBe('aabac');
  expect(decode([sse(start, open(0, TEXT)), like('}'), like(' '), sse(stop)]).end).toMatchObject({
    type: 'error',
    error: { code: 'upstream_protocol' },
  });
});

test('an index used again is a new block', () => {
  const read = decode([
    sse(start, open(0, TEXT), say(0, 'a'), say(0, 'b'), close(0)),
    sse(open(0, THINKING), think(0, 'c'), think(0, 'd'), say(0, 'e'), close(0), say(0, 'f'), why('end_turn'), stop),
  ]);
  expect([read.text, read.reasoning]).toEqual(['abf', 'cd']);
});

// ---- reasoning ------------------------------------------------------------------------------------------------------

test('a thought is kept whole, with its signature, once its block is closed', () => {
  const read = decode([
    sse(
      start,
      open(0, THINKING),
      think(0, 'One, '),
      think(0, 'two, '),
      think(0, '"three".'),
      sign(0, 'c2ln'),
      close(0),
    ),
    sse(open(1, TEXT), say(1, 'Three.'), close(1), why('end_turn'), stop),
  ]);
  const detail = {
    format: 'anthropic-claude-v1',
    type: 'reasoning.text',
    text: 'One, two, "three".',
    signature: 'c2ln',
  };
  expect(read.details).toEqual([detail]);
  const order = read.events.map(({ type }) => type).filter((type, at, all) => type !== all[at - 1]);
  expect(order).toEqual(['usage', 'reasoning', 'reasoning-detail', 'token', 'done']);
});

test.each<[about: string, frames: Frame[], kept: object[]]>([
  [
    'a thought that is not shown',
    [open(0, THINKING), sign(0, 's'), close(0)],
    [{ type: 'reasoning.text', text: '', signature: 's' }],
  ],
  [
    'a thought that nobody can read',
    [open(0, { type: 'redacted_thinking', data: 'eA==' }), close(0)],
    [{ type: 'reasoning.encrypted', data: 'eA==' }],
  ],
  ['a thought without a signature', [open(0, THINKING), think(0, 'Hm.'), close(0)], []],
  ['a thought that was cut', [open(0, THINKING), think(0, 'Hm.'), sign(0, 's')], []],
])('%s is kept as far as it must come back', (_about, frames, kept) => {
  const read = decode([sse(start, ...frames)]);
  expect(read.details).toEqual(kept.map((detail) => ({ format: 'anthropic-claude-v1', ...detail })));
});

test('a thought that does not come first says what it came after', () => {
  const read = decode([
    sse(start, open(0, THINKING), sign(0, 'a'), close(0), open(1, TEXT), say(1, 'x'), close(1)),
    sse(open(2, THINKING), sign(2, 'b'), close(2), open(3, tool('toolu_1')), close(3)),
    sse(open(4, { type: 'redacted_thinking', data: 'c' }), close(4), why('tool_use'), stop),
  ]);
  expect(read.details.map(({ id }) => id)).toEqual([undefined, 'text', 'toolu_1']);
});

// ---- tool calls -----------------------------------------------------------------------------------------------------

test('calls come out whole, however their input is cut, and what streams is what comes complete', () => {
  fc.assert(
    fc.property(fc.array(anyArguments, { minLength: 1, maxLength: 4 }), (given) => {
      const frames = given.flatMap(({ pieces }, at) => [
        open(at + 1, tool(`toolu_${at}`)),
        ...pieces.map((piece) => argue(at + 1, piece)),
        close(at + 1),
      ]);
      const read = decode([
        sse(start, open(0, { type: 'server_tool_use', id: 's', name: 'n' }), close(0), ...frames),
        sse(why('tool_use'), stop),
      ]);
      expect(read.end).toEqual({ type: 'done', finishReason: 'tool-calls' });
      expect(read.calls).toEqual(
        given.map(({ value }, index) => ({ index, id: `toolu_${index}`, name: 'look', arguments: value })),
      );
      expectStreamedWhole(read, given);
    }),
    { numRuns: 300 },
  );
});

describe('a call whose block was closed', () => {
  const closed = (json: string) => [start, open(0, tool('toolu_1')), argue(0, json), close(0)];

  test.each([
    ['and nothing more', [], []],
    ['and a reason, but no end', [why('tool_use')], []],
    ['and another block', [open(1, TEXT)], ['toolu_1']],
    ['and the end', [why('tool_use'), stop], ['toolu_1']],
    ['and the end by its length', [why('max_tokens'), stop], ['toolu_1']],
  ])('%s', (_about, frames, given) => {
    expect(decode([sse(...closed('{"a":1}'), ...frames)]).calls.map(({ id }) => id)).toEqual(given);
  });

  test.each(['', ' ', '{"a":', '{"a":1'])('but cut by the limit at %j is no call', (json) => {
    const read = decode([sse(...closed(json), why('max_tokens'), stop)]);
    expect(read.calls).toEqual([]);
    expect(read.end).toEqual({ type: 'done', finishReason: 'length' });
  });

  test('with arguments that are no JSON keeps their text', () => {
    const read = decode([sse(...closed('{"a":'), why('tool_use'), stop)]);
    expect(read.calls).toEqual([{ index: 0, id: 'toolu_1', name: 'look', arguments_text: '{"a":', invalid: true }]);
  });
});

test('an input that is given at once counts where none is streamed', () => {
  const read = decode([
    sse(
      start,
      open(0, tool('toolu_1', { a: 1 })),
      close(0),
      open(1, tool('toolu_2', { b: 1 })),
      argue(1, '{"b":2}'),
      close(1),
    ),
    sse(why('tool_use'), stop),
  ]);
  expect(read.calls.map((call) => 'arguments' in call && call.arguments)).toEqual([{ a: 1 }, { b: 2 }]);
});

test('a made-up id stays the same from the first delta to the call', () => {
  const read = decode([
    sse(start, open(0, { type: 'tool_use', name: 'look' }), argue(0, '{}'), close(0), why('tool_use'), stop),
  ]);
  const ids = read.deltas.flatMap(({ id }) => id || []);
  expect(ids).toEqual([read.calls[0]!.id]);
  expect(ids[0]).toMatch(/^toolu_\w{32}$/);
});

test("the provider's own tools are nothing of the client's, whatever they say", () => {
  for (const type of [
    'server_tool_use',
    'mcp_tool_use',
    'web_search_tool_result',
    'code_execution_tool_result',
    'glow',
  ]) {
    const block = { type, id: 'x', name: 'n', input: { a: 1 }, text: 'x', thinking: 'x' };
    const frames = [open(0, block), argue(0, '{"a":1}'), say(0, 'x'), think(0, 'x'), sign(0, 'x'), close(0)];
    const read = decode([sse(start, ...frames, why('end_turn'), stop)]);
    expect(read.events.map((event) => event.type)).toEqual(['usage', 'done']);
    expect(read.end).toEqual({ type: 'done', finishReason: 'stop' });
  }
});

// ---- what a stream ends with, and what it costs ---------------------------------------------------------------------

test.each([
  ['end_turn', 'stop'],
  ['stop_sequence', 'stop'],
  ['pause_turn', 'stop'],
  ['tool_use', 'tool-calls'],
  ['max_tokens', 'length'],
  ['model_context_window_exceeded', 'length'],
  ['refusal', 'content-filter'],
  ['compaction', 'other'],
  ['constructor', 'other'],
  [5, 'other'],
])('the stop reason %j is %s', (reason, finishReason) => {
  expect(decode([sse(start, why(reason), stop)]).end).toEqual({ type: 'done', finishReason });
});

test('an end without a reason is none', () => {
  for (const reason of [null, '', undefined]) {
    expect(decode([sse(start, open(0, TEXT), say(0, 'x'), close(0), why(reason), stop)]).end).toMatchObject({
      type: 'error',
      error: { code: 'upstream_truncated' },
    });
  }
});

test('costs are told as soon as they are known, and later reports correct them', () => {
  const read = decode([
    sse({
      type: 'message_start',
      message: { usage: { input_tokens: 10, cache_read_input_tokens: 5, output_tokens: 1 } },
    }),
    sse(open(0, TEXT), say(0, 'x'), close(0)),
    sse(
      why('end_turn', {
        output_tokens: 9,
        cache_creation_input_tokens: 2,
        output_tokens_details: { thinking_tokens: 4 },
      }),
      stop,
    ),
  ]);
  const usage = {
    input_tokens: 15,
    output_tokens: 1,
    cached_input_tokens: 5,
    cache_write_input_tokens: 0,
    reasoning_tokens: 0,
    estimated: false,
  };
  expect(read.usages).toEqual([
    usage,
    { ...usage, input_tokens: 17, output_tokens: 9, cache_write_input_tokens: 2, reasoning_tokens: 4 },
  ]);
  expect(read.events[0]!.type).toBe('usage');
});

test.each([
  [
    'named',
    'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n',
    'upstream_unavailable',
    'Overloaded',
  ],
  [
    'unnamed',
    'data: {"type":"error","error":{"type":"rate_limit_error","message":"Slow down"}}\n\n',
    'upstream_rate_limited',
    'Slow down',
  ],
  ['with a bare message', 'event: error\ndata: {"message":"gone"}\n\n', 'upstream_unavailable', 'gone'],
  ['of text', 'event: error\ndata: gone\n\n', 'upstream_unavailable', 'gone'],
  ['of nothing', 'event: error\ndata:\n\n', 'upstream_unavailable', 'no message'],
])('an error inside the stream, %s, is reported with its message', (_about, frame, code, message) => {
  const read = decode([
    sse(start, open(0, TEXT), say(0, 'So far')),
    Buffer.from(frame),
    sse(say(0, 'no more'), why('end_turn'), stop),
  ]);
  expect(read.text).toBe('So far');
  expect(read.end).toMatchObject({ type: 'error', error: { code, message: expect.stringContaining(message) } });
});

test.each([
  ['{"type":"error","error":{"type":"not_found_error","message":"model: x"}}', 'model_not_found'],
  ['<html>Bad gateway</html>', 'upstream_protocol'],
])('a body that is no stream, %j, is an error', (body, code) => {
  expect(decode([Buffer.from(body)]).end).toMatchObject({ type: 'error', error: { code } });
});

// ---- frames handed on -----------------------------------------------------------------------------------------------

test('every frame is handed on untouched but for its line breaks, pings and the last one too', () => {
  const frames = [start, { type: 'ping' }, open(0, TEXT), say(0, 'a'), say(0, 'b'), close(0), why('end_turn'), stop];
  expect(decode([sse(...frames)]).frames).toEqual(frames.map((frame) => JSON.stringify(frame)));
  const broken = Buffer.from('data: {"type":\ndata: "ping"}\n\n');
  expect(decode([broken, sse(why('end_turn'), stop)]).frames[0]).toBe('{"type": "ping"}');
});

test('neither an error nor a marker of another wire is handed on', () => {
  const read = decode([
    sse(start, why('end_turn')),
    Buffer.from('data: [DONE]\n\n'),
    sse({ type: 'error', error: {} }),
  ]);
  expect(read.frames).toHaveLength(2);
  expect(read.end).toEqual({ type: 'done', finishReason: 'stop' });
});

test('an end without a reason is an error, and no client is handed it', () => {
  const { end, frames } = decode([sse(start, open(0, TEXT), say(0, 'a'), close(0), stop)]);
  expect(end).toMatchObject({ type: 'error', error: { code: 'upstream_truncated' } });
  expect(frames).toHaveLength(4);
});
