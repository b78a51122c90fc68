// What the Messages API says when it refuses, and what a client is told of it.
import { expect, test } from 'vitest';
import { anthropicFault, anthropicStreamFault } from '../../src/providers/anthropic/fault.ts';

const error = (type: string, message: string, details?: object) =>
  JSON.stringify({ type: 'error', error: { type, message, ...details }, request_id: 'req_1' });
const refuse = (status: number, body: string, headers: Record<string, string> = {}) =>
  anthropicFault(status, headers, body);

const KEY = 'sk-ant-api03-secret';

test.each<[status: number, body: string, code: string, message?: string]>([
  [400, error('invalid_request_error', 'max_tokens: Field required'), 'invalid_request', 'max_tokens: Field required'],
  [
    400,
    error('invalid_request_error', 'prompt is too long: 210000 tokens > 200000 maximum'),
    'context_length_exceeded',
  ],
  [
    400,
    error('invalid_request_error', 'input length and `max_tokens` exceed context limit: 190000 + 64000 > 200000'),
    'context_length_exceeded',
  ],
  [413, error('invalid_request_error', 'Prompt is too long'), 'context_length_exceeded'],
  [400, error('invalid_request_error', 'Output blocked by content filtering policy'), 'content_filtered'],
  [
    400,
    error('invalid_request_error', 'Your credit balance is too low to access the Anthropic API.'),
    'upstream_auth',
    'no credit',
  ],
  [
    401,
    error('authentication_error', `invalid x-api-key: ${KEY}`),
    'upstream_auth',
    'refused the configured key (401)',
  ],
  [402, error('billing_error', 'Payment required'), 'upstream_auth', 'no credit (402)'],
  [403, error('permission_error', `${KEY} may not`), 'upstream_auth', 'refused the configured key (403)'],
  [404, error('not_found_error', 'model: claude-opus-9'), 'model_not_found', 'model: claude-opus-9'],
  [413, error('request_too_large', 'Request exceeds the maximum size'), 'request_too_large'],
  [413, '<html>413 Request Entity Too Large</html>', 'request_too_large'],
  [
    429,
    error(
      'rate_limit_error',
      'This request would exceed your limit of 40,000 input tokens per minute: too many tokens',
    ),
    'upstream_rate_limited',
  ],
  [429, '', 'upstream_rate_limited', 'no message'],
  [500, error('api_error', 'Internal server error'), 'upstream_unavailable', 'Internal server error'],
  [503, 'Service Unavailable', 'upstream_unavailable', 'Service Unavailable'],
  [504, error('timeout_error', 'Request timed out'), 'upstream_timeout'],
  [529, error('overloaded_error', 'Overloaded'), 'upstream_unavailable', 'answered 529: Overloaded'],
  [529, '', 'upstream_unavailable'],
  [400, error('glow_error', 'Too bright'), 'invalid_request', 'Too bright'],
  [502, '{"error":"bad gateway"}', 'upstream_unavailable', 'bad gateway'],
  [400, '[null]', 'invalid_request'],
  [400, '"text"', 'invalid_request'],
  [302, '', 'upstream_protocol'],
])('%i %s is %s', (status, body, code, message = '') => {
  const fault = refuse(status, body);
  expect(fault.code).toBe(code);
  expect(fault.message).toContain(message);
  expect(fault.message).not.toContain(KEY);
});

test('how long to wait is kept', () => {
  const limited = error('rate_limit_error', 'Slow down');
  expect(refuse(429, limited, { 'retry-after': '17' }).retryAfter).toBe(17);
  expect(refuse(529, error('overloaded_error', 'Overloaded'), { 'retry-after-ms': '1500' }).retryAfter).toBe(2);
  expect(refuse(429, limited).retryAfter).toBeUndefined();
});

test.each<[data: unknown, code: string, message?: string]>([
  [{ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }, 'upstream_unavailable', 'Overloaded'],
  [{ type: 'error', error: { type: 'rate_limit_error', message: 'Slow down' } }, 'upstream_rate_limited', 'Slow down'],
  [
    { type: 'error', error: { type: 'invalid_request_error', message: 'Output blocked by content filtering policy' } },
    'content_filtered',
  ],
  [
    { type: 'error', error: { type: 'authentication_error', message: KEY } },
    'upstream_auth',
    'refused the configured key.',
  ],
  [{ type: 'error', error: { type: 'glow_error' } }, 'upstream_unavailable', 'glow_error'],
  [{ type: 'error', error: null }, 'upstream_unavailable', 'error'],
  [error('api_error', 'Internal server error'), 'upstream_unavailable', 'Internal server error'],
  ['not JSON', 'upstream_unavailable', 'no message'],
  [null, 'upstream_unavailable', 'no message'],
])('inside a stream %j is %s', (data, code, message = '') => {
  const fault = anthropicStreamFault(data);
  expect(fault.code).toBe(code);
  expect(fault.message).toContain(message);
  expect(fault.message).not.toContain(KEY);
});

test('a message without end is not handed on without end', () => {
  expect(refuse(400, error('invalid_request_error', 'x'.repeat(100_000))).message.length).toBeLessThan(3000);
  expect(refuse(400, 'x'.repeat(100_000)).message.length).toBeLessThan(1000);
});
