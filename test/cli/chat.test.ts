// `millrace chat` as a person runs it: a process with arguments, pipes, signals and a terminal, against a running Millrace.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { openLedger } from '../../src/stores/open.ts';
import { eventually, startMillrace } from '../support/millrace.ts';

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));

interface Run {
  child: ChildProcessWithoutNullStreams;
  stdout(): string;
  stderr(): string;
  /** Resolves when stdout, or stderr, has this. */
  shows(text: string): Promise<unknown>;
  exited: Promise<number | null>;
}

interface RunOptions {
  /** Piped in; null leaves the pipe open. */
  input?: string | null;
  cwd?: string;
  env?: Record<string, string>;
  command?: [string, ...string[]];
}

function run(args: string[], { input = '', cwd = tmpdir(), env, command }: RunOptions = {}): Run {
  const [file, ...rest] = command ?? [process.execPath, CLI, 'chat', ...args];
  const child = spawn(file, rest, { cwd, env: { PATH: process.env.PATH, ...env } });
  onTestFinished(() => void child.kill('SIGKILL'));
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  if (input !== null) child.stdin.end(input);
  return {
    child,
    stdout: () => stdout,
    stderr: () => stderr,
    shows: (text) =>
      eventually(
        () => stdout + stderr,
        (all) => all.includes(text),
        20_000,
      ),
    exited: new Promise((resolve) => child.on('close', resolve)),
  };
}

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'millrace-test-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** A port where nothing listens. */
async function silentPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.on('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A folder whose config names such a port. */
async function aloneIn(yaml = ''): Promise<string> {
  const cwd = await folder();
  const port = await silentPort();
  await writeFile(join(cwd, 'millrace.yaml'), `server: { port: ${port} }\nproviders: { mock: {} }\n${yaml}`);
  return cwd;
}

test('a message is the arguments and what is piped in; the answer is on stdout, what it took on stderr', async () => {
  const { url } = await startMillrace();
  const chat = run(['--url', url, '-m', 'mock/echo', 'sum', 'up'], { input: 'a long\ntext\n' });
  expect(await chat.exited).toBe(0);
  expect(chat.stdout()).toBe('sum up\n\na long\ntext\n');
  expect(chat.stderr()).toMatch(
    /^mock\/echo · stop · \d+ in · \d+ out · \$0\.0000\d+ · first token \d+ ms · \d+ tokens\/s\n$/,
  );
});

test('what shapes the request goes along: system, limits, key', async () => {
  const hash = '2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683'; // of "key"
  const { url, journal } = await startMillrace(`providers: { mock: {} }\nkeys: [{ name: me, hash: "sha256:${hash}" }]`);
  const env = { MILLRACE_URL: url, MILLRACE_API_KEY: 'key' };
  const args = ['-m', 'mock/echo', '-s', 'Be brief', '--max-tokens', '7', '--temperature', '0.5', 'Hi'];
  expect(await run(args, { env }).exited).toBe(0);
  expect(journal.list()[0]!.body).toMatchObject({
    messages: [
      { role: 'system', content: 'Be brief' },
      { role: 'user', content: 'Hi' },
    ],
    max_tokens: 7,
    temperature: 0.5,
  });
  const stranger = run(['--url', url, 'Hi']);
  expect(await stranger.exited).toBe(1);
  expect(stranger.stderr()).toMatch(/^unauthorized: .* --key or MILLRACE_API_KEY/);
});

test.each([
  ['the default of the door', 'models: { a: mock/echo, b: mock/echo }\ndoors: { native: { default: b } }', 'b (mock)'],
  ['the first that is listed', 'models: { a: mock/echo }', 'a (mock)'],
  ['the mock', '', 'mock/echo'],
])('without a model, %s answers, and its name is said', async (_which, yaml, name) => {
  const { url } = await startMillrace(`providers: { mock: {} }\n${yaml}`);
  const chat = run(['--url', url, 'Hi']);
  expect(await chat.exited).toBe(0);
  expect(chat.stdout()).toBe('Hi\n');
  expect(chat.stderr().startsWith(`${name} · stop`)).toBe(true);
});

test('thoughts are shown when asked for, calls always, and neither on stdout', async () => {
  const { url } = await startMillrace();
  const quiet = run(['--url', url, '-m', 'mock/reasoning', 'Hi']);
  const loud = run(['--url', url, '-m', 'mock/reasoning+tools', '--reasoning', 'Hi']);
  expect(await quiet.exited).toBe(0);
  expect(quiet.stdout()).toMatch(/^Lorem ipsum .*\n$/);
  expect(quiet.stderr()).not.toContain('The user asks');
  expect(await loud.exited).toBe(0);
  expect(loud.stdout()).toBe('');
  expect(loud.stderr()).toMatch(/^The user asks .*\n\ntool call get_weather \{"city":"Paris"\}\n.* · tool-calls · /);
});

test('--json gives one event per line, the error too', async () => {
  const { url } = await startMillrace();
  const chat = run(['--url', url, '--json', '-m', 'mock/cut-2', 'Hi']);
  expect(await chat.exited).toBe(1);
  const events = chat
    .stdout()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(events.map(({ type }) => type)).toEqual(['start', 'token', 'token', 'error']);
  expect(events.at(-1)).toMatchObject({ code: 'upstream_truncated', status: 502, usage: { output_tokens: 2 } });
});

test('tokens show as they come; Ctrl-C stops, says what it took, and leaves with 130', async () => {
  const millrace = await startMillrace();
  const chat = run(['--url', millrace.url, '-m', 'mock/stall-3', 'Hi']);
  await chat.shows('Lorem ipsum dolor');
  chat.child.kill('SIGINT');
  expect(await chat.exited).toBe(130);
  expect(chat.stdout()).toBe('Lorem ipsum dolor\n');
  expect(chat.stderr()).toMatch(/^mock\/stall-3 · cancelled · ≈ \d+ in · ≈ 3 out · ≈ \$0\.0000/);
  await millrace.journal.waitFor((record) => record.client_left_at !== null);
  expect(await millrace.rows()).toMatchObject([{ end_reason: 'cancelled', delivered_tokens: 3 }]);
});

test('Ctrl-C before the first token ends it, too', async () => {
  const { url, journal } = await startMillrace();
  const chat = run(['--url', url, '-m', 'mock/stall-0', 'Hi']);
  await journal.waitFor((record) => record.model === 'stall-0', 20_000);
  chat.child.kill('SIGINT');
  expect(await chat.exited).toBe(130);
  expect(chat.stderr()).toMatch(/^stopped/);
  await journal.waitFor((record) => record.client_left_at !== null);
});

test('a second Ctrl-C leaves at once, whatever the server does', async () => {
  const server = createServer((request, response) => {
    if (request.method === 'POST') {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'millrace-stream-id': 'str_1' });
      response.write('id: 1\nevent: token\ndata: {"text":"Hello"}\n\n');
    } else chat.child.kill('SIGINT'); // asked to stop, it says nothing
  }).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close().closeAllConnections());
  await new Promise((resolve) => server.on('listening', resolve));
  const chat = run(['--url', `http://127.0.0.1:${(server.address() as AddressInfo).port}`, 'Hi']);
  await chat.shows('Hello');
  chat.child.kill('SIGINT');
  expect(await chat.exited).toBe(130);
  expect(chat.stdout()).toBe('Hello'); // not even the line was finished
});

