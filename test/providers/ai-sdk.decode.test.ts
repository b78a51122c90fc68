// The decoder of provider packages' streams: every part of the specification's versions 2 to 4, endings that only look like one,
// and what no package should ever send.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GatewayError } from '../../src/core/errors.ts';
import type { ReasoningDetail, Usage } from '../../src/core/events.ts';
import { createAiSdkDecoder } from '../../src/providers/ai-sdk/decode.ts';
import { decoding, expectSameByteByByte, nearlyRight, noise } from '../support/decode.ts';

const lines = (...parts: unknown[]) => Buffer.from(parts.map((part) => `${JSON.stringify(part)}\n`).join(''));

const finish = (unified: string, more: object = {}) => ({
  type: 'finish',
  finishReason: { unified, raw: `raw_${unified}` },
  usage: { inputTokens: {}, outputTokens: {} },
  ...more,
});
const text = (delta: string) => ({ type: 'text-delta', id: '0', delta });
const called = (id: string, input: string, more: object = {}) => ({
  type: 'tool-call',
  toolCallId: id,
  toolName: 'weather',
  input,
  ...more,
});
const begun = (id: string, more: object = {}) => ({ type: 'tool-input-start', id, toolName: 'weather', ...more });
const input = (id: string, delta: string) => ({ type: 'tool-input-delta', id, delta });

const read = decoding(createAiSdkDecoder, { late: lines(finish('stop')) });
function decodeBytes(chunks: Buffer[], fault?: GatewayError) {
  const { end, deltas, usages, frames, ...rest } = read(chunks, fault && { fault });
  expect(frames, 'there is no front door for parts').toEqual([]);
  return {
    ...rest,
    end: end.type === 'error' ? end.error : end.finishReason,
    deltas: deltas.map(({ type: _, ...delta }) => delta),
    usage: usages.at(-1),
  };
}
const decode = (...parts: unknown[]) => decodeBytes([lines(...parts)]);

// ---- text and reasoning ---------------------------------------------------------------------------------------------

test('text comes as it is sent, in however many blocks', () => {
  const got = decode(
    { type: 'stream-start', warnings: [] },
    { type: 'response-metadata', id: 'r', modelId: 'm' },
    { type: 'text-start', id: '0' },
    text('Grüße, '),
    text(''),
    { type: 'text-end', id: '0' },
    { type: 'text-delta', id: '1', delta: '„Welt“\n' },
    finish('stop'),
  );
  expect(got).toMatchObject({ text: 'Grüße, „Welt“\n', end: 'stop', details: [] });
});

test('what the package wants back of a text follows when its block ends', () => {
  const got = decode(
    { type: 'text-start', id: 'a', providerMetadata: { maker: { item: 'old' } } },
    { type: 'text-delta', id: 'a', delta: 'Hi', providerMetadata: { maker: { item: 'new' } } },
    { type: 'text-end', id: 'a' },
    finish('stop'),
  );
  expect(got.text).toBe('Hi');
  expect(got.details).toEqual([{ format: 'ai-sdk', type: 'reasoning.encrypted', data: '{"maker":{"item":"new"}}' }]);
});

