// The Responses decoder against what nobody has recorded: noise, damaged bodies, events of every shape, answers that come by any of
// the four ways in which this wire says things. What vendors really send is in test/conformance.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GatewayError } from '../../src/core/errors.ts';
import { createOpenAiResponsesDecoder } from '../../src/providers/openai-responses/decode.ts';
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

const bodies = recordingsOf('openai-responses').filter(({ body }) => body.length < 20_000);

const sse = (...frames: object[]) =>
  Buffer.from(
    frames
      .map((frame) => `event: ${(frame as { type?: string }).type ?? ''}\ndata: ${JSON.stringify(frame)}\n\n`)
      .join(''),
  );
const completed = (response: object = {}) => ({
  type: 'response.completed',
  response: { status: 'completed', ...response },
});
const says = (delta: string, rest: object = {}) => ({
  type: 'response.output_text.delta',
  output_index: 0,
  delta,
  ...rest,
});
const closing = (content: object[]) => ({
  type: 'response.output_item.done',
  output_index: 0,
  item: { type: 'message', content },
});
const decode = decoding(createOpenAiResponsesDecoder, { late: sse(says('more')), format: /^openai-responses-v1$/ });

// ---- nothing breaks it ----------------------------------------------------------------------------------------------

test('no bytes make it throw or end twice', () => {
  const words = ['data: ', '\n', '\n\n', '{"type":"', 'response.completed"', '}', 'null', '[DONE]', 'event: error\n'];
  fc.assert(
    fc.property(noise(...words), (chunks) => void decode(chunks)),
    { numRuns: 2000 },
  );
});

test('events with anything at all in any field do neither', () => {
  const { or, record } = nearlyRight(5);
  const words = or(fc.constantFrom('a', '', null, 'b c', '{', '{}', '__proto__'));
  const list = (one: fc.Arbitrary<unknown>) => or(fc.array(or(one), { maxLength: 2 }));
  const part = record({ type: or(fc.constantFrom('output_text', 'refusal')), text: words, refusal: words });
  const status = or(fc.constantFrom('completed', 'incomplete', 'failed', 'cancelled', 'in_progress', 'queued'));
  const item = record({
    type: or(fc.constantFrom('message', 'reasoning', 'function_call', 'custom_tool_call', 'mcp_call')),
    id: words,
    call_id: words,
    name: words,
    arguments: words,
    input: words,
    status,
    content: list(part),
    summary: list(part),
    encrypted_content: words,
  });
  const tokens = or(record({ cached_tokens: or(fc.nat()), reasoning_tokens: or(fc.double()) }));
  const response = record({
    status,
    output: list(item),
    usage: or(record({ input_tokens: or(fc.nat()), output_tokens: or(fc.double()), input_tokens_details: tokens })),
    error: or(record({ message: words, code: words })),
    incomplete_details: or(record({ reason: words })),
    object: words,
  });
  const kinds =
    'output_text reasoning_summary_text reasoning_text refusal function_call_arguments custom_tool_call_input';
  const type = fc.constantFrom(
    ...kinds.split(' ').flatMap((kind) => [`response.${kind}.delta`, `response.${kind}.done`]),
    ...'output_item.added output_item.done in_progress'.split(' ').map((kind) => `response.${kind}`),
    'error',
  );
  const end = fc
    .constantFrom('completed', 'incomplete', 'failed', 'cancelled', 'done')
    .map((kind) => `response.${kind}`);
  const rest = {
    output_index: or(fc.nat(2)),
    item_id: words,
    item: or(item),
    delta: words,
    text: words,
    arguments: words,
    input: words,
    refusal: words,
    response: or(response),
    error: or(fc.constant(null)),
    message: words,
    sequence_number: or(fc.nat()),
  };
  const frame = or(record({ type: or(type), ...rest }));
  const frames = fc.tuple(
    fc.array(frame, { maxLength: 8 }),
    fc.array(record({ type: end, ...rest }), { maxLength: 1 }),
  );
  fc.assert(
    fc.property(frames, ([some, last]) => {
      decode([Buffer.from([...some, ...last].map((one) => `data: ${JSON.stringify(one)}\n\n`).join(''))]);
    }),
    { numRuns: 4000 },
  );
});

