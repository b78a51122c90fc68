// The decoder against what nobody has recorded: noise, damaged bodies, chunks of every shape, calls in pieces, bodies that break off.
// What is really sent is in test/conformance and test/fixtures/gemini.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GatewayError } from '../../src/core/errors.ts';
import type { Usage } from '../../src/core/events.ts';
import { createGeminiDecoder } from '../../src/providers/gemini/decode.ts';
import {
  type Decode,
  type Decoded,
  damaged,
  decoding,
  expectSameByteByByte,
  nearlyRight,
  noise,
} from '../support/decode.ts';
import { recordingsOf } from '../support/recordings.ts';

const bodies = recordingsOf('gemini').flatMap(({ body }) => (body.length < 20_000 ? [body] : []));

const sse = (...chunks: unknown[]) =>
  Buffer.from(chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\r\n\r\n`).join(''));
const said = (part: object, candidate: object = {}, usage?: object) => ({
  candidates: [{ content: { parts: [part], role: 'model' }, ...candidate }],
  ...(usage && { usageMetadata: usage }),
});
const STOP = { finishReason: 'STOP' };
const called = (call: object, more: object = {}) => said({ functionCall: call, ...more });

const read = decoding(createGeminiDecoder, { late: sse(said({ text: 'late' })), format: /^google-gemini-v1$/ });
const decode: Decode = (...given) => {
  const decoded = read(...given);
  for (const { name } of decoded.calls) expect(name).not.toBe('');
  return decoded;
};
const codeOf = ({ end }: Decoded) => (end.type === 'error' ? end.error.code : end.finishReason);

// ---- nothing breaks it ----------------------------------------------------------------------------------------------

test('no bytes make it throw or end twice', () => {
  const words = ['data: ', '\n', '\r\n\r\n', '{', '}', '[', '{"candidates":[', 'null', '[DONE]', 'event: error\n'];
  fc.assert(
    fc.property(noise(...words), fc.integer({ min: 1, max: 3 }), (chunks, choices) => void decode(chunks, { choices })),
    { numRuns: 2000 },
  );
});

test('chunks with anything at all in any field do neither', () => {
  const { junk, or, record } = nearlyRight(4);
  const words = or(fc.constantFrom('a', '', null, 'b c'));
  const leaf = record({
    jsonPath: or(fc.constantFrom('$.a', '$.b[0]', '$.b[1].c', '$[0]', '$', "$['x y']", '$.__proto__.a', '$..', '$.a[')),
    stringValue: words,
    numberValue: or(fc.double()),
    boolValue: or(fc.boolean()),
    nullValue: or(fc.constant('NULL_VALUE')),
    willContinue: or(fc.boolean()),
  });
  const call = record({
    id: words,
    name: words,
    args: or(fc.constantFrom({}, { a: 1 })),
    partialArgs: or(fc.array(or(leaf), { maxLength: 3 })),
    willContinue: or(fc.boolean()),
  });
  const part = or(
    record({
      text: words,
      thought: or(fc.boolean()),
      thoughtSignature: words,
      functionCall: or(call),
      inlineData: junk,
    }),
  );
  const usage = or(
    record({
      promptTokenCount: or(fc.nat()),
      candidatesTokenCount: or(fc.double()),
      thoughtsTokenCount: or(fc.nat()),
      cachedContentTokenCount: or(fc.nat()),
      toolUsePromptTokenCount: or(fc.nat()),
    }),
  );
  const reason = or(fc.constantFrom('STOP', null, 'SAFETY', 'MAX_TOKENS', 'constructor', '__proto__', ''));
  const candidate = record({
    index: or(fc.nat(2)),
    content: or(record({ parts: or(fc.array(part, { maxLength: 3 })) })),
    finishReason: reason,
  });
  const feedback = fc.oneof({ weight: 9, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: junk });
  const chunk = or(
    record({
      candidates: or(fc.array(or(candidate), { maxLength: 3 })),
      usageMetadata: usage,
      promptFeedback: feedback,
    }),
  );
  fc.assert(
    fc.property(fc.array(chunk, { maxLength: 6 }), fc.integer({ min: 1, max: 3 }), (chunks, choices) => {
      const decoded = decode([sse(...chunks)], { choices });
      for (const { index } of decoded.deltas) expect(index).toBeLessThan(40);
    }),
    { numRuns: 3000 },
  );
});

test('bodies damaged anywhere do neither, and are the same byte by byte', () => {
  const words = ['\n', '\r\n\r\n', '"', '}', 'data: ', '[', '{'];
  fc.assert(
    fc.property(damaged(bodies, ...words), (body) => expectSameByteByByte(decode, body, /call_[0-9a-f]{32}/g)),
    { numRuns: 300 },
  );
});

// ---- when it is over ------------------------------------------------------------------------------------------------

const COUNTS = { promptTokenCount: 3, candidatesTokenCount: 1, totalTokenCount: 4 };
const torn = new GatewayError('upstream_truncated', 'The socket closed.');

test.each<[about: string, body: Buffer, fault: GatewayError | undefined, code: string]>([
  ['a finish reason and a clean end', sse(said({ text: 'a' }, STOP)), undefined, 'stop'],
  ['no finish reason', sse(said({ text: 'a' })), undefined, 'upstream_truncated'],
  ['nothing at all', Buffer.from(''), undefined, 'upstream_truncated'],
  ['a cut after finish reason and usage', sse(said({ text: 'a' }, STOP, COUNTS)), torn, 'stop'],
  ['a cut after a finish reason that no usage confirms', sse(said({ text: 'a' }, STOP)), torn, 'upstream_truncated'],
  [
    'usage that came before the last finish reason',
    sse(said({ text: 'a' }, STOP, COUNTS), said({ text: 'b' }, STOP)),
    torn,
    'upstream_truncated',
  ],
  ['usage in a chunk of its own', sse(said({ text: 'a' }, STOP), { usageMetadata: COUNTS }), torn, 'stop'],
  [
    'a reason that says nothing',
    sse(said({ text: 'a' }, { finishReason: 'FINISH_REASON_UNSPECIFIED' })),
    undefined,
    'upstream_truncated',
  ],
  [
    'a block reason that says nothing',
    sse({ promptFeedback: { blockReason: 'BLOCK_REASON_UNSPECIFIED' } }),
    undefined,
    'upstream_truncated',
  ],
  ['a blocked prompt, cut', sse({ promptFeedback: { blockReason: 'SAFETY' } }), torn, 'content-filter'],
  [
    'half a chunk behind the finish',
    Buffer.concat([sse(said({ text: 'a' }, STOP)), Buffer.from('data: {"cand')]),
    undefined,
    'upstream_truncated',
  ],
  [
    'half an error behind the finish',
    Buffer.concat([sse(said({ text: 'a' }, STOP)), Buffer.from('{\n  "error": {\n')]),
    undefined,
    'upstream_truncated',
  ],
  [
    'a mark that gateways add',
    Buffer.concat([sse(said({ text: 'a' }, STOP)), Buffer.from('data: [DONE]\n\n')]),
    undefined,
    'stop',
  ],
  ['a page of HTML', Buffer.from('<!DOCTYPE html>\n<html>\n</html>\n'), undefined, 'upstream_protocol'],
  [
    'an error event',
    Buffer.from('event: error\ndata: {"error":{"code":429,"message":"slow down"}}\n\n'),
    undefined,
    'upstream_rate_limited',
  ],
  [
    'a continuation that was not asked for',
    sse(said({ text: 'a' }, { finishReason: 'CONTINUATION' })),
    undefined,
    'length',
  ],
  [
    'a tool call that nobody offered',
    sse(said({ text: '' }, { finishReason: 'UNEXPECTED_TOOL_CALL' })),
    undefined,
    'upstream_protocol',
  ],
])('%s', (_about, body, fault, code) => {
  expect(codeOf(decode([body], { fault }))).toBe(code);
});

test('a fault is told as it is, although it cuts a chunk in two', () => {
  const { end } = decode([Buffer.from('data: {"candidates": [{"con')], { fault: torn });
  expect(end).toEqual({ type: 'error', error: torn });
});

test('each candidate that was asked for must end, and the first one speaks for all', () => {
  const first = said({ text: 'A' }, { index: 0, finishReason: 'STOP' });
  const second = said({ text: 'B' }, { index: 1, finishReason: 'MAX_TOKENS' });
  expect(codeOf(decode([sse(first)], { choices: 2 }))).toBe('upstream_truncated');
  expect(codeOf(decode([sse(first, said({ text: 'B' }, { index: 1 }))], { choices: 2 }))).toBe('upstream_truncated');
  const both = decode([sse(second, first)], { choices: 2 });
  expect(codeOf(both)).toBe('stop');
  expect(both.events.filter(({ type }) => type === 'token')).toEqual([
    { type: 'token', text: 'B', choice: 1 },
    { type: 'token', text: 'A', choice: undefined },
  ]);
});

// ---- text, usage, frames --------------------------------------------------------------------------------------------

function spaced(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(spaced).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  return `{${Object.entries(value).map(([name, inner]) => `${JSON.stringify(name)}: ${spaced(inner)}`)}}`;
}

/** As both of the vendor's APIs really space their chunks, and as a program writes them. */
const FORMS: [about: string, write: (value: unknown) => string][] = [
  ['spaced', spaced],
  ['compact', JSON.stringify],
];

test.each(FORMS)('a long answer in %s chunks is read as each of its chunks by itself is', (_about, write) => {
  const chunk = fc.record({
    text: fc.oneof(fc.constantFrom('a', ' b', 'é', '"', '\n', '\\', '", "x": "'), fc.string()),
    thought: fc.boolean(),
    thoughts: fc.nat(999_999),
    candidates: fc.option(fc.nat(999_999), { nil: undefined }),
    prompt: fc.constantFrom(11, 11, 11, 12),
  });
  fc.assert(
    fc.property(fc.array(chunk, { maxLength: 40 }), (chunks) => {
      const written = chunks.map(({ text, thought, thoughts, candidates, prompt }) =>
        write({
          candidates: [{ content: { parts: [{ text, ...(thought && { thought }) }], role: 'model' }, index: 0 }],
          usageMetadata: {
            promptTokenCount: prompt,
            ...(candidates !== undefined && { candidatesTokenCount: candidates }),
            totalTokenCount: prompt + thoughts + (candidates ?? 0),
            thoughtsTokenCount: thoughts,
          },
          responseId: 'r',
        }),
      );
      const decoded = decode([Buffer.from(written.map((data) => `data: ${data}\n\n`).join(''))]);
      expect(decoded.text).toBe(chunks.map(({ text, thought }) => (thought ? '' : text)).join(''));
      expect(decoded.frames).toEqual(written);
      expect(decoded.usages).toEqual(
        chunks.map(
          ({ thoughts, candidates, prompt }): Usage => ({
            input_tokens: prompt,
            output_tokens: thoughts + (candidates ?? 0),
            cached_input_tokens: 0,
            cache_write_input_tokens: 0,
            reasoning_tokens: thoughts,
            estimated: false,
          }),
        ),
      );
    }),
    { numRuns: 300 },
  );
});

test('chunks are handed on as they came, in one line, and errors are not', () => {
  const { frames } = decode([Buffer.from('data: {"candidates":\ndata: []}\n\ndata: {"error":{"message":"x"}}\n\n')]);
  expect(frames).toEqual(['{"candidates": []}']);
});

test('the elements of a list are handed on one by one', () => {
  const chunks = [said({ text: 'a' }), said({ text: 'b' }, STOP)];
  const decoded = decode([Buffer.from(JSON.stringify(chunks, null, 1))]);
  expect(decoded.frames.map((frame) => JSON.parse(frame))).toEqual(chunks);
  expect(codeOf(decoded)).toBe('stop');
});

// ---- signatures -----------------------------------------------------------------------------------------------------

test('a signature is told with the call that it came with, or as one of the whole answer, or with its thought', () => {
  const decoded = decode([
    sse(
      said({ text: 'Hm.', thought: true, thoughtSignature: 'T' }),
      said({ text: 'So:', thoughtSignature: 'A' }),
      called({ id: 'c1', name: 'f', args: {} }, { thoughtSignature: 'C' }),
      said({ text: '', thoughtSignature: 'E' }, STOP),
    ),
  ]);
  const of = { format: 'google-gemini-v1' };
  expect(decoded.details).toEqual([
    { ...of, type: 'reasoning.text', text: 'Hm.', signature: 'T' },
    { ...of, type: 'reasoning.encrypted', data: 'A' },
    { ...of, type: 'reasoning.encrypted', data: 'C', id: 'c1' },
    { ...of, type: 'reasoning.encrypted', data: 'E' },
  ]);
});

test('a signature behind calls that have none is told as the first one’s', () => {
  const decoded = decode([
    sse(
      called({ id: 'c1', name: 'f' }),
      called({ id: 'c2', name: 'f' }),
      said({ text: '', thoughtSignature: 'S' }, STOP),
    ),
  ]);
  expect(decoded.details).toMatchObject([{ data: 'S', id: 'c1' }]);
});

test('chunks that are the same but for their text each tell their signature', () => {
  const decoded = decode([
    sse(said({ text: 'a', thoughtSignature: 'S' }), said({ text: 'b', thoughtSignature: 'S' }, STOP)),
  ]);
  const again = decode([sse(...['a', 'b', 'c'].map((text) => said({ text, thoughtSignature: 'S' })), said({}, STOP))]);
  expect([decoded.details, again.details]).toMatchObject([{ length: 2 }, { length: 3 }]);
});

test('a signature of something that a client is not given is not given either', () => {
  const image = { inlineData: { mimeType: 'image/png', data: 'AA==' }, thoughtSignature: 'S' };
  expect(decode([sse(said(image, STOP))]).events).toEqual([{ type: 'done', finishReason: 'stop' }]);
});

// ---- calls ----------------------------------------------------------------------------------------------------------

test('calls without an id get one each, the same in delta and call', () => {
  const decoded = decode([
    sse(called({ name: 'f', args: { a: 1 } }), called({ name: 'f', args: { a: 1 } }), said({ text: '' }, STOP)),
  ]);
  const ids = decoded.calls.map(({ id }) => id);
  expect(new Set(ids).size).toBe(2);
  expect(decoded.deltas).toEqual(
    ids.map((id, index) => ({
      type: 'tool-call-delta',
      index,
      id,
      name: 'f',
      arguments: '{"a":1}',
      choice: undefined,
    })),
  );
  expect(codeOf(decoded)).toBe('tool-calls');
});

test('an id that was given twice is the second call’s no more, unless it is the same call', () => {
  const again = [called({ id: 'x', name: 'f', args: { a: 1 } }), called({ id: 'x', name: 'f', args: { a: 1 } })];
  expect(decode([sse(...again, said({ text: '' }, STOP))]).calls).toHaveLength(1);
  const other = [called({ id: 'x', name: 'f', args: { a: 1 } }), called({ id: 'x', name: 'f', args: { a: 2 } })];
  const [first, second] = decode([sse(...other, said({ text: '' }, STOP))]).calls;
  expect(first!.id).toBe('x');
  expect(second!.id).not.toBe('x');
});

/** The leaves of a value in order, as the wire sends them; strings in pieces. Empty objects and lists have none. */
function leavesOf(value: unknown, path: string, pieces: number): object[] {
  if (typeof value === 'string') {
    const cuts = Array.from({ length: pieces }, (_, i) => Math.floor((value.length * i) / pieces));
    const parts = cuts.map((from, i) => ({
      jsonPath: path,
      stringValue: value.slice(from, cuts[i + 1] ?? value.length),
      willContinue: true,
    }));
    return [...parts, { jsonPath: path, stringValue: '' }];
  }
  if (typeof value === 'number') return [{ jsonPath: path, numberValue: value }];
  if (typeof value === 'boolean') return [{ jsonPath: path, boolValue: value }];
  if (value === null) return [{ jsonPath: path, nullValue: 'NULL_VALUE' }];
  if (Array.isArray(value)) return value.flatMap((inner, at) => leavesOf(inner, `${path}[${at}]`, pieces));
  return Object.entries(value as object).flatMap(([name, inner]) =>
    leavesOf(inner, /^\w+$/.test(name) ? `${path}.${name}` : `${path}['${name.replaceAll(/['\\]/g, '\\$&')}']`, pieces),
  );
}

