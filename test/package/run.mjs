// What `npm pack` makes, used as its users use it: node test/package/run.mjs
// The tarball is installed into an empty folder; the server, the plugin and the client are run from there, their types compiled.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const folder = await mkdtemp(join(tmpdir(), 'millrace-package-'));
const home = join(folder, 'project');
await mkdir(home);

/** Its standard output; fails with all that it said. */
function run(command, args, options = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: home, encoding: 'utf8', ...options });
  if (error || status !== (options.status ?? 0)) {
    throw new Error(`${command} ${args.join(' ')} ended with ${status}\n${stdout}\n${stderr}`, { cause: error });
  }
  return options.status ? stderr : stdout;
}

const checks = {
  'the tarball holds what runs and nothing else'() {
    const [{ filename, files }] = JSON.parse(
      run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: root }),
    );
    const names = files.map(({ path }) => path);
    const foreign = names.filter((name) => !/^(dist|prompts)\/|^[A-Z]+(\.md)?$|^package\.json$|^millrace\./.test(name));
    assert.deepEqual(foreign, []);
    assert.deepEqual(
      names.filter((name) => /\.tsx?$/.test(name) && !name.endsWith('.d.ts')),
      [],
    );
    for (const needed of ['dist/bin.js', 'dist/index.d.ts', 'dist/client/index.js', 'dist/web/index.html', 'LICENSE']) {
      assert(names.includes(needed), `${needed} is missing`);
    }
    run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error', join(folder, filename)]);
  },

  'its types compile in a strict project, with and without a bundler'() {
    run('npm', [
      'install',
      '--prefer-offline',
      '--no-audit',
      '--no-fund',
      '--loglevel=error',
      'typescript',
      '@types/node',
      'fastify',
    ]);
    return Promise.all([
      compile('server.ts', SERVER_TYPES, { module: 'nodenext', types: ['node'] }),
      compile('page.ts', CLIENT, { module: 'esnext', moduleResolution: 'bundler', lib: ['es2024', 'dom'], types: [] }),
    ]);
  },

  async 'npx millrace streams, and serves its page'() {
    const server = spawn('npx', ['--no-install', 'millrace', '--port', '0'], {
      cwd: home,
      detached: true, // npx, its shell and the server: a group of their own
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const exited = once(server, 'exit');
    try {
      const url = await said(server, /http:\/\/127\.0\.0\.1:\d+/);
      const page = await (await fetch(url)).text();
      assert.match(page, /<title>Millrace/);
      for (const [, path] of page.matchAll(/(?:src|href)="(\.[^"]+)"/g)) {
        assert.equal((await fetch(new URL(path, url))).status, 200, path);
      }
      await writeFile(join(home, 'page.mjs'), CLIENT);
      assert.equal(
        run(process.execPath, ['page.mjs'], { env: { ...process.env, MILLRACE_URL: url } }),
        'Hello!\nstop\n',
      );
    } finally {
      process.kill(-server.pid, 'SIGTERM');
      await exited;
    }
  },

  async 'the plugin runs in an app of its own'() {
    await writeFile(join(home, 'app.mjs'), PLUGIN);
    assert.match(run(process.execPath, ['app.mjs']), /event: done\n/);
  },

  'an old Node is told what is needed'() {
    const old = '/usr/bin/node';
    const { stdout } = spawnSync(old, ['--version'], { encoding: 'utf8' });
    if (!stdout || Number(stdout.slice(1).split('.')[0]) >= 24) return 'skipped: there is no old Node here';
    const told = run(old, ['node_modules/millrace/dist/bin.js'], { status: 1 });
    assert.match(told, /needs Node 24 or newer/);
  },
};

const CLIENT = `import { createClient } from 'millrace/client';

const client = createClient({ baseUrl: globalThis.process?.env?.MILLRACE_URL ?? 'http://127.0.0.1:8787' });
const stream = client.chat({ model: 'mock/echo', messages: [{ role: 'user', content: 'Hello!' }] });
let text = '';
for await (const event of stream) {
  if (event.type === 'token') text += event.text;
}
const { finish_reason } = await stream.result;
console.log(text);
console.log(finish_reason);
`;

const SERVER_TYPES = `import fastify from 'fastify';
import { type Millrace, millrace, start } from 'millrace';

const app = fastify();
await app.register(millrace, {
  prefix: '/llm',
  config: { providers: { mock: {} } },
  authenticate: async ({ headers }) => (headers.cookie ? { name: headers.cookie } : null),
});
const server: Millrace = await start({ port: 0 });
console.log(server.url);
await server.close();
// @ts-expect-error an option that does not exist
await app.register(millrace, { prefix: '/other', authentication: 1 });
`;

const PLUGIN = `import fastify from 'fastify';
import { millrace } from 'millrace';

const app = fastify();
await app.register(millrace, { prefix: '/llm', config: { providers: { mock: {} } } });
const url = await app.listen({ host: '127.0.0.1', port: 0 });
const response = await fetch(url + '/llm/v1/chat', {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ model: 'mock/lorem-3', messages: [{ role: 'user', content: 'Hi' }] }),
});
console.log(await response.text());
await app.close();
`;

async function compile(name, source, options) {
  const file = name.replace('.ts', '.json');
  await writeFile(
    join(home, name),
    name === 'page.ts' ? source.replace('globalThis.process?.env?.MILLRACE_URL ?? ', '') : source,
  );
  const compilerOptions = { strict: true, noEmit: true, target: 'es2024', ...options };
  await writeFile(join(home, file), JSON.stringify({ compilerOptions, files: [name] }));
  run('npx', ['--no-install', 'tsc', '-p', file]);
}

/** Waits until a process has written what matches, and goes on reading. */
async function said(child, pattern) {
  let text = '';
  const { promise, resolve, reject } = Promise.withResolvers();
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk) => {
      text += chunk;
      const found = pattern.exec(text);
      if (found) resolve(found[0]);
    });
  }
  child.once('exit', (code) => reject(new Error(`it ended with ${code}:\n${text}`)));
  return promise;
}

await writeFile(join(home, 'package.json'), '{ "name": "project", "private": true, "type": "module" }\n');
try {
  for (const [title, check] of Object.entries(checks)) {
    console.log(`    ${title} …`);
    const note = await check();
    console.log(typeof note === 'string' ? `${note} (${title})` : `ok  ${title}`);
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
