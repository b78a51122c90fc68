// Frames read here against frames as AWS's own codec writes and reads them, however they are cut and whatever is wrong with them.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createFrameParser, readHeaders } from '../../src/providers/bedrock/frames.ts';
import { codec } from './bedrock.frame.ts';

interface Read {
  headers: Record<string, string>;
  payload: string;
}

function read(chunks: Buffer[], maxFrame?: number): Read[] {
  const frames: Read[] = [];
  const parser = createFrameParser(
    (headers, payload) => frames.push({ headers: Object.fromEntries(readHeaders(headers)), payload }),
    maxFrame,
  );
  for (const chunk of chunks) parser.push(chunk);
  return frames;
}

/** The same by the codec that writes them: only text headers matter here. */
function readByCodec(frame: Buffer): Read {
  const { headers, body } = codec.decode(frame);
  const texts = Object.entries(headers).flatMap(([name, header]) =>
    header.type === 'string' ? [[name, header.value] as const] : [],
  );
  return { headers: Object.fromEntries(texts), payload: Buffer.from(body).toString('latin1') };
}

const header = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 40 }).map((value) => ({ type: 'string', value })),
  fc.boolean().map((value) => ({ type: 'boolean', value })),
  fc.integer({ min: -128, max: 127 }).map((value) => ({ type: 'byte', value })),
  fc.integer({ min: -32768, max: 32767 }).map((value) => ({ type: 'short', value })),
  fc.integer().map((value) => ({ type: 'integer', value })),
  fc.uint8Array({ maxLength: 300 }).map((value) => ({ type: 'binary', value })),
  fc.date({ noInvalidDate: true }).map((value) => ({ type: 'timestamp', value })),
  fc.uuid().map((value) => ({ type: 'uuid', value })),
);
const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((text) => text !== '__proto__');
const frame = fc
  .record({ headers: fc.dictionary(name, header, { maxKeys: 5 }), body: fc.uint8Array({ maxLength: 600 }) })
  .map(({ headers, body }) =>
    Buffer.from(codec.encode({ headers: headers as Parameters<typeof codec.encode>[0]['headers'], body })),
  );

function cut(bytes: Buffer, sizes: number[]): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length]!;
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

const sizes = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 8 });

test('frames of any headers and payload, cut anywhere, read as the codec reads them', () => {
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 6 }), sizes, (frames, sizes) => {
      expect(read(cut(Buffer.concat(frames), sizes))).toEqual(frames.map(readByCodec));
    }),
  );
});

test('a frame in which any one bit is wrong is read by neither', () => {
  fc.assert(
    fc.property(frame, fc.nat(), fc.integer({ min: 0, max: 7 }), (frame, at, bit) => {
      const damaged = Buffer.from(frame);
      damaged[at % damaged.length]! ^= 1 << bit;
      expect(() => readByCodec(damaged)).toThrow();
      expect(() => read([damaged, Buffer.alloc(64)])).toThrow(/not an AWS event stream|damaged/);
    }),
  );
});

test('no bytes make it throw anything but an error of the table', () => {
  const piece = fc.oneof(fc.uint8Array({ maxLength: 40 }).map(Buffer.from), frame);
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 6 }), sizes, (pieces, sizes) => {
      try {
        read(cut(Buffer.concat(pieces), sizes));
      } catch (thrown) {
        expect(thrown).toMatchObject({ code: 'upstream_protocol' });
      }
    }),
  );
});

/** A prelude that announces so much, with a checksum that is right. */
function prelude(length: number, headers = 0): Buffer {
  const whole = Buffer.from(codec.encode({ headers: {}, body: new Uint8Array() }));
  whole.writeUInt32BE(length, 0);
  whole.writeUInt32BE(headers, 4);
  let sum = -1;
  for (const byte of whole.subarray(0, 8)) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >>> 1) ^ 0xedb88320 : sum >>> 1;
  }
  whole.writeUInt32BE(~sum >>> 0, 8);
  return whole.subarray(0, 12);
}

test('a length beyond the bound is refused as soon as it is read, and one within it takes no room before its bytes come', () => {
  expect(() => read([prelude(0xffff_fff0)])).toThrow('more than 16777216 bytes');
  expect(() => read([prelude(101)], 100)).toThrow('more than 100 bytes');
  const before = process.memoryUsage().arrayBuffers;
  const parsers = Array.from({ length: 64 }, () => createFrameParser(() => {}));
  for (const parser of parsers) parser.push(prelude(16 * 1024 * 1024));
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * 1024 * 1024);
});

test('lengths that contradict each other are refused', () => {
  expect(() => read([prelude(15)])).toThrow('shorter than its parts');
  expect(() => read([prelude(100, 85)])).toThrow('shorter than its parts');
});

test('headers that end before they should are refused', () => {
  for (const headers of ['\x05:even', '\x01a\x07\x00\x09short', '\x01a\x2a', '\x01a\x05\0\0\0'])
    expect(() => readHeaders(headers)).toThrow('malformed headers');
});

test('a frame of the greatest length is read, whole and in pieces', () => {
  const body = Buffer.alloc(16 * 1024 * 1024 - 16, 'x');
  const whole = Buffer.from(codec.encode({ headers: {}, body }));
  expect(whole.length).toBe(16 * 1024 * 1024);
  for (const size of [whole.length, 65_536]) {
    const frames = read(cut(whole, [size]));
    expect(frames.map(({ payload }) => payload.length)).toEqual([body.length]);
  }
});
