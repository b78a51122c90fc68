// Streams and those who follow them, against a plain list of frames: whatever is said, and whoever comes, reads slowly, leaves, comes back or is
// left behind, each reads every frame from where it asked, once and in order, and the provider waits for nobody who is not there.
// Exchanges are played, since only they know what a client has read; everything between them and the encoder is the real thing.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Exchange } from '../../src/core/contracts.ts';
import type { Ending } from '../../src/core/events.ts';
import { createDirectory, placeAfter, type Stream } from '../../src/stream/directory.ts';
import type { Position } from '../../src/stream/log.ts';
import { createStreamedSession } from '../../src/stream/session.ts';

const BUFFER = 8_192; // per stream; the log packs a quarter of it at a time
const MEMORY = 14_000; // of all together: less than two full streams
const LIMITS = { buffer: BUFFER, memory: MEMORY, retain: 3_600_000, heartbeat: 3_600_000, stall: 3_600_000 };

const ENDING: Ending = {
  type: 'done',
  finishReason: 'stop',
  usage: {
    input_tokens: 1,
    output_tokens: 1,
    cached_input_tokens: 0,
    cache_write_input_tokens: 0,
    reasoning_tokens: 0,
    estimated: false,
  },
  cost_usd: null,
  model: 'm',
  provider: 'p',
  attempts: 1,
  timing: { first_token_ms: null, total_ms: 1 },
};

const failsWith = (code: string) => expect.objectContaining({ code });

/** A client's end of a response. A slow one takes what is written and is behind until it has read it. */
class Client implements Exchange {
  text = '';
  opened = 0;
  ends = 0;
  slow = false;
  /** The last write said so, and it has not read since. */
  behind = false;
  left = false;
  dropped = false;
  unread = 0;
  private closed = () => {};
  private drained = () => {};

  get over(): boolean {
    return this.left || this.dropped || this.ends > 0;
  }
  open(): void {
    this.opened++;
  }
  write(frames: string): boolean {
    if (this.over || this.opened !== 1) throw new Error('written to a client that is not there');
    this.text += frames;
    if (this.slow) this.unread += frames.length;
    this.behind = this.slow;
    return !this.slow;
  }
  buffered(): number {
    return this.unread;
  }
  end(): void {
    this.ends++;
  }
  reply(): void {
    throw new Error('nothing here fails before it began');
  }
  destroy(): void {
    this.dropped = true;
    this.closed();
  }
  onClose(listener: () => void): void {
    this.closed = listener;
  }
  onDrain(listener: () => void): void {
    this.drained = listener;
  }
  /** Reads all that was written, and may be slow again with the next. */
  read(): void {
    this.unread = 0;
    this.behind = false;
    this.drained();
  }
  leave(): void {
    this.left = true;
    this.closed();
  }
}

