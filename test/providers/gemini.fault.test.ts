// What this vendor says when it fails → the one table. Bodies are shaped as the API documents or is known to send them.
import { expect, test } from 'vitest';
import type { ErrorCode } from '../../src/core/errors.ts';
import { statusFault, streamFault } from '../../src/providers/gemini/fault.ts';

const error = (code: number, status: string, message: string, details?: object[]) =>
  JSON.stringify({ error: { code, message, status, ...(details && { details }) } });
const info = (reason: string) => ({
  '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
  reason,
  domain: 'googleapis.com',
});
const retry = (retryDelay: string) => ({ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay });

const refusals: [about: string, status: number, body: string, code: ErrorCode, said: string][] = [
  [
    'a wrong key, which is an invalid argument here',
    400,
    error(400, 'INVALID_ARGUMENT', 'API key not valid. Please pass a valid API key.', [info('API_KEY_INVALID')]),
    'upstream_auth',
    'refused the configured key',
  ],
  [
    'an expired key, without details',
    400,
    error(400, 'INVALID_ARGUMENT', 'API key expired. Please renew the API key.'),
    'upstream_auth',
    'refused the configured key',
  ],
  [
    'no key',
    403,
    error(403, 'PERMISSION_DENIED', "Method doesn't allow unregistered callers"),
    'upstream_auth',
    'refused',
  ],
  [
    'a token that is none',
    401,
    error(401, 'UNAUTHENTICATED', 'Request had invalid authentication credentials.'),
    'upstream_auth',
    'refused',
  ],
  [
    'a service that is switched off',
    403,
    error(
      403,
      'PERMISSION_DENIED',
      'Generative Language API has not been used in project 1 before or it is disabled.',
      [info('SERVICE_DISABLED')],
    ),
    'upstream_auth',
    'refused',
  ],
  [
    'a place that is not served',
    400,
    error(400, 'FAILED_PRECONDITION', 'User location is not supported for the API use.'),
    'upstream_auth',
    'does not serve the place',
  ],
  [
    'no such model',
    404,
    error(404, 'NOT_FOUND', 'models/x is not found for API version v1beta, or is not supported for generateContent.'),
    'model_not_found',
    'models/x',
  ],
  [
    'a name that cannot be a model',
    400,
    error(400, 'INVALID_ARGUMENT', '* GenerateContentRequest.model: unexpected model name format\n'),
    'model_not_found',
    'unexpected',
  ],
  [
    'a file that is not there, or is another’s',
    403,
    error(403, 'PERMISSION_DENIED', 'You do not have permission to access the File abc or it may not exist.'),
    'invalid_request',
    'File abc',
  ],
  [
    'a cache that is gone',
    403,
    error(403, 'PERMISSION_DENIED', 'CachedContent not found (or permission denied)'),
    'invalid_request',
    'CachedContent',
  ],
  [
    'too long',
    400,
    error(
      400,
      'INVALID_ARGUMENT',
      'The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).',
    ),
    'context_length_exceeded',
    '1048576',
  ],
  [
    'too long, in the words of Vertex',
    400,
    error(400, 'INVALID_ARGUMENT', 'The input token count is 1200000 but model only supports up to 1048576.'),
    'context_length_exceeded',
    'only supports',
  ],
  [
    'too large',
    400,
    error(400, 'INVALID_ARGUMENT', 'Request payload size exceeds the limit: 20971520 bytes.'),
    'request_too_large',
    '20971520',
  ],
  ['too large, by its status', 413, '', 'request_too_large', 'no message'],
  [
    'a limit that counts input tokens',
    429,
    error(429, 'RESOURCE_EXHAUSTED', 'The input token count per minute exceeds the quota, limit: 0'),
    'upstream_rate_limited',
    'quota',
  ],
  ['overloaded', 503, error(503, 'UNAVAILABLE', 'The model is overloaded.'), 'upstream_unavailable', 'overloaded'],
  ['broken', 500, error(500, 'INTERNAL', 'An internal error has occurred.'), 'upstream_unavailable', 'internal'],
  ['too slow', 504, error(504, 'DEADLINE_EXCEEDED', 'Deadline expired.'), 'upstream_timeout', 'Deadline'],
  ['cancelled', 499, error(499, 'CANCELLED', 'The operation was cancelled.'), 'upstream_unavailable', 'cancelled'],
  [
    'a bad field',
    400,
    error(400, 'INVALID_ARGUMENT', 'Invalid JSON payload received. Unknown name "x": Cannot find field.'),
    'invalid_request',
    'Unknown name',
  ],
  [
    'a signature that is missing',
    400,
    error(400, 'INVALID_ARGUMENT', 'Function call is missing a thought_signature in functionCall parts.'),
    'invalid_request',
    'thought_signature',
  ],
  [
    'against its rules',
    400,
    error(400, 'INVALID_ARGUMENT', "This prompt contains words that violate Google's Responsible AI practices."),
    'content_filtered',
    'Responsible',
  ],
  [
    'a list, as streams are refused without alt=sse',
    429,
    `[${error(429, 'RESOURCE_EXHAUSTED', 'Slow')}]`,
    'upstream_rate_limited',
    'Slow',
  ],
  ['a page of HTML', 502, '<html><h1>502 Bad Gateway</h1></html>', 'upstream_unavailable', 'Bad Gateway'],
  ['nothing', 404, '', 'model_not_found', 'no message'],
  ['fields of the wrong type', 400, '{"error":{"message":{},"code":[],"details":5}}', 'invalid_request', '400'],
  ['an error as text', 400, '{"error":"bad things"}', 'invalid_request', 'bad things'],
  ['null', 500, 'null', 'upstream_unavailable', 'null'],
];

