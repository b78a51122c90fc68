// What operators ask: liveness, readiness.
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
      live: state.mirrors ? (state.mirrors.healthy() ? 'ok' : 'unavailable') : 'memory',
      streams: state.runner.live(),
      providers: [...state.configured.catalogue.providers.keys()],
    });
  });
}
