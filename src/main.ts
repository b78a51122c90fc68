// Puts the parts together: config → ledger, upstreams, runner → the app, listening. Sees everything;
// it decides nothing about a request. A changed config is checked and swapped in here without touching a running stream.
import { resolve } from 'node:path';
import pino, { type Logger } from 'pino';
import { isLoopback } from './config/checks.ts';
import { type Config, formatProblems, loadConfig } from './config/load.ts';
import { createModelAt, modelMatcher } from './config/patterns.ts';
import { createPriceOf } from './config/prices.ts';
import { loadPrompts } from './config/prompts.ts';
import { type Watch, watchConfig } from './config/watch.ts';
import { anthropic } from './dialects/anthropic/door.ts';
import { gemini } from './dialects/gemini/door.ts';
import { native } from './dialects/native.ts';
import { openai } from './dialects/openai/door.ts';
import { openaiResponses } from './dialects/openai-responses/door.ts';
import { ui } from './dialects/ui/door.ts';
import { createApp } from './http/app.ts';
import { createKeyring } from './http/auth.ts';
import type { AppState, Configured } from './http/state.ts';
import type { MockServer } from './mock/server.ts';
import { usageCsv } from './stores/csv.ts';
import { openLedger } from './stores/open.ts';
import { resilient } from './stores/resilient.ts';
import { createRunner } from './stream/run.ts';
import { coarseTokens, createTokenizer } from './stream/tokenizer.ts';
import { createUpstream, type Upstream } from './upstreams.ts';

export interface StartOptions {
  /** A config file; without it the usual places are looked at (docs: README, Configuration). */
  config?: string;
  /** Over what the config says. */
  host?: string;
  port?: number;
  logger?: Logger;
  /** Load the tokenizer now rather than at the first estimate: costs memory, saves the first aborted stream a second. */
  warm?: boolean;
  cwd?: string;
  env?: Record<string, string | undefined>;
}

export interface Millrace {
  /** `http://127.0.0.1:8787` */
  url: string;
  config: Config;
  /** The absolute path of the config file; null without one. */
  source: string | null;
  /** The mock upstreams by provider name, for tests. */
  mocks: ReadonlyMap<string, MockServer>;
  /** Streams under way. */
  live(): number;
  /** Takes no new work, lets live streams run until the deadline (default: config), ends the rest, closes everything. */
  close(deadline?: number): Promise<void>;
}

/** What stops a start that a person can mend: its text says how. */
export class StartError extends Error {}

/** How long a client may take to read the end of its stream at shutdown, in milliseconds. */
const LAST_BYTES = 1000;

/** With its config as text: an unchanged provider is kept over a reload, with its warm connections. */
type Kept = Upstream & { made: string };

