// Every route of Millrace as one fastify plugin, encapsulated: its hooks, errors and parser are its own, whatever app it is mounted in.
// An assembly; what happens to a chat is in chat.ts.
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { UsageSum } from '../core/accounting.ts';
import type { Dialect } from '../core/contracts.ts';
import { GatewayError, toGatewayError } from '../core/errors.ts';
import { mountDialect } from './chat.ts';
import { mountDoctor } from './doctor.ts';
import { mountModels } from './models.ts';
import { mountOps } from './ops.ts';
import type { AppState } from './state.ts';
import { mountStreams } from './streams.ts';
import { mountUsage } from './usage.ts';
import { mountWeb } from './web.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The door that is asked; a function where the headers say which. */
    dialect?: Dialect | ((request: FastifyRequest) => Dialect);
  }
}

export interface RoutesOptions {
  state: AppState;
  dialects: Dialect[];
  /** Bytes. */
  maxBody: number;
  /** Also the page. */
  page: boolean;
  /** Nobody else answers in this app. */
  alone: boolean;
  csv(sums: UsageSum[]): string;
}

export async function routes(app: FastifyInstance, options: RoutesOptions): Promise<void> {
  const { state, dialects, maxBody, page, csv } = options;
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id);
    reply.header('x-content-type-options', 'nosniff');
  });
  app.setErrorHandler(onError);
  // Mounted at the root of somebody's app, paths that nobody knows are that app's to answer.
  if (options.alone || app.prefix !== '') app.setNotFoundHandler(onNotFound);
  // The app around may read JSON in a way of its own, as some do to check signatures.
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'string', bodyLimit: maxBody },
    app.getDefaultJsonParser('error', 'error'),
  );

  for (const dialect of dialects) mountDialect(app, dialect, state);
  mountModels(app, dialects, state);
  mountStreams(app, state);
  mountUsage(app, state, csv);
  mountOps(app, state);
  mountDoctor(app, state);
  if (page) await app.register(mountWeb);
}

/** What failed before a stream began, in the shape of the door that was asked. */
function onError(thrown: FastifyError | GatewayError, request: FastifyRequest, reply: FastifyReply) {
  const error = translate(thrown);
  if (error.code === 'internal') request.log.error({ err: thrown }, 'request failed');
  if (error.retryAfter !== undefined) reply.header('retry-after', String(error.retryAfter));
  const { dialect: door } = request.routeOptions.config;
  const dialect = typeof door === 'function' ? door(request) : door;
  return reply.code(error.status).send(dialect ? dialect.fault(error) : { error: error.body() });
}

function onNotFound(request: FastifyRequest, reply: FastifyReply) {
  const message = `There is no ${request.method} ${request.url.split('?', 1)[0]} here.`;
  return reply.code(404).send({ error: { ...new GatewayError('invalid_request', message).body(), status: 404 } });
}

function translate(thrown: FastifyError | GatewayError): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  if (thrown.code === 'FST_ERR_CTP_BODY_TOO_LARGE')
    return new GatewayError('request_too_large', 'The body is larger than this server accepts.');
  if (thrown.code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE')
    return new GatewayError('invalid_request', 'Expected content-type: application/json.');
  if (thrown.statusCode !== undefined && thrown.statusCode >= 400 && thrown.statusCode < 500) {
    return new GatewayError('invalid_request', thrown.message);
  }
  return toGatewayError(thrown);
}
