// Gemini's refusals: status, headers and body for each cause, in the shape that all Google APIs share. Knows nothing of what a
// completion looks like, but that a blocked prompt comes as one.
// https://ai.google.dev/gemini-api/docs/troubleshooting https://google.aip.dev/193
import type { HttpReply, RefusalCause, RequestContext } from '../wire.ts';

const INTERNAL =
  'An internal error has occurred. Please retry or report in https://developers.generativeai.google/guide/troubleshooting';
const BUSY =
  'This model is currently experiencing high demand. Spikes in demand are usually temporary. Please try again later.';

/** Google's names for HTTP statuses. */
const NAMES: Record<number, string> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  409: 'ABORTED',
  429: 'RESOURCE_EXHAUSTED',
  499: 'CANCELLED',
  500: 'INTERNAL',
  501: 'UNIMPLEMENTED',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
};

export function failure(code: number, message: string, details?: unknown[]): HttpReply {
  const status = NAMES[code] ?? (code < 500 ? 'FAILED_PRECONDITION' : 'UNKNOWN');
  const body = { error: { code, message, status, ...(details && { details }) } };
  return json(code, body);
}

export function badRequest(violations: { field?: string; description: string }[]): HttpReply {
  const message = violations.map(({ description }) => description).join('\n');
  return failure(400, message, [{ '@type': 'type.googleapis.com/google.rpc.BadRequest', fieldViolations: violations }]);
}

/** How the answer to a request is framed. */
export type Form = 'whole' | 'events' | 'array';

export function formOf({ path, query }: Pick<RequestContext, 'path' | 'query'>): Form {
  if (!path.endsWith(':streamGenerateContent')) return 'whole';
  return query.get('alt') === 'sse' ? 'events' : 'array';
}

/** `context`: the request that is refused. A blocked prompt is no error but an answer without candidates, framed as one. */
export function refuse(cause: RefusalCause, context?: RequestContext): HttpReply {
  switch (cause.kind) {
    case 'status':
      return refuseStatus(cause.status);
    case 'context-length':
      return failure(400, 'The input token count (8193) exceeds the maximum number of tokens allowed (8192).');
    case 'content-filter':
      return blockPrompt(context ? formOf(context) : 'whole');
    case 'unknown-model': {
      const advice = 'Call ListModels to see the list of available models and their supported methods.';
      const why = `is not found for API version v1beta, or is not supported for generateContent. ${advice}`;
      return failure(404, `models/${cause.model} ${why} (Mock: ${cause.hint}.)`);
    }
    case 'unknown-path':
    case 'wrong-method':
      return lostPage(cause.path);
    case 'malformed-json':
      return badRequest([{ description: 'Invalid JSON payload received. Unexpected token.' }]);
    case 'too-large':
      return failure(400, 'Request payload size exceeds the limit: 67108864 bytes.');
    default:
      return cause satisfies never;
  }
}

function refuseStatus(code: number): HttpReply {
  switch (code) {
    case 400:
      return failure(400, 'API key not valid. Please pass a valid API key.', [
        errorInfo('API_KEY_INVALID', { service: 'generativelanguage.googleapis.com' }),
      ]);
    case 401:
      return failure(
        401,
        'Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.',
      );
    case 403:
      return failure(
        403,
        "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API consumer identity to call this API.",
      );
    case 404:
      return failure(404, 'Requested entity was not found.');
    case 429:
      return exhausted();
    case 500:
      return failure(500, INTERNAL);
    case 503:
      return failure(503, BUSY);
    case 504:
      return failure(504, 'Deadline expired before operation could complete.');
    default:
      return failure(code, `The ${code < 500 ? 'request was refused' : 'server failed'} with status ${code}.`);
  }
}

/** When to come back stands in the body alone: this API sends no `retry-after`. */
function exhausted(): HttpReply {
  const metric = 'generativelanguage.googleapis.com/generate_content_paid_tier_input_token_count';
  const message = `You exceeded your current quota, please check your plan and billing details. For more information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits.\n* Quota exceeded for metric: ${metric}, limit: 60\nPlease retry in 1s.`;
  return failure(429, message, [
    {
      '@type': 'type.googleapis.com/google.rpc.Help',
      links: [
        {
          description: 'Learn more about Gemini API quotas',
          url: 'https://ai.google.dev/gemini-api/docs/rate-limits',
        },
      ],
    },
    {
      '@type': 'type.googleapis.com/google.rpc.QuotaFailure',
      violations: [
        {
          quotaMetric: metric,
          quotaId: 'GenerateContentPaidTierInputTokensPerModelPerMinute',
          quotaDimensions: { location: 'global', model: 'mock' },
          quotaValue: '60',
        },
      ],
    },
    { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '1s' },
  ]);
}

function errorInfo(reason: string, metadata: Record<string, string>): unknown {
  return { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason, domain: 'googleapis.com', metadata };
}

function blockPrompt(form: Form): HttpReply {
  const body = { promptFeedback: { blockReason: 'PROHIBITED_CONTENT' } };
  switch (form) {
    case 'whole':
      return json(200, body);
    case 'array':
      return json(200, [body]);
    case 'events':
      return {
        status: 200,
        headers: { 'content-type': 'text/event-stream' },
        body: `data: ${JSON.stringify(body)}\r\n\r\n`,
      };
    default:
      return form satisfies never;
  }
}

/** A path that the API does not know is answered by Google's front end, in HTML. */
function lostPage(path: string): HttpReply {
  const shown = path.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return {
    status: 404,
    headers: { 'content-type': 'text/html; charset=UTF-8' },
    body: `<!DOCTYPE html>\n<html lang=en>\n  <title>Error 404 (Not Found)!!1</title>\n  <p>The requested URL <code>${shown}</code> was not found on this server.\n`,
  };
}

function json(status: number, body: unknown): HttpReply {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=UTF-8' },
    body: `${JSON.stringify(body, null, 2)}\n`,
  };
}
