// Reasoning of whatever provider, in the one place that this API has for what only its maker can read: `encrypted_content`. Whole, with
// its format and ids, since a signature holds only for what it was made with. Knows that place; no events, no request. On the hot path.
// https://platform.openai.com/docs/guides/reasoning#encrypted-reasoning-items
import type { ReasoningDetail } from '../../core/events.ts';

/** What the API's own makes looks otherwise, and the API's own is never sent this. */
const PREFIX = 'millrace:';

export function seal(details: ReasoningDetail[]): string {
  return PREFIX + Buffer.from(JSON.stringify(details)).toString('base64url');
}

export function isSealed(content: unknown): content is string {
  return typeof content === 'string' && content.startsWith(PREFIX);
}

/** Undefined: it is not what was given out. */
export function unseal(content: string): ReasoningDetail[] | undefined {
  try {
    const details: unknown = JSON.parse(Buffer.from(content.slice(PREFIX.length), 'base64url').toString());
    return Array.isArray(details) && details.every(isDetail) ? details : undefined;
  } catch {
    return undefined;
  }
}

function isDetail(value: unknown): value is ReasoningDetail {
  if (typeof value !== 'object' || value === null) return false;
  const { type, format, id, text, summary, data, signature } = value as Record<string, unknown>;
  const isText = (given: unknown) => typeof given === 'string';
  if (!isText(format) || (id !== undefined && !isText(id)) || (signature !== undefined && !isText(signature)))
    return false;
  const said = { 'reasoning.text': text, 'reasoning.summary': summary, 'reasoning.encrypted': data };
  return isText(said[type as keyof typeof said]);
}
