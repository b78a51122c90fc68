// Three nodes behind nginx, over one Redis and one PostgreSQL: 300 clients whose connections are cut at random, one node killed, one
// Redis restart. Every client reads every event once and in order to one end, and every request has one closed row.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createClient, MillraceError } from '../../src/client/index.ts';
import { eventually } from '../support/millrace.ts';
import { freePort } from '../support/port.ts';
import { postgresMissing, startPostgres } from '../support/postgres.ts';
import { hasRedis, startRedis } from '../support/redis.ts';

const PATH = `${process.env.PATH}:/usr/sbin:/usr/local/sbin`;
const hasNginx = spawnSync('nginx', ['-v'], { env: { PATH } }).status === 0;
const missing = [!hasRedis && 'redis-server', postgresMissing && 'PostgreSQL', !hasNginx && 'nginx'].filter(Boolean);
if (missing.length > 0 && process.env.MILLRACE_SERVERS === 'required') {
  throw new Error(`Not installed here, and these tests must not be skipped: ${missing.join(', ')}.`);
}

const CLIENTS = 300;
const TOKENS = 80;
const NODES = 3;

/** An answer: where it is known to have ended, and the ids that its client saw. */
interface Read {
  id: string;
  ids: number[];
  words: number;
  end: string;
}

/** `signal` ends it: nginx must end its workers itself. */
async function run(command: string, args: string[], cwd: string, signal: NodeJS.Signals): Promise<ChildProcess> {
  const child = spawn(command, args, { cwd, env: { PATH }, stdio: ['ignore', 'ignore', 'inherit'] });
  onTestFinished(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await once(child, 'exit');
  });
  return child;
}

const status = (url: string) =>
  fetch(`${url}/readyz`).then(
    async (response) => (await response.json()) as any,
    () => ({}),
  );

