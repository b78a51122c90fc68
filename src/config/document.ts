// A YAML file as values with places: what each value is once variables are filled in, what was written, and where.
// Knows YAML and nothing of what the values mean. Problems show the text of the file, never what a variable held.
import {
  isAlias,
  isCollection,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from 'yaml';
import { type Environment, substitute } from './environment.ts';
import { formatPath, type Issue, type Path } from './issue.ts';

export interface ConfigProblem {
  file: string;
  /** From 1; 0 when the file as a whole is at fault. */
  line: number;
  column: number;
  /** `models.fast.targets[0]`; empty for the whole file. */
  path: string;
  /** What stands in the file, quoted and shortened, variables unresolved; null where nothing stands. */
  found: string | null;
  /** What is wrong and what would do. */
  message: string;
}

export interface ConfigDocument {
  value: unknown;
  /** Mistakes of YAML itself and of variables. */
  problems: ConfigProblem[];
  /** False when the YAML is so broken that its values mean nothing. */
  readable: boolean;
  locate(issue: Issue): ConfigProblem;
  /** The text at a path as the file has it; null where no text stands. */
  written(path: Path): string | null;
  /** A variable at this path is missing, which was reported: what else is wrong with the value follows from it. */
  unresolved(path: Path): boolean;
}

/** Values that must not be shown even as they were written: people paste keys here. */
const SECRET = /(^|\.)(apiKey|hash)$|\.(headers|query)[.[]/;

export function readDocument(text: string, file: string, env: Environment): ConfigDocument {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' });
  const problems: ConfigProblem[] = [];
  const unresolved = new Set<unknown>();
  let readable = true;

  function place(offset: number): { file: string; line: number; column: number } {
    const { line, col } = lines.linePos(offset);
    return { file, line, column: col };
  }

  function follow(node: unknown): unknown {
    return isAlias(node) ? node.resolve(document) : node;
  }

  function step(parent: unknown, name: PropertyKey): { key: unknown; value: unknown } | null {
    const node = follow(parent);
    if (isSeq(node)) {
      const item = node.items[Number(name)];
      return item === undefined ? null : { key: item, value: item };
    }
    if (!isMap(node)) return null;
    return node.items.find((pair) => keyText(pair.key) === String(name)) ?? null;
  }

  function find(path: Path): { key: unknown; value: unknown; complete: boolean } {
    let at: { key: unknown; value: unknown } = { key: document.contents, value: document.contents };
    for (const name of path) {
      const next = step(at.value, name);
      if (next === null) return { ...at, complete: false };
      at = next;
    }
    return { ...at, complete: true };
  }

  function locate(issue: Issue): ConfigProblem {
    const { key, value, complete } = find(issue.path);
    const path = formatPath(issue.path);
    const onKey = issue.atKey === true || !complete || isCollection(value) || value === null;
    const node = onKey ? key : value;
    const found = issue.atKey ? quote(String(issue.path.at(-1))) : complete ? show(value, path) : null;
    return { ...place(startOf(node)), path, found, message: issue.message };
  }

  for (const error of document.errors) {
    const at = place(error.pos[0]);
    if (error.code === 'DUPLICATE_KEY') {
      const key = /^(?:"[^"\n]*"|'[^'\n]*'|[^\s:,{}[\]]+)/.exec(text.slice(error.pos[0]))?.[0] ?? '';
      problems.push({
        ...at,
        path: '',
        found: quote(key),
        message: 'the same map has this key already; keep one of them',
      });
      continue;
    }
    readable = false;
    if (problems.some((problem) => problem.line === at.line)) continue; // one slip makes a parser stumble several times
    const hint = lineAt(text, error.pos[0]).includes('${') ? `. Text with \${…} in it must stand in quotes` : '';
    problems.push({ ...at, path: '', found: null, message: `this is no valid YAML: ${oneLine(error.message)}${hint}` });
  }

  visit(document, {
    Scalar(key, node, ancestors) {
      if (key === 'key' || typeof node.value !== 'string' || !node.value.includes('${')) return;
      const filled = substitute(node.value, env);
      node.value = filled.text;
      if (filled.mistakes.length === 0) return;
      unresolved.add(node);
      const path = formatPath(pathOf([...ancestors, node]));
      for (const message of filled.mistakes) {
        problems.push({ ...place(startOf(node)), path, found: show(node, path), message });
      }
    },
  });

  let value: unknown = null;
  try {
    value = document.toJS();
  } catch (error) {
    readable = false; // aliases that lead nowhere, or that multiply without end
    problems.push(fileProblem(file, `this is no valid YAML: ${oneLine((error as Error).message)}`));
  }

  return {
    value,
    problems,
    readable,
    locate,
    written(path) {
      const node = follow(find(path).value);
      return isScalar(node) && typeof node.value === 'string' ? (node.source ?? node.value) : null;
    },
    unresolved: (path) => unresolved.has(follow(find(path).value)),
  };
}

export function fileProblem(file: string, message: string): ConfigProblem {
  return { file, line: 0, column: 0, path: '', found: null, message };
}

/** One message per mistake, one line each unless the message itself has several. */
export function formatProblems(problems: readonly ConfigProblem[]): string {
  return problems
    .map(({ file, line, column, path, found, message }) => {
      const where = line === 0 ? file : `${file}:${line}:${column}`;
      const said = found === null ? message : `found ${found}; ${message}`;
      return `${where}  ${path === '' ? '' : `${path}: `}${said}`;
    })
    .join('\n');
}

function show(node: unknown, path: string): string | null {
  if (isAlias(node)) return `*${node.source}`;
  if (isMap(node)) return 'a map';
  if (isSeq(node)) return 'a list';
  if (!isScalar(node) || node.value === null) return null;
  const source = node.source ?? String(node.value);
  const secret = SECRET.test(path) || /:\/\/[^/\s]*@/.test(source); // also a password in an address
  if (secret && !source.includes('${')) return `${source.length} characters (not shown: it may be a secret)`;
  return typeof node.value === 'string' ? quote(source) : source;
}

/** As JSON: nothing in a config can then break a line of a terminal or a log. */
function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 59)}…` : text);
}

function pathOf(ancestors: readonly unknown[]): Path {
  return ancestors.flatMap((node, depth): PropertyKey[] => {
    if (isPair(node)) return [keyText(node.key)];
    const child = ancestors[depth + 1];
    return isSeq(node) && child !== undefined ? [node.items.indexOf(child)] : [];
  });
}

function keyText(key: unknown): string {
  return isScalar(key) ? String(key.value) : String(key);
}

function startOf(node: unknown): number {
  return (node as Node | null)?.range?.[0] ?? 0;
}

function lineAt(text: string, offset: number): string {
  return text.slice(text.lastIndexOf('\n', offset - 1) + 1).split('\n', 1)[0] ?? '';
}

function oneLine(message: string): string {
  return message.replace(/\s+/g, ' ');
}
