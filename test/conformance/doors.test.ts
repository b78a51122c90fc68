// Every recording and fixture of every wire × every front door × streamed and whole, over real sockets. Each door's bytes are read by a
// strict reader of its own, and must say what the recording says and what the native door made of the same bytes.
import { describe, expect, test } from 'vitest';
import { doors } from '../support/doors/all.ts';
import { type Answer, choicesOf, comparable, type Door, refused } from '../support/doors/door.ts';
import { native } from '../support/doors/native.ts';
import { expectRead } from '../support/expect.ts';
import { startMillrace, type TestMillrace } from '../support/millrace.ts';
import { chunkings, type Recording } from '../support/recordings.ts';
import { startReplay } from '../support/replay.ts';
import { type Wire, wires } from '../support/wires.ts';

const HOW = 'random splits';

/** `asis` hands frames on to the door of its own wire, `built` never does. */
async function upstream(wire: Wire): Promise<TestMillrace> {
  const url = await startReplay(wire.recordings, chunkings);
  const hands = doors.some((door) => door.wire === wire.name);
  const built = wire.provider(url, hands ? ', passthrough: false' : '');
  return startMillrace(`providers: { asis: ${wire.provider(url)}, built: ${built} }\nlog: { level: error }`);
}

async function answerOf(millrace: TestMillrace, door: Door, recording: Recording, stream: boolean): Promise<Answer> {
  const asking = { stream, choices: choicesOf(recording, door) };
  const model = `built/${recording.id}|${HOW}`;
  const response = await millrace.post(door.path(model, asking), door.body(model, asking));
  const body = await response.text();
  try {
    if (!response.ok) return refused(door.refusal(JSON.parse(body), response.status));
    return stream ? door.read(body) : door.readWhole(JSON.parse(body));
  } catch (error) {
    throw new Error(`${recording.id} at the door ${door.name}: ${(error as Error).message}`, { cause: error });
  }
}

/** Of a usage that was estimated, only what the provider reported. */
function asRead({ end, usage, estimated, ...said }: Answer, { expect: want }: Recording) {
  const reported = Object.entries(usage ?? {}).filter(([kind]) => !estimated || want[`usage.${kind}` as 'usage.input']);
  const how = end.type === 'done' ? { type: 'done', finish: end.finish } : { type: 'error' };
  return { ...said, usage: Object.fromEntries(reported), end: how };
}

const MODES = [
  ['streamed', true],
  ['whole', false],
] as const;

describe.each(wires.map((wire) => [wire.name, wire] as const))('%s', (_name, wire) => {
  test.each(MODES)('%s, every door says what the recording does', { timeout: 120_000 }, async (_mode, stream) => {
    const millrace = await upstream(wire);
    for (const recording of wire.recordings) {
      const said = await answerOf(millrace, native, recording, stream);
      expectRead(recording, asRead(said, recording));
      for (const door of doors) {
        if (door === native) continue;
        const got = await answerOf(millrace, door, recording, stream);
        const want = comparable(door.expected(said), said);
        expect.soft(comparable(got, said), `${recording.id} at the door ${door.name}`).toEqual(want);
      }
    }
  });
});
