// What operators and clients ask besides chatting: liveness, readiness, the list of models.
import type { FastifyInstance } from 'fastify';
import type { AppState } from './state.ts';

export function mountOps(app: FastifyInstance, state: AppState): void {
  // Anyone may ask, and asking writes: at most once a second.
  let asked = Number.NEGATIVE_INFINITY;
  let answer: Promise<'ok' | 'unavailable'>;
  function ledgerState(): Promise<'ok' | 'unavailable'> {
    if (performance.now() - asked > 1000) {
      asked = performance.now();
      answer = state.ledger.check().then(
        () => 'ok',
        () => 'unavailable',
      );
    }
    return answer;
  }

  app.get('/healthz', async () => ({ status: 'ok' }));

  app.get('/readyz', async (_request, reply) => {
    const ledger = await ledgerState();
    const ready = ledger === 'ok' && !state.draining;
    return reply.code(ready ? 200 : 503).send({
      status: state.draining ? 'draining' : ready ? 'ok' : 'unavailable',
      ledger,
      streams: state.runner.live(),
      providers: [...state.configured.catalogue.providers.keys()],
    });
  });

  /** https://platform.openai.com/docs/api-reference/models/list */
  app.get('/v1/models', async (request) => {
    const { configured } = state;
    const key = await configured.keyring.identify(request);
    const aliases = Object.entries(configured.catalogue.models).map(([id, { targets }]) => ({
      id,
      provider: targets[0]!.split('/', 1)[0]!,
    }));
    const data = [...aliases, ...configured.examples]
      .filter(({ id }) => key?.mayUse(id) ?? true)
      .map(({ id, provider }) => ({ id, object: 'model', created: STARTED, owned_by: provider }));
    return { object: 'list', data };
  });
}

/** The protocol wants a creation time, in Unix seconds; a gateway has none better than its own start. */
const STARTED = Math.floor(Date.now() / 1000);
