// Which models there are, and one by its name: at each front door in its own shape. Knows the catalogue and what a key may use; no
// dialect by name.
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Dialect, NamedModel } from '../core/contracts.ts';
import { planFor } from '../stream/plan.ts';
import { callOf } from './chat.ts';
import type { AppState, Configured } from './state.ts';

type Door = Dialect & Required<Pick<Dialect, 'models'>>;

export function mountModels(app: FastifyInstance, dialects: Dialect[], state: AppState): void {
  const doors = dialects.filter((dialect): dialect is Door => dialect.models !== undefined);
  for (const path of new Set(doors.flatMap(({ models }) => models.paths))) {
    const here = doors.filter(({ models }) => models.paths.includes(path));
    const other = here.find(({ models }) => models.serves === undefined) ?? here[0]!;
    const doorOf = (request: FastifyRequest) => here.find(({ models }) => models.serves?.(callOf(request))) ?? other;

    const answer = async (request: FastifyRequest) => {
      const { configured } = state;
      const key = await configured.keyring.identify(request);
      const allowed = (name: string) => key?.mayUse(name) ?? true;
      const { name: door, models } = doorOf(request);
      const call = callOf(request);
      if (call.rest === '') return models.list(modelsAt(door, configured, allowed), call);
      return models.describe(modelNamed(call.rest, door, configured, allowed));
    };
    app.get(path, { config: { dialect: doorOf } }, answer);
    app.get(`${path}/*`, { config: { dialect: doorOf } }, answer);
  }
}

/** Clients want a creation time, in Unix seconds; a gateway has none better than its own start. */
const STARTED = Math.floor(Date.now() / 1000);

/** Any name that a request may come with, listed or not. Throws what such a request would be told. */
function modelNamed(id: string, door: string, configured: Configured, allowed: (name: string) => boolean): NamedModel {
  const { targets } = planFor(configured.modelAt(door, id), configured.catalogue, allowed);
  return { id, provider: targets[0]!.provider.name, created: STARTED };
}

/** Aliases, names that the config has for this door, examples. Providers are not asked what else they have. */
function modelsAt(door: string, configured: Configured, allowed: (name: string) => boolean): NamedModel[] {
  const { catalogue, examples, namesAt, modelAt } = configured;
  const names = [...Object.keys(catalogue.models), ...namesAt(door), ...examples];
  return [...new Set(names)]
    .filter((name) => allowed(modelAt(door, name)))
    .map((name) => modelNamed(name, door, configured, allowed));
}