test.each<[about: string, parts: object[], reasoning: string, details: object[]]>([
  [
    'signed by a delta without text',
    [
      { type: 'reasoning-start', id: '0' },
      { type: 'reasoning-delta', id: '0', delta: 'Let me ' },
      { type: 'reasoning-delta', id: '0', delta: 'see.' },
      { type: 'reasoning-delta', id: '0', delta: '', providerMetadata: { maker: { signature: 's' } } },
      { type: 'reasoning-end', id: '0' },
    ],
    'Let me see.',
    [{ type: 'reasoning.text', text: 'Let me see.', signature: '{"maker":{"signature":"s"}}' }],
  ],
  [
    'not signed at all',
    [
      { type: 'reasoning-delta', id: '0', delta: 'Hm.' },
      { type: 'reasoning-end', id: '0' },
    ],
    'Hm.',
    [{ type: 'reasoning.text', text: 'Hm.' }],
  ],
  [
    'redacted',
    [
      { type: 'reasoning-start', id: '0', providerMetadata: { maker: { redacted: 'x' } } },
      { type: 'reasoning-end', id: '0' },
    ],
    '',
    [{ type: 'reasoning.text', text: '', signature: '{"maker":{"redacted":"x"}}' }],
  ],
  [
    'two blocks at a time',
    [
      { type: 'reasoning-delta', id: 'a', delta: 'A' },
      { type: 'reasoning-delta', id: 'b', delta: 'B' },
      { type: 'reasoning-end', id: 'b' },
      { type: 'reasoning-delta', id: 'a', delta: 'a' },
      { type: 'reasoning-end', id: 'a' },
    ],
    'ABa',
    [
      { type: 'reasoning.text', text: 'B' },
      { type: 'reasoning.text', text: 'Aa' },
    ],
  ],
  [
    'empty',
    [
      { type: 'reasoning-start', id: '0' },
      { type: 'reasoning-end', id: '0' },
    ],
    '',
    [],
  ],
  ['cut inside its block', [{ type: 'reasoning-delta', id: '0', delta: 'Hm' }], 'Hm', []],
])('reasoning that is %s', (_about, parts, reasoning, details) => {
  const got = decode(...parts, finish('stop'));
  expect(got.reasoning).toBe(reasoning);
  expect(got.details).toEqual(details.map((detail) => ({ format: 'ai-sdk', ...detail }) as ReasoningDetail));
});

// ---- tool calls -----------------------------------------------------------------------------------------------------

test('a streamed call: its deltas as they come, the call itself when the answer has ended', () => {
  const got = decode(
    begun('c1'),
    input('c1', '{"city":'),
    input('c1', '"Oslo"}'),
    { type: 'tool-input-end', id: 'c1' },
    called('c1', '{"city":"Oslo"}'),
    text('!'),
    finish('tool-calls'),
  );
  expect(got.deltas).toEqual([
    { index: 0, id: 'c1', name: 'weather', arguments: '{"city":' },
    { index: 0, arguments: '"Oslo"}' },
  ]);
  expect(got.calls).toEqual([{ index: 0, id: 'c1', name: 'weather', arguments: { city: 'Oslo' } }]);
  expect(got.events.map(({ type }) => type).slice(-3)).toEqual(['token', 'tool-call', 'done']);
  expect(got.end).toBe('tool-calls');
});

test('parallel calls, whole and streamed, interleaved', () => {
  const got = decode(
    begun('a'),
    begun('b'),
    input('b', '{"n":2}'),
    called('c', '{"n":3}'),
    input('a', '{"n":1}'),
    called('a', '{"n":1}'),
    called('b', '{"n":2}'),
    finish('tool-calls'),
  );
  expect(got.deltas.map(({ index, id }) => [index, id])).toEqual([
    [0, 'b'],
    [1, 'c'],
    [2, 'a'],
  ]);
  const numbers = got.calls.map((call) => [call.index, call.id, 'arguments' in call && call.arguments]);
  expect(numbers.sort()).toEqual([
    [0, 'b', { n: 2 }],
    [1, 'c', { n: 3 }],
    [2, 'a', { n: 1 }],
  ]);
});

test.each<[about: string, part: object, call: object]>([
  ['without arguments', called('c', ''), { arguments: {} }],
  ['with input that is no text', called('c', '', { input: { a: 1 } }), { arguments: { a: 1 } }],
  ['with arguments that are no JSON', called('c', '{"a":'), { arguments_text: '{"a":', invalid: true }],
])('a call %s', (_about, part, call) => {
  const got = decode(part, finish('tool-calls'));
  expect(got.calls).toEqual([{ index: 0, id: 'c', name: 'weather', ...call }]);
});

test('a call without an id gets one that stays', () => {
  const got = decode(called('', '{}'), called('', '{}'), finish('tool-calls'));
  const ids = got.calls.map(({ id }) => id);
  expect(new Set(ids).size).toBe(2);
  expect(got.deltas.map(({ id }) => id)).toEqual(ids);
});

test('a call that is said twice is one call', () => {
  expect(decode(called('c', '{}'), called('c', '{}'), finish('tool-calls')).calls).toHaveLength(1);
});

