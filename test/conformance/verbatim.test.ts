// Every recording of a wire that a front door speaks itself, over real sockets: the provider's frames come through as they were, what
// Millrace adds is an end where there was none, and a whole answer has everything that the frames said.
import { createParser } from 'eventsource-parser';
import { describe, expect, test } from 'vitest';
import { doors } from '../support/doors/all.ts';
import { choicesOf, type Door, framesOf } from '../support/doors/door.ts';
import { expectRead, type Read } from '../support/expect.ts';
import { startMillrace } from '../support/millrace.ts';
import { chunkings, type Recording } from '../support/recordings.ts';
import { startReplay } from '../support/replay.ts';
import { wires } from '../support/wires.ts';

const HOW = 'random splits';

interface Own {
  /** Whether nothing may follow this frame. */
  isLast(data: string): boolean;
  isError(data: string): boolean;
  /** What Millrace says itself, where the provider did not. */
  mayAdd(data: any): boolean;
  /** What a client reads in a whole answer, leniently: fields are the vendor's own. */
  read(body: any): Pick<Read, 'text' | 'toolCalls'>;
}

const typeOf = (data: string): string => JSON.parse(data).type;
const joined = (parts: any[]) => parts.map(({ text, refusal }) => text ?? refusal ?? '').join('');
const callOf = (id: string, name: string, args: unknown) => ({ id, name, args });

const OWN: Record<string, Own> = {
  openai: {
    isLast: (data) => data === '[DONE]',
    isError: (data) => data !== '[DONE]' && Boolean(JSON.parse(data).error),
    mayAdd: ({ choices, usage }) => choices.length === 0 && usage.total_tokens > 0, // this client asked for it
    read({ choices: [{ message }] }) {
      const old = message.function_call && { function: message.function_call };
      const calls = message.tool_calls ?? [old].filter(Boolean);
      const content = Array.isArray(message.content)
        ? message.content.filter((p: any) => p.type === 'text')
        : undefined;
      return {
        text: content ? joined(content) : (message.content ?? message.refusal ?? ''),
        toolCalls: calls.map((c: any) => callOf(c.id, c.function.name, JSON.parse(c.function.arguments || '{}'))),
      };
    },
  },
  'openai-responses': {
    isLast: (data) => /^response\.(completed|incomplete|failed)$/.test(typeOf(data)),
    isError: (data) => /^(error|response\.failed)$/.test(typeOf(data)),
    mayAdd: () => false,
    read: ({ output }) => ({
      text: output.map((item: any) => (item.type === 'message' ? joined(item.content) : '')).join(''),
      toolCalls: output.flatMap((item: any) => {
        if (item.type === 'function_call') return [callOf(item.call_id, item.name, JSON.parse(item.arguments || '{}'))];
        return item.type === 'custom_tool_call' ? [callOf(item.call_id, item.name, item.input)] : [];
      }),
    }),
  },
  anthropic: {
    isLast: (data) => /^(message_stop|error)$/.test(typeOf(data)),
    isError: (data) => typeOf(data) === 'error',
    mayAdd: ({ type }) => /^(content_block_stop|message_delta)$/.test(type),
    read: ({ content, stop_reason }) => ({
      text: joined(content.filter(({ type }: any) => type === 'text')),
      toolCalls: content.flatMap((b: any) => {
        const cut = stop_reason === 'max_tokens' && (b.input?.INVALID_JSON || JSON.stringify(b.input) === '{}');
        return b.type === 'tool_use' && !cut ? [callOf(b.id, b.name, b.input)] : [];
      }),
    }),
  },
  gemini: {
    isLast: (data) => /"(finishReason|blockReason|error)"/.test(data),
    isError: (data) => 'error' in JSON.parse(data),
    mayAdd: () => false,
    read({ candidates }) {
      const parts: any[] = candidates?.[0].content.parts ?? [];
      return {
        text: joined(parts.filter(({ thought }) => !thought)),
        toolCalls: parts.flatMap(({ functionCall: f }) => (f ? [callOf(f.id, f.name, f.args ?? {})] : [])),
      };
    },
  },
};

/** The data of each event of a body, as an independent parser reads it. A frame is handed on as one line, for every reader. */
function sentBy(body: Buffer): string[] {
  const found: string[] = [];
  const parser = createParser({ onEvent: ({ data }) => void found.push(escaped(data.replaceAll('\n', ' '))) });
  parser.feed(`${body.toString('utf8')}\n\n`);
  return found;
}

