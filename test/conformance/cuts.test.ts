// Every recording of every wire × every front door, without sockets: however the provider's bytes are cut, the client gets the same
// ones; and where they stop too early, each door says so in its own words.
import { describe, expect, test } from 'vitest';
import { doors } from '../support/doors/all.ts';
import { type Answer, choicesOf, comparable, type Door, framesOf, refused } from '../support/doors/door.ts';
import { native as nativeDoor } from '../support/doors/native.ts';
import { createPipeline, type Pipeline } from '../support/pipeline.ts';
import { chunkings, type Recording } from '../support/recordings.ts';
import { type Wire, wires } from '../support/wires.ts';

/** Byte by byte costs a turn of the pump for every byte: for bodies up to this length. All cuts are in decode.test.ts. */
const SHORT = 4_000;
const LONG = ['other random splits'];
/** To what is no event stream this adds what looks like one. */
const FRAMED = 'comments, ids and retries between events';
const CUTS = [...LONG, FRAMED, 'byte by byte', 'CRLF', 'CR'];

interface Case {
  wire: Wire;
  door: Door;
  recording: Recording;
  passthrough: boolean;
}

function ask(pipeline: Pipeline, { wire, door, recording, passthrough }: Case, chunks: Buffer[]) {
  const answering = { wire: wire.name, decoder: wire.decoder, chunks, passthrough };
  return pipeline.ask(door, answering, { choices: choicesOf(recording, door) });
}

/** Less what is another one each time. */
function masked({ status, body }: { status: number; body: string }): string {
  const plain = body
    .replaceAll(/(str_|msg_(?!str_))[\w-]{27}/g, '$1')
    .replaceAll(/call_[0-9a-f]{32}/g, 'call')
    .replaceAll(/(millrace:|bWlsbHJhY2U6)[\w+/=-]+/g, '$1') // packed reasoning names the call that it led to
    .replaceAll(/"(created|created_at|completed_at|first_token_ms|total_ms)":\d+/g, '"$1":0');
  return `${status} ${plain}`;
}

const handsOn = (door: Door, wire: Wire) => door.wire === wire.name;

describe.each(wires.map((wire) => [wire.name, wire] as const))('%s', (_name, wire) => {
  const cuts = chunkings.filter(({ name, text }) => CUTS.includes(name) && (wire.text || !text));

  test.each(doors.map((door) => [door.name, door] as const))(
    'at the door %s, any cut gives the same bytes',
    async (_door, door) => {
      const pipeline = createPipeline();
      for (const recording of wire.recordings) {
        for (const passthrough of handsOn(door, wire) ? [false, true] : [false]) {
          const one = { wire, door, recording, passthrough };
          const want = masked(await ask(pipeline, one, [recording.body]));
          for (const { name, cut } of cuts) {
            if (recording.expectError && name === FRAMED) continue;
            if (recording.body.length > SHORT && !LONG.includes(name)) continue;
            const got = masked(await ask(pipeline, one, cut(recording.body)));
            if (got !== want) expect.soft(got, `${recording.id}, ${name}`).toBe(want);
          }
        }
      }
      pipeline.close();
    },
  );

  test('cut off anywhere, every door says that it failed', async () => {
    const pipeline = createPipeline();
    for (const recording of wire.recordings) {
      for (const [nth, door] of doors.entries()) {
        const one = { wire, door, recording, passthrough: false };
        for (const at of places(recording.body.length, nth)) await expectNoFalseSuccess(pipeline, one, at);
      }
    }
    pipeline.close();
  });
});

/** Some places in a body; other ones for each door. */
function places(length: number, seed: number): number[] {
  const count = length > SHORT ? 3 : 5;
  const step = Math.floor(length / count);
  const first = Math.floor((step * (seed + 1)) / 7);
  return Array.from({ length: count }, (_, n) => first + n * step);
}

async function expectNoFalseSuccess(pipeline: Pipeline, one: Case, at: number): Promise<void> {
  const { door, recording, wire } = one;
  const part = [recording.body.subarray(0, at)];
  const said = await read(pipeline, { ...one, door: nativeDoor }, part);
  const what = `${recording.id} cut at ${at}, door ${door.name}`;
  if (said.end.type === 'done') return; // held against the whole body in decode.test.ts
  const got = await read(pipeline, one, part);
  expect(comparable(got, said), what).toEqual(comparable(door.expected(said), said));
  if (!handsOn(door, wire)) return;
  const { status, body } = await ask(pipeline, { ...one, passthrough: true }, part);
  if (status !== 200) door.refusal(JSON.parse(body), status);
  else expect(framesOf(body, { ids: door.name !== 'gemini' }).at(-1)?.data, what).toMatch(/"error"|"response.failed"/);
}

async function read(pipeline: Pipeline, one: Case, chunks: Buffer[]): Promise<Answer> {
  const { status, body } = await ask(pipeline, one, chunks);
  return status === 200 ? one.door.read(body) : refused(one.door.refusal(JSON.parse(body), status));
}
