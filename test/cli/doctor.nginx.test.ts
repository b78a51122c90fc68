// `millrace doctor` through a real nginx: set up right, and wrong in one setting at a time. Skipped where there is no nginx.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fastify from 'fastify';
import { expect, onTestFinished, test } from 'vitest';
import { findNginx } from '../../bench/nginx.ts';
import type { Check } from '../../src/cli/doctor.findings.ts';
import { diagnose, type Report } from '../../src/cli/doctor.ts';
import { createKeyring } from '../../src/http/auth.ts';
import { mountDoctor } from '../../src/http/doctor.ts';
import { eventually, startMillrace } from '../support/millrace.ts';

const nginx = findNginx();

/** What docs/DOCTOR.md says, by directive. */
const RIGHT = {
  proxy_http_version: '1.1',
  proxy_set_header: 'Connection ""',
  proxy_buffering: 'off',
  proxy_read_timeout: '300s',
  client_max_body_size: '16m',
  client_body_buffer_size: '2m', // no temporary file: another user could not write it here
};

/** Each adds or replaces some directives; null takes one out. */
const WRONG: [directives: Record<string, string | null>, only: Check[], findings: string[], setting: RegExp][] = [
  [
    // Over HTTP/1.1 it passes chunks on as they come, buffering or not: there is nothing to find.
    { proxy_buffering: 'on', proxy_ignore_headers: 'X-Accel-Buffering', proxy_http_version: '1.0' },
    ['buffering'],
    ['old-http', 'held-back'],
    /proxy_buffering off;/,
  ],
  [
    { gzip: 'on', gzip_types: 'text/event-stream', gzip_min_length: '0' },
    ['compression'],
    ['compressed'],
    /gzip_types/,
  ],
  [{ proxy_read_timeout: '1s' }, ['silence'], ['cut-silent'], /proxy_read_timeout 300s;/],
  [{ proxy_ignore_client_abort: 'on' }, ['leaving'], ['not-left'], /proxy_ignore_client_abort/],
  [{ client_max_body_size: '1k' }, ['body'], ['body-refused'], /client_max_body_size 16m;/],
  [{ proxy_http_version: '1.0' }, ['connection'], ['old-http'], /proxy_http_version 1\.1;/],
  [{ proxy_hide_header: 'millrace-stream-id' }, ['headers'], ['stream-id'], /proxy_hide_header/],
  [{ limit_except: 'GET POST { deny all; }' }, ['resume'], ['stop-refused'], /limit_except/],
  [{ limit_conn: 'together 3' }, ['parallel'], ['refused-together'], /limit_conn/],
  [{ client_max_body_size: null, proxy_http_version: null }, ['body'], ['old-http', 'body-refused'], /client_max_body/], // as it is installed
];

test('docs/DOCTOR.md shows these settings', () => {
  const text = readFileSync(new URL('../../docs/DOCTOR.md', import.meta.url), 'utf8');
  const { client_body_buffer_size: _ours, ...shown } = RIGHT;
  for (const [name, value] of Object.entries(shown)) expect(text).toContain(`${name} ${value};`);
});

test.skipIf(!nginx)('an nginx that is set up right is all ok', async () => {
  const report = await examine(RIGHT);
  expect(report.results.filter(({ status }) => status !== 'ok')).toEqual([]);
  expect(new Set(report.results.map(({ check }) => check)).size).toBe(9);
  expect(report.proxies).toEqual(['nginx']);
});

test.skipIf(!nginx).each(WRONG)(
  'nginx with %j is found, and the setting is named',
  async (wrong, only, expected, setting) => {
    const report = await examine({ ...RIGHT, ...wrong }, only);
    const found = report.results.filter(({ finding }) => finding);
    expect(found.map(({ finding }) => finding)).toEqual(expected);
    expect(found.at(-1)!.fix!.nginx).toMatch(setting);
  },
);

async function examine(directives: Record<string, string | null>, only?: Check[]): Promise<Report> {
  const { url, config } = await startMillrace();
  const facts = fastify();
  mountDoctor(facts, { configured: { keyring: createKeyring([]), streams: config.streams } });
  onTestFinished(() => facts.close());
  const address = await startNginx(directives, url, await facts.listen({ host: '127.0.0.1', port: 0 }));
  return diagnose(new URL(address), { idle: 1500, only });
}

async function startNginx(directives: Record<string, string | null>, target: string, facts: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-nginx-'));
  const port = await freePort();
  const lines = Object.entries(directives).flatMap(([name, value]) =>
    value === null ? [] : [value.endsWith('}') ? `${name} ${value}` : `${name} ${value};`],
  );
  const folders = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${folder}/${kind};`,
  );
  await writeFile(
    join(folder, 'nginx.conf'),
    `
daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/nginx.log error;
events {}
http {
  access_log off;
  ${folders.join('\n  ')}
  limit_conn_zone $binary_remote_addr zone=together:1m;
  server {
    listen 127.0.0.1:${port};
    location = /v1/doctor { proxy_pass ${facts}; ${lines.join(' ')} }
    location / {
      proxy_pass ${target};
      ${lines.join('\n      ')}
    }
  }
}
`,
  );
  const child = spawn(nginx!.program, ['-p', folder, '-c', join(folder, 'nginx.conf')], { stdio: 'ignore' });
  const exited = new Promise((resolve) => child.once('close', resolve));
  onTestFinished(async () => {
    child.kill();
    await exited;
    await rm(folder, { recursive: true, force: true });
  });
  const address = `http://127.0.0.1:${port}`;
  await eventually(() =>
    fetch(`${address}/healthz`).then(
      ({ ok }) => ok,
      () => false,
    ),
  );
  return address;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
