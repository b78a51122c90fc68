// Reading a chunk by its shape must be indistinguishable from parsing it, whatever the chunks are.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { StreamEvent } from '../../src/core/events.ts';
import { createOpenAiDecoder } from '../../src/providers/openai/decode.ts';
import { createShape } from '../../src/providers/shape.ts';

const HOLES = {
  text: { key: '"content":"', read: (chunk: any) => chunk.choices[0].delta.content },
  padding: { key: '"obfuscation":"', read: (chunk: any) => chunk.obfuscation },
};

const frame = (json: string) => Buffer.from(`data: ${json}\n\n`);
const chunk = (content: unknown, around: object = {}) =>
  JSON.stringify({ id: 'c', choices: [{ index: 0, delta: { content, ...around }, finish_reason: null }] });

const padChunk = (content: string, obfuscation: string) =>
  JSON.stringify({ choices: [{ index: 0, delta: { content } }], usage: null, obfuscation });

function decode(frames: string[]): StreamEvent[] {
  const events: StreamEvent[] = [];
  const decoder = createOpenAiDecoder({ emit: (event) => events.push(event), choices: 1 });
  for (const json of frames) decoder.push(frame(json));
  return events;
}

/** Texts that look like the JSON around them, besides ordinary ones. */
const content = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom(
    '"',
    '\\',
    '\\"',
    '","finish_reason":"stop',
    'content":"',
    '"content":"',
    '\n',
    '',
    'millrace',
    '}',
    '😀',
    '\u2028',
  ),
);

test('a chunk after others of its shape decodes as it does alone', () => {
  const kind = fc.oneof(
    content.map((text) => chunk(text)),
    content.map((text) => chunk(text, { role: 'assistant' })),
    content.map((text) => chunk(text, { reasoning: text })),
    content.map((text) => JSON.stringify({ choices: [{ delta: { content: text }, echo: { content: text } }] })),
    content.map(
      (text) =>
        `{"choices":[{"delta":{"content": ${JSON.stringify(text)}},"echo":{"content":${JSON.stringify(text)}}}]}`,
    ),
    fc.tuple(content, content).map(([text, padding]) => padChunk(text, padding)),
    fc.tuple(content, fc.string({ maxLength: 6 })).map(([text, padding]) => padChunk(text, padding)),
    content.map((text) => `{"choices":[{"delta":{"content":"${text}"}}],"obfuscation":"${text}"}`), // not always JSON
    content.map((text) => JSON.stringify({ usage: { prompt_tokens: 1 }, choices: [{ delta: { content: text } }] })),
  );
  fc.assert(
    fc.property(fc.array(kind, { maxLength: 12 }), (frames) => {
      // Frames after an error are not read; before it, each says what it says alone.
      const alone = frames.map((json) => decode([json]));
      const failed = alone.findIndex((events) => events.some(({ type }) => type === 'error'));
      expect(decode(frames)).toEqual(alone.slice(0, failed === -1 ? alone.length : failed + 1).flat());
    }),
    { numRuns: 2000 },
  );
});

test('the second chunk of a shape is not parsed', () => {
  const shape = createShape(HOLES);
  expect(shape.match(chunk('one'))).toBeUndefined();
  shape.learn(chunk('one'), 'one');
  expect(shape.match(chunk('two'))).toBe('two');
  for (const text of ['with "quotes"', 'a\nb', 'back\\', '\\"', '"', '\u0007😀', '\ud83d']) {
    expect(shape.match(chunk(text)), text).toBe(text);
  }
  expect(shape.match(chunk('half').replace('half', 'ha\\x'))).toBeUndefined(); // no escape of JSON
  expect(shape.match(chunk('two', { role: 'assistant' }))).toBeUndefined();
});

test('a text that also stands elsewhere in its chunk teaches nothing wrong', () => {
  const shape = createShape(HOLES);
  const twice = (a: string, b: string) => `{"echo":{"content":"${a}"},"choices":[{"delta":{"content":"${b}"}}]}`;
  shape.learn(twice('x', 'x'), 'x');
  expect(shape.match(twice('y', 'x'))).toBeUndefined();
});

test('padding of any length does not hide the shape', () => {
  const shape = createShape(HOLES);
  shape.learn(padChunk('one', 'abc'), 'one');
  expect(shape.match(padChunk('two', ''))).toBe('two');
  expect(shape.match(padChunk('three', 'a longer one'))).toBe('three');
  expect(shape.match(padChunk('four', 'with "quotes"'))).toBeUndefined();
  expect(shape.match(`${padChunk('five', 'x').slice(0, -2)}","error":"no"}`)).toBeUndefined();
});

test('counters are read, wherever they stand', () => {
  const shape = createShape({
    text: { key: '"text":"', read: (frame: any) => frame.delta.text },
    numbers: [
      { key: '"sequence_number":', read: (frame: any) => frame.sequence_number },
      { key: '"tokens":', read: (frame: any) => frame.usage.tokens },
    ],
  });
  const counted = (text: string, sequence: unknown, tokens: unknown) =>
    `{"usage":{"tokens":${tokens}},"delta":{"text":"${text}"},"sequence_number":${sequence}}`;
  shape.learn(counted('one', 7, 1), 'one');
  expect(shape.match(counted('two', 12_345, 2))).toBe('two');
  expect(shape.numbers).toEqual([12_345, 2]);
  for (const not of ['1.5', '-1', '01', '1e3', '"1"', '', '12345678901234567']) {
    expect(shape.match(counted('three', not, 3)), not).toBeUndefined();
  }
});
