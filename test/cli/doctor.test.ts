// `millrace doctor` against proxies that do one thing wrong each, and one that does nothing wrong. The proxies are small and ours, and
// misbehave as real ones do; a real nginx is in doctor.nginx.test.ts.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type IncomingMessage, request, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createGzip } from 'node:zlib';
import fastify from 'fastify';
import { expect, onTestFinished, test } from 'vitest';
import { type Check, FINDINGS } from '../../src/cli/doctor.findings.ts';
import { type DoctorOptions, diagnose, type Report } from '../../src/cli/doctor.ts';
import { createKeyring } from '../../src/http/auth.ts';
import { mountDoctor } from '../../src/http/doctor.ts';
import { AUTHORITY, IDENTITY } from '../providers/transport.servers.ts';
import { startMillrace } from '../support/millrace.ts';
import { startHttp } from '../support/upstream.ts';

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));

interface Behaviour {
  /** May change what is asked; true: it was answered here. */
  ask?(incoming: IncomingMessage, response: ServerResponse): boolean | undefined;
  /** In place of handing the answer on. */
  answer?(from: IncomingMessage, response: ServerResponse, asked: IncomingMessage): void;
  /** The client's leaving is kept from the server. */
  deaf?: boolean;
  /** Where GET /v1/doctor is answered, if elsewhere. */
  facts?: string;
}

const head = (from: IncomingMessage) => [from.statusCode!, from.headers] as const;

/** Hands everything on as it comes, but for what it does wrong. */
function startProxy(target: string, { ask, answer, deaf, facts }: Behaviour = {}): Promise<string> {
  const plain = (from: IncomingMessage, response: ServerResponse) => {
    response.writeHead(...head(from)).flushHeaders();
    from.pipe(response);
  };
  return startHttp((incoming, response) => {
    if (ask?.(incoming, response)) return;
    const { method, headers, url } = incoming;
    const outgoing = request(
      (facts && url === '/v1/doctor' ? facts : target) + url,
      { method, headers, agent: false },
      (from) => {
        from.on('error', () => response.destroy());
        (answer ?? plain)(from, response, incoming);
        if (deaf) response.on('close', () => from.resume());
      },
    );
    outgoing.on('error', () => response.headersSent || response.destroy()); // a refusal closes while the body is still sent
    if (!deaf) response.on('close', () => outgoing.destroy());
    incoming.pipe(outgoing);
  });
}

const isStream = ({ headers }: IncomingMessage) => headers['content-type']?.includes('event-stream') ?? false;

function examine(url: string, options: Partial<DoctorOptions> = {}): Promise<Report> {
  return diagnose(new URL(url), { idle: 700, ...options });
}

const findings = ({ results }: Report) => results.flatMap(({ finding }) => finding ?? []);

