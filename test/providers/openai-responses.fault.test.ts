// What Responses vendors say when they fail → the one table. What this wire has in common with Chat Completions is tested there.
import { expect, test } from 'vitest';
import type { ErrorCode } from '../../src/core/errors.ts';
import { eventFault, refusalFault } from '../../src/providers/openai-responses/fault.ts';

const error = (message: string, rest: object = {}) => JSON.stringify({ error: { message, ...rest } });

test.each<[about: string, status: number, body: string, code: ErrorCode, said: RegExp]>([
  [
    'wrong key',
    401,
    error('Incorrect API key provided: sk-12', { code: 'invalid_api_key' }),
    'upstream_auth',
    /configured key \(401\)/,
  ],
  ['no such model', 404, error('Not found', { code: 'model_not_found' }), 'model_not_found', /Not found/],
  ['rate limit', 429, error('Rate limit reached', { code: 'rate_limit_exceeded' }), 'upstream_rate_limited', /Rate/],
  [
    'too long',
    400,
    error('Your input exceeds the context window of this model.', { code: 'context_length_exceeded' }),
    'context_length_exceeded',
    /exceeds/,
  ],
  ['flagged prompt', 400, error('Your prompt was flagged', { code: 'invalid_prompt' }), 'content_filtered', /flagged/],
  ['biology', 403, error('Not this', { code: 'bio_policy' }), 'content_filtered', /Not this/],
  ['filtered by Azure', 400, error('Filtered', { code: 'content_filter' }), 'content_filtered', /Filtered/],
  ['bad field', 400, error("Unknown parameter: 'x'.", { code: 'unknown_parameter' }), 'invalid_request', /Unknown/],
  [
    'sealed reasoning of others',
    400,
    error('Cannot decrypt', { code: 'invalid_encrypted_content' }),
    'invalid_request',
    /Cannot/,
  ],
  ['overloaded', 503, error('Slow down', { code: 'slow_down' }), 'upstream_unavailable', /Slow down/],
  ['a page', 502, '<html>Bad gateway</html>', 'upstream_unavailable', /Bad gateway/],
])('a refusal for %s', (_about, status, body, code, said) => {
  const fault = refusalFault(status, {}, body);
  expect(fault).toMatchObject({ code, message: expect.stringMatching(said) });
  expect(fault.message).not.toContain('sk-12');
});

test('a refusal keeps how long to wait', () => {
  expect(refusalFault(429, { 'retry-after': '7' }, error('Wait'))).toMatchObject({ retryAfter: 7 });
});

test.each<[code: string, is: ErrorCode]>([
  ['server_error', 'upstream_unavailable'],
  ['server_is_overloaded', 'upstream_unavailable'],
  ['vector_store_timeout', 'upstream_unavailable'],
  ['rate_limit_exceeded', 'upstream_rate_limited'],
  ['insufficient_quota', 'upstream_rate_limited'],
  ['context_length_exceeded', 'context_length_exceeded'],
  ['invalid_api_key', 'upstream_auth'],
  ['invalid_prompt', 'content_filtered'],
  ['bio_policy', 'content_filtered'],
  ['misalignment_policy_violation', 'content_filtered'],
  ['image_content_policy_violation', 'content_filtered'],
  ['content_filter', 'content_filtered'],
  ['invalid_image', 'invalid_request'],
  ['image_too_large', 'invalid_request'],
  ['empty_image_file', 'invalid_request'],
  ['failed_to_download_image', 'invalid_request'],
  ['unsupported_image_media_type', 'invalid_request'],
  ['data_residency_mismatch', 'invalid_request'],
  ['unsupported_value', 'invalid_request'],
  ['model_not_found', 'model_not_found'],
  ['of_a_kind_to_come', 'upstream_unavailable'],
])('in a stream %s is %s', (code, is) => {
  const fault = eventFault({ code, message: 'Sorry, no.' });
  expect(fault.code).toBe(is);
  if (is !== 'upstream_auth') expect(fault.message).toMatch(/Sorry, no/);
});

test('where the code says nothing the type may', () => {
  expect(eventFault({ type: 'invalid_request_error', code: null, message: 'Bad' }).code).toBe('invalid_request');
  expect(eventFault({ type: 'invalid_request_error', code: 'odd', message: 'Bad' }).code).toBe('invalid_request');
  expect(eventFault({ type: 'error', message: 'Bad' }).code).toBe('upstream_unavailable');
});

test.each([null, undefined, 'Out of steam', 42, [], {}, { message: null }, { code: {}, type: [] }])(
  'an error of any shape is told: %j',
  (odd) => {
    expect(eventFault(odd)).toMatchObject({ code: 'upstream_unavailable', message: expect.stringMatching(/: .+/) });
  },
);

test('an item that was never stored is not a model that is not there', () => {
  const body = (message: string) => JSON.stringify({ error: { message, type: 'invalid_request_error', code: null } });
  expect(refusalFault(404, {}, body("Item with id 'rs_1' not found.")).code).toBe('invalid_request');
  expect(refusalFault(404, {}, body("The model 'x' does not exist.")).code).toBe('model_not_found');
});
