// The SSE parser held against one that is not ours on random input, and the framing against what may be put into it.
import { createParser } from 'eventsource-parser';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../src/core/errors.ts';
import { createSseParser, HEARTBEAT, sseFrame, withoutLineSeparators } from '../../src/core/sse.ts';

interface Event {
  data: string;
  name: string;
}

function parse(chunks: Buffer[], maxEvent?: number): Event[] {
  const events: Event[] = [];
  const parser = createSseParser({ event: (data, name) => void events.push({ data, name }) }, maxEvent);
  for (const chunk of chunks) parser.push(chunk);
  parser.end();
  return events;
}

/**
 * As `eventsource-parser` reads it. One deliberate difference: the last event counts although its blank line never came,
 * because several vendors leave that out; so the reference gets one.
 */
function reference(text: string): Event[] {
  const events: Event[] = [];
  const parser = createParser({ onEvent: ({ data, event }) => void events.push({ data, name: event ?? '' }) });
  parser.feed(`${text}\n\n`);
  return events;
}

function cut(body: Buffer, at: number[]): Buffer[] {
  const places = [...new Set(at.map((n) => n % (body.length + 1)))].sort((a, b) => a - b);
  return [0, ...places].map((from, i) => body.subarray(from, places[i] ?? body.length));
}

const cuts = fc.array(fc.nat(), { maxLength: 40 });
const value = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.constantFrom('', ' ', '  two', ':', 'a:b', '{"x":1}', '\u2028', '\uFEFF', '😀', 'data: x', '\u0000'),
);
const field = fc.constantFrom(
  'data',
  'event',
  'id',
  'retry',
  '',
  'dat',
  'data ',
  ' data',
  'datax',
  'Data',
  'foo',
  'error',
);
const sseLine = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(field, fc.constantFrom(':', ': ', ':  '), value).map((parts) => parts.join('')) },
  { weight: 4, arbitrary: fc.constant('') },
  { weight: 1, arbitrary: field },
  { weight: 1, arbitrary: value },
);
const ending = fc.constantFrom('\n', '\n', '\r\n', '\r');
const sseText = fc
  .tuple(fc.constantFrom('', '', '\uFEFF'), fc.array(fc.tuple(sseLine, ending), { maxLength: 30 }), sseLine)
  .map(([bom, lines, last]) => bom + lines.flat().join('') + last)
  .map((text) => Buffer.from(text).toString()); // what has no UTF-8 form never comes off a socket

test('any event stream, cut anywhere, reads as another parser reads it', () => {
  fc.assert(
    fc.property(sseText, cuts, (text, at) => {
      expect(parse(cut(Buffer.from(text), at))).toEqual(reference(text));
    }),
    { numRuns: 2000 },
  );
});

test('any bytes at all read the same however they are cut', () => {
  const bytes = fc.array(
    fc.oneof(
      fc.constantFrom('data: ', '\n', '\r', '\n\n', 'é', '😀').map((s) => Buffer.from(s)),
      fc.uint8Array(),
    ),
  );
  fc.assert(
    fc.property(bytes, cuts, (parts, at) => {
      const body = Buffer.concat(parts);
      expect(parse(cut(body, at))).toEqual(parse([body]));
    }),
    { numRuns: 1000 },
  );
});

test.each<[about: string, text: string, events: Event[]]>([
  ['the last event needs no blank line', 'data: a', [{ data: 'a', name: '' }]],
  ['nor a line break', 'event: x\ndata: a\ndata: b', [{ data: 'a\nb', name: 'x' }]],
  ['an event without data is none', 'event: x\n\nid: 1\n\n: c\n\n', []],
  ['a name does not outlive its event', 'event: x\n\ndata: a\n\n', [{ data: 'a', name: '' }]],
  ['data may be empty', 'data\n\ndata:\n\ndata: \n\n', ['', '', ''].map((data) => ({ data, name: '' }))],
  ['one space is eaten, not two', 'data:  a\n\n', [{ data: ' a', name: '' }]],
  ['a separator of Unicode ends no line', 'data: a\u2028b\u0085c\n\n', [{ data: 'a\u2028b\u0085c', name: '' }]],
])('%s', (_about, text, events) => {
  expect(parse([Buffer.from(text)])).toEqual(events);
});

