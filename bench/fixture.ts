// What the upstream says, byte for byte: Chat Completions chunks as OpenAI sends them today, and the text they add up to.
// Both ends of a measurement read it from here, so an answer that lost or changed a token is noticed. Knows no socket.
// https://platform.openai.com/docs/api-reference/chat-streaming

/** Begins each token and stands nowhere else in a stream, through any front door: counting it counts tokens. */
export const MARK = '~';
/**
 * In a paced stream the time of sending follows it: microseconds of the monotonic clock, which all processes of a machine share.
 * Enough digits for 30 years of uptime.
 */
export const STAMP_DIGITS = 15;
const UNTIMED = '0'.repeat(STAMP_DIGITS);

/** One block's worth of tokens: mostly ASCII, as English is, with what JSON and UTF-8 make dearer. */
export const WORDS = (
  'The| river| turns| the| wheel|,| and| the| wheel| turns| the| stone|.| A| mill| race| is| the| narrow| cut|' +
  ' that| brings| water| to| it|:\n\n| fast|,| straight|,| without| a| ripple|.| "|Keep| it| clear|,"| said| the|' +
  ' miller| at| the| café|,| “|or| nothing| runs|.”| So| they| did| 🌊|;| every| morning|,| by| hand|,|\n'
)
  .split('|')
  .slice(0, 56);

export const TOKENS_PER_BLOCK = WORDS.length;

/** The answer's text, without marks and times. */
export function textOf(tokens: number): string {
  let text = WORDS.join('').repeat(Math.floor(tokens / TOKENS_PER_BLOCK));
  text += WORDS.slice(0, tokens % TOKENS_PER_BLOCK).join('');
  return text;
}

/** What a client received, without marks and times. */
export function withoutMarks(text: string): string {
  return text.replaceAll(new RegExp(`${MARK}(\\d{${STAMP_DIGITS}})?`, 'g'), '');
}

const HEAD = {
  id: 'chatcmpl-DuLdCoxuLDs8HRMlOuz0Bi4wgi4XJ',
  object: 'chat.completion.chunk',
  created: 1_782_321_890,
  model: 'gpt-4o-2024-08-06',
  system_fingerprint: 'fp_86f87dc6f1',
};
const PADDING = 'kGEVHK9STFy0';

function choice(delta: object, finish_reason: string | null = null): object {
  return { index: 0, delta, logprobs: null, finish_reason };
}

/** OpenAI pads each event with random characters, so that its size does not tell the token's: the end of a chunk varies. */
function sse(choices: object[], usage: object | null, padding: number): string {
  return `data: ${JSON.stringify({ ...HEAD, choices, usage, obfuscation: PADDING.slice(0, padding) })}\n\n`;
}

/** Strings hold one byte per character (`latin1`), UTF-8 included: written so, they cost no encoding. */
function bytes(text: string): string {
  return Buffer.from(text).toString('latin1');
}

/** One chunk of `transfer-encoding: chunked`. */
function httpChunk(body: string): string {
  return `${body.length.toString(16)}\r\n${body}\r\n`;
}

/** Nearly all of one size: the longer the token, the shorter its padding. */
function tokenFrame(content: string): string {
  return bytes(sse([choice({ content })], null, Math.max(1, 12 - content.length)));
}

const FRAMES = WORDS.map((word) => tokenFrame(MARK + word));

/** A token's own HTTP chunk, in two halves between which its time goes. */
const PACKETS = WORDS.map((word) => {
  const packet = httpChunk(tokenFrame(MARK + UNTIMED + word));
  const at = packet.indexOf(MARK + UNTIMED) + 1;
  return { before: packet.slice(0, at), after: packet.slice(at + STAMP_DIGITS) };
});

/** The `index`th token as a packet of its own, stamped with `now`, in microseconds. */
export function timedPacket(index: number, now: number): string {
  const { before, after } = PACKETS[index % PACKETS.length]!;
  return before + String(now).padStart(STAMP_DIGITS, '0') + after;
}

/** As many tokens as an upstream in a hurry writes at once: one HTTP chunk of some 16 KiB. */
export const BLOCK = httpChunk(FRAMES.join(''));

/** The first `tokens` of a block; '' for none. */
export function partOfBlock(tokens: number): string {
  return tokens === 0 ? '' : httpChunk(FRAMES.slice(0, tokens).join(''));
}

export const RESPONSE_HEAD =
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n' +
  'transfer-encoding: chunked\r\n\r\n';

export const OPENING = httpChunk(bytes(sse([choice({ role: 'assistant', content: '', refusal: null })], null, 10)));

/** Finish, usage, `[DONE]`, and the end of the body. */
export function closing(tokens: number): string {
  const usage = { prompt_tokens: 9, completion_tokens: tokens, total_tokens: tokens + 9 };
  const frames = `${sse([choice({}, 'stop')], null, 8)}${sse([], usage, 6)}data: [DONE]\n\n`;
  return `${httpChunk(bytes(frames))}0\r\n\r\n`;
}

/** Throws when the fixture is not what this file says it is. */
export function checkFixture(): void {
  const sizes = FRAMES.map((frame) => frame.length);
  const said = FRAMES.map((frame) => {
    const chunk = JSON.parse(Buffer.from(frame, 'latin1').toString().slice('data: '.length));
    return withoutMarks(chunk.choices[0].delta.content);
  });
  const wrong =
    (WORDS.length !== 56 && 'a block has 56 words') ||
    (Math.min(...sizes) < 250 && 'a chunk has 250 bytes or more') ||
    (Math.max(...sizes) > 310 && 'a chunk has 310 bytes or fewer') ||
    (Math.abs(BLOCK.length - 16_384) > 1_000 && 'a block has about 16 KiB') ||
    (said.join('') !== textOf(TOKENS_PER_BLOCK) && 'the chunks say the text') ||
    (BLOCK.split(MARK).length !== TOKENS_PER_BLOCK + 1 && 'each token has one mark');
  if (wrong) throw new Error(`The fixture is broken: ${wrong}.`);
}
