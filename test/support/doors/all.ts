// The front doors, as their clients know them.
import { anthropic } from './anthropic.ts';
import type { Door } from './door.ts';
import { gemini } from './gemini.ts';
import { native } from './native.ts';
import { openai } from './openai.ts';
import { openaiResponses } from './openai-responses.ts';
import { ui } from './ui.ts';

export const doors: Door[] = [native, openai, openaiResponses, anthropic, gemini, ui];
