// The benchmark's own instruments: a figure is worth as much as the assertions behind it (DESIGN rule 8).
import { expect, test } from 'vitest';
import {
  BLOCK,
  checkFixture,
  closing,
  OPENING,
  partOfBlock,
  RESPONSE_HEAD,
  TOKENS_PER_BLOCK,
  timedPacket,
} from '../bench/fixture.ts';
import { createReader } from '../bench/reader.ts';
import { ratioOf, spreadOf } from '../bench/statistics.ts';

const TERMINAL = 'data: [DONE]\n';
const STAMP = 123_456_789;

function answer(...tokens: string[]): Buffer {
  return Buffer.from(RESPONSE_HEAD + OPENING + tokens.join('') + closing(tokens.length), 'latin1');
}

function read(bytes: Buffer, size = bytes.length) {
  const ends: { tokens: number; fault: string | null }[] = [];
  const stamps: number[] = [];
  const reader = createReader({
    terminal: TERMINAL,
    timed: true,
    onToken: (sentAt) => stamps.push(sentAt),
    onEnd: (fault) => ends.push({ tokens: reader.tokens, fault }),
  });
  for (let at = 0; at < bytes.length; at += size) reader.push(bytes.subarray(at, at + size));
  return { ends, stamps };
}

test('the fixture is what it says it is', () => {
  expect(checkFixture).not.toThrow();
});

test('the reader counts the same tokens and one terminal however the bytes are cut', () => {
  const bytes = answer(timedPacket(0, STAMP), timedPacket(1, STAMP), timedPacket(2, STAMP));
  for (let size = 1; size <= 400; size++) expect(read(bytes, size).ends).toEqual([{ tokens: 3, fault: null }]);
});

test('the reader finds the time in each token that came whole', () => {
  expect(read(answer(timedPacket(0, STAMP), timedPacket(57, STAMP))).stamps).toEqual([STAMP, STAMP]);
  expect(new Set(read(answer(timedPacket(0, STAMP)), 1).stamps)).toEqual(new Set([0]));
});

test('the reader takes the next answer on the same connection', () => {
  const twice = Buffer.concat([answer(timedPacket(0, STAMP)), answer(timedPacket(0, STAMP), timedPacket(1, STAMP))]);
  for (const size of [1, 7, 200, twice.length]) {
    expect(read(twice, size).ends).toEqual([
      { tokens: 1, fault: null },
      { tokens: 2, fault: null },
    ]);
  }
});

test('the reader counts the tokens of whole and partial blocks', () => {
  const bytes = Buffer.from(`${RESPONSE_HEAD}${OPENING}${BLOCK}${partOfBlock(5)}${closing(0)}`, 'latin1');
  expect(read(bytes, 1000).ends).toEqual([{ tokens: TOKENS_PER_BLOCK + 5, fault: null }]);
});

test('the reader notices a missing terminal, a second one, and an end inside an event', () => {
  const body = (text: string) =>
    Buffer.from(`${RESPONSE_HEAD}${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`, 'latin1');
  const faultOf = (text: string, size?: number) => read(body(text), size).ends.map(({ fault }) => fault);
  for (const size of [1, 5, 1000]) {
    expect(faultOf('data: {}\n\n', size)).toEqual(['0 terminals instead of one']);
    expect(faultOf('data: [DONE]\n\ndata: [DONE]\n\n', size)).toEqual(['2 terminals instead of one']);
    expect(faultOf('data: [DONE]\n', size)).toEqual(['an end inside an event']);
  }
});

test('the reader refuses an answer that is not a chunked 200', () => {
  expect(() => read(Buffer.from('HTTP/1.1 500 Oops\r\n\r\n'))).toThrow('500 Oops');
  expect(() => read(Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'))).toThrow('not chunked');
});

test('a ratio is taken within each round, and a round without a divisor is left out', () => {
  expect(ratioOf([2, 30, 4], [1, 10, 4])).toEqual({ median: 2, min: 1, max: 3 });
  expect(ratioOf([2, 30], [0, 10])).toEqual({ median: 3, min: 3, max: 3 });
  expect(ratioOf([1], [-1])).toBeNull();
  expect(spreadOf([4, 1, 3, 2])).toEqual({ median: 2.5, min: 1, max: 4 });
  expect(spreadOf([])).toBeNull();
});
