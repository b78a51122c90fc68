// Anthropic's refusals: status, headers and body for each cause. Knows nothing of what a message looks like.
// https://platform.claude.com/docs/en/api/errors
import { randomBytes } from 'node:crypto';
import type { HttpReply, RefusalCause } from '../wire.ts';

export function failure(status: number, type: string, message: string, headers = {}): HttpReply {
  const requestId = requestIdOf();
  const body = JSON.stringify({ type: 'error', error: { type, message }, request_id: requestId });
  return {
    status,
    headers: {
      'content-type': 'application/json',
      'request-id': requestId,
      'x-should-retry': String(status === 429 || status >= 500),
      ...headers,
    },
    body,
  };
}

export function invalid(message: string): HttpReply {
  return failure(400, 'invalid_request_error', message);
}

export function refuse(cause: RefusalCause): HttpReply {
  switch (cause.kind) {
    case 'status':
      return refuseStatus(cause.status);
    case 'context-length':
      return invalid('prompt is too long: 200001 tokens > 200000 maximum');
    case 'content-filter':
      return invalid('Output blocked by content filtering policy');
    case 'unknown-model':
      return failure(404, 'not_found_error', `model: ${cause.model} (Mock: ${cause.hint}.)`);
    case 'unknown-path':
      return failure(404, 'not_found_error', 'Not Found');
    case 'wrong-method':
      return failure(405, 'invalid_request_error', 'Method Not Allowed', { allow: 'POST' });
    case 'malformed-json':
      return invalid('The request body is not valid JSON: expected value: line 1 column 1 (char 0)');
    case 'too-large':
      return failure(413, 'request_too_large', 'Request exceeds the maximum size');
    default:
      return cause satisfies never;
  }
}

/** The failure inside a stream that began with 200: most often the servers are overloaded. */
export function streamedFailure(): string {
  return `event: error\ndata: ${failure(529, ...BY_STATUS[529]!).body}\n\n`;
}

const BY_STATUS: Record<number, [type: string, message: string]> = {
  400: ['invalid_request_error', 'The request was refused.'],
  401: ['authentication_error', 'invalid x-api-key'],
  402: ['billing_error', 'Your credit balance is too low to access the Anthropic API.'],
  403: ['permission_error', 'Your API key does not have permission to use the specified resource.'],
  404: ['not_found_error', 'Not Found'],
  409: ['conflict_error', 'The request conflicts with the current state of the resource.'],
  413: ['request_too_large', 'Request exceeds the maximum size'],
  429: [
    'rate_limit_error',
    "This request would exceed your organization's rate limit of 60 requests per minute. Please try again later.",
  ],
  500: ['api_error', 'Internal server error'],
  504: ['timeout_error', 'The request timed out while processing.'],
  529: ['overloaded_error', 'Overloaded'],
};

function refuseStatus(status: number): HttpReply {
  const [type, message] =
    BY_STATUS[status] ??
    (status < 500
      ? ['invalid_request_error', `The request was refused with status ${status}.`]
      : ['api_error', `The server failed with status ${status}.`]);
  return failure(status, type, message, status === 429 ? rateLimits() : {});
}

/** https://platform.claude.com/docs/en/api/rate-limits#response-headers */
function rateLimits(): Record<string, string> {
  const reset = `${new Date(Date.now() + 1000).toISOString().slice(0, 19)}Z`;
  const limits: [kind: string, limit: number, remaining: number][] = [
    ['requests', 60, 0],
    ['tokens', 150_000, 149_000],
    ['input-tokens', 100_000, 99_000],
    ['output-tokens', 50_000, 50_000],
  ];
  const headers = limits.flatMap(([kind, limit, remaining]) => [
    [`anthropic-ratelimit-${kind}-limit`, String(limit)],
    [`anthropic-ratelimit-${kind}-remaining`, String(remaining)],
    [`anthropic-ratelimit-${kind}-reset`, reset],
  ]);
  return { 'retry-after': '1', ...Object.fromEntries(headers) };
}

function requestIdOf(): string {
  return `req_mock${randomBytes(10).toString('hex')}`;
}
