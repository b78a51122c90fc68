// Blocks of reasoning put together from `reasoning_details` deltas, so that a client can give them back. One of these per
// alternative. Knows the delta's shape; nothing else of a chunk. On the hot path.
// https://openrouter.ai/docs/use-cases/reasoning-tokens#preserving-reasoning-blocks
import type { DecoderOptions } from '../../core/contracts.ts';
import type { ReasoningDetail } from '../../core/events.ts';
import { textOf } from '../read.ts';

export interface WireDetail {
  type?: string;
  id?: string | null;
  format?: string | null;
  index?: number | null;
  text?: string | null;
  signature?: string | null;
  summary?: string | null;
  data?: string | null;
}

export interface Details {
  /** Takes a delta, and gives the visible text that it added. */
  add(wire: WireDetail[]): string;
  /** Gives out those that only their maker can check or read. Plain text alone needs no giving back. */
  give(): void;
}

/** A block grows in place; what kind it is decides which of its texts counts. */
interface OpenDetail {
  type: string;
  index: number | undefined;
  id: string;
  format: string;
  text: string;
  signature: string;
  summary: string;
  data: string;
}

export function createDetails(emit: DecoderOptions['emit'], choice: number | undefined): Details {
  let open: OpenDetail[] = [];

  function blockOf(wire: WireDetail, type: string): OpenDetail {
    const index = typeof wire.index === 'number' ? wire.index : undefined;
    const last = open.at(-1);
    const found = index === undefined ? last : open.findLast((block) => block.index === index);
    if (found?.type === type && (index !== undefined || type !== 'reasoning.encrypted')) return found;
    const fresh = { type, index, id: '', format: '', text: '', signature: '', summary: '', data: '' };
    open.push(fresh);
    return fresh;
  }

  return {
    add(wire) {
      let visible = '';
      for (const piece of wire) {
        if (piece === null || typeof piece !== 'object') continue;
        const block = blockOf(piece, textOf(piece.type));
        block.id ||= textOf(piece.id);
        block.format ||= textOf(piece.format);
        block.signature ||= textOf(piece.signature);
        block.text += textOf(piece.text);
        block.summary += textOf(piece.summary);
        block.data += textOf(piece.data);
        visible += textOf(piece.text) || textOf(piece.summary);
      }
      return visible;
    },
    give() {
      const blocks = open;
      open = [];
      if (!blocks.some(({ signature, data }) => signature !== '' || data !== '')) return;
      for (const block of blocks) {
        const detail = detailOf(block);
        if (detail) emit({ type: 'reasoning-detail', detail, choice });
      }
    },
  };
}

function detailOf({ type, id, format, text, signature, summary, data }: OpenDetail): ReasoningDetail | undefined {
  const common = { format: format || 'unknown', ...(id !== '' && { id }) };
  switch (type) {
    case 'reasoning.text':
      return { type, text, ...(signature !== '' && { signature }), ...common };
    case 'reasoning.summary':
      return { type, summary, ...common };
    case 'reasoning.encrypted':
      return { type, data, ...common };
    default:
      return undefined;
  }
}
