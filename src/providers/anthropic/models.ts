// What each generation of models takes: how it is told to think and not to, whose words for effort it knows, which fields it refuses.
// Knows models by name and nothing of a request. A name that is not here is a newer model's and gets what the newest take.
// https://platform.claude.com/docs/en/about-claude/models/overview
// https://platform.claude.com/docs/en/build-with-claude/thinking
import type { Effort } from '../reasoning.ts';

export interface ModelTraits {
  /** Tokens of one answer at most, thinking included. The API wants a limit: this one, where neither client nor config has any. */
  maxOutput: number;
  /** `adaptive`: it thinks as it sees fit, guided by an effort. `budget`: it is given tokens to think with. */
  thinking: 'adaptive' | 'budget' | 'none';
  /** How thinking is turned off. `unasked`: it is off unless asked for. `never`: it cannot be. */
  off: 'unasked' | 'disabled' | 'between_tools' | 'never';
  efforts: readonly Effort[];
  /** `one` of temperature and top_p; top_k beside it. */
  sampling: 'any' | 'one' | 'none';
  /** Takes a tool choice that forces a call; thinking must then be off. */
  forcedTools: boolean;
  /** Takes a conversation that ends with the assistant, and goes on from there. */
  prefill: boolean;
  /** Structured outputs and strict tools. */
  schemas: boolean;
  /** Takes system messages in the course of the conversation. */
  lateSystem: boolean;
}

const NEWEST: ModelTraits = {
  maxOutput: 128_000,
  thinking: 'adaptive',
  off: 'never',
  efforts: ['low', 'medium', 'high', 'xhigh', 'max'],
  sampling: 'none',
  forcedTools: true,
  prefill: false,
  schemas: true,
  lateSystem: true,
};
const UNFORCED: ModelTraits = { ...NEWEST, forcedTools: false };
const SWITCHABLE: ModelTraits = { ...NEWEST, off: 'disabled' };
const ASKED: ModelTraits = { ...NEWEST, off: 'unasked' };
const FIRST_ADAPTIVE: ModelTraits = {
  ...ASKED,
  efforts: ['low', 'medium', 'high', 'max'],
  sampling: 'one',
  lateSystem: false,
};
const BUDGETED: ModelTraits = {
  ...FIRST_ADAPTIVE,
  maxOutput: 64_000,
  thinking: 'budget',
  efforts: [],
  prefill: true,
};
const FIRST_FOUR: ModelTraits = { ...BUDGETED, sampling: 'any', schemas: false };
const UNTHINKING: ModelTraits = { ...FIRST_FOUR, maxOutput: 4096, thinking: 'none' };
/** Other vendors that speak this wire have copied what it was like in its second year. */
const IMITATION: ModelTraits = { ...BUDGETED, maxOutput: 32_000, off: 'disabled', efforts: NEWEST.efforts };

/** The first that fits counts. Names may have a prefix, a date, and dots where the API itself has hyphens. */
const MODELS: [name: RegExp, traits: ModelTraits][] = [
  [/fable|mythos/, UNFORCED],
  [version('opus', 5, 5), UNFORCED],
  [version('sonnet', 5, 5), { ...UNFORCED, off: 'between_tools' }],
  [version('haiku', 5, 5), SWITCHABLE],
  [version('opus', 5), SWITCHABLE],
  [version('sonnet', 5), { ...SWITCHABLE, lateSystem: false }],
  [version('opus', 4, 8), ASKED],
  [version('opus', 4, 7), { ...ASKED, lateSystem: false }],
  [version('(opus|sonnet)', 4, 6), FIRST_ADAPTIVE],
  [version('(opus|sonnet|haiku)', 4, 5), BUDGETED],
  [version('opus', 4, 1), { ...BUDGETED, maxOutput: 32_000 }],
  [version('sonnet', 4), FIRST_FOUR],
  [version('opus', 4), { ...FIRST_FOUR, maxOutput: 32_000 }],
  [/claude-3[-.]7/, FIRST_FOUR],
  [/claude-3[-.]5/, { ...UNTHINKING, maxOutput: 8192 }],
  [/claude-(2|3|instant)/, UNTHINKING],
  [/claude/, NEWEST],
];

/** A date may follow, but where no minor version is given none but zero. */
function version(family: string, major: number, minor?: number): RegExp {
  const rest = minor === undefined ? '(?!\\d|[-.][1-9]\\d?(?!\\d))' : `[-.]${minor}(?!\\d)`;
  return new RegExp(`${family}-${major}${rest}`);
}

export function traitsOf(model: string): ModelTraits {
  const name = model.toLowerCase();
  return MODELS.find(([pattern]) => pattern.test(name))?.[1] ?? IMITATION;
}
