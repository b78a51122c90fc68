// The load client of a measurement, in a process of its own: opens streams over raw sockets, asserts every answer, and reads the
// proxy's processor clock at the same instants at which it counts tokens. Told what to do over IPC; knows no participant.
import { connect, type Socket } from 'node:net';
import { nowMicros, pause, processorTime } from './clock.ts';
import { createReader } from './reader.ts';

/** Where to send requests and how to know a right answer. */
export interface Door {
  port: number;
  path: string;
  model: string;
  /** What the last frame of an answer begins with. */
  terminal: string;
  /** The process whose time is measured; null for a direct connection. */
  pid: number | null;
}

export type Job =
  /** Many paced streams; measured in a window within their life, so that opening and closing cost nothing. */
  | { kind: 'paced'; door: Door; streams: number; tokens: number; window: number }
  /** A few streams as fast as they go, measured from the first request to the last byte. */
  | { kind: 'flood'; door: Door; streams: number; tokens: number }
  /** Requests for one token each, over kept connections. */
  | { kind: 'requests'; door: Door; connections: number; each: number }
  /** Opens streams that say one token and fall silent, beside those already open. */
  | { kind: 'hold'; door: Door; streams: number }
  /** Closes them. */
  | { kind: 'release' };

export interface Result {
  /** Tokens, or requests of one token, in the time measured. */
  count: number;
  /** Microseconds that the proxy used a processor, that it waited for one, and that went by. */
  used: number;
  waited: number;
  wall: number;
  /** Microseconds from the upstream's write to the client's read; paced only. */
  delay?: { p50: number; p99: number };
  /** Reads per token: 1 when each came in its own packet; paced only. */
  reads?: number;
}

export type Reply = { result: Result } | { fault: string };

/** Milliseconds between the last first token and the measured window. */
const SETTLE = 300;
const KEY = 'bench-key';

interface Connection {
  /** Resolves when the answer has ended as it should; rejects when not. */
  ask(content: string, tokens: number): Promise<void>;
  /** Asks for a stream that falls silent; resolves with its first token. */
  hold(): Promise<void>;
  /** The other side closed it. */
  lost(): boolean;
  close(): void;
}

interface Counters {
  tokens: number;
  reads: number;
  /** Where delays are noted while they are measured. */
  delays: number[] | undefined;
}

const counters: Counters = { tokens: 0, reads: 0, delays: undefined };
/** One for all sockets: a read is handled before the next begins. */
const readBuffer = Buffer.allocUnsafe(64 * 1024);

