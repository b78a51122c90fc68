// What Bedrock says when it fails, mapped to the one table: by the name of its exception, which comes in a header before a stream and
// in a frame's headers inside one; by HTTP status where there is no name. Knows these errors; no HTTP, no stream.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html#API_runtime_ConverseStream_Errors
import { type ErrorCode, GatewayError } from '../../core/errors.ts';
import { codeOfStatus, isTooLong, retryAfterSeconds } from '../refusal.ts';

const EXCEPTIONS = new Map<string, ErrorCode>([
  ['ValidationException', 'invalid_request'],
  ['SerializationException', 'invalid_request'],
  ['ConflictException', 'invalid_request'],
  ['RequestEntityTooLargeException', 'request_too_large'],
  ['ResourceNotFoundException', 'model_not_found'],
  ['UnknownOperationException', 'model_not_found'],
  ['ThrottlingException', 'upstream_rate_limited'],
  ['TooManyRequestsException', 'upstream_rate_limited'],
  ['ServiceQuotaExceededException', 'upstream_rate_limited'],
  ['ModelNotReadyException', 'upstream_unavailable'], // 429, but it is loading, not limiting
  ['ModelErrorException', 'upstream_unavailable'],
  ['ModelStreamErrorException', 'upstream_unavailable'],
  ['InternalServerException', 'upstream_unavailable'],
  ['ServiceUnavailableException', 'upstream_unavailable'],
  ['ModelTimeoutException', 'upstream_timeout'],
  // https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html
  ['AccessDeniedException', 'upstream_auth'],
  ['ExpiredTokenException', 'upstream_auth'],
  ['IncompleteSignatureException', 'upstream_auth'],
  ['InvalidSignatureException', 'upstream_auth'],
  ['MissingAuthenticationTokenException', 'upstream_auth'],
  ['NotAuthorized', 'upstream_auth'],
  ['OptInRequired', 'upstream_auth'],
  ['UnrecognizedClientException', 'upstream_auth'],
]);

/** What validation refuses has no name of its own, only these words. */
const VALIDATION: [words: RegExp, code: ErrorCode][] = [
  [
    /exceed(s|ed)? (the )?(model's )?(context|maximum (input )?length)|input tokens exceeded/i,
    'context_length_exceeded',
  ],
  [/content filter|blocked by (our |the )?content/i, 'content_filtered'],
  // Also a model that is there, but not under this name: some are only reached through an inference profile.
  [/model identifier is invalid|invocation of model ID/i, 'model_not_found'],
];

/** The account may not use the model, which the client chose; the key itself was taken. */
const NO_ACCESS = /access to the model/i;

/** A refusal before the stream. */
export function statusFault(status: number, headers: Record<string, string>, body: string): GatewayError {
  const said = readBody(body);
  const name = nameOf(headers['x-amzn-errortype'] ?? '') || said.type;
  const code = codeFor(name, status, said.message);
  // What AWS says here quotes keys, accounts and roles.
  if (code === 'upstream_auth') return new GatewayError(code, `The provider refused the configured key (${status}).`);
  const message = said.message || name || body.trim().slice(0, 300) || 'no message';
  return new GatewayError(code, `The provider answered ${status}: ${message}`, {
    retryAfter: retryAfterSeconds(headers),
  });
}

/** An exception inside a 200 stream, whose name is given in lower camel case there. */
export function streamFault(type: string, body: string): GatewayError {
  const said = readBody(body);
  const name = nameOf(type);
  const code = codeFor(name, 500, said.message);
  if (code === 'upstream_auth') return new GatewayError(code, 'The provider refused the configured key.');
  const message = said.message || name || 'no message';
  return new GatewayError(code, `The provider reported an error: ${message}`);
}

function codeFor(name: string, status: number, message: string): ErrorCode {
  const code = EXCEPTIONS.get(name) ?? codeOfStatus(status);
  switch (code) {
    case 'invalid_request':
    case 'upstream_unavailable': // a model's own complaint may come as a failure of the model
      if (isTooLong(message)) return 'context_length_exceeded';
      return VALIDATION.find(([words]) => words.test(message))?.[1] ?? code;
    case 'upstream_auth':
      return NO_ACCESS.test(message) ? 'model_not_found' : code;
    default:
      return code;
  }
}

/** `throttlingException`, `com.amazon.coral.service#ThrottlingException`, `ThrottlingException:http://…` → `ThrottlingException`. */
function nameOf(type: string): string {
  const name = type.split(':', 1)[0]!.split('#').at(-1)!.trim();
  return name.charAt(0).toUpperCase() + name.slice(1);
}

function readBody(body: string): { type: string; message: string } {
  let value: Record<string, unknown> | null;
  try {
    value = JSON.parse(body);
  } catch {
    return { type: '', message: body.trim().slice(0, 300) };
  }
  if (value === null || typeof value !== 'object') return { type: '', message: '' };
  const text = (field: unknown) => (typeof field === 'string' ? field : '');
  const message = text(value.message) || text(value.Message);
  const original = text(value.originalMessage);
  const output = value.Output as { __type?: unknown } | null | undefined; // of a path that the API does not have
  return {
    type: nameOf(text(value.__type) || text(output?.__type)),
    message: (original && original !== message ? `${message} (${original})` : message).trim().slice(0, 2000),
  };
}
