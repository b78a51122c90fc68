// Objects of the Responses wire that do not depend on how far an answer has come: the response that its events repeat, parts of items,
// usage. Knows no framing and no HTTP.
// https://platform.openai.com/docs/api-reference/responses/object
import { randomBytes } from 'node:crypto';
import type { Tokens } from '../answer.ts';
import type { ResponsesRequest } from './request.ts';

export function partOf(kind: 'text' | 'refusal' | 'reasoning', text: string, logprobs: unknown[]): object {
  switch (kind) {
    case 'text':
      return { type: 'output_text', annotations: [], logprobs, text };
    case 'refusal':
      return { type: 'refusal', refusal: text };
    case 'reasoning':
      return { type: 'summary_text', text };
    default:
      return kind satisfies never;
  }
}

export function makeId(prefix: string): string {
  return `${prefix}_${randomBytes(25).toString('hex')}`;
}

/** What every event about the response repeats of the request. */
export function describe(request: ResponsesRequest) {
  return {
    id: makeId('resp'),
    object: 'response',
    created_at: Math.floor(Date.now() / 1000),
    status: 'in_progress',
    background: request.background ?? false,
    completed_at: null,
    error: null,
    frequency_penalty: 0,
    incomplete_details: null,
    instructions: request.instructions ?? null,
    max_output_tokens: request.max_output_tokens ?? null,
    max_tool_calls: request.max_tool_calls ?? null,
    model: request.model,
    moderation: null,
    output: [],
    parallel_tool_calls: request.parallel_tool_calls ?? true,
    presence_penalty: 0,
    previous_response_id: null,
    prompt_cache_key: request.prompt_cache_key ?? null,
    prompt_cache_retention: request.prompt_cache_retention ?? null,
    reasoning: {
      context: request.reasoning?.context ?? null,
      effort: request.reasoning?.effort ?? null,
      summary: request.reasoning?.summary ?? null,
    },
    safety_identifier: request.safety_identifier ?? null,
    service_tier: request.service_tier ?? 'auto',
    store: request.store ?? true,
    temperature: request.temperature ?? 1,
    text: { format: request.text?.format ?? { type: 'text' }, verbosity: request.text?.verbosity ?? 'medium' },
    tool_choice: request.tool_choice ?? 'auto',
    tools: request.tools ?? [],
    top_logprobs: request.top_logprobs ?? 0,
    top_p: request.top_p ?? 1,
    truncation: request.truncation ?? 'disabled',
    usage: null,
    user: request.user ?? null,
    metadata: request.metadata ?? {},
  };
}

export function usageOf(tokens: Tokens): unknown {
  return {
    input_tokens: tokens.prompt,
    input_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 },
    output_tokens: tokens.completion,
    output_tokens_details: { reasoning_tokens: tokens.reasoning },
    total_tokens: tokens.prompt + tokens.completion,
  };
}

/** Plausible and the same each time: the longer the token, the less likely. */
export function logprobOf(text: string, top: number): object {
  const of = (token: string, rank: number) => ({
    token,
    bytes: [...Buffer.from(token)],
    logprob: -(token.length * 0.01 + rank),
  });
  const others = Array.from({ length: top }, (_, rank) => of(rank === 0 ? text : `${text}${rank}`, rank));
  return { ...of(text, 0), top_logprobs: others };
}
