// A Messages request as a prompt: its words in the order in which the API reads and caches them. Knows no rule and no answer.
// https://platform.claude.com/docs/en/build-with-claude/prompt-caching
import { countWords } from '../answer.ts';
import type { PromptPart } from '../prompt-cache.ts';
import type { AnthropicRequest, Block } from './request.ts';
import { blocksOf } from './turns.ts';

export function textOf(block: Block): string {
  return block.type === 'text' ? block.text : '';
}

export function resultOf({ content = '' }: Extract<Block, { type: 'tool_result' }>): string {
  return typeof content === 'string' ? content : content.map(textOf).join('');
}

/** In the order in which the API caches: tools, system, messages. Tools are not counted, as on the other wires. */
export function promptOf(body: AnthropicRequest): PromptPart[] {
  const part = (content: object, text: string): PromptPart => {
    const { cache_control: mark, ...rest } = content as { cache_control?: unknown };
    return { content: rest, tokens: countWords(text), marked: mark != null };
  };
  const { system = [] } = body;
  const systemBlocks = typeof system === 'string' ? [{ type: 'text' as const, text: system }] : system;
  const parts = [
    ...(body.tools ?? []).map((tool) => part(tool, '')),
    ...systemBlocks.map((block) => part(block, block.text)),
    ...body.messages.flatMap((message) =>
      blocksOf(message).map((block) => part(block, block.type === 'tool_result' ? resultOf(block) : textOf(block))),
    ),
  ];
  const last = parts.at(-1);
  if (body.cache_control && last) last.marked = true;
  return parts;
}
