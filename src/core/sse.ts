// Server-sent events, both ways: a push parser for what upstreams send, a framer for what clients get.
// On the hot path: synchronous, no allocation that outlives a chunk but the carried-over tail. Knows no JSON and no vendor.
// https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
import { StringDecoder } from 'node:string_decoder';
import { GatewayError } from './errors.ts';

export interface SseHandlers {
  /** One event: its data lines joined with LF, its name ('' when none was given). */
  event(data: string, name: string): void;
  /** A line that is no field, comment or blank of the standard. Some servers put an error there; most lines never come here. */
  stray?(line: string): void;
}

export interface SseParser {
  push(chunk: Buffer): void;
  /** The body ended. An event whose closing blank line never came is still delivered: several vendors leave it out. */
  end(): void;
}

/** Longest event accepted, in characters. Past it the stream is broken or hostile, and memory must not follow it. */
const MAX_EVENT = 16 * 1024 * 1024;

export function createSseParser({ event, stray }: SseHandlers, maxEvent = MAX_EVENT): SseParser {
  const utf8 = new StringDecoder('utf8'); // holds back half a character between reads
  let tail = ''; // an unfinished line
  let data = ''; // data lines of the unfinished event
  let hasData = false;
  let name = '';
  let named = ''; // the last `event` line, and the name in it
  let namedAs = '';
  let size = 0; // of the unfinished event
  let atStart = true; // a BOM may come
  let skipLf = false; // the last chunk ended in CR; an LF that follows belongs to it

  function dispatch(): void {
    if (hasData) {
      const [d, n] = [data, name];
      data = '';
      hasData = false;
      name = '';
      size = 0;
      event(d, n);
    } else {
      name = '';
      size = 0;
    }
  }

  function line(text: string, from: number, to: number): void {
    if (from === to) {
      dispatch();
      return;
    }
    // 'd' 'a' 't' 'a' ':' first, by character code: nearly every line is a data line.
    if (
      text.charCodeAt(from) === 100 &&
      text.charCodeAt(from + 4) === 58 &&
      to - from > 4 &&
      text.startsWith('data', from)
    ) {
      const at = text.charCodeAt(from + 5) === 32 && to - from > 5 ? from + 6 : from + 5;
      const value = text.slice(at, to);
      data = hasData ? `${data}\n${value}` : value;
      hasData = true;
      grow(value.length + 1); // its line break too: empty lines without end are no way around the bound
      return;
    }
    if (text.charCodeAt(from) === 58) return; // a comment
    const whole = text.slice(from, to);
    if (whole === named) {
      name = namedAs; // most events of a stream have the name of the one before
      return;
    }
    const colon = whole.indexOf(':');
    const field = colon === -1 ? whole : whole.slice(0, colon);
    if (field === 'event') {
      name = colon === -1 ? '' : whole.slice(whole.charCodeAt(colon + 1) === 32 ? colon + 2 : colon + 1);
      named = whole;
      namedAs = name;
    } else if (field === 'data') {
      data = hasData ? `${data}\n` : '';
      hasData = true;
      grow(1);
    } else if (field !== 'id' && field !== 'retry') {
      grow(whole.length);
      stray?.(whole);
    }
  }

  function grow(by: number): void {
    size += by;
    if (size > maxEvent) tooLarge();
  }

  function tooLarge(): never {
    throw new GatewayError('upstream_protocol', `The provider sent one event of more than ${maxEvent} characters.`);
  }

  function feed(fresh: string): void {
    if (fresh === '') return;
    if (atStart) {
      atStart = false;
      if (fresh.charCodeAt(0) === 0xfeff) fresh = fresh.slice(1);
    }
    if (skipLf) {
      skipLf = false;
      if (fresh.charCodeAt(0) === 10) fresh = fresh.slice(1);
    }
    const hasCr = fresh.includes('\r');
    if (!hasCr && !fresh.includes('\n')) {
      tail += fresh; // a rope: a line that trickles in byte by byte is not copied at each byte
      if (tail.length > maxEvent) tooLarge();
      return;
    }
    let from = 0;
    let search = tail.length; // the tail was searched when it came
    const text = tail === '' ? fresh : tail + fresh;
    if (hasCr) {
      // Two searches side by side, each on its own line end: going by character costs more than all the rest of a token does.
      let lf = text.indexOf('\n', search);
      for (let cr = text.indexOf('\r', search); cr !== -1 || lf !== -1; ) {
        const isCr = cr !== -1 && (lf === -1 || cr < lf);
        const at = isCr ? cr : lf;
        line(text, from, at);
        from = at + 1;
        if (isCr && from === text.length) skipLf = true;
        else if (isCr && lf === from) from++;
        if (lf !== -1 && lf < from) lf = text.indexOf('\n', from);
        if (cr !== -1 && cr < from) cr = text.indexOf('\r', from);
      }
    } else {
      for (let at = text.indexOf('\n', search); at !== -1; at = text.indexOf('\n', search)) {
        line(text, from, at);
        from = at + 1;
        search = from;
      }
    }
    tail = from === 0 ? text : text.slice(from);
    if (tail.length > maxEvent) tooLarge();
  }

  return {
    push: (chunk) => feed(utf8.write(chunk)),
    end() {
      feed(utf8.end());
      if (tail !== '') {
        const last = tail;
        tail = '';
        line(last, 0, last.length);
      }
      dispatch();
    },
  };
}

/** The comment that keeps proxies from cutting a silent stream. No blank line: some SDKs dispatch an empty event for one. */
export const HEARTBEAT = ': ping\n';

/**
 * One event as it goes to a client. `json` must be one line of JSON: its escapes keep CR and LF out, so nothing a model or
 * a user says can end the field. `event` is one of our own names, never input.
 */
export function sseFrame(id: number, json: string, event?: string): string {
  return event === undefined ? `id: ${id}\ndata: ${json}\n\n` : `id: ${id}\nevent: ${event}\ndata: ${json}\n\n`;
}

/**
 * Frames, without the three characters that are text to JSON and to this protocol, and ends of lines to readers that split as Python's
 * `str.splitlines` does (httpx, Google's SDK); escaped they are the same JSON. Asked once per write: searching costs 0.06 µs a time.
 */
export function withoutLineSeparators(frames: string): string {
  if (frames.indexOf('\u2028') < 0 && frames.indexOf('\u2029') < 0 && frames.indexOf('\u0085') < 0) return frames;
  return frames.replace(/[\u0085\u2028\u2029]/g, (end) => `\\u${end.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
