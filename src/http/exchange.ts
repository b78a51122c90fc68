// A fastify request as an Exchange: the one place where a stream's headers are written and where a client's leaving is noticed.
// The response is taken out of fastify's hands (hijacked), so what its plugins set is carried over here. On the hot path: write.
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Exchange } from '../core/contracts.ts';

export function createExchange(_request: FastifyRequest, reply: FastifyReply): Exchange {
  const inherited = reply.getHeaders() as Record<string, string | string[]>;
  reply.hijack();
  const response = reply.raw;
  let closed: (() => void) | undefined;
  // Past the last write a client may go as it likes; `writableFinished` says that all of it reached the socket.
  response.once('close', () => {
    if (!response.writableFinished) closed?.();
  });
  response.on('error', () => {}); // a reset socket also closes, and that is where it is handled

  return {
    open(streamId) {
      response.writeHead(200, {
        ...inherited,
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-cache, no-transform',
        'x-accel-buffering': 'no',
        'millrace-stream-id': streamId,
      });
    },
    write: (frames) => response.write(frames),
    buffered: () => response.writableLength,
    end: () => response.end(),
    reply(status, body, headers) {
      const json = Buffer.from(JSON.stringify(body));
      response.writeHead(status, {
        ...inherited,
        'content-type': 'application/json; charset=utf-8',
        'content-length': json.length,
        ...headers,
      });
      response.end(json);
    },
    destroy: () => response.destroy(),
    onClose(listener) {
      if (response.destroyed && !response.writableFinished) listener();
      else closed = listener;
    },
    onDrain: (listener) => response.on('drain', listener),
  };
}
