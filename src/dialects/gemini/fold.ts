// Chunks folded into the one response that generateContent answers: texts joined, calls and signatures where they stood, and fields
// that only this API knows. Knows the chunk shape; no events, no HTTP.
// https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse
import { isFields } from './names.ts';

type Fields = Record<string, unknown>;

export interface Fold {
  add(chunk: unknown): void;
  result(): Fields;
}

/** What a part that is only text may have; one with more stays a part of its own. */
const TEXT = new Set(['text', 'thought', 'thoughtSignature']);

/** What each chunk says of its own piece alone. Everything else that is repeated replaces what was said before. */
const PIECEWISE = new Set(['citationMetadata', 'logprobsResult']);

export function foldChunks(): Fold {
  const head: Fields = {};
  const candidates: { rest: Fields; role: unknown; parts: Fields[] }[] = [];

  function addCandidate({ index, content, ...rest }: Fields): void {
    const at = typeof index === 'number' && index >= 0 && index < 128 ? index : 0;
    candidates[at] ??= { rest: { index: at }, role: 'model', parts: [] };
    const candidate = candidates[at];
    for (const [name, value] of Object.entries(rest)) {
      candidate.rest[name] = PIECEWISE.has(name) ? joined(candidate.rest[name], value) : value;
    }
    if (!isFields(content)) return;
    if (typeof content.role === 'string') candidate.role = content.role;
    for (const part of Array.isArray(content.parts) ? content.parts : []) {
      if (isFields(part)) addPart(candidate.parts, part);
    }
  }

  return {
    add(chunk) {
      if (!isFields(chunk)) return;
      const { candidates: list, usageMetadata, ...rest } = chunk;
      Object.assign(head, rest);
      if (isFields(usageMetadata)) head.usageMetadata = { ...(head.usageMetadata as Fields), ...usageMetadata };
      for (const candidate of Array.isArray(list) ? list : []) if (isFields(candidate)) addCandidate(candidate);
    },
    result() {
      const list = candidates.filter(Boolean).map(({ rest, role, parts }) => ({ content: { parts, role }, ...rest }));
      return list.length > 0 ? { candidates: list, ...head } : head;
    },
  };
}

function addPart(parts: Fields[], part: Fields): void {
  const last = parts.at(-1);
  const joins = last && isPlain(last) && isPlain(part) && !last.thoughtSignature && last.thought === part.thought;
  if (joins) parts[parts.length - 1] = { ...last, ...part, text: `${last.text}${part.text}` };
  else if (part.text !== '' || Object.keys(part).length > 1 || parts.length === 0) parts.push(part);
}

function isPlain(part: Fields): boolean {
  return typeof part.text === 'string' && Object.keys(part).every((name) => TEXT.has(name));
}

function joined(before: unknown, fresh: unknown): unknown {
  if (!isFields(before) || !isFields(fresh)) return fresh;
  const both = { ...before, ...fresh };
  for (const [name, value] of Object.entries(fresh)) {
    const list = before[name];
    if (Array.isArray(list) && Array.isArray(value)) both[name] = [...list, ...value];
  }
  return both;
}
