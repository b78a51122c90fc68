// Who is measured: Millrace by two of its doors, nginx, a bare Node proxy, and no proxy at all. Each is a process of its own, and
// all stand before the same upstream. Millrace runs as its users run it: from a config file, with every feature on.
import { createHash } from 'node:crypto';
import { mkdtempSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Door } from './load.ts';
import { findNginx, startNginx } from './nginx.ts';
import type { Processes } from './processes.ts';

export interface Participant {
  /** As the tables call it. */
  name: string;
  role: 'millrace' | 'nginx' | 'bare' | 'direct';
  door: Door;
}

export interface MillraceSource {
  /** The checkout to run. */
  root: string;
  /** Stands behind the name in the tables; '' for this checkout. */
  label: string;
  /** Its `stores.live`: the address of a Redis; without it, memory. */
  live?: string;
  /** Where V8 profiles go, if anywhere. */
  profiles?: string;
}

export const OWN_ROOT = fileURLToPath(new URL('..', import.meta.url));

const NATIVE = { name: 'Millrace /v1/chat', path: '/v1/chat', terminal: 'event: done\n' };
const OPENAI = { name: 'Millrace /v1/chat/completions', path: '/v1/chat/completions', terminal: 'data: [DONE]\n' };

/** In the order in which each round asks them. */
export async function startParticipants(
  upstreamPort: number,
  sources: MillraceSource[],
  processes: Processes,
): Promise<Participant[]> {
  const participants: Participant[] = [];
  for (const source of sources) {
    for (const { name, path, terminal } of [NATIVE, OPENAI]) {
      const folder = mkdtempSync(join(processes.folder, 'millrace-'));
      const { port, pid } = await startMillrace(source, folder, upstreamPort, processes);
      const door = { port, path, model: 'up/bench', terminal, pid };
      participants.push({ name: source.label ? `${name} ${source.label}` : name, role: 'millrace', door });
    }
  }
  const { path, terminal } = OPENAI;
  const plain = (port: number, pid: number | null): Door => ({ port, path, model: 'bench', terminal, pid });
  const nginx = findNginx();
  if (nginx) {
    const { port, pid } = await startNginx(nginx, upstreamPort, processes);
    participants.push({ name: 'nginx proxy_pass', role: 'nginx', door: plain(port, pid) });
  }
  const bare = await processes.module('./bare.ts', String(upstreamPort));
  participants.push({ name: 'bare Node proxy', role: 'bare', door: plain(bare.port, bare.pid) });
  participants.push({ name: 'direct', role: 'direct', door: plain(upstreamPort, null) });
  return participants;
}

/** Ledger on disk, a key to check, a price to bill by, logging at `info` to a file, and every default. */
function config(folder: string, upstreamPort: number, live?: string): object {
  return {
    server: { port: 0 },
    log: { level: 'info' },
    providers: { up: { wire: 'openai', baseUrl: `http://127.0.0.1:${upstreamPort}/v1`, apiKey: 'bench' } },
    keys: [{ name: 'bench', hash: `sha256:${createHash('sha256').update('bench-key').digest('hex')}` }],
    prices: { 'up/bench': { input: 0.25, output: 2, cachedInput: 0.025 } },
    stores: { ledger: `sqlite:${join(folder, 'ledger.db')}`, ...(live && { live }) },
    prompts: join(folder, 'prompts'),
  };
}

async function startMillrace(source: MillraceSource, folder: string, upstreamPort: number, processes: Processes) {
  const file = join(folder, 'millrace.yaml');
  writeFileSync(file, JSON.stringify(config(folder, upstreamPort, source.live))); // JSON is YAML
  const profiling = source.profiles ? ['--cpu-prof', `--cpu-prof-dir=${source.profiles}`] : [];
  const child = processes.program(
    process.execPath,
    [...profiling, join(source.root, 'src/cli.ts'), 'serve', '--config', file],
    {
      cwd: folder,
      env: { PATH: process.env.PATH }, // no keys and no settings of whoever runs this
      stdio: ['ignore', openSync(join(folder, 'millrace.log'), 'a'), 'pipe'],
    },
  );
  return { port: await portFrom(child.stderr!), pid: child.pid };
}

/** Reads the greeting, and goes on reading: a full pipe would hold the process up. */
function portFrom(stderr: Readable): Promise<number> {
  return new Promise((resolve, reject) => {
    const said: string[] = [];
    const lines = createInterface({ input: stderr });
    lines.on('line', (line) => {
      said.push(line);
      const port = Number(/listens on http:\/\/127\.0\.0\.1:(\d+)/.exec(line)?.[1]);
      if (port > 0) resolve(port);
    });
    lines.once('close', () => reject(new Error(`Millrace did not start:\n${said.join('\n')}`)));
  });
}
