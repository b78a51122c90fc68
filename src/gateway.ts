// Everything of a running Millrace but its port: config → ledger, upstreams, runner, front doors. Sees everything; it decides nothing
// about a request. A changed config is checked and swapped in here without touching a running stream.
import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import type { FastifyBaseLogger } from 'fastify';
import { type Config, formatProblems, loadConfig } from './config/load.ts';
import { createModelAt, modelMatcher, writtenNames } from './config/patterns.ts';
import { createPriceOf } from './config/prices.ts';
import { loadPrompts } from './config/prompts.ts';
import { type Watch, watchConfig } from './config/watch.ts';
import type { LiveStore } from './core/live.ts';
import { anthropic } from './dialects/anthropic/door.ts';
import { gemini } from './dialects/gemini/door.ts';
import { native } from './dialects/native.ts';
import { openai } from './dialects/openai/door.ts';
import { openaiResponses } from './dialects/openai-responses/door.ts';
import { ui } from './dialects/ui/door.ts';
import { createKeyring, type Keyring } from './http/auth.ts';
import type { RoutesOptions } from './http/routes.ts';
import type { AppState, Configured } from './http/state.ts';
import { createStreamTokens } from './http/tokens.ts';
import type { MockServer } from './mock/server.ts';
import { usageCsv } from './stores/csv.ts';
import { openLedger } from './stores/open.ts';
import { openRedis, type RedisOptions } from './stores/redis.ts';
import { resilient } from './stores/resilient.ts';
import { createMirrors } from './stream/mirrors.ts';
import { createRunner } from './stream/run.ts';
import { coarseTokens, createTokenizer } from './stream/tokenizer.ts';
import { createUpstream, type Upstream } from './upstreams.ts';

export interface GatewayOptions {
  /** A config file, or what would stand in one; without it the usual places are looked at (docs/CONFIG.md). */
  config?: string | Record<string, unknown>;
  /** Where relative paths of the config begin, and where `.env` and `millrace.yaml` are looked for. */
  cwd?: string;
  env?: Record<string, string | undefined>;
}

/** What the gateway needs of the process that it lives in. */
export interface Surroundings {
  /** Asked once, when the config is known. */
  logger(config: Config): FastifyBaseLogger;
  /** A changed config is in force. */
  onChange?(config: Config): void;
  /** Who calls, where the process knows better than the config's keys. */
  identify?: Keyring['identify'];
}

export interface Gateway {
  readonly config: Config;
  /** The absolute path of the config file; null without one. */
  source: string | null;
  logger: FastifyBaseLogger;
  /** The mock upstreams by provider name, for tests. */
  mocks: ReadonlyMap<string, MockServer>;
  /** What is mounted into a fastify app (http/routes.ts). */
  routes: Omit<RoutesOptions, 'page' | 'alone'>;
  /** Streams under way. */
  live(): number;
  /** Loads the tokenizer now rather than at the first estimate: costs memory, saves the first aborted stream a second. */
  warm(): void;
  /** Takes no new work, lets live streams run until the deadline in milliseconds (default: config), ends the rest. */
  drain(deadline?: number): Promise<void>;
  /** Lets go of providers and stores, once nothing is under way. */
  close(): Promise<void>;
}

/** What stops a start that a person can mend: its text says how. */
export class StartError extends Error {}

/** How often it is asked which other processes are gone, in milliseconds. */
const SURVEY = 2_000;

/** With its config as text: an unchanged provider is kept over a reload, with its warm connections. */
type Kept = Upstream & { made: string };

