// Millrace as a server of its own: a gateway, the app, a port.
import pino, { type Logger } from 'pino';
import { isLoopback } from './config/checks.ts';
import type { Config } from './config/load.ts';
import { watchConfig } from './config/watch.ts';
import { type GatewayOptions, openGateway, StartError } from './gateway.ts';
import { createApp } from './http/app.ts';
import { openTls } from './http/tls.ts';
import type { MockServer } from './mock/server.ts';

export { StartError };

export interface StartOptions extends GatewayOptions {
  /** Over what the config says. */
  host?: string;
  port?: number;
  logger?: Logger;
  /** Load the tokenizer now rather than at the first estimate: costs memory, saves the first aborted stream a second. */
  warm?: boolean;
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

/** How long a client may take to read the end of its stream at shutdown, in milliseconds. */
const LAST_BYTES = 1000;

/** Rejects with a StartError when the config is wrong, the ledger cannot be opened or the port is taken. */
export async function start(options: StartOptions = {}): Promise<Millrace> {
  let logger = options.logger;
  const gateway = await openGateway(options, {
    logger(config) {
      if (options.host !== undefined && !isLoopback(options.host) && config.keys.length === 0) {
        throw new StartError(
          `Without keys Millrace listens on loopback only, not on ${options.host}. Configure a key first.`,
        );
      }
      logger ??= createLogger(config);
      return logger;
    },
    onChange({ log }) {
      logger!.level = log.level;
    },
  });
  const { config, source, mocks, live } = gateway;
  const { server } = config;
  const tls = server.tls && (await openTls(server.tls, options.cwd).catch(failed));
  const app = await createApp({
    routes: gateway.routes,
    logger: gateway.logger,
    cors: server.cors,
    serverFactory: tls?.serverFactory,
  });
  const renewals = tls?.files.map((file) => watchConfig(file, renew)) ?? [];

  async function failed(error: Error): Promise<never> {
    await gateway.close();
    throw new StartError(error.message, { cause: error });
  }

  function renew(): void {
    tls!.renew().then(
      () => gateway.logger.info('the renewed certificate is in force'),
      (err) => gateway.logger.error({ err }, 'the changed certificate cannot be used; the old one stays'),
    );
  }

  let closing: Promise<void> | undefined;
  async function close(deadline?: number): Promise<void> {
    for (const watch of renewals) watch.close();
    // Listens on while streams run out, so that new work is told shutting_down and readiness says draining.
    await gateway.drain(deadline);
    const closed = app.close();
    // Every stream has had its terminal. Connections are closed as they fall idle; a client that does not read its end must not
    // keep the process.
    const idle = setInterval(() => app.server.closeIdleConnections?.(), 20); // HTTP/2 sessions close by themselves
    const unread = setTimeout(() => app.server.closeAllConnections(), LAST_BYTES);
    await closed;
    clearInterval(idle);
    clearTimeout(unread);
    await gateway.close();
  }

  try {
    if (options.warm) gateway.warm();
    const address = await app.listen({ host: options.host ?? server.host, port: options.port ?? server.port });
    const url = tls ? address.replace('http:', 'https:') : address; // of a server that it did not make, fastify says http
    return { url, config, source, mocks, live, close: (deadline) => (closing ??= close(deadline)) };
  } catch (error) {
    await close(0);
    throw new StartError(`Cannot listen: ${(error as Error).message}.`, { cause: error });
  }
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