test('bodies damaged anywhere do neither, and never lose their ending', () => {
  const words = ['\n', '\n\n', '"', '}', 'data: '];
  const bytes = bodies.map(({ body }) => body);
  fc.assert(
    fc.property(damaged(bytes, ...words), (body) => void decode([body])),
    { numRuns: 1500 },
  );
});

test.each(bodies.map((recording) => [recording.id, recording.body] as const))(
  '%s byte by byte is the same',
  (_id, body) => expectSameByteByByte(decode, body),
);

test('a fault that cuts the body is what the stream ends with, unless the answer was finished', () => {
  const fault = new GatewayError('upstream_timeout', 'Too slow.');
  const half = Buffer.from('data: {"type":"response.comp');
  expect(decode([], { fault }).end).toEqual({ type: 'error', error: fault });
  expect(decode([sse(says('Hi'))], { fault }).end).toEqual({ type: 'error', error: fault });
  expect(decode([sse(says('Hi')), half], { fault }).end).toEqual({ type: 'error', error: fault });
  expect(decode([sse(says('Hi'), completed())], { fault }).end).toEqual({ type: 'done', finishReason: 'stop' });
});

test('one endless event is given up, without memory following it', () => {
  const piece = Buffer.alloc(1024 * 1024, 'x');
  const { end } = decode([Buffer.from('data: '), ...Array.from({ length: 20 }, () => piece)]);
  expect(end).toMatchObject({ type: 'error', error: { code: 'upstream_protocol' } });
});

// ---- text -----------------------------------------------------------------------------------------------------------

test('tokens of any text come through, whatever else varies in their frames', () => {
  const token = fc.oneof(
    fc.string(),
    fc.string({ unit: 'binary' }),
    fc.constantFrom(' the', '"', '\\', '\n', '}', '💧'),
  );
  const style = fc.record({ padding: fc.boolean(), counted: fc.boolean(), typed: fc.boolean(), part: fc.boolean() });
  fc.assert(
    fc.property(fc.array(token, { maxLength: 30 }), style, (tokens, { padding, counted, typed, part }) => {
      const body = tokens.map((delta, n) => {
        const frame = {
          ...(typed && { type: 'response.output_text.delta' }),
          content_index: part ? n : 0,
          delta,
          item_id: 'msg_1',
          logprobs: [],
          ...(padding && { obfuscation: 'x'.repeat(n % 5) }),
          output_index: 0,
          ...(counted && { sequence_number: n }),
        };
        return `event: response.output_text.delta\ndata: ${JSON.stringify(frame)}\n\n`;
      });
      const read = decode([Buffer.from(body.join('')), sse(completed())]);
      expect(read.text).toBe(tokens.join(''));
      expect(read.frames).toHaveLength(tokens.length + 1);
    }),
  );
});

test('frames that differ from tokens in their type alone are not taken for tokens', () => {
  const frame = (type: string) => `event: ${type}\ndata: {"delta":"x","output_index":0,"item_id":"a"}\n\n`;
  const said = frame('response.output_text.delta').repeat(3);
  const code = frame('response.code_interpreter_call_code.delta').repeat(3);
  const read = decode([Buffer.from(said + code), sse(completed())]);
  expect(read.text).toBe('xxx');
});

test('text is said once, whichever of its four forms come', () => {
  const part = { output_index: 0, item_id: 'msg_1', content_index: 0 };
  const item = { id: 'msg_1', type: 'message', content: [{ type: 'output_text', text: 'Hi there' }] };
  const forms: [form: string, frames: object[]][] = [
    ['pieces', [says('Hi', part), says(' there', part)]],
    ['part', [{ type: 'response.output_text.done', ...part, text: 'Hi there' }]],
    ['item', [{ type: 'response.output_item.done', output_index: 0, item }]],
  ];
  fc.assert(
    fc.property(fc.subarray(forms), fc.boolean(), (some, inResponse) => {
      if (some.length === 0 && !inResponse) return;
      const output = inResponse ? [item] : [];
      expect(decode([sse(...some.flatMap(([, frames]) => frames), completed({ output }))]).text).toBe('Hi there');
    }),
  );
});

