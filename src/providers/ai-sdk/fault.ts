// What goes wrong in a provider package, mapped to the one table: what it throws, the error parts of its stream, refusals by status.
// Knows the specification's errors and the words that vendors' error types have in common; no vendor.
// https://ai-sdk.dev/docs/reference/ai-sdk-errors
import { type ErrorCode, GatewayError } from '../../core/errors.ts';
import { codeOfStatus, isTooLong, retryAfterSeconds } from '../refusal.ts';

/** A refusal, by what HTTP says. `said`: its message, where the package has found it in the body. */
export function statusFault(status: number, headers: Record<string, string>, body: string, said = ''): GatewayError {
  const read = readError(body);
  const code = codeFor(status, read);
  if (status === 402) return new GatewayError(code, 'The account at the provider has no credit (402).');
  // What a vendor says of a key quotes the key.
  if (code === 'upstream_auth') return new GatewayError(code, `The provider refused the configured key (${status}).`);
  const message = said || read.message || body.trim() || 'no message';
  const retryAfter = retryAfterSeconds(headers);
  return new GatewayError(code, `The provider answered ${status}: ${message.slice(0, 2000)}`, { retryAfter });
}

/**
 * Anything that a package throws or puts into its stream. What is neither of the specification's errors nor data of the provider is
 * the package's own failure, whose text may hold secrets: its cause is for the log.
 */
export function faultOf(thrown: unknown, phase: 'asking' | 'streaming'): GatewayError {
  const ours = causesOf(thrown).find((cause) => cause instanceof GatewayError);
  if (ours) return ours;
  if (!(thrown instanceof Error)) return reportedFault(thrown);
  const name = String(thrown.name);
  const message = textOf(thrown.message);
  const wire = '(provider wire "ai-sdk")';
  if (isCallError(thrown)) {
    const { statusCode = 0, responseHeaders, responseBody, isRetryable } = thrown;
    if (statusCode >= 300) return statusFault(statusCode, responseHeaders ?? {}, responseBody ?? '', message);
    if (statusCode === 0 && isRetryable)
      return new GatewayError('upstream_unavailable', 'The provider cannot be reached.');
  }
  switch (name) {
    case 'AI_TypeValidationError': {
      // Few packages know how their provider says inside a stream that it failed; the error then has what it said.
      const { value } = thrown as { value?: unknown };
      if (fieldsOf(value).error || fieldsOf(value).type === 'error') return reportedFault(value);
      break;
    }
    case 'AI_UnsupportedFunctionalityError':
    case 'AI_InvalidPromptError':
    case 'AI_InvalidArgumentError':
    case 'AI_NoSuchProviderReferenceError':
      return new GatewayError('invalid_request', `${message} ${wire}`);
    case 'AI_NoSuchModelError':
      return new GatewayError('model_not_found', `The provider has no such model ${wire}.`);
    case 'AI_LoadAPIKeyError':
    case 'AI_LoadSettingError':
      return new GatewayError('upstream_auth', `The provider is not set up: ${message}`);
  }
  const detail = { cause: thrown };
  if (name.startsWith('AI_'))
    return new GatewayError('upstream_protocol', 'The provider sent what its package cannot read.', detail);
  return phase === 'asking'
    ? new GatewayError('internal', 'The provider package failed; the log has the details.', detail)
    : new GatewayError('upstream_protocol', 'The provider package failed in the middle of its answer.', detail);
}

/** An error that the provider sent inside its stream: an object, the `error` of one, or just text. */
function reportedFault(error: unknown): GatewayError {
  const read = readError(error);
  const code = codeFor(read.status ?? 500, read);
  if (code === 'upstream_auth') return new GatewayError(code, 'The provider refused the configured key.');
  return new GatewayError(code, `The provider reported an error: ${read.message || 'no message'}`);
}

/** The specification's error of a call. Packages bring their own copy of its class, so it is known by its name. */
interface CallError {
  statusCode?: number;
  responseHeaders?: Record<string, string>;
  responseBody?: string;
  isRetryable?: boolean;
}

function isCallError(thrown: Error): thrown is Error & CallError {
  return thrown.name === 'AI_APICallError';
}

/** The thrown thing and what caused it. Short: a chain may be a ring. */
function causesOf(thrown: unknown): unknown[] {
  const causes: unknown[] = [];
  for (let one = thrown; one instanceof Error && causes.length < 10; one = one.cause) causes.push(one);
  return causes;
}

interface Reported {
  message: string;
  /** Type and code, which vendors use for the same. */
  kind: string;
  status: number | undefined;
}

const KINDS: [words: RegExp, code: ErrorCode][] = [
  [/context_?(length|window)/, 'context_length_exceeded'],
  [/rate_?limit|quota|too_many_requests|throttl|resource_exhausted/, 'upstream_rate_limited'],
  [/content_?(filter|policy)|moderation/, 'content_filtered'],
  [/auth|permission|api_?key/, 'upstream_auth'],
  [/model_not_found|not_found_error/, 'model_not_found'],
  [/too_large/, 'request_too_large'],
  [/overloaded|unavailable/, 'upstream_unavailable'],
  [/timeout|deadline/, 'upstream_timeout'],
  [/invalid_?(request|argument)/, 'invalid_request'],
];

function codeFor(status: number, { message, kind }: Reported): ErrorCode {
  // Before any message is read: what a rate limit says of tokens is not about the prompt's length.
  if (status === 429) return 'upstream_rate_limited';
  if (isTooLong(message)) return 'context_length_exceeded';
  // The status is surer than the words, but a bare 400 or 500 says nothing.
  const [, code] = status === 400 || status === 500 ? (KINDS.find(([words]) => words.test(kind)) ?? []) : [];
  return code ?? codeOfStatus(status);
}

function readError(error: unknown): Reported {
  let value = error;
  if (typeof value === 'string') {
    try {
      value = JSON.parse(value);
    } catch {
      return { message: value as string, kind: '', status: undefined };
    }
  }
  if (Array.isArray(value)) value = value[0];
  let object = fieldsOf(value);
  if (object.error) object = typeof object.error === 'object' ? fieldsOf(object.error) : { message: object.error };
  const numbers = [object.status, object.statusCode, object.status_code, object.code].map(numberOf);
  return {
    message: textOf(object.message) || textOf(object.detail) || (typeof value === 'string' ? value : ''),
    kind: [object.type, object.code, object.status].map(textOf).join(' ').toLowerCase(),
    status: numbers.find((number) => number >= 400 && number < 600),
  };
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function numberOf(value: unknown): number {
  return typeof value === 'number' || typeof value === 'string' ? Number(value) : Number.NaN;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, 2000) : '';
}