describe.skipIf(missing.length > 0)(missing.length > 0 ? `SKIPPED, without ${missing.join(', ')}` : 'a cluster', () => {
  test('loses nothing and books everything once', { timeout: 180_000 }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-cluster-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const [redis, postgres] = [await startRedis(), await startPostgres()];
    onTestFinished(() => postgres.stop());
    const ledger = await postgres.database();

    const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));
    const nodes: { url: string; child: ChildProcess }[] = [];
    for (let n = 0; n < NODES; n++) {
      const port = await freePort();
      const file = join(folder, `node-${n}.yaml`);
      await writeFile(
        file,
        `server: { port: ${port} }
log: { level: silent }
providers: { mock: {} }
streams: { onDisconnect: detach, grace: 30s }
stores: { live: "${redis.url}", ledger: "${ledger}" }
`,
      );
      const child = await run(process.execPath, [cli, 'serve', '--config', file], folder, 'SIGKILL');
      nodes.push({ url: `http://127.0.0.1:${port}`, child });
    }
    for (const { url } of nodes)
      await eventually(
        () => status(url),
        ({ live, ledger }) => live === 'ok' && ledger === 'ok',
        30_000,
      );

    const front = await freePort();
    await writeFile(
      join(folder, 'nginx.conf'),
      `daemon off; pid ${folder}/nginx.pid; error_log ${folder}/error.log crit; events { worker_connections 4096; }
http {
  access_log off; client_body_temp_path ${folder}; proxy_temp_path ${folder}; fastcgi_temp_path ${folder}; uwsgi_temp_path ${folder}; scgi_temp_path ${folder};
  upstream millrace { ${nodes.map(({ url }) => `server ${new URL(url).host} max_fails=1 fail_timeout=2s;`).join(' ')} keepalive 64; }
  server {
    listen 127.0.0.1:${front};
    location / {
      proxy_pass http://millrace; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host localhost;
      proxy_buffering off; proxy_read_timeout 60s; proxy_next_upstream error timeout;
    }
  }
}
`,
    );
    await run(
      'nginx',
      ['-c', join(folder, 'nginx.conf'), '-p', folder, '-e', join(folder, 'error.log')],
      folder,
      'SIGTERM',
    );
    const url = `http://127.0.0.1:${front}`;
    await eventually(
      () => status(url),
      ({ status: said }) => said === 'ok',
    );

    /** Like the network of a train: each response is cut after some time, or not. */
    const flaky: typeof fetch = async (input, init) => {
      const cut = new AbortController();
      const timer = Math.random() < 0.6 ? setTimeout(() => cut.abort(), 100 + Math.random() * 3000) : undefined;
      const signals = [cut.signal, init?.signal].filter((signal): signal is AbortSignal => Boolean(signal));
      const response = await fetch(input, { ...init, signal: AbortSignal.any(signals) });
      timer?.unref();
      return response;
    };

    async function read(): Promise<Read> {
      // Only what comes after the beginning is cut: a request that nobody heard an answer to has no stream to come back to.
      let started = false;
      const client = createClient({
        baseUrl: url,
        reconnects: 40,
        fetch: (input, init) => (started ? flaky(input, init) : fetch(input, init)),
      });
      const stream = client.chat({
        model: `mock/lorem-${TOKENS}+rate-${10 + Math.floor(Math.random() * 10)}`,
        messages: [{ role: 'user', content: 'Hi' }],
      });
      const said: Read = { id: '', ids: [], words: 0, end: '' };
      try {
        for await (const event of stream) {
          started = true;
          said.id = stream.id ?? said.id;
          if (event.type === 'token') said.words++;
        }
        said.end = (await stream.result).finish_reason;
      } catch (error) {
        said.end = error instanceof MillraceError ? error.code : String(error);
      }
      return said;
    }

    const reads = Array.from({ length: CLIENTS }, async () => {
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 2000));
      return read();
    });
    await new Promise((resolve) => setTimeout(resolve, 3500)); // all are under way
    await redis.kill('SIGKILL');
    await new Promise((resolve) => setTimeout(resolve, 500));
    await redis.start();
    for (const node of nodes)
      await eventually(
        () => status(node.url),
        ({ live }) => live === 'ok',
        30_000,
      );
    await new Promise((resolve) => setTimeout(resolve, 1000)); // what the nodes kept is in Redis again
    nodes[0]!.child.kill('SIGKILL');

    const done = await Promise.all(reads);
    const ends = Object.groupBy(done, ({ end }) => end);
    const counts = Object.fromEntries(Object.entries(ends).map(([end, list]) => [end, list!.length]));
    console.log(`${CLIENTS} clients ended with`, counts);
    // What ran on the node that was killed is known to be lost; everything else is whole.
    for (const { end, words } of done) if (end === 'stop') expect(words).toBe(TOKENS);
    expect(Object.keys(counts).sort()).toEqual(['node_lost', 'stop']);
    expect(counts.stop).toBeGreaterThan(CLIENTS / 2);

    const ids = new Set(done.map(({ id }) => id));
    expect(ids.size).toBe(CLIENTS);
    type Row = { stream_id: string; rows: string; ended: string; end_reason: string };
    const database = new pg.Client(ledger);
    await database.connect();
    onTestFinished(() => database.end());
    const booked = async () => {
      const { rows: found } = await database.query<Row>(
        'select stream_id, count(*) rows, count(ended_at) ended, max(end_reason) end_reason from attempts group by stream_id',
      );
      return found;
    };
    const rows = await eventually(booked, (found) => found.every(({ rows, ended }) => rows === ended), 60_000);
    expect(rows).toHaveLength(CLIENTS);
    expect(rows.filter(({ end_reason }) => end_reason === 'interrupted').length).toBeGreaterThan(counts.node_lost! / 2);
    for (const { stream_id, rows: count, end_reason } of rows) {
      expect(count, stream_id).toBe('1');
      const { end } = done.find(({ id }) => id === stream_id)!;
      // An answer that was whole in the moment before the kill is booked so, and its last words had not reached the others.
      expect(end === 'stop' ? ['stop'] : ['interrupted', 'stop']).toContain(end_reason);
    }
  });
});