test.each([
  ['in pieces', { type: 'response.refusal.delta', output_index: 0, delta: 'No.' }],
  ['whole', { type: 'response.refusal.done', output_index: 0, refusal: 'No.' }],
  ['in its item', closing([{ type: 'refusal', refusal: 'No.' }])],
])('a refusal %s is text, and its end a content filter', (_how, frame) => {
  const read = decode([sse(frame, closing([{ type: 'refusal', refusal: 'No.' }]), completed())]);
  expect(read.text).toBe('No.');
  expect(read.end).toEqual({ type: 'done', finishReason: 'content-filter' });
});

test('an empty piece says nothing, and does not stand for what comes whole', () => {
  const thought = { type: 'response.reasoning_summary_text.delta', output_index: 0, delta: '' };
  const full = { type: 'response.reasoning_text.done', output_index: 0, text: 'Hm.' };
  const whole = { type: 'response.output_text.done', output_index: 1, text: 'Hi.' };
  const read = decode([sse(thought, full, says('', { output_index: 1 }), whole, completed())]);
  expect([read.reasoning, read.text]).toEqual(['Hm.', 'Hi.']);
});

// ---- frames handed on -----------------------------------------------------------------------------------------------

test('each frame is handed on as it came, after its events, and the last before the end is told', () => {
  const log: string[] = [];
  const decoder = createOpenAiResponsesDecoder({
    emit: ({ type }) => void log.push(type),
    raw: (data) => void log.push(JSON.parse(data).type),
    choices: 1,
  });
  const keepalive = { type: 'keepalive' };
  decoder.push(sse({ type: 'response.created' }, keepalive, says('a'), says('b'), { type: 'response.unheard_of' }));
  decoder.push(sse(completed({ usage: { input_tokens: 1, output_tokens: 2 } })));
  decoder.push(Buffer.from('data: [DONE]\n\n'));
  decoder.end();
  const delta = 'response.output_text.delta';
  expect(log).toEqual([
    ...['response.created', 'keepalive', 'token', delta, 'token', delta, 'response.unheard_of'],
    ...['usage', 'response.completed', 'done'],
  ]);
});

test('a frame over several lines is handed on as one, the last one too', () => {
  const body = ['keepalive', 'response.completed'].map((type) => `data: {"type":\ndata: "${type}"}\n\n`);
  const { frames } = decode([Buffer.from(body.join(''))]);
  expect(frames).toEqual(['{"type": "keepalive"}', '{"type": "response.completed"}']);
});

test('a response that came whole is handed on as the events that say so', () => {
  const body = { object: 'response', status: 'completed', output: [{ type: 'message', content: [] }] };
  const { frames, end } = decode([Buffer.from(JSON.stringify(body))]);
  expect(frames.map((frame) => JSON.parse(frame).type)).toEqual(['response.created', 'response.completed']);
  expect(JSON.parse(frames[1]!).response).toEqual(body);
  expect(end).toEqual({ type: 'done', finishReason: 'stop' });
});

// ---- reasoning ------------------------------------------------------------------------------------------------------

const format = 'openai-responses-v1';
const encrypted = {
  id: 'rs_1',
  type: 'reasoning',
  summary: [
    { type: 'summary_text', text: 'First.' },
    { type: 'summary_text', text: 'Second.' },
  ],
  encrypted_content: 'sealed',
};
const kept = [
  { format, id: 'rs_1', type: 'reasoning.summary', summary: 'First.' },
  { format, id: 'rs_1', type: 'reasoning.summary', summary: 'Second.' },
  { format, id: 'rs_1', type: 'reasoning.encrypted', data: 'sealed' },
];

