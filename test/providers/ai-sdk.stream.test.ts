// The bridge from a package's stream to ours, with a package that does what the test says: how parts arrive, how a stream is held back,
// left and broken, and what a package does that no package should.
import { setImmediate as turn } from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { ChatRequest } from '../../src/core/chat.ts';
import type { Provider } from '../../src/core/contracts.ts';
import { hello, send, startHttp } from '../support/upstream.ts';
import { ask, folderWith, providerOf, puppet, textOf } from './ai-sdk.folder.ts';

type Stream = ReadableStream<unknown>;
type DoStream = (options: any, settings: any) => unknown;

async function playing(doStream: DoStream, options: object = {}): Promise<Provider> {
  return providerOf({ package: 'puppet', cwd: await folderWith(puppet), options: { doStream, ...options } });
}

const text = (delta: string) => ({ type: 'text-delta', id: '0', delta });
const finish = {
  type: 'finish',
  finishReason: { unified: 'stop', raw: 'end' },
  usage: { inputTokens: { total: 2 }, outputTokens: { total: 1 } },
};

/** Gives these one at a time, as they are asked for. */
const streamOf = (...parts: unknown[]): Stream => ReadableStream.from(parts);

const answering = (...parts: unknown[]) => playing(async () => ({ stream: streamOf(...parts) }));

// ---- asking ---------------------------------------------------------------------------------------------------------

test('the model gets the options of the request, and a signal', async () => {
  let seen: any;
  let settings: any;
  const doStream = (options: object, given: object) => {
    seen = options;
    settings = given;
    return { stream: streamOf(text('Hi'), finish) };
  };
  const cwd = await folderWith(puppet);
  const provider = await providerOf({
    package: 'puppet',
    cwd,
    apiKey: 'k',
    baseUrl: 'http://127.0.0.1:1/v1',
    headers: { 'x-own': '1' },
    options: { doStream, region: 'north', apiKey: 'less' },
  });
  const { ended, sent } = await ask(provider, { temperature: 0.5 });
  expect(await ended).toMatchObject([
    { type: 'token', text: 'Hi' },
    { type: 'usage', usage: { input_tokens: 2, output_tokens: 1 } },
    { type: 'done', finishReason: 'stop' },
  ]);
  expect(seen).toEqual({
    prompt: [{ role: 'user', content: [{ type: 'text', text: 'Hi' }] }],
    temperature: 0.5,
    abortSignal: expect.any(AbortSignal),
  });
  expect(settings).toMatchObject({
    apiKey: 'k',
    baseURL: 'http://127.0.0.1:1/v1',
    headers: { 'x-own': '1' },
    region: 'north',
    fetch: expect.any(Function),
  });
  expect(sent()).toBe(1);
});

test('what the config does not say, the factory is not told', async () => {
  let settings: any;
  const provider = await playing((_options, given) => {
    settings = given;
    return { stream: streamOf(finish) };
  });
  await (await ask(provider)).ended;
  expect(Object.keys(settings).sort()).toEqual(['doStream', 'fetch']);
});

test('the request of a package that does not use our fetch counts as sent before it answers', async () => {
  const { promise: late, resolve: answer } = Promise.withResolvers<object>();
  const provider = await playing(() => late);
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  let sent = 0;
  const sending = provider.send(provider.request(hello as ChatRequest, 'm').body, {
    signal: new AbortController().signal,
    onSent: () => void sent++,
  });
  expect(sent).toBe(0);
  await vi.advanceTimersByTimeAsync(5000);
  expect(sent).toBe(1);
  answer({ stream: streamOf(finish) });
  (await sending).abort();
  expect(sent).toBe(1);
});

test.each<[about: string, doStream: DoStream, code: string]>([
  [
    'throws',
    () => {
      throw new Error('secret');
    },
    'internal',
  ],
  ['rejects', () => Promise.reject('It broke.'), 'upstream_unavailable'],
  ['answers nothing', () => undefined, 'internal'],
  ['answers without a stream', () => ({}), 'internal'],
  ['answers with what is no web stream', () => ({ stream: [text('Hi')] }), 'internal'],
])('a package that %s fails the request', async (_about, doStream, code) => {
  await expect(ask(await playing(doStream))).rejects.toMatchObject({ name: 'GatewayError', code });
});

// ---- reading --------------------------------------------------------------------------------------------------------

