// Millrace inside somebody's fastify app: the same routes, under a prefix of the app's choice, with the app's server and logger and,
// where it wants that, its own idea of who is calling. When the app closes, Millrace closes with it.
import type { FastifyPluginAsync, FastifyRequest } from 'fastify';
import { modelMatcher } from './config/patterns.ts';
import { GatewayError } from './core/errors.ts';
import { type GatewayOptions, openGateway } from './gateway.ts';
import type { Keyring } from './http/auth.ts';
import { routes } from './http/routes.ts';

/** Who calls, when the app says so itself. */
export interface Caller {
  /** Whom usage is booked on and a stream belongs to: a user, a team. */
  name: string;
  /** Aliases and `provider/model` names that may be used; `*` stands for any characters. Without it: all. */
  models?: string[];
  /** Sees and stops what others started, and their usage. */
  admin?: boolean;
}

export interface MillraceOptions extends GatewayOptions {
  /**
   * Who a request comes from, in place of the config's `keys`; null for nobody in particular. A thrown error whose `statusCode` is
   * 401 or 403 is answered as `unauthorized` or `forbidden`, in the shape of the front door that was asked.
   */
  authenticate?(request: FastifyRequest): Caller | null | Promise<Caller | null>;
  /** Also serve the page, at the prefix. Default: no. */
  page?: boolean;
}

/**
 * `await app.register(millrace, { prefix: '/llm', config: { … } })`. Of the config, `server` and `log.level` are the app's own business
 * and not read, except for `server.maxBody` and `server.drain`. Registering fails with a StartError when the config is wrong.
 */
export const millrace: FastifyPluginAsync<MillraceOptions> = async (
  app,
  { authenticate, page = false, ...options },
) => {
  const gateway = await openGateway(options, {
    logger: () => app.log,
    identify: authenticate && identifyWith(authenticate),
  });
  app.addHook('preClose', () => gateway.drain());
  app.addHook('onClose', () => gateway.close());
  await routes(app, { ...gateway.routes, page, alone: false });
};

function identifyWith(authenticate: NonNullable<MillraceOptions['authenticate']>): Keyring['identify'] {
  return async (request) => {
    const caller = await Promise.try(authenticate, request).catch(refuse);
    return caller && { name: caller.name, admin: caller.admin ?? false, mayUse: modelMatcher(caller.models) };
  };
}

function refuse(thrown: unknown): never {
  const { statusCode, message } = thrown as { statusCode?: unknown; message: string };
  if (statusCode === 401) throw new GatewayError('unauthorized', message, { cause: thrown });
  if (statusCode === 403) throw new GatewayError('forbidden', message, { cause: thrown });
  throw thrown;
}
