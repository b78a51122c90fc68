// A client that leaves: the provider sees it at once, at every phase and through every door, and the row is closed.
import { createServer, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { ask, eventually, readSse, startMillrace, type TestMillrace } from '../support/millrace.ts';

const doors = ['/v1/chat', '/v1/chat/completions'];
const shapes = doors.flatMap((path) => [true, false].map((stream) => ({ path, stream })));

/** Leaves once the provider's record looks as asked. Returns what the provider saw. */
async function leaveWhen(millrace: TestMillrace, path: string, body: object, ready: (record: any) => boolean) {
  const controller = new AbortController();
  const response = millrace.post(path, body, { signal: controller.signal }).then((r) => r.text());
  response.catch(() => {});
  await millrace.journal.waitFor(ready);
  const leftAt = Date.now();
  controller.abort();
  await expect(response).rejects.toThrow();
  const record = await millrace.journal.waitFor((r) => r.client_left_at !== null);
  return { record, delay: record.client_left_at! - leftAt };
}

test.each(shapes)('before the first token: $path, stream $stream', async ({ path, stream }) => {
  const millrace = await startMillrace();
  const { record } = await leaveWhen(millrace, path, ask('mock/stall-0', { stream }), (r) => r.phase === 'waiting');
  expect(record.tokens_sent).toBe(0);
  const [row] = await millrace.rows();
  expect(row).toMatchObject({ end_reason: 'client_closed', output_tokens: 0, generated_tokens: 0, estimated: true });
  expect(row!.input_tokens).toBeGreaterThan(0); // it was asked, so the prompt may be billed
});

test.each(shapes)('in the middle: $path, stream $stream', async ({ path, stream }) => {
  const millrace = await startMillrace();
  const body = ask('mock/lorem-1000+rate-200', { stream });
  const { record } = await leaveWhen(millrace, path, body, (r) => r.tokens_sent >= 5);
  expect(record.tokens_sent).toBeLessThan(1000);
  const [row] = await millrace.rows();
  expect(row).toMatchObject({ end_reason: 'client_closed', estimated: true, reported_output_tokens: null });
  expect(row!.generated_tokens).toBeGreaterThan(0);
  if (!stream) expect(row!.delivered_tokens).toBe(0);
  expect(row!.cost_usd).toBeGreaterThan(0);
});

test('while still connecting, the half-open socket is closed at once', async () => {
  const sockets = new Set<Socket>();
  let closed = 0;
  // Accepts, and never answers the TLS handshake: the provider's socket stays in its connecting phase.
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => closed++);
    socket.on('error', () => {});
    socket.resume();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as { port: number };
  const millrace = await startMillrace(
    `providers: { up: { wire: openai, baseUrl: "https://127.0.0.1:${port}/v1", apiKey: x } }`,
  );
  for (const { path, stream } of shapes) {
    const before = { seen: sockets.size, closed };
    const controller = new AbortController();
    const response = millrace.post(path, ask('up/m', { stream }), { signal: controller.signal });
    response.catch(() => {});
    await eventually(() => sockets.size > before.seen);
    controller.abort();
    await eventually(() => closed > before.closed);
  }
  for (const row of await millrace.rows()) {
    expect(row).toMatchObject({ end_reason: 'client_closed', input_tokens: 0, cost_usd: null });
  }
});

test('the provider sees the close soon after the client closed', async () => {
  const millrace = await startMillrace();
  const delays: number[] = [];
  for (let n = 0; n < 20; n++) {
    millrace.journal.clear();
    const body = ask('mock/lorem-1000+rate-100', { stream: true });
    const { delay } = await leaveWhen(millrace, '/v1/chat', body, (r) => r.tokens_sent >= 2);
    delays.push(delay);
  }
  delays.sort((a, b) => a - b);
  process.stdout.write(
    `cancel: the provider saw the close after a median of ${delays[10]} ms, at most ${delays.at(-1)} ms\n`,
  );
});

test('on_disconnect finish lets the answer run to its end and bills it whole', async () => {
  const millrace = await startMillrace();
  const response = await millrace.post('/v1/chat', ask('mock/lorem-60+rate-200', { on_disconnect: 'finish' }));
  await readSse(response, ({ event }) => event === 'token');
  const record = await millrace.journal.waitFor((r) => r.phase === 'done');
  expect(record).toMatchObject({ client_left_at: null, tokens_sent: 60 });
  const [row] = await millrace.rows();
  expect(row).toMatchObject({ end_reason: 'stop', output_tokens: 60, generated_tokens: 60, estimated: false });
  expect(row!.delivered_tokens).toBeLessThan(60);
});

test('finish may be the setting of the whole server, and cancel of one request', async () => {
  const millrace = await startMillrace('providers: { mock: {} }\nstreams: { onDisconnect: finish }');
  await readSse(await millrace.post('/v1/chat', ask('mock/lorem-30+rate-200')), ({ event }) => event === 'token');
  await millrace.journal.waitFor((r) => r.phase === 'done' && r.client_left_at === null);
  millrace.journal.clear();
  const response = await millrace.post('/v1/chat', ask('mock/lorem-500+rate-50', { on_disconnect: 'cancel' }));
  await readSse(response, ({ event }) => event === 'token');
  await millrace.journal.waitFor((r) => r.client_left_at !== null);
});

test('a client that leaves after the terminal event has not cancelled', async () => {
  const millrace = await startMillrace();
  const response = await millrace.post('/v1/chat', ask('mock/lorem-5+hang'));
  await readSse(response, ({ event }) => event === 'done');
  const [row] = await millrace.rows();
  expect(row).toMatchObject({ end_reason: 'stop', output_tokens: 5, estimated: false });
});

test('2,000 aborts at random moments leave nothing behind', { timeout: 120_000 }, async () => {
  const millrace = await startMillrace('providers: { mock: {} }\nlog: { level: error }');
  const warm = async () => readSse(await millrace.post('/v1/chat', ask('mock/lorem-5')));
  await warm();
  const handlesBefore = process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  let seed = 20261122;
  const random = () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
  const models = [
    'mock/lorem-50+rate-500',
    'mock/slow-30',
    'mock/stall-2',
    'mock/stall-0',
    'mock/tools+rate-100',
    'mock/error-429',
  ];
  async function one(): Promise<void> {
    const controller = new AbortController();
    const { path, stream } = shapes[Math.floor(random() * shapes.length)]!;
    const model = models[Math.floor(random() * models.length)]!;
    setTimeout(() => controller.abort(), random() * 60);
    await millrace
      .post(path, ask(model, { stream }), { signal: controller.signal })
      .then((r) => r.text())
      .catch(() => {});
  }
  let left = 2000;
  await Promise.all(
    Array.from({ length: 50 }, async () => {
      while (left-- > 0) await one();
    }),
  );
  await eventually(millrace.live, (live) => live === 0);
  await eventually(millrace.journal.open, (open) => open === 0);
  const sums: any = await (await fetch(`${millrace.url}/v1/usage?by=model`)).json();
  const requests = sums.data.reduce((n: number, sum: any) => n + sum.requests, 0);
  expect(requests).toBeGreaterThan(500); // some left before they were read
  expect((await millrace.rows()).every((row) => row.end_reason !== null)).toBe(true);
  await eventually(
    () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length,
    (timers) => timers <= handlesBefore + 2,
  );
  await warm();
});