test('reasoning that its provider wants back is given out whole when its item is complete', () => {
  const early = { ...encrypted, summary: [], encrypted_content: 'not all of it' };
  const read = decode([
    sse(
      { type: 'response.output_item.added', output_index: 0, item: early },
      { type: 'response.reasoning_summary_text.delta', output_index: 0, summary_index: 0, delta: 'First.' },
      { type: 'response.reasoning_summary_text.delta', output_index: 0, summary_index: 1, delta: 'Second.' },
      { type: 'response.output_item.done', output_index: 0, item: encrypted },
      { type: 'response.output_item.done', output_index: 0, item: encrypted },
      says('So.', { output_index: 1 }),
      completed({ output: [encrypted] }),
    ),
  ]);
  expect(read.details).toEqual(kept);
  expect(read.reasoning).toBe('First.Second.');
  expect(read.events.map(({ type }) => type)).toEqual([
    ...['reasoning', 'reasoning', 'reasoning-detail', 'reasoning-detail', 'reasoning-detail', 'token', 'done'],
  ]);
});

test('reasoning that came with the response alone is given out all the same', () => {
  const read = decode([sse(completed({ output: [encrypted] }))]);
  expect(read.details).toEqual(kept);
  expect(read.reasoning).toBe('First.Second.');
});

test('plain reasoning of an open model is kept, a summary by itself is not', () => {
  const open = { id: 'rs_2', type: 'reasoning', summary: [], content: [{ type: 'reasoning_text', text: 'Hm.' }] };
  const close = (item: object) => ({ type: 'response.output_item.done', output_index: 0, item });
  expect(decode([sse(close(open), completed())]).details).toEqual([
    { format, id: 'rs_2', type: 'reasoning.text', text: 'Hm.' },
  ]);
  expect(decode([sse(close({ ...encrypted, encrypted_content: null }), completed())]).details).toEqual([]);
  const both = { ...open, encrypted_content: 'sealed' };
  expect(decode([sse(close(both), completed())]).details).toMatchObject([{ type: 'reasoning.encrypted' }]);
});

test('of reasoning that comes in full and in summary, what comes first is shown', () => {
  const piece = (kind: string, delta: string) => ({ type: `response.${kind}.delta`, output_index: 0, delta });
  const [full, short] = [piece('reasoning_text', 'Long.'), piece('reasoning_summary_text', 'Short.')];
  expect(decode([sse(full, short, full, completed())]).reasoning).toBe('Long.Long.');
  expect(decode([sse(short, full, short, completed())]).reasoning).toBe('Short.Short.');
});

// ---- tool calls -----------------------------------------------------------------------------------------------------

const given = fc.array(
  fc.record({
    name: fc.constantFrom('a', 'b', 'c'),
    said: anyArguments,
    /** By which of its ends its arguments are said again whole. */
    ends: fc.subarray(['arguments', 'item']),
    pieces: fc.boolean(),
  }),
  { minLength: 1, maxLength: 4 },
);
const addressing = fc.constantFrom('index', 'id', 'both');