test('parts that came at once go on as one piece', async () => {
  const parts = Array.from({ length: 100 }, (_, n) => text(`${n} `));
  const stream = new ReadableStream({
    start(controller) {
      for (const part of [...parts, finish]) controller.enqueue(part);
      controller.close();
    },
  });
  const provider = await playing(() => ({ stream }));
  const response = await send(provider, hello, 'm');
  const pieces: string[] = [];
  await new Promise<void>((end) =>
    response.start({ data: (chunk) => void pieces.push(String(chunk)), end, error: () => end() }),
  );
  expect(pieces).toHaveLength(1);
  expect(pieces[0]!.split('\n')).toHaveLength(102);
});

test('a part is not kept for the next one', async () => {
  const { readable, writable } = new TransformStream();
  const writer = writable.getWriter();
  const asked = await ask(await playing(() => ({ stream: readable })));
  void writer.write(text('Hi'));
  await asked.until('token');
  void writer.write(finish);
  await asked.ended;
});

test('parts that say nothing are not looked into, whatever they hold', async () => {
  const ring: Record<string, unknown> = { type: 'raw', rawValue: 7n };
  ring.ring = ring;
  const file = { type: 'file', mediaType: 'image/png', data: new Uint8Array(1_000_000) };
  const provider = await answering(ring, null, 'text', 7, {}, file, { type: 'ping' }, text('Hi'), ring, finish);
  const events = await (await ask(provider)).ended;
  expect(textOf(events)).toBe('Hi');
  expect(events.at(-1)).toMatchObject({ type: 'done' });
});

test('a part that cannot be written down ends the stream', async () => {
  const provider = await answering(text('Hi'), { ...text('x'), providerMetadata: { maker: { n: 7n } } }, finish);
  const events = await (await ask(provider)).ended;
  expect(textOf(events)).toBe('Hi');
  expect(events.at(-1)).toMatchObject({ type: 'error', error: { code: 'upstream_protocol' } });
});

test('a huge part comes whole', async () => {
  const long = 'ü'.repeat(2_000_000);
  expect(textOf(await (await ask(await answering(text(long), finish))).ended)).toBe(long);
});

test('what comes after the finish is not heard', async () => {
  const events = await (await ask(await answering(text('Hi'), finish, text(' there'), { type: 'error', error: 'x' })))
    .ended;
  await turn();
  expect(textOf(events)).toBe('Hi');
  expect(events.at(-1)).toMatchObject({ type: 'done' });
});

test('an error part ends the stream with what the provider said, after all that came before', async () => {
  const cancel = vi.fn();
  let signal: AbortSignal | undefined;
  const stream = new ReadableStream({
    start(controller) {
      for (const part of [text('a'), text('b'), { type: 'error', error: { message: 'Busy.' } }, text('c')])
        controller.enqueue(part);
    },
    cancel,
  });
  const provider = await playing((options) => {
    signal = options.abortSignal;
    return { stream };
  });
  const events = await (await ask(provider)).ended;
  expect(textOf(events)).toBe('ab');
  expect(events.at(-1)).toMatchObject({ type: 'error', error: { message: expect.stringContaining('Busy.') } });
  expect(cancel).toHaveBeenCalledOnce();
  expect(signal!.aborted).toBe(true);
});

test('a stream that breaks ends with an error, after all that came before', async () => {
  const stream = ReadableStream.from(
    (async function* () {
      yield text('Hi');
      throw new Error('secret');
    })(),
  );
  const events = await (await ask(await playing(() => ({ stream })))).ended;
  expect(textOf(events)).toBe('Hi');
  expect(events.at(-1)).toMatchObject({ type: 'error', error: { code: 'upstream_protocol' } });
  expect(JSON.stringify(events.at(-1))).not.toContain('secret');
});

test('a stream that just ends was cut', async () => {
  const events = await (await ask(await answering(text('Hi')))).ended;
  expect(events.at(-1)).toMatchObject({ type: 'error', error: { code: 'upstream_truncated' } });
});

// ---- holding back and leaving ---------------------------------------------------------------------------------------

/** Parts without end, as fast as they are read. */
function endless(part: unknown = text('x')) {
  let pulled = 0;
  const cancel = vi.fn();
  const stream = new ReadableStream(
    {
      pull(controller) {
        pulled++;
        controller.enqueue(part);
      },
      cancel,
    },
    { highWaterMark: 0 },
  );
  return { stream, pulled: () => pulled, cancel };
}

