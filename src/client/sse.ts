// Server-sent events: a push parser for bytes cut anywhere, also inside a letter or between CR and LF. Synchronous, by the standard:
// an event that the end of the stream leaves unfinished is never delivered. Knows no event of Millrace's.
// https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation

/** `id` is the one in this event's own lines; undefined when it has none. `name` is '' when none was given. */
export interface Frame {
  data: string;
  name: string;
  id: string | undefined;
}

export interface SseHandlers {
  frame(frame: Frame): void;
  /** The server's wish for how long to wait before reconnecting, in milliseconds. */
  retry?(ms: number): void;
}

export function createSseParser({ frame, retry }: SseHandlers): (bytes: Uint8Array) => void {
  const utf8 = new TextDecoder(); // holds back half a letter, drops a BOM at the start
  let rest = ''; // an unfinished line
  let afterCr = false; // an LF that comes next belongs to the line that has ended
  let data = '';
  let hasData = false;
  let name = '';
  let id: string | undefined;

  function line(text: string): void {
    if (text === '') {
      const whole = { data, name, id };
      const complete = hasData;
      data = '';
      hasData = false;
      name = '';
      id = undefined;
      if (complete) frame(whole);
      return;
    }
    const colon = text.indexOf(':');
    if (colon === 0) return; // a comment
    const field = colon === -1 ? text : text.slice(0, colon);
    const value = colon === -1 ? '' : text.slice(text[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (field === 'data') {
      data = hasData ? `${data}\n${value}` : value;
      hasData = true;
    } else if (field === 'event') name = value;
    else if (field === 'id') {
      if (!value.includes('\0')) id = value;
    } else if (field === 'retry' && /^\d+$/.test(value)) retry?.(Number(value));
  }

  return (bytes) => {
    let text = utf8.decode(bytes, { stream: true });
    if (text === '') return;
    if (afterCr && text[0] === '\n') text = text.slice(1);
    afterCr = text.endsWith('\r');
    const lines = text.split(/\r\n|\r|\n/);
    if (lines.length === 1) {
      rest += text; // not joined and split again while one long line trickles in
      return;
    }
    lines[0] = rest + lines[0];
    rest = lines.pop()!;
    for (const each of lines) line(each);
  };
}
