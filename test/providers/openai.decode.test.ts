// The decoder against what nobody has recorded: noise, damaged bodies, chunks of every shape, tool calls in every order. What
// vendors really send is in test/conformance.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { StreamEvent, ToolCall } from '../../src/core/events.ts';
import { createOpenAiDecoder } from '../../src/providers/openai/decode.ts';
import { recordingsOf } from '../support/recordings.ts';

const bodies = recordingsOf('openai-chat').filter(({ body }) => body.length < 20_000);

interface Decoded {
  events: StreamEvent[];
  end: Extract<StreamEvent, { type: 'done' | 'error' }>;
  frames: string[];
}

/** Decodes, and holds every stream to the rules that the rest of the house relies on. */
function decode(chunks: Buffer[], choices = 1): Decoded {
  const events: StreamEvent[] = [];
  const frames: string[] = [];
  const decoder = createOpenAiDecoder({
    emit: (event) => void events.push(event),
    raw: (data) => void frames.push(data),
    choices,
  });
  for (const chunk of chunks) decoder.push(chunk);
  decoder.end();
  decoder.push(Buffer.from('data: [DONE]\n\n'));
  decoder.end();
  const end = events.at(-1)!;
  expect(events.filter(({ type }) => type === 'done' || type === 'error')).toEqual([end]);
  for (const event of events) expectWellFormed(event);
  for (const frame of frames) {
    expect(frame).not.toMatch(/[\r\n]/);
    JSON.parse(frame);
  }
  return { events, end: end as Decoded['end'], frames };
}

const FINISH = ['stop', 'length', 'tool-calls', 'content-filter', 'other'];

function expectWellFormed(event: StreamEvent): void {
  switch (event.type) {
    case 'token':
    case 'reasoning':
      expect(event.text).toEqual(expect.stringMatching(/./s));
      return;
    case 'reasoning-detail':
      expect(event.detail).toMatchObject({ type: expect.stringMatching(/^reasoning\./), format: expect.any(String) });
      return;
    case 'tool-call-delta':
      expect(event).toMatchObject({ index: expect.any(Number), arguments: expect.any(String) });
      return;
    case 'tool-call':
      expect(event.call).toMatchObject({ id: expect.stringMatching(/./s), name: expect.any(String) });
      return;
    case 'usage':
      for (const count of Object.values(event.usage)) {
        expect(count === false || (Number.isInteger(count) && Number(count) >= 0)).toBe(true);
      }
      return;
    case 'done':
      expect(FINISH).toContain(event.finishReason);
      return;
    case 'error':
      expect(event.error.code).toMatch(
        /^(upstream_|context_length|content_filtered|model_not|request_too|invalid_req)/,
      );
      expect(event.error.message).toMatch(/./);
      return;
    default:
      event satisfies never;
  }
}

const sse = (...chunks: unknown[]) => Buffer.from(chunks.map((c) => `data: ${JSON.stringify(c)}\n\n`).join(''));
const DONE = Buffer.from('data: [DONE]\n\n');
const text = ({ events }: Decoded) => events.flatMap((e) => (e.type === 'token' ? [e.text] : [])).join('');
const calls = ({ events }: Decoded): ToolCall[] => events.flatMap((e) => (e.type === 'tool-call' ? [e.call] : []));

// ---- nothing breaks it ----------------------------------------------------------------------------------------------

test('no bytes make it throw or end twice', () => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 30 }),
    fc
      .constantFrom('data: ', '\n', '\n\n', '{', '}', '{"choices":[', 'null', '[DONE]', 'event: error\n', 'error: ')
      .map((s) => Buffer.from(s)),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), fc.integer({ min: 1, max: 3 }), (chunks, choices) => {
      decode(chunks.map(Buffer.from), choices);
    }),
    { numRuns: 2000 },
  );
});

test('chunks with anything at all in any field do neither', () => {
  // A shape that is nearly right goes deeper than noise does: each field is itself, or some other JSON value.
  const junk = fc.jsonValue({ maxDepth: 2 });
  const or = (real: fc.Arbitrary<unknown>) => fc.oneof({ weight: 4, arbitrary: real }, { weight: 1, arbitrary: junk });
  const words = or(fc.constantFrom('a', '', null, 'b c'));
  const record = (fields: Record<string, fc.Arbitrary<unknown>>) => fc.record(fields, { requiredKeys: [] });
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
      decode([sse(...chunks), ...(done ? [DONE] : [])], 3);
    }),
    { numRuns: 3000 },
  );
});

test('bodies damaged anywhere do neither, and never lose their ending', () => {
  const at = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  const damage = fc.record({
    kind: fc.constantFrom('cut', 'flip', 'repeat', 'insert', 'end'),
    at,
    size: fc.nat(60),
    bytes: fc.oneof(
      fc.uint8Array({ maxLength: 8 }),
      fc.constantFrom('\n', '\n\n', '"', '}', 'data: ').map((s) => Buffer.from(s)),
    ),
  });
  fc.assert(
    fc.property(fc.constantFrom(...bodies), fc.array(damage, { minLength: 1, maxLength: 4 }), ({ body }, damages) => {
      for (const { kind, at, size, bytes } of damages) {
        const from = Math.floor(at * body.length);
        const before = body.subarray(0, from);
        const hit = body.subarray(from, from + size);
        const after = body.subarray(from + size);
        if (kind === 'cut') body = Buffer.concat([before, after]);
        if (kind === 'flip') body = Buffer.concat([before, hit.map((byte) => byte ^ 0x15), after]);
        if (kind === 'repeat') body = Buffer.concat([before, hit, hit, after]);
        if (kind === 'insert') body = Buffer.concat([before, bytes, hit, after]);
        if (kind === 'end') body = before;
      }
      decode([body], 1);
    }),
    { numRuns: 3000 },
  );
});

