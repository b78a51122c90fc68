// Streams by their id: stopping one. A stream belongs to the key that started it; of another's nothing is told, not even that it
// exists.
import type { FastifyInstance } from 'fastify';
import { GatewayError } from '../core/errors.ts';
import type { AppState } from './state.ts';

export function mountStreams(app: FastifyInstance, state: AppState): void {
  /**
   * Stops a stream of any front door. Its reader gets the door's own ending with the usage so far; the answer here says the same, once
   * the bill is closed: `{"stream_id","finish_reason","usage","cost_usd",…}`. A stream that ended by itself meanwhile says how.
   */
  app.delete<{ Params: { id: string } }>('/v1/streams/:id', async (request) => {
    const key = await state.configured.keyring.identify(request);
    const { id } = request.params;
    const ending = await state.runner.stop(id, key?.admin ? undefined : (key?.name ?? null));
    if (!ending) throw new GatewayError('stream_not_found', 'No stream of this id is under way.', { param: 'id' });
    const { type, usage, cost_usd, model, provider, attempts, timing } = ending;
    const end = type === 'done' ? { finish_reason: ending.finishReason } : { error: ending.error.body() };
    return { stream_id: id, ...end, usage, cost_usd, model, provider, attempts, timing };
  });
}
