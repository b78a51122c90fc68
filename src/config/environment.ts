// Environment variables in config text: `.env` beside the process, `${VAR}` and `${VAR:-default}` in a string.
// Works on one string after YAML was parsed, so that no value can change the file's structure. Knows no YAML.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseEnv } from 'node:util';

export type Environment = Record<string, string | undefined>;

export interface Substitution {
  text: string;
  /** One sentence per mistake. They name variables, never values. */
  mistakes: string[];
}

const REFERENCE = /\$\$\{|\$\{([^}]*)\}|\$\{/g;
const INSIDE = /^([A-Za-z_][A-Za-z0-9_]*)(?::-([\s\S]*))?$/;

/** Fills in references; `$${` stands for a literal `${`. As in a shell, `:-` also covers a variable that is set but empty. */
export function substitute(written: string, env: Environment): Substitution {
  const mistakes: string[] = [];
  const text = written.replace(REFERENCE, (whole: string, inside?: string) => {
    if (whole === '$${') return '${';
    const match = inside === undefined ? null : INSIDE.exec(inside);
    if (!match) {
      mistakes.push(
        `"\${" begins a reference such as \${NAME} or \${NAME:-default}; write "$\${" for the characters themselves`,
      );
      return whole;
    }
    const [, name = '', fallback] = match;
    const value = env[name];
    if (fallback !== undefined) return value === undefined || value === '' ? fallback : value;
    if (value === undefined) {
      mistakes.push(`${name} is not set; set it in the environment or .env, or write \${${name}:-default}`);
      return whole;
    }
    return value;
  });
  return { text, mistakes };
}

/** The real environment wins over `.env`: what an operator sets for one run must not be undone by a file. */
export async function readEnvironment(
  cwd: string,
  env: Environment,
): Promise<{ env: Environment; warnings: string[] }> {
  try {
    const file = parseEnv(await readFile(join(cwd, '.env'), 'utf8'));
    return { env: { ...file, ...env }, warnings: [] };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    return { env, warnings: code === 'ENOENT' ? [] : [`.env was not read (${code ?? 'unknown error'})`] };
  }
}
