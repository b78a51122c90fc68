// Through a proxy: which requests go through one, what it is asked, what a client is told when it fails, and that a client that
// leaves while a tunnel is being dug closes it at once.
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { proxyFor } from '../../src/providers/transport.proxy.ts';
import {
  AUTHORITY,
  leavable,
  listen,
  readAll,
  send,
  startHttp,
  startHttps,
  startProxy,
  startSilence,
  transportOf,
  until,
} from './transport.servers.ts';

const through = (target: string, env: Record<string, string>, proxy?: string | false) =>
  proxyFor(new URL(target), { proxy, env })?.url.host;

describe('which proxy', () => {
  const all = { https_proxy: 'http://s:1', http_proxy: 'http://p:2', all_proxy: 'http://a:3' };

  test.each<[target: string, env: Record<string, string>, proxy: string | undefined]>([
    ['https://api.test/v1', all, 's:1'],
    ['http://api.test/v1', all, 'p:2'],
    ['https://api.test/v1', { HTTPS_PROXY: 'http://s:1' }, 's:1'],
    ['http://api.test/v1', { HTTP_PROXY: 'http://p:2' }, 'p:2'],
    ['https://api.test/v1', { http_proxy: 'http://p:2' }, undefined],
    ['http://api.test/v1', { https_proxy: 'http://s:1' }, undefined],
    ['https://api.test/v1', { ALL_PROXY: 'http://a:3' }, 'a:3'],
    ['http://api.test/v1', { all_proxy: 'http://a:3' }, 'a:3'],
    ['https://api.test/v1', { https_proxy: 'http://low:1', HTTPS_PROXY: 'http://high:1' }, 'low:1'],
    ['https://api.test/v1', { https_proxy: '', HTTPS_PROXY: 'http://high:1' }, 'high:1'],
    ['https://api.test/v1', { https_proxy: 'plain:3128' }, 'plain:3128'],
    ['https://api.test/v1', {}, undefined],
    ['http://localhost:11434/v1', all, undefined],
    ['http://models.localhost/v1', all, undefined],
    ['http://127.9.9.9:8000/v1', all, undefined],
    ['http://[::1]:8000/v1', all, undefined],
    ['http://128.0.0.1/v1', all, 'p:2'],
  ])('%s with %j goes through %s', (target, env, proxy) => {
    expect(through(target, env)).toBe(proxy);
  });

  test('one that is configured goes before the environment, its exceptions and loopback', () => {
    const env = { ...all, no_proxy: '*' };
    expect(through('https://api.test/v1', env, 'http://mine:9')).toBe('mine:9');
    expect(through('http://127.0.0.1:1/v1', env, 'http://mine:9')).toBe('mine:9');
  });

  test('false is none', () => {
    expect(through('https://api.test/v1', all, false)).toBeUndefined();
  });

  test.each([
    ['*', 'https://api.test', true],
    ['api.test', 'https://api.test', true],
    ['API.Test', 'https://api.test', true],
    ['api.test.', 'https://api.test', true],
    ['api.test', 'https://api.test./v1', true],
    ['test', 'https://api.test', true],
    ['.test', 'https://api.test', true],
    ['*.test', 'https://api.test', true],
    ['.api.test', 'https://api.test', true],
    ['pi.test', 'https://api.test', false],
    ['api.test.com', 'https://api.test', false],
    ['a.test, b.test', 'https://b.test', true],
    ['a.test b.test', 'https://b.test', true],
    [' , ,', 'https://b.test', false],
    ['', 'https://b.test', false],
    ['api.test:443', 'https://api.test', true],
    ['api.test:443', 'https://api.test:8443', false],
    ['api.test:8443', 'https://api.test:8443', true],
    ['*:80', 'http://api.test', true],
    ['*:80', 'https://api.test', false],
    ['10.1.2.3', 'http://10.1.2.3:8000', true],
    ['10.0.0.0/8', 'http://10.1.2.3:8000', true],
    ['10.0.0.0/8', 'http://11.1.2.3:8000', false],
    ['10.0.0.0/99', 'http://10.1.2.3', false],
    ['10.0.0.0/', 'http://10.0.0.1', false],
    ['10.0.0.0/8', 'http://ten.test', false],
    ['fd00::/8', 'http://[fd12::1]:8000', true],
    ['fd12:0::1', 'http://[fd12::1]:8000', true],
    ['[fd12::1]', 'http://[fd12::1]:8000', true],
    ['[fd12::1]:8000', 'http://[fd12::1]:8000', true],
    ['[fd12::1]:80', 'http://[fd12::1]:8000', false],
  ])('NO_PROXY "%s" and %s: exempt is %s', (list, target, exempt) => {
    expect(through(target, { ...all, NO_PROXY: list }) === undefined).toBe(exempt);
  });

  test.each(['socks5://user:hidden@proxy:1080', 'http://', 'ht!tp://user:hidden@x'])(
    '%s cannot be used, is not gone around, and is not quoted',
    async (address) => {
      const { url, accepted } = await startHttp((_request, response) => void response.end());
      const target = url.replace('127.0.0.1', 'api.test');
      const error: any = await send(transportOf({ env: { all_proxy: address } }), target).catch((thrown) => thrown);
      expect(error).toMatchObject({ code: 'upstream_unavailable', message: expect.stringContaining('proxy') });
      expect(error.message).not.toContain('hidden');
      expect(accepted()).toBe(0);
    },
  );
});

