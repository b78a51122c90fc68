// The page at /. Its files are static and load nothing from elsewhere.
import { fileURLToPath } from 'node:url';
import helmet from '@fastify/helmet';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';

/** Beside the compiled code; from a clone, where `npm start` builds it. */
const PAGE = new URL(import.meta.url.endsWith('.ts') ? '../../dist/web/' : '../web/', import.meta.url);

export async function mountWeb(app: FastifyInstance): Promise<void> {
  // Here alone: a policy for pages says nothing to readers of streams and JSON, and each open stream would carry its headers.
  await app.register(helmet, {
    contentSecurityPolicy: {
      directives: { defaultSrc: ["'self'"], styleSrc: ["'self'"], fontSrc: ["'self'"], upgradeInsecureRequests: null },
    },
    strictTransportSecurity: false, // TLS, if any, is in front of Millrace
  });
  await app.register(fastifyStatic, { root: fileURLToPath(PAGE), prefix: '/' });
}
