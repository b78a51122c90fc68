// The blocks of one message: which are the client's, what each delta adds, and when a call or a thought is whole. Knows the wire's
// blocks and deltas; nothing of the message around them. On the hot path.
// https://platform.claude.com/docs/en/build-with-claude/streaming#content-block-delta-types
import { randomUUID } from 'node:crypto';
import type { DecoderOptions } from '../../core/contracts.ts';
import { type ReasoningDetail, toolCall } from '../../core/events.ts';
import { textOf } from '../read.ts';
import { createShape, type Shape, type ShapeHoles } from '../shape.ts';

export interface WireBlock {
  type?: string;
  text?: string | null;
  thinking?: string | null;
  signature?: string | null;
  data?: string | null;
  id?: string | null;
  name?: string | null;
  input?: unknown;
}
export interface WireDelta {
  type?: string;
  text?: string | null;
  thinking?: string | null;
  signature?: string | null;
  partial_json?: string | null;
}

type Block = { kind: 'text' } | ThinkingBlock | RedactedBlock | ToolBlock | OtherBlock;

interface ThinkingBlock {
  kind: 'thinking';
  text: string;
  signature: string;
  after: string | undefined;
}
interface RedactedBlock {
  kind: 'redacted';
  data: string;
  after: string | undefined;
}
interface ToolBlock {
  kind: 'tool';
  /** Among the client's calls. */
  index: number;
  id: string;
  name: string;
  /** As text, as it came. */
  input: string;
  /** What servers that imitate this API give at once; the API itself opens a call with an empty input. */
  whole: string;
}
/** The provider's own: its tools and their results, and what is yet to be invented. Nothing of it is the client's. */
interface OtherBlock {
  kind: 'other';
}

/** Whose reasoning it is, for the request that brings it back. */
export const REASONING_FORMAT = 'anthropic-claude-v1';
/**
 * Blocks must come back in the order in which they came, but a client keeps text, calls and reasoning apart. So reasoning that does
 * not come first has as its `id` what stands in front of it: this, or the id of a call.
 */
export const AFTER_TEXT = 'text';

// Blanks of random number in front of the last brace hide a token's size from those who listen.
const TEXT_HOLES: ShapeHoles = { text: { key: '"text":"', read: (frame) => frame.delta.text }, blanks: true };
const THINKING_HOLES: ShapeHoles = {
  text: { key: '"thinking":"', read: (frame) => frame.delta.thinking },
  blanks: true,
};

export interface Blocks {
  open(at: number, wire: WireBlock): void;
  /** `data`: the frame that the delta came in. */
  fill(at: number, delta: WireDelta, data: string): void;
  close(at: number): void;
  /** Emits what a frame like those before it says. False: it must be read. */
  match(data: string): boolean;
  /** No block follows. `cut`: the last one may have been closed in its middle. */
  finish(cut: boolean): void;
  /** How many calls were given out whole. */
  calls(): number;
}

export function createBlocks(emit: DecoderOptions['emit']): Blocks {
  const blocks = new Map<number, Block>();
  let latest: Block | undefined;
  let shape: Shape | undefined; // of the deltas of the latest block
  let begun = 0; // calls
  let given = 0;
  let held: ToolBlock | undefined; // closed, but only what follows tells whether it is whole
  let before: string | undefined; // what stands in front of the next block

  function say(text: string): void {
    if (text === '') return;
    before = AFTER_TEXT;
    emit({ type: 'token', text });
  }

  function think(block: ThinkingBlock | undefined, text: string): void {
    if (text === '') return;
    if (block) block.text += text;
    emit({ type: 'reasoning', text });
  }

  function begin(wire: WireBlock): Block {
    switch (wire.type) {
      case 'text':
        say(textOf(wire.text));
        return { kind: 'text' };
      case 'thinking': {
        const block: ThinkingBlock = { kind: 'thinking', text: '', signature: textOf(wire.signature), after: before };
        think(block, textOf(wire.thinking));
        return block;
      }
      case 'redacted_thinking':
        return { kind: 'redacted', data: textOf(wire.data), after: before };
      case 'tool_use':
        return beginCall(wire);
      default:
        return { kind: 'other' };
    }
  }

  function beginCall({ id: given, name: called, input }: WireBlock): ToolBlock {
    const id = textOf(given) || `toolu_${randomUUID().replaceAll('-', '')}`;
    const name = textOf(called);
    const index = begun++;
    const isGiven = input !== null && typeof input === 'object' && Object.keys(input).length > 0;
    before = id;
    emit({ type: 'tool-call-delta', index, id, name, arguments: '' });
    return { kind: 'tool', index, id, name, input: '', whole: isGiven ? JSON.stringify(input) : '' };
  }

  function argue(call: ToolBlock, piece: string): void {
    if (piece === '') return;
    call.input += piece;
    emit({ type: 'tool-call-delta', index: call.index, arguments: piece });
  }

  function release(): void {
    if (!held) return;
    const { index, id, name, input } = held;
    held = undefined;
    given++;
    emit({ type: 'tool-call', call: toolCall(index, id, name, input) });
  }

  function keep(detail: ReasoningDetail): void {
    emit({ type: 'reasoning-detail', detail });
  }

  return {
    open(at, wire) {
      release();
      latest = begin(wire);
      blocks.set(at, latest);
      shape =
        latest.kind === 'text'
          ? createShape(TEXT_HOLES)
          : latest.kind === 'thinking'
            ? createShape(THINKING_HOLES)
            : undefined;
    },

    fill(at, delta, data) {
      // A delta of a block that was never opened is taken at its word.
      const block = blocks.get(at);
      switch (delta.type) {
        case 'text_delta': {
          if (block && block.kind !== 'text') return;
          const text = textOf(delta.text);
          say(text);
          if (block && block === latest && text !== '') shape?.learn(data, text);
          return;
        }
        case 'thinking_delta': {
          if (block && block.kind !== 'thinking') return;
          const text = textOf(delta.thinking);
          think(block, text);
          if (block && block === latest && text !== '') shape?.learn(data, text);
          return;
        }
        case 'signature_delta':
          if (block?.kind === 'thinking') block.signature = textOf(delta.signature);
          return;
        case 'input_json_delta':
          if (block?.kind === 'tool') argue(block, textOf(delta.partial_json));
          return;
        default: // citations, and what is yet to be invented
      }
    },

    match(data) {
      const text = shape?.match(data);
      if (text === undefined) return false;
      if (latest?.kind === 'thinking') think(latest, text);
      else say(text);
      return true;
    },

    close(at) {
      const block = blocks.get(at);
      if (!block) return;
      blocks.delete(at);
      if (block === latest) shape = undefined;
      switch (block.kind) {
        case 'thinking': {
          const { text, signature, after } = block;
          if (signature === '') return; // its provider does not want it back
          keep({ format: REASONING_FORMAT, ...idOf(after), type: 'reasoning.text', text, signature });
          return;
        }
        case 'redacted':
          keep({ format: REASONING_FORMAT, ...idOf(block.after), type: 'reasoning.encrypted', data: block.data });
          return;
        case 'tool':
          if (block.input === '') argue(block, block.whole);
          release();
          held = block;
          return;
        case 'text':
        case 'other':
          return;
        default:
          block satisfies never;
      }
    },

    finish(cut) {
      // Without arguments a call that was cut looks like one that has none.
      if (cut && held && (held.input.trim() === '' || 'invalid' in toolCall(0, '', '', held.input))) held = undefined;
      release();
    },

    calls: () => given,
  };
}

function idOf(after: string | undefined): { id?: string } {
  return after === undefined ? {} : { id: after };
}
