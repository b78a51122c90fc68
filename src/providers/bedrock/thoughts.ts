// Reasoning put together from its blocks: what a reader sees as it comes, and what the model wants back once a block is whole.
// Knows the wire's reasoning deltas and the forms in which blocks are handed out. On the hot path.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ReasoningContentBlockDelta.html
import type { DecoderOptions } from '../../core/contracts.ts';

export interface ReasoningDelta {
  text?: unknown;
  signature?: unknown;
  /** Base64. */
  redactedContent?: unknown;
}

export interface Thoughts {
  add(block: number, delta: ReasoningDelta): void;
  close(block: number): void;
  closeAll(): void;
}

/** Blocks of Claude can be given back to Anthropic's own API too, so they are handed out as that wire does. */
export const CLAUDE_FORMAT = 'anthropic-claude-v1';
/** Those of OpenAI's models, which only Bedrock can read. They tell themselves apart by how they begin. */
export const GPT_FORMAT = 'bedrock-openai-v1';
const GPT_MARK = 'rsn_';

interface Thought {
  text: string;
  signature: string;
  /** A character for each byte. */
  redacted: string;
}

export function createThoughts(emit: DecoderOptions['emit']): Thoughts {
  const open = new Map<number, Thought>();

  function give({ text, signature, redacted }: Thought): void {
    if (signature !== '') {
      emit({ type: 'reasoning-detail', detail: { type: 'reasoning.text', format: CLAUDE_FORMAT, text, signature } });
    }
    if (redacted === '') return;
    const format = redacted.startsWith(GPT_MARK) ? GPT_FORMAT : CLAUDE_FORMAT;
    emit({ type: 'reasoning-detail', detail: { type: 'reasoning.encrypted', format, data: redacted } });
  }

  return {
    add(block, { text, signature, redactedContent }) {
      let thought = open.get(block);
      if (!thought) {
        thought = { text: '', signature: '', redacted: '' };
        open.set(block, thought);
      }
      if (typeof text === 'string' && text !== '') {
        thought.text += text;
        emit({ type: 'reasoning', text });
      }
      if (typeof signature === 'string') thought.signature += signature;
      if (typeof redactedContent === 'string') {
        thought.redacted += Buffer.from(redactedContent, 'base64').toString('latin1');
      }
    },
    close(block) {
      const thought = open.get(block);
      if (!thought) return;
      open.delete(block);
      give(thought);
    },
    closeAll() {
      for (const thought of open.values()) give(thought);
      open.clear();
    },
  };
}
