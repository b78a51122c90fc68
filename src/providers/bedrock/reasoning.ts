// How a wish to reason is put into a model's own fields, and what else of the request has to give way for it. A wish that the model
// or the rest of the request cannot go along with is left out and said to be. Knows what models take; no message, no tool.
// https://docs.aws.amazon.com/bedrock/latest/userguide/inference-reasoning.html
import type { ChatRequest } from '../../core/chat.ts';
import { budgetOf, type Effort, effortOf, type ReasoningWish, reasoningWish } from '../reasoning.ts';
import type { Reader } from '../translate.ts';
import type { Traits } from './models.ts';

/** What of the rest of the request bears on it. */
export interface Circumstances {
  maxTokens: number | undefined;
  /** The model must call a tool; Claude does not reason before a call that it is made to make. */
  forced: boolean;
  /** Claude with a budget insists on having reasoned before the calls that are being answered. */
  unreasonedCall: boolean;
}

export interface Reasoned {
  /** Of the model's own. */
  fields: Record<string, unknown>;
  maxTokens: number | undefined;
  /** Sampling may not be changed while it reasons. */
  plainSampling: boolean;
}

const MIN_BUDGET = 1024;
/** Room for the answer itself, in tokens, where the client gave no limit: unasked, Converse would stop Claude after 4096 in all. */
const ANSWER = 8192;

export function reasoningOf(
  chat: ChatRequest,
  reader: Reader,
  { reasoning, sampling }: Traits,
  { maxTokens, forced, unreasonedCall }: Circumstances,
): Reasoned {
  const wish = reasoningWish(reader);
  const unasked: Reasoned = { fields: {}, maxTokens, plainSampling: sampling === 'none' };
  const summary = chat.reasoning?.summary;
  if (summary && summary !== 'auto') reader.drop('reasoning.summary'); // here it has no length to choose
  if (!wish) return unasked;

  function leftOut(given = unasked): Reasoned {
    reader.drop(chat.reasoning_effort == null ? 'reasoning' : 'reasoning_effort');
    return given;
  }

  switch (reasoning.by) {
    case 'nothing':
      return leftOut();

    case 'budget': {
      if (wish.kind === 'off') return unasked;
      if (forced || unreasonedCall) return leftOut();
      const wanted = wish.kind === 'budget' ? wish.budget : budgetOf(wish.kind === 'on' ? 'medium' : wish.effort);
      const limit = maxTokens ?? Math.min(wanted + ANSWER, reasoning.most);
      const budget = Math.max(MIN_BUDGET, Math.min(wanted, limit - MIN_BUDGET));
      if (budget >= limit) return leftOut();
      if (wish.kind === 'budget' && budget !== wanted) reader.drop('reasoning.max_tokens'); // the limit comes first
      return {
        fields: { thinking: { type: 'enabled', budget_tokens: budget } },
        maxTokens: limit,
        plainSampling: true,
      };
    }

    case 'adaptive': {
      const { off, visible, xhigh } = reasoning;
      const silent = off === 'disabled' || off === 'between_tools';
      const unreasoned: Reasoned = silent ? { ...unasked, fields: { thinking: { type: off } } } : unasked;
      if (wish.kind === 'off') {
        return off === 'never' ? leftOut({ ...unasked, fields: { output_config: { effort: 'low' } } }) : unreasoned;
      }
      if (forced) return leftOut(unreasoned);
      const effort = effortIn(wish, reader);
      const thinking = { type: 'adaptive', ...(visible && { display: 'summarized' }) };
      return {
        fields: { thinking, ...(effort && { output_config: { effort: named(effort, xhigh) } }) },
        maxTokens: maxTokens ?? budgetOf(effort ?? 'high') + ANSWER,
        plainSampling: true,
      };
    }

    case 'word': {
      if (wish.kind === 'off') {
        if (reasoning.off === undefined) return unasked;
        if (reasoning.off === 'never') return leftOut({ ...unasked, fields: reasoning.say(reasoning.words.minimal) });
        return { ...unasked, fields: reasoning.say(reasoning.off) };
      }
      const effort = effortIn(wish, reader);
      const word = effort ? reasoning.words[effort] : reasoning.on;
      if (word === undefined) return unasked;
      if (word !== reasoning.boundless?.word) return { ...unasked, fields: reasoning.say(word) };
      if (maxTokens !== undefined) return leftOut({ ...unasked, fields: reasoning.say(reasoning.boundless.lesser) });
      return { ...unasked, fields: reasoning.say(word), plainSampling: true };
    }

    default:
      return reasoning satisfies never;
  }
}

function effortIn(wish: Exclude<ReasoningWish, { kind: 'off' }>, reader: Reader): Effort | undefined {
  switch (wish.kind) {
    case 'on':
      return undefined;
    case 'effort':
      return wish.effort;
    case 'budget':
      reader.drop('reasoning.max_tokens'); // a budget is a cap, and an effort is none
      return effortOf(wish.budget);
    default:
      return wish satisfies never;
  }
}

/** Claude's words. */
function named(effort: Effort, xhigh: boolean): string {
  if (effort === 'minimal') return 'low';
  return effort === 'xhigh' && !xhigh ? 'high' : effort;
}
