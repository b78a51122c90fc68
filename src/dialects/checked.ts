// A request body against its schema: the value, or one `invalid_request` that names the first field at fault. Knows zod; no door.
import type { z } from 'zod';
import { GatewayError } from '../core/errors.ts';

export function checked<T extends z.ZodType>(schema: T, body: unknown): z.output<T> {
  if (deeperThan(body, MAX_DEPTH)) {
    throw new GatewayError('invalid_request', `The body is nested more than ${MAX_DEPTH} levels deep.`);
  }
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const { path, message: told } = deepest(result.error.issues);
  const message = told.slice(0, 300); // it may list the client's own keys
  const param = pathText(path);
  throw new GatewayError('invalid_request', param === '' ? message : `${param}: ${message}`, {
    param: param || undefined,
  });
}

/** Far below what overflows the stack where the body is written out again, far above any JSON schema. */
const MAX_DEPTH = 500;

function deeperThan(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (depth === 0) return true;
  for (const child of Array.isArray(value) ? value : Object.values(value)) {
    if (typeof child === 'object' && deeperThan(child, depth - 1)) return true;
  }
  return false;
}

interface Issue {
  path: PropertyKey[];
  message: string;
  errors?: Issue[][];
}

/** Of a union only the alternative that came furthest says anything useful. */
function deepest(issues: readonly z.core.$ZodIssue[]): Issue {
  let issue = issues[0] as unknown as Issue;
  let path = issue.path;
  while (issue.errors?.length) {
    const best = issue.errors.map((branch) => branch[0]!).reduce((a, b) => (b.path.length > a.path.length ? b : a));
    if (best.path.length === 0) return { path, message: alternatives(issue.errors) };
    issue = best;
    path = [...path, ...best.path];
  }
  return { path, message: issue.message };
}

/** None of them came further than another: what each would have taken. */
function alternatives(branches: Issue[][]): string {
  const wanted = branches.map(([issue]) => /expected (.*?)(?:, received .*)?$/.exec(issue!.message)?.[1] ?? 'a value');
  return `Invalid input: expected ${wanted.join(' or ')}`;
}

/** `messages[0].content`; what is not a plain name is quoted, so that a hostile key cannot pass for another. */
function pathText(path: PropertyKey[]): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (/^[A-Za-z_][\w-]{0,63}$/.test(String(step))) text += text === '' ? String(step) : `.${String(step)}`;
    else text += `[${JSON.stringify(String(step).slice(0, 64))}]`;
  }
  return text;
}
