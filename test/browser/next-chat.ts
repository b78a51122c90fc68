// examples/next-chat without Next: its page built by Vite, its route behind a node:http server. Next itself is too much to install
// for a test; what it adds here is that `process.env.NEXT_PUBLIC_…` is filled in and that POST is called with a web Request.
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'vite';
import { POST } from '../../examples/next-chat/app/api/chat/route.ts';

const root = fileURLToPath(new URL('../../examples/next-chat', import.meta.url));

/** What Next makes of the app folder. In the example's folder by name, so that its imports are resolved from there. */
const ENTRY = join(root, 'entry.tsx');
const entry: Plugin = {
  name: 'entry',
  resolveId: (id) => (id === ENTRY ? id : null),
  load: (id) =>
    id === ENTRY
      ? `import './app/globals.css';
import { createRoot } from 'react-dom/client';
import Page from './app/page';
createRoot(document.body).render(<Page />);`
      : null,
};

export interface ServedPage {
  origin: string;
  close(): Promise<void>;
}

/** The page reads `globalThis.chatApi` where the build of Next would fill in NEXT_PUBLIC_CHAT_API. */
export async function servePage(): Promise<ServedPage> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-next-chat-'));
  await build({
    root,
    configFile: false,
    logLevel: 'error',
    plugins: [entry],
    oxc: { jsx: { runtime: 'automatic', development: false } }, // else it is that of NODE_ENV, which is `test` here
    define: {
      'process.env.NEXT_PUBLIC_CHAT_API': 'globalThis.chatApi',
      'process.env.NEXT_PUBLIC_MODEL': 'undefined',
      'process.env.NODE_ENV': '"production"',
    },
    build: {
      outDir: folder,
      emptyOutDir: true,
      cssCodeSplit: false,
      rolldownOptions: {
        input: ENTRY,
        output: { entryFileNames: 'page.js', assetFileNames: 'page[extname]' },
        onwarn(warning, warn) {
          if (warning.code !== 'MODULE_LEVEL_DIRECTIVE') warn(warning); // 'use client' is for Next
        },
      },
    },
  });
  const server = createServer((request, response) => {
    const done = request.url === '/api/chat' ? runRoute(request, response) : serveFile(folder, request, response);
    done.catch((error) => response.destroy(error));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections();
      server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const TYPES: Record<string, string> = { '.js': 'text/javascript', '.css': 'text/css' };
const HTML = `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Chat</title><link rel="icon" href="data:,"><link rel="stylesheet" href="/page.css"></head>
<body><script type="module" src="/page.js"></script></body></html>`;

async function serveFile(folder: string, { url = '/' }: IncomingMessage, response: ServerResponse): Promise<void> {
  const type = TYPES[extname(url)];
  const body = type === undefined ? HTML : await readFile(join(folder, url));
  response.writeHead(200, { 'content-type': `${type ?? 'text/html'}; charset=utf-8` }).end(body);
}

async function runRoute(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const left = new AbortController();
  outgoing.on('close', () => outgoing.writableFinished || left.abort());
  const answer = await POST(
    new Request(`http://${incoming.headers.host}${incoming.url}`, {
      method: incoming.method,
      headers: { 'content-type': incoming.headers['content-type'] ?? '' },
      body: await text(incoming),
      signal: left.signal,
    }),
  );
  outgoing.writeHead(answer.status, Object.fromEntries(answer.headers));
  try {
    for await (const chunk of answer.body ?? []) outgoing.write(chunk);
  } catch (error) {
    if (!left.signal.aborted) throw error;
  }
  outgoing.end();
}