test('arguments in pieces are streamed as the text that the call has in the end', () => {
  const { tree } = fc.letrec((tie) => ({
    leaf: fc.oneof(fc.string({ unit: 'binary' }), fc.integer(), fc.boolean(), fc.constant(null)),
    list: fc.array(tie('value'), { minLength: 1, maxLength: 3 }),
    tree: fc.dictionary(
      fc.oneof(fc.constantFrom('a', 'b', 'c d', "it's", 'x.y[0]'), fc.string({ minLength: 1 })),
      tie('value'),
      {
        minKeys: 1,
        maxKeys: 3,
      },
    ),
    value: fc.oneof({ depthSize: 'small' }, tie('leaf'), tie('list'), tie('tree')),
  }));
  fc.assert(
    fc.property(tree, fc.integer({ min: 1, max: 3 }), fc.boolean(), (value, pieces, ends) => {
      const args = JSON.parse(JSON.stringify(value)) as object;
      const leaves = leavesOf(args, '$', pieces).map((leaf) => called({ partialArgs: [leaf], willContinue: true }));
      const last = ends ? [called({})] : [];
      const decoded = decode([
        sse(called({ name: 'f', willContinue: true }), ...leaves, ...last, said({ text: '' }, STOP)),
      ]);
      const deltas = decoded.deltas;
      expect(JSON.parse(deltas.map((delta) => delta.arguments).join(''))).toEqual(args);
      expect(deltas.filter(({ id, name }) => id !== undefined || name !== undefined)).toEqual([deltas[0]]);
      expect(decoded.calls).toEqual([{ index: 0, id: deltas[0]!.id, name: 'f', arguments: args }]);
      expect(codeOf(decoded)).toBe('tool-calls');
    }),
    { numRuns: 500 },
  );
});

