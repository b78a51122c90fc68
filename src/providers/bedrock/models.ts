// What the families of models behind Converse take beyond what all take: one API, but each model's own fields beside it, and some of
// the API's refused. Found by the model's id, which is also inside most ARNs. Knows names and fields; no request.
// https://docs.aws.amazon.com/bedrock/latest/userguide/conversation-inference-supported-models-features.html

import type { Effort } from '../reasoning.ts';
import { CLAUDE_FORMAT, GPT_FORMAT } from './thoughts.ts';

export interface Traits {
  reasoning: Reasoning;
  /** temperature, top_p, top_k. `one`: not both of the first two. `none`: only their defaults are accepted. */
  sampling: 'any' | 'one' | 'none';
  /** Where top_k goes, among the model's own fields. */
  topK?(value: number): Record<string, unknown>;
  /** False: no stop sequences. */
  stop: boolean;
  /** The longest time that a cache point may ask for. None: cache points are refused. */
  cache?: '5m' | '1h';
  /** Tool arguments can be held to their schema. */
  strict: boolean;
  /** A tool's result can be said to be a failure. */
  status: boolean;
  /** Anthropic's own `tool_choice` is understood, which says more than the API's. */
  toolChoice: boolean;
  /** What ids of tool calls may look like. */
  callId: RegExp;
  /** Whose blocks of reasoning the model takes back, as `ReasoningDetail.format`; '' for no one's. */
  format: string;
}

export type Reasoning =
  | { by: 'nothing' }
  /** A number of tokens. `most`: how many the model generates at most, reasoning included. */
  | { by: 'budget'; most: number }
  /** As the model sees fit, more or less eagerly. `off`: how it is kept from it. `visible`: its text is only sent if asked for. */
  | { by: 'adaptive'; off: 'silence' | 'disabled' | 'between_tools' | 'never'; visible: boolean; xhigh: boolean }
  | Words;

interface Words {
  by: 'word';
  words: Record<Effort, string>;
  /** For not at all, where that is not what it does unasked. `never`: it always reasons. */
  off?: string;
  /** For as it sees fit, where that is not what it does unasked. */
  on?: string;
  /** With this one neither max_tokens nor temperature and top_p may be said, and `lesser` is what comes nearest. */
  boundless?: { word: string; lesser: string };
  say(word: string): Record<string, unknown>;
}

const ANY_ID = /^[\w.:-]{1,64}$/;
const PLAIN: Traits = {
  reasoning: { by: 'nothing' },
  sampling: 'any',
  stop: true,
  strict: false,
  status: false,
  toolChoice: false,
  callId: ANY_ID,
  format: '',
};

const topK = (top_k: number) => ({ top_k });
const CLAUDE: Traits = {
  ...PLAIN,
  topK,
  cache: '1h',
  strict: true,
  status: true,
  toolChoice: true,
  callId: /^[\w-]{1,64}$/,
  format: CLAUDE_FORMAT,
};
const FIRST: Traits = { ...CLAUDE, cache: '5m', strict: false };
const ADAPTIVE = { by: 'adaptive', off: 'never', visible: true, xhigh: true } as const;

const THREE = { minimal: 'low', low: 'low', medium: 'medium', high: 'high', xhigh: 'high', max: 'high' };
const flat = (reasoning_effort: string) => ({ reasoning_effort });
const NOVA: Traits = { ...PLAIN, status: true, topK: (value) => ({ inferenceConfig: { topK: value } }) };

/**
 * The first that matches. A Claude that is not named is newer than those that are, and takes what the newest do.
 * https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-adaptive-thinking.html
 * https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html#prompt-caching-models
 */
const MODELS: [id: RegExp, traits: Traits][] = [
  [/claude-(v\d|instant|3-(opus|sonnet|haiku|5))/, FIRST],
  [/claude-(3-7|sonnet-4-\d{8})/, { ...FIRST, reasoning: { by: 'budget', most: 64_000 } }],
  [/claude-opus-4-\d{8}/, { ...FIRST, reasoning: { by: 'budget', most: 32_000 } }],
  [/claude-opus-4-1(?!\d)/, { ...FIRST, sampling: 'one', reasoning: { by: 'budget', most: 32_000 } }],
  [/claude-\w+-4-5(?!\d)/, { ...CLAUDE, sampling: 'one', reasoning: { by: 'budget', most: 64_000 } }],
  [
    /claude-\w+-4-6(?!\d)/,
    { ...CLAUDE, sampling: 'one', reasoning: { ...ADAPTIVE, off: 'silence', visible: false, xhigh: false } },
  ],
  [/claude-\w+-4-[789](?!\d)/, { ...CLAUDE, sampling: 'none', reasoning: { ...ADAPTIVE, off: 'silence' } }],
  [
    /claude-((opus|sonnet)-5(?!-\d(?!\d))|haiku-5)/,
    { ...CLAUDE, sampling: 'none', reasoning: { ...ADAPTIVE, off: 'disabled' } },
  ],
  [/claude-sonnet-5/, { ...CLAUDE, sampling: 'none', reasoning: { ...ADAPTIVE, off: 'between_tools' } }],
  [/claude|anthropic\./, { ...CLAUDE, sampling: 'none', reasoning: ADAPTIVE }],
  [/openai\.gpt-oss/, { ...PLAIN, reasoning: { by: 'word', words: THREE, off: 'never', say: flat } }],
  [
    /openai\./,
    {
      ...PLAIN,
      sampling: 'none',
      stop: false,
      format: GPT_FORMAT,
      reasoning: {
        by: 'word',
        words: { minimal: 'low', low: 'low', medium: 'medium', high: 'high', xhigh: 'xhigh', max: 'max' },
        off: 'none',
        say: (effort) => ({ reasoning: { effort } }),
      },
    },
  ],
  [
    /amazon\.nova-2/,
    {
      ...NOVA,
      reasoning: {
        by: 'word',
        words: THREE,
        on: 'medium',
        boundless: { word: 'high', lesser: 'medium' },
        say: (maxReasoningEffort) => ({ reasoningConfig: { type: 'enabled', maxReasoningEffort } }),
      },
    },
  ],
  [/amazon\.nova/, NOVA],
  [
    /moonshot(ai)?\.kimi/,
    {
      ...PLAIN,
      reasoning: {
        by: 'word',
        words: { minimal: 'low', low: 'low', medium: 'high', high: 'high', xhigh: 'max', max: 'max' },
        off: 'never',
        say: flat,
      },
    },
  ],
  [/mistral\./, { ...PLAIN, topK, callId: /^[a-zA-Z0-9]{9}$/ }],
  [/(^|\/)([\w-]+\.)?[\w-]+\.[\w-]+[^/]*$/, PLAIN], // of a vendor not named here
];

/** The API's name for a model may hide whose it is: an inference profile of one's own. Most are of Claude. */
const HIDDEN: Traits = { ...CLAUDE, reasoning: ADAPTIVE };

/** `thinking`: how a Claude, or what may be one, is to be asked whatever its name says. */
export function traitsOf(model: string, thinking?: 'adaptive' | 'budget'): Traits {
  const traits = MODELS.find(([id]) => id.test(model))?.[1] ?? HIDDEN;
  if (thinking === undefined || !traits.toolChoice || traits.reasoning.by === thinking) return traits;
  return { ...traits, reasoning: thinking === 'budget' ? { by: 'budget', most: 64_000 } : ADAPTIVE };
}