/** Rejects with a StartError when the config is wrong, the ledger cannot be opened or the port is taken. */
export async function start(options: StartOptions = {}): Promise<Millrace> {
  const load = () => loadConfig({ path: options.config, cwd: options.cwd, env: options.env });
  const loaded = await load();
  if (!loaded.ok) throw new StartError(formatProblems(loaded.problems));
  const { source } = loaded;
  if (options.host !== undefined && !isLoopback(options.host) && loaded.config.keys.length === 0) {
    throw new StartError(
      `Without keys Millrace listens on loopback only, not on ${options.host}. Configure a key first.`,
    );
  }
  let { config } = loaded;
  const logger = options.logger ?? createLogger(config);
  for (const warning of loaded.warnings) logger.warn(warning);

  const store = await openLedger(config.stores.ledger, options.cwd).catch((error: Error) => {
    throw new StartError(error.message, { cause: error });
  });
  const ledger = resilient(store, { onError: (err) => logger.error({ err }, 'the ledger cannot be written') });
  const recovered = await ledger.recover();
  if (recovered > 0) logger.warn({ rows: recovered }, 'closed rows that a killed process had left open');

  const tokenizer = createTokenizer();
  const runner = createRunner({ ledger, tokenizer, coarseTokens });
  const upstreams = new Map<string, Kept>();
  const context = { cwd: resolve(options.cwd ?? '.'), env: loaded.env };
  const prompts = await loadPrompts(resolve(options.cwd ?? '.', config.prompts), {
    onProblem: ({ file, message }) => logger.error({ file }, `a prompt cannot be read: ${message}`),
  });

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
      keyring: createKeyring(next.keys.map(({ models, ...key }) => ({ ...key, mayUse: modelMatcher(models) }))),
      modelAt: createModelAt(next.doors),
      priceOf: createPriceOf(next.prices),
      prompts,
      streams: next.streams,
      examples: [...upstreams].flatMap(([name, { mock }]) =>
        mock ? examplesFor(name).map((model) => ({ id: `${name}/${model}`, provider: name })) : [],
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
    runner.close();
    await ledger.shutdown();
    throw new StartError(error.message, { cause: error });
  });
  const state: AppState = {
    get configured() {
      return configured;
    },
    ledger,
    runner,
    get draining() {
      return draining;
    },
  };
  const app = await createApp({
    state,
    dialects: [native, openai, openaiResponses, anthropic, ui, gemini],
    logger,
    maxBody: config.server.maxBody,
    cors: config.server.cors,
    csv: usageCsv,
  });

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
      logger.level = next.config.log.level;
      logger.info('the changed config is in force');
    } catch (err) {
      logger.error({ err }, 'the changed config could not be put in force; the old one stays');
    }
  }
  const watch: Watch | undefined = source === null ? undefined : watchConfig(source, () => void reload());

  async function close(deadline = config.server.drain): Promise<void> {
    if (draining) return;
    draining = true;
    watch?.close();
    // Listens on while streams run out, so that new work is told shutting_down and readiness says draining.
    await runner.drain(deadline);
    const closed = app.close();
    // Every stream has had its terminal. Connections are closed as they fall idle; a client that does not read its end must not
    // keep the process.
    const idle = setInterval(() => app.server.closeIdleConnections(), 20);
    const unread = setTimeout(() => app.server.closeAllConnections(), LAST_BYTES);
    await closed;
    clearInterval(idle);
    clearTimeout(unread);
    prompts.close();
    runner.close();
    await Promise.all([...upstreams.values()].map(retire));
    await tokenizer.close();
    await ledger.shutdown();
  }

  try {
    if (options.warm) void tokenizer.count('', 'warm');
    const url = await app.listen({
      host: options.host ?? config.server.host,
      port: options.port ?? config.server.port,
    });
    return { url, config, source, mocks: mocksOf(upstreams), live: runner.live, close };
  } catch (error) {
    await close(0);
    throw new StartError(`Cannot listen: ${(error as Error).message}.`, { cause: error });
  }
}

function mocksOf(upstreams: Map<string, Upstream>): Map<string, MockServer> {
  return new Map([...upstreams].flatMap(([name, { mock }]) => (mock ? [[name, mock] as const] : [])));
}

/** What `GET /v1/models` shows of a mock: any name of docs/MOCK.md works. On another wire the same ones do the same. */
function examplesFor(mock: string): string[] {
  return mock === 'mock' ? ['echo', 'lorem-200', 'lorem-500+rate-50', 'tools', 'reasoning'] : ['lorem-200'];
}

/** JSON lines; readable ones in a terminal. Secrets never come this far, and what might be one is cut out all the same. */
function createLogger(config: Pick<Config, 'log'>): Logger {
  const redact = [
    'headers.authorization',
    'headers["x-api-key"]',
    'req.headers.authorization',
    'req.headers["x-api-key"]',
  ];
  const transport = process.stdout.isTTY ? { target: 'pino-pretty', options: { ignore: 'pid,hostname' } } : undefined;
  return pino({ level: config.log.level, redact, transport });
}