const WRONG: [what: string, only: Check[], finding: string[], Behaviour][] = [
  ['holds an answer until it is complete', ['buffering'], ['held-back'], { answer: whole }],
  ['sends twice a second what it has', ['buffering'], ['in-lumps'], { answer: lumps(500) }],
  ['compresses and does not flush', ['compression'], ['compressed-held'], { answer: zipped }],
  [
    'rewrites headers',
    ['headers'],
    ['content-type', 'stream-id', 'no-transform'],
    {
      answer(from, response) {
        const { 'millrace-stream-id': _id, 'cache-control': _cache, ...headers } = from.headers;
        response.writeHead(from.statusCode!, { ...headers, 'content-type': 'text/plain' });
        from.pipe(response);
      },
    },
  ],
  ['hangs up after 300 ms of silence', ['silence'], ['cut-silent'], { answer: impatient(300) }],
  ['waits 500 ms for a first byte', ['silence'], ['cut-thinking'], { ask: firstByteWithin(500) }],
  ['cuts after ten events', ['buffering'], ['chat-refused'], { answer: cut }],
  ['never tells the server that a client left', ['leaving'], ['not-left'], { deaf: true }],
  [
    'drops Last-Event-ID',
    ['resume'],
    ['last-event-id'],
    { ask: ({ headers }) => void delete headers['last-event-id'] },
  ],
  [
    'drops the query',
    ['resume'],
    ['query'],
    {
      ask(incoming) {
        incoming.url = incoming.url!.split('?', 1)[0]!;
      },
    },
  ],
  ['forbids DELETE', ['resume'], ['stop-refused'], { ask: refusing(405, ({ method }) => method === 'DELETE') }],
  [
    'sends readers to another server',
    ['resume'],
    ['read-refused'],
    { ask: refusing(404, ({ url, method }) => method === 'GET' && url!.startsWith('/v1/streams/')) },
  ],
  [
    'takes no long requests',
    ['body'],
    ['body-refused'],
    { ask: refusing(413, ({ headers }) => Number(headers['content-length']) > 1e6) },
  ],
  ['allows three requests at a time', ['parallel'], ['refused-together'], limited(3)],
  ['lets one request in at a time', ['parallel'], ['one-by-one'], turns()],
  [
    'does not know POST',
    ['buffering', 'silence'],
    ['chat-refused', 'chat-refused'],
    { ask: refusing(403, ({ method }) => method === 'POST') },
  ],
  ['answers with a login page', [], ['not-millrace'], { ask: page }],
  [
    'redirects',
    [],
    ['redirected'],
    { ask: (_, response) => !!response.writeHead(301, { location: 'https://elsewhere.test/' }).end() },
  ],
  ['does not reach the server', [], ['unreachable'], { ask: refusing(502, () => true) }],
];

test.each(WRONG)('a proxy that %s is found', async (_what, only, expected, behaviour) => {
  const { url } = await startMillrace();
  const report = await examine(await startProxy(url, behaviour), { only });
  expect(findings(report)).toEqual(expected);
  expect(report.ok).toBe(false);
  for (const { finding, fix } of report.results) if (finding) expect(Object.values(fix!).join()).not.toBe('');
});

test('a proxy that does nothing wrong is all ok', async () => {
  const { url, rows } = await startMillrace();
  const report = await examine(await startProxy(url));
  expect(report.results.filter(({ status }) => status !== 'ok')).toEqual([]);
  expect(new Set(report.results.map(({ check }) => check)).size).toBe(9);
  expect(report.ok).toBe(true);
  await rows(); // and nothing that was started runs on
});

test('heartbeats keep a stream alive where silence is cut; an answer in one piece has none', async () => {
  const { url } = await startMillrace('providers: { mock: {} }\nstreams: { heartbeat: 100ms, commitAfter: 100ms }');
  const report = await examine(await startProxy(url, { answer: impatient(600), ask: firstByteWithin(600) }), {
    only: ['silence'],
    idle: 1500,
  });
  expect(findings(report)).toEqual(['cut-whole']);
  expect(report.results.find(({ check }) => check === 'silence')?.measured).toMatch(
    /^1\.5 s of silence, \d+ heartbeats$/,
  );
});

test('a server whose own wait ends the silence is not taken for a proxy that cuts', async () => {
  const { url } = await startMillrace('providers: { mock: {} }\ntimeouts: { idle: 300ms, firstToken: 300ms }');
  const report = await examine(await startProxy(url), { only: ['silence'], idle: 1000 });
  expect(findings(report)).toEqual([]);
});

test('heartbeats that a proxy takes out are missed', async () => {
  const { url, config } = await startMillrace('providers: { mock: {} }\nstreams: { heartbeat: 100ms }');
  const facts = await factsOf(config.streams);
  const eat = (from: IncomingMessage, response: ServerResponse) => {
    response.writeHead(...head(from)).flushHeaders();
    from.on('data', (piece) => response.write(String(piece).replaceAll(/^: .*\n/gm, '')));
    from.on('close', () => response.end());
  };
  const only: Check[] = ['silence'];
  expect(findings(await examine(await startProxy(url, { facts, answer: eat }), { only }))).toEqual(['no-heartbeat']);
  expect(findings(await examine(await startProxy(url, { facts }), { only }))).toEqual([]);
});

