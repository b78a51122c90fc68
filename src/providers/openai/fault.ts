// What the Chat Completions vendors say when they fail, mapped to the one table: by HTTP status before a stream, by the error
// object inside one. Knows this wire's error shapes; no HTTP, no stream.
// https://platform.openai.com/docs/guides/error-codes
import { type ErrorCode, GatewayError } from '../../core/errors.ts';
import { codeOfStatus, isTooLong, retryAfterSeconds } from '../refusal.ts';

interface WireError {
  message: string;
  code: string;
  type: string;
  status: number | undefined;
}

/** A refusal before the stream. `retry-after` is kept, in seconds. */
export function statusFault(status: number, headers: Record<string, string>, body: string): GatewayError {
  const error = readError(body);
  const retryAfter = retryAfterSeconds(headers);
  const code = codeFor(status, error);
  if (status === 402) return new GatewayError(code, 'The account at the provider has no credit (402).');
  // What a vendor says of a key quotes the key.
  if (code === 'upstream_auth') return new GatewayError(code, `The provider refused the configured key (${status}).`);
  const said = error.message || body.trim().slice(0, 300) || 'no message';
  return new GatewayError(code, `The provider answered ${status}: ${said}`, { retryAfter });
}

/** An error inside a 200 stream: an object, its JSON, or just text. */
export function streamFault(error: unknown): GatewayError {
  const read = readError(error);
  const numeric = Number(read.code);
  const status = read.status ?? (numeric >= 400 && numeric < 600 ? numeric : undefined);
  const code = codeFor(status ?? 500, read);
  if (code === 'upstream_auth') return new GatewayError(code, 'The provider refused the configured key.');
  return new GatewayError(code, `The provider reported an error: ${read.message || textOf(error) || 'no message'}`);
}

function codeFor(status: number, { code, type, message }: WireError): ErrorCode {
  if (code === 'context_length_exceeded') return code;
  // Before any message is read: what a rate limit says of tokens is not about the prompt's length.
  if (status === 429 || code === 'rate_limit_exceeded' || type === 'insufficient_quota') return 'upstream_rate_limited';
  if (isTooLong(message)) return 'context_length_exceeded';
  if (code === 'content_filter' || code === 'content_policy_violation') return 'content_filtered';
  if (code === 'invalid_api_key') return 'upstream_auth';
  const byStatus = codeOfStatus(status);
  return code === 'model_not_found' && byStatus !== 'upstream_auth' ? code : byStatus;
}

function readError(error: unknown): WireError {
  let value: unknown = error;
  if (typeof value === 'string') {
    try {
      value = JSON.parse(value);
    } catch {
      return { message: String(error).trim().slice(0, 300), code: '', type: '', status: undefined };
    }
  }
  if (Array.isArray(value)) value = value[0];
  let object = value as Record<string, unknown> | null;
  if (object && typeof object === 'object' && object.error) {
    object = typeof object.error === 'object' ? (object.error as Record<string, unknown>) : { message: object.error };
  }
  if (object === null || typeof object !== 'object') {
    return { message: String(value), code: '', type: '', status: undefined };
  }
  const text = (field: unknown) => (typeof field === 'string' ? field : typeof field === 'number' ? String(field) : '');
  const status = object.status_code ?? object.status;
  return {
    message: (text(object.message) || text(object.detail) || text(object.msg)).slice(0, 2000),
    code: text(object.code),
    type: text(object.type),
    status: typeof status === 'number' ? status : undefined,
  };
}

function textOf(error: unknown): string {
  return (typeof error === 'string' ? error : JSON.stringify(error)).trim().slice(0, 300);
}
