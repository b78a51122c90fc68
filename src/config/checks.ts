// What one part of a config means for another: targets and their providers, keys and the address they guard.
// Runs on values that may have failed the schema, so that every mistake is told at once; reads only what has its shape.
import { isIP } from 'node:net';
import { type Issue, isRecord, type Path } from './issue.ts';
import { didYouMean } from './nearest.ts';

/** How the file has a value, for messages: a value from the environment is not repeated. */
export type Written = (path: Path) => string | null;

export function crossCheck(config: Record<string, unknown>, written: Written): Issue[] {
  const providers = namesOf(config.providers);
  const aliases = namesOf(config.models);
  return [
    ...checkTargets(config.models, providers, aliases, written),
    ...checkDoors(config.doors, providers, aliases, written),
    ...checkKeys(config.keys, providers, aliases, written),
    ...checkAddress(config, written),
  ];
}

/** Prices that can never apply. They may be meant for a provider that is off today, so they stop nothing. */
export function unusedPrices(config: { prices: object; providers: object }): Issue[] {
  const providers = namesOf(config.providers);
  return Object.keys(config.prices).flatMap((name) => {
    const [provider = ''] = name.split('/', 1);
    if (provider.includes('*') || providers.includes(provider)) return [];
    const message = `there is no provider "${provider}", so this price is never used.${didYouMean(provider, providers)}`;
    return [{ path: ['prices', name], message, atKey: true }];
  });
}

function checkTargets(models: unknown, providers: string[], aliases: string[], written: Written): Issue[] {
  if (!isRecord(models)) return [];
  return Object.entries(models).flatMap(([alias, model]) => {
    const base = ['models', alias];
    if (typeof model === 'string') return checkTarget(model, base, providers, aliases, written);
    const [list, path] = isRecord(model) ? [model.targets, [...base, 'targets']] : [model, base];
    if (!Array.isArray(list)) return [];
    return list.flatMap((target, i) =>
      typeof target === 'string' ? checkTarget(target, [...path, i], providers, aliases, written) : [],
    );
  });
}

function checkTarget(target: string, path: Path, providers: string[], aliases: string[], written: Written): Issue[] {
  const shown = written(path) ?? target;
  const slash = target.indexOf('/');
  if (slash === -1) {
    const why = aliases.includes(target)
      ? `"${shown}" is an alias, and aliases lead to providers only`
      : 'there is no "/" in it';
    const example = providers.includes(target) ? ` Write "${target}/" and the name of a model.` : '';
    return [{ path, message: `expected provider/model: ${why}.${example}` }];
  }
  const provider = target.slice(0, slash);
  if (!providers.includes(provider)) {
    const guess = didYouMean(provider, providers);
    const known = providers.length === 0 ? ' None is configured.' : ` Configured are ${providers.join(', ')}.`;
    return [{ path, message: `there is no provider "${shown.split('/', 1)[0]}".${guess === '' ? known : guess}` }];
  }
  return slash === target.length - 1 ? [{ path, message: 'expected the name of a model behind the "/"' }] : [];
}

/** What a name stands for at a door may be an alias, unlike a target. */
function checkDoors(doors: unknown, providers: string[], aliases: string[], written: Written): Issue[] {
  if (!isRecord(doors)) return [];
  return Object.entries(doors).flatMap(([door, section]) => {
    if (!isRecord(section)) return [];
    const named = isRecord(section.models) ? Object.entries(section.models) : [];
    const given: [Path, unknown][] = named.map(([name, to]) => [['doors', door, 'models', name], to]);
    if (section.default !== undefined) given.push([['doors', door, 'default'], section.default]);
    return given.flatMap(([path, to]): Issue[] => {
      if (typeof to !== 'string' || to === '' || aliases.includes(to)) return [];
      if (to.includes('/')) return checkTarget(to, path, providers, aliases, written);
      return [{ path, message: `there is no alias "${written(path) ?? to}".${didYouMean(to, aliases)}` }];
    });
  });
}

function checkKeys(keys: unknown, providers: string[], aliases: string[], written: Written): Issue[] {
  if (!Array.isArray(keys)) return [];
  const issues: Issue[] = [];
  const firstName = new Map<string, number>();
  const firstHash = new Map<string, number>();
  keys.forEach((key: unknown, i) => {
    if (!isRecord(key)) return;
    const { name, hash, models } = key;
    if (typeof name === 'string') {
      const first = firstName.get(name);
      if (first === undefined) firstName.set(name, i);
      else
        issues.push({
          path: ['keys', i, 'name'],
          message: `keys[${first}] has this name already; usage is booked by it`,
        });
    }
    if (typeof hash === 'string') {
      const first = firstHash.get(hash);
      if (first === undefined) firstHash.set(hash, i);
      else
        issues.push({
          path: ['keys', i, 'hash'],
          message: `keys[${first}] is the same key; give each client one of its own`,
        });
    }
    if (!Array.isArray(models)) return;
    models.forEach((pattern: unknown, j) => {
      if (typeof pattern !== 'string' || pattern === '') return;
      const path = ['keys', i, 'models', j];
      const message = checkPattern(pattern, providers, aliases, written(path) ?? pattern);
      if (message !== null) issues.push({ path, message });
    });
  });
  return issues;
}

function checkPattern(pattern: string, providers: string[], aliases: string[], shown: string): string | null {
  const [head = ''] = pattern.split('/', 1);
  if (head.includes('*')) return null;
  if (pattern.includes('/')) {
    if (providers.includes(head)) return null;
    return `there is no provider "${shown.split('/', 1)[0]}".${didYouMean(head, providers)}`;
  }
  if (aliases.includes(pattern)) return null;
  const example = providers.includes(pattern) ? ` For all models of the provider write "${pattern}/*".` : '';
  return `there is no alias "${shown}".${example === '' ? didYouMean(pattern, aliases) : example}`;
}

function checkAddress(config: Record<string, unknown>, written: Written): Issue[] {
  const host = isRecord(config.server) ? config.server.host : undefined;
  const hasKeys = config.keys !== undefined && !(Array.isArray(config.keys) && config.keys.length === 0);
  if (typeof host !== 'string' || host === '' || hasKeys || isLoopback(host)) return [];
  const path = ['server', 'host'];
  const message = [
    `"${written(path) ?? host}" can be reached from other machines, and no keys are configured.`,
    'Add one under keys: { name: web, hash: "sha256:…" } with the hash from: printf %s "$KEY" | sha256sum.',
    'Or bind to 127.0.0.1.',
  ].join(' ');
  return [{ path, message }];
}

/** Only what surely stays on this machine: any other name may resolve to anything. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, '$1').toLowerCase();
  if (bare === 'localhost' || bare === '::1' || bare === '::ffff:127.0.0.1') return true;
  return isIP(bare) === 4 && bare.startsWith('127.');
}

function namesOf(section: unknown): string[] {
  return isRecord(section) ? Object.keys(section) : [];
}
