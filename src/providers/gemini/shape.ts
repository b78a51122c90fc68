// The fast path for this wire's text chunks: which of a chunk's counters move, and how it is spaced, is seen from the first chunk of
// its kind (shape.ts does the rest). Knows where text and counters stand in a chunk; no events. On the hot path.
import type { Usage } from '../../core/events.ts';
import { createShape, type Shape } from '../shape.ts';
import type { Chunk, Part } from './chunk.ts';

/** Thoughts and answers have chunks of different shape; each is given one of these. */
export interface TextShape {
  /** The text of a chunk in which only text and counters are new. */
  match(data: string): string | undefined;
  /** What the chunk that matched last reports. Undefined if it does not count what was generated. */
  usage(): Usage | undefined;
  learn(data: string, text: string, usage: Usage | undefined): void;
}

/** Those that grow while an answer does; the prompt's are the same text in each chunk. */
const COUNTERS = ['candidatesTokenCount', 'thoughtsTokenCount', 'totalTokenCount'] as const;

/** A stream whose chunks keep changing their kind is not worth learning. */
const MAX_KINDS = 4;

export function createTextShape(): TextShape {
  let shape: Shape | undefined;
  let kind = '';
  let kinds = 0;
  // Where these stand among the shape's numbers; -1 for one that a chunk of this kind does not have.
  let answerAt = -1;
  let thoughtsAt = -1;
  let learnt: Usage | undefined; // as the chunk that was learnt reported it

  return {
    match: (data) => shape?.match(data),
    usage() {
      if (learnt === undefined) return undefined;
      const { numbers } = shape!;
      const reasoning = thoughtsAt === -1 ? learnt.reasoning_tokens : numbers[thoughtsAt]!;
      const answered = answerAt === -1 ? learnt.output_tokens - learnt.reasoning_tokens : numbers[answerAt]!;
      return {
        input_tokens: learnt.input_tokens,
        output_tokens: answered + reasoning,
        cached_input_tokens: learnt.cached_input_tokens,
        cache_write_input_tokens: 0,
        reasoning_tokens: reasoning,
        estimated: false,
      };
    },
    learn(data, text, usage) {
      const space = data.includes('"text": "') ? ' ' : '';
      const present = COUNTERS.filter((counter) => data.includes(`"${counter}":`));
      const fresh = `${space}${present}`;
      if (shape === undefined || fresh !== kind) {
        if (++kinds > MAX_KINDS) return;
        kind = fresh;
        answerAt = present.indexOf('candidatesTokenCount');
        thoughtsAt = present.indexOf('thoughtsTokenCount');
        shape = createShape({
          text: { key: `"text":${space}"`, read: (chunk) => chunk.candidates[0].content.parts[0].text },
          numbers: present.map((counter) => ({
            key: `"${counter}":${space}`,
            read: (chunk) => chunk.usageMetadata[counter],
          })),
        });
      }
      shape.learn(data, text);
      if (shape.match(data) !== undefined) learnt = usage;
    },
  };
}

/** The one part of a chunk that says nothing but this part's text, of the first candidate. */
export function onlyText({ candidates, promptFeedback }: Chunk): (Part & { text: string }) | undefined {
  if (promptFeedback || !Array.isArray(candidates) || candidates.length !== 1) return undefined;
  const candidate = candidates[0];
  const parts = candidate?.content?.parts;
  if (!Array.isArray(parts) || parts.length !== 1 || candidate!.index || candidate!.finishReason) return undefined;
  const part = parts[0];
  const more = part?.thoughtSignature || part?.functionCall;
  return part && typeof part.text === 'string' && part.text !== '' && !more ? (part as { text: string }) : undefined;
}
