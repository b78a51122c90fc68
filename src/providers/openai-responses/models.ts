// What this vendor's models take, by name: how much they can be told to reason, and what that excludes. Data and the reading of it;
// knows no request. A name that is not here is of a model newer than this table, or of another vendor: it is taken to do whatever
// is asked, and its provider says what it cannot.
// https://platform.openai.com/docs/guides/reasoning
import { EFFORTS, type Effort } from '../reasoning.ts';

export interface ModelTraits {
  /** From least to most. Empty: it does not reason, and refuses to be told to. */
  efforts: readonly (Effort | 'none')[];
  /** What it does untold. Where that is to reason, it refuses to be told how to sample. */
  untold: 'reasons' | 'answers' | 'unknown';
  /** Takes marks in the prompt that say up to where it is worth caching. */
  breakpoints: boolean;
}

const UNKNOWN: ModelTraits = { efforts: ['none', ...EFFORTS], untold: 'unknown', breakpoints: false };

/** The first that matches. */
const MODELS: [name: RegExp, traits: Omit<ModelTraits, 'breakpoints'> & { breakpoints?: true }][] = [
  [/^(gpt-3|gpt-4|chatgpt-|gpt-5(\.\d+)?-chat)/, { efforts: [], untold: 'answers' }],
  [/^o\d/, { efforts: ['low', 'medium', 'high'], untold: 'reasons' }],
  [/^gpt-5-pro/, { efforts: ['high'], untold: 'reasons' }],
  [/^gpt-5(-|$)/, { efforts: ['minimal', 'low', 'medium', 'high'], untold: 'reasons' }],
  [/^gpt-5\.1(-|$)/, { efforts: ['none', 'low', 'medium', 'high'], untold: 'answers' }],
  [/^gpt-5\.[2-4](-|$)/, { efforts: ['none', 'low', 'medium', 'high', 'xhigh'], untold: 'answers' }],
  [/^gpt-5\.5(-|$)/, { efforts: ['none', 'low', 'medium', 'high', 'xhigh'], untold: 'reasons' }],
  [
    /^gpt-(5\.([6-9]|\d\d)|[6-9])/,
    { efforts: ['none', 'low', 'medium', 'high', 'xhigh', 'max'], untold: 'reasons', breakpoints: true },
  ],
];

/** `model` as the provider knows it; an aggregator puts its maker in front, and a fine-tuned one says so. */
export function traitsOf(model: string): ModelTraits {
  const name = model
    .slice(model.lastIndexOf('/') + 1)
    .replace(/^ft:/, '')
    .toLowerCase();
  const found = MODELS.find(([pattern]) => pattern.test(name))?.[1];
  return found ? { breakpoints: false, ...found } : UNKNOWN;
}

/** The nearest that it takes, from below if there is one; never none for some. */
export function nearestEffort({ efforts }: ModelTraits, wanted: Effort): Effort | undefined {
  const some = EFFORTS.filter((effort) => efforts.includes(effort));
  return some.findLast((effort) => EFFORTS.indexOf(effort) <= EFFORTS.indexOf(wanted)) ?? some[0];
}
