// What a strict client of a front door reads from its bytes, in one form for all doors, so that what one said can be held against what
// another did. The readers beside this file were written from the public specifications alone; they import nothing from src.
import { createParser } from 'eventsource-parser';
import type { Recording } from '../recordings.ts';

export interface Counts {
  input: number;
  output: number;
  cached: number;
  cacheWrite: number;
  reasoning: number;
}

export interface ReadCall {
  id: string;
  name: string;
  /** Parsed; the text itself where it is no JSON. */
  args: unknown;
}

/** `finish` and `code` are the door's own words. */
export type ReadEnd = { type: 'done'; finish: string } | { type: 'error'; code: string; message: string };

export interface Answer {
  text: string;
  reasoning: string;
  /** Those that are complete. */
  toolCalls: ReadCall[];
  /** Undefined where the door says none. */
  usage: Partial<Counts> | undefined;
  estimated?: boolean;
  end: ReadEnd;
}

export interface Asking {
  stream: boolean;
  /** Alternatives, where the door has them. */
  choices?: number;
}

export interface Door {
  name: string;
  /** The wire whose frames it hands on untouched. */
  wire?: string;
  path(model: string, asking: Asking): string;
  body(model: string, asking: Asking): object;
  /** A streamed body. Throws where it breaks a rule of the protocol. */
  read(body: string): Answer;
  /** The body of `stream: false`, status 200. */
  readWhole(body: any): Answer;
  /** The body of a status of 400 or more. */
  refusal(body: any, status: number): Extract<ReadEnd, { type: 'error' }>;
  /** What this door can say of an answer that the native door said so. */
  expected(native: Answer): Answer;
}

export interface Frame {
  id: string | undefined;
  event: string | undefined;
  data: string;
}

export function must(condition: unknown, what: string): asserts condition {
  if (!condition) throw new Error(what);
}

/** The events of a body that must be nothing but events and comments: each ends in one blank line, none is empty. */
export function framesOf(body: string, { ids }: { ids: boolean }): Frame[] {
  const frames: Frame[] = [];
  const parser = createParser({
    onEvent: ({ id, event, data }) => void frames.push({ id, event, data }),
    onError(error) {
      throw error; // a field that no specification has
    },
  });
  parser.feed(body);
  must(!body.includes('\r') && !/^\n|\n\n\n/.test(body), 'a blank line that ends nothing');
  must(body === '' || body.endsWith('\n\n'), `the body stops inside an event: ${JSON.stringify(body.slice(-200))}`);
  must(frames.length === body.match(/^data:/gm)?.length, 'an event without data, or with more than one line of it');
  const counted = frames.filter(({ id, event }) => id !== undefined || event !== 'ping'); // one of ours fills a silence
  counted.forEach(({ id }, at) => {
    must(id === (ids ? String(at + 1) : undefined), `event ${at + 1} has the id ${id}`);
  });
  return frames;
}

/** The value must have these fields and no others; a field with a `?` may be missing. */
export function fields<T = any>(value: unknown, names: string, what: string): T {
  must(typeof value === 'object' && value !== null && !Array.isArray(value), `${what}: ${JSON.stringify(value)}`);
  const known = names.split(' ');
  const allowed = known.map((name) => name.replace('?', ''));
  for (const name of Object.keys(value)) must(allowed.includes(name), `${what} has a field ${name}`);
  for (const name of known) {
    must(name.endsWith('?') || (value as any)[name] !== undefined, `${what} has no ${name}: ${JSON.stringify(value)}`);
  }
  return value as T;
}

export function argsOf(text: string): unknown {
  if (text.trim() === '') return {};
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

export function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

export const hello = [{ role: 'user', content: 'Hello there' }];

/** An error as the native door said it; elsewhere with the word that the door has for it. */
export function worded(end: ReadEnd, finishes: Record<string, string>, codes?: Record<string, string>): ReadEnd {
  if (end.type === 'done') {
    must(finishes[end.finish], `no word for ${end.finish}`);
    return { type: 'done', finish: finishes[end.finish]! };
  }
  const code = codes ? codes[end.code] : end.code;
  must(code, `no word for ${end.code}`);
  return { ...end, code };
}

/** An answer that was refused before it began. */
export const refused = (end: ReadEnd): Answer => ({ text: '', reasoning: '', toolCalls: [], usage: undefined, end });

/** Where a recording has alternatives, the doors that have them ask for them. */
export function choicesOf(recording: Recording, door: Door): number | undefined {
  const some = recording.features.includes('multi-choice') && (door.name === 'openai' || door.name === 'gemini');
  return some ? 3 : undefined;
}

/** Less what differs from one answer to the next: invented ids, and counts where the native door's own were estimated. */
export function comparable({ usage, end, toolCalls, text, reasoning }: Answer, { estimated }: Answer): object {
  return {
    text,
    reasoning,
    toolCalls: toolCalls.map((call) => ({ ...call, id: call.id.replace(/^call_[0-9a-f]{32}$/, 'invented') })),
    usage: estimated || end.type === 'error' ? undefined : usage,
    end,
  };
}
