import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createGunzip } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type MockServer, startMock } from '../../src/mock/server.ts';
import { body, drain, events, fold, type Json, open, post, send, stream } from './client.ts';

const RECORDED = 'data: {"a":"é"}\n\ndata: [DONE]\n\n';
/** Two binary frames with line ends in them. */
const FRAMES = Buffer.from([0, 0, 0, 8, 10, 10, 13, 10, 0, 0, 0, 6, 10, 10]);
let mock: MockServer;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mock-'));
  mkdirSync(join(folder, 'bodies'));
  writeFileSync(join(folder, 'plain.sse'), RECORDED);
  writeFileSync(join(folder, 'raw.bin'), Buffer.from([0, 0, 0, 16, 255, 254]));
  writeFileSync(join(folder, 'frames.bin'), FRAMES);
  writeFileSync(join(folder, 'bodies', 'below.bin'), '{"whole":true}');
  mock = await startMock({ recordings: ['/nowhere', folder] });
});
afterAll(async () => {
  await mock.close();
  rmSync(folder, { recursive: true });
});

test('cut-N destroys the socket when N tokens have arrived', async () => {
  for (const n of [1, 3, 40]) {
    const { response } = await open(mock, body(`cut-${n}`));
    const { bytes, complete } = await drain(response);
    expect(complete).toBe(false);
    expect(events(bytes.toString()).length).toBe(n + 1);
  }
});

test('cut-0 destroys the socket before the headers', async () => {
  const [error] = await once(send(mock, body('cut-0')), 'error');
  expect(error.code).toBe('ECONNRESET');
});

test('a fault past the end of the answer does not strike', async () => {
  const streamed = await stream(mock, 'lorem-3+cut-4');
  expect([streamed.finish, streamed.marked]).toEqual(['stop', true]);
});

test('end-N is a clean end without a finish', async () => {
  const { response } = await open(mock, body('end-2'));
  const { bytes, complete } = await drain(response);
  expect(complete).toBe(true);
  const { text, finish, marked } = fold(bytes.toString());
  expect([text, finish, marked]).toEqual(['Lorem ipsum', null, false]);
  expect((await drain((await open(mock, body('end-0'))).response)).bytes.length).toBe(0);
});

test('stall-N is silent after N tokens with the socket open', async () => {
  const { request, response } = await open(mock, body('stall-3'));
  response.resume();
  const record = await mock.journal.waitFor((record) => record.model === 'stall-3' && record.tokens_sent === 3);
  expect([record.phase, mock.journal.open()]).toEqual(['streaming', 1]);
  request.destroy();
  await mock.journal.waitFor((record) => record.model === 'stall-3' && record.client_left_at !== null);
});

test('stall-0 sends no headers', async () => {
  const sent = send(mock, body('stall-0'));
  const record = await mock.journal.waitFor((record) => record.model === 'stall-0');
  expect([record.phase, record.status, record.bytes_sent]).toEqual(['waiting', null, 0]);
  sent.destroy();
  await mock.journal.waitFor((record) => record.model === 'stall-0' && record.client_left_at !== null);
});

test('error-after-N is an error object in the stream, then the end', async () => {
  const data = events(await (await post(mock, body('error-after-2'))).text());
  expect(data.length).toBe(4);
  expect(JSON.parse(data[3]!).error).toMatchObject({ type: 'server_error', param: null, code: null });
});

test('garbage-N is neither JSON nor text', async () => {
  const { response } = await open(mock, body('garbage-2'));
  const { bytes, complete } = await drain(response);
  expect(complete).toBe(true);
  const data = events(bytes.toString());
  expect(() => data.slice(0, 3).map((entry) => JSON.parse(entry))).not.toThrow();
  expect(() => JSON.parse(data[3]!)).toThrow();
  expect(Buffer.from(bytes.toString()).equals(bytes)).toBe(false);
});

