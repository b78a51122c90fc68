// How much a client wants a model to reason, in the two ways in which wires say it: an effort, or a budget of tokens. Knows the
// request's two fields for it; no wire, no model.
import type { Reader } from './translate.ts';

export const EFFORTS = ['minimal', 'low', 'medium', 'high', 'xhigh', 'max'] as const;
export type Effort = (typeof EFFORTS)[number];

export type ReasoningWish =
  | { kind: 'off' }
  /** As much as the model sees fit. */
  | { kind: 'on' }
  | { kind: 'effort'; effort: Effort }
  /** In tokens. */
  | { kind: 'budget'; budget: number };

/** Undefined: nothing was said, and the model does as it does. */
export function reasoningWish(reader: Reader): ReasoningWish | undefined {
  const short = reader.take('reasoning_effort');
  const long = reader.take('reasoning');
  const { effort: _effort, max_tokens: _budget, enabled: _enabled, summary: _summary, ...others } = long ?? {};
  for (const [field, value] of Object.entries(others)) if (value != null) reader.drop(`reasoning.${field}`);
  const effort = long?.effort ?? short;
  const budget = long?.max_tokens ?? undefined;
  if (long?.effort && short && long.effort !== short) {
    reader.refuse('reasoning_effort', 'it says something else than reasoning.effort');
  }
  if (effort != null && budget !== undefined) {
    reader.refuse('reasoning.max_tokens', 'expected an effort or a budget, not both');
  }
  if (long?.enabled === false || effort === 'none') return { kind: 'off' };
  if (budget !== undefined) return { kind: 'budget', budget };
  if (effort != null) {
    const known = EFFORTS.find((one) => one === effort);
    const param = long?.effort ? 'reasoning.effort' : 'reasoning_effort';
    if (!known) reader.refuse(param, `expected none, ${EFFORTS.join(', ')}`);
    return { kind: 'effort', effort: known as Effort };
  }
  return long?.enabled === true ? { kind: 'on' } : undefined;
}

/** Tokens for an effort, where a wire counts. Each step about doubles, within what models of today take. */
const BUDGETS: Record<Effort, number> = {
  minimal: 1024,
  low: 2048,
  medium: 8192,
  high: 16_384,
  xhigh: 24_576,
  max: 32_768,
};

export function budgetOf(effort: Effort): number {
  return BUDGETS[effort];
}

/** The effort whose budget comes nearest from below, where a wire has words only. */
export function effortOf(budget: number): Effort {
  return EFFORTS.findLast((effort) => BUDGETS[effort] <= budget) ?? 'minimal';
}
