// The generateContent request: a chat request in this wire's words, each field taken, refused or left out aloud. Knows the fields of
// the body and its path; what goes into the larger ones is in the files beside it. No HTTP.
// https://ai.google.dev/api/generate-content#request-body
import type { GenerationConfig } from '@google/genai';
import type { ChatRequest } from '../../core/chat.ts';
import type { Translation } from '../../core/contracts.ts';
import { budgetOf, effortOf, type ReasoningWish, reasoningWish } from '../reasoning.ts';
import { type Reader, readRequest } from '../translate.ts';
import { contentsOf } from './contents.ts';
import { type Level, levelOf, type ModelTraits, traitsOf } from './models.ts';
import { formatOf, toolsOf } from './tools.ts';

export interface GeminiRequestConfig {
  /** With its version path, or on Vertex with that of project and location. */
  baseUrl: string;
  /** How models are told to think, where the table of models (models.ts) has it wrong. */
  thinking?: 'level' | 'budget';
  /** Fields that are left out for this provider; the client is told. */
  drop?: string[];
}

/** The body has its model's path in `model`, for the address; it goes out without. */
export function geminiRequest(
  config: GeminiRequestConfig,
  chat: ChatRequest,
  model: string,
  vendor?: Record<string, unknown>,
): Translation {
  const reader = readRequest(chat, 'gemini', config.drop);
  const known = traitsOf(model);
  const traits: ModelTraits = config.thinking ? { ...known, thinking: config.thinking } : known;
  const vertex = isVertex(config.baseUrl);
  const thinkingConfig = thinkingOf(chat, reader, traits);
  const generationConfig = {
    ...samplingOf(reader, traits),
    ...formatOf(reader),
    ...(thinkingConfig && { thinkingConfig }),
  };
  const body: Record<string, unknown> = {
    model: pathOf(model, vertex, reader),
    ...contentsOf(chat, reader, { traits, ids: !vertex }),
    ...toolsOf(reader),
    ...(Object.keys(generationConfig).length > 0 && { generationConfig }),
    ...(!vertex && tierOf(reader)),
  };
  return reader.finish(body, vendor);
}

/** The same API with small differences: what it refuses, and how models are addressed. Behind a proxy its path gives it away. */
export function isVertex(baseUrl: string): boolean {
  return /[/.-]aiplatform\.([\w.]+\.)?googleapis\.com|\/projects\/[^/]+\/locations\//.test(baseUrl);
}

/** What a path may begin with that names a model by itself. */
const PATH = /^(models|tunedModels|publishers|projects|endpoints)\//;

export function pathOf(model: string, vertex: boolean, reader: Pick<Reader, 'refuse'>): string {
  const segments = model.split('/');
  if (segments.some((segment) => segment === '' || segment === '.' || segment === '..')) {
    return reader.refuse('model', 'this is no name of a model');
  }
  const path = segments.map(encodeURIComponent).join('/');
  if (PATH.test(model)) return path;
  return vertex ? `publishers/google/models/${path}` : `models/${path}`;
}

const MAX_STOPS = 5;
const MAX_INT32 = 2 ** 31 - 1;

function samplingOf(reader: Reader, { penalties }: ModelTraits): GenerationConfig {
  const limit = reader.take('max_tokens');
  const maxOutputTokens = reader.take('max_completion_tokens') ?? limit;
  const stopSequences = [reader.take('stop') ?? []].flat();
  if (stopSequences.length > MAX_STOPS) reader.refuse('stop', `expected at most ${MAX_STOPS} sequences`);
  const seed = reader.take('seed');
  const fits = seed === undefined || Math.abs(seed) <= MAX_INT32;
  if (!fits) reader.drop('seed');
  const candidateCount = reader.take('n') ?? 1;
  return defined({
    temperature: reader.take('temperature'),
    topP: reader.take('top_p'),
    topK: reader.take('top_k'),
    maxOutputTokens,
    stopSequences: stopSequences.length > 0 ? stopSequences : undefined,
    seed: fits ? seed : undefined,
    candidateCount: candidateCount > 1 ? candidateCount : undefined,
    presencePenalty: penalties ? reader.take('presence_penalty') : undefined,
    frequencyPenalty: penalties ? reader.take('frequency_penalty') : undefined,
  });
}

function defined<T extends object>(fields: T): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
}

/** https://ai.google.dev/api/generate-content#ThinkingConfig */
interface Thinking {
  includeThoughts?: boolean;
  thinkingBudget?: number;
  thinkingLevel?: Level;
}

function thinkingOf(chat: ChatRequest, reader: Reader, traits: ModelTraits): Thinking | undefined {
  const wish = reasoningWish(reader);
  const summary = reader.take('reasoning')?.summary;
  if (summary && summary !== 'auto') reader.drop('reasoning.summary'); // here they have no length to choose
  if (wish === undefined && !summary) return undefined;
  const asked = chat.reasoning_effort == null ? 'reasoning' : 'reasoning_effort';
  if (traits.thinking === 'none') {
    if (wish?.kind !== 'off') reader.drop(asked);
    return undefined;
  }
  if (wish === undefined) return { includeThoughts: true };
  // Told to do without, such a model thinks as little as it can.
  if (wish.kind === 'off' && !(traits.thinking === 'budget' && traits.rests)) reader.drop(asked);
  return thinkingFor(wish, traits);
}

/** A wish in words where the model wants words, in tokens where it counts. */
function thinkingFor(wish: ReasoningWish, traits: ModelTraits): Thinking {
  const words = traits.thinking === 'level';
  const [least, most] = traits.budget;
  switch (wish.kind) {
    case 'off':
      return words ? { thinkingLevel: traits.leastLevel } : { thinkingBudget: traits.rests ? 0 : least };
    case 'on':
      return { includeThoughts: true, ...(!words && { thinkingBudget: -1 }) }; // some think only when told to
    case 'effort':
    case 'budget': {
      if (words) {
        const effort = wish.kind === 'effort' ? wish.effort : effortOf(wish.budget);
        return { includeThoughts: true, thinkingLevel: levelOf(effort, traits) };
      }
      const budget = wish.kind === 'effort' ? budgetOf(wish.effort) : wish.budget;
      return { includeThoughts: true, thinkingBudget: Math.min(Math.max(budget, least), most) };
    }
    default:
      return wish satisfies never;
  }
}

/** `auto` is what every request gets. https://ai.google.dev/gemini-api/docs/priority-inference */
function tierOf(reader: Reader): { serviceTier?: string } {
  const tier = reader.take('service_tier');
  switch (tier) {
    case undefined:
    case 'auto':
      return {};
    case 'default':
    case 'standard':
      return { serviceTier: 'standard' };
    case 'flex':
    case 'priority':
      return { serviceTier: tier as string };
    default:
      reader.drop('service_tier');
      return {};
  }
}
