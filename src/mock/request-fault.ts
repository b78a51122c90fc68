// Finds the one fault of a request body that its schema complains about: the deepest place, and what stands there.
// Knows zod's issues and no wire: each API says it in words of its own.
import type { z } from 'zod';

export interface RequestFault {
  path: PropertyKey[];
  issue: z.core.$ZodIssue;
  /** What stands at the path; undefined where something is missing. */
  given: unknown;
}

export function findFault(issue: z.core.$ZodIssue, body: unknown): RequestFault {
  const [path, deepest] = descend(issue);
  const given = path.reduce<unknown>((at, step) => (at as Record<PropertyKey, unknown> | undefined)?.[step], body);
  return { path, issue: deepest, given };
}

/** A union's own issue says nothing; the branch that got furthest says what is wrong. */
function descend(issue: z.core.$ZodIssue): [path: PropertyKey[], issue: z.core.$ZodIssue] {
  const path = [...issue.path];
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) {
    // A discriminated union that knows no branch for the value.
    const discriminator = issue.code === 'invalid_union' ? issue.discriminator : undefined;
    return [discriminator === undefined || path.at(-1) === discriminator ? path : [...path, discriminator], issue];
  }
  let furthest: [PropertyKey[], z.core.$ZodIssue] | undefined;
  for (const branch of issue.errors) {
    const candidate = descend(branch[0]!);
    const [depth, best] = [candidate[0].length, furthest?.[0].length ?? -1];
    // Of two that got as far, the one whose type was right.
    if (depth > best || (depth === best && furthest![1].code === 'invalid_type')) furthest = candidate;
  }
  return [[...path, ...furthest![0]], furthest![1]];
}

export function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return typeof value;
}