test('no-done ends cleanly after the finish', async () => {
  const { finish, marked } = await stream(mock, 'no-done');
  expect([finish, marked]).toEqual(['stop', false]);
});

test('hang sends the whole answer and leaves the body open', async () => {
  const { request, response } = await open(mock, body('lorem-2+hang'));
  let text = '';
  for await (const chunk of response) {
    text += chunk;
    if (text.endsWith('data: [DONE]\n\n')) break;
  }
  const [record] = mock.journal.list().slice(-1);
  expect(record).toMatchObject({ model: 'lorem-2+hang', tokens_sent: 2, finished_at: null });
  request.destroy();
});

test('crlf ends all lines so, and comments stand before events', async () => {
  const crlf = await (await post(mock, body('lorem-3+crlf'))).text();
  expect(crlf.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
  expect(fold(crlf).text).toBe('Lorem ipsum dolor');
  const comments = await (await post(mock, body('lorem-3+comments'))).text();
  expect(comments.match(/^: /gm)?.length).toBe(events(comments).length);
  expect(fold(comments).text).toBe('Lorem ipsum dolor');
});

test('split sends every byte in a chunk of its own', async () => {
  const socket = await sendRaw(body('lorem-1+split'));
  const raw = await readToEnd(socket);
  const sizes = raw
    .slice(raw.indexOf('\r\n\r\n') + 4)
    .split('\r\n')
    .filter((_, at) => at % 2 === 0);
  expect(new Set(sizes)).toEqual(new Set(['1', '0', '']));
  expect((await stream(mock, 'lorem-3+split')).text).toBe('Lorem ipsum dolor');
});

test('split keeps its bytes apart on the socket', async () => {
  const { response } = await open(mock, body('echo+split', { messages: [{ role: 'user', content: '日本' }] }));
  const reads: number[] = [];
  for await (const chunk of response) reads.push(chunk.length);
  const total = reads.reduce((sum, size) => sum + size, 0);
  expect(reads.length).toBeGreaterThan(total / 4); // the kernel may join a few
});

test('gzip is flushed at each token', async () => {
  const { request, response } = await open(mock, body('lorem-50+gzip+stall-3'));
  expect(response.headers['content-encoding']).toBe('gzip');
  let text = '';
  const plain = response.pipe(createGunzip());
  plain.on('error', () => {});
  await new Promise<void>((resolve) => {
    plain.on('data', (chunk) => {
      text += chunk;
      if (text.includes('dolor"')) resolve();
    });
  });
  request.destroy();
  expect((await stream(mock, 'lorem-200+gzip')).chunks.length).toBe(202);
  expect((await stream(mock, 'lorem-3+gzip+split+crlf')).text).toBe('Lorem ipsum dolor');
  const raw = await drain((await open(mock, body('lorem-50+gzip'))).response);
  expect(mock.journal.list().at(-1)!.bytes_sent).toBe(raw.bytes.length);
});

test('slow-N holds back the headers, rate-N the tokens', async () => {
  const begun = performance.now();
  const { response } = await open(mock, body('lorem-5+slow-120+rate-50'));
  expect(performance.now() - begun).toBeGreaterThanOrEqual(115);
  const reads: string[] = [];
  for await (const chunk of response) reads.push(String(chunk));
  expect(performance.now() - begun).toBeGreaterThanOrEqual(195); // four gaps of 20 ms
  expect(reads.length).toBeGreaterThanOrEqual(4);
  expect(fold(reads.join('')).text).toBe('Lorem ipsum dolor sit amet,');
});

test('rate-N holds above what a timer can tell apart', async () => {
  const begun = performance.now();
  const { chunks } = await stream(mock, 'lorem-600+rate-3000');
  expect(chunks.length).toBe(602);
  expect(performance.now() - begun).toBeGreaterThanOrEqual(195);
});

test('a whole answer takes the time its tokens take, and fails as a stream does', async () => {
  const whole = (model: string) => body(model, { stream: false });
  const begun = performance.now();
  await (await post(mock, whole('lorem-5+rate-50'))).json();
  expect(performance.now() - begun).toBeGreaterThanOrEqual(95);
  expect((await drain((await open(mock, whole('cut-2'))).response)).complete).toBe(false);
  const ended = await drain((await open(mock, whole('end-2'))).response);
  expect(ended.complete).toBe(true);
  expect(() => JSON.parse(ended.bytes.toString())).toThrow();
  expect((await post(mock, whole('error-after-2'))).status).toBe(500);
  await expect((await post(mock, whole('garbage-2'))).json()).rejects.toThrow();
  expect((await post(mock, whole('lorem-1000001'))).status).toBe(400);
  const sent = send(mock, whole('stall-0'));
  await mock.journal.waitFor((record) => record.model === 'stall-0' && record.phase === 'waiting');
  sent.destroy();
  expect((await post(mock, whole('lorem-3+gzip+split+crlf'))).ok).toBe(true);
});

test('redirect and html are no completions', async () => {
  const redirect = await post(mock, body('redirect'));
  expect([redirect.status, redirect.headers.get('location')]).toEqual([302, '/_mock/redirected']);
  const html = await post(mock, body('html'));
  expect([html.status, html.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
});

test('a recording is replayed byte for byte, from every kind of place', async () => {
  const response = await post(mock, body('replay-plain'));
  expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  expect(await response.text()).toBe(RECORDED);
  const raw = await post(mock, body('replay-raw'));
  expect(raw.headers.get('content-type')).toBe('application/vnd.amazon.eventstream');
  expect(Buffer.from(await raw.arrayBuffer())).toEqual(Buffer.from([0, 0, 0, 16, 255, 254]));
  const below = await post(mock, body('replay-below', { stream: false }));
  expect(below.headers.get('content-type')).toBe('application/json');
  expect(await below.json()).toEqual({ whole: true });
});

test('a replay is split, cut by bytes, and given other line ends', async () => {
  expect(await (await post(mock, body('replay-plain+split+slow-5+rate-1000'))).text()).toBe(RECORDED);
  expect(await (await post(mock, body('replay-plain+crlf+gzip'))).text()).toBe(RECORDED.replaceAll('\n', '\r\n'));
  const cut = await drain((await open(mock, body('replay-plain+cut-13'))).response);
  expect(cut.complete).toBe(false);
  expect(cut.bytes).toEqual(Buffer.from(RECORDED).subarray(0, 13)); // within the é
});

test('a recording of binary frames is paced by frames and has no line ends', async () => {
  for (const model of ['replay-frames', 'replay-frames+crlf+comments', 'replay-frames+rate-1000']) {
    const response = await post(mock, body(model));
    expect(Buffer.from(await response.arrayBuffer())).toEqual(FRAMES);
    expect(mock.journal.list().at(-1)).toMatchObject({ model, tokens_sent: 2 });
  }
});

test('a recording that is not there is a model that is not there', async () => {
  for (const name of ['replay-nothing', 'replay-..', 'replay-..plain', 'replay-bodies/below', 'replay-bodies']) {
    const response = await post(mock, body(name));
    expect(response.status).toBe(404);
    expect(((await response.json()) as Json).error.code).toBe('model_not_found');
  }
});

test('the address is told to whoever cannot have it', async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const { port } = taken.address() as { port: number };
  await expect(startMock({ port })).rejects.toThrow('EADDRINUSE');
  taken.close();
});

async function sendRaw(payload: unknown): Promise<Socket> {
  const text = JSON.stringify(payload);
  const socket = connect(mock.port, '127.0.0.1');
  await once(socket, 'connect');
  socket.write(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: mock\r\nconnection: close\r\ncontent-length: ${text.length}\r\n\r\n${text}`,
  );
  return socket;
}

async function readToEnd(socket: Socket): Promise<string> {
  let raw = '';
  for await (const chunk of socket) raw += chunk;
  return raw;
}