test('Millrace says how it was asked, to who has a key', async () => {
  const { config } = await startMillrace();
  const open = await factsOf(config.streams);
  const says = { version: expect.any(String), http_version: '1.1', heartbeat_ms: 15_000, commit_after_ms: 10_000 };
  expect(await (await fetch(`${open}/v1/doctor`)).json()).toEqual(says);
  const closed = await factsOf(config.streams, [{ name: 'me', hash: 'sha256:00', admin: false, mayUse: () => true }]);
  expect((await fetch(`${closed}/v1/doctor`)).ok).toBe(false);
});

/** GET /v1/doctor alone. */
function factsOf(
  streams: Parameters<typeof mountDoctor>[1]['configured']['streams'],
  keys: Parameters<typeof createKeyring>[0] = [],
) {
  const app = fastify();
  mountDoctor(app, { configured: { keyring: createKeyring(keys), streams } });
  onTestFinished(() => app.close());
  return app.listen({ host: '127.0.0.1', port: 0 });
}

test('a server that is about to stop is said to be; a proxy may keep that to itself', async () => {
  const { url, post, close } = await startMillrace();
  const hidden = await startProxy(url, { ask: refusing(403, (incoming) => incoming.url === '/readyz') });
  expect(findings(await examine(hidden, { only: ['connection'] }))).toEqual([]);
  const stream = await post('/v1/chat', {
    model: 'mock/lorem-500+rate-50',
    messages: [{ role: 'user', content: 'Hi' }],
  });
  const closed = close(20_000);
  expect(findings(await examine(url, { only: ['connection'] }))).toEqual(['not-ready']);
  await stream.body!.cancel();
  await closed;
});

test('what is wrong without the proxy, too, is not blamed on it', async () => {
  const { url } = await startMillrace();
  const proxy = await startProxy(url, { ask: ({ headers }) => void delete headers['last-event-id'] });
  const only: Check[] = ['headers', 'resume'];
  const { results } = await examine(proxy, { only, direct: new URL(url), origin: 'https://chat.example.com' });
  const wrong = results.flatMap(({ finding, direct }) => (finding ? [[finding, direct]] : []));
  expect(wrong).toEqual([
    ['cors', true],
    ['last-event-id', undefined],
  ]);
});

test('a key is needed, sent and enough', async () => {
  const hash = '2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683'; // of "key"
  const { url } = await startMillrace(`providers: { mock: {} }\nkeys: [{ name: me, hash: "sha256:${hash}" }]`);
  expect(findings(await examine(url))).toEqual(['key-refused']);
  expect((await examine(url, { key: 'key', only: ['leaving', 'resume'] })).results.map(({ status }) => status)).toEqual(
    ['ok', 'ok', 'ok'],
  );
});

test('pages of an origin: allowed, not allowed, allowed twice, and what they may read', async () => {
  const origin = 'https://chat.example.com';
  const { url } = await startMillrace(`providers: { mock: {} }\nserver: { cors: ["${origin}"] }`);
  const headers = async (to: string, from = origin) => findings(await examine(to, { only: ['headers'], origin: from }));
  const withHeader = (name: string, value: string) =>
    startProxy(url, {
      answer(from, response) {
        response.writeHead(from.statusCode!, { ...from.headers, [name]: value });
        from.pipe(response);
      },
    });
  const [twice, mute] = await Promise.all([
    withHeader('access-control-allow-origin', `${origin}, *`),
    withHeader('access-control-expose-headers', 'x-other'),
  ]);
  expect(
    await Promise.all([headers(url), headers(url, 'https://other.example.com'), headers(twice), headers(mute)]),
  ).toEqual([[], ['cors'], ['cors'], ['cors-hidden']]);
});

