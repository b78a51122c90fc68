// The decoder against what nobody has recorded: noise, payloads of every shape, calls and reasoning in odd orders, bodies that break
// off. What is really sent is in test/conformance and test/fixtures/bedrock-converse.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GatewayError } from '../../src/core/errors.ts';
import type { StreamEvent } from '../../src/core/events.ts';
import { createBedrockDecoder } from '../../src/providers/bedrock/decode.ts';
import { type Decode, decoding, expectSameByteByByte } from '../support/decode.ts';
import { recordingsOf } from '../support/recordings.ts';
import { event, exception, frame } from './bedrock.frame.ts';

const bodies = recordingsOf('bedrock-converse');

const start = event('messageStart', { role: 'assistant' });
const delta = (delta: object, contentBlockIndex = 0, p = 'abc') =>
  event('contentBlockDelta', { contentBlockIndex, delta, p });
const begin = (toolUse: object, contentBlockIndex = 0) =>
  event('contentBlockStart', { contentBlockIndex, start: { toolUse } });
const close = (contentBlockIndex = 0) => event('contentBlockStop', { contentBlockIndex });
const stop = (stopReason: string) => event('messageStop', { stopReason });
const metadata = event('metadata', { usage: { inputTokens: 3, outputTokens: 4, totalTokens: 7 } });

const read = decoding(createBedrockDecoder, { late: delta({ text: 'late' }) });
const decode: Decode = (...given) => {
  const decoded = read(...given);
  for (const { type } of decoded.details) expect(type).toMatch(/^reasoning\.(text|encrypted)$/);
  expect(decoded.frames, 'there is no front door for binary frames').toEqual([]);
  return decoded;
};

// ---- nothing breaks it ----------------------------------------------------------------------------------------------

const TYPES = ['messageStart', 'contentBlockStart', 'contentBlockDelta', 'contentBlockStop', 'messageStop', 'metadata'];
const KEYS = ['contentBlockIndex', 'delta', 'start', 'stopReason', 'usage', 'text', 'toolUse', 'reasoningContent', 'p'];
const payload = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(null, true, 0, 1, -1, 1.5, '', 'x', '"', 'tool_use', 'end_turn', '{}', 'rsn_x'),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom(...KEYS, 'input', 'signature', 'redactedContent', 'toolUseId', 'name'), tie('value')),
  ),
})).value;
const anyFrame = fc.oneof(
  fc
    .tuple(fc.constantFrom(...TYPES, 'weather', 'validationException'), payload)
    .map(([type, value]) => event(type, value)),
  fc.tuple(fc.constantFrom('throttlingException', 'x', ''), payload).map(([type, value]) => exception(type, value)),
  fc.string().map((text) => frame({ ':event-type': 'contentBlockDelta', ':message-type': 'event' }, text)),
);

test('no bytes and no payloads make it throw or end twice', () => {
  const piece = fc.oneof(
    { weight: 6, arbitrary: anyFrame },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 30 }).map(Buffer.from) },
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (chunks) => void decode(chunks)),
    { numRuns: 500 },
  );
});

test('byte by byte it says what it says of the whole', () => {
  fc.assert(
    fc.property(fc.array(anyFrame, { maxLength: 10 }), (frames) =>
      expectSameByteByByte(decode, Buffer.concat(frames), /call_[0-9a-f-]{36}/g),
    ),
  );
});

test.each(bodies.map((body) => [body.id, body]))(
  '%s damaged anywhere neither throws nor says anything untrue',
  (_id, { body }) => {
    const whole = decode([body]);
    for (let at = 0; at < body.length; at += Math.max(1, Math.floor(body.length / 60))) {
      const damaged = Buffer.from(body);
      damaged[at]! ^= 0x11;
      const read = decode([damaged]);
      expect(whole.text.startsWith(read.text), `damaged at ${at}`).toBe(true);
      if (read.end.type === 'done') expect(whole.end).toEqual(read.end);
    }
  },
);

// ---- deltas after their like ----------------------------------------------------------------------------------------

test('a delta after others of its shape is read as it is alone, whatever the text', () => {
  const said = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('"', '\\', '","p":"', '"text":"', '\n', 'ü', '日本語', '😀', '\u2028', '\u00ff', ' plain'),
  );
  const kind = fc.constantFrom('text', 'reasoningContent', 'toolUse');
  fc.assert(
    fc.property(
      fc.array(fc.tuple(kind, said, fc.integer({ min: 0, max: 2 }), fc.string({ maxLength: 5 })), { maxLength: 14 }),
      (deltas) => {
        const of = (wanted: string) => deltas.flatMap(([kind, said]) => (kind === wanted ? [said] : [])).join('');
        const frames = deltas.map(([kind, said, index, padding]) =>
          delta(
            { [kind]: kind === 'text' ? said : kind === 'toolUse' ? { input: said } : { text: said } },
            index,
            padding,
          ),
        );
        const wellFormed = (text: string) => Buffer.from(text).toString(); // halves of characters cannot be sent
        const read = decode([Buffer.concat(frames)]);
        expect(read.text).toBe(wellFormed(of('text')));
        expect(read.reasoning).toBe(wellFormed(of('reasoningContent')));
      },
    ),
  );
});