test.each<[about: string, ...leaves: object[]]>([
  [
    'an earlier member again',
    { jsonPath: '$.a', numberValue: 1 },
    { jsonPath: '$.b', numberValue: 1 },
    { jsonPath: '$.a', numberValue: 2 },
  ],
  [
    'an object that was closed',
    { jsonPath: '$.a.b', numberValue: 1 },
    { jsonPath: '$.c', numberValue: 1 },
    { jsonPath: '$.a.d', numberValue: 2 },
  ],
  ['a list that does not begin with its first', { jsonPath: '$.a[1]', numberValue: 1 }],
  ['a list with a gap', { jsonPath: '$.a[0]', numberValue: 1 }, { jsonPath: '$.a[2]', numberValue: 1 }],
  ['a list as the arguments', { jsonPath: '$[0]', numberValue: 1 }],
  ['inside of a number', { jsonPath: '$.a', numberValue: 1 }, { jsonPath: '$.a.b', numberValue: 1 }],
  ['an object and a list in one place', { jsonPath: '$.a.b', numberValue: 1 }, { jsonPath: '$.a[0]', numberValue: 1 }],
  ['no path', { numberValue: 1 }],
  ['a path with a wildcard', { jsonPath: '$.a[*]', numberValue: 1 }],
  ['no value', { jsonPath: '$.a' }],
])('arguments that cannot be streamed are an error, not a call: %s', (_about, ...leaves) => {
  const pieces = leaves.map((leaf) => called({ partialArgs: [leaf], willContinue: true }));
  const decoded = decode([
    sse(called({ name: 'f', willContinue: true }), ...pieces, called({}), said({ text: '' }, STOP)),
  ]);
  expect(codeOf(decoded)).toBe('upstream_protocol');
  expect(decoded.calls).toEqual([]);
});

