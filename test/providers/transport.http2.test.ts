// HTTP/2 to providers: that many streams share a connection without touching each other, whatever one of them or the server does:
// leaving, pausing, resets, GOAWAY, a cut, a connection that is dead and does not say so.
// https://www.rfc-editor.org/rfc/rfc9113
import { constants, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { UpstreamResponse } from '../../src/core/contracts.ts';
import {
  IDENTITY,
  leavable,
  listen,
  readAll,
  type Sending,
  send,
  startHttp2,
  startHttps,
  startProxy,
  startRelay,
  startSilence,
  transportOf,
  until,
} from './transport.servers.ts';

/** A server whose streams are held, each with its `:path`, for the test to go on with. */
async function startHeld(options: Parameters<typeof startHttp2>[1] = {}) {
  const held: { stream: ServerHttp2Stream; path: string }[] = [];
  const sessions: ServerHttp2Session[] = [];
  const resets: number[] = [];
  const started = await startHttp2(undefined, options);
  started.server.on('session', (session) => sessions.push(session));
  started.server.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('error', () => {}).on('close', () => resets.push(stream.rstCode));
    held.push({ stream, path: String(headers[':path']) });
  });
  return { ...started, held, sessions, resets };
}

function answer({ stream }: { stream: ServerHttp2Stream }, text: string): void {
  stream.respond({ ':status': 200 });
  stream.write(text);
}

/** Reads as it comes; `failed` is the error that it ended with. */
function follow(response: UpstreamResponse) {
  const read = { text: '', ended: false, failed: undefined as { code: string } | undefined };
  response.start({
    data: (chunk) => {
      read.text += chunk;
    },
    end: () => {
      read.ended = true;
    },
    error: (error) => {
      read.failed = error;
    },
  });
  return read;
}

/** Opens streams and waits until the server holds them all and has said `a` on each. */
async function openHeld(server: Awaited<ReturnType<typeof startHeld>>, transport = transportOf(), count = 2) {
  const sending = Array.from({ length: count }, (_, n) => send(transport, `${server.url}/${n}`));
  await until(() => server.held.length === count);
  server.held.sort((one, other) => one.path.localeCompare(other.path));
  for (const each of server.held) answer(each, 'a');
  const responses = await Promise.all(sending);
  return { transport, responses, read: responses.map(follow) };
}

// What node:http2 as a server cannot be brought to say, said frame by frame. https://www.rfc-editor.org/rfc/rfc9113#section-4.1
const [DATA, HEADERS, RST_STREAM, SETTINGS] = [0, 1, 3, 4];
const [END_STREAM, END_HEADERS] = [1, 4];
const [STATUS_200, STATUS_400] = [0x88, 0x8c]; // https://www.rfc-editor.org/rfc/rfc7541#appendix-A

interface Frame {
  type: number;
  stream: number;
}

function frameOf(type: number, flags: number, stream: number, payload: number[]): Buffer {
  return Buffer.from([0, 0, payload.length, type, flags, 0, 0, 0, stream, ...payload]);
}

async function startFrames(answer: (frame: Frame, socket: Socket) => void): Promise<string> {
  const { port } = await listen(
    createTlsServer({ ...IDENTITY, ALPNProtocols: ['h2'] }, (socket) => {
      let unread = Buffer.alloc(0);
      let at = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'.length;
      socket.on('error', () => {});
      socket.write(frameOf(SETTINGS, 0, 0, []));
      socket.on('data', (chunk: Buffer) => {
        unread = Buffer.concat([unread, chunk]);
        while (unread.length >= at + 9 && unread.length >= at + 9 + unread.readUIntBE(at, 3)) {
          answer({ type: unread[at + 3]!, stream: unread.readUInt32BE(at + 5) }, socket);
          at += 9 + unread.readUIntBE(at, 3);
        }
      });
    }),
  );
  return `https://127.0.0.1:${port}/v1`;
}