test('a fault that cuts the body is what the stream ends with, unless the answer was finished', () => {
  const start = sse({ choices: [{ index: 0, delta: { content: 'Hi' } }] });
  const finish = sse({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
  const fault = Object.assign(new Error(), { code: 'upstream_timeout' }) as never;
  const endOf = (chunks: Buffer[]) => {
    const events: StreamEvent[] = [];
    const decoder = createOpenAiDecoder({ emit: (event) => void events.push(event), choices: 1 });
    for (const chunk of chunks) decoder.push(chunk);
    decoder.end(fault);
    return events.at(-1);
  };
  expect(endOf([start])).toEqual({ type: 'error', error: fault });
  expect(endOf([])).toEqual({ type: 'error', error: fault });
  expect(endOf([start, finish])).toEqual({ type: 'done', finishReason: 'stop' });
});

// ---- tool calls -----------------------------------------------------------------------------------------------------

interface Given {
  id: string;
  name: string;
  args: Record<string, unknown>;
  pieces: string[];
}

const args = fc.dictionary(fc.string({ maxLength: 5 }), fc.jsonValue({ maxDepth: 2 }), {
  maxKeys: 3,
  noNullPrototype: true,
});
const given = fc
  .array(fc.tuple(fc.constantFrom('a', 'b', 'c'), args, fc.array(fc.nat(), { maxLength: 5 })), {
    minLength: 1,
    maxLength: 5,
  })
  .map((list) =>
    list.map(([name, value, cuts], n): Given => {
      const json = JSON.stringify(value);
      const places = [...new Set(cuts.map((at) => at % (json.length + 1)))].sort((x, y) => x - y);
      const pieces = [0, ...places].map((from, i) => json.slice(from, places[i] ?? json.length));
      return { id: `call_${n}`, name, args: JSON.parse(json), pieces };
    }),
  );

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
      expect(calls(read).map((call) => ({ name: call.name, args: 'arguments' in call && call.arguments }))).toEqual(
        list.map(({ name, args }) => ({ name, args })),
      );
      if (Object.hasOwn(first(list[0]!, 0), 'id'))
        expect(calls(read).map(({ id }) => id)).toEqual(list.map(({ id }) => id));
      // What streams is what comes complete: id and name once, and the arguments' text.
      for (const { index, id, name } of calls(read)) {
        const deltas = read.events.flatMap((e) => (e.type === 'tool-call-delta' && e.index === index ? [e] : []));
        expect(deltas.map((e) => e.arguments).join('')).toBe(list[index]!.pieces.join(''));
        expect(deltas.flatMap((e) => e.id ?? [])).toEqual([id]);
        expect(deltas.flatMap((e) => e.name ?? [])).toEqual([name]);
      }
    }),
    { numRuns: 300 },
  );
});

test('a made-up id stays the same from the first delta to the call', () => {
  const delta = (fn: object) => ({ choices: [{ delta: { tool_calls: [{ index: 0, function: fn }] } }] });
  const read = decode([
    sse(delta({ name: 'f' }), delta({ arguments: '{}' }), { choices: [{ finish_reason: 'stop' }] }),
  ]);
  const ids = read.events.flatMap((e) => (e.type === 'tool-call-delta' && e.id ? [e.id] : []));
  expect(ids).toEqual([calls(read)[0]!.id]);
  expect(ids[0]).toMatch(/^call_\w{32}$/);
});

test('arguments that are no JSON come as text, never as an empty object', () => {
  const delta = { tool_calls: [{ index: 0, id: 'call_a', function: { name: 'f', arguments: '{"a":' } }] };
  const read = decode([sse({ choices: [{ delta, finish_reason: 'tool_calls' }] })]);
  expect(calls(read)).toEqual([{ index: 0, id: 'call_a', name: 'f', arguments_text: '{"a":', invalid: true }]);
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
  expect(text(read)).toBe('I would rather not.');
  expect(read.end).toEqual({ type: 'done', finishReason: 'content-filter' });
});

test('of three alternatives that were asked for each must end', () => {
  const say = (index: number, finish_reason: string | null = null) => ({
    choices: [{ index, delta: { content: 'x' }, finish_reason }],
  });
  const cut = decode([sse(say(0, 'stop'), say(1), say(2, 'stop'))], 3);
  expect(cut.end).toMatchObject({ type: 'error', error: { code: 'upstream_truncated' } });
  const missing = decode([sse(say(0, 'stop'), say(1, 'stop'))], 3);
  expect(missing.end).toMatchObject({ type: 'error', error: { code: 'upstream_truncated' } });
  const whole = decode([sse(say(0, 'stop'), say(1, 'length'), say(2, 'stop'))], 3);
  expect(whole.end).toEqual({ type: 'done', finishReason: 'stop' });
});

test('alternatives that nobody asked for are not mixed into the answer', () => {
  const say = (index: number, content: string) => ({ choices: [{ index, delta: { content }, finish_reason: 'stop' }] });
  const read = decode([sse(say(0, 'mine'), say(1, 'stray'))], 1);
  expect(text(read)).toBe('mine');
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
