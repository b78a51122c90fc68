// Serving https: the certificate, and a server that speaks HTTP/2 beside HTTP/1.1 on one port. A renewed certificate is for new
// connections; those that stand keep theirs.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureServer } from 'node:http2';
import https from 'node:https';
import { resolve } from 'node:path';
import type { FastifyServerFactory } from 'fastify';

export interface TlsSettings {
  /** PEM files: the certificate with its chain, and its private key. */
  cert: string;
  key: string;
  http2: boolean;
}

export interface Tls {
  serverFactory: FastifyServerFactory;
  /** What to watch for a renewal. */
  files: string[];
  /** Reads the files again. Rejects, and keeps the certificate that it has, while the new ones do not fit each other. */
  renew(): Promise<void>;
}

/** HTTP/2: `maxSessionMemory` (MB) bounds what the readers of one connection have not read yet; the usual 10 are a few slow ones. */
const HTTP2 = { allowHTTP1: true, maxSessionMemory: 256, settings: { maxConcurrentStreams: 1000 } };

/** Milliseconds without a byte after which an HTTP/2 connection is let go; its streams run to their end. */
const IDLE = 75_000;

/** Rejects with a message that names the setting and the file. */
export async function openTls(settings: TlsSettings, cwd = '.'): Promise<Tls> {
  const files = { cert: resolve(cwd, settings.cert), key: resolve(cwd, settings.key) };
  let identity = await readIdentity(files);
  const servers: { setSecureContext(identity: Identity): void }[] = []; // one for each address of the host's name
  return {
    files: Object.values(files),
    serverFactory(handler) {
      const server = settings.http2
        ? createSecureServer({ ...HTTP2, ...identity }, handler as never)
        : https.createServer(identity, handler);
      server.on('session', (session) => session.setTimeout(IDLE, () => session.close()));
      servers.push(server);
      return server as https.Server; // fastify asks of it what both can
    },
    async renew() {
      identity = await readIdentity(files);
      for (const server of servers) server.setSecureContext(identity);
    },
  };
}

/** PEM text. */
interface Identity {
  cert: string;
  key: string;
}

async function readIdentity(files: Identity): Promise<Identity> {
  const [cert, key] = await Promise.all([read('cert', files.cert), read('key', files.key)]);
  const certificate = parsed('cert', files.cert, 'no certificate in PEM form', () => new X509Certificate(cert));
  const privateKey = parsed('key', files.key, 'no readable private key in PEM form', () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new Error(`server.tls.key: ${files.key} is not the key of the certificate in ${files.cert}`);
  }
  return { cert, key };
}

function read(setting: keyof Identity, path: string): Promise<string> {
  return readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new Error(`server.tls.${setting}: ${path} cannot be read (${cause.code ?? 'unknown error'})`, { cause });
  });
}

function parsed<T>(setting: keyof Identity, path: string, lack: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    throw new Error(`server.tls.${setting}: ${path} has ${lack}`, { cause });
  }
}