describe('which HTTP', () => {
  test('streams share one connection where the server speaks HTTP/2', async () => {
    const { url, accepted } = await startHttp2((request, response) => {
      response.setHeader('x-version', request.httpVersion);
      response.end(request.url);
    });
    const transport = transportOf();
    const responses = await Promise.all(Array.from({ length: 50 }, (_, n) => send(transport, `${url}/${n}`)));
    expect(responses[0]!.headers['x-version']).toBe('2.0');
    const texts = await Promise.all(responses.map(readAll));
    expect(texts).toEqual(Array.from({ length: 50 }, (_, n) => `/v1/${n}`));
    expect(accepted()).toBe(1);
  });

  test('they share one tunnel where a proxy stands in between', async () => {
    const { url } = await startHttp2((_request, response) => void response.end('answered'));
    const proxy = await startProxy();
    const transport = transportOf({ proxy: proxy.url });
    const texts = await Promise.all(Array.from({ length: 20 }, async () => readAll(await send(transport, url))));
    expect(texts).toEqual(Array(20).fill('answered'));
    expect(proxy.asked).toHaveLength(1);
  });

  test('a request arrives whole, its body and headers as they were', async () => {
    const { url } = await startHttp2((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (piece) => {
        body += piece;
      });
      request.on('end', () => response.end(JSON.stringify({ headers: request.headers, body })));
    });
    const body = JSON.stringify({ text: 'é😀'.repeat(100_000) });
    const headers = { authorization: 'Bearer k', 'X-Title': 'Mill', connection: 'keep-alive', host: 'provider.test' };
    const response = await send(transportOf(), url, { body, headers });
    const seen = JSON.parse(await readAll(response));
    expect(seen.body).toBe(body);
    expect(seen.headers).toMatchObject({
      ':method': 'POST',
      ':path': '/v1',
      ':authority': 'provider.test',
      authorization: 'Bearer k',
      'x-title': 'Mill',
      'content-type': 'application/json',
    });
  });

  test.each([
    ['a server that speaks HTTP/1.1 alone', startHttps, {}],
    ['http2: false', startHttp2, { http2: false }],
  ] as const)('%s gets a connection for each stream', async (_about, start, options) => {
    const versions = new Set<string>();
    const { url, accepted } = await start(
      (request: { httpVersion: string }, response: { write(text: string): unknown }) => {
        versions.add(request.httpVersion);
        response.write('a');
      },
      { allowHTTP1: true } as never,
    );
    const transport = transportOf(options);
    const responses = await Promise.all(Array.from({ length: 5 }, () => send(transport, url)));
    expect([...versions]).toEqual(['1.1']);
    expect(accepted()).toBe(5);
    for (const response of responses) response.abort();
  });

  test('more streams than a connection takes make another', async () => {
    const { url, accepted } = await startHttp2((_request, response) => void response.write('a'));
    const transport = transportOf();
    const responses = await Promise.all(Array.from({ length: 250 }, () => send(transport, url)));
    expect(accepted()).toBe(3);
    for (const response of responses) response.abort();
  });

  test('a server that takes fewer is not asked for more', async () => {
    let most = 0;
    const running = new Map<unknown, number>();
    const { url, accepted } = await startHttp2(
      ({ stream: { session } }, response) => {
        running.set(session, (running.get(session) ?? 0) + 1);
        most = Math.max(most, running.get(session)!);
        response.on('close', () => running.set(session, running.get(session)! - 1));
        setTimeout(() => response.end('answered'), 5);
      },
      { settings: { maxConcurrentStreams: 4 } },
    );
    const transport = transportOf({ connections: 3 });
    const texts = await Promise.all(Array.from({ length: 60 }, async () => readAll(await send(transport, url))));
    expect(texts).toEqual(Array(60).fill('answered'));
    expect(most).toBe(4);
    expect(accepted()).toBeLessThanOrEqual(3);
  });

  test('nor does a request wait for one of them to end', async () => {
    const server = await startHeld({ settings: { maxConcurrentStreams: 4 } });
    await openHeld(server, transportOf(), 6);
    expect(server.accepted()).toBe(2);
  });

  test('an idle connection is closed after keepAlive, and all of them with the transport', async () => {
    const { url, sockets } = await startHttp2((_request, response) => void response.end());
    await readAll(await send(transportOf({ keepAlive: 30 }), url));
    expect(sockets.size).toBe(1);
    await until(() => sockets.size === 0);
    const transport = transportOf();
    await readAll(await send(transport, url));
    await transport.close();
    await until(() => sockets.size === 0);
  });
});