describe('what it is asked', () => {
  test.each([false, true])('an https provider is reached through a tunnel (https proxy: %s)', async (secure) => {
    const seen: object[] = [];
    const { url, port } = await startHttps((request, response) => {
      seen.push(request.headers);
      response.end('answered');
    });
    const proxy = await startProxy({ secure });
    const transport = transportOf({ proxy: proxy.at('user:secret') });
    expect(await readAll(await send(transport, url))).toBe('answered');
    expect(proxy.asked.map(({ line }) => line)).toEqual([`CONNECT 127.0.0.1:${port}`]);
    expect(proxy.asked[0]!.headers).toEqual({
      host: `127.0.0.1:${port}`,
      connection: expect.anything(),
      'proxy-authorization': `Basic ${btoa('user:secret')}`,
    });
    expect(seen).toHaveLength(1);
    expect(JSON.stringify(seen)).not.toContain('proxy');
  });

  test('a tunnel is kept for the next request', async () => {
    const { url } = await startHttps((_request, response) => void response.end('answered'));
    const proxy = await startProxy();
    const transport = transportOf({ proxy: proxy.url });
    for (let n = 0; n < 3; n++) expect(await readAll(await send(transport, url))).toBe('answered');
    expect(proxy.asked).toHaveLength(1);
  });

  test.each([false, true])(
    'a plain http provider is asked for by the proxy itself (https proxy: %s)',
    async (secure) => {
      const proxy = await startProxy({ secure, credentials: 'user:p@ss:word' });
      const transport = transportOf({ proxy: proxy.at('user:p%40ss:word') });
      const response = await send(transport, 'http://models.test:8000/v1/chat?a=b', { headers: { 'x-title': 'Mill' } });
      expect(response.status).toBe(200);
      expect(await readAll(response)).toBe('forwarded http://models.test:8000/v1/chat?a=b');
      expect(proxy.asked[0]!.headers).toMatchObject({ host: 'models.test:8000', 'x-title': 'Mill' });
    },
  );

  test('a provider of this machine is asked directly although the environment names a proxy', async () => {
    const { url } = await startHttp((_request, response) => void response.end('directly'));
    const transport = transportOf({ env: { http_proxy: 'http://127.0.0.1:9' } });
    expect(await readAll(await send(transport, url))).toBe('directly');
  });

  test('the request counts as sent when the tunnel leads to the provider, and not before', async () => {
    const { url } = await startHttps((_request, response) => void response.end());
    const proxy = await startProxy();
    let asked = 0;
    const response = await send(transportOf({ proxy: proxy.url }), url, {
      onSent: () => {
        asked = proxy.asked.length;
      },
    });
    response.abort();
    expect(asked).toBe(1);
  });
});

