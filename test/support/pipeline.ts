// The whole way of a request without its sockets: the real runner, attempt, pump, session, decoder and door between a provider that
// answers with given bytes and a client that keeps what it is given. For the thousands of cases that sockets are too slow for.
import type { Ledger } from '../../src/core/accounting.ts';
import type { Exchange, Provider } from '../../src/core/contracts.ts';
import { toGatewayError } from '../../src/core/errors.ts';
import { createRunner } from '../../src/stream/run.ts';
import type { CreateDecoder } from './decode.ts';
import { dialectOf, parsedAt } from './dialects.ts';
import type { Door } from './doors/door.ts';

export interface Answered {
  status: number;
  /** Frames, or the JSON of a refusal. */
  body: string;
}

export interface Answering {
  wire: string;
  decoder: CreateDecoder;
  chunks: Buffer[];
  passthrough?: boolean;
}

export interface Pipeline {
  ask(door: Door, answering: Answering, asking?: { choices?: number }): Promise<Answered>;
  close(): void;
}

const NEVER = 3_600_000;

/** Nothing is booked, and a token is four characters. */
const ledger: Ledger = {
  open: async () => {},
  note: async () => {},
  close: async () => {},
  recover: async () => 0,
  sums: async () => [],
  page: async () => ({ data: [], next_cursor: null }),
  check: async () => {},
  shutdown: async () => {},
};
const coarseTokens = (text: string) => Math.ceil(text.length / 4);

function providerOf({ wire, decoder, chunks, passthrough = false }: Answering): Provider {
  return {
    name: 'up',
    wire,
    passthrough,
    request: () => ({ body: {}, dropped: [] }),
    async send(_body, { onSent }) {
      onSent();
      let open = true;
      return {
        status: 200,
        headers: {},
        start(sink) {
          for (const chunk of chunks) if (open) sink.data(chunk);
          if (open) sink.end();
        },
        pause() {},
        resume() {},
        abort() {
          open = false;
        },
      };
    },
    decoder,
    fault: (_status, _headers, body) => toGatewayError(body),
    async close() {},
  };
}

function recordingExchange(): { exchange: Exchange; answered: Answered } {
  const answered: Answered = { status: 0, body: '' };
  const exchange: Exchange = {
    open() {
      answered.status = 200;
    },
    write(frames) {
      answered.body += frames;
      return true;
    },
    buffered: () => 0,
    end() {},
    reply(status, body: string) {
      Object.assign(answered, { status, body });
    },
    destroy() {},
    onClose() {},
    onDrain() {},
  };
  return { exchange, answered };
}

export function createPipeline(): Pipeline {
  const tokenizer = {
    count: async (_model: string, text: string) => ({ tokens: coarseTokens(text), coarse: true }),
    close: async () => {},
  };
  const runner = createRunner({ ledger, tokenizer, coarseTokens });
  const timeouts = { connect: NEVER, firstToken: NEVER, idle: NEVER, total: NEVER };
  return {
    async ask(door, answering, { choices } = {}) {
      const provider = providerOf(answering);
      const { exchange, answered } = recordingExchange();
      await runner.run({
        dialect: dialectOf(door),
        parsed: parsedAt(door, { stream: true, choices }),
        plan: { model: 'm', targets: [{ provider, model: 'm' }], retries: 0, timeouts },
        exchange,
        key: null,
        onDisconnect: 'cancel',
        limits: {
          heartbeat: NEVER,
          buffer: Number.POSITIVE_INFINITY,
          stall: NEVER,
          commitAfter: NEVER,
          grace: NEVER,
          retain: 0,
          memory: Number.POSITIVE_INFINITY,
        },
        resumeUrl: (id) => `/v1/streams/${id}`,
        priceOf: () => null,
        logContent: false,
        log: { info() {}, error() {} },
      });
      return answered;
    },
    close: () => runner.close(),
  };
}
