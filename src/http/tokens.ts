// Short-lived tokens that let who holds them read or stop one stream: a browser's EventSource can send no key. A token is the time it
// ends and an HMAC over that and the stream's id; nothing is stored.
import { createHmac, timingSafeEqual } from 'node:crypto';

export interface StreamTokens {
  /** `until`: Unix milliseconds. */
  sign(id: string, until: number): string;
  /** Whether a token is for this stream and still good. Takes the same time for any that is not. */
  holds(id: string, token: unknown): boolean;
}

export function createStreamTokens(secret: Buffer): StreamTokens {
  const mac = (id: string, until: string) => createHmac('sha256', secret).update(`${id} ${until}`).digest();
  return {
    sign(id, until) {
      const end = Math.ceil(until).toString(36);
      return `${end}.${mac(id, end).toString('base64url')}`;
    },
    holds(id, token) {
      const [, end = '', given = ''] = /^([0-9a-z]{1,12})\.([\w-]{43})$/.exec(String(token)) ?? [];
      const matches = timingSafeEqual(mac(id, end), Buffer.from(given.padEnd(43, 'A'), 'base64url'));
      return matches && Number.parseInt(end, 36) > Date.now();
    },
  };
}
