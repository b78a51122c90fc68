// Bedrock's refusals: status, error type and body for each cause, and the exception frame inside a stream. Knows no conversation.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html#API_runtime_ConverseStream_Errors
import type { HttpReply, RefusalCause } from '../wire.ts';

/** The header's value names the exception, then a place that means nothing outside AWS; clients cut it at the colon. */
const ORIGIN = 'http://internal.amazon.com/coral/com.amazon.bedrock/';

export function failure(status: number, type: string, message: string, more: object = {}): HttpReply {
  return {
    status,
    headers: { 'content-type': 'application/json', 'x-amzn-errortype': `${type}:${ORIGIN}` },
    body: JSON.stringify({ message, ...more }),
  };
}

export function invalid(message: string): HttpReply {
  return failure(400, 'ValidationException', message);
}

/** What the model's own API complains about, Bedrock passes on. */
export function invalidForModel(message: string): HttpReply {
  return invalid(`The model returned the following errors: ${message}`);
}

export function refuse(cause: RefusalCause): HttpReply {
  switch (cause.kind) {
    case 'status':
      return refuseStatus(cause.status);
    case 'context-length':
      return invalid('Input is too long for requested model.');
    case 'content-filter':
      return invalidForModel('Output blocked by content filtering policy');
    case 'unknown-model':
      return invalid(`The provided model identifier is invalid. (Mock: ${cause.hint}.)`);
    case 'unknown-path':
    case 'wrong-method':
      return failure(404, 'UnknownOperationException', 'The requested operation is not recognized by the service.');
    case 'malformed-json':
      return failure(400, 'SerializationException', 'Unable to parse request body as JSON.');
    case 'too-large':
      return failure(413, 'RequestEntityTooLargeException', 'The request body is larger than the API accepts.');
    default:
      return cause satisfies never;
  }
}

/** A stream that began with 200 fails by a frame of this type. */
export const STREAM_EXCEPTION = {
  type: 'modelStreamErrorException',
  body: {
    message: 'The model failed while it was streaming. Try your request again.',
    originalMessage: 'Internal server error',
    originalStatusCode: 500,
  },
};

const BY_STATUS: Record<number, [type: string, message: string]> = {
  400: ['ValidationException', 'The request was refused.'],
  401: ['UnrecognizedClientException', 'The security token included in the request is invalid.'],
  403: ['AccessDeniedException', "You don't have access to the model with the specified model ID."],
  404: ['ResourceNotFoundException', 'Could not resolve the foundation model from the provided model identifier.'],
  408: ['ModelTimeoutException', 'The model took too long to process the request.'],
  409: ['ConflictException', 'The request conflicts with the current state of the resource.'],
  424: ['ModelErrorException', 'The model could not process the request.'],
  429: ['ThrottlingException', 'Too many requests, please wait before trying again.'],
  500: [
    'InternalServerException',
    'The system encountered an unexpected error during processing. Try your request again.',
  ],
  503: ['ServiceUnavailableException', 'Bedrock is unable to process your request.'],
};

/** A 429 comes without `retry-after`: AWS clients have a backoff of their own. */
function refuseStatus(status: number): HttpReply {
  const [type, message] =
    BY_STATUS[status] ??
    (status < 500
      ? ['ValidationException', `The request was refused with status ${status}.`]
      : ['InternalServerException', `The server failed with status ${status}.`]);
  return failure(status, type, message, status === 424 ? { originalStatusCode: 500, resourceName: 'mock' } : {});
}