describe('what can go wrong', () => {
  const secret = 'hidden';

  test.each([407, 403, 502])('a proxy that refuses the tunnel with %i', async (refuse) => {
    const proxy = await startProxy({ refuse });
    let sent = false;
    const error: any = await send(transportOf({ proxy: proxy.at(`user:${secret}`) }), 'https://api.test/v1', {
      onSent: () => {
        sent = true;
      },
    }).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'upstream_unavailable', message: expect.stringContaining(`(${refuse})`) });
    expect(error.message).toMatch(/^The proxy in front of the provider/);
    expect(error.message).not.toMatch(new RegExp(`${secret}|127`));
    expect(sent).toBe(false);
    await until(() => proxy.sockets.size === 0);
  });

  test('a proxy that wants credentials for a plain request', async () => {
    const proxy = await startProxy({ credentials: 'user:other' });
    const error: any = await send(transportOf({ proxy: proxy.at(`user:${secret}`) }), 'http://api.test/v1').catch(
      (thrown) => thrown,
    );
    expect(error).toMatchObject({ code: 'upstream_unavailable', message: expect.stringContaining('(407)') });
    expect(error.message).not.toContain(secret);
  });

  test('a proxy that is not there', async () => {
    const transport = transportOf({ proxy: 'http://127.0.0.1:9' });
    for (const url of ['https://api.test/v1', 'http://api.test/v1']) {
      await expect(send(transport, url)).rejects.toMatchObject({
        code: 'upstream_unavailable',
        message: 'The proxy in front of the provider cannot be reached (ECONNREFUSED).',
      });
    }
  });

  test('a proxy that hangs up instead of answering', async () => {
    const { port } = await listen(createServer((socket) => void socket.once('data', () => socket.destroy())));
    await expect(send(transportOf({ proxy: `http://127.0.0.1:${port}` }), 'https://api.test/v1')).rejects.toMatchObject(
      {
        code: 'upstream_unavailable',
        message: expect.stringMatching(/^The proxy in front of the provider closed the connection/),
      },
    );
  });

  test('a proxy that speaks no HTTP', async () => {
    const { port } = await listen(
      createServer((socket) => void socket.once('data', () => socket.end('220 hello\r\n'))),
    );
    await expect(send(transportOf({ proxy: `http://127.0.0.1:${port}` }), 'https://api.test/v1')).rejects.toMatchObject(
      { code: 'upstream_unavailable' },
    );
  });

  test('a provider that is not there, behind a proxy', async () => {
    const proxy = await startProxy();
    await expect(send(transportOf({ proxy: proxy.url }), 'https://127.0.0.1:9/v1')).rejects.toMatchObject({
      code: 'upstream_unavailable',
    });
  });

  test('a tunnel that is cut in the middle of an answer', async () => {
    const { url } = await startHttps((_request, response) => void response.write('half'));
    const proxy = await startProxy();
    const response = await send(transportOf({ proxy: proxy.url }), url);
    const read = readAll(response);
    for (const socket of proxy.sockets) socket.destroy();
    await expect(read).rejects.toMatchObject({ code: 'upstream_truncated' });
  });
});

describe('a client that leaves', () => {
  test.each([false, true])('while the proxy has not answered (https proxy: %s)', async (secure) => {
    const proxy = await startProxy({ secure, silent: true });
    const { ended, reason, leave } = leavable(transportOf({ proxy: proxy.url }), 'https://api.test/v1');
    await until(() => proxy.asked.length === 1);
    leave();
    expect(await ended).toBe(reason);
    await until(() => proxy.sockets.size === 0);
  });

  test('is no concern of another whose tunnel is being dug', async () => {
    const proxy = await startProxy({ silent: true });
    const transport = transportOf({ proxy: proxy.url, http2: false });
    const [first, second] = [0, 1].map(() => leavable(transport, 'https://api.test/v1'));
    await until(() => proxy.asked.length === 2);
    second!.leave();
    await until(() => proxy.sockets.size === 1);
    first!.leave();
    expect(await first!.ended).toBe(first!.reason);
    await until(() => proxy.sockets.size === 0);
  });

  test('while it shakes hands with an https proxy', async () => {
    const silence = await startSilence();
    const { ended, reason, leave } = leavable(transportOf({ proxy: `https://${silence.address}` }), 'https://api.test');
    await until(() => silence.sockets.size === 1);
    leave();
    expect(await ended).toBe(reason);
    await until(() => silence.sockets.size === 0);
  });

  test.each([false, true])(
    'while it shakes hands with the provider in the tunnel (https proxy: %s)',
    async (secure) => {
      const silence = await startSilence();
      const proxy = await startProxy({ secure });
      const { ended, reason, leave } = leavable(transportOf({ proxy: proxy.url }), `https://${silence.address}/v1`);
      await until(() => silence.sockets.size === 1);
      leave();
      expect(await ended).toBe(reason);
      await until(() => silence.sockets.size === 0 && proxy.sockets.size === 0);
    },
  );

  test.each([false, true])('while the provider answers through the tunnel (http2: %s)', async (http2) => {
    let left = 0;
    const { url } = await startHttps((_request, response) => {
      response.on('close', () => left++);
      response.write('a');
    });
    const proxy = await startProxy();
    const response = await send(transportOf({ proxy: proxy.url, http2 }), url);
    response.abort();
    await until(() => left === 1);
  });
});

