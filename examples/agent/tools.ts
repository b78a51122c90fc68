// What the agent can do: look into one folder, and nothing outside it. Knows no model and no SDK call.
import { readdir, readFile, realpath } from 'node:fs/promises';
import { relative, resolve, sep } from 'node:path';
import type Anthropic from '@anthropic-ai/sdk';

/** A tool's failure is thrown: the model is told of it and may try something else. */
export interface Tool {
  definition: Anthropic.Tool;
  /** `input` is what the model made up; it need not fit the schema. */
  run(input: unknown, signal: AbortSignal): Promise<string>;
}

const MAX_FILES = 500;
const MAX_CHARACTERS = 50_000;

export function folderTools(folder: string): Tool[] {
  const root = resolve(folder);

  async function inside(path: string): Promise<string> {
    const home = await realpath(root);
    const real = await realpath(resolve(home, path)).catch(() => undefined); // links may point anywhere
    // What is outside and what is not there look alike: the model is not to find out what else this machine has.
    if (!real?.startsWith(home + sep)) throw new Error(`There is no file ${path} in the folder.`);
    return real;
  }

  return [
    {
      definition: {
        name: 'list_files',
        description: 'Lists the files of the folder and of the folders in it.',
        input_schema: { type: 'object', properties: {}, additionalProperties: false },
      },
      async run() {
        const entries = await readdir(root, { recursive: true, withFileTypes: true });
        const files = entries
          .filter((entry) => entry.isFile())
          .map((entry) => relative(root, resolve(entry.parentPath, entry.name)));
        const kept = files.filter((file) => !/(^|[\\/])(node_modules|\.git)[\\/]/.test(file)).sort();
        const more = kept.length > MAX_FILES ? `\n… and ${kept.length - MAX_FILES} more` : '';
        return kept.slice(0, MAX_FILES).join('\n') + more || 'The folder is empty.';
      },
    },
    {
      definition: {
        name: 'read_file',
        description: 'Reads a text file of the folder.',
        input_schema: {
          type: 'object',
          properties: { path: { type: 'string', description: 'As list_files gives it' } },
          required: ['path'],
          additionalProperties: false,
        },
      },
      async run(input, signal) {
        const { path } = (input ?? {}) as { path?: unknown };
        if (typeof path !== 'string') throw new Error('path must be a string');
        const text = await readFile(await inside(path), { encoding: 'utf8', signal });
        return text.length > MAX_CHARACTERS ? `${text.slice(0, MAX_CHARACTERS)}\n… (cut here)` : text;
      },
    },
  ];
}
