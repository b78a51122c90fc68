// Says when a file, or any file of a folder, has other content than before. Knows nothing of what is in them.
// Watches the folder, since editors and container platforms replace files rather than write to them; asks again on a slow
// clock, since network drives, bind mounts and link targets send no events.
import { createHash } from 'node:crypto';
import { type FSWatcher, readdirSync, readFileSync, statSync, watch } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';

export interface Watch {
  close(): void;
}

export interface WatchOptions {
  /** Silence after the last event before the content is compared: an editor saves in several steps. */
  debounceMs?: number;
  /** How often to look without any event. */
  pollMs?: number;
}

/** `onChange` is called after each change of content, also when the path appears or goes away. It must not throw. */
export function watchConfig(path: string, onChange: () => void, options: WatchOptions = {}): Watch {
  const { debounceMs = 100, pollMs = 5000 } = options;
  let known = fingerprintNow(path);
  let watcher: FSWatcher | undefined;
  let watched = '';
  let pending: NodeJS.Timeout | undefined;
  let comparing = false;
  let closed = false;

  /** A folder that was replaced is another one, though its name is the same: the old watch would stay silent for ever. */
  function arm(): void {
    const folder = isFolder(path) ? path : dirname(path);
    const identity = `${statSync(folder, { throwIfNoEntry: false })?.ino} ${folder}`;
    if (closed || (watcher !== undefined && watched === identity)) return;
    disarm();
    try {
      watcher = watch(folder, { persistent: false }, nudge);
      watcher.on('error', disarm);
      watched = identity;
    } catch {
      // The folder is not there (yet), or the system has no watches left: the clock goes on.
    }
  }

  function disarm(): void {
    watcher?.close();
    watcher = undefined;
  }

  function nudge(): void {
    if (closed) return;
    clearTimeout(pending);
    pending = setTimeout(compare, debounceMs).unref();
  }

  async function compare(): Promise<void> {
    if (comparing) return nudge();
    comparing = true;
    arm(); // before reading, so that nothing changes unseen in between
    const now = await fingerprint(path);
    comparing = false;
    if (closed || now === known) return;
    known = now;
    onChange();
  }

  const clock = setInterval(compare, pollMs).unref();
  arm();

  return {
    close() {
      closed = true;
      clearInterval(clock);
      clearTimeout(pending);
      disarm();
    },
  };
}

/** What is not there has the same content as an empty folder: none. */
const NOTHING = digest([]);

async function fingerprint(path: string): Promise<string> {
  try {
    if (!(await stat(path)).isDirectory()) return digest([[path, await readRegular(path)]]);
    const names = (await readdir(path)).sort();
    return digest(await Promise.all(names.map(async (name) => [name, await readRegular(join(path, name))] as const)));
  } catch {
    return NOTHING;
  }
}

/** The same without waiting, for the start: nothing that changes after `watchConfig` returns may count as known. */
function fingerprintNow(path: string): string {
  try {
    if (!isFolder(path)) return digest([[path, readRegularNow(path)]]);
    const names = readdirSync(path).sort();
    return digest(names.map((name) => [name, readRegularNow(join(path, name))] as const));
  } catch {
    return NOTHING;
  }
}

/** Null for what is no file, which might block for ever, and for what went away since it was listed. */
async function readRegular(path: string): Promise<Buffer | null> {
  const found = await stat(path).catch(() => null);
  return found?.isFile() ? readFile(path).catch(() => null) : null;
}

function readRegularNow(path: string): Buffer | null {
  try {
    return statSync(path).isFile() ? readFileSync(path) : null;
  } catch {
    return null;
  }
}

function digest(files: ReadonlyArray<readonly [string, Buffer | null]>): string {
  const hash = createHash('sha256');
  for (const [name, content] of files) {
    if (content === null) continue;
    hash.update(`${name}\0${content.length}\0`).update(content);
  }
  return hash.digest('hex');
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
