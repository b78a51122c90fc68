// A PostgreSQL server of a test's own: a free port, a folder that is removed, ended by its pid. `MILLRACE_SERVERS=required`, which
// vitest.servers.config.ts sets, makes its absence a failure instead of a skip.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import pg from 'pg';

const DEBIAN = '/usr/lib/postgresql';
const PASSWORD = 's3cret';

/** The newest there is; undefined without one. */
function programs(): string | undefined {
  const debian = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [...debian.map((version) => join(DEBIAN, version, 'bin')), ...process.env.PATH!.split(delimiter)];
  return folders.find((folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres')));
}

export const postgresMissing = programs() === undefined;
if (postgresMissing && process.env.MILLRACE_SERVERS === 'required') {
  throw new Error('PostgreSQL is not installed here (initdb, postgres): these tests must not be skipped.');
}

export interface Postgres {
  port: number;
  /** A new, empty database, and its URL. */
  database(): Promise<string>;
  /** As an administrator. */
  query<T extends pg.QueryResultRow>(text: string): Promise<T[]>;
  /** Down and up again on the same port and data. `SIGINT` ends sessions in order, `SIGQUIT` is a crash. */
  restart(signal?: 'SIGINT' | 'SIGQUIT', pause?: () => Promise<void>): Promise<void>;
  stop(): Promise<void>;
}

/** Below the ports that connections leave from: one of those could take it while the server restarts, even one that looks for the server. */
async function freePort(): Promise<number> {
  const server = createServer();
  const port = randomInt(16_000, 32_000);
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening');
  } catch {
    return freePort();
  }
  server.close();
  await once(server, 'close');
  return port;
}

/** PostgreSQL refuses to run as root: then it runs as the user that its package made. */
function account(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres']));
  return { uid: id('-u'), gid: id('-g') };
}

export interface PostgresOptions {
  /** Off by default: a test's data need not survive a power cut. */
  fsync?: boolean;
  tls?: { cert: string; key: string };
}

export async function startPostgres({ fsync = false, tls }: PostgresOptions = {}): Promise<Postgres> {
  const bin = programs();
  if (!bin) throw new Error('PostgreSQL is not installed here.');
  const folder = mkdtempSync(join(tmpdir(), 'millrace-postgres-'));
  const user = account();
  const data = join(folder, 'data');
  const own = (path: string, mode: number) => {
    chmodSync(path, mode);
    if (user.uid !== undefined) chownSync(path, user.uid, user.gid!);
  };
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    own(join(folder, name), 0o600);
    return join(folder, name);
  };
  own(folder, 0o700);
  const password = file('password', PASSWORD);
  const init = ['-D', data, '-U', 'millrace', '-A', 'scram-sha-256', `--pwfile=${password}`, '-E', 'UTF8', '-N'];
  execFileSync(join(bin, 'initdb'), [...init, '--locale=C.UTF-8'], { ...user, cwd: folder, stdio: 'pipe' });
  const port = await freePort();
  const settings = [
    `port=${port}`,
    'listen_addresses=127.0.0.1',
    `unix_socket_directories=${folder}`,
    `fsync=${fsync ? 'on' : 'off'}`,
    ...(tls ? ['ssl=on', `ssl_cert_file=${file('cert', tls.cert)}`, `ssl_key_file=${file('key', tls.key)}`] : []),
  ];

  async function launch(): Promise<ChildProcess> {
    const args = ['-D', data, ...settings.flatMap((setting) => ['-c', setting])];
    const child = spawn(join(bin!, 'postgres'), args, { ...user, cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
    const said: string[] = [];
    const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
    createInterface(child.stderr!).on('line', (line) => {
      if (said.length < 100) said.push(line);
      if (line.includes('ready to accept connections')) resolve();
    });
    child.on('error', reject);
    child.on('exit', () => reject(new Error(`PostgreSQL ended:\n${said.join('\n')}`)));
    await ready;
    return child;
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    const exited = once(server, 'exit');
    server.kill(signal);
    await exited;
  }

  let server = await launch();
  let databases = 0;
  const urlOf = (name: string) => `postgres://millrace:${PASSWORD}@127.0.0.1:${port}/${name}`;

  async function query<T extends pg.QueryResultRow>(text: string): Promise<T[]> {
    const client = new pg.Client({ connectionString: urlOf('postgres') });
    await client.connect();
    try {
      return (await client.query<T>(text)).rows;
    } finally {
      await client.end();
    }
  }

  return {
    port,
    query,
    async database() {
      const name = `test_${++databases}`;
      // In a language's order, where "id:10" and "id10" are neighbours: what the ledger sorts must not depend on it.
      await query(`create database ${name} template template0 locale_provider icu icu_locale 'en'`);
      return urlOf(name);
    },
    async restart(signal = 'SIGINT', pause = async () => {}) {
      await end(signal);
      await pause();
      server = await launch();
    },
    async stop() {
      await end('SIGQUIT');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