test('a client that is behind holds the package back, and nothing is lost', async () => {
  const source = endless();
  const asked = await ask(await playing(() => ({ stream: source.stream })));
  await asked.until('token');
  asked.response.pause();
  await turn();
  const [pulled, seen] = [source.pulled(), asked.events.length];
  for (let n = 0; n < 20; n++) await turn();
  expect(source.pulled()).toBeLessThanOrEqual(pulled + 1);
  expect(asked.events).toHaveLength(seen);
  asked.response.resume();
  await vi.waitUntil(() => asked.events.length > seen, { timeout: 10_000, interval: 1 });
  asked.response.abort();
  await turn();
  expect(source.pulled() - asked.events.length).toBeLessThan(1024); // read, and not yet handed on when it was left
});

test('an end that comes while the client is behind waits for it', async () => {
  const asked = await ask(await answering(text('a'), text('b'), finish));
  asked.response.pause();
  for (let n = 0; n < 20; n++) await turn();
  expect(asked.events).toEqual([]);
  asked.response.resume();
  expect(textOf(await asked.ended)).toBe('ab');
});

test('what was read and not yet handed on waits for the client too', async () => {
  const { readable, writable } = new TransformStream();
  const writer = writable.getWriter();
  const asked = await ask(await playing(() => ({ stream: readable })));
  void writer.write(text('a'));
  for (let n = 0; n < 50; n++) await null; // until it was read, in this same turn
  asked.response.pause();
  void writer.close();
  for (let n = 0; n < 20; n++) await turn();
  expect(asked.events).toEqual([]);
  asked.response.resume();
  expect(textOf(await asked.ended)).toBe('a');
});

test.each(['signal', 'response'])('a stream that never ends is left by its %s, and says nothing more', async (how) => {
  const source = endless();
  let signal: AbortSignal | undefined;
  const provider = await playing((options) => {
    signal = options.abortSignal;
    return { stream: source.stream };
  });
  const asked = await ask(provider);
  await asked.until('token');
  if (how === 'signal') asked.abort();
  else asked.response.abort();
  const [pulled, seen] = [source.pulled(), asked.events.length];
  for (let n = 0; n < 20; n++) await turn();
  expect(source.pulled()).toBeLessThanOrEqual(pulled + 1);
  expect(asked.events).toHaveLength(seen);
  expect(source.cancel).toHaveBeenCalledOnce();
  expect(signal!.aborted).toBe(true);
  asked.response.abort();
});

test('what a package fetches only while it is read is closed too when its request is left', async () => {
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  const url = await startHttp((_request, response) => {
    response.on('close', resolve);
    response.write('x');
  });
  const provider = await playing((_options, settings) => {
    const stream = new ReadableStream(
      {
        async pull(controller) {
          const reader = (await settings.fetch(url)).body.getReader();
          await reader.read();
          controller.enqueue(text('x'));
          await reader.read();
        },
      },
      { highWaterMark: 0 },
    );
    return { stream };
  });
  const asked = await ask(provider);
  await asked.until('token');
  asked.abort();
  await closed;
});

test('an answer that a package reads before it streams, and that is cut, was cut', async () => {
  const url = await startHttp((_request, response) => {
    response.write('{"half":');
    setImmediate(() => response.destroy());
  });
  const provider = await playing(async (_options, settings) => {
    const body = await (await settings.fetch(url)).text();
    throw Object.assign(new Error(`No JSON: ${body}`), { name: 'AI_JSONParseError' });
  });
  await expect(ask(provider)).rejects.toMatchObject({ code: 'upstream_truncated' });
});

test('parts without end that say nothing leave time for others', async () => {
  const source = endless({ type: 'raw' });
  const asked = await ask(await playing(() => ({ stream: source.stream })));
  await turn();
  await turn();
  asked.response.abort();
  await turn();
  expect(source.cancel).toHaveBeenCalledOnce();
});

test('a request that is left before the package answers ends at once, and its late stream is closed', async () => {
  const source = endless();
  const { promise: late, resolve: answer } = Promise.withResolvers<object>();
  const provider = await playing(() => late);
  const controller = new AbortController();
  const sending = send(provider, hello, 'm', controller.signal);
  const reason = new Error('nobody waits for it any more');
  controller.abort(reason);
  await expect(sending).rejects.toBe(reason);
  answer({ stream: source.stream });
  await turn();
  expect(source.cancel).toHaveBeenCalledOnce();
});

test('a request that was left before it was sent is not sent', async () => {
  let asked = false;
  const provider = await playing(() => {
    asked = true;
    return { stream: streamOf(finish) };
  });
  const reason = new Error('gone');
  await expect(send(provider, hello, 'm', AbortSignal.abort(reason))).rejects.toBe(reason);
  expect(asked).toBe(false);
});
