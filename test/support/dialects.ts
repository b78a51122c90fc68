// The front doors themselves, by the readers of what they say.
import type { Dialect } from '../../src/core/contracts.ts';
import { anthropic } from '../../src/dialects/anthropic/door.ts';
import { gemini } from '../../src/dialects/gemini/door.ts';
import { native } from '../../src/dialects/native.ts';
import { openai } from '../../src/dialects/openai/door.ts';
import { openaiResponses } from '../../src/dialects/openai-responses/door.ts';
import { ui } from '../../src/dialects/ui/door.ts';
import type { Door } from './doors/door.ts';

const DIALECTS: Dialect[] = [native, openai, openaiResponses, anthropic, gemini, ui];

export function dialectOf(door: Door): Dialect {
  return DIALECTS.find(({ name }) => name === door.name)!;
}

/** A plain question as it is asked at this door, understood. */
export function parsedAt(door: Door, asking: Parameters<Door['body']>[1]) {
  const { pathname, searchParams } = new URL(door.path('m', asking), 'http://here');
  const rest = decodeURIComponent(pathname.split('/models/')[1] ?? '');
  const call = { rest, query: Object.fromEntries(searchParams), headers: {} };
  return dialectOf(door).parse(door.body('m', asking), call);
}
