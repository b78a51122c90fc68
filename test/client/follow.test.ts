// Taking up a stream that another page, process or tab began: by its resume_url or id, from an event on. Over a real Millrace and its mock.
import { expect, test } from 'vitest';
import { type ChatEvent, type ChatStream, createClient, type MillraceError } from '../../src/client/index.ts';
import { startMillrace } from '../support/millrace.ts';

const ask = (model: string) => ({ model, messages: [{ role: 'user' as const, content: 'Hello' }] });
const textOf = (events: ChatEvent[]) => events.map((event) => (event.type === 'token' ? event.text : '')).join('');

/** Reads until `enough`, and leaves. */
async function read(stream: ChatStream, enough: (event: ChatEvent) => boolean = () => false): Promise<ChatEvent[]> {
  const events: ChatEvent[] = [];
  for await (const event of stream) {
    events.push(event);
    if (enough(event)) break;
  }
  return events;
}

const failure = (promise: Promise<unknown>): Promise<MillraceError> =>
  promise.then(
    () => expect.fail('did not fail'),
    (error) => error,
  );

const is = (word: string) => (event: ChatEvent) => event.type === 'token' && event.text.includes(word);

test('what one reader left another takes up after the last event that was given, and nothing is missing or twice', async () => {
  const { url } = await startMillrace();
  const client = createClient({ baseUrl: url });
  const begun = client.chat({ ...ask('mock/lorem-60+rate-200'), on_disconnect: 'detach' });
  expect(begun.lastEventId).toBe(0);
  const first = await read(begun, is('amet'));
  expect(begun.lastEventId).toBe(first.length);
  const [start] = first as [Extract<ChatEvent, { type: 'start' }>];

  const other = createClient({ baseUrl: url }).follow(start.resume_url!, { lastEventId: begun.lastEventId });
  const rest = await read(other);
  expect(other.id).toBe(begun.id);
  expect(other.lastEventId).toBe(first.length + rest.length);
  expect(rest.at(-1)).toMatchObject({ type: 'done', finish_reason: 'stop', usage: { output_tokens: 60 } });

  const whole = await client.follow(begun.id!).result;
  expect(whole.text).toBe(textOf(first) + textOf(rest));
  expect(whole.text.split(' ')).toHaveLength(60);
});

test('a follower’s stop ends the stream for all, and says so to each', async () => {
  const { url, journal } = await startMillrace();
  const client = createClient({ baseUrl: url });
  const begun = client.chat(ask('mock/stall-3'));
  const first = read(begun);
  const [start] = await read(client.follow(await idOf(begun)), is('dolor'));
  const follower = client.follow((start as Extract<ChatEvent, { type: 'start' }>).resume_url!);
  await follower.stop(); // also before it was read
  for (const events of [await first, await read(follower)]) {
    expect(events.at(-1)).toMatchObject({ type: 'done', finish_reason: 'cancelled', usage: { output_tokens: 3 } });
  }
  await journal.waitFor((record) => record.client_left_at !== null);
});

async function idOf(stream: ChatStream): Promise<string> {
  while (stream.id === undefined) await new Promise((resolve) => setImmediate(resolve));
  return stream.id;
}

test('a stream that is not there, is no longer kept, or was read to its end is an error with a code', async () => {
  const { url } = await startMillrace('providers: { mock: {} }\nstreams: { buffer: 4KiB }');
  const client = createClient({ baseUrl: url });
  expect(await failure(client.follow('str_none').result)).toMatchObject({ code: 'stream_not_found', status: 404 });
  const long = client.chat(ask('mock/lorem-400'));
  await read(long);
  expect(await failure(client.follow(long.id!).result)).toMatchObject({ code: 'stream_gone', status: 410 });
  const { lastEventId } = long;
  expect(await failure(client.follow(long.id!, { lastEventId }).result)).toMatchObject({
    code: 'stream_gone',
    status: 204,
  });
});

test('a server that cannot be reached for a moment is asked again', async () => {
  const { url } = await startMillrace();
  let asked = 0;
  const client = createClient({
    baseUrl: url,
    fetch: (...given) => (++asked === 2 ? Promise.reject(new TypeError('offline')) : fetch(...given)),
  });
  const begun = client.chat(ask('mock/echo'));
  await read(begun);
  expect((await client.follow(begun.id!).result).text).toBe('Hello');
  expect(asked).toBe(3);
});

test('the same request with the same idempotency key is the same stream', async () => {
  const { url, rows } = await startMillrace();
  const client = createClient({ baseUrl: url });
  const [one, two] = [1, 2].map(() => client.chat(ask('mock/lorem-20+rate-200'), { idempotencyKey: 'once' }));
  expect((await one!.result).stream_id).toBe((await two!.result).stream_id);
  expect(await rows()).toHaveLength(1);
});

test('a stop before the response has begun reaches the provider also where a cut connection would not', async () => {
  const { url, journal } = await startMillrace('providers: { mock: {} }\nstreams: { commitAfter: 300ms, grace: 1h }');
  const stream = createClient({ baseUrl: url }).chat({ ...ask('mock/stall-0'), on_disconnect: 'detach' });
  const looped = read(stream);
  await journal.waitFor((record) => record.model === 'stall-0');
  const stopping = stream.stop();
  expect(await looped).toEqual([]);
  expect(stream.id).toBeUndefined(); // the loop did not wait for it
  await stopping;
  await journal.waitFor((record) => record.client_left_at !== null);
  expect(await failure(stream.result)).toMatchObject({ code: 'stopped' });
});
