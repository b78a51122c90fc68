// The kinds of values a config is made of: durations, sizes, numbers, switches, web addresses. Each says in one sentence
// what it accepts. All take text too, because `${VAR}` is text whatever stands in it. Knows no section.
import { z } from 'zod';
import { parseDuration, parseSize } from './units.ts';

/** Timers overflow past this: Node then fires them at once. https://nodejs.org/api/timers.html#settimeoutcallback-delay-args */
const LONGEST = 2_147_483_647;

/** A reference that is filled in later must pass an editor's check of the written text. */
const REFERENCE = '\\$\\{';

/** A mapping of fixed fields. Its unknown-key message is the list of known keys: each unknown key gets its own sentence later. */
export function section<Shape extends z.core.$ZodShape>(shape: Shape) {
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? Object.keys(shape).join(', ') : undefined),
  });
}

/** Milliseconds. */
export function duration({ min = 1 } = {}) {
  const hint = `expected a duration such as "5s", "250ms", "10m" or a number of milliseconds`;
  const written = z.string().meta({ pattern: `^\\d+(\\.\\d+)? ?(ms|s|m|h|d)?$|${REFERENCE}` });
  return z.union([z.number(), written], { error: hint }).transform((value, context) => {
    const ms = parseDuration(value);
    if (ms !== null && ms >= min && ms <= LONGEST) return ms;
    const message = ms === null ? hint : ms < min ? `expected at least ${min}ms` : 'expected at most 24d';
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  });
}

/** Bytes. */
export function size() {
  const hint = `expected a size such as "10MiB", "64KiB", "1MB" or a number of bytes`;
  const written = z.string().meta({ pattern: `^\\d+(\\.\\d+)? ?([KMGkmg][Ii]?)?[Bb]$|^\\d+$|${REFERENCE}` });
  return z.union([z.number(), written], { error: hint }).transform((value, context) => {
    const bytes = parseSize(value);
    if (bytes !== null && bytes >= 1) return bytes;
    context.addIssue({ code: 'custom', message: bytes === 0 ? 'expected at least one byte' : hint });
    return z.NEVER;
  });
}

export function integer(min: number, max: number) {
  const hint = `expected a whole number from ${min} to ${max}`;
  const written = z.string().meta({ pattern: `^\\d+$|${REFERENCE}` });
  return z
    .union([z.int().min(min, { error: hint }).max(max, { error: hint }), written], { error: hint })
    .transform((value, context) => {
      const number = typeof value === 'number' ? value : /^\d+$/.test(value) ? Number(value) : Number.NaN;
      if (number >= min && number <= max) return number;
      context.addIssue({ code: 'custom', message: hint });
      return z.NEVER;
    });
}

export function flag() {
  const written = z.string().meta({ pattern: `^(true|false)$|${REFERENCE}` });
  return z.union([z.boolean(), written], { error: 'expected true or false' }).transform((value, context) => {
    if (typeof value === 'boolean') return value;
    if (value === 'true' || value === 'false') return value === 'true';
    context.addIssue({ code: 'custom', message: 'expected true or false' });
    return z.NEVER;
  });
}

export function text() {
  return z.string({ error: 'expected text; put numbers and the like in quotes' }).min(1, { error: 'is empty' });
}

/** Text of a given form. */
export function matching(form: RegExp, hint: string) {
  const written = z.string({ error: hint }).meta({ pattern: `${form.source}|${REFERENCE}` });
  return written.refine((value) => form.test(value), { error: hint });
}

/** USD per million tokens. */
export function dollars() {
  const hint = 'expected a number: USD per million tokens';
  const written = z.string().meta({ pattern: `^\\d+(\\.\\d+)?$|${REFERENCE}` });
  return z.union([z.number().min(0, { error: hint }), written], { error: hint }).transform((value, context) => {
    const amount = typeof value === 'number' ? value : /^\d+(\.\d+)?$/.test(value) ? Number(value) : Number.NaN;
    if (Number.isFinite(amount)) return amount;
    context.addIssue({ code: 'custom', message: hint });
    return z.NEVER;
  });
}

/** An http(s) address without a trailing slash, as paths are appended to it. */
export function webAddress() {
  const hint = 'expected an address such as https://api.example.com/v1';
  return z.string({ error: hint }).transform((written, context) => {
    const url = URL.parse(written);
    const message =
      url === null || !/^https?:$/.test(url.protocol) || url.hash !== ''
        ? hint
        : url.username !== '' || url.password !== ''
          ? 'expected no user name or password in the address; use apiKey or headers'
          : url.search !== ''
            ? 'expected no "?" in the address; use query'
            : /\/chat\/completions\/?$/.test(url.pathname)
              ? 'expected the address without /chat/completions, as SDKs take it'
              : null;
    if (message === null) return written.replace(/\/+$/, '');
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  });
}

/** Header names and values as HTTP allows them: a line break here would become someone else's header. */
export function headers() {
  return z
    .record(
      z.string().regex(/^[!#$%&'*+.^_`|~\w-]+$/, { error: 'this is no header name' }),
      text().regex(/^[\t\x20-\x7e\x80-\xff]*$/, { error: 'expected one line of plain characters' }),
      { error: 'expected a map of header names to text' },
    )
    .prefault({});
}