test('reasoning read by its shape belongs to the block that it came in', () => {
  const words = (block: number) =>
    ['one ', 'two ', 'three '].map((text) => delta({ reasoningContent: { text } }, block));
  const signed = (block: number) => [delta({ reasoningContent: { signature: `s${block}` } }, block), close(block)];
  const read = decode([...words(0), ...signed(0), ...words(4), ...signed(4), stop('end_turn'), metadata]);
  expect(read.details).toEqual([
    { type: 'reasoning.text', format: 'anthropic-claude-v1', text: 'one two three ', signature: 's0' },
    { type: 'reasoning.text', format: 'anthropic-claude-v1', text: 'one two three ', signature: 's4' },
  ]);
});

// ---- how it ends ----------------------------------------------------------------------------------------------------

test.each([
  ['end_turn', 'stop'],
  ['stop_sequence', 'stop'],
  ['max_tokens', 'length'],
  ['model_context_window_exceeded', 'length'],
  ['guardrail_intervened', 'content-filter'],
  ['content_filtered', 'content-filter'],
  ['malformed_model_output', 'other'],
  ['malformed_tool_use', 'other'],
  ['tool_use', 'other'], // and no call: only the provider's own tools ran
  ['invented_later', 'other'],
])('the stop reason %s is %s', (reason, finishReason) => {
  expect(decode([start, delta({ text: 'x' }), close(), stop(reason), metadata]).end).toEqual({
    type: 'done',
    finishReason,
  });
});

test('the end waits for the usage that follows the stop reason', () => {
  const events: StreamEvent[] = [];
  const decoder = createBedrockDecoder({ emit: (event) => void events.push(event), choices: 1 });
  decoder.push(Buffer.concat([start, delta({ text: 'x' }), close(), stop('end_turn')]));
  expect(events.map(({ type }) => type)).toEqual(['token']);
  decoder.push(metadata);
  expect(events.map(({ type }) => type)).toEqual(['token', 'usage', 'done']);
});

test('after the stop reason any end of the body is the end, before it none is', () => {
  const broken = new GatewayError('upstream_truncated', 'The connection broke.');
  const said = [start, delta({ text: 'x' }), close()];
  expect(decode([...said, stop('end_turn')], { fault: broken }).end).toMatchObject({ type: 'done' });
  expect(decode([...said, stop('end_turn'), metadata.subarray(0, 40)]).end).toMatchObject({ type: 'done' });
  expect(decode(said, { fault: broken }).end).toEqual({ type: 'error', error: broken });
  expect(decode([...said, metadata]).end).toMatchObject({ error: { code: 'upstream_truncated' } });
  expect(decode([]).end).toMatchObject({ error: { code: 'upstream_truncated' } });
});

test('an exception in the stream is reported with its message, also after the stop reason', () => {
  const said = [start, delta({ text: 'x' })];
  const thrown = exception('serviceUnavailableException', { message: 'Too busy.' });
  for (const frames of [said, [...said, close(), stop('end_turn')]]) {
    const { end } = decode([...frames, thrown]);
    expect(end).toMatchObject({ type: 'error', error: { code: 'upstream_unavailable' } });
    expect(end.type === 'error' && end.error.message).toContain('Too busy.');
  }
});

test('a payload that is not JSON ends it', () => {
  const broken = frame({ ':event-type': 'contentBlockDelta', ':message-type': 'event' }, '{"delta":');
  expect(decode([start, broken]).end).toMatchObject({ error: { code: 'upstream_protocol' } });
});

// ---- usage ----------------------------------------------------------------------------------------------------------

test('input is all of the prompt, also what was read from the cache or written to it', () => {
  const usage = { inputTokens: 10, outputTokens: 5, cacheReadInputTokens: 200, cacheWriteInputTokens: 30 };
  const { events } = decode([stop('end_turn'), event('metadata', { usage })]);
  expect(events).toContainEqual({
    type: 'usage',
    usage: {
      input_tokens: 240,
      output_tokens: 5,
      cached_input_tokens: 200,
      cache_write_input_tokens: 30,
      reasoning_tokens: 0,
      estimated: false,
    },
  });
});

test('metadata without usage reports none', () => {
  for (const usage of [undefined, null, {}, { inputTokens: null }]) {
    const { events } = decode([stop('end_turn'), event('metadata', { usage })]);
    expect(events.map(({ type }) => type)).toEqual(['done']);
  }
});

// ---- calls ----------------------------------------------------------------------------------------------------------

