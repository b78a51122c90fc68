// A private Redis on a free port, without persistence unless asked, ended by its process id.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { freePort } from './port.ts';

export const hasRedis = spawnSync('redis-server', ['--version']).status === 0;

export interface TestRedis {
  url: string;
  /** With `signal` SIGKILL it loses what it had; SIGSTOP makes it answer nobody. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** On the same port, empty. */
  start(): Promise<void>;
}

export async function startRedis(): Promise<TestRedis> {
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), 'millrace-redis-'));
  let child: ChildProcess | undefined;
  async function start(): Promise<void> {
    const settings = [
      '--port',
      String(port),
      '--bind',
      '127.0.0.1',
      '--save',
      '',
      '--appendonly',
      'no',
      '--dir',
      folder,
    ];
    const started = spawn('redis-server', settings, { stdio: ['ignore', 'pipe', 'inherit'] });
    child = started;
    await new Promise<void>((resolve, reject) => {
      started.once('exit', (code) => reject(new Error(`redis-server ended with ${code}`)));
      started.stdout!.on('data', (chunk) => /Ready to accept connections/.test(String(chunk)) && resolve());
    });
  }
  async function kill(signal: NodeJS.Signals): Promise<void> {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    if (signal !== 'SIGSTOP' && signal !== 'SIGCONT') await exited;
  }
  await start();
  onTestFinished(async () => {
    await kill('SIGCONT');
    await kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  });
  return { url: `redis://127.0.0.1:${port}`, kill, start };
}