test.each(refusals)('%s (%i)', (_about, status, body, code, said) => {
  const fault = statusFault(status, {}, body);
  expect(fault.code).toBe(code);
  expect(fault.message).toContain(said);
  expect(fault.message).toContain(String(status));
});

test.each<[about: string, headers: Record<string, string>, body: string, seconds: number | undefined]>([
  ['in its details, rounded up', {}, error(429, 'RESOURCE_EXHAUSTED', 'x', [info('y'), retry('34.074824224s')]), 35],
  ['of nothing', {}, error(429, 'RESOURCE_EXHAUSTED', 'x', [retry('0s')]), 0],
  ['in its words', {}, error(429, 'RESOURCE_EXHAUSTED', 'Please retry in 5.5s.'), 6],
  ['in a header, which is nearer', { 'retry-after': '2' }, error(429, 'RESOURCE_EXHAUSTED', 'x', [retry('9s')]), 2],
  ['that is no time', {}, error(429, 'RESOURCE_EXHAUSTED', 'x', [retry('soon')]), undefined],
  ['nowhere', {}, error(429, 'RESOURCE_EXHAUSTED', 'x'), undefined],
])('a wait %s', (_about, headers, body, seconds) => {
  expect(statusFault(429, headers, body).retryAfter).toBe(seconds);
});

test.each<[about: string, said: unknown, code: ErrorCode, message: string]>([
  ['by its number', { error: { code: 503, message: 'Overloaded' } }, 'upstream_unavailable', 'Overloaded'],
  ['by its name', { error: { message: 'Slow', status: 'RESOURCE_EXHAUSTED' } }, 'upstream_rate_limited', 'Slow'],
  ['the status alone', { code: 504, message: 'Late', status: 'DEADLINE_EXCEEDED' }, 'upstream_timeout', 'Late'],
  ['its JSON', '{"error":{"code":400,"message":"No"}}', 'invalid_request', 'No'],
  ['cancelled', { error: { code: 499, message: 'Gone', status: 'CANCELLED' } }, 'upstream_unavailable', 'Gone'],
  ['text', 'Overloaded', 'upstream_unavailable', 'Overloaded'],
  ['nothing readable', { reason: 'unknown' }, 'upstream_unavailable', '{"reason":"unknown"}'],
  ['nothing', '', 'upstream_unavailable', 'no message'],
])('inside a stream: %s', (_about, said, code, message) => {
  const fault = streamFault(said);
  expect(fault.code).toBe(code);
  expect(fault.message).toContain(message);
});

test('a key that was refused is not quoted, neither before a stream nor inside one', () => {
  const said = error(400, 'INVALID_ARGUMENT', 'API key not valid: AIzaSyDeadBeef', [info('API_KEY_INVALID')]);
  for (const fault of [statusFault(400, {}, said), streamFault(said)]) {
    expect(fault.code).toBe('upstream_auth');
    expect(fault.message).not.toContain('AIza');
  }
});

test('a body without end is not quoted in full', () => {
  expect(statusFault(500, {}, 'x'.repeat(100_000)).message.length).toBeLessThan(2500);
  expect(streamFault({ error: { message: 'x'.repeat(100_000) } }).message.length).toBeLessThan(2500);
  expect(streamFault({ odd: 'x'.repeat(100_000) }).message.length).toBeLessThan(500);
});
