// What each generation of models takes: how it is told to think and not to, which hints it refuses, what it wants back. Knows models by
// name and nothing of a request. A name that is not here is a newer model's and gets what the newest take.
// https://ai.google.dev/gemini-api/docs/thinking https://docs.cloud.google.com/vertex-ai/generative-ai/docs/thinking
import type { Effort } from '../reasoning.ts';

export interface ModelTraits {
  /** `level`: in words. `budget`: in tokens. */
  thinking: 'level' | 'budget' | 'none';
  leastLevel: Level;
  /** The fewest and the most tokens to think with. */
  budget: readonly [least: number, most: number];
  /** Does without thinking when told to: with a budget of 0. */
  rests: boolean;
  /** Takes presence and frequency penalties; others answer that they are "not enabled for this model". */
  penalties: boolean;
  /**
   * Since the third generation: function calls of the current turn must carry their thought signature, and images in the result of a
   * function stand inside it.
   */
  signed: boolean;
}

export type Level = 'MINIMAL' | 'LOW' | 'MEDIUM' | 'HIGH';

const NEWEST: ModelTraits = {
  thinking: 'level',
  leastLevel: 'LOW',
  budget: [128, 32_768],
  rests: false,
  penalties: false,
  signed: true,
};
const MINIMAL: ModelTraits = { ...NEWEST, leastLevel: 'MINIMAL' };
const BUDGETED: ModelTraits = { ...NEWEST, thinking: 'budget', budget: [1, 24_576], rests: true, signed: false };
const UNTHINKING: ModelTraits = { ...BUDGETED, thinking: 'none', penalties: true };

/** The first that fits counts. Names may have a path in front. */
const MODELS: [name: RegExp, traits: ModelTraits][] = [
  [/gemini-(1|2\.0)|gemma-[1-3]|learnlm/, UNTHINKING],
  [/gemini-2\.5-flash-image/, { ...UNTHINKING, penalties: false }],
  [/gemini-2\.5-pro/, { ...BUDGETED, budget: [128, 32_768], rests: false }],
  [/gemini-2\.5-flash-lite/, { ...BUDGETED, budget: [512, 24_576] }],
  [/gemini-2\.5|gemini-robotics-er-1/, BUDGETED],
  [/gemini-3(\.[0-6])?-flash|-flash-lite/, MINIMAL],
];

export function traitsOf(model: string): ModelTraits {
  return MODELS.find(([name]) => name.test(model))?.[1] ?? NEWEST;
}

export function levelOf(effort: Effort, { leastLevel }: ModelTraits): Level {
  switch (effort) {
    case 'minimal':
      return leastLevel;
    case 'low':
      return 'LOW';
    case 'medium':
      return 'MEDIUM';
    case 'high':
    case 'xhigh':
    case 'max':
      return 'HIGH';
    default:
      return effort satisfies never;
  }
}
