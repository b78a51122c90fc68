// The mock upstream: a real HTTP server whose answers the model's name decides, and the journal of what it was asked.
// Knows routes, request bodies and sockets, and no wire by name. What is said is in answer.ts, how in the wires, when in delivery.ts.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { BEHAVIOURS } from './behaviours.ts';
import { type Completion, prepareCompletion } from './completion.ts';
import { type Delivery, deliver } from './delivery.ts';
import { createJournal, type Journal, type JournalKeeper, type JournalRecord, MAX_KEPT_BODY } from './journal.ts';
import { createPromptCache } from './prompt-cache.ts';
import { type HttpReply, type RefusalCause, Refused, type RequestContext, type Wire } from './wire.ts';
import { WIRES } from './wires.ts';

export interface MockOptions {
  /** 0, the default, takes a free one. */
  port?: number;
  host?: string;
  /** Folders that hold `<name>.bin`, `<name>.sse` or `bodies/<name>.bin`, for `replay-<name>`. */
  recordings?: string[];
}

export interface MockServer {
  /** The address without a path: `http://127.0.0.1:PORT`. */
  origin: string;
  /** The base URL of most wires, as an SDK wants it: `http://127.0.0.1:PORT/v1`. */
  url: string;
  port: number;
  journal: Journal;
  /** Destroys open sockets. */
  close(): Promise<void>;
}

const MAX_BODY = 64 * 1024 * 1024;
const JOURNAL_PATH = '/_mock/requests';

/** One request and what is being done about it. */
interface Exchange {
  record: JournalRecord;
  wire: Wire;
  context: RequestContext;
  response: ServerResponse;
  delivery: Delivery | null;
}

/** What a GET of the path lists, by each wire that lists its models somewhere. */
const MODEL_LISTS = new Map(
  WIRES.flatMap((wire) => {
    const list = wire.models?.();
    return list ? [[list.path, { wire, list }] as const] : [];
  }),
);

/** Rejects when the port cannot be had. */
export async function startMock(options: MockOptions = {}): Promise<MockServer> {
  const { port = 0, host = '127.0.0.1', recordings = [] } = options;
  const journal = createJournal();
  const promptCache = createPromptCache();
  let closing = false;

  const server = createServer((request, response) => {
    const [path = '/', query] = (request.url ?? '/').split('?', 2);
    if (path === JOURNAL_PATH) serveJournal(request, response, journal);
    else serve(request, response, path, new URLSearchParams(query));
  });
  server.requestTimeout = 0;
  server.keepAliveTimeout = 120_000; // longer than any client's, so that none reuses a socket just as it is closed

  function serve(request: IncomingMessage, response: ServerResponse, path: string, query: URLSearchParams): void {
    const { method = '', headers } = request;
    const record = journal.begin(method, path, headers);
    const wire = WIRES.find((wire) => wire.serves(path)) ?? MODEL_LISTS.get(path)?.wire ?? WIRES[0]!;
    const context = { method, path, query, headers, raw: Buffer.alloc(0), promptCache };
    const exchange: Exchange = { record, wire, context, response, delivery: null };
    response.once('finish', () => journal.finish(record, 'finished'));
    response.once('close', () => {
      exchange.delivery?.stop();
      journal.finish(record, closing ? 'closed' : 'client-left');
    });
    readBody(request, (raw) => {
      route(exchange, raw).catch((error) => {
        // A request that the mock itself trips over must not take down the process that it runs in.
        reply(exchange, error instanceof Refused ? error.reply : wire.refuse({ kind: 'status', status: 500 }, context));
      });
    });
  }

  async function route(exchange: Exchange, raw: Buffer | null): Promise<void> {
    const { record, wire, context } = exchange;
    const { method, path } = record;
    const models = MODEL_LISTS.get(path)?.list;
    if (!models && !wire.serves(path)) refuse(exchange, { kind: 'unknown-path', method, path });
    if (method !== (models ? 'GET' : 'POST')) refuse(exchange, { kind: 'wrong-method', method, path });
    if (raw === null) refuse(exchange, { kind: 'too-large' });
    if (models) {
      const body = `${JSON.stringify(models.body(BEHAVIOURS.map(({ example }) => example)), null, 2)}\n`;
      reply(exchange, { status: 200, headers: { 'content-type': 'application/json' }, body });
      return;
    }
    const body = parseJson(exchange, raw);
    if (raw.length <= MAX_KEPT_BODY) record.body = body;
    const asked = await wire.read(body, { ...context, raw }); // the exchange itself keeps no body
    record.model = asked.model;
    const completion = prepareCompletion(wire, asked, body, context, recordings);
    if (completion.kind === 'script' && completion.billed) {
      record.usage = { prompt_tokens: asked.promptTokens, completion_tokens: 0 };
    }
    journal.changed(record);
    carryOut(exchange, completion, journal);
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const { port: taken } = server.address() as AddressInfo;
  const origin = `http://${host.includes(':') ? `[${host}]` : host}:${taken}`;
  return {
    origin,
    url: `${origin}/v1`,
    port: taken,
    journal,
    close() {
      closing = true;
      return new Promise((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()));
        server.closeAllConnections();
      });
    },
  };
}