/** The real stream and the plain list that it must agree with. */
function createModel(directory: ReturnType<typeof createDirectory>, number: number, independent: boolean) {
  const frames: string[] = [];
  const followers: { client: Client; from: number }[] = [];
  let held = false; // what a pump would do
  let ended = false;
  let why: unknown; // somebody was dropped

  const frame = (text: string) => {
    frames.push(`id: ${frames.length + 1}\nevent: token\ndata: ${text}\n\n`);
    return frames.at(-1)!;
  };
  const session = createStreamedSession(
    {
      meta: { streamId: `str_${number}`, model: 'm', provider: 'p', created: 0, dropped: [] },
      wire: undefined,
      limits: LIMITS,
      fault: () => ({}),
      independent,
      onChange(reason) {
        why ??= reason;
      },
      onPack: directory.growth(LIMITS),
    },
    {
      start: () => frame('start'),
      event: (event) => frame(event.type === 'token' ? event.text : ''),
      end: () => frame('end'),
    },
  );
  session.onDrain(() => {
    held = false;
  });
  const stream: Stream = {
    id: `str_${number}`,
    key: null,
    door: 'native',
    model: 'm',
    startedAt: 0,
    idempotency: { key: `key ${number}`, digest: 'd' },
    audience: session.audience,
    stop: async () => ENDING,
  };
  directory.add(stream);
  session.begin();
  session.flush();

  const find = () => {
    try {
      return directory.find(stream.id, null);
    } catch (error) {
      expect(error).toEqual(failsWith('stream_gone'));
      return undefined;
    }
  };
  const present = () => followers.filter(({ client }) => !client.over);
  const someoneWaits = () => present().some(({ client }) => !client.behind);

  /** What must be true whenever nothing is going on. */
  function check(): void {
    for (const { client, from } of followers) {
      const expected = frames.slice(from).join('');
      expect(expected.startsWith(client.text)).toBe(true);
      expect(client.opened).toBe(1);
      expect(client.ends).toBeLessThanOrEqual(1);
      if (client.over ? client.ends === 1 : !client.behind) expect(client.text.length).toBe(expected.length);
      if (client.ends === 1) expect(client.text).toMatch(/data: end\n\n$/);
      if (ended && !client.over) expect(client.behind).toBe(true); // all others have been told the end
    }
    if (ended) return;
    expect(session.audience.size).toBe(present().length);
    if (held) expect(present().length > 0 && !someoneWaits()).toBe(true); // or the provider waits for nobody
  }

  return {
    stream,
    find,
    check,
    isEnded: () => ended,
    present,
    emit(sizes: number[]) {
      if (ended) return;
      for (const size of sizes) session.event({ type: 'token', text: 'é'.repeat(size) });
      const before = present();
      const taken = session.flush();
      for (const { client, from } of before) {
        if (!client.dropped) continue;
        // Too slow: more unread than is allowed, or what it has not been given is no longer kept.
        const read = from + (client.text.match(/^id: /gm)?.length ?? 0);
        if (client.unread <= BUFFER) expect(session.audience.log!.seek(read)).toBe('gone');
        expect(why).toEqual(failsWith('slow_client'));
      }
      if (present().length === 0) expect(taken).toBe('kept');
      else expect(taken).toBe(someoneWaits() || independent ? 'sent' : 'behind');
      if (taken === 'behind') held = true;
    },
    attach(share: number, slow: boolean) {
      const found = find();
      if (!found) return;
      const from = Math.floor(share * (frames.length + 1.2));
      let place: Position | undefined;
      try {
        place = placeAfter(found, from);
      } catch (error) {
        expect(error).toEqual(failsWith(from > frames.length ? 'invalid_request' : 'stream_gone'));
        return;
      }
      expect(from).toBeLessThanOrEqual(frames.length);
      if (!place) {
        expect([ended, from]).toEqual([true, frames.length]);
        return;
      }
      const client = new Client();
      client.slow = slow;
      followers.push({ client, from });
      found.audience.attach(client, place);
    },
    end() {
      if (ended) return;
      ended = true;
      held = false;
      session.end(ENDING);
      directory.end(stream, ENDING, LIMITS);
    },
    /** Everybody reads all there is. */
    settle() {
      for (const { client } of present()) {
        client.slow = false;
        client.read();
      }
      for (const { client, from } of followers) {
        if (client.left || client.dropped) continue;
        if (ended) expect(client.ends).toBe(1);
        expect(client.text).toBe(frames.slice(from).join(''));
      }
    },
  };
}

type Step =
  | { do: 'emit'; sizes: number[] }
  | { do: 'attach'; share: number; slow: boolean }
  | { do: 'read' | 'slow' | 'fast' | 'leave'; who: number }
  | { do: 'drop' | 'end' };

const who = fc.nat(9);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('emit'), sizes: fc.array(fc.nat(900), { minLength: 1, maxLength: 5 }) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('attach'),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
      slow: fc.boolean(),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constantFrom('read', 'slow', 'fast', 'leave'), who }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('drop', 'end') }) },
) as fc.Arbitrary<Step>;

const script = fc.array(fc.tuple(fc.nat(2), step), { maxLength: 120 });

