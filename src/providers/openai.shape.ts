// Within one stream nearly every chunk is the same text but for the token in it. Once that is proved of one chunk, the next are
// read by comparing both ends and cutting out the middle, at a tenth of what parsing costs. On the hot path; knows nothing of events.

export interface Shape {
  /** The content of a chunk that differs from the learnt one in its content only; undefined for any other, which must be parsed. */
  match(data: string): string | undefined;
  /** Remembers a chunk whose only news was `content`, if what is around it can be proved to mean nothing else. */
  learn(data: string, content: string): void;
}

/** What would end or change a JSON string; text with none of it stands in JSON as it is. https://www.rfc-editor.org/rfc/rfc8259#section-7 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that JSON forbids in strings
const NEEDS_PARSING = /["\\\u0000-\u001f]/;

const KEY = '"content":"';
/** Stands in for the content in the proof. */
const PROBE = 'millrace';
/** Chunks that vary elsewhere too, such as by padding, are never matched; after so many in a row learning is given up. */
const PATIENCE = 8;

/** OpenAI ends each chunk with padding of varying length, so that a listener cannot tell tokens by their size. */
const PADDING = /("obfuscation":")[^"\\]*"\}$/;
const PADDED_END = '"}';

export function createShape(): Shape {
  let head = '';
  let tail = '';
  let padded = false; // what follows `tail` is any plain text, and then PADDED_END
  let misses = 0;

  return {
    match(data) {
      // Comparing slices compares memory; `startsWith` goes by character and takes three times as long.
      if (head === '' || data.slice(0, head.length) !== head) return undefined;
      const end = padded ? data.indexOf('"', head.length) : data.length - tail.length;
      if (end <= head.length || data.slice(end, end + tail.length) !== tail) return undefined;
      if (padded) {
        const padding = data.slice(end + tail.length, -PADDED_END.length);
        if (!data.endsWith(PADDED_END) || end + tail.length + PADDED_END.length > data.length) return undefined;
        if (NEEDS_PARSING.test(padding)) return undefined;
      }
      const content = data.slice(head.length, end);
      if (NEEDS_PARSING.test(content)) return undefined;
      misses = 0;
      return content;
    },
    learn(data, content) {
      if (++misses > PATIENCE || NEEDS_PARSING.test(content)) return;
      const at = data.indexOf(`${KEY}${content}"`);
      if (at === -1) return;
      const before = data.slice(0, at + KEY.length);
      let after = data.slice(at + KEY.length + content.length);
      const padding = PADDING.exec(after);
      if (padding) after = after.slice(0, padding.index + padding[1]!.length);
      // The proof: with other texts in these very places, the content is the one and the padding the other.
      const probe = JSON.parse(before + PROBE + after + (padding ? PROBE + PADDED_END : ''));
      if (probe.choices[0].delta.content !== PROBE || (padding && probe.obfuscation !== PROBE)) return;
      head = copy(before);
      tail = copy(after);
      padded = padding !== null;
    },
  };
}

/** A slice keeps the whole text that it was cut from alive, here a read from the socket for as long as the stream. */
function copy(text: string): string {
  return Buffer.from(text).toString();
}
