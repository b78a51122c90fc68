// The child processes of a run and its temporary folder: started, waited for, and gone when the run is over, however it ends.
// Knows pids and signals; not what the processes do.
import { type ChildProcess, fork, type SpawnOptions, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pause } from './clock.ts';

export interface Processes {
  /** A folder that is removed at the end. */
  folder: string;
  /** Starts a module of this folder and waits until it says its port over IPC. */
  module(name: string, ...args: string[]): Promise<{ child: ChildProcess; pid: number; port: number }>;
  program(command: string, args: string[], options: SpawnOptions): ChildProcess & { pid: number };
  /** Ends all in order and removes the folder. */
  close(): Promise<void>;
}

/** How long a process may take to end by itself, in milliseconds. */
const PATIENCE = 3000;

export function createProcesses(): Processes {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  const children = new Set<ChildProcess>();

  function keep(child: ChildProcess): void {
    children.add(child);
    child.once('exit', () => children.delete(child));
  }

  function removeAtOnce(): void {
    for (const child of children) child.kill('SIGTERM');
    rmSync(folder, { recursive: true, force: true });
  }
  process.once('exit', removeAtOnce);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => void closeAndExit());

  async function closeAndExit(): Promise<void> {
    await close();
    process.exit(130);
  }

  async function close(): Promise<void> {
    const left = [...children];
    for (const child of left) child.kill('SIGTERM');
    const ended = Promise.all(left.map((child) => new Promise((resolve) => child.once('exit', resolve))));
    await Promise.race([ended, pause(PATIENCE)]);
    for (const child of children) child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }

  return {
    folder,
    async module(name, ...args) {
      const child = fork(fileURLToPath(new URL(name, import.meta.url)), args, { execArgv: [] });
      keep(child);
      const port = await new Promise<number>((resolve, reject) => {
        child.once('message', (message: { port: number }) => resolve(message.port));
        child.once('exit', (code) => reject(new Error(`${name} ended with code ${code}.`)));
      });
      return { child, pid: child.pid!, port };
    },
    program(command, args, options) {
      const child = spawn(command, args, options);
      keep(child);
      child.once('error', () => children.delete(child));
      return child as ChildProcess & { pid: number };
    },
    close,
  };
}

/** Resolves when something accepts connections there. */
export async function listening(port: number): Promise<void> {
  for (const until = performance.now() + 10_000; performance.now() < until; await pause(20)) {
    const accepted = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true));
      socket.once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
    if (accepted) return;
  }
  throw new Error(`Nothing came to listen on port ${port}.`);
}