function open(door: Door, timed: boolean): Connection {
  let expected = 0;
  let settle: { resolve(): void; reject(error: Error): void } | undefined;
  let waitsForFirst = false;
  let closed = false;

  function fail(message: string): void {
    settle?.reject(new Error(message));
    settle = undefined;
  }

  const reader = createReader({
    terminal: door.terminal,
    timed,
    onToken(sentAt) {
      counters.tokens++;
      if (sentAt > 0) counters.delays?.push(nowMicros() - sentAt);
      if (waitsForFirst) settle?.resolve();
    },
    onEnd(fault) {
      if (fault) fail(`An answer had ${fault}.`);
      else if (reader.tokens !== expected) fail(`An answer had ${reader.tokens} tokens instead of ${expected}.`);
      else settle?.resolve();
    },
  });

  const socket: Socket = connect({
    port: door.port,
    host: '127.0.0.1',
    noDelay: true,
    onread: {
      buffer: readBuffer,
      callback(length) {
        counters.reads++;
        try {
          reader.push(readBuffer.subarray(0, length));
        } catch (error) {
          fail((error as Error).message);
          socket.destroy();
        }
        return true;
      },
    },
  });
  socket.on('error', (error) => fail(`A connection broke: ${error.message}.`));
  socket.on('close', () => {
    if (!closed) fail('A connection was closed in the middle of an answer.');
  });

  function send(content: string): Promise<void> {
    const body = JSON.stringify({ model: door.model, stream: true, messages: [{ role: 'user', content }] });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    settle = { resolve, reject };
    socket.write(
      `POST ${door.path} HTTP/1.1\r\nhost: 127.0.0.1:${door.port}\r\ncontent-type: application/json\r\n` +
        `accept: text/event-stream\r\nauthorization: Bearer ${KEY}\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    return promise;
  }

  return {
    ask(content, tokens) {
      expected = tokens;
      waitsForFirst = false;
      return send(content);
    },
    hold() {
      waitsForFirst = true;
      return send('still 1');
    },
    lost: () => socket.closed,
    close() {
      closed = true;
      socket.destroy();
    },
  };
}

const NOTHING = { used: 0, waited: 0 };

/** Starts the clocks; the function returned reads them. */
function measure(pid: number | null): () => Pick<Result, 'used' | 'waited' | 'wall'> {
  const processor = () => (pid === null ? NOTHING : processorTime(pid));
  const [from, start] = [processor(), nowMicros()];
  return () => {
    const { used, waited } = processor();
    return { used: used - from.used, waited: waited - from.waited, wall: nowMicros() - start };
  };
}

async function withConnections<T>(
  door: Door,
  number: number,
  timed: boolean,
  use: (connections: Connection[]) => Promise<T>,
): Promise<T> {
  const connections = Array.from({ length: number }, () => open(door, timed));
  try {
    return await use(connections);
  } finally {
    for (const connection of connections) connection.close();
  }
}

function paced({ door, streams, tokens, window }: Job & { kind: 'paced' }): Promise<Result> {
  return withConnections(door, streams, true, async (connections) => {
    const before = counters.tokens;
    const answers = Promise.all(connections.map((connection) => connection.ask(`paced ${tokens}`, tokens)));
    const failed = answers.then(() => {}); // an answer that fails in the window ends it
    while (counters.tokens - before < streams) await Promise.race([pause(20), failed]);
    await Promise.race([pause(SETTLE), failed]);

    const [firstToken, firstRead] = [counters.tokens, counters.reads];
    const delays: number[] = [];
    counters.delays = delays;
    const read = measure(door.pid);
    await Promise.race([pause(window), failed]);
    const clocks = read();
    counters.delays = undefined;
    const [count, reads] = [counters.tokens - firstToken, counters.reads - firstRead];

    await answers;
    delays.sort((a, b) => a - b);
    const at = (share: number) => delays[Math.floor(delays.length * share)] ?? Number.NaN;
    return { count, ...clocks, delay: { p50: at(0.5), p99: at(0.99) }, reads: reads / count };
  });
}

function flood({ door, streams, tokens }: Job & { kind: 'flood' }): Promise<Result> {
  return withConnections(door, streams, false, async (connections) => {
    const read = measure(door.pid);
    await Promise.all(connections.map((connection) => connection.ask(`flood ${tokens}`, tokens)));
    return { count: streams * tokens, ...read() };
  });
}

function requests({ door, connections: number, each }: Job & { kind: 'requests' }): Promise<Result> {
  return withConnections(door, number, false, async (connections) => {
    const read = measure(door.pid);
    await Promise.all(
      connections.map(async (connection) => {
        for (let done = 0; done < each; done++) await connection.ask('flood 1', 1);
      }),
    );
    return { count: number * each, ...read() };
  });
}

const held: Connection[] = [];

/** At most so many open at once: a queue of half-open connections is not what is measured. */
const OPENING = 100;

async function hold({ door, streams }: Job & { kind: 'hold' }): Promise<Result> {
  for (let opened = 0; opened < streams; opened += OPENING) {
    const fresh = Array.from({ length: Math.min(OPENING, streams - opened) }, () => open(door, false));
    held.push(...fresh);
    await Promise.all(fresh.map((connection) => connection.hold()));
  }
  return { count: held.length, ...NOTHING, wall: 0 };
}

function release(): Result {
  const released = held.splice(0);
  const lost = released.filter((connection) => connection.lost()).length;
  for (const connection of released) connection.close();
  if (lost > 0) throw new Error(`${lost} of ${released.length} silent streams were closed by the other side.`);
  return { count: released.length, ...NOTHING, wall: 0 };
}

function carryOut(job: Job): Promise<Result> | Result {
  switch (job.kind) {
    case 'paced':
      return paced(job);
    case 'flood':
      return flood(job);
    case 'requests':
      return requests(job);
    case 'hold':
      return hold(job);
    case 'release':
      return release();
    default:
      return job satisfies never;
  }
}

process.on('message', async (job: Job) => {
  try {
    process.send!({ result: await carryOut(job) } satisfies Reply);
  } catch (error) {
    process.send!({ fault: (error as Error).message } satisfies Reply);
  }
});
process.once('disconnect', () => process.exit());
process.send!({ port: 0 });
