// What Bedrock says when it fails → the one table. Bodies are shaped as the API documents or is known to send them.
import { expect, test } from 'vitest';
import type { ErrorCode } from '../../src/core/errors.ts';
import { statusFault, streamFault } from '../../src/providers/bedrock/fault.ts';

const said = (message: string, more: object = {}) => JSON.stringify({ message, ...more });

const refusals: [what: string, status: number, type: string, body: string, code: ErrorCode, words: string][] = [
  ['a wrong field', 400, 'ValidationException', said('The value is bad.'), 'invalid_request', 'The value is bad.'],
  [
    'a field that this model has not',
    400,
    'ValidationException',
    said("This model doesn't support the stopSequences field. Remove stopSequences and try again."),
    'invalid_request',
    'stopSequences',
  ],
  [
    'too long, said by Bedrock',
    400,
    'ValidationException',
    said('Input is too long for requested model.'),
    'context_length_exceeded',
    'too long',
  ],
  [
    'too long, said by the model',
    400,
    'ValidationException',
    said('The model returned the following errors: prompt is too long: 200049 tokens > 200000 maximum'),
    'context_length_exceeded',
    '200049',
  ],
  [
    'too long together with the answer',
    400,
    'ValidationException',
    said('input length and `max_tokens` exceed context limit: 196395 + 64000 > 204698'),
    'context_length_exceeded',
    '204698',
  ],
  [
    'too long for a model that counts otherwise',
    400,
    'ValidationException',
    said('Input Tokens Exceeded: Number of input tokens exceeds maximum length.'),
    'context_length_exceeded',
    'Exceeded',
  ],
  [
    'a limit asked for beyond that of the model is not a prompt that is too long',
    400,
    'ValidationException',
    said('The maximum tokens you requested exceeds the model limit of 4096.'),
    'invalid_request',
    '4096',
  ],
  [
    'an answer withheld',
    400,
    'ValidationException',
    said('The model returned the following errors: Output blocked by content filtering policy'),
    'content_filtered',
    'blocked',
  ],
  [
    'a model that is none',
    400,
    'ValidationException',
    said('The provided model identifier is invalid.'),
    'model_not_found',
    'identifier',
  ],
  [
    'a model under the wrong name',
    400,
    'ValidationException',
    said("Invocation of model ID x with on-demand throughput isn't supported. Retry with an inference profile."),
    'model_not_found',
    'inference profile',
  ],
  ['a model that is gone', 404, 'ResourceNotFoundException', said('End of its life.'), 'model_not_found', 'End of'],
  [
    'an address that is none',
    404,
    '',
    JSON.stringify({ Output: { __type: 'com.amazon.coral.service#UnknownOperationException' }, Version: '1.0' }),
    'model_not_found',
    'UnknownOperationException',
  ],
  [
    'a model that the account may not use',
    403,
    'AccessDeniedException',
    said("You don't have access to the model with the specified model ID."),
    'model_not_found',
    'access to the model',
  ],
  [
    'a key refused',
    403,
    'AccessDeniedException',
    said('User: arn:aws:iam::1:user/x is not authorized'),
    'upstream_auth',
    'key',
  ],
  ['a token run out', 403, 'ExpiredTokenException', said('The security token is expired'), 'upstream_auth', 'key'],
  ['a wrong signature', 403, 'InvalidSignatureException', said('Signature expired'), 'upstream_auth', 'key'],
  ['no key', 403, 'MissingAuthenticationTokenException', said('Missing token'), 'upstream_auth', 'key'],
  [
    'too many requests, which speak of tokens',
    429,
    'ThrottlingException',
    said('Too many tokens, please wait before trying again.'),
    'upstream_rate_limited',
    'please wait',
  ],
  ['a quota', 400, 'ServiceQuotaExceededException', said('Over quota.'), 'upstream_rate_limited', 'quota'],
  ['a model that is loading', 429, 'ModelNotReadyException', said('Not ready.'), 'upstream_unavailable', 'Not ready'],
  ['a model that failed', 424, 'ModelErrorException', said('It failed.'), 'upstream_unavailable', 'It failed'],
  ['a model that took too long', 408, 'ModelTimeoutException', said('Timed out.'), 'upstream_timeout', 'Timed out'],
  ['overload', 503, 'ServiceUnavailableException', said('Busy.'), 'upstream_unavailable', 'Busy'],
  ['a fault of theirs', 500, 'InternalServerException', said('Broken.'), 'upstream_unavailable', 'Broken'],
  ['too large a body', 413, 'RequestEntityTooLargeException', said('Too large.'), 'request_too_large', 'Too large'],
  ['a gateway between', 502, '', '<html>Bad gateway</html>', 'upstream_unavailable', 'Bad gateway'],
  ['nothing at all', 503, '', '', 'upstream_unavailable', 'no message'],
  ['JSON that is no object', 500, '', 'null', 'upstream_unavailable', 'null'],
];

test.each(refusals)('%s', (_what, status, type, body, code, words) => {
  const error = statusFault(status, type ? { 'x-amzn-errortype': `${type}:http://internal.amazon.com/x/` } : {}, body);
  expect(error).toMatchObject({ code, message: expect.stringContaining(words) });
});

test('the name of the exception is also found in the body, under both spellings of the message', () => {
  const body = JSON.stringify({ __type: 'com.amazon.coral#ThrottlingException', Message: 'Slow down.' });
  expect(statusFault(400, {}, body)).toMatchObject({
    code: 'upstream_rate_limited',
    message: 'The provider answered 400: Slow down.',
  });
});

test('how long to wait is kept', () => {
  expect(statusFault(429, { 'retry-after': '7' }, said('Slow.'))).toMatchObject({ retryAfter: 7 });
});

test('nothing of what AWS says about credentials is passed on', () => {
  const secret = said('The security token AKIAEXAMPLE of arn:aws:iam::123456789012:user/ops is invalid.');
  for (const error of [statusFault(403, {}, secret), streamFault('accessDeniedException', secret)]) {
    expect(error).toMatchObject({ code: 'upstream_auth', message: expect.not.stringMatching(/AKIA|arn:/) });
  }
});

const exceptions: [type: string, body: string, code: ErrorCode, words: string][] = [
  ['throttlingException', said('Too many tokens.'), 'upstream_rate_limited', 'Too many tokens'],
  ['validationException', said('Input is too long for requested model.'), 'context_length_exceeded', 'too long'],
  ['validationException', said('Bad.'), 'invalid_request', 'Bad'],
  ['serviceUnavailableException', said('Busy.'), 'upstream_unavailable', 'Busy'],
  ['internalServerException', said('Broken.'), 'upstream_unavailable', 'Broken'],
  ['modelTimeoutException', said('Slow.'), 'upstream_timeout', 'Slow'],
  [
    'modelStreamErrorException',
    said('Model stream error.', { originalStatusCode: 500, originalMessage: 'worker lost' }),
    'upstream_unavailable',
    'Model stream error. (worker lost)',
  ],
  ['inventedLaterException', said('New.'), 'upstream_unavailable', 'New'],
  ['', '', 'upstream_unavailable', 'no message'],
  ['InternalFailure', said('Inside.'), 'upstream_unavailable', 'Inside'],
];

test.each(exceptions)('the exception %s in a stream, saying %s', (type, body, code, words) => {
  expect(streamFault(type, body)).toMatchObject({ code, message: expect.stringContaining(words) });
});
