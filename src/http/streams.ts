// Streams by their id: reading one again, following it, stopping it, and which there are. A stream belongs to the key that started it;
// of another's nothing is told, not even that it exists. A stream's own token opens that stream without a key.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { GatewayError } from '../core/errors.ts';
import { type Owner, ownerMay, placeAfter, type Stream } from '../stream/directory.ts';
import type { Key } from './auth.ts';
import { createExchange } from './exchange.ts';
import type { AppState } from './state.ts';

interface ById {
  Params: { id: string };
  Querystring: { token?: string; last_event_id?: string };
}

export function mountStreams(app: FastifyInstance, state: AppState): void {
  const { streams } = state.runner;

  async function streamOf(request: FastifyRequest<ById>): Promise<Stream> {
    const { id } = request.params;
    const owner = state.tokens.holds(id, request.query.token)
      ? undefined
      : ownerOf(await state.configured.keyring.identify(request));
    return state.mirrors && !streams.has(id) ? state.mirrors.find(id, owner) : streams.find(id, owner);
  }

  /**
   * Replays what follows `Last-Event-ID` (or `?last_event_id=`; without either, everything) in the shape that the stream was started
   * with, then goes on with it live. 204 when all of a stream that has ended was read: a browser's EventSource then asks no more.
   */
  app.get<ById>('/v1/streams/:id', async (request, reply) => {
    const stream = await streamOf(request);
    const lastEventId = lastEventIdOf(request);
    const last = await stream.hears?.(lastEventId);
    if (!last) return follow(stream, lastEventId, request, reply);
    const exchange = createExchange(request, reply);
    exchange.open(last.headers);
    exchange.write(last.frames);
    exchange.end();
    return reply;
  });

  /**
   * Stops a stream of any front door. Its readers get the door's own ending with the usage so far; the answer here says the same, once
   * the bill is closed: `{"stream_id","finish_reason","usage","cost_usd",…}`. A stream that had ended by itself says how.
   */
  app.delete<ById>('/v1/streams/:id', async (request) => {
    const { id, stop } = await streamOf(request);
    const ending = await stop();
    const { type, usage, cost_usd, model, provider, attempts, timing } = ending;
    const end = type === 'done' ? { finish_reason: ending.finishReason } : { error: ending.error.body() };
    return { stream_id: id, ...end, usage, cost_usd, model, provider, attempts, timing };
  });

  /** What is running, oldest first: of one's own key, of all for an admin. */
  app.get('/v1/streams', async (request) => {
    const owner = ownerOf(await state.configured.keyring.identify(request));
    const here = [...streams.running.values()].map((stream) => ({ ...stream, followers: stream.audience.size }));
    const elsewhere = (await state.mirrors?.running()) ?? [];
    const data = [...here, ...elsewhere.map((card) => ({ ...card, followers: null }))]
      .filter(({ key }) => ownerMay(owner, key))
      .sort((a, b) => a.startedAt - b.startedAt)
      .map(({ id, key, door, model, startedAt, followers }) => {
        return { stream_id: id, key, model, door, started_at: new Date(startedAt).toISOString(), followers };
      });
    return { data };
  });
}

/** Makes a client one more of a stream's audience. Nothing left to say is 204. */
export function follow(stream: Stream, lastEventId: number, request: FastifyRequest, reply: FastifyReply): unknown {
  const place = placeAfter(stream, lastEventId);
  if (!place) return reply.code(204).send();
  stream.audience.attach(createExchange(request, reply), place);
  return reply;
}

/** An admin's key opens everything; without keys everything is this machine's. */
function ownerOf(key: Key | null): Owner {
  return key?.admin ? undefined : (key?.name ?? null);
}

function lastEventIdOf({ headers, query }: FastifyRequest<ById>): number {
  const given = headers['last-event-id'] ?? query.last_event_id ?? '0';
  if (typeof given === 'string' && /^\d{1,15}$/.test(given)) return Number(given);
  throw new GatewayError('invalid_request', 'last_event_id: expected the id of an event, a whole number.', {
    param: 'last_event_id',
  });
}
