// The binary frames in which AWS streams events, cut anywhere: lengths, headers, payload, and a checksum each over the lengths and the
// whole. Knows framing only; no event. On the hot path. The codec that is kept for writing frames reads one in 1.2 µs, five times
// what a token may cost, so reading is done here; test/providers/bedrock.frames.test.ts holds the two equal.
// https://docs.aws.amazon.com/lexv2/latest/dg/event-stream-encoding.html
import { GatewayError } from '../../core/errors.ts';
import { checksum } from './checksum.ts';

export interface FrameParser {
  /** Throws `upstream_protocol` for what is no frame, or a damaged one. */
  push(chunk: Buffer): void;
}

/** `headers` and `payload` have a character for each byte (latin1): cutting text costs a tenth of cutting buffers. */
export type OnFrame = (headers: string, payload: string) => void;

/** Longest frame accepted, in bytes. A length is the provider's word, and memory must not follow it. */
const MAX_FRAME = 16 * 1024 * 1024;
/** Room beyond this is given back once its frame is read, in bytes. */
const MAX_KEPT = 64 * 1024;
const EMPTY: Buffer = Buffer.alloc(0);
const PRELUDE = 12; // length, length of the headers, checksum of the two
const CHECKSUM = 4;

export function createFrameParser(onFrame: OnFrame, maxFrame = MAX_FRAME): FrameParser {
  let held = EMPTY; // room for an unfinished frame, and its bytes so far
  let size = 0; // how many of them there are

  /** The length of the frame that begins here, whose prelude must be complete. */
  function frameLength(bytes: DataView, at: number): number {
    const length = bytes.getUint32(at);
    if (bytes.getUint32(at + 8) !== checksum(bytes, at, at + 8)) {
      throw new GatewayError('upstream_protocol', 'The provider sent something that is not an AWS event stream.');
    }
    if (length > maxFrame) {
      throw new GatewayError('upstream_protocol', `The provider sent one frame of more than ${maxFrame} bytes.`);
    }
    if (length < PRELUDE + CHECKSUM + bytes.getUint32(at + 4)) {
      throw new GatewayError('upstream_protocol', 'The provider sent a frame that is shorter than its parts.');
    }
    return length;
  }

  /** `text` is that of `bytes`, of which the frame has `length` from `at`. */
  function read(bytes: DataView, text: string, at: number, length: number): void {
    const end = at + length - CHECKSUM;
    // The sum over the lengths is known to be right, so the rest is added to it.
    if (bytes.getUint32(end) !== checksum(bytes, at + 8, end, bytes.getUint32(at + 8))) {
      throw new GatewayError('upstream_protocol', 'The provider sent a frame that was damaged on its way.');
    }
    const headersEnd = at + PRELUDE + bytes.getUint32(at + 4);
    onFrame(text.slice(at + PRELUDE, headersEnd), text.slice(headersEnd, end));
  }

  function hold(chunk: Buffer, from: number, to: number): void {
    const needed = size + to - from;
    if (held.length < needed) {
      // Twice what has come, never what was announced.
      const room = Buffer.allocUnsafe(Math.max(1024, needed * 2));
      held.copy(room, 0, 0, size);
      held = room;
    }
    chunk.copy(held, size, from, to);
    size = needed;
  }

  /** Completes the unfinished frame. Returns how much of the chunk that took. */
  function resume(chunk: Buffer): number {
    let at = 0;
    while (size > 0) {
      const wanted = size < PRELUDE ? PRELUDE : frameLength(viewOf(held), 0);
      const to = Math.min(chunk.length, at + wanted - size);
      hold(chunk, at, to);
      at = to;
      if (size < wanted) break;
      if (wanted === PRELUDE) continue;
      const frame = held;
      size = 0;
      if (held.length > MAX_KEPT) held = EMPTY;
      read(viewOf(frame), frame.toString('latin1', 0, wanted), 0, wanted);
    }
    return at;
  }

  return {
    push(chunk) {
      let at = size === 0 ? 0 : resume(chunk);
      const bytes = viewOf(chunk);
      let text: string | undefined;
      while (chunk.length - at >= PRELUDE) {
        const length = frameLength(bytes, at);
        if (chunk.length - at < length) break;
        text ??= chunk.toString('latin1'); // once for all frames in it
        read(bytes, text, at, length);
        at += length;
      }
      if (at < chunk.length) hold(chunk, at, chunk.length);
    },
  };
}

/** The headers that hold text, by name; the others mean nothing in these streams. */
export function readHeaders(headers: string): Map<string, string> {
  const read = new Map<string, string>();
  const byte = (at: number) => headers.charCodeAt(at);
  let at = 0;
  while (at < headers.length) {
    const name = headers.slice(at + 1, at + 1 + byte(at));
    at += 1 + byte(at);
    const type = byte(at++);
    const measured = type === 6 || type === 7; // bytes or text, with their length in front
    const length = measured ? (byte(at) << 8) | byte(at + 1) : FIXED[type];
    if (measured) at += 2;
    if (length === undefined || at + length > headers.length) {
      throw new GatewayError('upstream_protocol', 'The provider sent a frame with malformed headers.');
    }
    if (type === 7) read.set(utf8(name), utf8(headers.slice(at, at + length)));
    at += length;
  }
  return read;
}

/** By type: true, false, then whole numbers of 8 to 64 bits; a time; a UUID. */
const FIXED: Record<number, number> = { 0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16 };

const BEYOND_ASCII = /[^\0-\x7f]/;

/** What bytes with a character each mean as text. */
export function utf8(bytes: string): string {
  return BEYOND_ASCII.test(bytes) ? Buffer.from(bytes, 'latin1').toString() : bytes;
}

/** The other way. */
export function bytesOf(text: string): string {
  return BEYOND_ASCII.test(text) ? Buffer.from(text).toString('latin1') : text;
}

/** A slice keeps the whole chunk that it was cut from alive. */
export function copy(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('latin1');
}

function viewOf({ buffer, byteOffset, length }: Buffer): DataView {
  return new DataView(buffer, byteOffset, length);
}