test('a line that is no field of the standard is handed out, comments are not', () => {
  const stray: string[] = [];
  const parser = createSseParser({ event() {}, stray: (line) => void stray.push(line) });
  parser.push(Buffer.from(': comment\n:\ndata: x\nid: 1\nretry: 5\nevent: e\nerror: {"a":1}\n{"b":2}\n\n'));
  parser.end();
  expect(stray).toEqual(['error: {"a":1}', '{"b":2}']);
});

describe('an event past the bound fails as upstream_protocol', () => {
  const bound = 1000;
  const endless: [about: string, piece: string][] = [
    ['in one line that never ends', 'xxxxxxxxxx'],
    ['in many lines', 'data: 0123456789\n'],
    ['in empty data lines', 'data:\n'],
    ['in data lines without a colon', 'data\n'],
    ['in lines of no known field', 'junk: 0123456789\n'],
  ];
  test.each(endless)('%s', (_about, piece) => {
    const parser = createSseParser({ event() {} }, bound);
    const push = () => {
      for (let n = 0; n < 2 * bound; n++) parser.push(Buffer.from(piece));
    };
    expect(push).toThrow(GatewayError);
    expect(push).toThrow(expect.objectContaining({ code: 'upstream_protocol' }));
  });

  test('but any number of events and comments below it pass', () => {
    const body = Buffer.from(`: ${'c'.repeat(500)}\n\ndata: ${'d'.repeat(900)}\n\n`.repeat(20));
    expect(parse(cut(body, [77, 7777]), bound)).toHaveLength(20);
  });
});

// What a person or a model may say in the hope of ending the field it stands in.
const hostile = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: 'grapheme' }),
  fc
    .array(
      fc.constantFrom(
        '\n',
        '\r',
        '\r\n',
        '\n\n',
        'data: x',
        'event: done',
        'id: 9',
        ': c',
        '\u2028',
        '\u0000',
        '\uD800',
        '\uDC00',
        '\uFEFF',
        '"',
        '\\',
        'x',
      ),
    )
    .map((parts) => parts.join('')),
);

test('no string put into a frame breaks out of its field', () => {
  fc.assert(
    fc.property(fc.array(hostile, { minLength: 1, maxLength: 5 }), cuts, (texts, at) => {
      const body = texts.map((text, n) => sseFrame(n + 1, JSON.stringify({ text }), 'token')).join('');
      const events = parse(cut(Buffer.from(body), at));
      expect(events.map(({ name }) => name)).toEqual(texts.map(() => 'token'));
      expect(events.map(({ data }) => JSON.parse(data).text)).toEqual(texts);
    }),
    { numRuns: 1000 },
  );
});

test('a heartbeat between frames dispatches nothing and changes nothing', () => {
  const frames = [sseFrame(1, '{"a":1}', 'token'), sseFrame(2, '{"b":2}'), sseFrame(3, '[DONE]')];
  const quiet = reference(frames.join(''));
  const beating = HEARTBEAT + frames.join(HEARTBEAT + HEARTBEAT) + HEARTBEAT;
  expect(reference(beating)).toEqual(quiet);
  expect(quiet).toHaveLength(3);
  // Some SDKs dispatch at any blank line, so there must be none that no frame ends with.
  expect(HEARTBEAT).toMatch(/^:[^\r\n]*\n$/);
  expect(beating.match(/\n\n/g)).toHaveLength(3);
});

test('what ends a line for readers that split text is escaped in frames, and the same JSON', () => {
  const text = 'one\u2028two\u2029three\u0085four é';
  const frames = withoutLineSeparators(sseFrame(1, JSON.stringify({ text }), 'token'));
  expect(frames).not.toMatch(/[\u0085\u2028\u2029]/);
  expect(JSON.parse(frames.split('data: ')[1]!)).toEqual({ text });
});
