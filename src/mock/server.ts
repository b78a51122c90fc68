// The mock upstream: a real HTTP server whose answers the model's name decides, and the journal of what it was asked.
// Knows routes, request bodies and sockets. What is said is in answer.ts, how in the wires, when in delivery.ts.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { BEHAVIOURS } from './behaviours.ts';
import { type Completion, prepareCompletion } from './completion.ts';
import { type Delivery, deliver } from './delivery.ts';
import { createJournal, type Journal, type JournalKeeper, type JournalRecord, MAX_KEPT_BODY } from './journal.ts';
import { openai } from './openai.ts';
import { type HttpReply, type RefusalCause, Refused, type Wire } from './wire.ts';

export interface MockOptions {
  /** 0, the default, takes a free one. */
  port?: number;
  host?: string;
  /** Folders that hold `<name>.bin`, `<name>.sse` or `bodies/<name>.bin`, for `replay-<name>`. */
  recordings?: string[];
}

export interface MockServer {
  /** The base URL, as an SDK wants it: `http://127.0.0.1:PORT/v1`. */
  url: string;
  port: number;
  journal: Journal;
  /** Destroys open sockets. */
  close(): Promise<void>;
}

const WIRES: Wire[] = [openai];
const MAX_BODY = 64 * 1024 * 1024;
const JOURNAL_PATH = '/_mock/requests';
const MODELS_PATH = '/v1/models';

/** One request and what is being done about it. */
interface Exchange {
  record: JournalRecord;
  wire: Wire;
  response: ServerResponse;
  delivery: Delivery | null;
}

/** Rejects when the port cannot be had. */
export async function startMock(options: MockOptions = {}): Promise<MockServer> {
  const { port = 0, host = '127.0.0.1', recordings = [] } = options;
  const journal = createJournal();
  let closing = false;

  const server = createServer((request, response) => {
    const path = (request.url ?? '/').split('?')[0]!;
    if (path === JOURNAL_PATH) serveJournal(request, response, journal);
    else serve(request, response, path);
  });
  server.requestTimeout = 0;
  server.keepAliveTimeout = 120_000; // longer than any client's, so that none reuses a socket just as it is closed

  function serve(request: IncomingMessage, response: ServerResponse, path: string): void {
    const record = journal.begin(request.method ?? '', path, request.headers);
    const wire = WIRES.find((wire) => wire.serves(path)) ?? WIRES[0]!;
    const exchange: Exchange = { record, wire, response, delivery: null };
    response.once('finish', () => journal.finish(record, 'finished'));
    response.once('close', () => {
      exchange.delivery?.stop();
      journal.finish(record, closing ? 'closed' : 'client-left');
    });
    readBody(request, (raw) => {
      try {
        route(exchange, raw);
      } catch (error) {
        // A request that the mock itself trips over must not take down the process that it runs in.
        reply(exchange, error instanceof Refused ? error.reply : wire.refuse({ kind: 'status', status: 500 }));
      }
    });
  }

  function route(exchange: Exchange, raw: Buffer | null): void {
    const { record, wire } = exchange;
    const { method, path } = record;
    const isModels = path === MODELS_PATH;
    if (!isModels && !wire.serves(path)) refuse(wire, { kind: 'unknown-path', method, path });
    if (method !== (isModels ? 'GET' : 'POST')) refuse(wire, { kind: 'wrong-method', method, path });
    if (raw === null) refuse(wire, { kind: 'too-large' });
    if (isModels) {
      reply(exchange, listModels());
      return;
    }
    const body = parseJson(wire, raw);
    if (raw.length <= MAX_KEPT_BODY) record.body = body;
    const asked = wire.read(body, path);
    record.model = asked.model;
    const completion = prepareCompletion(wire, asked, body, recordings);
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
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${taken}/v1`,
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

function refuse(wire: Wire, cause: RefusalCause): never {
  throw new Refused(wire.refuse(cause));
}

function parseJson(wire: Wire, raw: Buffer): unknown {
  try {
    return JSON.parse(raw.toString());
  } catch {
    return refuse(wire, { kind: 'malformed-json' });
  }
}

function listModels(): HttpReply {
  const created = 1_735_689_600;
  const data = BEHAVIOURS.map(({ example }) => ({ id: example, object: 'model', created, owned_by: 'millrace-mock' }));
  const body = `${JSON.stringify({ object: 'list', data }, null, 2)}\n`;
  return { status: 200, headers: { 'content-type': 'application/json' }, body };
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