test('calls come out whole however they interleave, by whichever of their forms they come', () => {
  fc.assert(
    fc.property(given, addressing, fc.infiniteStream(fc.nat(99)), fc.boolean(), (list, by, picks, inResponse) => {
      const items = list.map(({ name, said }, n) => ({
        id: `fc_${n}`,
        type: 'function_call',
        status: 'completed',
        call_id: `call_${n}`,
        name,
        arguments: said.json,
      }));
      const queues = list.map(({ said, ends, pieces }, n) => {
        const item = items[n]!;
        const json = item.arguments;
        const place = { ...(by !== 'id' && { output_index: n }), ...(by !== 'index' && { item_id: item.id }) };
        const whole = { ...(by !== 'id' && { output_index: n }), item };
        const deltas = pieces ? said.pieces : [];
        const alone = !pieces && ends.length === 0 && !inResponse; // then nothing would say them
        return [
          { type: 'response.output_item.added', ...whole, item: { ...item, status: 'in_progress', arguments: '' } },
          ...deltas.map((delta) => ({ type: 'response.function_call_arguments.delta', ...place, delta })),
          ...(ends.includes('arguments') || alone
            ? [{ type: 'response.function_call_arguments.done', ...place, arguments: json }]
            : []),
          ...(ends.includes('item') ? [{ type: 'response.output_item.done', ...whole }] : []),
        ];
      });
      const frames: object[] = queues.map((queue) => queue.shift()!); // they begin in order, and then go on in any
      while (queues.some((queue) => queue.length > 0)) {
        const open = queues.filter((queue) => queue.length > 0);
        frames.push(open[picks.next().value % open.length]!.shift()!);
      }
      const read = decode([sse(...frames, completed({ output: inResponse ? items : [] }))]);

      expect(read.end).toEqual({ type: 'done', finishReason: 'tool-calls' });
      const byIndex = read.calls.sort((a, b) => a.index - b.index);
      expect(byIndex).toEqual(
        items.map((item, index) => {
          return { index, id: item.call_id, name: item.name, arguments: JSON.parse(item.arguments) };
        }),
      );
      expectStreamedWhole(
        read,
        list.map(({ said }) => said),
      );
    }),
    { numRuns: 500 },
  );
});

const call = (rest: object = {}) => ({ id: 'fc_1', type: 'function_call', call_id: 'call_1', name: 'f', ...rest });
const added = (rest: object = {}) => ({ type: 'response.output_item.added', output_index: 0, item: call(rest) });
const closed = (rest: object = {}) => ({ type: 'response.output_item.done', output_index: 0, item: call(rest) });
const piece = (delta: string) => ({ type: 'response.function_call_arguments.delta', output_index: 0, delta });

test('items that all have one index are told apart by the id of their call', () => {
  const second = { call_id: 'call_2', id: 'fc_2' };
  const ends = [closed({ arguments: '{"n":1}' }), closed({ ...second, arguments: '{"n":2}' })];
  const read = decode([sse(added(), piece('{"n":1}'), added(second), piece('{"n":2}'), ...ends, completed())]);
  expect(read.calls).toEqual([
    { index: 0, id: 'call_1', name: 'f', arguments: { n: 1 } },
    { index: 1, id: 'call_2', name: 'f', arguments: { n: 2 } },
  ]);
});

test('two calls of one id at different places are two calls', () => {
  const second = {
    type: 'response.output_item.done',
    output_index: 1,
    item: call({ id: 'fc_2', arguments: '{"n":2}' }),
  };
  const read = decode([sse(added(), piece('{"n":1}'), second, closed({ arguments: '{"n":1}' }), completed())]);
  expect(read.calls).toMatchObject([
    { index: 1, id: 'call_1', arguments: { n: 2 } },
    { index: 0, id: 'call_1', arguments: { n: 1 } },
  ]);
});

test('a call that has another id in the whole response is not another call', () => {
  const output = [call({ call_id: 'renamed', arguments: '{"n":1}', status: 'completed' })];
  const read = decode([sse(added(), piece('{"n"'), completed({ output }))]);
  expect(read.calls).toEqual([{ index: 0, id: 'call_1', name: 'f', arguments: { n: 1 } }]);
  const pieces = read.deltas.map((delta) => delta.arguments);
  expect(pieces.join('')).toBe('{"n":1}');
});

test.each<[pieces: string, whole: string, said: object, why: string]>([
  ['{"a": 1}', '{"a":1}', { arguments: { a: 1 } }, 'the pieces stand'],
  ['{"a":', '{"b":2}', { arguments: { b: 2 } }, 'the pieces cannot be read'],
])('arguments that come as %s and then whole as %s are %j: %s', (pieces, whole, said) => {
  const read = decode([sse(added(), piece(pieces), closed({ arguments: whole }), completed())]);
  expect(read.calls).toEqual([{ index: 0, id: 'call_1', name: 'f', ...said }]);
});

test('a call that has but the id of its item has that', () => {
  expect(decode([sse(added({ call_id: undefined }), piece('{}'), completed())]).calls).toMatchObject([{ id: 'fc_1' }]);
});

