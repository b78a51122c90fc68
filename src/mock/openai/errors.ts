// OpenAI's refusals: status, headers and body for each cause. Knows nothing of what a completion looks like.
// https://platform.openai.com/docs/guides/error-codes/api-errors
import type { HttpReply, RefusalCause } from '../wire.ts';

interface ErrorFields {
  message: string;
  type: string | null;
  param: string | null;
  code: string | null;
}

export function failure(status: number, { message, type, param, code }: ErrorFields, headers = {}): HttpReply {
  const body = `${JSON.stringify({ error: { message, type, param, code } }, null, 2)}\n`;
  return { status, headers: { 'content-type': 'application/json; charset=utf-8', ...headers }, body };
}

export function refuse(cause: RefusalCause): HttpReply {
  const refused = (status: number, code: string | null, message: string, param: string | null = null) =>
    failure(status, { message, type: 'invalid_request_error', param, code });
  switch (cause.kind) {
    case 'status':
      return refuseStatus(cause.status);
    case 'context-length': {
      const message =
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 8193 tokens. Please reduce the length of the messages.";
      return refused(400, 'context_length_exceeded', message, 'messages');
    }
    case 'content-filter': {
      const message =
        'The response was filtered due to the prompt triggering the content management policy. Please modify your prompt and retry.';
      return refused(400, 'content_filter', message, 'prompt');
    }
    case 'unknown-model': {
      const message = `The model \`${cause.model}\` does not exist or you do not have access to it. (Mock: ${cause.hint}.)`;
      return refused(404, 'model_not_found', message);
    }
    case 'unknown-path':
      return refused(
        404,
        'unknown_url',
        `Unknown request URL: ${cause.method} ${cause.path}. Please check the URL for typos.`,
      );
    case 'wrong-method':
      return failure(
        405,
        {
          message: `Not allowed to ${cause.method} on ${cause.path}. (HINT: Perhaps you meant to use a different HTTP method?)`,
          type: 'invalid_request_error',
          param: null,
          code: 'method_not_supported',
        },
        { allow: cause.path === '/v1/models' ? 'GET' : 'POST' },
      );
    case 'malformed-json': {
      const message =
        "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)";
      return refused(400, null, message);
    }
    case 'too-large':
      return refused(413, 'request_too_large', 'The request body is larger than the API accepts.');
    default:
      return cause satisfies never;
  }
}

function refuseStatus(status: number): HttpReply {
  const fields = (type: string, code: string | null, message: string) => ({ message, type, param: null, code });
  const invalid = 'invalid_request_error';
  const denied = 'The model does not exist or you do not have access to it.';
  const key =
    'Incorrect API key provided: mock. You can find your API key at https://platform.openai.com/account/api-keys.';
  switch (status) {
    case 401:
      return failure(401, fields(invalid, 'invalid_api_key', key));
    case 403:
      return failure(403, fields(invalid, 'model_not_found', 'Project does not have access to model.'));
    case 404:
      return failure(404, fields(invalid, 'model_not_found', denied));
    case 429:
      return failure(
        429,
        fields('requests', 'rate_limit_exceeded', 'Rate limit reached for requests. Please try again in 1s.'),
        {
          'retry-after': '1',
          'x-ratelimit-limit-requests': '60',
          'x-ratelimit-remaining-requests': '0',
          'x-ratelimit-reset-requests': '1s',
          'x-ratelimit-limit-tokens': '150000',
          'x-ratelimit-remaining-tokens': '149984',
          'x-ratelimit-reset-tokens': '6ms',
        },
      );
    case 500:
      return failure(
        500,
        fields('server_error', null, 'The server had an error while processing your request. Sorry about that!'),
      );
    case 503:
    case 529:
      return failure(
        status,
        fields('server_error', null, 'The engine is currently overloaded, please try again later.'),
      );
    default:
      if (status < 500) return failure(status, fields(invalid, null, `The request was refused with status ${status}.`));
      return failure(status, fields('server_error', null, `The server failed with status ${status}.`));
  }
}
