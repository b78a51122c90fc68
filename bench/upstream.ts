// The provider of a measurement, in a process of its own: answers any POST with the fixture, as the request's content says:
// `paced N` is N tokens at 50 a second, each in its own packet; `flood N` is N tokens as fast as they are taken; `still N`
// is N tokens and then silence. As cheap as can be: bytes are made beforehand, one timer serves all streams.
import { createServer, type Socket } from 'node:net';
import { nowMicros } from './clock.ts';
import {
  BLOCK,
  checkFixture,
  closing,
  OPENING,
  partOfBlock,
  RESPONSE_HEAD,
  TOKENS_PER_BLOCK,
  timedPacket,
} from './fixture.ts';

checkFixture();

interface PacedStream {
  socket: Socket;
  sent: number;
  tokens: number;
}

/** Milliseconds between two tokens of a stream. */
const PERIOD = 20;

/** Streams by the millisecond of the period in which their token is due: staggered, as unrelated streams are. */
const slots = Array.from({ length: PERIOD }, () => new Set<PacedStream>());
let paced = 0;
let nextSlot = 0;
let ticker: NodeJS.Timeout | undefined;
let due = 0; // the millisecond up to which tokens were sent

function pace(stream: PacedStream): void {
  slots[nextSlot]!.add(stream);
  nextSlot = (nextSlot + 7) % PERIOD; // 7 and 20 have no common divisor: every slot gets its share
  if (paced++ > 0) return;
  due = Math.floor(performance.now());
  ticker = setInterval(tick, 1);
}

function tick(): void {
  const now = Math.floor(performance.now());
  due = Math.max(due, now - PERIOD); // a machine that stood still does not make up for it in one burst
  for (; due < now; due++) {
    const slot = slots[due % PERIOD]!;
    for (const stream of slot) sendToken(stream, slot);
  }
}

function sendToken(stream: PacedStream, slot: Set<PacedStream>): void {
  const { socket, tokens } = stream;
  if (!socket.destroyed && stream.sent < tokens) {
    socket.write(timedPacket(stream.sent++, nowMicros()), 'latin1');
    return;
  }
  slot.delete(stream);
  if (--paced === 0) clearInterval(ticker);
  if (!socket.destroyed) socket.write(closing(tokens), 'latin1');
}

function flood(socket: Socket, tokens: number): void {
  const end = partOfBlock(tokens % TOKENS_PER_BLOCK) + closing(tokens);
  let blocks = Math.floor(tokens / TOKENS_PER_BLOCK);
  function more(): void {
    while (blocks > 0) {
      blocks--;
      if (socket.write(BLOCK, 'latin1')) continue;
      socket.once('drain', more);
      return;
    }
    socket.write(end, 'latin1');
  }
  more();
}

function answer(socket: Socket, body: string): void {
  const [, manner, number] = /"content":"(\w+) (\d+)"/.exec(body) ?? [];
  const tokens = Number(number);
  socket.write(RESPONSE_HEAD + OPENING, 'latin1');
  if (manner === 'paced') pace({ socket, sent: 0, tokens });
  else if (manner === 'flood') flood(socket, tokens);
  else if (manner === 'still') socket.write(partOfBlock(tokens), 'latin1');
  else socket.destroy();
}

const server = createServer({ noDelay: true }, (socket) => {
  let unread = '';
  socket.on('data', (data) => {
    unread += data.toString('latin1');
    const headEnd = unread.indexOf('\r\n\r\n');
    if (headEnd === -1) return;
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(unread)?.[1]);
    if (unread.length < headEnd + 4 + length) return;
    const body = unread.slice(headEnd + 4);
    unread = ''; // nobody pipelines
    answer(socket, body);
  });
  socket.on('error', () => socket.destroy());
});

server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  const address = server.address() as { port: number };
  process.send!({ port: address.port });
});
process.once('disconnect', () => process.exit());
