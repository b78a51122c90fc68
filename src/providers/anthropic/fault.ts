// What the Messages API says when it fails, mapped to the one table: by HTTP status and error type before a stream, by the error
// event inside one. Knows this wire's error shape; no HTTP, no stream.
// https://platform.claude.com/docs/en/api/errors
import { type ErrorCode, GatewayError } from '../../core/errors.ts';
import { textOf } from '../read.ts';
import { codeOfStatus, isTooLong, retryAfterSeconds } from '../refusal.ts';

interface WireError {
  type: string;
  message: string;
}

const CODES = new Map<string, ErrorCode>([
  ['invalid_request_error', 'invalid_request'],
  ['authentication_error', 'upstream_auth'],
  ['permission_error', 'upstream_auth'],
  ['billing_error', 'upstream_auth'],
  ['not_found_error', 'model_not_found'],
  ['request_too_large', 'request_too_large'],
  ['rate_limit_error', 'upstream_rate_limited'],
  ['timeout_error', 'upstream_timeout'],
  ['overloaded_error', 'upstream_unavailable'],
  ['api_error', 'upstream_unavailable'],
]);

/** A refusal before the stream. `retry-after` is kept, in seconds. */
export function anthropicFault(status: number, headers: Record<string, string>, body: string): GatewayError {
  const error = readError(body);
  const code = codeFor(error, codeOfStatus(status));
  if (code === 'upstream_auth') return authFault(error, ` (${status})`, status === 402);
  const said = error.message || body.trim().slice(0, 300) || 'no message';
  const retryAfter = retryAfterSeconds(headers);
  return new GatewayError(code, `The provider answered ${status}: ${said}`, { retryAfter });
}

/** An error inside a 200 stream: the event's data, parsed or as text. */
export function anthropicStreamFault(data: unknown): GatewayError {
  const error = readError(data);
  const code = codeFor(error, 'upstream_unavailable');
  if (code === 'upstream_auth') return authFault(error, '', false);
  return new GatewayError(code, `The provider reported an error: ${error.message || error.type || 'no message'}`);
}

/** What a vendor says of a key may quote the key. */
function authFault({ type, message }: WireError, status: string, unpaid: boolean): GatewayError {
  return new GatewayError(
    'upstream_auth',
    unpaid || type === 'billing_error' || NO_CREDIT.test(message)
      ? `The account at the provider has no credit${status}.`
      : `The provider refused the configured key${status}.`,
  );
}

/** Said with type `invalid_request_error`, which has no code of its own for these. */
const NO_CREDIT = /credit balance is too low/i;
const FILTERED = /content filtering policy/i;
const OVER_LIMIT = /exceeds? (the )?context limit/i;

/** The type says more than the status, which gateways in between change. `otherwise`: for a type that is absent or new. */
function codeFor({ type, message }: WireError, otherwise: ErrorCode): ErrorCode {
  const code = CODES.get(type) ?? otherwise;
  if (code !== 'invalid_request' && code !== 'request_too_large') return code;
  if (isTooLong(message) || OVER_LIMIT.test(message)) return 'context_length_exceeded';
  if (FILTERED.test(message)) return 'content_filtered';
  return NO_CREDIT.test(message) ? 'upstream_auth' : code;
}

function readError(given: unknown): WireError {
  let value = given;
  if (typeof value === 'string') {
    try {
      value = JSON.parse(value);
    } catch {
      return { type: '', message: '' };
    }
  }
  const fields = fieldsOf(value);
  const inner = fields.error;
  if (typeof inner === 'string') return { type: '', message: inner.slice(0, 2000) };
  const { type, message } = fieldsOf(inner ?? fields);
  return { type: textOf(type), message: textOf(message).slice(0, 2000) };
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
