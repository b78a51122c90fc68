// What every decoder is held to, whatever its wire: how it is driven, the rules for what it says, and the ways to give it what
// nobody has recorded. Shared by the decoders' own tests and the conformance tests. Knows no wire.
import fc from 'fast-check';
import { expect } from 'vitest';
import type { Decoder, DecoderOptions } from '../../src/core/contracts.ts';
import { GatewayError } from '../../src/core/errors.ts';
import type { ReasoningDetail, StreamEvent, ToolCall, Usage } from '../../src/core/events.ts';

export type CreateDecoder = (options: DecoderOptions) => Decoder;
type Of<T extends StreamEvent['type']> = Extract<StreamEvent, { type: T }>;
type End = Of<'done' | 'error'>;

export interface Folded {
  text: string;
  reasoning: string;
  details: ReasoningDetail[];
  deltas: Of<'tool-call-delta'>[];
  calls: ToolCall[];
  usages: Usage[];
}

export function fold(events: StreamEvent[]): Folded {
  const folded: Folded = { text: '', reasoning: '', details: [], deltas: [], calls: [], usages: [] };
  for (const event of events) {
    if (event.type === 'token') folded.text += event.text;
    if (event.type === 'reasoning') folded.reasoning += event.text;
    if (event.type === 'reasoning-detail') folded.details.push(event.detail);
    if (event.type === 'tool-call-delta') folded.deltas.push(event);
    if (event.type === 'tool-call') folded.calls.push(event.call);
    if (event.type === 'usage') folded.usages.push(event.usage);
  }
  return folded;
}

export interface Decoded extends Folded {
  events: StreamEvent[];
  end: End;
  /** What was handed on untouched. */
  frames: string[];
}

/** What is particular to a wire. */
export interface Rules {
  /** Bytes of the wire that come after the end, where a decoder no longer listens. */
  late?: Buffer;
  /** The `format` of its reasoning. */
  format?: RegExp;
  /** False: it is never asked for frames, as by a front door of another wire. */
  raw?: boolean;
}

export type Decode = (chunks: Buffer[], given?: { choices?: number; fault?: GatewayError }) => Decoded;

/** Decodes, and holds every stream to the rules that the rest of the house relies on. */
export function decoding(create: CreateDecoder, { late, format = /./, raw = true }: Rules = {}): Decode {
  return (chunks, { choices = 1, fault } = {}) => {
    const events: StreamEvent[] = [];
    const frames: string[] = [];
    let afterEnd = 0;
    const hear = (data: string) => {
      frames.push(data);
      if (isEnd(events.at(-1))) afterEnd++;
    };
    const decoder = create({ emit: (event) => void events.push(event), ...(raw && { raw: hear }), choices });
    for (const chunk of chunks) decoder.push(chunk);
    decoder.end(fault);
    if (late) decoder.push(late);
    decoder.end();
    const ends = events.filter(isEnd);
    expect(ends, 'exactly one terminal').toHaveLength(1);
    expect(events.at(-1), 'and it is last').toBe(ends[0]);
    expect(afterEnd, 'frames after the end').toBe(0);
    expect(
      events.filter((event) => !isWellFormed(event, format)),
      'events that are malformed',
    ).toEqual([]);
    expect(
      frames.filter((frame) => /[\r\n]/.test(frame)),
      'frames of several lines',
    ).toEqual([]);
    for (const frame of frames) JSON.parse(frame);
    return { ...fold(events), events, end: ends[0]!, frames };
  };
}

const isEnd = (event: StreamEvent | undefined): event is End => event?.type === 'done' || event?.type === 'error';

const FINISH = ['stop', 'length', 'tool-calls', 'content-filter', 'other'];
const FAULT = /^(upstream_|context_length|content_filtered|model_not|request_too|invalid_req)/;

// A predicate, not an `expect` for each event: bodies are cut at hundreds of places, and each part is checked.
function isWellFormed(event: StreamEvent, format: RegExp): boolean {
  switch (event.type) {
    case 'token':
    case 'reasoning':
      return isText(event.text);
    case 'reasoning-detail':
      return /^reasoning\.(text|summary|encrypted)$/.test(event.detail.type) && format.test(event.detail.format);
    case 'tool-call-delta':
      return typeof event.index === 'number' && typeof event.arguments === 'string';
    case 'tool-call':
      return isText(event.call.id) && typeof event.call.name === 'string';
    case 'usage':
      return Object.values(event.usage).every((count) => count === false || (Number.isInteger(count) && count >= 0));
    case 'done':
      return FINISH.includes(event.finishReason);
    case 'error':
      return event.error instanceof GatewayError && FAULT.test(event.error.code) && isText(event.error.message);
    default:
      return event satisfies never;
  }
}

