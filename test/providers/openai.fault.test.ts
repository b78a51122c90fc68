// What vendors say when they fail → the one table. Bodies are shaped as each vendor documents or is known to send them.
import { expect, test } from 'vitest';
import type { ErrorCode } from '../../src/core/errors.ts';
import { statusFault, streamFault } from '../../src/providers/openai/fault.ts';

const error = (message: string, rest: object = {}) => JSON.stringify({ error: { message, ...rest } });

const refusals: [vendor: string, status: number, body: string, code: ErrorCode, said: string][] = [
  [
    'OpenAI, wrong key',
    401,
    error('Incorrect API key provided', { type: 'invalid_request_error', code: 'invalid_api_key' }),
    'upstream_auth',
    'refused the configured key',
  ],
  [
    'OpenAI, no such model',
    404,
    error('The model `x` does not exist', { code: 'model_not_found' }),
    'model_not_found',
    'does not exist',
  ],
  [
    'OpenAI, rate',
    429,
    error('Rate limit reached for requests', { type: 'requests', code: 'rate_limit_exceeded' }),
    'upstream_rate_limited',
    'Rate limit',
  ],
  [
    'OpenAI, quota',
    429,
    error('You exceeded your current quota', { type: 'insufficient_quota', code: 'insufficient_quota' }),
    'upstream_rate_limited',
    'quota',
  ],
  [
    'OpenAI, too long',
    400,
    error('Your input is too long', { code: 'context_length_exceeded' }),
    'context_length_exceeded',
    'too long',
  ],
  [
    'OpenAI, bad field',
    400,
    error("Unknown parameter: 'x'.", { type: 'invalid_request_error', param: 'x' }),
    'invalid_request',
    'Unknown parameter',
  ],
  ['OpenAI, overloaded', 503, error('The engine is currently overloaded'), 'upstream_unavailable', 'overloaded'],
  [
    'OpenAI, broken',
    500,
    error('The server had an error', { type: 'server_error' }),
    'upstream_unavailable',
    'had an error',
  ],
  [
    'Azure, filtered',
    400,
    error('The response was filtered', { code: 'content_filter', innererror: {} }),
    'content_filtered',
    'filtered',
  ],
  [
    'Azure, no deployment',
    404,
    error('The API deployment does not exist', { code: 'DeploymentNotFound' }),
    'model_not_found',
    'deployment',
  ],
  [
    'Azure, code as a string of digits',
    401,
    error('Access denied', { code: '401' }),
    'upstream_auth',
    'refused the configured key',
  ],
  [
    'a policy that says no',
    400,
    error('Rejected by the safety system', { code: 'content_policy_violation' }),
    'content_filtered',
    'safety',
  ],
  ['DeepSeek, no money', 402, error('Insufficient Balance'), 'upstream_auth', 'no credit'],
  [
    'Groq, too long',
    400,
    error('Please reduce the length of the messages. maximum context length is 8192'),
    'context_length_exceeded',
    'reduce',
  ],
  ['Groq, too large', 413, error('Request Entity Too Large'), 'request_too_large', 'Too Large'],
  [
    'Mistral',
    422,
    '{"object":"error","message":"Input should be a valid list","type":"invalid_request"}',
    'invalid_request',
    'valid list',
  ],
  ['Mistral, detail as text', 401, '{"detail":"Unauthorized"}', 'upstream_auth', 'refused the configured key'],
  [
    'xAI, too long',
    400,
    '{"code":"Client specified an invalid argument","error":"This model\'s maximum prompt length is 131072 but the request contains 140000 tokens."}',
    'context_length_exceeded',
    '131072',
  ],
  [
    'Gemini through its compatible door',
    400,
    '[{"error":{"code":400,"message":"The input token count (9) exceeds the maximum number of tokens allowed (8).","status":"INVALID_ARGUMENT"}}]',
    'context_length_exceeded',
    'token count',
  ],
  [
    'llama.cpp, too long',
    400,
    error('the request exceeds the available context size', { code: 400, type: 'exceed_context_size_error' }),
    'context_length_exceeded',
    'context size',
  ],
  [
    'Ollama',
    404,
    error('model "x" not found, try pulling it first', { type: 'api_error' }),
    'model_not_found',
    'pulling',
  ],
  [
    'vLLM',
    400,
    '{"object":"error","message":"This model\'s maximum context length is 8 tokens.","type":"BadRequestError","code":400}',
    'context_length_exceeded',
    'context length',
  ],
  [
    'a limit that counts tokens is a limit',
    429,
    error('Too many tokens, please wait before trying again.'),
    'upstream_rate_limited',
    'Too many',
  ],
  [
    'a limit on the context window per minute too',
    429,
    error('context window tokens per minute exceeded'),
    'upstream_rate_limited',
    'per minute',
  ],
  ['a gateway, in HTML', 502, '<html><h1>502 Bad Gateway</h1></html>', 'upstream_unavailable', 'Bad Gateway'],
  ['a gateway that gave up', 504, '', 'upstream_timeout', 'no message'],
  ['a request that took too long', 408, 'Request Timeout', 'upstream_timeout', 'Request Timeout'],
  ['Cloudflare', 529, '', 'upstream_unavailable', '529'],
  ['a redirect', 302, '', 'upstream_protocol', '302'],
  ['error as text', 400, '{"error":"bad things"}', 'invalid_request', 'bad things'],
  ['JSON that is no object', 500, '"oops"', 'upstream_unavailable', 'oops'],
  ['null', 500, 'null', 'upstream_unavailable', 'null'],
  ['fields of the wrong type', 400, '{"error":{"message":{},"code":[],"type":5}}', 'invalid_request', '400'],
];

