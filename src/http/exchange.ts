// A fastify request as an Exchange: the one place where a stream's headers are written and where a client's leaving is noticed.
// The response is taken out of fastify's hands (hijacked), so what its plugins set is carried over here. On the hot path: write.
import { constants, type ServerHttp2Stream } from 'node:http2';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Exchange } from '../core/contracts.ts';

export function createExchange(request: FastifyRequest, reply: FastifyReply): Exchange {
  const inherited = reply.getHeaders() as Record<string, string | string[]>;
  reply.hijack();
  const response = reply.raw;
  const { stream } = response as { stream?: ServerHttp2Stream }; // HTTP/2: one of many on a connection
  const socket = stream ? undefined : request.raw.socket; // HTTP/1.1: this response's alone, for now
  let direct = false; // the head is out, and what follows may go to the socket as chunks framed here
  let begun = false;
  let closed: (() => void) | undefined;
  let drained: (() => void) | undefined;
  const onDrain = () => drained?.();

  response.once('close', () => {
    socket?.off('drain', onDrain); // a kept-alive connection outlives this response
    if (!finished()) closed?.();
  });
  response.on('error', () => {}); // a reset socket also closes, and that is where it is handled
  response.on('drain', onDrain);
  socket?.on('drain', onDrain);

  /** Past the last write a client may go as it likes. A stream that its client reset counts as written whole, so that is asked as well. */
  function finished(): boolean {
    return (
      response.writableFinished &&
      (!stream || (response.writableEnded && stream.rstCode === constants.NGHTTP2_NO_ERROR))
    );
  }

  /**
   * Nothing of the response itself is on its way any more (it holds its first write back to the end of the tick), and what
   * follows is its own: a pipelined one waits for its turn, HTTP/1.0 has no chunks.
   */
  function mayTakeOver(): boolean {
    return (
      socket !== undefined &&
      response.chunkedEncoding &&
      response.socket === socket &&
      socket.writableCorked === 0 &&
      response.writableLength === socket.writableLength
    );
  }

  return {
    open(headers) {
      response.writeHead(200, {
        ...inherited,
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-cache, no-transform',
        'x-accel-buffering': 'no',
        ...headers,
      });
    },
    write(frames) {
      if (frames === '') return true; // as a chunk it would be the last one: the end of the body, and garbage for the next response
      if (!direct) {
        direct = begun && mayTakeOver();
        begun = true;
      }
      if (!direct) return response.write(frames);
      // `response.write` makes four writes and a corked tick of each chunk; one string in one write is half the cost of a token.
      // https://www.rfc-editor.org/rfc/rfc9112#section-7.1
      const size = Buffer.byteLength(frames);
      return socket!.write(`${size.toString(16)}\r\n${frames}\r\n`, size === frames.length ? 'latin1' : 'utf8');
    },
    buffered: () => response.writableLength,
    end: () => response.end(),
    reply(status, json, headers) {
      response.writeHead(status, {
        ...inherited,
        'content-type': 'application/json; charset=utf-8',
        'content-length': Buffer.byteLength(json),
        ...headers,
      });
      response.end(json);
    },
    destroy() {
      if (stream)
        stream.close(constants.NGHTTP2_INTERNAL_ERROR); // a cut that no client takes for an end
      else response.destroy();
    },
    onClose(listener) {
      if ((stream ?? response).destroyed && !finished()) listener();
      else closed = listener;
    },
    onDrain(listener) {
      drained = listener;
    },
  };
}
