// Finds the config, reads it, checks all of it, and says everything that is wrong at once. Starts nothing.
// The rules are elsewhere: fields in schema.ts, vendors in vendors.ts, what spans sections in checks.ts.
import { open } from 'node:fs/promises';
import { relative, resolve } from 'node:path';
import { crossCheck, unusedPrices } from './checks.ts';
import { type ConfigProblem, fileProblem, formatProblems, readDocument } from './document.ts';
import { type Environment, readEnvironment } from './environment.ts';
import { type Issue, isRecord } from './issue.ts';
import { type Config, configSchema } from './schema.ts';
import { schemaIssues } from './schema-issues.ts';
import { fillProviders, usualProviders } from './vendors.ts';

export type { Config };
export { type ConfigProblem, formatProblems };

export interface LoadOptions {
  path?: string;
  /** What would stand in a file, for a program that brings its config along; no file is looked for. */
  given?: Record<string, unknown>;
  env?: Environment;
  cwd?: string;
}

/** `source` is the absolute path of the file, or null when Millrace runs without one. `env` has `.env` in it. */
export type LoadResult =
  | { ok: true; config: Config; source: string | null; warnings: string[]; env: Environment }
  | { ok: false; problems: ConfigProblem[]; source: string | null };

/** A config is written by hand; what is longer than this is another file. */
const LONGEST = 1024 * 1024;

/** Never rejects: whatever is wrong with the file is a problem in the result. */
export async function loadConfig(options: LoadOptions = {}): Promise<LoadResult> {
  const cwd = options.cwd ?? process.cwd();
  const { env, warnings } = await readEnvironment(cwd, options.env ?? process.env);
  if (options.given) {
    // JSON is YAML: messages then have a line here as well.
    const text = JSON.stringify(options.given, null, 2);
    return withWarnings(checkText(text, { file: 'config', source: null, env }), warnings);
  }
  const asked = options.path ?? (env.MILLRACE_CONFIG || undefined);
  const source = resolve(cwd, asked ?? 'millrace.yaml');
  const file = asked ?? (relative(cwd, source) || source);
  const read = await readText(source, file);
  if (read.kind === 'text') return withWarnings(checkText(read.text, { file, source, env }), warnings);
  if (read.kind === 'absent' && asked === undefined) return withWarnings(withoutFile(env), warnings);
  return { ok: false, source, problems: [read.problem] };
}

/** The check alone, for text that is at hand. */
export function checkText(text: string, from: { file: string; source: string | null; env: Environment }): LoadResult {
  const { file, source, env } = from;
  const document = readDocument(text, file, env);
  if (!document.readable) return { ok: false, source, problems: document.problems };
  if (document.value === null) {
    const message = 'the file is empty; delete it to run without one, or start from millrace.example.yaml';
    return { ok: false, source, problems: [fileProblem(file, message)] };
  }
  const { value, issues: vendorIssues, warnings } = complete(document.value, env);
  const parsed = configSchema.safeParse(value);
  const issues = firstPerPath([
    ...vendorIssues,
    ...(parsed.success ? [] : schemaIssues(parsed.error, value)),
    ...(isRecord(value) ? crossCheck(value, document.written) : []),
  ]).filter((issue) => issue.atKey === true || !document.unresolved(issue.path));
  const problems = [...document.problems, ...issues.map(document.locate)];
  if (!parsed.success || problems.length > 0) {
    problems.sort((a, b) => a.line - b.line || a.column - b.column);
    return { ok: false, source, problems };
  }
  const unused = unusedPrices(parsed.data).map(document.locate);
  const notes = unused.length === 0 ? [] : formatProblems(unused).split('\n');
  return { ok: true, config: parsed.data, source, env, warnings: [...warnings, ...notes] };
}

function withoutFile(env: Environment): LoadResult {
  const { providers, warnings } = usualProviders(env);
  return { ok: true, config: configSchema.parse({ providers }), source: null, env, warnings };
}

/** Lays what is usual under what was written: sections with nothing in them, and vendors. */
function complete(written: unknown, env: Environment): { value: unknown; issues: Issue[]; warnings: string[] } {
  if (!isRecord(written)) return { value: written, issues: [], warnings: [] };
  // A section whose every line is commented out is null in YAML; its writer means the defaults.
  const value = Object.fromEntries(Object.entries(written).filter(([, section]) => section !== null));
  if (value.providers === undefined) {
    const usual = usualProviders(env);
    return { value: { ...value, providers: usual.providers }, issues: [], warnings: usual.warnings };
  }
  if (!isRecord(value.providers)) return { value, issues: [], warnings: [] };
  const { providers, issues } = fillProviders(value.providers, env);
  return { value: { ...value, providers }, issues, warnings: [] };
}

/** One message per mistake: of several checks that stumble over the same value, the first knows best. */
function firstPerPath(issues: readonly Issue[]): Issue[] {
  const seen = new Set<string>();
  return issues.filter((issue) => {
    const id = JSON.stringify(issue.path);
    if (seen.has(id)) return false;
    seen.add(id);
    return true;
  });
}

function withWarnings(result: LoadResult, warnings: string[]): LoadResult {
  return result.ok ? { ...result, warnings: [...warnings, ...result.warnings] } : result;
}

type Read = { kind: 'text'; text: string } | { kind: 'absent' | 'unreadable'; problem: ConfigProblem };

async function readText(path: string, file: string): Promise<Read> {
  const refuse = (message: string): Read => ({ kind: 'unreadable', problem: fileProblem(file, message) });
  try {
    await using handle = await open(path);
    const stat = await handle.stat();
    if (stat.isDirectory()) return refuse('this is a folder; name the file in it, such as millrace.yaml');
    if (!stat.isFile()) return refuse('this is no regular file');
    if (stat.size > LONGEST) return refuse(`the file has ${stat.size} bytes; a config has at most ${LONGEST}`);
    const text = new TextDecoder('utf-8', { fatal: true }).decode(await handle.readFile());
    return text.includes('\0') ? refuse('this is no text file') : { kind: 'text', text };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      return { kind: 'absent', problem: fileProblem(file, 'there is no such file; see --config and MILLRACE_CONFIG') };
    }
    if (code === 'ERR_ENCODING_INVALID_ENCODED_DATA') return refuse('the file is not UTF-8; save it in that encoding');
    return refuse(`the file cannot be read (${code ?? 'unknown error'})`);
  }
}
