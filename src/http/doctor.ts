// What `millrace doctor` cannot see from outside: how its request looked when it arrived here, and how long a stream may be silent.
// Tells nothing that a stream would not show.
import { readFileSync } from 'node:fs';
import type { FastifyInstance } from 'fastify';
import type { AppState } from './state.ts';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));

export function mountDoctor(
  app: FastifyInstance,
  state: { configured: Pick<AppState['configured'], 'keyring' | 'streams'> },
) {
  /** `http_version` is that of whoever is in front, not of the client; the rest are the config's, in milliseconds. */
  app.get('/v1/doctor', async (request) => {
    const { keyring, streams } = state.configured;
    await keyring.identify(request);
    return {
      version,
      http_version: request.raw.httpVersion,
      heartbeat_ms: streams.heartbeat,
      commit_after_ms: streams.commitAfter,
    };
  });
}
