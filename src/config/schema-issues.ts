// Turns what zod complains about into one sentence per mistake. Knows zod's issue kinds and no config section.
import type { z } from 'zod';
import { type Issue, isRecord, type Path } from './issue.ts';
import { didYouMean } from './nearest.ts';

type ZodIssue = z.core.$ZodIssue;

/** `value` is what was checked; it is read for suggestions only and never put into a message. */
export function schemaIssues(error: z.ZodError, value: unknown): Issue[] {
  return error.issues.flatMap((issue) => explain(issue, [], value));
}

function explain(issue: ZodIssue, parent: Path, value: unknown): Issue[] {
  const path = [...parent, ...issue.path];
  const found = at(value, path);
  switch (issue.code) {
    case 'unrecognized_keys': {
      const known = issue.message.split(', '); // see `section` in fields.ts
      return issue.keys.map((key) => {
        const guess = didYouMean(key, known);
        const message = `there is no such key here.${guess === '' ? ` Known are ${known.join(', ')}.` : guess}`;
        return { path: [...path, key], message, atKey: true };
      });
    }
    case 'invalid_key':
      return [{ path, message: issue.issues[0]?.message ?? issue.message, atKey: true }];
    case 'invalid_union': {
      if ('discriminator' in issue && 'options' in issue) return [{ path, message: oneOf(issue.options ?? [], found) }];
      const meant = issue.errors.filter(
        (branch) => !branch.some((inner) => inner.path.length === 0 && isTypeMismatch(inner)),
      );
      if (meant.length === 1) return meant[0]!.flatMap((inner) => explain(inner, path, value));
      return [{ path, message: found === undefined ? `is missing: ${issue.message}` : issue.message }];
    }
    case 'invalid_value':
      return [{ path, message: oneOf(issue.values, found) }];
    case 'invalid_type':
      return [{ path, message: typeMessage(issue, found) }];
    default:
      return [{ path, message: issue.message }];
  }
}

function isTypeMismatch(issue: ZodIssue): boolean {
  return issue.code === 'invalid_type';
}

function typeMessage(issue: ZodIssue & { code: 'invalid_type' }, found: unknown): string {
  const own = issue.message.startsWith('Invalid input') ? null : issue.message;
  const expected = own ?? `expected ${TYPES[issue.expected] ?? issue.expected}`;
  return found === undefined ? `is missing: ${expected}` : expected;
}

const TYPES: Record<string, string> = { object: 'a map of settings', array: 'a list', string: 'text' };

function oneOf(allowed: readonly unknown[], found: unknown): string {
  const words = allowed.map(String);
  const expected = `expected ${words.map((word) => `"${word}"`).join(' or ')}`;
  if (found === undefined) return `is missing: ${expected}`;
  return typeof found === 'string' && words.length > 1
    ? `${expected}.${didYouMean(found, words)}`.replace(/\.$/, '')
    : expected;
}

function at(value: unknown, path: Path): unknown {
  return path.reduce<unknown>((inner, step) => {
    if (Array.isArray(inner)) return inner[Number(step)];
    return isRecord(inner) && Object.hasOwn(inner, step) ? inner[String(step)] : undefined;
  }, value);
}