test('a reader who has seen enough ends the generation, quietly', async () => {
  const millrace = await startMillrace();
  const chat = run(['--url', millrace.url, '-m', 'mock/lorem-100000+rate-200', 'Hi']);
  await chat.shows('Lorem');
  chat.child.stdout.destroy();
  expect(await chat.exited).toBe(0);
  expect(chat.stderr()).toBe('');
  const { tokens_sent } = await millrace.journal.waitFor((record) => record.client_left_at !== null);
  expect(tokens_sent).toBeLessThan(100_000);
});

test('what fails is said with its code, and the exit code is 1', async () => {
  const { url } = await startMillrace();
  const limited = run(['--url', url, '-m', 'mock/error-429', 'Hi']);
  const silence = `http://127.0.0.1:${await silentPort()}`;
  const nowhere = run(['--url', silence, 'Hi']);
  const silent = run(['--url', url]);
  expect([await limited.exited, await nowhere.exited, await silent.exited]).toEqual([1, 1, 1]);
  expect(limited.stderr()).toMatch(/^upstream_rate_limited: .* It asks to wait \d+ s\.\n$/);
  expect(nowhere.stderr()).toBe(
    `connection_failed: Nothing answers at ${silence} (ECONNREFUSED). Is Millrace running there?\n`,
  );
  expect(silent.stderr()).toBe('There is nothing to ask: give a message, or pipe it in.\n');
});

