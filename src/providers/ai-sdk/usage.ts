// Token counts as provider packages report them, in the house's meaning. Versions 3 and 4 of the specification say what is inside
// what; version 2 does not, and its packages differ. Knows the specification's usage; nothing else of a part.
import type { Usage } from '../../core/events.ts';
import { countOf } from '../read.ts';

/** Versions 3 and 4; all counts may be missing. */
interface Detailed {
  inputTokens: { total?: number; noCache?: number; cacheRead?: number; cacheWrite?: number };
  outputTokens?: { total?: number; text?: number; reasoning?: number } | null;
}
/** Version 2. */
interface Flat {
  inputTokens?: number;
  outputTokens?: number;
  totalTokens?: number;
  reasoningTokens?: number;
  cachedInputTokens?: number;
}

/** Undefined when the provider reported nothing. */
export function usageOf(reported: unknown): Usage | undefined {
  if (typeof reported !== 'object' || reported === null) return undefined;
  const { inputTokens } = reported as { inputTokens?: unknown };
  const usage =
    typeof inputTokens === 'object' && inputTokens !== null ? detailed(reported as Detailed) : flat(reported as Flat);
  return usage.input_tokens + usage.output_tokens > 0 ? usage : undefined;
}

function detailed({ inputTokens: input, outputTokens }: Detailed): Usage {
  const output = outputTokens ?? {};
  const [cached, written, reasoning] = [countOf(input.cacheRead), countOf(input.cacheWrite), countOf(output.reasoning)];
  return {
    input_tokens: countOf(input.total) || countOf(input.noCache) + cached + written,
    output_tokens: countOf(output.total) || countOf(output.text) + reasoning,
    cached_input_tokens: cached,
    cache_write_input_tokens: written,
    reasoning_tokens: reasoning,
    estimated: false,
  };
}

/** Some packages count cached tokens and reasoning inside, some beside: more cached than all, or the total, tells. */
function flat({ inputTokens, outputTokens, totalTokens, reasoningTokens, cachedInputTokens }: Flat): Usage {
  let [input, output] = [countOf(inputTokens), countOf(outputTokens)];
  const [cached, reasoning] = [countOf(cachedInputTokens), countOf(reasoningTokens)];
  if (reasoning > 0 && countOf(totalTokens) === input + output + reasoning) output += reasoning;
  if (cached > input) input += cached;
  return {
    input_tokens: input,
    output_tokens: output,
    cached_input_tokens: cached,
    cache_write_input_tokens: 0,
    reasoning_tokens: reasoning,
    estimated: false,
  };
}