test('over https and HTTP/2 all is ok, and streams are tried over HTTP/1.1 as well; who does not trust it is told', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-test-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  await Promise.all([writeFile(cert, IDENTITY.cert), writeFile(key, IDENTITY.key)]);
  expect(findings(await examine((await secure(cert, key, true)).url))).toEqual(['certificate']);
  tls.setDefaultCACertificates([...tls.getCACertificates(), AUTHORITY]);
  const report = await examine((await secure(cert, key, true)).url);
  expect(report.results.filter(({ status }) => status !== 'ok')).toEqual([]);
  const parallel = report.results.filter(({ check }) => check === 'parallel').map(({ measured }) => measured);
  expect(parallel.join()).toMatch(/HTTP\/1\.1.*HTTP\/2/);
  expect(findings(await examine((await secure(cert, key, false)).url, { only: ['body'] }))).toEqual(['no-http2']);
  const strict = await secure(cert, key, true, '100KiB');
  expect(findings(await examine(strict.url, { only: ['body'] }))).toEqual(['body-limit']);
});

function secure(cert: string, key: string, http2: boolean, maxBody = '10MiB') {
  const tlsSettings = `tls: { cert: ${cert}, key: ${key}, http2: ${http2} }`;
  return startMillrace(`providers: { mock: {} }\nserver: { maxBody: ${maxBody}, ${tlsSettings} }`);
}

test('where there is no mock the given model is asked, and what cannot be measured is said', async () => {
  const upstream = await startMillrace();
  const mock = upstream.mocks.get('mock')!.url;
  const { url } = await startMillrace(
    `providers: { p: { wire: openai, baseUrl: "${mock}", apiKey: k } }\nmodels: { fast: p/lorem-60+rate-40 }`,
  );
  const statuses = async (model?: string) =>
    Object.fromEntries((await examine(url, { model })).results.map(({ check, status }) => [check, status]));
  const rest = { connection: 'ok', body: 'ok', silence: 'skip', parallel: 'skip' };
  expect(await statuses()).toEqual({ ...rest, buffering: 'skip', leaving: 'skip', resume: 'skip' });
  const measured = { buffering: 'ok', compression: 'ok', headers: 'ok', leaving: 'ok', resume: 'ok' };
  expect(await statuses('fast')).toEqual({ ...rest, ...measured });
});

test.each([
  ['cloudflare', { 'cf-ray': '8f2b-FRA', server: 'cloudflare' }],
  ['caddy', { via: '1.1 Caddy' }],
  ['alb', { 'set-cookie': 'AWSALB=abc; Path=/' }],
])('%s is known by what it adds, and its own setting is said', async (name, added) => {
  const { url } = await startMillrace();
  const proxy = await startProxy(url, {
    ask: refusing(413, ({ headers }) => Number(headers['content-length']) > 1e6),
    answer(from, response) {
      response.writeHead(from.statusCode!, { ...from.headers, ...added });
      from.pipe(response);
    },
  });
  const { proxies, results } = await examine(proxy, { only: ['body'] });
  expect(proxies).toEqual([name]);
  expect(results.at(-1)!.fix).toEqual({ [name]: (FINDINGS['body-refused'].fix as Record<string, string>)[name] });
});

test('on the command line: readable lines and the setting to paste, JSON for programs, exit code 1 when something fails', async () => {
  const { url } = await startMillrace();
  const bad = await startProxy(url, { ask: refusing(413, ({ headers }) => Number(headers['content-length']) > 1e6) });
  const good = await run('doctor', url, '--only', 'body,leaving');
  expect(good).toMatchObject({ code: 0, stdout: expect.stringContaining('Streams pass as they are sent.') });
  const shown = await run('doctor', bad, '--only', 'body', '--proxy', 'nginx');
  expect(shown).toMatchObject({ code: 1, stdout: expect.stringContaining('nginx: client_max_body_size 16m;\n') });
  const json = await run('doctor', bad, '--only', 'body', '--json');
  expect(json.code).toBe(1);
  expect(JSON.parse(json.stdout)).toMatchObject({
    ok: false,
    results: [{ check: 'connection' }, { finding: 'body-refused' }],
  });
  expect(await run('doctor', url, '--only', 'everything')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('everything'),
  });
});

