// Runs an example as its README says, as a process of its own: `node FILE` in its folder.
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { eventually } from '../support/millrace.ts';

export interface Script {
  child: ChildProcess;
  /** What it has printed so far. */
  stdout(): string;
  stderr(): string;
  exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** The first group of `pattern` in what it prints. */
  printed(pattern: RegExp): Promise<string>;
}

interface Options {
  args?: string[];
  env?: Record<string, string>;
  cwd?: string;
}

/** `file`: below examples/. Killed when the test ends. */
export function runScript(file: string, { args = [], env = {}, cwd }: Options = {}): Script {
  const path = fileURLToPath(new URL(`../../examples/${file}`, import.meta.url));
  const child = spawn(process.execPath, [path, ...args], {
    cwd: cwd ?? fileURLToPath(new URL('.', `file://${path}`)),
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (piece) => {
    stdout += piece;
  });
  child.stderr.setEncoding('utf8').on('data', (piece) => {
    stderr += piece;
  });
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) =>
    child.on('close', (code, signal) => resolve({ code, signal })),
  );
  return {
    child,
    stdout: () => stdout,
    stderr: () => stderr,
    exited,
    async printed(pattern) {
      const gone = exited.then(() => {
        throw new Error(`${file} ended without ${pattern}: ${stdout}${stderr}`);
      });
      const found = eventually(() => pattern.exec(stdout), Boolean, 20_000);
      return (await Promise.race([found, gone]))![1] ?? '';
    },
  };
}