test.each(refusals)('%s (%i)', (_vendor, status, body, code, said) => {
  const fault = statusFault(status, {}, body);
  expect(fault.code).toBe(code);
  expect(fault.message).toContain(said);
  expect(fault.message).toContain(String(status));
});

test.each<[about: string, headers: Record<string, string>, seconds: number | undefined]>([
  ['seconds', { 'retry-after': '7' }, 7],
  ['parts of a second, rounded up', { 'retry-after': '0.2' }, 1],
  ['milliseconds, which are more exact', { 'retry-after-ms': '1500', 'retry-after': '9' }, 2],
  ['zero', { 'retry-after': '0' }, 0],
  ['a date in the past', { 'retry-after': 'Wed, 21 Oct 2015 07:28:00 GMT' }, 0],
  ['nonsense', { 'retry-after': 'soon' }, undefined],
  ['a negative number', { 'retry-after': '-5' }, undefined],
  ['nothing', {}, undefined],
])('retry-after in %s', (_about, headers, seconds) => {
  expect(statusFault(429, headers, '').retryAfter).toBe(seconds);
});

test('retry-after as a date counts from now', () => {
  const date = new Date(Date.now() + 60_000).toUTCString();
  expect(statusFault(503, { 'retry-after': date }, '').retryAfter).toBeGreaterThan(55);
});

test.each<[about: string, said: unknown, code: ErrorCode, message: string]>([
  ['an object', { message: 'Overloaded' }, 'upstream_unavailable', 'Overloaded'],
  ['its JSON', '{"message":"Overloaded"}', 'upstream_unavailable', 'Overloaded'],
  ['a text', 'Overloaded', 'upstream_unavailable', 'Overloaded'],
  ['one more level', { error: { message: 'Deep' } }, 'upstream_unavailable', 'Deep'],
  [
    'status_code beside a word',
    { message: 'Bad tool', code: 'tool_use_failed', status_code: 400 },
    'invalid_request',
    'Bad tool',
  ],
  ['a number as code', { message: 'Slow', code: 429 }, 'upstream_rate_limited', 'Slow'],
  ['a number as text', { message: 'Slow', code: '429' }, 'upstream_rate_limited', 'Slow'],
  ['rate_limit_exceeded', { message: 'Slow', code: 'rate_limit_exceeded' }, 'upstream_rate_limited', 'Slow'],
  ['content_filter', { message: 'No', code: 'content_filter' }, 'content_filtered', 'No'],
  ['a code that is no status', { message: 'Odd', code: 50001 }, 'upstream_unavailable', 'Odd'],
  ['nothing readable', { reason: 'unknown' }, 'upstream_unavailable', '{"reason":"unknown"}'],
  ['nothing', '', 'upstream_unavailable', 'no message'],
])('inside a stream: %s', (_about, said, code, message) => {
  const fault = streamFault(said);
  expect(fault.code).toBe(code);
  expect(fault.message).toContain(message);
});

test('a key that was refused is not quoted, neither before a stream nor inside one', () => {
  const said = { message: 'Incorrect API key provided: sk-live-123', code: 'invalid_api_key', status: 401 };
  for (const fault of [statusFault(401, {}, JSON.stringify({ error: said })), streamFault(said)]) {
    expect(fault.code).toBe('upstream_auth');
    expect(fault.message).not.toContain('sk-live');
  }
});

test('a body without end is not quoted in full', () => {
  expect(statusFault(500, {}, 'x'.repeat(100_000)).message.length).toBeLessThan(500);
  expect(streamFault('x'.repeat(100_000)).message.length).toBeLessThan(500);
  expect(streamFault({ message: 'x'.repeat(100_000) }).message.length).toBeLessThan(2500);
});