async function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  try {
    return { code: 0, ...(await promisify(execFile)(process.execPath, [CLI, ...args], { cwd: tmpdir() })) };
  } catch (error) {
    return error as { code: number; stdout: string; stderr: string };
  }
}

test('the table of docs/DOCTOR.md is what the doctor can find', () => {
  const text = readFileSync(new URL('../../docs/DOCTOR.md', import.meta.url), 'utf8');
  const rows = [...text.matchAll(/^\| `([a-z0-9-]+)` \| (\w+) \| (\w+) \| (.+) \|$/gm)].map(([, ...cells]) => cells);
  expect(rows).toEqual(Object.entries(FINDINGS).map(([id, { check, status, about }]) => [id, check, status, about]));
});

// ---- what proxies do wrong ------------------------------------------------------------------------------------------

function whole(from: IncomingMessage, response: ServerResponse): void {
  const pieces: Buffer[] = [];
  from.on('data', (piece) => pieces.push(piece));
  from.on('end', () => response.writeHead(...head(from)).end(Buffer.concat(pieces)));
}

function cut(from: IncomingMessage, response: ServerResponse): void {
  response.writeHead(...head(from)).flushHeaders();
  let events = 0;
  from.on('data', (piece) => (isStream(from) && ++events > 10 ? response.destroy() : response.write(piece)));
  from.on('close', () => response.end());
}

function lumps(ms: number): Behaviour['answer'] {
  return (from, response) => {
    let pieces: Buffer[] = [];
    const send = () => {
      response.write(Buffer.concat(pieces));
      pieces = [];
    };
    response.writeHead(...head(from)).flushHeaders();
    const tick = setInterval(send, ms);
    from.on('data', (piece) => pieces.push(piece));
    from.on('close', () => {
      clearInterval(tick);
      send();
      response.end();
    });
  };
}

function zipped(from: IncomingMessage, response: ServerResponse, { headers }: IncomingMessage): void {
  if (isStream(from) && headers['accept-encoding']?.includes('gzip')) {
    response.writeHead(200, { ...from.headers, 'content-encoding': 'gzip' }).flushHeaders();
    from.pipe(createGzip()).pipe(response);
  } else from.pipe(response.writeHead(...head(from)));
}

/** Hangs up on an answer that is silent for so long. */
function impatient(ms: number): Behaviour['answer'] {
  return (from, response) => {
    response.writeHead(...head(from)).flushHeaders();
    let wait = setTimeout(() => response.destroy(), ms);
    from.on('data', (piece) => {
      clearTimeout(wait);
      wait = setTimeout(() => response.destroy(), ms);
      response.write(piece);
    });
    from.on('close', () => {
      clearTimeout(wait);
      response.end();
    });
  };
}

/** Answers 504 where no byte has come for so long. */
function firstByteWithin(ms: number): Behaviour['ask'] {
  return (_incoming, response) => {
    const wait = setTimeout(() => !response.headersSent && response.writeHead(504).end('too slow'), ms);
    response.on('close', () => clearTimeout(wait));
  };
}

function refusing(status: number, when: (incoming: IncomingMessage) => boolean): Behaviour['ask'] {
  return (incoming, response) => {
    if (!when(incoming)) return false;
    response.writeHead(status, { 'content-type': 'text/html' }).end(`<h1>${status}</h1>`);
    return true;
  };
}

function page(_incoming: IncomingMessage, response: ServerResponse): boolean {
  response.writeHead(200, { 'content-type': 'text/html' }).end('<form>Who are you?</form>');
  return true;
}

function limited(most: number): Behaviour {
  let open = 0;
  return {
    ask(_incoming, response) {
      if (open >= most) return !!response.writeHead(503).end('busy');
      open++;
      response.on('close', () => open--);
      return false;
    },
  };
}

function turns(): Behaviour {
  let before: Promise<unknown> = Promise.resolve();
  return {
    answer(from, response) {
      from.pause();
      const mine = before.then(() => {
        response.writeHead(...head(from));
        from.pipe(response);
        return new Promise((resolve) => response.on('close', resolve));
      });
      before = mine;
    },
  };
}