test('a paused body presses back through the tunnel, and nothing is lost', async () => {
  const piece = Buffer.alloc(64 * 1024, 'x');
  const pieces = 400;
  let written = 0;
  const { url } = await startHttps((_request, response) => {
    const more = () => {
      while (written < pieces) {
        written++;
        if (!response.write(piece)) {
          response.once('drain', more);
          return;
        }
      }
      response.end();
    };
    more();
  });
  const proxy = await startProxy();
  const response = await send(transportOf({ proxy: proxy.url }), url);
  let read = 0;
  await new Promise<void>((resolve, reject) => {
    let paused = false;
    response.start({
      data(chunk) {
        read += chunk.length;
        if (paused) return;
        paused = true;
        response.pause();
        // The writer stands still once everything in between is full.
        let last = -1;
        void until(async () => {
          const before = written;
          await new Promise((wait) => setTimeout(wait, 50));
          last = written;
          return before === last;
        }).then(() => {
          expect(last).toBeLessThan(pieces);
          response.resume();
        }, reject);
      },
      end: resolve,
      error: reject,
    });
  });
  expect(read).toBe(pieces * piece.length);
});

describe('certificates', () => {
  test('an authority that nobody told of is not trusted', async () => {
    const { url } = await startHttps((_request, response) => void response.end());
    await expect(send(transportOf({ ca: undefined }), url)).rejects.toMatchObject({
      code: 'upstream_unavailable',
      message: expect.stringMatching(/^The provider cannot be reached \([A-Z_]*(CERT|SIGN)[A-Z_]*\)\.$/),
    });
  });

  test('a name that does not stand in the certificate is not trusted', async () => {
    const { url } = await startHttps((_request, response) => void response.end());
    await expect(send(transportOf(), url, { headers: { host: 'other.test' } })).rejects.toMatchObject({
      code: 'upstream_unavailable',
      message: expect.stringContaining('ERR_TLS_CERT_ALTNAME_INVALID'),
    });
  });

  test('a Host header says which name the certificate is for', async () => {
    const { url } = await startHttps((request, response) => void response.end(request.headers.host));
    const response = await send(transportOf(), url, { headers: { host: 'provider.test' } });
    expect(await readAll(response)).toBe('provider.test');
  });

  test('text without a certificate is refused when the transport is made', () => {
    expect(() => transportOf({ ca: 'nothing of the kind' })).toThrow(/certificate/);
  });

  test('an authority of the config comes beside those of the environment', async () => {
    const { url } = await startHttps((_request, response) => void response.end('trusted'));
    const folder = await mkdtemp(join(tmpdir(), 'millrace-ca-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const file = join(folder, 'ca.pem');
    await writeFile(file, AUTHORITY);
    // Any other authority will do as the configured one.
    const program = `
      import { rootCertificates } from 'node:tls';
      import { createTransport } from ${JSON.stringify(new URL('../../src/providers/transport.ts', import.meta.url).href)};
      const transport = createTransport({ ca: rootCertificates[0] });
      const { status } = await transport.open(
        { url: process.argv[1], method: 'POST', headers: {}, body: '{}' },
        { signal: new AbortController().signal, onSent() {} },
      );
      console.log(status);
      process.exit();`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program, url], {
      env: { ...process.env, NODE_EXTRA_CA_CERTS: file },
    });
    expect(stdout.trim()).toBe('200');
  });
});
