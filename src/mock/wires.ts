// The wires that the mock speaks, in the order in which a request's path is offered to them. The first also answers for paths that
// belong to none. Knows their names and nothing else of them.
import { anthropic } from './anthropic.ts';
import { bedrock } from './bedrock.ts';
import { gemini } from './gemini.ts';
import { openai } from './openai.ts';
import { openaiResponses } from './openai-responses.ts';
import type { Wire } from './wire.ts';

export const WIRES: Wire[] = [openai, anthropic, gemini, openaiResponses, bedrock];