const isText = (value: unknown) => typeof value === 'string' && value !== '';

// ---- cut into bytes -------------------------------------------------------------------------------------------------

/** `invented`: the ids that a decoder makes up, which differ each time. */
export function expectSameByteByByte(decode: Decode, body: Buffer, invented?: RegExp): void {
  const plain = ({ events, frames }: Decoded) => {
    const said = events.map((event) =>
      event.type === 'error' ? { ...event, error: { ...event.error, message: event.error.message } } : event,
    );
    const text = JSON.stringify([said, frames], null, 1);
    return invented ? text.replaceAll(invented, 'invented') : text;
  };
  const bytes = Array.from(body, (_byte, at) => body.subarray(at, at + 1));
  expect(plain(decode(bytes))).toBe(plain(decode([body])));
}

/** What streamed of each call is what came complete: id and name once, and the text of its arguments. `given`: by index. */
export function expectStreamedWhole({ calls, deltas }: Decoded, given: { json: string }[]): void {
  for (const { index, id, name } of calls) {
    const own = deltas.filter((delta) => delta.index === index);
    expect(own.map((delta) => delta.arguments).join('')).toBe(given[index]!.json);
    expect([own.flatMap((delta) => delta.id ?? []), own.flatMap((delta) => delta.name ?? [])]).toEqual([[id], [name]]);
  }
}

// ---- what nobody has recorded ---------------------------------------------------------------------------------------

const oneOf = (words: string[]) => fc.constantFrom(...words).map((word) => Buffer.from(word));

/** Chunks of any bytes, and of words that mean something on the wire. */
export function noise(...words: string[]): fc.Arbitrary<Buffer[]> {
  const bytes = fc.uint8Array({ maxLength: 30 }).map((some) => Buffer.from(some));
  return fc.array(fc.oneof(bytes, oneOf(words)), { maxLength: 30 });
}

/** A shape that is nearly right goes deeper than noise does: each field is itself `weight` times as often as any other JSON. */
export function nearlyRight(weight: number) {
  const junk = fc.jsonValue({ maxDepth: 2 });
  return {
    junk,
    or: (real: fc.Arbitrary<unknown>) => fc.oneof({ weight, arbitrary: real }, { weight: 1, arbitrary: junk }),
    record: (fields: Record<string, fc.Arbitrary<unknown>>) => fc.record(fields, { requiredKeys: [] }),
  };
}

/** A body damaged in one to four places: bytes lost, changed, said twice, put in (any, or one of `words`), or the rest cut off. */
export function damaged(bodies: Buffer[], ...words: string[]): fc.Arbitrary<Buffer> {
  const damage = fc.record({
    kind: fc.constantFrom('cut', 'flip', 'repeat', 'insert', 'end'),
    at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    size: fc.nat(60),
    bytes: fc.oneof(fc.uint8Array({ maxLength: 8 }), oneOf(words)),
  });
  return fc
    .tuple(fc.constantFrom(...bodies), fc.array(damage, { minLength: 1, maxLength: 4 }))
    .map(([whole, damages]) =>
      damages.reduce((body, { kind, at, size, bytes }) => {
        const from = Math.floor(at * body.length);
        const before = body.subarray(0, from);
        const hit = body.subarray(from, from + size);
        const after = body.subarray(from + size);
        switch (kind) {
          case 'cut':
            return Buffer.concat([before, after]);
          case 'flip':
            return Buffer.concat([before, hit.map((byte) => byte ^ 0x15), after]);
          case 'repeat':
            return Buffer.concat([before, hit, hit, after]);
          case 'insert':
            return Buffer.concat([before, bytes, hit, after]);
          default:
            return before;
        }
      }, whole),
    );
}

export interface GivenArguments {
  value: Record<string, unknown>;
  json: string;
  /** The text of the JSON, cut anywhere. */
  pieces: string[];
}

const values = fc.dictionary(fc.string({ maxLength: 5 }), fc.jsonValue({ maxDepth: 2 }), {
  maxKeys: 3,
  noNullPrototype: true,
});

/** The arguments of a call. */
export const anyArguments = fc
  .tuple(values, fc.array(fc.nat(), { maxLength: 5 }))
  .map(([made, cuts]): GivenArguments => {
    const json = JSON.stringify(made);
    const places = [...new Set(cuts.map((at) => at % (json.length + 1)))].sort((x, y) => x - y);
    // Read back, since JSON does not keep all that it is given: -0 comes back as 0.
    return { value: JSON.parse(json), json, pieces: [0, ...places].map((from, i) => json.slice(from, places[i])) };
  });
