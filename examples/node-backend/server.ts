// A backend that has its texts summarized, with OpenAI's SDK, by whatever model Millrace has behind the name MODEL.
//   POST /summarize   text in, JSON out, when the answer is complete
//   POST /stream      text in, server-sent events out, as the answer comes: text …, then done or error
// A user who leaves takes the model's answer along: nobody pays for tokens that nobody reads.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import OpenAI, { APIError } from 'openai';

const { MILLRACE_URL = 'http://127.0.0.1:8787', MILLRACE_KEY = 'none', MODEL = 'mock/lorem-40+rate-20' } = process.env;
const MAX_BYTES = 1_000_000;

// Millrace goes through the targets of MODEL by itself. Trying again here as well would multiply the two.
const client = new OpenAI({ baseURL: `${MILLRACE_URL}/v1`, apiKey: MILLRACE_KEY, maxRetries: 0 });

const server = createServer(async (request, response) => {
  const left = new AbortController();
  response.on('close', () => left.abort()); // also after a response that is complete, where it does nothing
  try {
    if (request.method === 'POST' && request.url === '/summarize') await summarize(request, response, left.signal);
    else if (request.method === 'POST' && request.url === '/stream') await stream(request, response, left.signal);
    else throw new Refused(404, 'not_found', 'There are POST /summarize and POST /stream.');
  } catch (error) {
    if (left.signal.aborted) return;
    const { status, ...body } = explain(error);
    if (!response.headersSent) sendJson(response, status, { error: body });
    else response.end(sse('error', body)); // the status is long gone: the last event says it
  }
});

async function summarize(request: IncomingMessage, response: ServerResponse, signal: AbortSignal): Promise<void> {
  const messages = promptFor(await readText(request));
  const { choices, usage } = await client.chat.completions.create({ model: MODEL, messages }, { signal });
  sendJson(response, 200, { summary: choices[0]?.message.content ?? '', complete: isComplete(choices[0]), usage });
}

async function stream(request: IncomingMessage, response: ServerResponse, signal: AbortSignal): Promise<void> {
  const messages = promptFor(await readText(request));
  const options = { model: MODEL, messages, stream: true, stream_options: { include_usage: true } } as const;
  const chunks = await client.chat.completions.create(options, { signal });
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache, no-transform',
    'x-accel-buffering': 'no', // nginx would hold the events back
  });
  let usage: OpenAI.CompletionUsage | null | undefined;
  let complete = false;
  for await (const chunk of chunks) {
    const [choice] = chunk.choices;
    if (choice?.finish_reason) complete = isComplete(choice);
    usage = chunk.usage ?? usage;
    const text = choice?.delta.content;
    // A user who reads slowly slows the model down, and Millrace with it, instead of filling this process's memory.
    if (text && !response.write(sse('text', { text }))) await once(response, 'drain', { signal });
  }
  response.end(sse('done', { complete, usage }));
}

/** Not so, if the answer was cut at a limit or by a filter. */
function isComplete(choice: { finish_reason: string | null } | undefined): boolean {
  return choice?.finish_reason === 'stop';
}

function promptFor(text: string): OpenAI.ChatCompletionMessageParam[] {
  return [
    { role: 'system', content: 'Summarize the text of the user in three sentences.' },
    { role: 'user', content: text },
  ];
}

async function readText(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  let size = 0;
  // Not destroyed when it is too large: the refusal goes out on the same socket.
  for await (const piece of request.iterator({ destroyOnReturn: false })) {
    size += piece.length;
    if (size > MAX_BYTES) throw new Refused(413, 'too_large', `At most ${MAX_BYTES} bytes.`);
    pieces.push(piece);
  }
  const text = Buffer.concat(pieces).toString('utf8').trim();
  if (text === '') throw new Refused(400, 'empty', 'The body is the text to summarize.');
  return text;
}

class Refused extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** What users are told; the log has the rest. `code` is Millrace's: docs/PROTOCOL.md has the table. */
function explain(error: unknown): { status: number; code: string; message: string } {
  if (error instanceof Refused) return { status: error.status, code: error.code, message: error.message };
  console.error(error);
  if (!(error instanceof APIError)) return { status: 500, code: 'internal', message: 'Something went wrong.' };
  const { status = 503, code } = error; // without one, Millrace was not reached, or broke off
  if (status === 401 || status === 403 || status === 404) {
    // A wrong key, or a model that the config does not have: this backend's mistake, not its user's.
    return { status: 500, code: 'internal', message: 'Something went wrong.' };
  }
  const again = status === 429 || status >= 500;
  const message = again ? 'There is no summary at the moment. Try again later.' : 'This text cannot be summarized.';
  return { status, code: code ?? 'upstream_unavailable', message };
}

function sse(event: string, data: object): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(body));
}

server.listen(Number(process.env.PORT ?? 3001), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