test('the complete input counts, whatever the deltas were', () => {
  const got = decode(begun('c'), input('c', 'null'), called('c', '{}'), input('c', 'late'), finish('tool-calls'));
  expect(got.calls).toEqual([{ index: 0, id: 'c', name: 'weather', arguments: {} }]);
  expect(got.deltas).toHaveLength(1);
});

test('deltas that are plain text are kept from the client: the complete input is JSON', () => {
  const got = decode(
    begun('c', { inputEncoding: 'text' }),
    input('c', 'ls -l'),
    called('c', '"ls -l"'),
    finish('stop'),
  );
  expect(got.deltas).toEqual([{ index: 0, id: 'c', name: 'weather', arguments: '"ls -l"' }]);
  expect(got.calls).toMatchObject([{ arguments: 'ls -l' }]);
});

test.each<[about: string, parts: object[]]>([
  ['says so at the start', [begun('s', { providerExecuted: true }), input('s', '{}'), called('s', '{}')]],
  ['says so only when complete', [begun('s'), called('s', '{"q":1}', { providerExecuted: true })]],
  ['is whole', [called('s', '{}', { providerExecuted: true, dynamic: true })]],
])('a tool that the provider runs is no call of the client when it %s', (_about, parts) => {
  const result = { type: 'tool-result', toolCallId: 's', toolName: 'search', result: [] };
  const got = decode(...parts, result, called('mine', '{}'), text('Found.'), finish('stop'));
  expect(got.deltas).toEqual([{ index: 0, id: 'mine', name: 'weather', arguments: '{}' }]);
  expect(got.calls.map(({ id }) => id)).toEqual(['mine']);
});

test('what the package wants back of a call carries the id of the call', () => {
  const got = decode(called('c', '{}', { providerMetadata: { maker: { thought: 't' } } }), finish('stop'));
  expect(got.details).toEqual([
    { format: 'ai-sdk', type: 'reasoning.encrypted', id: 'c', data: '{"maker":{"thought":"t"}}' },
  ]);
});

test('an answer that stops after calling a tool has ended for the tool calls', () => {
  expect(decode(called('c', '{}'), finish('stop')).end).toBe('tool-calls');
});

test.each(['length', 'content-filter'])('after %s only calls that are surely whole are given out', (reason) => {
  const got = decode(
    called('whole', '{"a":1}'),
    called('half', '{"a":'),
    called('none', ''),
    begun('open'),
    input('open', '{"a":1}'),
    finish(reason),
  );
  expect(got.calls.map(({ id }) => id)).toEqual(['whole']);
  expect(got.end).toBe(reason);
});

test('a call that is never completed is a cut, whatever the package says', () => {
  const got = decode(begun('c'), input('c', '{}'), finish('tool-calls'));
  expect(got.end).toMatchObject({ code: 'upstream_truncated' });
  expect(got.calls).toEqual([]);
});

// ---- endings --------------------------------------------------------------------------------------------------------

test.each([
  ['stop', 'stop'],
  ['length', 'length'],
  ['content-filter', 'content-filter'],
  ['tool-calls', 'tool-calls'],
  ['other', 'other'],
  ['something of tomorrow', 'other'],
])('the finish reason %s, in every version', (word, reason) => {
  expect(decode(text('Hi'), finish(word)).end).toBe(reason);
  expect(decode(text('Hi'), { type: 'finish', finishReason: word, usage: {} }).end).toBe(reason);
});

test.each<[about: string, finishReason: unknown]>([
  ['interrupted', { unified: 'interrupted' }],
  ['interrupted, with a word', { unified: 'interrupted', raw: 'eof' }],
  ['other, for which the provider gave no word', { unified: 'other' }],
  ['other, with the word null', { unified: 'other', raw: null }],
  ['unknown', 'unknown'],
  ['missing', undefined],
  ['null', null],
  ['a number', 7],
])('a reason that is %s is none: the answer was cut, and no call of it is whole', (_about, finishReason) => {
  const parts = [text('Hi'), called('c', '{}'), { type: 'finish', finishReason, usage: {} }];
  const got = decode(...parts);
  expect(got.end).toMatchObject({ code: 'upstream_truncated' });
  expect(got.calls).toEqual([]);
  const fault = new GatewayError('upstream_timeout', 'silence');
  expect(decodeBytes([lines(...parts)], fault).end).toBe(fault);
});

