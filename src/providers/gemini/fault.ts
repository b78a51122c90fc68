// What this vendor says when it fails, mapped to the one table: a `google.rpc.Status`, before a stream or inside one, alone or as the
// first of a list. Knows this wire's errors; no HTTP, no stream.
// https://ai.google.dev/gemini-api/docs/troubleshooting https://google.aip.dev/193
import { type ErrorCode, GatewayError } from '../../core/errors.ts';
import { textOf } from '../read.ts';
import { codeOfStatus, isTooLong, retryAfterSeconds } from '../refusal.ts';

interface Status {
  code: number | undefined;
  /** The canonical name: `RESOURCE_EXHAUSTED`. */
  name: string;
  message: string;
  /** Of its ErrorInfo: `API_KEY_INVALID`. */
  reason: string;
  /** Of its RetryInfo, in seconds. */
  retryDelay: number | undefined;
}

/** Canonical codes as HTTP says them. https://cloud.google.com/apis/design/errors#handling_errors */
const HTTP: Record<string, number> = {
  INVALID_ARGUMENT: 400,
  FAILED_PRECONDITION: 400,
  OUT_OF_RANGE: 400,
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  NOT_FOUND: 404,
  ABORTED: 503,
  RESOURCE_EXHAUSTED: 429,
  CANCELLED: 503,
  INTERNAL: 500,
  DATA_LOSS: 500,
  UNKNOWN: 500,
  UNIMPLEMENTED: 501,
  UNAVAILABLE: 503,
  DEADLINE_EXCEEDED: 504,
};

/** A refusal before the stream. The wait stands in the body more often than in a header. */
export function statusFault(status: number, headers: Record<string, string>, body: string): GatewayError {
  const said = readStatus(body);
  const code = codeFor(status, said);
  const refused = accountFault(code, said, `(${status})`);
  if (refused) return refused;
  const message = said.message || body.trim().slice(0, 300) || 'no message';
  const retryAfter = retryAfterSeconds(headers) ?? said.retryDelay;
  return new GatewayError(code, `The provider answered ${status}: ${message}`, { retryAfter });
}

/** An error inside a 200 stream: the status object, or what holds it. */
export function streamFault(error: unknown): GatewayError {
  const said = readStatus(error);
  const code = codeFor(HTTP[said.name] ?? said.code ?? 500, said);
  const refused = accountFault(code, said, '');
  if (refused) return refused;
  const message = said.message || (error ? JSON.stringify(error).slice(0, 300) : 'no message');
  return new GatewayError(code, `The provider reported an error: ${message}`, { retryAfter: said.retryDelay });
}

function codeFor(status: number, { name, message, reason }: Status): ErrorCode {
  if (status === 429 || name === 'RESOURCE_EXHAUSTED') return 'upstream_rate_limited';
  // A bad key is an invalid argument here, and comes with 400.
  if (reason.startsWith('API_KEY_') || /api key (not valid|not found|expired)/i.test(message)) return 'upstream_auth';
  if (name === 'FAILED_PRECONDITION' && LOCATION.test(message)) return 'upstream_auth';
  if (isTooLong(message) || /input token count/i.test(message)) return 'context_length_exceeded';
  if (/payload size exceeds/i.test(message)) return 'request_too_large';
  if (/responsible ai practices/i.test(message)) return 'content_filtered';
  if (/unexpected model name/i.test(message)) return 'model_not_found';
  // A file or a cache that is not there is said to be forbidden; it is the request that names it.
  if ((status === 403 || status === 404) && /\b(file|cached ?content)\b/i.test(message)) return 'invalid_request';
  return codeOfStatus(status === 499 ? 503 : status);
}

const LOCATION = /location is not supported/i;

/** What a vendor says of a key may quote it, so only that it was refused is told. */
function accountFault(code: ErrorCode, { message }: Status, status: string): GatewayError | undefined {
  if (code !== 'upstream_auth') return undefined;
  const why = LOCATION.test(message)
    ? 'The provider does not serve the place that this runs in'
    : 'The provider refused the configured key';
  return new GatewayError(code, `${`${why} ${status}`.trimEnd()}.`);
}

function readStatus(error: unknown): Status {
  let value: unknown = error;
  if (typeof value === 'string') {
    try {
      value = JSON.parse(value);
    } catch {
      value = { message: error };
    }
  }
  if (Array.isArray(value)) value = value[0];
  const outer = fieldsOf(value);
  const status = outer.error === undefined ? outer : fieldsOf(outer.error);
  const details = (Array.isArray(status.details) ? status.details : []).map(fieldsOf);
  const ofType = (type: string) => details.find((detail) => textOf(detail['@type']).endsWith(`google.rpc.${type}`));
  const message = textOf(outer.error) || textOf(status.message);
  return {
    code: typeof status.code === 'number' ? status.code : undefined,
    name: textOf(status.status),
    message: message.trim().slice(0, 2000),
    reason: textOf(ofType('ErrorInfo')?.reason),
    retryDelay:
      secondsOf(textOf(ofType('RetryInfo')?.retryDelay)) ?? secondsOf(/retry in ([\d.]+s)/i.exec(message)?.[1]),
  };
}

/** `34.074824224s`, rounded up. https://protobuf.dev/reference/protobuf/google.protobuf/#duration */
function secondsOf(duration: string | undefined): number | undefined {
  const seconds = /^(\d+(?:\.\d+)?)s$/.exec(duration ?? '')?.[1];
  return seconds === undefined ? undefined : Math.ceil(Number(seconds));
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