test('a call is announced when its block begins and given out when it closes', () => {
  const { events } = decode([
    start,
    begin({ toolUseId: 't1', name: 'f' }),
    delta({ toolUse: { input: '{"a":' } }),
    delta({ toolUse: { input: '1}' } }),
    close(),
    delta({ text: 'and' }, 1),
    stop('tool_use'),
    metadata,
  ]);
  expect(events.slice(0, 5)).toEqual([
    { type: 'tool-call-delta', index: 0, id: 't1', name: 'f', arguments: '' },
    { type: 'tool-call-delta', index: 0, arguments: '{"a":' },
    { type: 'tool-call-delta', index: 0, arguments: '1}' },
    { type: 'tool-call', call: { index: 0, id: 't1', name: 'f', arguments: { a: 1 } } },
    { type: 'token', text: 'and' },
  ]);
});

test('calls whose blocks are interleaved are kept apart and given out in order', () => {
  const read = decode([
    begin({ toolUseId: 'a', name: 'f' }, 0),
    begin({ toolUseId: 'b', name: 'g' }, 1),
    delta({ toolUse: { input: '{"b":' } }, 1),
    delta({ toolUse: { input: '{"a":1}' } }, 0),
    delta({ toolUse: { input: '2}' } }, 1),
    close(1),
    close(0),
    stop('tool_use'),
  ]);
  expect(read.calls).toEqual([
    { index: 0, id: 'a', name: 'f', arguments: { a: 1 } },
    { index: 1, id: 'b', name: 'g', arguments: { b: 2 } },
  ]);
});

test.each(['max_tokens', 'model_context_window_exceeded', 'guardrail_intervened'])(
  'a call that %s cut is not given out, the whole ones are',
  (reason) => {
    const whole = [begin({ toolUseId: 'a', name: 'f' }), delta({ toolUse: { input: '{"a":1}' } }), close()];
    const begun = begin({ toolUseId: 'b', name: 'g' }, 1);
    const piece = delta({ toolUse: { input: '{"b":' } }, 1);
    for (const cut of [[begun], [begun, close(1)], [begun, piece], [begun, piece, close(1)]]) {
      const read = decode([...whole, ...cut, stop(reason), metadata]);
      expect(read.calls.map(({ id }) => id)).toEqual(['a']);
      expect(read.end).toMatchObject({
        type: 'done',
        finishReason: reason.startsWith('guard') ? 'content-filter' : 'length',
      });
    }
  },
);

test('arguments that the model finished and that are no JSON are given out as such', () => {
  const read = decode([
    begin({ toolUseId: 'a', name: 'f' }),
    delta({ toolUse: { input: '{"a":' } }),
    close(),
    stop('tool_use'),
  ]);
  expect(read.calls).toEqual([{ index: 0, id: 'a', name: 'f', arguments_text: '{"a":', invalid: true }]);
});

test('a call without an id is given one, and one whose block is never closed is whole when the model stops', () => {
  const read = decode([begin({ name: 'f' }), delta({ toolUse: { input: '{}' } }), stop('tool_use')]);
  expect(read.calls).toEqual([{ index: 0, id: expect.stringMatching(/^call_/), name: 'f', arguments: {} }]);
  expect(read.end).toMatchObject({ finishReason: 'tool-calls' });
});

test('tools that the provider runs are no calls of the client', () => {
  const read = decode([
    begin({ toolUseId: 's', name: 'nova_grounding', type: 'server_tool_use' }),
    delta({ toolUse: { input: '{"q":1}' } }),
    close(),
    delta({ toolResult: [{ text: 'found' }] }, 1),
    delta({ text: 'Found.' }, 2),
    stop('end_turn'),
  ]);
  expect(read.events.map(({ type }) => type)).toEqual(['token', 'done']);
});

// ---- reasoning ------------------------------------------------------------------------------------------------------

const base64 = (bytes: string) => Buffer.from(bytes, 'latin1').toString('base64');

test('redacted reasoning is handed out as its maker wrote it, and says whose it is', () => {
  const redacted = (bytes: string, index: number) => [
    delta({ reasoningContent: { redactedContent: base64(bytes) } }, index),
    close(index),
  ];
  const read = decode([...redacted('EqADCkgI', 0), ...redacted('rsn_\x00\xff', 1), stop('end_turn')]);
  expect(read.details).toEqual([
    { type: 'reasoning.encrypted', format: 'anthropic-claude-v1', data: 'EqADCkgI' },
    { type: 'reasoning.encrypted', format: 'bedrock-openai-v1', data: 'rsn_\x00\xff' },
  ]);
});

test('a redacted block in several pieces is one', () => {
  const pieces = ['Eq', 'AD'].map((bytes) => delta({ reasoningContent: { redactedContent: base64(bytes) } }));
  expect(decode([...pieces, close(), stop('end_turn')]).details).toMatchObject([{ data: 'EqAD' }]);
});

test('reasoning without a signature need not be given back', () => {
  const read = decode([delta({ reasoningContent: { text: 'hm' } }), close(), stop('end_turn')]);
  expect([read.reasoning, read.details]).toEqual(['hm', []]);
});

test('a signature whose text was withheld is kept', () => {
  const read = decode([delta({ reasoningContent: { signature: 's' } }), stop('end_turn')]);
  expect(read.details).toEqual([{ type: 'reasoning.text', format: 'anthropic-claude-v1', text: '', signature: 's' }]);
});
