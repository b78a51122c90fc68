// A Converse request as a prompt: its words in the order in which the model reads and caches them. Knows no rule and no answer.
// https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html
import { countWords } from '../answer.ts';
import type { PromptPart } from '../prompt-cache.ts';
import type { BedrockRequest, Block } from './request.ts';

export function textOf(block: Block): string {
  return block.text ?? '';
}

export function resultOf({ content }: NonNullable<Block['toolResult']>): string {
  return content.map(({ text, json }) => text ?? (json === undefined ? '' : JSON.stringify(json))).join('');
}

/** A cache point marks what stands in front of it. Tools are not counted, as on the other wires. */
export function promptOf({ toolConfig, system = [], messages }: BedrockRequest): PromptPart[] {
  const parts: PromptPart[] = [];
  const add = (block: { cachePoint?: unknown }, text: string) => {
    if (block.cachePoint === undefined) parts.push({ content: block, tokens: countWords(text), marked: false });
    else if (parts.length > 0) parts.at(-1)!.marked = true;
  };
  for (const tool of toolConfig?.tools ?? []) add(tool, '');
  for (const block of system) add(block, block.text ?? '');
  for (const { content } of messages) {
    for (const block of content) add(block, block.toolResult ? resultOf(block.toolResult) : textOf(block));
  }
  return parts;
}