const escaped = (data: string) =>
  data.replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029').replaceAll('\u0085', '\\u0085');

function expectHandedOn(recording: Recording, frames: string[], { isLast, isError, mayAdd }: Own): void {
  const sent = sentBy(recording.body);
  const same = frames.findIndex((data, at) => data !== sent[at]);
  const handed = same === -1 ? frames.length : same;
  const added = frames.slice(handed);
  // What was held back came behind the end, is no frame, or is the error that Millrace says in its place.
  const heldBack = sent.slice(handed);
  const over = handed > 0 && isLast(frames[handed - 1]!);
  const failed = added.some(isError);
  expect(
    heldBack.every((data) => over || failed || data === '[DONE]'),
    `held back: ${heldBack[0]}`,
  ).toBe(true);
  const own = added.filter((data) => !isLast(data) && !isError(data));
  expect(
    own.every((data) => mayAdd(JSON.parse(data))),
    `added: ${own[0]}`,
  ).toBe(true);
  if (recording.expectError !== undefined) expect(frames.some(isError)).toBe(recording.expectError);
}

/** No frames to hand on: the answer, which came whole, is a stream for a client that wants one. */
const isFramed = ({ features, id }: Recording) =>
  !features.some((f) => f === 'not-sse' || f === 'whole-message-only') && !/whole-response|list-instead-of/.test(id);

/**
 * Whose whole answer is not what they streamed: the last event says less or more, a call comes twice, or in pieces of a kind that no
 * request for a whole answer brings about.
 */
const SAYS_ELSE =
  /^(plain-text|call-never-closed|incomplete-inside-call|incomplete-content-filter|gemini-call-repeated)$|openai-phase|streamed-arguments/;

const pairs = doors.flatMap((door) => wires.filter(({ name }) => name === door.wire).map((wire) => ({ door, wire })));

describe.each(pairs.map(({ door, wire }) => [door.name, door, wire] as const))('%s', (name, door: Door, wire) => {
  const own = OWN[name]!;
  const start = async () => {
    const url = await startReplay(wire.recordings, chunkings);
    return startMillrace(`providers: { up: ${wire.provider(url)} }\nlog: { level: error }`);
  };

  test('streamed, the frames are those that the provider sent, and one of them is the end', async () => {
    const millrace = await start();
    for (const recording of wire.recordings) {
      const asking = { stream: true, choices: choicesOf(recording, door) };
      const model = `up/${recording.id}|${HOW}`;
      const response = await millrace.post(door.path(model, asking), door.body(model, asking));
      const body = await response.text();
      if (!response.ok) {
        expect(recording.expectError, recording.id).toBe(true);
        door.refusal(JSON.parse(body), response.status);
        continue;
      }
      const frames = framesOf(body, { ids: name !== 'gemini' }).map(({ data }) => data);
      const last = frames.at(-1)!;
      expect(own.isLast(last) || own.isError(last), `${recording.id}: ${last}`).toBe(true);
      if (name !== 'gemini') expect(frames.filter(own.isLast).length, recording.id).toBeLessThanOrEqual(1);
      if (isFramed(recording)) expectHandedOn(recording, frames, own);
    }
  });

  test('whole, everything that they said', async () => {
    const millrace = await start();
    for (const recording of wire.recordings) {
      const asking = { stream: false, choices: choicesOf(recording, door) };
      const model = `up/${recording.id}|${HOW}`;
      const response = await millrace.post(door.path(model, asking), door.body(model, asking));
      const body = await response.json();
      if (!response.ok) {
        expect(recording.expectError ?? recording.features.includes('unframed-json'), recording.id).toBe(true);
        door.refusal(body, response.status);
        continue;
      }
      const { text, toolCalls } = recording.expect;
      if (SAYS_ELSE.test(recording.id)) continue;
      const want = { ...recording, expect: { ...(text !== undefined && { text }), ...(toolCalls && { toolCalls }) } };
      try {
        expectRead(want, { ...own.read(body), reasoning: '', usage: undefined, end: { type: 'done' } });
      } catch (error) {
        throw new Error(`${recording.id}: ${(error as Error).message}`, { cause: error });
      }
    }
  });
});
