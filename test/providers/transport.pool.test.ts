// The pool of connections: how many there are, who waits for which, how long an idle one is kept, and that a client that leaves
// closes what is half open for it and nothing else.
import { createServer as createTcpServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import {
  leavable,
  listen,
  readAll,
  send,
  startHttp,
  startHttps,
  startSilence,
  transportOf,
  until,
} from './transport.servers.ts';

describe('how many', () => {
  test('a connection serves the next request when its answer is over', async () => {
    const { url, accepted } = await startHttp((_request, response) => void response.end('answered'));
    const transport = transportOf();
    for (let n = 0; n < 5; n++) expect(await readAll(await send(transport, url))).toBe('answered');
    expect(accepted()).toBe(1);
  });

  test('without a bound each stream has its own', async () => {
    const { url, accepted } = await startHttp((_request, response) => void response.write('a'));
    const transport = transportOf();
    const responses = await Promise.all(Array.from({ length: 20 }, () => send(transport, url)));
    expect(accepted()).toBe(20);
    for (const response of responses) response.abort();
  });

  test('with a bound the others wait their turn', async () => {
    const order: number[] = [];
    const held: (() => void)[] = [];
    const { url, accepted } = await startHttp((request, response) => {
      order.push(Number(request.url!.split('/').at(-1)));
      held.push(() => response.end('answered'));
    });
    const transport = transportOf({ connections: 2 });
    const answers = Array.from({ length: 8 }, (_, n) => send(transport, `${url}/${n}`).then(readAll));
    for (let n = 0; n < 8; n++) {
      await until(() => held.length === Math.min(n + 2, 8));
      held[n]!();
    }
    expect(await Promise.all(answers)).toEqual(Array(8).fill('answered'));
    expect(order.slice(2)).toEqual([2, 3, 4, 5, 6, 7]);
    expect(accepted()).toBe(2);
  });

  test('a place is free again when its stream was aborted', async () => {
    const { url } = await startHttp((_request, response) => void response.write('a'));
    const transport = transportOf({ connections: 1 });
    for (let n = 0; n < 5; n++) (await send(transport, url)).abort();
  });

  test('the answers of different origins are not mixed up', async () => {
    const one = await startHttp((_request, response) => void response.end('one'));
    const other = await startHttp((_request, response) => void response.end('other'));
    const transport = transportOf();
    const ask = async (url: string) => readAll(await send(transport, url));
    expect(await Promise.all([ask(one.url), ask(other.url), ask(one.url)])).toEqual(['one', 'other', 'one']);
  });
});

describe('how long', () => {
  test('an idle connection is closed after keepAlive', async () => {
    const { url, sockets } = await startHttp((_request, response) => {
      response.writeHead(200, { connection: 'keep-alive' }); // and no hint of how long
      response.end();
    });
    await readAll(await send(transportOf({ keepAlive: 30 }), url));
    expect(sockets.size).toBe(1);
    await until(() => sockets.size === 0, 3000); // undici's own default is four seconds
  });

  test('a server that wants it longer is not followed', async () => {
    const { url, sockets } = await startHttp((_request, response) => {
      response.writeHead(200, { connection: 'keep-alive', 'keep-alive': 'timeout=600' });
      response.end();
    });
    await readAll(await send(transportOf({ keepAlive: 30 }), url));
    await until(() => sockets.size === 0);
  });

  test('a server that wants it shorter is', async () => {
    const { url, sockets } = await startHttp((_request, response) => {
      response.writeHead(200, { connection: 'keep-alive', 'keep-alive': 'timeout=1' });
      response.end();
    });
    await readAll(await send(transportOf({ keepAlive: 600_000 }), url));
    await until(() => sockets.size === 0);
  });

  test('a connection that the server closed is replaced', async () => {
    const { url, accepted, sockets } = await startHttp((_request, response) => {
      response.writeHead(200, { connection: 'close' });
      response.end('answered');
    });
    const transport = transportOf({ connections: 1 });
    const ask = async () => readAll(await send(transport, url));
    expect(await Promise.all([ask(), ask(), ask()])).toEqual(['answered', 'answered', 'answered']);
    expect(accepted()).toBe(3);
    await until(() => sockets.size === 0);
    expect(await ask()).toBe('answered');
  });

  test('closing lets streams end, and those that wait begin', async () => {
    const held: (() => void)[] = [];
    const { url, sockets } = await startHttp((_request, response) => {
      response.write('a');
      held.push(() => response.end('z'));
    });
    const transport = transportOf({ connections: 1 });
    const first = await send(transport, url);
    const second = send(transport, url);
    let closed = false;
    const closing = transport.close().then(() => {
      closed = true;
    });
    const read = readAll(first);
    held[0]!();
    expect(await read).toBe('az');
    const last = await second;
    expect(closed).toBe(false);
    held[1]!();
    expect(await readAll(last)).toBe('az');
    await closing;
    await until(() => sockets.size === 0);
  });

  test('closing ends what is idle at once', async () => {
    const { url, sockets } = await startHttp((_request, response) => void response.end());
    const transport = transportOf();
    await readAll(await send(transport, url));
    await transport.close();
    await until(() => sockets.size === 0);
    await transportOf().close(); // one that was never used
  });
});

describe('a client that leaves', () => {
  test.each([true, false])('while its connection is opened closes it (http2: %s)', async (http2) => {
    const silence = await startSilence();
    const transport = transportOf({ http2 });
    const url = `https://${silence.address}/v1`;
    const { ended, reason, leave } = leavable(transport, url);
    await until(() => silence.sockets.size === 1);
    leave();
    expect(await ended).toBe(reason);
    await until(() => silence.sockets.size === 0);
    await transport.close();
  });

  test('before anything was done leaves nothing', async () => {
    const { url, accepted } = await startHttp((_request, response) => void response.end());
    const reason = new Error('left');
    await expect(send(transportOf(), url, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(accepted()).toBe(0);
  });

  test('of several whose connections are opened closes its own only', async () => {
    const silence = await startSilence();
    const transport = transportOf({ http2: false });
    const clients = Array.from({ length: 3 }, () => leavable(transport, `https://${silence.address}/v1`));
    for (let left = 3; left > 0; left--) {
      await until(() => silence.sockets.size === left);
      clients[left - 1]!.leave();
      expect(await clients[left - 1]!.ended).toBe(clients[left - 1]!.reason);
    }
    await until(() => silence.sockets.size === 0);
    expect(silence.accepted()).toBe(3);
  });

  test('does not take the connection of one who waits behind it', async () => {
    const silence = await startSilence();
    const transport = transportOf({ connections: 1 });
    const [first, second] = [0, 1].map(() => leavable(transport, `https://${silence.address}/v1`));
    await until(() => silence.sockets.size === 1);
    first!.leave();
    expect(await first!.ended).toBe(first!.reason);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect([silence.sockets.size, silence.accepted()]).toEqual([1, 1]);
    second!.leave();
    await until(() => silence.sockets.size === 0);
  });

  test('while it waits for a place gives it up, and its request is never sent', async () => {
    const asked: string[] = [];
    const held: (() => void)[] = [];
    const { url } = await startHttp((request, response) => {
      asked.push(request.url!);
      response.write('a');
      held.push(() => response.end());
    });
    const transport = transportOf({ connections: 1 });
    const running = await send(transport, `${url}/first`);
    let sent = false;
    const waiting = leavable(transport, `${url}/left`, { onSent: () => (sent = true) });
    const patient = send(transport, `${url}/patient`);
    waiting.leave();
    expect(await waiting.ended).toBe(waiting.reason);
    const read = readAll(running);
    held[0]!();
    await read;
    (await patient).abort();
    expect(asked).toEqual(['/v1/first', '/v1/patient']);
    expect(sent).toBe(false);
  });

  test.each([true, false])('while the answer is awaited closes the connection (before its body: %s)', async (early) => {
    let left = 0;
    const { url, sockets } = await startHttps((_request, response) => {
      response.on('close', () => left++);
      if (!early) response.write('a');
    });
    const transport = transportOf();
    let sent = false;
    const { ended, reason, leave } = leavable(transport, url, { onSent: () => (sent = true) });
    if (early) await until(() => sent);
    else await ended;
    leave();
    if (early) expect(await ended).toBe(reason);
    await until(() => left === (early ? left : 1) && sockets.size === 0);
  });
});

describe('faults', () => {
  test('those who wait for a connection that cannot be opened are told, and the next one tries anew', async () => {
    let accepted = 0;
    const { port } = await listen(
      createTcpServer((socket) => {
        accepted++;
        socket.once('data', () => socket.destroy());
      }),
    );
    const transport = transportOf();
    const url = `https://127.0.0.1:${port}/v1`;
    const ended = await Promise.allSettled(Array.from({ length: 10 }, () => send(transport, url)));
    for (const one of ended) expect(one).toMatchObject({ reason: { code: 'upstream_unavailable' } });
    expect(accepted).toBe(1);
    await expect(send(transport, url)).rejects.toMatchObject({
      code: 'upstream_unavailable',
      message: 'The provider cannot be reached (ECONNRESET).',
    });
    expect(accepted).toBe(2);
    await transport.close();
  });

  test('a name that nobody knows is a provider that cannot be reached', async () => {
    await expect(send(transportOf(), 'http://nobody.invalid/v1')).rejects.toMatchObject({
      code: 'upstream_unavailable',
      message: expect.stringMatching(/^The provider cannot be reached \(E[A-Z_]+\)\.$/),
    });
  });

  test('a request that cannot be built takes no connection with it', async () => {
    const { url, sockets } = await startHttp((_request, response) => void response.end('answered'));
    const transport = transportOf({ connections: 1 });
    await expect(send(transport, url, { headers: { 'x-a': 'b\r\nc: d' } })).rejects.toMatchObject({ code: 'internal' });
    await expect(send(transport, 'no address')).rejects.toMatchObject({ code: 'internal' });
    expect(await readAll(await send(transport, url))).toBe('answered');
    await transport.close();
    await until(() => sockets.size === 0);
  });
});

test('1,000 clients that leave at random moments leave nothing behind', async () => {
  const { url, sockets } = await startHttps((_request, response) => {
    response.write('a');
    setTimeout(() => response.end('z'), 5);
  });
  const transport = transportOf({ connections: 8, http2: false });
  let seed = 20261122;
  const random = () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
  await Promise.all(
    Array.from({ length: 1000 }, async (_, n) => {
      await new Promise((resolve) => setTimeout(resolve, random() * 500));
      const client = leavable(transport, url);
      if (n % 2) setTimeout(client.leave, random() * 30);
      const ended = await client.ended;
      if (ended instanceof Error) expect(ended).toBe(client.reason);
      else expect(['az', client.reason]).toContain(await Promise.race([readAll(ended), client.left]));
      if (n % 2 === 0) expect(ended).not.toBeInstanceOf(Error);
    }),
  );
  expect(sockets.size).toBeLessThanOrEqual(8);
  expect(await readAll(await send(transport, url))).toBe('az');
  await transport.close();
  await until(() => sockets.size === 0);
});