test('whoever follows reads every frame from where it asked, once and in order, and nobody is waited for who is not there', () => {
  fc.assert(
    fc.property(script, fc.boolean(), (steps, independent) => {
      const directory = createDirectory();
      const models = [0, 1, 2].map((number) => createModel(directory, number, independent && number === 0));
      let everFull = false;
      const kept = () =>
        models.flatMap((model) => model.find()?.audience.log ?? []).reduce((sum, log) => sum + log.packed, 0);

      for (const [number, step] of steps) {
        const model = models[number]!;
        const present = model.present();
        const client = 'who' in step ? present[step.who % present.length]?.client : undefined;
        switch (step.do) {
          case 'emit':
            model.emit(step.sizes);
            break;
          case 'attach':
            model.attach(step.share, step.slow);
            break;
          case 'read':
            client?.read();
            break;
          case 'slow':
          case 'fast':
            if (client) client.slow = step.do === 'slow';
            break;
          case 'leave':
            client?.leave();
            break;
          case 'drop':
            directory.growth(LIMITS)(MEMORY); // others need all there is
            directory.growth(LIMITS)(-MEMORY);
            everFull = true;
            break;
          case 'end':
            model.end();
            break;
          default:
            step satisfies never;
        }
        for (const each of models) each.check();
        everFull ||= kept() > MEMORY / 2;
        expect(kept()).toBeLessThanOrEqual(MEMORY);
      }

      // Nobody was forgotten while there was room.
      if (!everFull) for (const model of models) expect(model.find()).toBeDefined();
      for (const model of models) model.settle();
      for (const model of models) {
        model.end();
        model.settle();
        model.check();
      }
      expect(directory.running.size).toBe(0);

      // The total is what the logs keep, to the character: just so much fits, and one more takes the oldest, until nothing is left.
      const grow = directory.growth(LIMITS);
      for (;;) {
        const before = models.filter((model) => model.find());
        if (before.length === 0) break;
        const free = MEMORY - kept();
        grow(free);
        expect(models.filter((model) => model.find())).toEqual(before);
        grow(1);
        expect(models.filter((model) => model.find()).length).toBeLessThan(before.length);
        grow(-free - 1);
      }
      for (const { stream } of models) expect(directory.same(null, stream.idempotency!)).toBeUndefined();
      directory.close();
    }),
    { numRuns: 300 },
  );
});

test('a stream that is kept holds nothing of its run', async () => {
  const root = new URL('../../src/', import.meta.url).href;
  const program = `
    import { createDirectory } from '${root}stream/directory.ts';
    import { createStreamedSession } from '${root}stream/session.ts';
    const limits = ${JSON.stringify(LIMITS)};
    const directory = createDirectory();
    function run() {
      const request = { prompt: 'x'.repeat(1000) };
      const encoder = { start: () => 'id: 1\\n\\n', event: () => '', end: () => 'id: 2\\n\\n' + request.prompt.slice(0, 0) };
      const exchange = { open() {}, write: () => true, buffered: () => 0, end() {}, reply() {}, destroy() {}, onClose() {}, onDrain() {} };
      const session = createStreamedSession({
        meta: { streamId: 's', model: 'm', provider: 'p', created: 0, dropped: [], resumeUrl: () => request.prompt },
        limits, fault: () => request, independent: false, onChange: () => request, onPack: directory.growth(limits),
      }, encoder);
      session.onDrain(() => request);
      const stream = { id: 's', key: null, door: 'd', model: 'm', startedAt: 0, audience: session.audience, stop: async () => request };
      directory.add(stream);
      session.audience.attach(exchange, { block: 0, offset: 0 });
      session.begin();
      session.flush();
      const ending = { type: 'done', finishReason: 'stop' };
      session.end(ending);
      directory.end(stream, ending, limits);
      return Object.entries({ request, encoder, exchange, session, stream }).map(([name, value]) => [name, new WeakRef(value)]);
    }
    const refs = run();
    await new Promise((resolve) => setTimeout(resolve, 10));
    gc();
    const held = refs.filter(([, ref]) => ref.deref()).map(([name]) => name);
    console.log(JSON.stringify({ held, kept: directory.find('s', null).audience.log.packed > 0 }));
    directory.close();
  `;
  const args = ['--expose-gc', '--input-type=module-typescript', '--eval', program];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  expect(JSON.parse(stdout)).toEqual({ held: [], kept: true });
});
