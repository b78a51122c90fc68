// Reasoning of other vendors in thinking blocks, and out of them again. Clients of this door give back a block's signature as it came
// and cannot read it, so it carries the details that another wire needs for the next turn. Knows blocks and details; no stream, no request.
// https://platform.claude.com/docs/en/build-with-claude/extended-thinking#preserving-thinking-blocks
import type { ReasoningDetail } from '../../core/events.ts';

/** The format of reasoning that this wire's own blocks hold without being packed. */
export const OWN_FORMAT = 'anthropic-claude-v1';

/** No signature of a vendor begins so: theirs are base64, which has no colon. */
const PREFIX = 'millrace:';

/** Without details too: it tells that the block is not the vendor's own, who would refuse it. */
export function pack(details: ReasoningDetail[]): string {
  return PREFIX + Buffer.from(JSON.stringify(details)).toString('base64url');
}

export function isPacked(signature: unknown): signature is string {
  return typeof signature === 'string' && signature.startsWith(PREFIX);
}

/** None where a client has changed what it was given. */
export function unpack(signature: string): ReasoningDetail[] {
  try {
    const details: unknown = JSON.parse(Buffer.from(signature.slice(PREFIX.length), 'base64url').toString());
    return Array.isArray(details) ? details.filter(isDetail) : [];
  } catch {
    return [];
  }
}

function isDetail(value: unknown): value is ReasoningDetail {
  const { type, format, id } = (value ?? {}) as Record<string, unknown>;
  return typeof type === 'string' && typeof format === 'string' && (id === undefined || typeof id === 'string');
}
