// The response object that the events of a stream carry and a whole answer is: what it repeats of the request, how it ended, what it
// used. Knows that object; no item, no events. On the hot path.
// https://platform.openai.com/docs/api-reference/responses/object
import type { StreamMeta } from '../../core/contracts.ts';
import type { ErrorCode, GatewayError } from '../../core/errors.ts';
import type { Ending, FinishReason, Usage } from '../../core/events.ts';
import { openai } from '../openai/door.ts';

export type Fields = Record<string, unknown>;

/** What the encoder must know of the request. */
export interface Options {
  /** Fields that the response repeats. */
  echo: Fields;
  /** Names of tools whose input is text. */
  custom: string[];
}

/** Numbers an event and makes it a frame. */
export type Frame = (type: string, fields: object) => string;

/** All that the API's own has, in its order; null where only a provider would know. */
export function describe({ streamId, created, model }: StreamMeta, { echo }: Options): Fields {
  return {
    id: `resp_${streamId}`,
    object: 'response',
    created_at: created,
    status: 'in_progress',
    background: false,
    completed_at: null,
    error: null,
    incomplete_details: null,
    instructions: null,
    max_output_tokens: null,
    max_tool_calls: null,
    model,
    output: [],
    parallel_tool_calls: true,
    previous_response_id: null,
    prompt_cache_key: null,
    reasoning: { effort: null, summary: null },
    safety_identifier: null,
    service_tier: null,
    store: false, // whatever was asked for: nothing is stored here
    temperature: null,
    text: { format: { type: 'text' } },
    tool_choice: 'auto',
    tools: [],
    top_logprobs: 0,
    top_p: null,
    truncation: 'disabled',
    usage: null,
    user: null,
    metadata: {},
    ...echo,
  };
}

/**
 * Why a response is incomplete; null: it is complete. A stream that was stopped has no word here, so it is incomplete without a reason.
 * https://platform.openai.com/docs/api-reference/responses/object#responses/object-incomplete_details
 */
const INCOMPLETE: Record<FinishReason, { reason: string } | 'unsaid' | null> = {
  stop: null,
  'tool-calls': null,
  other: null,
  length: { reason: 'max_output_tokens' },
  budget: { reason: 'max_output_tokens' },
  'content-filter': { reason: 'content_filter' },
  cancelled: 'unsaid',
};

export function isCut(ending: Ending): boolean {
  return ending.type === 'error' || INCOMPLETE[ending.finishReason] !== null;
}

/** The response as it stands at its end. */
export function concluded(response: Fields, ending: Ending): Fields {
  const usage = wireUsage(ending.usage);
  if (ending.type === 'error') return { ...response, status: 'failed', error: failureOf(ending.error), usage };
  const why = INCOMPLETE[ending.finishReason];
  if (why !== null) {
    return { ...response, status: 'incomplete', incomplete_details: why === 'unsaid' ? null : why, usage };
  }
  const completed_at = Number(response.created_at) + Math.round(ending.timing.total_ms / 1000);
  return { ...response, status: 'completed', completed_at, usage };
}

/** The last event; before a failure the API says what went wrong in an event of its own. */
export function terminalFrames(frame: Frame, response: Fields, ending: Ending): string {
  const last = concluded(response, ending);
  const failed = ending.type === 'error' ? frame('error', errorEvent(ending.error)) : '';
  return failed + frame(`response.${String(last.status)}`, { response: last });
}

/** Words that the API has for a failed response. */
const CODES: Partial<Record<ErrorCode, string>> = {
  rate_limited: 'rate_limit_exceeded',
  concurrency_limited: 'rate_limit_exceeded',
  upstream_rate_limited: 'rate_limit_exceeded',
  content_filtered: 'invalid_prompt',
  context_length_exceeded: 'context_length_exceeded',
  invalid_request: 'invalid_prompt',
};

function failureOf({ code, message }: GatewayError): object {
  return { code: CODES[code] ?? 'server_error', message };
}

/**
 * As the reference has it, flat, and as the API sends it, nested: clients were written after the one or the other.
 * https://github.com/openai/openai-dotnet/issues/881
 */
export function errorEvent(error: GatewayError): object {
  const nested = (openai.fault(error) as { error: Fields }).error;
  const { code, message, param } = nested;
  return { code, message, param, error: nested };
}

function wireUsage(usage: Usage): object {
  return {
    input_tokens: usage.input_tokens,
    input_tokens_details: {
      cached_tokens: usage.cached_input_tokens,
      cache_write_tokens: usage.cache_write_input_tokens,
    },
    output_tokens: usage.output_tokens,
    output_tokens_details: { reasoning_tokens: usage.reasoning_tokens },
    total_tokens: usage.input_tokens + usage.output_tokens,
  };
}
