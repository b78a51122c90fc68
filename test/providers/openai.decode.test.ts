// The decoder against what nobody has recorded: noise, damaged bodies, chunks of every shape, tool calls in every order. What
// vendors really send is in test/conformance.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GatewayError } from '../../src/core/errors.ts';
import type { StreamEvent } from '../../src/core/events.ts';
import { createOpenAiDecoder } from '../../src/providers/openai/decode.ts';
import {
  anyArguments,
  damaged,
  decoding,
  expectStreamedWhole,
  type GivenArguments,
  nearlyRight,
  noise,
} from '../support/decode.ts';
import { recordingsOf } from '../support/recordings.ts';

const bodies = recordingsOf('openai-chat').flatMap(({ body }) => (body.length < 20_000 ? [body] : []));

const sse = (...chunks: unknown[]) => Buffer.from(chunks.map((c) => `data: ${JSON.stringify(c)}\n\n`).join(''));
const DONE = Buffer.from('data: [DONE]\n\n');
const decode = decoding(createOpenAiDecoder, { late: DONE });

// ---- nothing breaks it ----------------------------------------------------------------------------------------------

test('no bytes make it throw or end twice', () => {
  const words = ['data: ', '\n', '\n\n', '{', '}', '{"choices":[', 'null', '[DONE]', 'event: error\n', 'error: '];
  fc.assert(
    fc.property(noise(...words), fc.integer({ min: 1, max: 3 }), (chunks, choices) => void decode(chunks, { choices })),
    { numRuns: 2000 },
  );
});

test('chunks with anything at all in any field do neither', () => {
  const { or, record } = nearlyRight(4);
  const words = or(fc.constantFrom('a', '', null, 'b c'));
  const call = or(record({ index: or(fc.nat(3)), id: words, function: or(record({ name: words, arguments: words })) }));
  const part = or(
    record({
      type: fc.constantFrom('text', 'thinking'),
      text: words,
      thinking: or(fc.array(or(record({ text: words })), { maxLength: 2 })),
    }),
  );
  const delta = record({
    content: fc.oneof(words, fc.array(part, { maxLength: 3 })),
    refusal: words,
    reasoning_content: words,
    reasoning: words,
    reasoning_details: or(fc.array(or(record({ text: words, summary: words })), { maxLength: 2 })),
    tool_calls: or(fc.array(call, { maxLength: 3 })),
    function_call: or(record({ name: words, arguments: words })),
  });
  const usage = or(
    record({
      prompt_tokens: or(fc.nat()),
      completion_tokens: or(fc.double()),
      total_tokens: or(fc.nat()),
      prompt_tokens_details: or(record({ cached_tokens: or(fc.nat()) })),
      completion_tokens_details: or(record({ reasoning_tokens: or(fc.nat()) })),
    }),
  );
  const reason = or(fc.constantFrom('stop', null, 'tool_calls', 'constructor', '__proto__', 'error', ''));
  const choice = record({ index: or(fc.nat(2)), delta: or(delta), message: or(delta), finish_reason: reason, usage });
  const chunk = or(
    record({ choices: or(fc.array(or(choice), { maxLength: 3 })), usage, x_groq: or(record({ usage })) }),
  );
  fc.assert(
    fc.property(fc.array(chunk, { maxLength: 6 }), fc.boolean(), (chunks, done) => {
      decode([sse(...chunks), ...(done ? [DONE] : [])], { choices: 3 });
    }),
    { numRuns: 3000 },
  );
});

test('bodies damaged anywhere do neither, and never lose their ending', () => {
  fc.assert(
    fc.property(damaged(bodies, '\n', '\n\n', '"', '}', 'data: '), (body) => void decode([body])),
    { numRuns: 3000 },
  );
});