/** Rejects with a StartError when the config is wrong, a provider cannot be made or the ledger cannot be opened. */
export async function openGateway(options: GatewayOptions, surroundings: Surroundings): Promise<Gateway> {
  const { cwd, env } = options;
  const load = () =>
    loadConfig(
      typeof options.config === 'object' ? { given: options.config, cwd, env } : { path: options.config, cwd, env },
    );
  const loaded = await load();
  if (!loaded.ok) throw new StartError(formatProblems(loaded.problems));
  const { source } = loaded;
  let { config } = loaded;
  const logger = surroundings.logger(config);
  for (const warning of loaded.warnings) logger.warn(warning);

  const live = openLive(config, {
    keep: config.streams.buffer,
    onChange(healthy) {
      if (healthy) logger.info('streams are shared with other nodes');
      else logger.warn('the store between the nodes is away: streams go on, and other nodes cannot read them');
    },
  });
  const store = await openLedger(config.stores.ledger, cwd).catch(async (error: Error) => {
    await live?.close(); // its connections would keep the process
    throw new StartError(error.message, { cause: error });
  });
  const ledger = resilient(store, { onError: (err) => logger.error({ err }, 'the ledger cannot be written') });
  let surveying = false;
  await survey();
  const surveys = setInterval(() => survey().catch(() => {}), SURVEY).unref(); // the next one finds the same

  const tokenizer = createTokenizer();
  const runner = createRunner({ ledger, tokenizer, coarseTokens, live });
  const dialects = [native, openai, openaiResponses, anthropic, ui, gemini];
  const upstreams = new Map<string, Kept>();
  const context = { cwd: resolve(cwd ?? '.'), env: loaded.env };
  const prompts = await loadPrompts(resolve(cwd ?? '.', config.prompts), {
    onProblem: ({ file, message }) => logger.error({ file }, `a prompt cannot be read: ${message}`),
  });

  function keyringOf({ keys }: Config): Keyring {
    if (surroundings.identify) return { identify: surroundings.identify };
    return createKeyring(keys.map(({ models, ...key }) => ({ ...key, mayUse: modelMatcher(models) })));
  }

  async function configure(next: Config): Promise<Configured> {
    for (const [name, given] of Object.entries(next.providers)) {
      const made = JSON.stringify(given);
      const present = upstreams.get(name);
      if (present?.made === made) continue;
      upstreams.set(name, { ...(await createUpstream(name, given, context)), made });
      if (present) void retire(present);
    }
    for (const [name, upstream] of upstreams) {
      if (Object.hasOwn(next.providers, name)) continue;
      upstreams.delete(name);
      void retire(upstream);
    }
    const providers = new Map([...upstreams].map(([name, { provider }]) => [name, provider]));
    return {
      catalogue: { providers, models: next.models, timeouts: next.timeouts },
      keyring: keyringOf(next),
      modelAt: createModelAt(next.doors),
      namesAt: (door) => writtenNames(next.doors, door),
      priceOf: createPriceOf(next.prices),
      prompts,
      streams: next.streams,
      examples: [...upstreams].flatMap(([name, { mock }]) =>
        mock ? examplesFor(name).map((model) => `${name}/${model}`) : [],
      ),
      logContent: next.log.content,
    };
  }

  /** Streams that began on it go on: its pool closes when they are done. */
  async function retire({ provider, mock }: Upstream): Promise<void> {
    await provider.close().catch((err) => logger.warn({ err }, 'a provider did not close'));
    await mock?.close();
  }

  let draining = false;
  let configured = await configure(config).catch(async (error: Error) => {
    for (const upstream of upstreams.values()) void retire(upstream);
    clearInterval(surveys);
    prompts.close();
    runner.close();
    await live?.close();
    await ledger.shutdown();
    throw new StartError(error.message, { cause: error });
  });
  const secret = (await live?.secret().catch(() => undefined)) ?? randomBytes(32);
  const state: AppState = {
    get configured() {
      return configured;
    },
    ledger,
    runner,
    mirrors:
      live &&
      createMirrors({
        live,
        limits: () => configured.streams,
        growth: runner.streams.growth(config.streams),
        interrupted: (door, error, lastId) =>
          dialects.find(({ name }) => name === door)?.interrupted(error, lastId) ?? '',
      }),
    tokens: createStreamTokens(secret),
    get draining() {
      return draining;
    },
  };

  /** Closes the rows of processes that are gone, other nodes included. One look at a time: a slow store would gather them. */
  async function survey(): Promise<void> {
    if (surveying) return;
    surveying = true;
    const rows = await ledger.recover().finally(() => {
      surveying = false;
    });
    if (rows > 0) logger.warn({ rows }, 'closed rows that a killed process had left open');
  }

  async function reload(): Promise<void> {
    const next = await load();
    if (!next.ok) {
      logger.error(`The changed config is wrong; the old one stays in force.\n${formatProblems(next.problems)}`);
      return;
    }
    if (next.source !== source) return; // the file is gone for a moment: an editor is saving it
    const fixed = (['server', 'stores', 'prompts'] as const).filter(
      (part) => JSON.stringify(next.config[part]) !== JSON.stringify(config[part]),
    );
    if (fixed.length > 0) logger.warn(`A change of ${fixed.join(' and ')} takes effect at the next start.`);
    try {
      configured = await configure(next.config);
      config = { ...next.config, server: config.server, stores: config.stores, prompts: config.prompts };
      surroundings.onChange?.(config);
      logger.info('the changed config is in force');
    } catch (err) {
      logger.error({ err }, 'the changed config could not be put in force; the old one stays');
    }
  }
  const watch: Watch | undefined = source === null ? undefined : watchConfig(source, () => void reload());

  async function drain(deadline = config.server.drain): Promise<void> {
    draining = true;
    watch?.close();
    await runner.drain(deadline);
  }

  async function close(): Promise<void> {
    clearInterval(surveys);
    prompts.close();
    runner.close();
    state.mirrors?.close();
    await live?.close();
    await Promise.all([...upstreams.values()].map(retire));
    await tokenizer.close();
    await ledger.shutdown();
  }

  return {
    get config() {
      return config;
    },
    source,
    logger,
    get mocks() {
      return mocksOf(upstreams);
    },
    routes: {
      state,
      dialects,
      maxBody: config.server.maxBody,
      csv: usageCsv,
    },
    live: runner.live,
    warm: () => void tokenizer.count('', 'warm'),
    drain,
    close,
  };
}

function mocksOf(upstreams: Map<string, Upstream>): Map<string, MockServer> {
  return new Map([...upstreams].flatMap(([name, { mock }]) => (mock ? [[name, mock] as const] : [])));
}

function openLive({ stores }: Config, options: RedisOptions): LiveStore | undefined {
  if (stores.live === 'memory') return undefined;
  try {
    return openRedis(stores.live, options);
  } catch (error) {
    throw new StartError((error as Error).message, { cause: error });
  }
}

/** What `GET /v1/models` shows of a mock: any name of docs/MOCK.md works. On another wire the same ones do the same. */
function examplesFor(mock: string): string[] {
  return mock === 'mock' ? ['echo', 'lorem-200', 'lorem-500+rate-50', 'tools', 'reasoning'] : ['lorem-200'];
}