function carryOut(exchange: Exchange, completion: Completion, journal: JournalKeeper): void {
  const { record, response, wire } = exchange;
  if (completion.kind === 'reply') {
    const timer = setTimeout(() => reply(exchange, completion.reply), completion.delay);
    exchange.delivery = { stop: () => clearTimeout(timer) };
    return;
  }
  exchange.delivery = deliver({
    response,
    script: completion.script,
    plan: completion.plan,
    delay: completion.delay,
    rate: completion.rate,
    onStart() {
      response.writeHead(200, {
        'content-type': completion.contentType,
        ...(completion.plan.gzip && { 'content-encoding': 'gzip' }),
        ...wire.headers(record.id),
      });
      record.status = 200;
      record.phase = 'streaming';
    },
    onProgress(bytes, tokens) {
      record.bytes_sent += bytes;
      record.tokens_sent += tokens;
      if (record.usage) record.usage.completion_tokens += tokens;
      journal.changed(record);
    },
    onFinish: () => journal.finish(record, 'finished'),
  });
}

function reply({ record, response, wire }: Exchange, { status, headers, body }: HttpReply): void {
  const bytes = Buffer.from(body);
  response.writeHead(status, { ...wire.headers(record.id), 'content-length': bytes.length, ...headers });
  record.status = status;
  record.phase = 'streaming';
  record.bytes_sent = bytes.length;
  response.end(bytes);
}

function refuse({ wire, context }: Exchange, cause: RefusalCause): never {
  throw new Refused(wire.refuse(cause, context));
}

function parseJson(exchange: Exchange, raw: Buffer): unknown {
  try {
    return JSON.parse(raw.toString());
  } catch {
    return refuse(exchange, { kind: 'malformed-json' });
  }
}

function serveJournal(request: IncomingMessage, response: ServerResponse, journal: Journal): void {
  request.resume();
  switch (request.method) {
    case 'GET':
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(`${JSON.stringify({ open: journal.open(), requests: journal.list() })}\n`);
      return;
    case 'DELETE':
      journal.clear();
      response.writeHead(204).end();
      return;
    default:
      response.writeHead(405, { allow: 'GET, DELETE' }).end();
  }
}

/** Null when the body is larger than any API takes; it is read to its end all the same, so that the client hears of it. */
function readBody(request: IncomingMessage, then: (raw: Buffer | null) => void): void {
  const chunks: Buffer[] = [];
  let size = 0;
  request.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= MAX_BODY) chunks.push(chunk);
    else chunks.length = 0;
  });
  request.on('end', () => then(size <= MAX_BODY ? Buffer.concat(chunks) : null));
  request.on('error', () => {}); // the response's close tells the journal
}
