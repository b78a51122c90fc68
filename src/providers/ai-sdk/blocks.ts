// Text and reasoning of a package's stream, block by block: what a reader sees at once, and what the package wants back with the next
// request. Packages keep that in `providerMetadata`, which nobody else reads: it travels as text. On the hot path.
import type { DecoderOptions } from '../../core/contracts.ts';
import type { WirePart } from './decode.ts';

/** Of the details that only this wire reads. */
export const DETAIL_FORMAT = 'ai-sdk';

export interface Blocks {
  /** A start, a delta or, with `ends`, the end of a block. Its text is given out elsewhere. */
  text(part: WirePart, ends: boolean): void;
  reasoning(part: WirePart, ends: boolean): void;
}

interface Block {
  text: string;
  /** The latest that was said: each replaces the one before. */
  metadata: object | undefined;
}

export function createBlocks(emit: DecoderOptions['emit']): Blocks {
  const texts = new Map<unknown, object>(); // metadata by block
  const thoughts = new Map<unknown, Block>();

  return {
    text({ id, providerMetadata }, ends) {
      if (providerMetadata) texts.set(id, providerMetadata);
      const metadata = ends ? texts.get(id) : undefined;
      if (!metadata) return;
      texts.delete(id);
      const data = JSON.stringify(metadata);
      emit({ type: 'reasoning-detail', detail: { format: DETAIL_FORMAT, type: 'reasoning.encrypted', data } });
    },
    reasoning({ id, delta, providerMetadata }, ends) {
      let block = thoughts.get(id);
      if (!block) {
        block = { text: '', metadata: undefined };
        thoughts.set(id, block);
      }
      if (providerMetadata) block.metadata = providerMetadata;
      if (typeof delta === 'string' && delta !== '') {
        block.text += delta;
        emit({ type: 'reasoning', text: delta });
      }
      if (!ends) return;
      thoughts.delete(id);
      const { text, metadata } = block;
      if (text === '' && !metadata) return;
      const signature = metadata && JSON.stringify(metadata);
      emit({
        type: 'reasoning-detail',
        detail: { format: DETAIL_FORMAT, type: 'reasoning.text', text, ...(signature && { signature }) },
      });
    },
  };
}
