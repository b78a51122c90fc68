// `server.tls`: https with HTTP/2 and HTTP/1.1 on one port. A stream of HTTP/2 is one of many on a connection: it is cut, held back and
// forgotten alone.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { json } from 'node:stream/consumers';
import tls from 'node:tls';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { start } from '../../src/main.ts';
import { AUTHORITY, IDENTITY } from '../providers/transport.servers.ts';
import { ask, eventually, foldNative, readSse, startMillrace, type TestMillrace } from '../support/millrace.ts';

/** Its key guards nothing: it was made for this test. */
const RENEWED = {
  cert: `-----BEGIN CERTIFICATE-----
MIIBmDCCAT2gAwIBAgIUCyXCQRa/u6ax3LKPWJXKCmfHqoMwCgYIKoZIzj0EAwIw
EjEQMA4GA1UEAwwHcmVuZXdlZDAgFw0yNjExMjIyMjM2MDBaGA8yMTI2MTAyOTIy
MzYwMFowEjEQMA4GA1UEAwwHcmVuZXdlZDBZMBMGByqGSM49AgEGCCqGSM49AwEH
A0IABHWy8M2/ytQxixrA8GP5uGY7HBuDnSgbmnQmNFOTbuO5ddCxl6BcGOsJC8pj
YbnCZgO/myIFlxR19OS/mMLG+amjbzBtMB0GA1UdDgQWBBT4xMeFEzqR29C0fQt0
z+8gbkhkqTAfBgNVHSMEGDAWgBT4xMeFEzqR29C0fQt0z+8gbkhkqTAPBgNVHRMB
Af8EBTADAQH/MBoGA1UdEQQTMBGCCWxvY2FsaG9zdIcEfwAAATAKBggqhkjOPQQD
AgNJADBGAiEA/VjVGZ7Ui23N+blrpjiWzYWZcwbTQma8//NVJWl2yM8CIQCN7Itk
X0dSfCj+s5q5l/Xa1iz0T4f9S9h2z/KOi/Ardg==
-----END CERTIFICATE-----
`,
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgdK81q9MpIMPwdU2D
R1/eaVi1OhMk+OcsHAEfPMlwKiChRANCAAR1svDNv8rUMYsawPBj+bhmOxwbg50o
G5p0JjRTk27juXXQsZegXBjrCQvKY2G5wmYDv5siBZcUdfTkv5jCxvmp
-----END PRIVATE KEY-----
`,
};

beforeAll(() => tls.setDefaultCACertificates([...tls.getCACertificates(), AUTHORITY, RENEWED.cert]));

async function identityFolder(identity = IDENTITY): Promise<{ folder: string; cert: string; key: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-tls-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  await writeFile(cert, identity.cert);
  await writeFile(key, identity.key);
  return { folder, cert, key };
}

async function startSecure(yaml = '', http2 = true): Promise<TestMillrace & { cert: string; key: string }> {
  const { cert, key } = await identityFolder();
  const settings = `server: { tls: { cert: ${cert}, key: ${key}, http2: ${http2} } }`;
  return { ...(await startMillrace(`providers: { mock: {}, mock-anthropic: {} }\n${settings}\n${yaml}`)), cert, key };
}

function session(millrace: TestMillrace): ClientHttp2Session {
  const opened = connect(millrace.url);
  opened.on('error', () => {});
  onTestFinished(() => opened.destroy());
  return opened;
}

interface Answer {
  stream: ClientHttp2Stream;
  headers: Promise<Record<string, any>>;
  /** The whole body; rejects when the stream was reset. */
  body: Promise<string>;
}

function post(on: ClientHttp2Session, path: string, body: unknown): Answer {
  const stream = on.request({ ':method': 'POST', ':path': path, 'content-type': 'application/json' });
  stream.setEncoding('utf8').end(JSON.stringify(body));
  const headers = new Promise<Record<string, any>>((resolve, reject) => {
    stream.once('response', resolve).once('error', reject);
  });
  headers.catch(() => {});
  const answer = new Promise<string>((resolve, reject) => {
    let text = '';
    stream.on('data', (chunk) => {
      text += chunk;
    });
    stream.once('end', () => resolve(text)).once('error', reject);
    stream.once('close', () => stream.rstCode !== 0 && reject(new Error(`reset ${stream.rstCode}`)));
  });
  answer.catch(() => {});
  return { stream, headers, body: answer };
}

const events = async ({ body }: Answer) => foldNative(await readSse(new Response(await body)));

test('30 streams at once on one connection', async () => {
  const millrace = await startSecure();
  const one = session(millrace);
  const answers = Array.from({ length: 30 }, () => post(one, '/v1/chat', ask('mock/lorem-30+rate-60')));
  for (const { headers } of answers) expect(await headers).toMatchObject({ ':status': 200, 'x-accel-buffering': 'no' });
  expect(millrace.live()).toBe(30); // the last has begun, and none has ended
  for (const answer of answers) expect((await events(answer)).end.data.finish_reason).toBe('stop');
  expect(await millrace.rows()).toHaveLength(30);
});

test('whole answers, refusals, lists and the page', async () => {
  const millrace = await startSecure();
  const one = session(millrace);
  const whole = post(one, '/v1/chat/completions', ask('mock/echo'));
  expect(await whole.headers).toMatchObject({ ':status': 200, 'content-type': 'application/json; charset=utf-8' });
  expect(JSON.parse(await whole.body).choices[0].message.content).toBe('Hello there');
  const refused = post(one, '/v1/messages', ask('mock-anthropic/error-429', { max_tokens: 10, stream: true }));
  expect((await refused.headers)[':status']).toBe(429);
  expect(JSON.parse(await refused.body)).toMatchObject({ type: 'error', error: { type: 'rate_limit_error' } });
  const models = one.request({ ':path': '/v1/models' });
  expect(await new Promise((resolve) => models.once('response', resolve))).toMatchObject({ ':status': 200 });
});

/** Asks for HTTP/1.1, as `fetch` does not where HTTP/2 is offered. */
function overHttp1(millrace: TestMillrace, path: string, body: unknown): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json' };
    request(millrace.url + path, { method: 'POST', headers, agent: false }, resolve)
      .once('error', reject)
      .end(JSON.stringify(body));
  });
}

describe.each([
  ['HTTP/1.1 beside HTTP/2', true],
  ['HTTP/1.1 alone', false],
])('%s', (_, http2) => {
  test('streams, answers whole, and cancels', async () => {
    const millrace = await startSecure('', http2);
    const streamed = await overHttp1(millrace, '/v1/chat', ask('mock/lorem-30+rate-300'));
    expect(streamed.httpVersion).toBe('1.1');
    const { text } = foldNative(await readSse(new Response(Readable.toWeb(streamed) as ReadableStream)));
    expect(text.split(' ')).toHaveLength(30);
    const whole = await overHttp1(millrace, '/v1/chat', ask('mock/echo', { stream: false }));
    expect(((await json(whole)) as any).text).toBe('Hello there');
    const left = await overHttp1(millrace, '/v1/chat', ask('mock/lorem-500+rate-100'));
    left.once('error', () => {}).once('data', () => left.destroy());
    await millrace.journal.waitFor((record) => record.client_left_at !== null);
    expect((await millrace.rows())[0]!.end_reason).toBe('client_closed');
  });
});

test('fetch, which takes HTTP/2 where it is offered, streams and cancels', async () => {
  const millrace = await startSecure();
  expect((await millrace.post('/v1/chat', ask('mock/echo', { stream: false }))).status).toBe(200);
  const controller = new AbortController();
  const left = await millrace.post('/v1/chat', ask('mock/lorem-500+rate-100'), { signal: controller.signal });
  await left.body!.getReader().read();
  controller.abort();
  await millrace.journal.waitFor((record) => record.client_left_at !== null);
  expect((await millrace.rows())[0]!.end_reason).toBe('client_closed');
});

test('without `http2` the server does not offer it', async () => {
  const millrace = await startSecure('', false);
  const { port } = new URL(millrace.url);
  const socket = tls.connect({ port: Number(port), host: '127.0.0.1', ALPNProtocols: ['h2', 'http/1.1'] });
  onTestFinished(() => void socket.destroy());
  await new Promise((resolve) => socket.once('secureConnect', resolve));
  expect(socket.alpnProtocol).toBe('http/1.1');
});

test.each([
  ['before the first token', 'mock/stall-0', 'waiting'],
  ['in the middle', 'mock/lorem-500+rate-100', 'streaming'],
])('a stream that is reset %s is left by the provider at once, its neighbours go on', async (_, model, phase) => {
  const millrace = await startSecure();
  const one = session(millrace);
  const neighbour = post(one, '/v1/chat', ask('mock/lorem-100+rate-100'));
  await neighbour.headers;
  const leaving = post(one, '/v1/chat', ask(model));
  await millrace.journal.waitFor((record) => record.model === model.slice(5) && record.phase === phase);
  leaving.stream.close(constants.NGHTTP2_CANCEL);
  await millrace.journal.waitFor((record) => record.client_left_at !== null);
  expect((await events(neighbour)).end.data.finish_reason).toBe('stop');
  const rows = await millrace.rows();
  expect(rows.map((row) => row.end_reason).sort()).toEqual(['client_closed', 'stop']);
});

test('a connection that goes away ends all of its streams', async () => {
  const millrace = await startSecure();
  const one = session(millrace);
  const answers = Array.from({ length: 5 }, () => post(one, '/v1/chat', ask('mock/lorem-500+rate-100')));
  await Promise.all(answers.map(({ headers }) => headers));
  one.destroy();
  await eventually(millrace.live, (live) => live === 0);
  expect((await millrace.rows()).map((row) => row.end_reason)).toEqual(Array(5).fill('client_closed'));
});

test('a reader that stopped reading is held back and then reset, alone', async () => {
  const millrace = await startSecure('streams: { buffer: 64KiB, stall: 300ms }');
  const one = session(millrace);
  const slow = one.request({ ':method': 'POST', ':path': '/v1/chat', 'content-type': 'application/json' });
  slow.end(JSON.stringify(ask('mock/lorem-200000')));
  slow.on('error', () => {});
  const reset = new Promise((resolve) => slow.once('close', () => resolve(slow.rstCode))); // never read: its window fills up
  const neighbour = post(one, '/v1/chat', ask('mock/lorem-200+rate-200'));
  expect((await events(neighbour)).end.data.finish_reason).toBe('stop');
  await eventually(millrace.live, (live) => live === 0);
  const rows = await millrace.rows();
  expect(rows.map((row) => row.end_reason).sort()).toEqual(['slow_client', 'stop']);
  slow.resume();
  expect(await reset).toBe(constants.NGHTTP2_INTERNAL_ERROR);
});

test('a reader that is slow but reads gets everything', async () => {
  const millrace = await startSecure('streams: { buffer: 64KiB }');
  const { stream, body } = post(session(millrace), '/v1/chat', ask('mock/lorem-20000'));
  const timer = setInterval(() => (stream.isPaused() ? stream.resume() : stream.pause()), 5);
  onTestFinished(() => clearInterval(timer));
  const { text } = foldNative(await readSse(new Response(await body)));
  expect(text.split(' ')).toHaveLength(20_000);
});

test('a renewed certificate is for new connections; one that does not fit is not taken', async () => {
  const millrace = await startSecure();
  const { port } = new URL(millrace.url);
  const presented = () =>
    new Promise<string>((resolve, reject) => {
      const socket = tls.connect({ port: Number(port), host: '127.0.0.1', rejectUnauthorized: false }, () => {
        resolve(socket.getPeerCertificate().subject.CN as string);
        socket.destroy();
      });
      socket.once('error', reject);
    });
  const before = session(millrace);
  const answer = post(before, '/v1/chat', ask('mock/lorem-1000+rate-100'));
  await answer.headers;
  expect(await presented()).toBe('localhost');
  await writeFile(millrace.cert, RENEWED.cert); // its key is not there yet
  await eventually(() => millrace.logs.find((line) => /cannot be used/.test(String(line.msg))));
  expect(await presented()).toBe('localhost');
  await writeFile(millrace.key, RENEWED.key);
  await eventually(presented, (name) => name === 'renewed');
  expect(millrace.live()).toBe(1);
  answer.stream.close();
});

test('a stream runs to its end while the server closes, then its connection goes', async () => {
  const millrace = await startSecure();
  const one = session(millrace);
  const gone = new Promise((resolve) => one.once('close', resolve));
  const answer = post(one, '/v1/chat', ask('mock/lorem-50+rate-100'));
  await answer.headers;
  const closed = millrace.close(10_000);
  const late = post(one, '/v1/chat', ask('mock/echo'));
  expect((await late.headers)[':status']).toBe(503);
  expect((await events(answer)).end.data.finish_reason).toBe('stop');
  await closed;
  await gone;
});

test.each([
  [{ cert: '/nowhere/cert.pem' }, /server\.tls\.cert: .*cannot be read \(ENOENT\)/],
  [{ cert: 'key' }, /server\.tls\.cert: .*no certificate/],
  [{ key: 'cert' }, /server\.tls\.key: .*no readable private key/],
  [{ identity: { cert: IDENTITY.cert, key: RENEWED.key } }, /server\.tls\.key: .*is not the key of the certificate/],
])('%# a wrong file stops the start with the name of its setting', async (wrong: any, message) => {
  const files = await identityFolder(wrong.identity);
  const pick = (setting: 'cert' | 'key') => files[wrong[setting] as 'cert' | 'key'] ?? wrong[setting] ?? files[setting];
  const config = { providers: { mock: {} }, server: { tls: { cert: pick('cert'), key: pick('key') } } };
  await expect(start({ config, cwd: files.folder, port: 0, env: {} })).rejects.toThrow(message);
});
