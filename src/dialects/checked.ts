// A request body against its schema: the value, or one `invalid_request` that names the first field at fault. Knows zod; no door.
import type { z } from 'zod';
import { GatewayError } from '../core/errors.ts';

export function checked<T extends z.ZodType>(schema: T, body: unknown): z.output<T> {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const { path, message } = deepest(result.error.issues);
  const param = pathText(path);
  throw new GatewayError('invalid_request', param === '' ? message : `${param}: ${message}`, {
    param: param || undefined,
  });
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
    if (best.path.length === 0) break;
    issue = best;
    path = [...path, ...best.path];
  }
  return { path, message: issue.message };
}

/** `messages[0].content`; what is not a plain name is quoted, so that a hostile key cannot pass for another. */
function pathText(path: PropertyKey[]): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (/^[A-Za-z_][\w-]*$/.test(String(step))) text += text === '' ? String(step) : `.${String(step)}`;
    else text += `[${JSON.stringify(String(step).slice(0, 64))}]`;
  }
  return text;
}
