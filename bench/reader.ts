// One response as the load client reads it, over raw bytes: head, chunked body, and what a right answer has: its tokens, each
// marked once, and one terminal, at the end. Counts, and parses no JSON: the client shares two cores with what it measures.
import { MARK, STAMP_DIGITS } from './fixture.ts';

const [MARK_BYTE, CR, LF, ZERO] = [MARK.charCodeAt(0), 13, 10, 48];

export interface Reader {
  /** Bytes as they come off the socket. Throws at anything but a chunked 200. */
  push(bytes: Buffer): void;
  readonly tokens: number;
}

export interface ReaderOptions {
  /** What the last frame begins with, and no other. */
  terminal: string;
  /** Whether tokens carry the time at which they were sent. */
  timed: boolean;
  /** A token came, sent at this microsecond; 0 when not timed, or cut in the middle of its time by a packet's end. */
  onToken(sentAt: number): void;
  /** The body has ended; null, or what is wrong with it. */
  onEnd(fault: string | null): void;
}

export function createReader({ terminal, timed, onToken, onEnd }: ReaderOptions): Reader {
  let head: string | undefined = '';
  let left = 0; // of the current HTTP chunk
  let sizeLine = ''; // gathers until its LF
  let between = false; // the CRLF after a chunk's data is due
  let last = false; // the chunk of size 0 came
  let tokens = 0;
  let terminals = 0;
  let seam = ''; // the body's end so far, as long as the terminal, which may be cut anywhere

  function readBody(bytes: Buffer, from: number, to: number): void {
    const body = bytes.subarray(from, to);
    for (let at = body.indexOf(MARK_BYTE); at !== -1; at = body.indexOf(MARK_BYTE, at + 1)) {
      tokens++;
      onToken(timed && at + STAMP_DIGITS < body.length ? stampAt(body, at + 1) : 0);
    }
    const across = seam.slice(1 - terminal.length) + body.toString('latin1', 0, terminal.length - 1);
    if (across.includes(terminal)) terminals++;
    for (let at = body.indexOf(terminal); at !== -1; at = body.indexOf(terminal, at + 1)) terminals++;
    const kept = body.toString('latin1', Math.max(0, body.length - terminal.length));
    seam = (seam + kept).slice(-terminal.length);
  }

  function end(): void {
    const fault =
      terminals !== 1
        ? `${terminals} terminals instead of one`
        : !seam.endsWith('\n\n')
          ? 'an end inside an event'
          : null;
    head = '';
    [left, sizeLine, between, last, terminals, seam] = [0, '', false, false, 0, ''];
    onEnd(fault);
    tokens = 0;
  }

  /** How many of the bytes were the head's. */
  function readHead(bytes: Buffer): number {
    const before = head!.length;
    head += bytes.toString('latin1');
    const end = head!.indexOf('\r\n\r\n');
    if (end === -1) return bytes.length;
    const text = head!.toLowerCase();
    if (!text.startsWith('http/1.1 200 ')) throw new Error(`Answered with: ${head!.slice(0, 1000)}`);
    if (!text.slice(0, end).includes('transfer-encoding: chunked')) throw new Error('The answer is not chunked.');
    head = undefined;
    return end + 4 - before;
  }

  /** One byte of what stands between chunks: sizes, their line ends, and the empty line at the end of it all. */
  function readFraming(byte: number): void {
    if (byte === CR) return;
    if (byte !== LF) {
      sizeLine += String.fromCharCode(byte);
      return;
    }
    if (between) between = false;
    else if (last) end();
    else {
      left = Number.parseInt(sizeLine, 16);
      last = left === 0;
      sizeLine = '';
    }
  }

  return {
    get tokens() {
      return tokens;
    },
    push(bytes) {
      let at = 0;
      while (at < bytes.length) {
        if (head !== undefined) at += readHead(bytes.subarray(at));
        else if (left === 0) readFraming(bytes[at++]!);
        else {
          const to = Math.min(bytes.length, at + left);
          readBody(bytes, at, to);
          left -= to - at;
          between = left === 0;
          at = to;
        }
      }
    },
  };
}

function stampAt(bytes: Buffer, from: number): number {
  let stamp = 0;
  for (let at = from; at < from + STAMP_DIGITS; at++) stamp = stamp * 10 + bytes[at]! - ZERO;
  return stamp;
}
