// The fastify app: plugins, errors in each door's own shape, routes. An assembly; what happens to a chat is in chat.ts.
import cors from '@fastify/cors';
import fastify, {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify';
import type { UsageSum } from '../core/accounting.ts';
import type { Dialect } from '../core/contracts.ts';
import { GatewayError, toGatewayError } from '../core/errors.ts';
import { mountDialect } from './chat.ts';
import { mountOps } from './ops.ts';
import type { AppState } from './state.ts';
import { mountStreams } from './streams.ts';
import { mountUsage } from './usage.ts';
import { mountWeb } from './web.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    dialect?: Dialect;
  }
}

export interface AppOptions {
  state: AppState;
  dialects: Dialect[];
  logger: FastifyBaseLogger;
  /** Bytes. */
  maxBody: number;
  cors: string[];
  csv(sums: UsageSum[]): string;
}

export async function createApp(options: AppOptions): Promise<FastifyInstance> {
  const app = fastify({
    loggerInstance: options.logger,
    logController: new LogController({ disableRequestLogging: true }), // two lines per stream are written by the run
    bodyLimit: options.maxBody,
    forceCloseConnections: 'idle',
    return503OnClosing: false, // the front doors say shutting_down themselves
    genReqId: () => crypto.randomUUID(),
    requestIdHeader: 'x-request-id',
    routerOptions: { ignoreTrailingSlash: true },
    http: { requireHostHeader: false },
  });
  if (options.cors.length > 0) {
    await app.register(cors, {
      origin: options.cors.includes('*') ? true : options.cors,
      methods: ['GET', 'POST', 'DELETE'],
      exposedHeaders: ['millrace-stream-id', 'millrace-dropped', 'x-request-id', 'retry-after'],
      strictPreflight: false,
    });
  }
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id);
    reply.header('x-content-type-options', 'nosniff');
  });
  app.setErrorHandler(onError);
  app.setNotFoundHandler((request, reply) => {
    const error = new GatewayError(
      'invalid_request',
      `There is no ${request.method} ${request.url.split('?', 1)[0]} here.`,
    );
    return reply.code(404).send({ error: { ...error.body(), status: 404 } });
  });

  for (const dialect of options.dialects) mountDialect(app, dialect, options.state);
  mountStreams(app, options.state);
  mountUsage(app, options.state, options.csv);
  mountOps(app, options.state);
  await app.register(mountWeb);
  return app;
}

/** What failed before a stream began, in the shape of the door that was asked. */
function onError(thrown: FastifyError | GatewayError, request: FastifyRequest, reply: FastifyReply) {
  const error = translate(thrown);
  if (error.code === 'internal') request.log.error({ err: thrown }, 'request failed');
  if (error.retryAfter !== undefined) reply.header('retry-after', String(error.retryAfter));
  const dialect = request.routeOptions.config.dialect;
  return reply.code(error.status).send(dialect ? dialect.fault(error) : { error: error.body() });
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
