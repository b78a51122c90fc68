// Millrace's own fastify server: what the whole process answers to, around the routes.
import cors from '@fastify/cors';
import fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyServerFactory,
  LogController,
} from 'fastify';
import { type RoutesOptions, routes } from './routes.ts';

export interface AppOptions {
  routes: Omit<RoutesOptions, 'page' | 'alone'>;
  logger: FastifyBaseLogger;
  cors: string[];
  /** Absent: plain http. */
  serverFactory?: FastifyServerFactory;
}

/** What a page of another origin may read of an answer's headers. */
const EXPOSED = ['millrace-stream-id', 'millrace-dropped', 'x-request-id', 'retry-after'];

export async function createApp(options: AppOptions): Promise<FastifyInstance> {
  const app = fastify({
    loggerInstance: options.logger,
    logController: new LogController({ disableRequestLogging: true }), // two lines per stream are written by the run
    bodyLimit: options.routes.maxBody,
    forceCloseConnections: 'idle',
    return503OnClosing: false, // the front doors say shutting_down themselves
    genReqId: () => crypto.randomUUID(),
    requestIdHeader: 'x-request-id',
    routerOptions: { ignoreTrailingSlash: true },
    http: { requireHostHeader: false },
    serverFactory: options.serverFactory,
  });
  if (options.cors.length > 0) {
    await app.register(cors, {
      origin: options.cors.includes('*') ? true : options.cors,
      methods: ['GET', 'POST', 'DELETE'],
      exposedHeaders: EXPOSED,
      strictPreflight: false,
    });
  }
  await routes(app, { ...options.routes, page: true, alone: true });
  return app;
}
