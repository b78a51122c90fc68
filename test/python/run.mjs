// Runs the Python tests against a Millrace of its own: node test/python/run.mjs [pytest arguments]
// Python's packages are taken from where they are, else installed into a virtual environment in a temporary folder.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const PACKAGES = ['openai', 'anthropic', 'google-genai', 'httpx', 'httpx-sse', 'pytest']; // httpx-sse does not name httpx as its own

function imports(python) {
  return (
    spawnSync(python, ['-c', 'import openai, anthropic, google.genai, httpx_sse, pytest'], { stdio: 'ignore' })
      .status === 0
  );
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit' });
  if (error || status !== 0) throw new Error(`${command} ${args.join(' ')} failed`, { cause: error });
}

/** The environment is kept between runs: it takes half a minute to make. */
function findPython() {
  if (imports('python3')) return 'python3';
  const folder = join(tmpdir(), `millrace-python-${process.getuid?.() ?? 'venv'}`);
  const python = join(folder, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python');
  if (existsSync(python) && imports(python)) return python;
  run('python3', ['-m', 'venv', folder]);
  run(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...PACKAGES]);
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

const python = findPython();
const folder = await mkdtemp(join(tmpdir(), 'millrace-python-run-'));
const [port, mockPort] = [await freePort(), await freePort()];
// The mock as it is, and once more with frames that are built by Millrace rather than handed on.
const config = `server: { port: ${port} }
log: { level: error }
stores: { ledger: "sqlite:${join(folder, 'ledger.db')}" }
providers:
  mock: { port: ${mockPort} }
  mock-anthropic: {}
  mock-gemini: {}
  mock-responses: {}
  built: { wire: openai, baseUrl: "http://127.0.0.1:${mockPort}/v1", passthrough: false }
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
  const tests = spawn(
    python,
    ['-m', 'pytest', 'test/python', '-q', '-p', 'no:cacheprovider', ...process.argv.slice(2)],
    {
      cwd: root,
      stdio: 'inherit',
      env: { ...process.env, MILLRACE_URL: url, PYTHONDONTWRITEBYTECODE: '1' },
    },
  );
  const [code] = await once(tests, 'exit');
  process.exitCode = code ?? 1;
} finally {
  millrace.kill('SIGTERM');
  await exited;
  await rm(folder, { recursive: true, force: true });
}