test('a call whose beginning was never said is known by its end', () => {
  const read = decode([sse(piece('{"a"'), piece(':1}'), closed({ arguments: '{"a":1}' }), completed())]);
  expect(read.calls).toEqual([{ index: 0, id: 'call_1', name: 'f', arguments: { a: 1 } }]);
  const [first] = read.events;
  expect(first).toEqual({ type: 'tool-call-delta', index: 0, id: 'call_1', name: 'f', arguments: '{"a":1}' });
});

test('a call without any id gets one, and keeps it', () => {
  const read = decode([sse(added({ id: null, call_id: null }), piece('{}'), completed())]);
  const ids = read.deltas.flatMap(({ id }) => id || []);
  expect(ids).toEqual([read.calls[0]!.id]);
  expect(ids[0]).toMatch(/^call_\w{32}$/);
});

test('a call that the limit cut is not given out, one before it is', () => {
  const whole = {
    type: 'response.output_item.done',
    output_index: 1,
    item: call({ call_id: 'call_0', arguments: '{}' }),
  };
  const incomplete = {
    type: 'response.incomplete',
    response: { status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' }, output: [call()] },
  };
  const cut = closed({ arguments: '', status: 'incomplete' });
  const read = decode([sse(whole, added(), piece('{"a":1}'), cut, incomplete)]);
  expect(read.calls.map(({ id }) => id)).toEqual(['call_0']);
  expect(read.end).toEqual({ type: 'done', finishReason: 'length' });
});

test('a response that is complete with half a call in it is no success', () => {
  const { events, end } = decode([sse(added(), piece('{"a":'), completed())]);
  expect(end).toMatchObject({ error: { code: 'upstream_truncated', message: expect.stringMatching(/tool call/) } });
  expect(events.some(({ type }) => type === 'tool-call')).toBe(false);
});

test('arguments that are closed and no JSON come as text', () => {
  const read = decode([sse(added(), piece('{"a":'), closed({ arguments: '{"a":', status: 'completed' }), completed())]);
  expect(read.calls).toEqual([{ index: 0, id: 'call_1', name: 'f', arguments_text: '{"a":', invalid: true }]);
});

test('the input of a custom tool comes as text, also where it could be read as JSON', () => {
  const item = { type: 'custom_tool_call', id: 'ctc_1', call_id: 'call_1', name: 'sum', input: '42' };
  const read = decode([
    sse(
      { type: 'response.output_item.added', output_index: 0, item: { ...item, input: '' } },
      { type: 'response.custom_tool_call_input.delta', output_index: 0, delta: '42' },
      { type: 'response.output_item.done', output_index: 0, item },
      completed(),
    ),
  ]);
  expect(read.calls).toEqual([{ index: 0, id: 'call_1', name: 'sum', arguments_text: '42', invalid: true }]);
  expect(read.end).toEqual({ type: 'done', finishReason: 'tool-calls' });
});

// ---- what a stream ends with ----------------------------------------------------------------------------------------

test.each<[type: string, response: object, end: object]>([
  ['completed', {}, { type: 'done', finishReason: 'stop' }],
  ['completed', { status: 'in_progress' }, { type: 'done', finishReason: 'stop' }],
  ['completed', { status: 'incomplete' }, { type: 'done', finishReason: 'other' }],
  ['completed', { status: 'failed', error: { message: 'No.' } }, { error: { code: 'upstream_unavailable' } }],
  ['done', { status: 'completed' }, { type: 'done', finishReason: 'stop' }],
  ['done', { status: 'queued' }, { error: { code: 'upstream_truncated' } }],
  ['incomplete', { incomplete_details: { reason: 'max_output_tokens' } }, { type: 'done', finishReason: 'length' }],
  [
    'incomplete',
    { incomplete_details: { reason: 'content_filter' } },
    { type: 'done', finishReason: 'content-filter' },
  ],
  ['incomplete', { incomplete_details: { reason: 'constructor' } }, { type: 'done', finishReason: 'other' }],
  ['incomplete', {}, { type: 'done', finishReason: 'other' }],
  ['failed', {}, { type: 'error', error: { code: 'upstream_unavailable' } }],
  ['cancelled', {}, { type: 'error', error: { code: 'upstream_unavailable' } }],
])('%s with %j ends the stream', (type, response, end) => {
  expect(decode([sse(says('Hm'), { type: `response.${type}`, response })]).end).toMatchObject(end);
});

test('usage is reported wherever the response carries it, also where it failed', () => {
  const counts = {
    input_tokens: 1200,
    input_tokens_details: { cached_tokens: 1000, cache_write_tokens: 100 },
    output_tokens: 50,
    output_tokens_details: { reasoning_tokens: 30 },
  };
  const read = decode([sse({ type: 'response.failed', response: { usage: counts, error: { message: 'Broken.' } } })]);
  expect(read.usages.at(-1)).toEqual({
    input_tokens: 1200,
    output_tokens: 50,
    cached_input_tokens: 1000,
    cache_write_input_tokens: 100,
    reasoning_tokens: 30,
    estimated: false,
  });
  expect(read.end).toMatchObject({ type: 'error', error: { message: expect.stringMatching(/Broken/) } });
});

const failed = (error: object | null) => ({ type: 'response.failed', response: { status: 'failed', error } });

test.each<[about: string, frames: object[], message: RegExp]>([
  ['an error event', [{ type: 'error', message: 'Lost.', code: null }], /Lost/],
  ['an error event and a failure', [{ type: 'error', message: 'Lost.' }, failed({ message: 'Failed.' })], /Lost/],
  ['an error event that says nothing', [{ type: 'error', message: '' }, failed({ message: 'Failed.' })], /Failed/],
  ['an error event alone that says nothing', [{ type: 'error', code: 'odd' }], /odd/],
  ['an error event that says nothing, and success', [{ type: 'error', code: 'odd' }, completed()], /odd/],
  ['a failure that says nothing', [failed(null)], /did not say/],
  ['an error event with an error in it', [{ type: 'error', error: { message: 'Nested.' } }], /Nested/],
  ['an error that has no type', [{ error: { message: 'Bare.' } }], /Bare/],
])('%s is told by its message', (_about, frames, message) => {
  const { end } = decode([sse(says('Hm'), ...frames)]);
  expect(end).toMatchObject({ type: 'error', error: { message: expect.stringMatching(message) } });
});

test.each<[about: string, body: string, code: string, message: RegExp]>([
  ['an empty body', '', 'upstream_truncated', /before the response was complete/],
  ['a page of HTML', '<html>Sign in</html>', 'upstream_protocol', /not an event stream/],
  ['JSON that says why', '{"detail":"No such model here"}', 'upstream_unavailable', /No such model here/],
  ['an error as plain JSON', '{"error":{"message":"Slow down","code":429}}', 'upstream_rate_limited', /Slow down/],
  ['a queued response as JSON', '{"object":"response","status":"queued"}', 'upstream_truncated', /before/],
  ['an error event without data', 'event: error\ndata:\n\n', 'upstream_unavailable', /no message/],
  ['an error event in words', 'event: error\ndata: Out of steam\n\n', 'upstream_unavailable', /Out of steam/],
  ['a frame that is no JSON', 'data: {"type":\n\ndata: {}\n\n', 'upstream_protocol', /not JSON/],
  ['a frame cut by the end', 'data: {"type":', 'upstream_truncated', /before the response was complete/],
  ['a marker of the end alone', 'data: [DONE]\n\n', 'upstream_truncated', /before the response was complete/],
  ['the stream of another wire', 'data: {"choices":[{"delta":{"content":"x"}}]}\n\n', 'upstream_truncated', /before/],
])('%s is %s', (_about, body, code, message) => {
  expect(decode([Buffer.from(body)]).end).toMatchObject({
    type: 'error',
    error: { code, message: expect.stringMatching(message) },
  });
});
