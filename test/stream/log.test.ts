// The log of a stream against a plain list of its frames: whatever was appended and fell out, a place is found by an event's id and what
// follows it is read once, in order.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createFrameLog, type Position } from '../../src/stream/log.ts';

const frame = (id: number, size: number) => `id: ${id}\ndata: ${'é'.repeat(size)}\n\n`;

/** Everything from a place on; undefined when it fell out. */
function readAll(log: ReturnType<typeof createFrameLog>, from: Position): string | undefined {
  let text = '';
  for (let place = from; ; ) {
    const piece = log.read(place);
    if (!piece) return undefined;
    if (piece.frames === '') return text;
    text += piece.frames;
    place = piece.next;
  }
}

const chunks = fc.array(fc.array(fc.integer({ min: 0, max: 900 }), { minLength: 1, maxLength: 6 }), { maxLength: 60 });

test('any event that is kept can be gone on from, and what fell out is said to be gone', () => {
  fc.assert(
    fc.property(chunks, fc.integer({ min: 2000, max: 30_000 }), fc.boolean(), (flushes, limit, close) => {
      const frames: string[] = [];
      let packed = 0;
      const log = createFrameLog(limit, (grown) => {
        packed += grown;
      });
      const live: { at: Position; from: number }[] = [];
      for (const sizes of flushes) {
        live.push({ at: log.end(), from: frames.length });
        const said = sizes.map((size, index) => frame(frames.length + index + 1, size));
        frames.push(...said);
        log.append(said.join(''));
      }
      if (close) log.close();
      expect(packed).toBe(log.packed);
      expect(packed).toBeLessThanOrEqual(limit);
      let kept = false;
      for (let last = 0; last <= frames.length; last++) {
        const place = log.seek(last);
        if (place === 'gone') {
          expect(kept).toBe(false); // what is gone is the beginning
          continue;
        }
        kept = true;
        expect(place).not.toBe('ahead');
        expect(readAll(log, place as Position)).toBe(frames.slice(last).join(''));
      }
      expect(log.seek(frames.length + 1)).toBe('ahead');
      // Who stood at the end when it was written goes on from there, or is told that it is too late.
      for (const { at, from } of live) {
        const text = readAll(log, at);
        if (text !== undefined) expect(text).toBe(frames.slice(from).join(''));
      }
    }),
    { numRuns: 300 },
  );
});

test('dropping goes on until only the latest frames are left', () => {
  const log = createFrameLog(100_000);
  for (let id = 1; id <= 100; id++) log.append(frame(id, 900));
  const before = log.packed;
  let freed = 0;
  for (let block = log.drop(); block > 0; block = log.drop()) freed += block;
  expect(freed).toBe(before);
  expect(log.packed).toBe(0);
  expect(log.seek(1)).toBe('gone');
  expect(readAll(log, log.seek(99) as Position)).toBe(frame(100, 900));
});

test('frames without ids can be followed from the beginning only', () => {
  const log = createFrameLog(10_000);
  log.append('[{"a":1}');
  log.append(',{"b":2}]');
  expect(readAll(log, log.seek(0) as Position)).toBe('[{"a":1},{"b":2}]');
  expect(log.seek(1)).toBe('ahead');
});
