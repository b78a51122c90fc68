// The client's SSE parser held against one that is not ours, on random input cut at random places.
import { createParser } from 'eventsource-parser';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createSseParser, type Frame } from '../../src/client/sse.ts';

interface Read {
  frames: Frame[];
  retries: number[];
}

function parse(chunks: Uint8Array[]): Read {
  const frames: Frame[] = [];
  const retries: number[] = [];
  const push = createSseParser({ frame: (frame) => void frames.push(frame), retry: (ms) => void retries.push(ms) });
  for (const chunk of chunks) push(chunk);
  return { frames, retries };
}

function reference(text: string): Read {
  const frames: Frame[] = [];
  const retries: number[] = [];
  const parser = createParser({
    onEvent: ({ data, event, id }) => void frames.push({ data, name: event ?? '', id }),
    onRetry: (ms) => void retries.push(ms),
  });
  parser.feed(text);
  return { frames, retries };
}

function cut(body: Uint8Array, at: number[]): Uint8Array[] {
  const places = [...new Set(at.map((n) => n % (body.length + 1)))].sort((a, b) => a - b);
  return [0, ...places].map((from, i) => body.subarray(from, places[i] ?? body.length));
}

const cuts = fc.array(fc.nat(), { maxLength: 40 });
const value = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.constantFrom(
    '',
    ' ',
    '  two',
    ':',
    'a:b',
    '{"x":1}',
    '\u2028',
    '\uFEFF',
    '😀',
    'data: x',
    '\u0000',
    '12',
    '007',
    '1e3',
  ),
);
const field = fc.constantFrom(
  'data',
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
  'x',
);
const line = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(field, fc.constantFrom(':', ': ', ':  '), value).map((parts) => parts.join('')) },
  { weight: 4, arbitrary: fc.constant('') },
  { weight: 1, arbitrary: field },
  { weight: 1, arbitrary: value },
);
const text = fc
  .tuple(
    fc.constantFrom('', '', '\uFEFF'),
    fc.array(fc.tuple(line, fc.constantFrom('\n', '\n', '\r\n', '\r')), { maxLength: 30 }),
    line,
  )
  .map(([bom, lines, last]) => bom + lines.flat().join('') + last)
  .map((whole) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(new TextEncoder().encode(whole)))
  // A CR at the very end: the reference waits for what follows; the standard and this parser end the line there.
  .filter((whole) => !whole.endsWith('\r'));

test('any event stream, cut anywhere, reads as another parser reads it', () => {
  fc.assert(
    fc.property(text, cuts, (whole, at) => {
      expect(parse(cut(new TextEncoder().encode(whole), at))).toEqual(reference(whole));
    }),
    { numRuns: 3000 },
  );
});

test('one that has everything reads the same cut at each byte', () => {
  const bytes = new TextEncoder().encode(
    '\ufeff: hello\nretry: 1000\nid: 1\nevent: start\ndata: {}\n\nevent: token\r\nid: 2\r\ndata: é🙂\r\ndata:  two\r\n\r\n' +
      ': ping\ndata\rdata: cr\r\revent: none\n\nunknown: x\nevent:token\ndata:last\n\ndata: unfinished\n',
  );
  const expected = {
    frames: [
      { name: 'start', data: '{}', id: '1' },
      { name: 'token', data: 'é🙂\n two', id: '2' },
      { name: '', data: '\ncr', id: undefined },
      { name: 'token', data: 'last', id: undefined },
    ],
    retries: [1000],
  };
  for (let at = 0; at <= bytes.length; at++) expect(parse(cut(bytes, [at]))).toEqual(expected);
  expect(parse(Array.from(bytes, (_, at) => bytes.subarray(at, at + 1)))).toEqual(expected);
});
