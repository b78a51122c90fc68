// The folder of prompt templates: which there are, and rendering one by name. Picks up files that change, appear or go.
// Knows files and names; what is in a file is prompt-file.ts, what variables it takes is prompt-variables.ts.
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { GatewayError } from '../core/errors.ts';
import { didYouMean } from './nearest.ts';
import { type PromptFile, type RenderedPrompt, readPromptFile } from './prompt-file.ts';
import { type CheckVariables, listVariables, type PromptVariable, variableChecker } from './prompt-variables.ts';
import { watchConfig } from './watch.ts';

export type { PromptConfig, RenderedPrompt } from './prompt-file.ts';
export type { PromptVariable } from './prompt-variables.ts';

export interface PromptInfo {
  name: string;
  description?: string;
  model?: string;
  variables: PromptVariable[];
}

export interface PromptProblem {
  file: string;
  message: string;
}

export interface PromptRegistry {
  /** Throws `invalid_request` naming the template's mistakes: an unknown name, missing, wrong or unknown variables. */
  render(name: string, variables?: Record<string, unknown>): Promise<RenderedPrompt>;
  list(): PromptInfo[];
  /** Files that could not be read as they are now. Their last good version, if there was one, is still in use. */
  problems(): PromptProblem[];
  close(): void;
}

export interface PromptOptions {
  /** Pick up changes. Default true. */
  watch?: boolean;
  debounceMs?: number;
  pollMs?: number;
  /** Called once per problem as it appears, also while loading for the first time. */
  onProblem?(problem: PromptProblem): void;
  /** Called after a change was taken in. */
  onReload?(names: string[]): void;
}

interface Prompt {
  source: string;
  file: PromptFile;
  check: CheckVariables;
}

const EXTENSION = '.prompt';
const LONGEST = 1024 * 1024;

/** A folder that does not exist has no prompts, and is watched for. Never rejects: files that fail are problems. */
export async function loadPrompts(folder: string, options: PromptOptions = {}): Promise<PromptRegistry> {
  let prompts = new Map<string, Prompt>();
  let problems = new Map<string, string>();
  // Begins before the first reading, so that no change falls in between.
  const watcher = options.watch === false ? undefined : watchConfig(folder, () => void reload(), options);
  let loading: Promise<void> = Promise.resolve();

  function reload(): Promise<void> {
    loading = loading.then(load).then(() => options.onReload?.([...prompts.keys()]));
    return loading;
  }

  async function load(): Promise<void> {
    const next = new Map<string, Prompt>();
    const failed = new Map<string, string>();
    const files = await promptFiles(folder).catch((error: Error) => {
      failed.set(folder, error.message);
      for (const [name, prompt] of prompts) next.set(name, prompt);
      return [];
    });
    for (const path of files) {
      const name = basename(path, EXTENSION);
      const known = prompts.get(name);
      try {
        const source = await readSource(path);
        next.set(name, known?.source === source ? known : await prepare(name, source));
      } catch (error) {
        if (known) next.set(name, known);
        failed.set(path, (error as Error).message.replace(/\s+/g, ' '));
      }
    }
    const before = problems;
    prompts = next;
    problems = failed;
    for (const [file, message] of failed) {
      if (before.get(file) !== message) options.onProblem?.({ file, message });
    }
  }

  async function render(name: string, variables: Record<string, unknown> = {}): Promise<RenderedPrompt> {
    const prompt = prompts.get(name);
    if (prompt === undefined) throw unknownPrompt(name, [...prompts.keys()]);
    return prompt.file.render(prompt.check(variables));
  }

  await load();
  return {
    render,
    list: () =>
      [...prompts].map(([name, { file }]) => ({
        name,
        ...(file.description && { description: file.description }),
        ...(file.model && { model: file.model }),
        variables: listVariables(file.variables, file.defaults),
      })),
    problems: () => [...problems].map(([file, message]) => ({ file, message })),
    close: () => watcher?.close(),
  };
}

async function prepare(name: string, source: string): Promise<Prompt> {
  const file = await readPromptFile(name, source);
  return { source, file, check: variableChecker(name, file.variables, file.defaults) };
}

async function promptFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new Error(`the folder cannot be read (${error.code})`);
  });
  return names
    .filter((name) => name.endsWith(EXTENSION) && name !== EXTENSION)
    .sort()
    .map((name) => join(folder, name));
}

async function readSource(path: string): Promise<string> {
  const found = await stat(path);
  if (!found.isFile()) throw new Error('this is no regular file');
  if (found.size > LONGEST) throw new Error(`the file has ${found.size} bytes; a prompt has at most ${LONGEST}`);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path));
  } catch (error) {
    throw error instanceof TypeError ? new Error('the file is not UTF-8; save it in that encoding') : error;
  }
}

function unknownPrompt(name: string, known: string[]): GatewayError {
  const existing = known.length === 0 ? 'There are none.' : `There are ${known.join(', ')}.`;
  const message = `There is no prompt ${JSON.stringify(name.slice(0, 60))}. ${existing}${didYouMean(name, known)}`;
  return new GatewayError('invalid_request', message, { param: 'prompt.name' });
}
