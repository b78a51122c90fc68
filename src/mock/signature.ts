// The opaque strings that providers put beside reasoning and want back unchanged. A provider's are encrypted; the mock's hold a hash of
// what they stand for, so that it knows its own and sees when they come back beside something else. Knows no wire.
import { createHash } from 'node:crypto';

const MARK = 'mock-signature:';

export function sign(text: string): string {
  return signDigest(createHash('sha256').update(text).digest('hex'));
}

/** For text that is hashed as it is sent. `digest` is SHA-256 in hex. */
export function signDigest(digest: string): string {
  return Buffer.from(MARK + digest).toString('base64');
}

/** Either alphabet of base64 will do, as it does for providers. */
export function isSignatureOf(signature: string, text: string): boolean {
  return normalize(signature) === normalize(sign(text));
}

/** Whether the mock made it at all, for text that the client may leave out. */
export function isSignature(signature: string): boolean {
  const text = Buffer.from(signature, 'base64').toString('latin1');
  return text.startsWith(MARK) && /^[0-9a-f]{64}$/.test(text.slice(MARK.length));
}

function normalize(base64: string): string {
  return base64.replaceAll('-', '+').replaceAll('_', '/').replace(/=+$/, '');
}
