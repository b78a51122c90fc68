// Thought signatures: the one place of this API where a client keeps what it cannot read and gives it back. What providers of other
// wires want back travels there too, behind a mark of our own. Knows signatures and reasoning details; no parts, no request.
// https://ai.google.dev/gemini-api/docs/thought-signatures
import type { ReasoningDetail } from '../../core/events.ts';

/** Whose signatures go as they are. */
export const OWN_FORMAT = 'google-gemini-v1';

/** Documented for calls that another model made; it signs nothing. */
const STAND_IN = new Set(['skip_thought_signature_validator', 'context_engineering_is_the_way_to_go']);

/** Nine bytes, so that in base64 they are the same letters whatever follows. */
const MARK = 'millrace:';
const MARKED = Buffer.from(MARK).toString('base64');

/** `call`: the id that the details know the call by; a client that drops ids gives the call another. */
interface Parcel {
  call?: string;
  details: ReasoningDetail[];
}

/** The signature that stands for all of `details`, which came before the call with this id, or without one before the end. */
export function signatureOf(details: ReasoningDetail[], call?: string): string {
  const [first] = details;
  const alone = details.length === 1 && first?.format === OWN_FORMAT && first.type === 'reasoning.encrypted';
  if (alone && first.id === call) return first.data;
  const parcel: Parcel = { ...(call !== undefined && { call }), details };
  return Buffer.from(MARK + JSON.stringify(parcel)).toString('base64');
}

/** What a signature stands for; `call` is the id of the call beside it. */
export function detailsOf(signature: string, call?: string): ReasoningDetail[] {
  if (signature === '' || STAND_IN.has(signature)) return [];
  if (!isForeign(signature)) {
    const id = call === undefined ? {} : { id: call };
    return [{ format: OWN_FORMAT, type: 'reasoning.encrypted', data: signature, ...id }];
  }
  const parcel = opened(signature);
  return parcel.details.map((detail) =>
    call !== undefined && parcel.call !== undefined && detail.id === parcel.call ? { ...detail, id: call } : detail,
  );
}

/** Whether it was made here: no one of this wire could read it. */
export function isForeign(signature: string): boolean {
  return signature.startsWith(MARKED);
}

/** A parcel that was damaged on its way holds nothing; the provider then says whether it can do without. */
function opened(signature: string): Parcel {
  try {
    const parcel = JSON.parse(Buffer.from(signature, 'base64').toString().slice(MARK.length));
    const details = Array.isArray(parcel?.details) ? parcel.details : [];
    return { call: parcel?.call, details: details.filter(isDetail) };
  } catch {
    return { details: [] };
  }
}

function isDetail(value: unknown): value is ReasoningDetail {
  return typeof (value as { type?: unknown } | null)?.type === 'string';
}