test('a fault that cuts the body is what the stream ends with, unless the answer was finished', () => {
  const start = sse({ choices: [{ index: 0, delta: { content: 'Hi' } }] });
  const finish = sse({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
  const fault = new GatewayError('upstream_timeout', 'Too slow.');
  expect(decode([start], { fault }).end).toEqual({ type: 'error', error: fault });
  expect(decode([], { fault }).end).toEqual({ type: 'error', error: fault });
  expect(decode([start, finish], { fault }).end).toEqual({ type: 'done', finishReason: 'stop' });
});

// ---- tool calls -----------------------------------------------------------------------------------------------------

interface Given extends GivenArguments {
  id: string;
  name: string;
}

const given = fc
  .array(fc.tuple(fc.constantFrom('a', 'b', 'c'), anyArguments), { minLength: 1, maxLength: 5 })
  .map((list) => list.map(([name, said], n): Given => ({ id: `call_${n}`, name, ...said })));

type Wire = Record<string, unknown>;
/** How vendors label the pieces of a call: the first, and those that follow it. */
const labels: [
  about: string,
  mixed: boolean,
  first: (call: Given, n: number) => Wire,
  next: (call: Given, n: number) => Wire,
][] = [
  ['by index', true, ({ id }, index) => ({ id, index }), (_call, index) => ({ index })],
  ['by index from 1', true, ({ id }, n) => ({ id, index: n + 1 }), (_call, n) => ({ index: n + 1 })],
  [
    'by index, with id and name empty afterwards',
    true,
    ({ id }, index) => ({ id, index }),
    (_c, index) => ({ index, id: '' }),
  ],
  ['by id alone', true, ({ id }) => ({ id }), ({ id }) => ({ id })],
  ['by id, all index 0', true, ({ id }) => ({ id, index: 0 }), ({ id }) => ({ id, index: 0 })],
  ['by order, all index 0', false, ({ id }) => ({ id, index: 0 }), () => ({ index: 0 })],
  ['by order, without index', false, ({ id }) => ({ id }), () => ({})],
  ['by order and name, without index or id', false, () => ({}), () => ({})],
];

test.each(labels)('tool calls told apart %s come out whole', (_about, mixed, first, next) => {
  fc.assert(
    fc.property(given, fc.infiniteStream(fc.nat(99)), fc.infiniteStream(fc.boolean()), (list, picks, breaks) => {
      const deltas: Wire[] = [];
      const queues = list.map((call, n) =>
        call.pieces.map((piece, i) =>
          i === 0
            ? { ...first(call, n), type: 'function', function: { name: call.name, arguments: piece } }
            : { ...next(call, n), function: { arguments: piece } },
        ),
      );
      // Calls begin in order and then go on in any, as far as this vendor's labels allow.
      let begun = 0;
      while (queues.some((queue) => queue.length > 0)) {
        const open = queues.slice(0, begun).filter((queue) => queue.length > 0);
        const pick = picks.next().value;
        if (open.length > 0 && (!mixed || begun === queues.length || pick % 2))
          deltas.push(open[pick % open.length]!.shift()!);
        else deltas.push(queues[begun++]!.shift()!);
      }
      const chunks: Wire[][] = [[]];
      for (const delta of deltas) {
        if (breaks.next().value) chunks.push([]);
        chunks.at(-1)!.push(delta);
      }
      const body = chunks.map((tool_calls) => ({ choices: [{ index: 0, delta: { tool_calls } }] }));
      const read = decode([sse(...body, { choices: [{ delta: {}, finish_reason: 'stop' }] }), DONE]);

      expect(read.end).toEqual({ type: 'done', finishReason: 'tool-calls' });
      expect(read.calls.map((call) => ({ name: call.name, value: 'arguments' in call && call.arguments }))).toEqual(
        list.map(({ name, value }) => ({ name, value })),
      );
      if (Object.hasOwn(first(list[0]!, 0), 'id'))
        expect(read.calls.map(({ id }) => id)).toEqual(list.map(({ id }) => id));
      expectStreamedWhole(read, list);
    }),
    { numRuns: 300 },
  );
});

test('a made-up id stays the same from the first delta to the call', () => {
  const delta = (fn: object) => ({ choices: [{ delta: { tool_calls: [{ index: 0, function: fn }] } }] });
  const read = decode([
    sse(delta({ name: 'f' }), delta({ arguments: '{}' }), { choices: [{ finish_reason: 'stop' }] }),
  ]);
  const ids = read.deltas.flatMap(({ id }) => id || []);
  expect(ids).toEqual([read.calls[0]!.id]);
  expect(ids[0]).toMatch(/^call_\w{32}$/);
});

test('arguments that are no JSON come as text, never as an empty object', () => {
  const delta = { tool_calls: [{ index: 0, id: 'call_a', function: { name: 'f', arguments: '{"a":' } }] };
  const read = decode([sse({ choices: [{ delta, finish_reason: 'tool_calls' }] })]);
  expect(read.calls).toEqual([{ index: 0, id: 'call_a', name: 'f', arguments_text: '{"a":', invalid: true }]);
});

// ---- what a stream ends with ----------------------------------------------------------------------------------------

test.each([
  ['stop', 'stop'],
  ['end_turn', 'stop'],
  ['eos', 'stop'],
  ['length', 'length'],
  ['max_tokens', 'length'],
  ['model_length', 'length'],
  ['tool_calls', 'tool-calls'],
  ['function_call', 'tool-calls'],
  ['content_filter', 'content-filter'],
  ['insufficient_system_resource', 'other'],
  ['constructor', 'other'],
  ['__proto__', 'other'],
  [5, 'other'],
])('the finish reason %j is %s', (reason, finishReason) => {
  const { end } = decode([sse({ choices: [{ delta: { content: 'x' }, finish_reason: reason }] })]);
  expect(end).toEqual({ type: 'done', finishReason });
});

test('a refusal is text, and its stop a content filter', () => {
  const read = decode([
    sse({ choices: [{ delta: { refusal: 'I would' } }] }, { choices: [{ delta: { refusal: ' rather not.' } }] }),
    sse({ choices: [{ delta: {}, finish_reason: 'stop' }] }),
  ]);
  expect(read.text).toBe('I would rather not.');
  expect(read.end).toEqual({ type: 'done', finishReason: 'content-filter' });
});

test('of three alternatives that were asked for each must end', () => {
  const say = (index: number, finish_reason: string | null = null) => ({
    choices: [{ index, delta: { content: 'x' }, finish_reason }],
  });
  const cut = decode([sse(say(0, 'stop'), say(1), say(2, 'stop'))], { choices: 3 });
  expect(cut.end).toMatchObject({ type: 'error', error: { code: 'upstream_truncated' } });
  const missing = decode([sse(say(0, 'stop'), say(1, 'stop'))], { choices: 3 });
  expect(missing.end).toMatchObject({ type: 'error', error: { code: 'upstream_truncated' } });
  const whole = decode([sse(say(0, 'stop'), say(1, 'length'), say(2, 'stop'))], { choices: 3 });
  expect(whole.end).toEqual({ type: 'done', finishReason: 'stop' });
});

test('alternatives that nobody asked for are not mixed into the answer', () => {
  const say = (index: number, content: string) => ({ choices: [{ index, delta: { content }, finish_reason: 'stop' }] });
  const read = decode([sse(say(0, 'mine'), say(1, 'stray'))]);
  expect(read.text).toBe('mine');
  expect(read.frames).toHaveLength(2);
});

test.each<[about: string, body: string, code: string, message: RegExp]>([
  ['an empty body', '', 'upstream_truncated', /before the answer was complete/],
  ['a page of HTML', '<html>Sign in</html>', 'upstream_protocol', /not an event stream/],
  ['JSON that says why', '{"detail":"No such model here"}', 'upstream_unavailable', /No such model here/],
  ['an error as plain JSON', '{"error":{"message":"Slow down","code":429}}', 'upstream_rate_limited', /Slow down/],
  ['an error event', 'event: error\ndata: {"message":"Out of memory"}\n\n', 'upstream_unavailable', /Out of memory/],
  ['an error event without data', 'event: error\ndata:\n\n', 'upstream_unavailable', /no message/],
  ['a frame that is no JSON', 'data: {"choices":\n\n', 'upstream_protocol', /not JSON/],
  ['an error as a field', 'error: {"code":503,"message":"Loading model"}\n\n', 'upstream_unavailable', /Loading model/],
  ['an end before any answer', 'data: [DONE]\n\n', 'upstream_truncated', /without an answer/],
])('%s is %s', (_about, body, code, message) => {
  expect(decode([Buffer.from(body)]).end).toMatchObject({
    type: 'error',
    error: { code, message: expect.stringMatching(message) },
  });
});

test('one endless event is given up, without memory following it', () => {
  const events: StreamEvent[] = [];
  const decoder = createOpenAiDecoder({ emit: (event) => void events.push(event), choices: 1 });
  const piece = Buffer.alloc(1024 * 1024, 'x');
  decoder.push(Buffer.from('data: '));
  for (let n = 0; n < 20; n++) decoder.push(piece);
  expect(events).toMatchObject([{ type: 'error', error: { code: 'upstream_protocol' } }]);
});