test('the reason error is one', () => {
  expect(decode(text('Hi'), finish('error')).end).toMatchObject({ code: 'upstream_unavailable' });
});

test('a stream without a finish was cut', () => {
  expect(decode(text('Hi')).end).toMatchObject({ code: 'upstream_truncated' });
  expect(decode().end).toMatchObject({ code: 'upstream_truncated' });
});

test('a fault that cuts the stream is what it ends with, unless it was finished', () => {
  const fault = new GatewayError('upstream_timeout', 'silence');
  expect(decodeBytes([lines(text('Hi'))], fault).end).toBe(fault);
  expect(decodeBytes([lines(text('Hi'), finish('stop'))], fault).end).toBe('stop');
});

test('nothing after the finish counts', () => {
  const got = decode(text('Hi'), finish('stop'), text(' there'), called('c', '{}'), finish('length'));
  expect(got).toMatchObject({ text: 'Hi', calls: [], end: 'stop' });
});

// ---- warnings -------------------------------------------------------------------------------------------------------

test.each<[warning: Record<string, string>, param: string]>([
  [{ type: 'unsupported', feature: 'stopSequences' }, 'stop'],
  [{ type: 'unsupported', feature: 'responseFormat', details: 'It knows no schemas.' }, 'response_format'],
  [{ type: 'unsupported-setting', setting: 'toolChoice' }, 'tool_choice'],
  [{ type: 'unsupported-setting', setting: 'tools' }, 'tools'],
])('a package that leaves out what matters (%j) fails the request, by its name', (warning, param) => {
  const got = decode({ type: 'stream-start', warnings: [warning] }, text('Hi'), finish('stop'));
  expect(got).toMatchObject({ text: '', end: { code: 'invalid_request', param } });
  expect((got.end as GatewayError).message).toMatch(/ai-sdk/);
  if (warning.details) expect((got.end as GatewayError).message).toContain(warning.details);
});

test.each([
  { type: 'unsupported', feature: 'topK' },
  { type: 'unsupported-setting', setting: 'seed' },
  { type: 'compatibility', feature: 'responseFormat' },
  { type: 'deprecated', setting: 'tools', message: 'old' },
  { type: 'other', message: 'stopSequences' },
  { type: 'unsupported', feature: 'constructor' },
  null,
])('a warning of less (%j) does not', (warning) => {
  expect(decode({ type: 'stream-start', warnings: [warning] }, text('Hi'), finish('stop')).end).toBe('stop');
});

// ---- usage ----------------------------------------------------------------------------------------------------------

test.each<[about: string, usage: object, counted: Partial<Usage> | undefined]>([
  [
    'versions 3 and 4',
    {
      inputTokens: { total: 100, noCache: 60, cacheRead: 30, cacheWrite: 10 },
      outputTokens: { total: 50, text: 20, reasoning: 30 },
    },
    {
      input_tokens: 100,
      output_tokens: 50,
      cached_input_tokens: 30,
      cache_write_input_tokens: 10,
      reasoning_tokens: 30,
    },
  ],
  [
    'versions 3 and 4 without totals',
    { inputTokens: { noCache: 60, cacheRead: 30, cacheWrite: 10 }, outputTokens: { text: 20, reasoning: 30 } },
    { input_tokens: 100, output_tokens: 50, cached_input_tokens: 30, reasoning_tokens: 30 },
  ],
  ['versions 3 and 4 with nothing', { inputTokens: {}, outputTokens: {} }, undefined],
  [
    'version 2',
    { inputTokens: 100, outputTokens: 50, totalTokens: 150, reasoningTokens: 30, cachedInputTokens: 40 },
    { input_tokens: 100, output_tokens: 50, cached_input_tokens: 40, reasoning_tokens: 30 },
  ],
  [
    'version 2 with reasoning beside the output',
    { inputTokens: 100, outputTokens: 20, totalTokens: 150, reasoningTokens: 30 },
    { input_tokens: 100, output_tokens: 50, reasoning_tokens: 30 },
  ],
  [
    'version 2 with cached tokens beside the input',
    { inputTokens: 10, outputTokens: 20, totalTokens: 30, cachedInputTokens: 90 },
    { input_tokens: 100, output_tokens: 20, cached_input_tokens: 90 },
  ],
  ['version 2 with nothing', {}, undefined],
])('usage as %s report it', (_about, usage, counted) => {
  const got = decode(text('Hi'), finish('stop', { usage }));
  if (counted) expect(got.usage).toMatchObject({ ...counted, estimated: false });
  else expect(got.usage).toBeUndefined();
});

