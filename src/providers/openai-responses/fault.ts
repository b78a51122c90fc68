// What the Responses vendors say when they fail: as Chat Completions does, and beyond it a code for each way in which a response
// can fail once it runs. Knows these error shapes; no HTTP, no stream.
// https://platform.openai.com/docs/api-reference/responses/object#responses/object-error
import { GatewayError } from '../../core/errors.ts';
import { statusFault, streamFault } from '../openai/fault.ts';

/** Codes for a prompt or an answer that offends a policy. */
const POLICY = /^invalid_prompt$|_policy(_violation)?$/;

/** The status that a refusal for this reason would have had; in a stream there is none. */
const STATUS: [code: RegExp, status: number][] = [
  [/^(rate_limit_exceeded|insufficient_quota|usage_limit_reached)$/, 429],
  [/^(authentication_error|invalid_api_key)$/, 401],
  [/^(server_error|server_is_overloaded|slow_down|vector_store_timeout)$/, 503],
  // What is the matter with an image, an argument, a name: asking again would not help.
  [/image|^(invalid|unsupported|missing|unknown)_|_mismatch$|_(min|max)_value$/, 400],
];

/** A refusal before the stream. */
export function refusalFault(status: number, headers: Record<string, string>, body: string): GatewayError {
  const error = errorIn(body);
  if (POLICY.test(String(error?.code))) return eventFault(error);
  // What is not there is not always the model: an item or a response that was never stored also is a 404.
  const isItem = status === 404 && /^(Item|Previous response|Conversation|Prompt|File)\b/i.test(String(error?.message));
  return statusFault(isItem ? 400 : status, headers, body);
}

/** An error inside a 200 stream: that of a response that failed, of an error event, or that event itself. */
export function eventFault(error: unknown): GatewayError {
  if (error === null || typeof error !== 'object') return streamFault(error ?? { message: 'it did not say which' });
  const { code, type } = error as { code?: unknown; type?: unknown };
  const names = [code, type].filter((name) => typeof name === 'string');
  const fault = streamFault({ ...error, status: names.map(statusOf).find(Boolean) });
  return names.some((name) => POLICY.test(name)) ? new GatewayError('content_filtered', fault.message) : fault;
}

function statusOf(name: string): number | undefined {
  return STATUS.find(([pattern]) => pattern.test(name))?.[1];
}

function errorIn(body: string): { code?: unknown; message?: unknown } | undefined {
  try {
    return JSON.parse(body).error;
  } catch {
    return undefined; // not this API's shape; what the status and the words say is all there is
  }
}