describe('a client that leaves', () => {
  test.each([true, false])('resets its stream at once and no other (its answer had begun: %s)', async (begun) => {
    const server = await startHeld();
    const { transport, read } = await openHeld(server, transportOf(), 1);
    let sent = 0;
    const client = leavable(transport, `${server.url}/left`, { onSent: () => sent++ });
    await until(() => server.held.length === 2);
    const left = server.held[1]!;
    if (begun) {
      answer(left, 'a');
      expect(await client.ended).not.toBe(client.reason);
    }
    client.leave();
    await until(() => left.stream.closed);
    if (!begun) expect(await client.ended).toBe(client.reason);
    server.held[0]!.stream.end('z');
    await until(() => read[0]!.ended);
    expect([read[0]!.text, sent, server.accepted()]).toEqual(['az', 1, 1]);
  });

  test.each([
    ['within', (leave: () => void) => leave()],
    ['a microtask after', queueMicrotask],
    ['a tick after', process.nextTick],
    ['a turn after', setImmediate],
  ])('%s the moment of sending is gone, also when it is the first on its connection', async (_about, soon) => {
    const { url, server, accepted } = await startHttp2((_request, response) => void response.end('answered'));
    let open = 0;
    server.on('stream', (stream) => {
      open++;
      stream.on('error', () => {}).on('close', () => open--);
    });
    const transport = transportOf();
    for (let n = 0; n < 3; n++) {
      const controller = new AbortController();
      const reason = new Error('left');
      const onSent = () => soon(() => controller.abort(reason));
      const sending = send(transport, url, { body: 'x'.repeat(200_000), signal: controller.signal, onSent });
      await expect(sending).rejects.toBe(reason);
    }
    expect(await readAll(await send(transport, url))).toBe('answered');
    await until(() => open === 0);
    expect(accepted()).toBe(1);
    await transport.close();
  });

  test('through its response resets its stream', async () => {
    const server = await startHeld();
    const { responses, read } = await openHeld(server);
    responses[0]!.abort();
    await until(() => server.held[0]!.stream.closed);
    server.held[1]!.stream.end('z');
    await until(() => read[1]!.ended);
    expect(read.map(({ text, failed }) => [text, failed])).toEqual([
      [expect.any(String), undefined],
      ['az', undefined],
    ]);
  });

  test('as one of very many is not what ends the others: servers end a connection that resets too much', async () => {
    const server = await startHeld();
    const { transport, read } = await openHeld(server, transportOf(), 1);
    server.server.on('stream', (stream: ServerHttp2Stream) => stream.respond({ ':status': 200 }));
    for (let n = 0; n < 30; n++) {
      const responses = await Promise.all(Array.from({ length: 50 }, () => send(transport, server.url)));
      for (const response of responses) response.abort();
    }
    expect(read[0]!.failed).toBeUndefined();
    server.held[0]!.stream.end('z');
    await until(() => read[0]!.ended);
    expect(server.accepted()).toBeLessThan(20);
  });

  test('while its body is still going out stops it', async () => {
    const server = await startHeld();
    const { transport, read } = await openHeld(server, transportOf(), 1);
    const client = leavable(transport, server.url, { body: 'x'.repeat(20_000_000) });
    await until(() => server.held.length === 2);
    const { stream } = server.held[1]!; // nobody reads it: its window fills up
    client.leave();
    expect(await client.ended).toBe(client.reason);
    stream.resume();
    await until(() => stream.closed);
    server.held[0]!.stream.end('z');
    await until(() => read[0]!.ended);
  });

  test('together with the transport, before the connection has said hello', async () => {
    const { url, sockets } = await startHttp2((_request, response) => void response.end());
    const transport = transportOf();
    let closing: Promise<void> | undefined;
    const client = leavable(transport, url, {
      onSent() {
        client.leave();
        closing = transport.close();
      },
    });
    expect(await client.ended).toBe(client.reason);
    await closing;
    await until(() => sockets.size === 0);
  });

  test('while the connection is opened leaves it to those who wait for it too, and the last one closes it', async () => {
    const silence = await startSilence();
    const transport = transportOf();
    const clients = Array.from({ length: 3 }, () => leavable(transport, `https://${silence.address}/v1`));
    await until(() => silence.sockets.size === 1);
    for (const client of clients.slice(0, 2)) {
      client.leave();
      expect(await client.ended).toBe(client.reason);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect([silence.sockets.size, silence.accepted()]).toEqual([1, 1]);
    clients[2]!.leave();
    await until(() => silence.sockets.size === 0);
  });
});

describe('backpressure', () => {
  test('a paused stream stops its own sender alone, and nothing is lost', async () => {
    const size = 8 * 1024 * 1024;
    const server = await startHeld();
    const { responses, read } = await openHeld(server);
    responses[0]!.pause();
    const slow = server.held[0]!.stream;
    slow.end(Buffer.alloc(size, 'x'));
    let last = -1;
    await until(async () => {
      const before = last;
      await new Promise((resolve) => setTimeout(resolve, 50));
      last = read[0]!.text.length;
      return before === last;
    });
    expect(last).toBeLessThan(size / 8);
    expect(slow.writableLength).toBeGreaterThan(0);
    server.held[1]!.stream.end(Buffer.alloc(size, 'y'));
    await until(() => read[1]!.ended);
    expect(read[1]!.text.length).toBe(size + 1);
    responses[0]!.resume();
    await until(() => read[0]!.ended);
    expect(read[0]!.text.length).toBe(size + 1);
  });

  test('a body waits in the server until somebody reads it', async () => {
    const server = await startHeld();
    const sending = send(transportOf(), server.url);
    await until(() => server.held.length === 1);
    const { stream } = server.held[0]!;
    stream.respond({ ':status': 200 });
    stream.end(Buffer.alloc(8 * 1024 * 1024, 'x'));
    const response = await sending;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(stream.writableLength).toBeGreaterThan(0);
    expect((await readAll(response)).length).toBe(8 * 1024 * 1024);
  });
});

describe('a server that goes', () => {
  test.each([
    ['resets one stream', ({ held }: Held) => held[0]!.stream.destroy(new Error('broken')), 1],
    ['cuts the connection', ({ sockets }: Held) => sockets.forEach((socket) => void socket.destroy()), 2],
    [
      'says GOAWAY for an error and closes',
      ({ sessions }: Held) => {
        sessions[0]!.goaway(constants.NGHTTP2_INTERNAL_ERROR);
        sessions[0]!.destroy();
      },
      2,
    ],
  ])('%s: what was under way is truncated', async (_about, go, hit) => {
    const server = await startHeld();
    const { transport, read } = await openHeld(server);
    go(server);
    await until(() => read.filter(({ failed }) => failed).length === hit);
    for (const { text, failed } of read.slice(0, hit)) {
      expect([text, failed]).toMatchObject(['a', { code: 'upstream_truncated' }]);
    }
    if (hit === 1) {
      server.held[1]!.stream.end('z');
      await until(() => read[1]!.ended);
    }
    await openAgain(server, transport);
  });

  test('resets a stream as if it had been cancelled: it is truncated', async () => {
    const url = await startFrames(({ type, stream }, socket) => {
      if (type !== HEADERS) return;
      socket.write(frameOf(HEADERS, END_HEADERS, stream, [STATUS_200]));
      socket.write(frameOf(DATA, 0, stream, [0x61]));
      socket.write(frameOf(RST_STREAM, 0, stream, [0, 0, 0, constants.NGHTTP2_CANCEL]));
    });
    const read = follow(await send(transportOf(), url));
    await until(() => read.failed ?? read.ended);
    expect(read).toMatchObject({ text: 'a', failed: { code: 'upstream_truncated' } });
  });

  test.each([
    ['a reset', ({ held }: Held) => held[0]!.stream.destroy(new Error('broken'))],
    ['an end', ({ held }: Held) => held[0]!.stream.close(constants.NGHTTP2_NO_ERROR)],
    ['a cut', ({ sockets }: Held) => sockets.forEach((socket) => void socket.destroy())],
  ])('before its answer, with %s: it closed without one', async (_about, go) => {
    const server = await startHeld();
    const transport = transportOf();
    let sent = 0;
    const sending = send(transport, server.url, { onSent: () => sent++ }).catch((error) => error);
    await until(() => server.held.length === 1);
    go(server);
    expect(await sending).toMatchObject({
      code: 'upstream_unavailable',
      message: expect.stringMatching(/^The provider closed the connection without an answer/),
    });
    expect([sent, server.held.length]).toEqual([1, 1]);
    await openAgain(server, transport);
  });

  test('says a polite GOAWAY: what is under way ends well, what comes goes elsewhere', async () => {
    const server = await startHeld();
    const { transport, read } = await openHeld(server);
    server.sessions[0]!.goaway(constants.NGHTTP2_NO_ERROR, 2 ** 31 - 1);
    await new Promise((resolve) => setTimeout(resolve, 20));
    await openAgain(server, transport);
    expect(server.accepted()).toBe(2);
    for (const { stream } of server.held.slice(0, 2)) stream.end('z');
    await until(() => read.every(({ ended }) => ended));
    expect(read.map(({ text }) => text)).toEqual(['az', 'az']);
    await transport.close();
    await until(() => server.sockets.size === 0);
  });

  test('says GOAWAY before it took a request: the request goes elsewhere, and counts as sent once', async () => {
    const server = await startHeld();
    const { transport, read } = await openHeld(server, transportOf(), 1);
    const first = Number(server.held[0]!.stream.id);
    let sent = 0;
    const body = 'x'.repeat(1_000_000); // still going out
    const sending = send(transport, server.url, { body, onSent: () => sent++ });
    await until(() => server.held.length === 2);
    server.sessions[0]!.goaway(constants.NGHTTP2_NO_ERROR, first);
    await until(() => server.held.length === 3);
    answer(server.held[2]!, 'elsewhere');
    server.held[2]!.stream.end();
    expect(await readAll(await sending)).toBe('elsewhere');
    server.held[0]!.stream.end('z');
    await until(() => read[0]!.ended);
    expect([read[0]!.text, sent, server.accepted()]).toEqual(['az', 1, 2]);
    await transport.close();
    await until(() => server.sockets.size === 0);
  });

  test('without a word: the first that gives up waiting takes the connection out of use', async () => {
    const server = await startHeld();
    const relay = await startRelay(server.port);
    const through = { ...server, url: relay.url };
    const { transport, read } = await openHeld(through, transportOf(), 1);
    relay.freeze();
    let sent = 0;
    const first = leavable(transport, relay.url, { onSent: () => sent++ });
    const second = leavable(transport, relay.url, { onSent: () => sent++ });
    await until(() => sent === 2);
    expect(relay.accepted()).toBe(1);
    vi.useFakeTimers({ toFake: ['performance'] });
    onTestFinished(() => void vi.useRealTimers());
    vi.advanceTimersByTime(60_000);
    first.leave();
    expect(await first.ended).toBe(first.reason);
    await openAgain(through, transport);
    expect(relay.accepted()).toBe(2);
    expect(read[0]!.failed).toBeUndefined(); // it may only be slow: its own wait says when it is over
    second.leave();
    expect(await second.ended).toBe(second.reason);
  });

  test('is not suspected for one who leaves early, nor while others are served', async () => {
    const server = await startHeld();
    const { transport, read } = await openHeld(server, transportOf(), 1);
    const early = leavable(transport, server.url);
    await until(() => server.held.length === 2);
    early.leave();
    const late = leavable(transport, server.url);
    await until(() => server.held.length === 3);
    server.held[0]!.stream.write('b');
    await until(() => read[0]!.text === 'ab');
    vi.useFakeTimers({ toFake: ['performance'] });
    onTestFinished(() => void vi.useRealTimers());
    vi.advanceTimersByTime(60_000);
    late.leave();
    await Promise.all([early.ended, late.ended]);
    await openAgain(server, transport);
    expect(server.accepted()).toBe(1);
  });

  test('that answers before it was told everything is not told the rest', async () => {
    const seen: Frame[] = [];
    const url = await startFrames((frame, socket) => {
      seen.push(frame);
      if (frame.type === HEADERS) socket.write(frameOf(HEADERS, END_HEADERS | END_STREAM, frame.stream, [STATUS_400]));
    });
    const response = await send(transportOf(), url, { body: 'x'.repeat(20_000_000) });
    expect([response.status, await readAll(response)]).toEqual([400, '']);
    await until(() => seen.some(({ type, stream }) => type === RST_STREAM && stream === 1));
  });

  test('may answer one while another still tells a long story', async () => {
    const server = await startHeld();
    const transport = transportOf();
    const long = leavable(transport, server.url, { body: 'x'.repeat(20_000_000) });
    await until(() => server.held.length === 1);
    await openAgain(server, transport);
    expect(server.accepted()).toBe(1);
    long.leave();
    await long.ended;
  });
});

type Held = Awaited<ReturnType<typeof startHeld>>;

/** The next request is answered as if nothing had been. */
async function openAgain(server: Held, transport: ReturnType<typeof transportOf>, sending: Sending = {}) {
  const before = server.held.length;
  const again = send(transport, `${server.url}/again`, sending);
  await until(() => server.held.length > before);
  const next = server.held.at(-1)!;
  answer(next, 'again');
  next.stream.end();
  expect(await readAll(await again)).toBe('again');
}

test('2,000 clients that leave at random moments leave nothing behind', async () => {
  let open = 0;
  const { url, sockets, server } = await startHttp2((_request, response) => {
    response.write('a');
    setTimeout(() => response.end('z'), 5);
  });
  server.on('stream', (stream) => {
    open++;
    stream.on('error', () => {}).on('close', () => open--);
  });
  const transport = transportOf({ connections: 4 });
  let seed = 20261122;
  const random = () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
  await Promise.all(
    Array.from({ length: 2000 }, async (_, n) => {
      await new Promise((resolve) => setTimeout(resolve, random() * 500));
      const client = leavable(transport, url, { body: 'x'.repeat(random() * 2000) });
      if (n % 2) setTimeout(client.leave, random() * 30);
      const ended = await client.ended;
      if (ended instanceof Error) expect(ended).toBe(client.reason);
      else expect(['az', client.reason]).toContain(await Promise.race([readAll(ended), client.left]));
      if (n % 2 === 0) expect(ended).not.toBeInstanceOf(Error);
    }),
  );
  await until(() => open === 0);
  expect(await readAll(await send(transport, url))).toBe('az');
  await transport.close();
  // node:http2 as a server may not look at a socket whose peer is gone; without a peer it is closed from this side.
  await until(() => [...sockets].every(({ remotePort }) => remotePort === undefined));
});
