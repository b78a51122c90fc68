// Finds a recorded response body by its name, in the folders the mock was given and nowhere else.
// Knows no wire: what kind of body it is, is seen from its first bytes.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Recording {
  body: Buffer;
  contentType: string;
  /** Length-prefixed frames rather than text. */
  binary: boolean;
}

export function findRecording(folders: string[], name: string): Recording | null {
  if (!/^[A-Za-z0-9._-]+$/.test(name) || name.includes('..')) return null;
  for (const folder of folders) {
    for (const path of [`${name}.bin`, `${name}.sse`, join('bodies', `${name}.bin`)]) {
      const body = readIfThere(join(folder, path));
      if (body) return { body, ...kindOf(body) };
    }
  }
  return null;
}

function readIfThere(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EISDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw error;
  }
}

function kindOf(body: Buffer): Omit<Recording, 'body'> {
  // A binary frame starts with its length, whose first byte is zero for any frame below 16 MiB.
  if (body[0] === 0) return { contentType: 'application/vnd.amazon.eventstream', binary: true };
  const json = /^\s*[{[]/.test(body.toString('latin1', 0, 64));
  return { contentType: json ? 'application/json' : 'text/event-stream; charset=utf-8', binary: false };
}
