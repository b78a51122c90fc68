// The wires that the mock speaks, in the order in which a request's path is offered to them. The first also answers for paths that
// belong to none. Knows their names and nothing else of them.
import { anthropic } from './anthropic/wire.ts';
import { bedrock } from './bedrock/wire.ts';
import { gemini } from './gemini/wire.ts';
import { openai } from './openai/wire.ts';
import { openaiResponses } from './openai-responses/wire.ts';
import type { Wire } from './wire.ts';

export const WIRES: Wire[] = [openai, anthropic, gemini, openaiResponses, bedrock];
