// The process itself: drained by SIGTERM, killed without warning, its config changed under running streams.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { startMock } from '../../src/mock/server.ts';
import { openLedger } from '../../src/stores/open.ts';
import { ask, chat, eventually, foldNative, readSse, type Sse, startMillrace } from '../support/millrace.ts';

const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));

interface Running {
  child: ChildProcess;
  url: string;
  stderr(): string;
  exited: Promise<number | null>;
}

async function serve(folder: string, args: string[] = []): Promise<Running> {
  const child = spawn(process.execPath, [cli, 'serve', '--port', '0', ...args], {
    cwd: folder,
    env: { PATH: process.env.PATH },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let stderr = '';
  child.stderr!.on('data', (chunk) => {
    stderr += chunk;
  });
  const exited = new Promise<number | null>((resolve) => child.on('exit', resolve));
  const greeting = await Promise.race([
    eventually(
      () => /listens on (\S+)/.exec(stderr)?.[1],
      (url) => url !== undefined,
      20_000,
    ),
    exited.then(() => undefined),
  ]);
  return { child, url: greeting ?? '', stderr: () => stderr, exited };
}

const folder = () => mkdtemp(join(tmpdir(), 'millrace-test-'));
const post = (url: string, body: object) =>
  fetch(`${url}/v1/chat`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

test('SIGTERM: no new work, a short stream ends well, a long one is told shutting_down, and the process leaves with 0', async () => {
  const cwd = await folder();
  await writeFile(join(cwd, 'millrace.yaml'), 'server: { drain: 1500ms }\nproviders: { mock: {} }\n');
  const running = await serve(cwd);
  const short = post(running.url, ask('mock/lorem-20+rate-40'));
  const long = post(running.url, ask('mock/lorem-9000+rate-20'));
  await Promise.all([short, long]);
  running.child.kill('SIGTERM');
  const seen: Sse[] = [];
  const [shortEnd] = await Promise.all([
    short.then(readSse).then(foldNative),
    long.then((response) => readSse(response, (event) => void seen.push(event) as never)),
    eventually(
      () =>
        post(running.url, ask('mock/lorem-1')).then(
          (response) => (response.status === 503 ? 'refused' : response.status),
          () => 'refused', // the listener is closed
        ),
      (answer) => answer === 'refused',
    ),
  ]);
  expect(shortEnd.end).toMatchObject({ type: 'done', data: { finish_reason: 'stop' } });
  expect(foldNative(seen).end).toMatchObject({ type: 'error', data: { code: 'shutting_down', retryable: true } });
  expect(await running.exited).toBe(0);
  const ledger = await openLedger('sqlite:data/millrace.db', cwd);
  const { data } = await ledger.page({ limit: 10 });
  await ledger.shutdown();
  expect(data.map((row) => row.end_reason).sort()).toEqual(['shutting_down', 'stop']);
});

test('kill -9 leaves a row for every stream, closed at the next start with the tokens last noted', async () => {
  const cwd = await folder();
  const mock = await startMock();
  onTestFinished(() => mock.close());
  await writeFile(
    join(cwd, 'millrace.yaml'),
    `providers: { up: { wire: openai, baseUrl: "${mock.url}", apiKey: x } }\n`,
  );
  const first = await serve(cwd);
  const streams = await Promise.all([1, 2, 3].map(() => post(first.url, ask('up/lorem-9000+rate-50'))));
  // Notes are written about once a second; two of them must have been.
  await mock.journal.waitFor(() => mock.journal.list().every((record) => record.tokens_sent > 120), 20_000);
  first.child.kill('SIGKILL');
  await first.exited;
  await Promise.all(streams.map((response) => response.text().catch(() => {})));
  const second = await serve(cwd);
  const { data } = (await (await fetch(`${second.url}/v1/usage/requests`)).json()) as any;
  expect(data).toHaveLength(3);
  for (const row of data) {
    expect(row).toMatchObject({ end_reason: 'interrupted', estimated: true });
    expect(row.output_tokens).toBeGreaterThan(20);
    expect(row.output_tokens).toBeLessThan(1000);
  }
});

test('a wrong config starts nothing and says every mistake with its line', async () => {
  const cwd = await folder();
  await writeFile(
    join(cwd, 'bad.yaml'),
    'providers:\n  mock: {}\nmodels:\n  fast: [mocc/echo]\nserver: { port: many }\n',
  );
  const running = await serve(cwd, ['--config', 'bad.yaml']);
  expect(await running.exited).toBe(1);
  expect(running.stderr()).toMatch(/bad\.yaml:4:\d+ .*mocc.*mock/);
  expect(running.stderr()).toMatch(/bad\.yaml:5:\d+ .*server\.port/);
});

test('a changed config is swapped in without dropping a stream; a wrong one is refused and the old one stays', async () => {
  const millrace = await startMillrace('providers: { mock: {} }\nmodels: { fast: mock/lorem-2 }');
  const file = join(millrace.folder, 'millrace.yaml');
  const running = chat(millrace, 'mock/lorem-60+rate-50');
  await millrace.journal.waitFor((record) => record.tokens_sent > 2);
  await writeFile(file, 'providers: { mock: {} }\nmodels: { fast: mock/lorem-3, slow: mock/lorem-4 }');
  await eventually(
    async () => (await millrace.post('/v1/chat', ask('slow'))).status,
    (status) => status === 200,
  );
  expect((await chat(millrace, 'fast')).text).toBe('Lorem ipsum dolor');
  await writeFile(file, 'providers: { mock: {} }\nmodels: { fast: nowhere/x }');
  await eventually(() => millrace.logs.some((line) => /old one stays/.test(String(line.msg))));
  expect((await chat(millrace, 'fast')).text).toBe('Lorem ipsum dolor');
  expect((await running).end.data).toMatchObject({ finish_reason: 'stop', usage: { output_tokens: 60 } });
  expect(await readFile(file, 'utf8')).toMatch(/nowhere/);
});
