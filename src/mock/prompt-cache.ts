// Remembers which prompts were marked for caching and how far, so that the same beginning asked again is a cache read.
// Knows no wire: each says by itself what its prompt consists of. Bounded in number; nothing expires by time.
import { createHash } from 'node:crypto';

/** A piece of a prompt, in the order in which the API caches it. */
export interface PromptPart {
  content: unknown;
  tokens: number;
  /** The client wants everything up to here cached. */
  marked: boolean;
}

export interface PromptCache {
  /** Tokens found in the cache, and those written to it now. */
  lookUp(parts: PromptPart[]): { read: number; written: number };
}

const MAX_PREFIXES = 10_000;

export function createPromptCache(): PromptCache {
  const known = new Set<string>();
  return {
    lookUp(parts) {
      const last = parts.findLastIndex((part) => part.marked);
      const hash = createHash('sha256');
      let tokens = 0;
      let read = 0;
      for (const part of parts.slice(0, last + 1)) {
        tokens += part.tokens;
        const prefix = hash.update(JSON.stringify(part.content)).copy().digest('base64');
        if (known.has(prefix)) read = tokens;
        else if (part.marked) known.add(prefix);
        if (known.size > MAX_PREFIXES) known.delete(known.values().next().value!);
      }
      return { read, written: tokens - read };
    },
  };
}
