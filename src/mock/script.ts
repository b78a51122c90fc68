// The order of things: which frames an answer consists of, where its fault strikes, and how its body ends.
// Knows no socket and no clock; frames are pulled one by one, so that nothing is made that is not sent.
import type { Answer } from './answer.ts';
import type { FaultKind, Plan } from './plan.ts';
import type { Recording } from './recordings.ts';
import type { Bytes, Framer } from './wire.ts';

export interface Frame {
  bytes: Bytes;
  /** Sets the pace, and is counted when handed to the socket. */
  tokens: number;
}

/** What happens to the body after the last frame: a clean end, a destroyed socket, or nothing at all. */
export type Ending = 'end' | 'cut' | 'silence';

export type Script = Generator<Frame, Ending, void>;

/** Neither valid UTF-8 nor text of any kind. */
const NOISE = Buffer.from([0x00, 0xff, 0xfe, 0xc3, 0x28, 0x80, 0xf0, 0x9f, 0x0a, 0x0a, 0x1f, 0x8b, 0xed, 0xa0, 0x80]);

export function* streamScript(plan: Plan, answer: Answer, framer: Framer): Script {
  const { choices, tokens } = answer;
  const { fault } = plan;
  const frame = (bytes: Bytes, tokens = 0): Frame => ({ bytes: dress(bytes, plan, framer), tokens });

  if (fault?.after === 0) return yield* strike(fault.kind, framer);
  for (let c = 0; c < choices.length; c++) yield frame(framer.open(c));

  let sent = 0;
  const longest = Math.max(...choices.map((choice) => choice.length));
  for (let i = 0; i < longest; i++) {
    for (let c = 0; c < choices.length; c++) {
      if (i >= choices[c]!.length) continue;
      yield frame(framer.piece(c, choices[c]!.piece(i)), 1);
      if (++sent === fault?.after) return yield* strike(fault.kind, framer);
    }
  }

  for (let c = 0; c < choices.length; c++) {
    const { finish, stop } = choices[c]!;
    yield frame(framer.finish(c, finish, c === choices.length - 1 ? tokens : null, stop));
  }
  yield frame(framer.usage(tokens));
  if (plan.endMarker) yield frame(framer.endMarker());
  return plan.hang ? 'silence' : 'end';
}

/** The answer as one object. A fault strikes in the middle of it: tokens have no place of their own in there. */
export function* wholeScript(plan: Plan, answer: Answer, framer: Framer): Script {
  const body = framer.whole(answer);
  const { fault } = plan;
  if (fault && strikes(plan, answer)) {
    if (fault.after > 0 && fault.kind !== 'garbage') yield { bytes: body.slice(0, body.length / 2), tokens: 0 };
    return yield* strike(fault.kind, framer);
  }
  yield { bytes: plan.crlf ? toCrlf(body) : body, tokens: answer.tokens.completion };
  return plan.hang ? 'silence' : 'end';
}

/** Recorded bytes as they are, one recorded event per frame. A fault strikes after so many bytes. */
export function* replayScript(plan: Plan, { body: recorded, binary }: Recording, framer: Framer): Script {
  const crlf = plan.crlf && !binary;
  const all = crlf ? Buffer.from(toCrlf(recorded.toString('latin1')), 'latin1') : recorded;
  const fault = plan.fault && plan.fault.after < all.length ? plan.fault : null;
  const body = fault ? all.subarray(0, fault.after) : all;
  for (let from = 0; from < body.length; ) {
    const to = from + (binary ? frameLength(body, from) : eventLength(body, from, crlf ? '\r\n\r\n' : '\n\n'));
    yield { bytes: body.subarray(from, to), tokens: 1 };
    from = to;
  }
  if (fault) return yield* strike(fault.kind, framer);
  return plan.hang ? 'silence' : 'end';
}

function eventLength(body: Buffer, from: number, blankLine: string): number {
  const blank = body.indexOf(blankLine, from);
  return blank === -1 ? body.length - from : blank + blankLine.length - from;
}

/** A binary frame begins with its length. What is too short for one is sent as it is. */
function frameLength(body: Buffer, from: number): number {
  return body.length - from < 4 ? body.length - from : Math.max(body.readUInt32BE(from), 4);
}

/** Whether the answer is long enough for the plan's fault. */
export function strikes(plan: Plan, answer: Answer): boolean {
  return plan.fault !== null && plan.fault.after <= answer.tokens.completion;
}

function* strike(kind: FaultKind, framer: Framer): Script {
  switch (kind) {
    case 'cut':
      return 'cut';
    case 'stall':
      return 'silence';
    case 'end':
      return 'end';
    case 'error':
      yield { bytes: framer.error(), tokens: 0 };
      return 'end';
    case 'garbage':
      yield { bytes: framer.garbage(), tokens: 0 };
      yield { bytes: NOISE, tokens: 0 };
      return 'end';
    default:
      return kind satisfies never;
  }
}

/** Binary frames have no lines to end otherwise, and no place for a comment. */
function dress(bytes: Bytes, plan: Plan, framer: Framer): Bytes {
  if (typeof bytes !== 'string' || bytes === '') return bytes;
  const commented = plan.comments ? framer.comment + bytes : bytes;
  return plan.crlf ? toCrlf(commented) : commented;
}

/** JSON escapes its own line ends, so these are the framing's alone. */
function toCrlf(text: string): string {
  return text.replace(/\r?\n/g, '\r\n');
}
