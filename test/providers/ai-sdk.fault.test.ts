// What provider packages throw and what their streams report, against the one table; the packages' own error classes make the errors.
import {
  APICallError,
  InvalidArgumentError,
  JSONParseError,
  LoadAPIKeyError,
  NoSuchModelError,
  TypeValidationError,
  UnsupportedFunctionalityError,
} from '@ai-sdk/provider';
import { expect, test } from 'vitest';
import { GatewayError } from '../../src/core/errors.ts';
import { faultOf, statusFault } from '../../src/providers/ai-sdk/fault.ts';

const refused = (statusCode: number | undefined, responseBody = '', more: object = {}) =>
  new APICallError({
    message: 'Said by the package.',
    url: 'https://example.com',
    requestBodyValues: {},
    statusCode,
    responseBody,
    ...more,
  });

test.each<[status: number, body: string, code: string]>([
  [400, '{"message":"bad"}', 'invalid_request'],
  [401, '{"message":"invalid api token"}', 'upstream_auth'],
  [402, '', 'upstream_auth'],
  [403, '', 'upstream_auth'],
  [404, '', 'model_not_found'],
  [408, '', 'upstream_timeout'],
  [413, '', 'request_too_large'],
  [422, '', 'invalid_request'],
  [429, '{"message":"too many tokens"}', 'upstream_rate_limited'],
  [498, '', 'invalid_request'],
  [500, '', 'upstream_unavailable'],
  [503, 'busy', 'upstream_unavailable'],
  [529, '{"error":{"type":"overloaded_error"}}', 'upstream_unavailable'],
  [307, '', 'upstream_protocol'],
  [400, '{"message":"too many tokens: size limit exceeded by 7 tokens"}', 'context_length_exceeded'],
  [400, '{"error":{"code":"context_length_exceeded","message":"no"}}', 'context_length_exceeded'],
  [400, '{"error":{"code":"content_filter","message":"no"}}', 'content_filtered'],
  [400, '{"error":{"type":"authentication_error","message":"key sk-secret"}}', 'upstream_auth'],
  [500, '{"error":{"type":"rate_limit_error","message":"slow"}}', 'upstream_rate_limited'],
  [500, '[{"error":{"status":"RESOURCE_EXHAUSTED","message":"slow"}}]', 'upstream_rate_limited'],
])('a refusal with %i %s is %s', (status, body, code) => {
  const error = statusFault(status, {}, body);
  expect(error.code).toBe(code);
  expect(error.message).toContain(String(status));
  expect(error.message).not.toContain('secret');
  expect(faultOf(refused(status, body), 'asking').code).toBe(code);
});

test('a refusal keeps how long to wait, and what the package found of its message', () => {
  const responseHeaders = { 'retry-after': '7' };
  expect(faultOf(refused(429, '{"m":"?"}', { responseHeaders }), 'asking')).toMatchObject({
    code: 'upstream_rate_limited',
    retryAfter: 7,
    message: 'The provider answered 429: Said by the package.',
  });
  expect(statusFault(400, {}, '{"detail":"No."}').message).toBe('The provider answered 400: No.');
  expect(statusFault(400, {}, '').message).toBe('The provider answered 400: no message');
});

test('our own error is found under whatever a package wraps around it', () => {
  const own = new GatewayError('upstream_unavailable', 'refused');
  const wrapped = refused(undefined, '', { cause: new TypeError('fetch failed', { cause: own }), isRetryable: true });
  expect(faultOf(wrapped, 'asking')).toBe(own);
  const ring = new Error('a');
  ring.cause = new Error('b', { cause: ring });
  expect(faultOf(ring, 'asking').code).toBe('internal');
});

test.each<[thrown: Error, code: string, words: RegExp]>([
  [refused(undefined, '', { isRetryable: true }), 'upstream_unavailable', /cannot be reached/],
  [refused(200), 'upstream_protocol', /cannot read/],
  [new JSONParseError({ text: '{', cause: new Error() }), 'upstream_protocol', /cannot read/],
  [new TypeValidationError({ value: { a: 1 }, cause: new Error() }), 'upstream_protocol', /cannot read/],
  [new UnsupportedFunctionalityError({ functionality: 'sound' }), 'invalid_request', /sound.*"ai-sdk"/],
  [new InvalidArgumentError({ argument: 'a', message: 'bad option' }), 'invalid_request', /bad option/],
  [new NoSuchModelError({ modelId: 'm', modelType: 'languageModel' }), 'model_not_found', /no such model/],
  [new LoadAPIKeyError({ message: 'Pass MAKER_API_KEY.' }), 'upstream_auth', /MAKER_API_KEY/],
])('%s is %s', (thrown, code, words) => {
  for (const phase of ['asking', 'streaming'] as const) {
    const error = faultOf(thrown, phase);
    expect(error.code).toBe(code);
    expect(error.message).toMatch(words);
  }
});

test("a package's own failure is for the log, not for the client", () => {
  const thrown = new TypeError('secret');
  expect(faultOf(thrown, 'asking')).toMatchObject({ code: 'internal', cause: thrown });
  expect(faultOf(thrown, 'streaming')).toMatchObject({ code: 'upstream_protocol', cause: thrown });
  expect(faultOf(thrown, 'asking').message + faultOf(thrown, 'streaming').message).not.toContain('secret');
});

test.each<[code: string, message: string, reported: unknown]>([
  ['upstream_unavailable', 'It broke.', 'It broke.'],
  ['upstream_unavailable', 'Busy.', { type: 'overloaded_error', message: 'Busy.' }],
  ['upstream_rate_limited', 'Slow.', { error: { code: 429, message: 'Slow.' } }],
  ['upstream_unavailable', 'It broke.', { error: 'It broke.' }],
  ['invalid_request', 'Bad.', { type: 'invalid_request_error', message: 'Bad.' }],
  ['context_length_exceeded', 'prompt is too long: 9 tokens', { message: 'prompt is too long: 9 tokens' }],
  ['content_filtered', 'No.', { code: 'content_filter', message: 'No.' }],
  [
    'upstream_unavailable',
    'Sorry.',
    new TypeValidationError({ value: { error: { message: 'Sorry.', type: 'server_error' } }, cause: new Error() }),
  ],
  ...[undefined, null, 7n, Symbol('s'), { error: Symbol('s'), status: Symbol('s') }, []].map(
    (reported): [string, string, unknown] => ['upstream_unavailable', 'no message', reported],
  ),
])('an error inside the stream is %s: %s', (code, message, reported) => {
  const error = faultOf(reported, 'streaming');
  expect(error.code).toBe(code);
  expect(error.message).toBe(`The provider reported an error: ${message}`);
});

test('an error inside the stream that speaks of a key does not quote it', () => {
  const error = faultOf({ type: 'authentication_error', message: 'sk-secret is wrong' }, 'streaming');
  expect(error.code).toBe('upstream_auth');
  expect(error.message).not.toContain('secret');
});
