// Reasoning items of a response, and the details that a client keeps of them: one in, several out, and back again. Only what the
// provider can use again is kept: its encrypted form, or the plain text of an open model. Knows both shapes; no frames, no request.
// https://platform.openai.com/docs/guides/reasoning#keeping-reasoning-items-in-context
import type { ReasoningDetail } from '../../core/events.ts';
import { textOf } from '../read.ts';

export const REASONING_FORMAT = 'openai-responses-v1';

export interface WireReasoning {
  id?: string | null;
  summary?: ({ text?: string | null } | null)[] | null;
  content?: ({ text?: string | null } | null)[] | null;
  encrypted_content?: string | null;
}

/** In the order in which the item has them; what is encrypted ends it. A summary alone tells the provider nothing. */
export function detailsOf(item: WireReasoning): ReasoningDetail[] {
  const common = { format: REASONING_FORMAT, ...(textOf(item.id) !== '' && { id: item.id! }) };
  const data = textOf(item.encrypted_content);
  const texts = data === '' ? textsOf(item.content) : []; // who has the encrypted form refuses the plain one
  if (data === '' && texts.length === 0) return [];
  return [
    ...textsOf(item.summary).map((summary) => ({ type: 'reasoning.summary' as const, summary, ...common })),
    ...texts.map((text) => ({ type: 'reasoning.text' as const, text, ...common })),
    ...(data === '' ? [] : [{ type: 'reasoning.encrypted' as const, data, ...common }]),
  ];
}

export function textsOf(parts: WireReasoning['content']): string[] {
  return Array.isArray(parts) ? parts.map((part) => textOf(part?.text)).filter((text) => text !== '') : [];
}

/** An item as it is given back. `summary` must be there, be it empty. */
export interface ReasoningItem {
  type: 'reasoning';
  id?: string;
  summary: { type: 'summary_text'; text: string }[];
  content?: { type: 'reasoning_text'; text: string }[];
  encrypted_content?: string;
}

/** Details of one id are one item; without ids, each encrypted one ends an item. */
export function reasoningItems(details: ReasoningDetail[]): ReasoningItem[] {
  const items: ReasoningItem[] = [];
  for (const detail of details) {
    const last = items.at(-1);
    const same = last && last.id === detail.id && (detail.id !== undefined || last.encrypted_content === undefined);
    const item: ReasoningItem = same ? last : { type: 'reasoning', ...(detail.id && { id: detail.id }), summary: [] };
    if (!same) items.push(item);
    switch (detail.type) {
      case 'reasoning.summary':
        item.summary.push({ type: 'summary_text', text: detail.summary });
        break;
      case 'reasoning.text':
        item.content = [...(item.content ?? []), { type: 'reasoning_text', text: detail.text }];
        break;
      case 'reasoning.encrypted':
        item.encrypted_content = detail.data;
        break;
      default:
        detail satisfies never;
    }
  }
  return items;
}
