// What refusals of every wire have in common: how long to wait, the words for a prompt that is too long, what a bare status means.
// Knows HTTP's headers and status codes; no vendor's error body.
import type { ErrorCode } from '../core/errors.ts';

/** Seconds, from `retry-after-ms`, or `retry-after` in seconds or as a date. Undefined when absent or unreadable. */
export function retryAfterSeconds(headers: Record<string, string>): number | undefined {
  const ms = Number(headers['retry-after-ms']);
  if (headers['retry-after-ms'] && ms >= 0) return Math.ceil(ms / 1000);
  const value = headers['retry-after'];
  if (!value) return undefined;
  const seconds = Number(value);
  if (!Number.isNaN(seconds)) return seconds >= 0 ? Math.ceil(seconds) : undefined;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, Math.ceil((date - Date.now()) / 1000));
}

/** Vendors without a code for it say it in words; these are the words of a dozen of them. */
const TOO_LONG =
  /context (length|window|size)|maximum (context|prompt length)|(too many|maximum number of) (input )?tokens|input token count.*exceeds|(prompt|input) is too long/i;

export function isTooLong(message: string): boolean {
  return TOO_LONG.test(message);
}

/** What a status alone says, where the body says nothing more. */
export function codeOfStatus(status: number): ErrorCode {
  if (status === 401 || status === 402 || status === 403) return 'upstream_auth';
  if (status === 404) return 'model_not_found';
  if (status === 413) return 'request_too_large';
  if (status === 429) return 'upstream_rate_limited';
  if (status === 408 || status === 504) return 'upstream_timeout';
  if (status >= 500) return 'upstream_unavailable';
  if (status >= 400) return 'invalid_request';
  return 'upstream_protocol'; // a redirect or another answer that these APIs never give
}
