// How much the model may say and think, and what thinking excludes: the token limit, the thinking config, the effort, the sampling
// parameters. They depend on each other and on the model. Knows the request's fields for them; no messages, no tools.
// https://platform.claude.com/docs/en/build-with-claude/thinking
// https://platform.claude.com/docs/en/build-with-claude/effort
import type Anthropic from '@anthropic-ai/sdk';
import type { ChatRequest } from '../../core/chat.ts';
import { budgetOf, EFFORTS, type Effort, effortOf, type ReasoningWish, reasoningWish } from '../reasoning.ts';
import type { Reader } from '../translate.ts';
import type { ModelTraits } from './models.ts';

/** The least budget that the API takes. */
const MIN_BUDGET = 1024;
/** What thinking leaves of the limit for the answer, at least: a budget as large as the limit would leave nothing. */
const ANSWER_SHARE = 0.2;

export interface Situation {
  /** Without a limit from the client. */
  maxTokens: number | undefined;
  /** A call is forced. */
  forced: boolean;
  /** The conversation goes on inside an assistant turn that did not begin with thinking. */
  midTurn: boolean;
}

export interface Effects {
  max_tokens: number;
  thinking?: Anthropic.ThinkingConfigParam;
  effort?: NonNullable<Anthropic.OutputConfig['effort']>;
}

export function thinkingOf(chat: ChatRequest, reader: Reader, traits: ModelTraits, situation: Situation): Effects {
  const given = reader.take('max_tokens');
  const max_tokens = reader.take('max_completion_tokens') ?? given ?? situation.maxTokens ?? traits.maxOutput;
  return { max_tokens, ...wishedThinking(chat, reader, traits, situation, max_tokens) };
}

function wishedThinking(
  chat: ChatRequest,
  reader: Reader,
  traits: ModelTraits,
  { forced, midTurn }: Situation,
  limit: number,
): Partial<Effects> {
  const wish = reasoningWish(reader);
  const field = chat.reasoning_effort != null ? 'reasoning_effort' : 'reasoning';
  if (wish === undefined) return forced ? turnedOff(traits) : {};
  if (wish.kind === 'off') {
    if (traits.off !== 'never') return turnedOff(traits);
    reader.drop(field); // what can be had instead is the least of it
    return { effort: 'low' };
  }
  // A budget that fits nowhere, or a turn that the API refuses to go on with: better an answer without thinking than none.
  const hindered = traits.thinking === 'budget' && (midTurn || limit <= MIN_BUDGET);
  if (forced || hindered || traits.thinking === 'none') {
    reader.drop(field);
    return turnedOff(traits);
  }
  return traits.thinking === 'adaptive' ? adaptive(wish, reader, traits) : { thinking: budgeted(wish, reader, limit) };
}

function turnedOff({ off }: ModelTraits): Partial<Effects> {
  switch (off) {
    case 'disabled':
    case 'between_tools':
      return { thinking: { type: off } };
    case 'unasked':
    case 'never':
      return {};
    default:
      return off satisfies never;
  }
}

/** Asked to think, models of today do not show it unless asked for that too. */
function adaptive(wish: ActiveWish, reader: Reader, { efforts }: ModelTraits): Partial<Effects> {
  const thinking = { type: 'adaptive', display: 'summarized' } as const;
  if (wish.kind === 'on') return { thinking };
  // A budget is a cap, and an effort is none.
  if (wish.kind === 'budget') reader.drop('reasoning.max_tokens');
  const effort = wish.kind === 'budget' ? effortOf(wish.budget) : wish.effort;
  return { thinking, effort: nearest(effort, efforts) };
}

/** The highest that the model knows and that is not above what was asked for, else its lowest. */
function nearest(effort: Effort, known: readonly Effort[]): Effects['effort'] {
  const most = EFFORTS.indexOf(effort);
  const found = known.findLast((one) => EFFORTS.indexOf(one) <= most) ?? known[0];
  return found as Effects['effort'];
}

/** The limit is what the client pays at most, thinking included, so the budget is fitted into it and never the other way round. */
function budgeted(wish: ActiveWish, reader: Reader, limit: number): Anthropic.ThinkingConfigEnabled {
  const wished = wish.kind === 'budget' ? wish.budget : budgetOf(wish.kind === 'on' ? 'medium' : wish.effort);
  const most = Math.max(MIN_BUDGET, Math.floor(limit * (1 - ANSWER_SHARE)));
  const budget = Math.min(Math.max(wished, MIN_BUDGET), most);
  if (wish.kind === 'budget' && budget !== wished) reader.drop('reasoning.max_tokens');
  return { type: 'enabled', budget_tokens: budget };
}

type ActiveWish = Exclude<ReasoningWish, { kind: 'off' }>;

/** From this version on the API takes none of them, whatever the model. https://platform.claude.com/docs/en/api/versioning */
const WITHOUT_SAMPLING = '2026-10-21';
/** With thinking, the only values of top_p that are allowed. */
const THINKING_TOP_P = 0.95;

export interface Sampling {
  temperature?: number;
  top_p?: number;
  top_k?: number;
}

/** What asks for the default where it cannot be sent is left out without a word: the client gets what it asked for. */
export function samplingOf(reader: Reader, traits: ModelTraits, isThinking: boolean, version: string): Sampling {
  const asked = { temperature: reader.take('temperature'), top_p: reader.take('top_p'), top_k: reader.take('top_k') };
  const none = traits.sampling === 'none' || version >= WITHOUT_SAMPLING;
  const sampling: Sampling = {};
  if (asked.top_k !== undefined) {
    if (none || isThinking) reader.drop('top_k');
    else sampling.top_k = asked.top_k;
  }
  if (none || isThinking) {
    if ((asked.temperature ?? 1) !== 1) reader.drop('temperature');
    if (isThinking && !none && asked.top_p !== undefined && asked.top_p >= THINKING_TOP_P) sampling.top_p = asked.top_p;
    else if ((asked.top_p ?? 1) !== 1) reader.drop('top_p');
    return sampling;
  }
  let { temperature, top_p } = asked;
  // The scale ends at 1 here and at 2 where the field comes from. A request that also goes elsewhere is not to fail for that.
  if (temperature !== undefined && temperature > 1) {
    reader.drop('temperature');
    temperature = 1;
  }
  if (traits.sampling === 'one' && temperature !== undefined && top_p !== undefined) {
    if (temperature === 1) temperature = undefined;
    else {
      if (top_p !== 1) reader.drop('top_p');
      top_p = undefined;
    }
  }
  if (temperature !== undefined) sampling.temperature = temperature;
  if (top_p !== undefined) sampling.top_p = top_p;
  return sampling;
}