test('where no Millrace runs, one runs in the process: its config, its prompts, its ledger', async () => {
  const cwd = await aloneIn('models: { fast: mock/stall-3 }');
  await mkdir(join(cwd, 'prompts'));
  await writeFile(
    join(cwd, 'prompts', 'greet.prompt'),
    '---\nmodel: mock/echo\ninput: { schema: { name: string, times: integer } }\n---\n{{role "user"}}Greet {{name}} {{times}} times\n',
  );
  const greeting = run(['-p', 'greet', '--var', 'name=Ada = L', '--var', 'times:=3'], { cwd });
  expect(await greeting.exited).toBe(0);
  expect(greeting.stdout()).toBe('Greet Ada = L 3 times\n');

  const stopped = run(['-m', 'fast', 'Hi'], { cwd });
  await stopped.shows('Lorem ipsum dolor');
  stopped.child.kill('SIGINT');
  expect(await stopped.exited).toBe(130);
  const ledger = await openLedger('sqlite:data/millrace.db', cwd);
  const { data } = await ledger.page({ limit: 10 });
  await ledger.shutdown();
  expect(data).toMatchObject([
    { model: 'fast', end_reason: 'cancelled', delivered_tokens: 3 },
    { model: 'mock/echo', end_reason: 'stop' },
  ]);
});

test('a wrong config is told as everywhere, with its line', async () => {
  const chat = run(['Hi'], { cwd: await aloneIn('models: { fast: mocc/echo }\n') });
  expect(await chat.exited).toBe(1);
  expect(chat.stderr()).toMatch(/millrace\.yaml:3:\d+ .*mocc.*mock/);
});

test('in a terminal there is a conversation; Ctrl-C stops an answer, at the prompt it leaves', async () => {
  const millrace = await startMillrace();
  // `script` (util-linux) gives the process a terminal.
  const line = `exec '${process.execPath}' '${CLI}' chat --url ${millrace.url} -m mock/echo`;
  const env = { TERM: 'xterm', NO_COLOR: '1' };
  const talk = run([], { input: null, env, command: ['script', '-qec', line, '/dev/null'] });
  await talk.shows('> ');
  talk.child.stdin.write('first\r');
  await talk.shows('stop · ');
  talk.child.stdin.write('second\rof two lines\r'); // pasted
  const [, next] = await eventually(
    () => millrace.journal.list(),
    (list) => list.length === 2,
  );
  expect(next!.body).toMatchObject({
    messages: [
      { role: 'user', content: 'first' },
      { role: 'assistant', content: 'first' },
      { role: 'user', content: 'second\nof two lines' },
    ],
  });
  await eventually(
    () => talk.stdout(),
    (all) => /stop · [\s\S]*stop · [\s\S]*> [^>]*$/.test(all),
  );
  talk.child.stdin.write('\x03');
  expect(await talk.exited).toBe(0);

  const stall = run([], {
    input: null,
    env,
    command: ['script', '-qec', line.replace('mock/echo', 'mock/stall-3'), '/dev/null'],
  });
  await stall.shows('> ');
  stall.child.stdin.write('Hi\r');
  await stall.shows('Lorem ipsum dolor');
  stall.child.stdin.write('\x03');
  await stall.shows('cancelled · ');
  await eventually(
    () => stall.stdout(),
    (all) => /cancelled · [\s\S]*> [^>]*$/.test(all),
  );
  stall.child.stdin.write('\x04');
  expect(await stall.exited).toBe(0);
});
