// Runs the Python tests against a Millrace of its own: node test/python/run.mjs [files of tests, pytest arguments]
// Knows where Python's packages are named (requirements.txt here and in the examples), and how the tests are told where everything is.
import { spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const REQUIREMENTS = ['test/python', 'examples/fastapi', 'examples/flask', 'examples/langchain'].map((folder) =>
  join(root, folder, 'requirements.txt'),
);
const MOCKS = ['mock', 'mock-anthropic', 'mock-gemini', 'mock-responses', 'mock-bedrock'];

function run(command, args) {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit' });
  if (error || status !== 0) throw new Error(`${command} ${args.join(' ')} failed`, { cause: error });
}

/** The environment is kept between runs, for it takes half a minute to make, and made anew when what it needs has changed. */
function makePython() {
  const folder = join(tmpdir(), `millrace-python-${process.getuid?.() ?? 'venv'}`);
  const python = join(folder, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python');
  const stamp = join(folder, 'requirements.txt');
  const needed = REQUIREMENTS.map((file) => readFileSync(file, 'utf8')).join('');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === needed) return python;
  run('python3', ['-m', 'venv', '--clear', folder]);
  const files = REQUIREMENTS.flatMap((file) => ['-r', file]);
  run(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...files]);
  writeFileSync(stamp, needed); // last: half an environment has none
  return python;
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

async function untilReady(url, millrace) {
  const deadline = Date.now() + 20_000;
  while (Date.now() < deadline) {
    if (millrace.exitCode !== null) throw new Error(`Millrace ended with ${millrace.exitCode}`);
    const ready = await fetch(`${url}/readyz`).then(
      (response) => response.ok,
      () => false,
    );
    if (ready) return;
    await sleep(50);
  }
  throw new Error('Millrace did not get ready');
}

function makeKey() {
  const key = `mk_${randomBytes(24).toString('hex')}`;
  return { key, hash: `sha256:${createHash('sha256').update(key).digest('hex')}` };
}

const python = makePython();
const folder = await mkdtemp(join(tmpdir(), 'millrace-python-run-'));
const port = await freePort();
const mocks = new Map();
for (const name of MOCKS) mocks.set(name, await freePort());
const [tests, apps] = [makeKey(), makeKey()]; // who sees all usage, and the example apps
// Silence is filled soon, so that every client meets a heartbeat. `built` is a mock whose frames are built by Millrace rather than handed on.
const config = `server: { port: ${port} }
log: { level: error }
streams: { heartbeat: 100ms, commitAfter: 1s }
stores: { ledger: "sqlite:${join(folder, 'ledger.db')}" }
keys:
  - { name: tests, hash: "${tests.hash}", admin: true }
  - { name: apps, hash: "${apps.hash}" }
providers:
${[...mocks].map(([name, port]) => `  ${name}: { port: ${port} }`).join('\n')}
  built: { wire: openai, baseUrl: "http://127.0.0.1:${mocks.get('mock')}/v1", passthrough: false }
`;
await writeFile(join(folder, 'millrace.yaml'), config);
const millrace = spawn(
  process.execPath,
  [join(root, 'src/cli.ts'), 'serve', '--config', join(folder, 'millrace.yaml')],
  { cwd: folder, stdio: ['ignore', 'inherit', 'pipe'] },
);
millrace.stderr.resume(); // its greeting
const exited = once(millrace, 'exit');
try {
  const url = `http://127.0.0.1:${port}`;
  await untilReady(url, millrace);
  const addresses = [...mocks].map(([name, port]) => [name, `http://127.0.0.1:${port}`]);
  const given = process.argv.slice(2);
  const which = given.some((argument) => argument.includes('.py')) ? given : ['test/python', ...given];
  const pytest = spawn(python, ['-m', 'pytest', '-q', '-p', 'no:cacheprovider', ...which], {
    cwd: root,
    stdio: 'inherit',
    env: {
      ...process.env,
      MILLRACE_URL: url,
      MILLRACE_KEY: tests.key,
      MILLRACE_APP_KEY: apps.key,
      MILLRACE_MOCKS: JSON.stringify(Object.fromEntries(addresses)),
      PYTHONDONTWRITEBYTECODE: '1',
    },
  });
  const [code] = await once(pytest, 'exit');
  process.exitCode = code ?? 1;
} finally {
  millrace.kill('SIGTERM');
  await exited;
  await rm(folder, { recursive: true, force: true });
}