test('a string whose end is not marked ends with the next member', () => {
  const decoded = decode([
    sse(
      called({ name: 'f', willContinue: true }),
      called({ partialArgs: [{ jsonPath: '$.a.b', stringValue: 'x', willContinue: true }], willContinue: true }),
      called({ partialArgs: [{ jsonPath: '$.c', boolValue: true }] }),
      said({ text: '' }, STOP),
    ),
  ]);
  expect(decoded.calls).toMatchObject([{ arguments: { a: { b: 'x' }, c: true } }]);
});

test.each(['MAX_TOKENS', 'SAFETY', 'OTHER'])('a call that %s cut is not given out', (finishReason) => {
  const decoded = decode([
    sse(
      called({ name: 'f', willContinue: true }),
      called({ partialArgs: [{ jsonPath: '$.a', numberValue: 1 }], willContinue: true }),
      said({ text: '' }, { finishReason }),
    ),
  ]);
  expect(decoded.calls).toEqual([]);
  expect(decoded.end.type).toBe('done');
});

test('a call that begins ends the one before it, unless that one is inside a string', () => {
  const number = { jsonPath: '$.a', numberValue: 1 };
  const string = { jsonPath: '$.a', stringValue: 'half', willContinue: true };
  const body = (leaf: object) =>
    sse(
      called({ name: 'f', willContinue: true }),
      called({ partialArgs: [leaf], willContinue: true }),
      called({ name: 'g', args: {} }),
      said({ text: '' }, STOP),
    );
  expect(decode([body(number)]).calls).toMatchObject([
    { index: 0, name: 'f', arguments: { a: 1 } },
    { index: 1, name: 'g', arguments: {} },
  ]);
  expect(codeOf(decode([body(string)]))).toBe('upstream_protocol');
});