test('an answer that was cut is billed by what was reported of it', () => {
  const usage = { inputTokens: { total: 5 }, outputTokens: { total: 2 } };
  const got = decode(text('Hi'), finish('interrupted', { usage }));
  expect(got.usage).toMatchObject({ input_tokens: 5, output_tokens: 2 });
});

// ---- nothing breaks it ----------------------------------------------------------------------------------------------

const answer = lines(
  { type: 'stream-start', warnings: [] },
  { type: 'reasoning-delta', id: 'r', delta: 'Überlegen…' },
  { type: 'reasoning-end', id: 'r', providerMetadata: { maker: { s: 1 } } },
  text('Ja 😀'),
  begun('c'),
  input('c', '{"a":'),
  input('c', '"ö"}'),
  called('c', '{"a":"ö"}'),
  finish('tool-calls', { usage: { inputTokens: { total: 5 }, outputTokens: { total: 2 } } }),
);

test('however the bytes are cut, the events are the same', () => {
  const whole = decodeBytes([answer]);
  expect(whole.end).toBe('tool-calls');
  expectSameByteByByte(read, answer);
  for (let at = 1; at < answer.length; at++) {
    expect(decodeBytes([answer.subarray(0, at), answer.subarray(at)]).events).toEqual(whole.events);
  }
});

test('cut anywhere it is never a success, and no call of it is whole', () => {
  for (let at = 0; at < answer.length; at++) {
    const got = decodeBytes([answer.subarray(0, at)]);
    expect(got.end).toMatchObject({ code: 'upstream_truncated' });
    expect(got.calls).toEqual([]);
  }
});

test('no bytes make it throw or end twice', () => {
  const words = ['\n', '{', '}', 'null\n', '{"type":"text-delta","delta":"', '"}\n', '{"type":"finish"}\n', '[]\n'];
  fc.assert(
    fc.property(noise(...words), (chunks) => void decodeBytes(chunks)),
    { numRuns: 2000 },
  );
});

test('parts with anything at all in any field do neither', () => {
  const { junk, or, record } = nearlyRight(4);
  const word = or(fc.constantFrom('a', 'b', '', '__proto__', '{}'));
  const count = or(fc.nat());
  const usage = or(
    record({
      inputTokens: fc.oneof(count, record({ total: count, cacheRead: count })),
      outputTokens: fc.oneof(count, record({ total: count, reasoning: count })),
      cachedInputTokens: count,
    }),
  );
  const reason = or(fc.constantFrom('stop', 'length', 'tool-calls', 'error', 'unknown', 'constructor'));
  const part = or(
    fc.record(
      {
        type: fc.constantFrom(
          'stream-start',
          'text-start',
          'text-delta',
          'text-end',
          'reasoning-start',
          'reasoning-delta',
          'reasoning-end',
          'tool-input-start',
          'tool-input-delta',
          'tool-call',
          'finish',
        ),
        id: word,
        delta: word,
        toolName: word,
        toolCallId: word,
        input: word,
        providerExecuted: or(fc.boolean()),
        providerMetadata: junk,
        finishReason: fc.oneof(reason, record({ unified: reason, raw: word })),
        usage,
        warnings: or(fc.array(or(fc.record({ type: fc.constant('unsupported'), feature: word })), { maxLength: 2 })),
      },
      { requiredKeys: ['type'] },
    ),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), (parts) => void decode(...parts)),
    { numRuns: 3000 },
  );
});

test('a part of any size is read, unless it never ends', () => {
  const long = 'ü'.repeat(3_000_000);
  expect(decode(text(long), finish('stop')).text).toBe(long);
  const endless = Array.from({ length: 300 }, () => Buffer.alloc(64 * 1024, 'x'));
  expect(decodeBytes(endless).end).toMatchObject({ code: 'upstream_protocol' });
});
