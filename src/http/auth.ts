// Who may call: keys kept as hashes and compared in constant time. Without keys only this machine may, and only under a loopback
// name, so that a web page cannot reach Millrace by pointing a name of its own at 127.0.0.1 (DNS rebinding).
import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import type { OnDisconnect } from '../core/chat.ts';
import { GatewayError } from '../core/errors.ts';

/** A client, under the name of its key. */
export interface Key {
  name: string;
  /** Sees everyone's usage. */
  admin: boolean;
  /** Whether it may use a model, by alias or `provider/model`. */
  mayUse(model: string): boolean;
  onDisconnect?: OnDisconnect;
}

export interface Keyring {
  /** Who a request comes from; null where nobody is told from anybody. Throws `unauthorized` or `forbidden`. */
  identify(request: FastifyRequest): Key | null | Promise<Key | null>;
}

/** With `sha256:` and the hex SHA-256 of each key. */
export function createKeyring(keys: (Key & { hash: string })[]): Keyring {
  const known = keys.map((key) => ({ key, digest: Buffer.from(key.hash.slice('sha256:'.length), 'hex') }));
  return {
    identify(request) {
      if (known.length === 0) {
        if (isLoopbackName(request.host)) return null;
        throw new GatewayError(
          'forbidden',
          'Without keys Millrace answers on loopback only; configure a key to be reached by another name.',
        );
      }
      const presented = presentedKey(request);
      if (presented === undefined)
        throw new GatewayError('unauthorized', 'A key is needed: Authorization: Bearer <key>.');
      const digest = createHash('sha256').update(presented).digest();
      // Every key is compared, so that the time taken does not tell which one was close.
      let found: Key | undefined;
      for (const { key, digest: expected } of known) if (timingSafeEqual(digest, expected)) found = key;
      if (!found) throw new GatewayError('unauthorized', 'This key is not known here.');
      return found;
    },
  };
}

/** As each kind of client sends it: a bearer token, `x-api-key`, `x-goog-api-key` or `?key=`. */
function presentedKey({ headers, query }: FastifyRequest): string | undefined {
  const [scheme, value] = (headers.authorization ?? '').split(' ', 2);
  if (scheme?.toLowerCase() === 'bearer' && value) return value;
  const others = [headers['x-api-key'], headers['x-goog-api-key'], (query as Record<string, unknown>).key];
  return others.find((key): key is string => typeof key === 'string' && key !== '');
}

function isLoopbackName(host: string): boolean {
  const name = host.replace(/:\d+$/, '').toLowerCase();
  return name === 'localhost' || name === '[::1]' || /^127(\.\d{1,3}){3}$/.test(name) || name.endsWith('.localhost');
}
