// An upstream that answers with given bytes, cut as given, each cut its own write. Shared by the conformance tests.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import type { Chunking, Recording } from './recordings.ts';

/** The model asked for, in the body or the path, names the answer: `<recording>|<chunking>`. Resolves with an address that ends in /v1. */
export async function startReplay(recordings: Recording[], chunkings: Chunking[]): Promise<string> {
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      const [id, how] = (JSON.parse(body).model ?? modelOf(request.url ?? '')).split('|');
      const recording = recordings.find((r) => r.id === id)!;
      const cuts = chunkings.find((c) => c.name === how)!.cut(recording.body);
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      let at = 0;
      // Written a few at a time: each cut is a chunk of its own on the wire, without a turn of the loop for every byte.
      const next = () => {
        for (let n = 0; n < 64 && at < cuts.length; n++) response.write(cuts[at++]);
        if (at < cuts.length) setImmediate(next);
        else response.end();
      };
      next();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
}

/** `/v1/models/<model>:method`, `/v1/model/<model>/method`: the wires that have it there. */
function modelOf(url: string): string {
  return decodeURIComponent(/\/models?\/([^/:]+)/.exec(url)?.[1] ?? '');
}
