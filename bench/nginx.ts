// nginx as a streaming proxy at its best: one worker, no buffering, no log, connections to the upstream kept. The yardstick that
// everybody has at hand. Knows nginx's configuration language. https://nginx.org/en/docs/http/ngx_http_proxy_module.html
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openFileLimit } from './clock.ts';
import { listening, type Processes } from './processes.ts';

export interface Nginx {
  program: string;
  version: string;
}

/** Null where it is not installed. Looked for on the PATH and where distributions put it. */
export function findNginx(): Nginx | null {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin', '/opt/homebrew/bin'];
  const program = folders.map((folder) => join(folder, 'nginx')).find((path) => existsSync(path));
  if (!program) return null;
  const { stderr } = spawnSync(program, ['-v'], { encoding: 'utf8' });
  return { program, version: /nginx\/(\S+)/.exec(stderr)?.[1] ?? 'of unknown version' };
}

/** Resolves with the pid of the one worker. */
export async function startNginx({ program }: Nginx, upstreamPort: number, processes: Processes) {
  const port = await freePort();
  const folder = mkdtempSync(join(processes.folder, 'nginx-'));
  const file = join(folder, 'nginx.conf');
  writeFileSync(file, configuration(folder, port, upstreamPort));
  const { pid: master } = processes.program(program, ['-p', folder, '-c', file], { stdio: 'ignore' });
  await listening(port);
  let worker: string | undefined;
  for (let tries = 0; !worker && tries < 200; tries++) {
    // The port is the master's; the worker is forked after it listens.
    [worker] = readFileSync(`/proc/${master}/task/${master}/children`, 'latin1').trim().split(' ');
    if (!worker) await sleep(25);
  }
  if (!worker) throw new Error(`nginx has no worker: ${readFileSync(join(folder, 'nginx.log'), 'utf8')}`);
  return { port, pid: Number(worker) };
}

function configuration(folder: string, port: number, upstreamPort: number): string {
  const files = Math.min(openFileLimit(), 65_536);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${folder}/${kind};`,
  );
  return `
daemon off;
worker_processes 1;
worker_rlimit_nofile ${files};
pid ${folder}/nginx.pid;
error_log ${folder}/nginx.log error;
events { worker_connections ${files}; }
http {
  access_log off;
  ${temporary.join('\n  ')}
  upstream tokens { server 127.0.0.1:${upstreamPort}; keepalive 256; keepalive_requests 1000000; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    keepalive_requests 1000000;
    location / {
      proxy_pass http://tokens;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 600s;
    }
  }
}
`;
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
