// From the model's name to where the request may go: an alias, or `provider/model`. Knows no config file; handed what it needs.
import type { Provider, Target } from '../core/contracts.ts';
import { GatewayError } from '../core/errors.ts';
import type { Timeouts } from './watchdog.ts';

/** Where a request may go, decided before it starts. `targets` is never empty. */
export interface Plan {
  /** As the client asked. */
  model: string;
  targets: Target[];
  /** How often one target is asked again before the next. */
  retries: number;
  timeouts: Timeouts;
}

export interface Catalogue {
  providers: ReadonlyMap<string, Provider>;
  models: Record<string, { targets: string[]; retries: number; timeouts: Timeouts }>;
  timeouts: Timeouts;
}

/** `allowed`: may this key use the name. A forbidden model and a missing one differ only to those who may see it. */
export function planFor(model: string, catalogue: Catalogue, allowed: (name: string) => boolean): Plan {
  if (!allowed(model))
    throw new GatewayError('forbidden', `This key may not use the model "${model}".`, { param: 'model' });
  const alias = Object.hasOwn(catalogue.models, model) ? catalogue.models[model] : undefined;
  if (alias) {
    const targets = alias.targets.map((name) => targetOf(name, catalogue)!).filter(Boolean);
    if (targets.length > 0) return { model, targets, retries: alias.retries, timeouts: alias.timeouts };
  }
  const target = targetOf(model, catalogue);
  if (target) return { model, targets: [target], retries: 0, timeouts: catalogue.timeouts };
  const known = [...Object.keys(catalogue.models), ...[...catalogue.providers.keys()].map((name) => `${name}/…`)];
  throw new GatewayError('model_not_found', `There is no model "${model}". There are: ${known.join(', ')}.`, {
    param: 'model',
  });
}

function targetOf(name: string, { providers }: Catalogue): Target | undefined {
  const slash = name.indexOf('/');
  const provider = slash > 0 ? providers.get(name.slice(0, slash)) : undefined;
  const model = name.slice(slash + 1);
  return provider && model !== '' ? { provider, model } : undefined;
}
