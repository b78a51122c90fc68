// Finds the provider package that a config names, loads it and picks its factory, once, at start-up: what is wrong with it is then
// said to a person who can mend it. Knows how npm packages are laid out; nothing of a request.
// https://ai-sdk.dev/providers/community-providers/custom-providers
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { GatewayError } from '../../core/errors.ts';

export type Factory = (settings: Record<string, unknown>) => unknown;

/** `folder`: where the user's own packages are; those that came with Millrace are looked at after them. */
export async function loadFactory(name: string, folder: string, factory: string | undefined): Promise<Factory> {
  const file = locate(name, join(folder, 'package.json')) ?? locate(name, import.meta.filename);
  if (file === undefined) {
    const remedy = /^[./]/.test(name)
      ? `there is no such file as seen from ${folder}`
      : `npm install ${packageOf(name)}`;
    throw new GatewayError('internal', `The package "${name}" is not installed: ${remedy}.`);
  }
  let module: Record<string, unknown>;
  try {
    module = await import(pathToFileURL(file).href);
  } catch (cause) {
    throw new GatewayError('internal', `The package "${name}" cannot be loaded: ${(cause as Error).message}`, {
      cause,
    });
  }
  return pick(name, { ...(module.default as object), ...module }, factory); // of CommonJS, the default has all exports
}

function pick(name: string, exports: Record<string, unknown>, wanted: string | undefined): Factory {
  const factories = Object.keys(exports).filter((key) => /^create[A-Z]/.test(key) && isFunction(exports[key]));
  const list = factories.sort().join(', ') || 'none that is called create…';
  if (wanted !== undefined) {
    if (isFunction(exports[wanted])) return exports[wanted];
    throw new GatewayError('internal', `The package "${name}" exports no function "${wanted}"; there are: ${list}.`);
  }
  // An old name is often kept beside the new one, for the same function.
  const [only, ...others] = new Set(factories.map((key) => exports[key] as Factory));
  if (only && others.length === 0) return only;
  throw new GatewayError(
    'internal',
    `Say which export of "${name}" makes the provider (export: …); there are: ${list}.`,
  );
}

function isFunction(value: unknown): value is Factory {
  return typeof value === 'function';
}

/** The file that an import of `name` from `importer` loads; undefined when it is not installed there. */
function locate(name: string, importer: string): string | undefined {
  const require = createRequire(importer);
  try {
    return require.resolve(name);
  } catch (error) {
    // `require` does not see what a package gives to `import` alone.
    if ((error as NodeJS.ErrnoException).code !== 'ERR_PACKAGE_PATH_NOT_EXPORTED') return undefined;
  }
  const own = packageOf(name);
  for (const place of require.resolve.paths(name) ?? []) {
    const exports = exportsOf(join(place, own, 'package.json'));
    const path = `.${name.slice(own.length)}`;
    const entry = isSubpaths(exports) ? exports[path] : path === '.' ? exports : undefined;
    const target = targetOf(entry);
    if (target !== undefined) return join(place, own, target);
  }
  return undefined;
}

/** What a package gives out, by path or by condition. https://nodejs.org/api/packages.html#conditional-exports */
type Conditions = string | null | { [condition: string]: Conditions };

function isSubpaths(exports: Conditions | undefined): exports is { [path: string]: Conditions } {
  return typeof exports === 'object' && exports !== null && Object.keys(exports).some((key) => key.startsWith('.'));
}

function targetOf(entry: Conditions | undefined): string | undefined {
  if (typeof entry === 'string') return entry;
  for (const [condition, target] of Object.entries(entry ?? {})) {
    if (!['node', 'import', 'module-sync', 'default'].includes(condition)) continue;
    const found = targetOf(target);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** `@scope/name/path` without its path. */
function packageOf(name: string): string {
  return name
    .split('/')
    .slice(0, name.startsWith('@') ? 2 : 1)
    .join('/');
}

function exportsOf(file: string): Conditions | undefined {
  try {
    return (JSON.parse(readFileSync(file, 'utf8')) as { exports?: Conditions }).exports;
  } catch {
    return undefined; // not installed in this folder
  }
}
