// A real Millrace on a free port, with a config of its own and a ledger in a folder that goes away. What tests talk to.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import pino from 'pino';
import { onTestFinished } from 'vitest';
import type { UsageRow } from '../../src/core/accounting.ts';
import { type Millrace, start } from '../../src/main.ts';
import type { Journal } from '../../src/mock/journal.ts';

export interface TestMillrace extends Millrace {
  journal: Journal;
  post(path: string, body: unknown, init?: RequestInit): Promise<Response>;
  /** Ledger rows, newest first, once none is open any more. */
  rows(): Promise<UsageRow[]>;
  folder: string;
  /** What was logged, one object per line. */
  logs: Record<string, unknown>[];
}

/** YAML after the providers' default (`mock`). Closed when the test ends. */
export async function startMillrace(yaml = 'providers: { mock: {} }'): Promise<TestMillrace> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-test-'));
  await writeFile(join(folder, 'millrace.yaml'), yaml);
  const logs: Record<string, unknown>[] = [];
  const logger = pino({ level: 'info' }, { write: (line: string) => void logs.push(JSON.parse(line)) });
  const millrace = await start({ cwd: folder, port: 0, env: {}, logger });
  const close = async (deadline = 0) => {
    await millrace.close(deadline);
    await rm(folder, { recursive: true, force: true });
  };
  onTestFinished(() => close());
  const get = async (path: string) => (await fetch(millrace.url + path)).json();
  return {
    ...millrace,
    close: millrace.close,
    folder,
    logs,
    journal: millrace.mocks.get('mock')?.journal as Journal,
    post: (path, body, init) =>
      fetch(millrace.url + path, {
        method: 'POST',
        body: typeof body === 'string' ? body : JSON.stringify(body),
        ...init,
        headers: { 'content-type': 'application/json', ...init?.headers },
      }),
    async rows() {
      for (;;) {
        const { data } = (await get('/v1/usage/requests?limit=1000')) as { data: UsageRow[] };
        if (millrace.live() === 0 && data.every((row) => row.end_reason !== null)) return data;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
  };
}

export function ask(model: string, rest: object = {}): object {
  return { model, messages: [{ role: 'user', content: 'Hello there' }], ...rest };
}

/** The id of the stream that a response is. */
export const idOf = (response: Response) => response.headers.get('millrace-stream-id')!;

export interface Sse {
  id: string | undefined;
  event: string | undefined;
  data: string;
}

/** Reads a stream with a parser that is not ours. `until` may stop early and leave. */
export async function readSse(response: Response, until: (event: Sse) => boolean = () => false): Promise<Sse[]> {
  const events: Sse[] = [];
  const stream = response.body!.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
  for await (const { id, event, data } of stream) {
    events.push({ id, event, data });
    if (until(events.at(-1)!)) break;
  }
  return events;
}

export interface Native {
  text: string;
  reasoning: string;
  toolCalls: { id: string; name: string; args: unknown }[];
  events: { id: number; type: string; data: any }[];
  end: { type: string; data: any };
}

/** A native stream, its rules checked on the way: ids count 1, 2, 3 …, one terminal, and it is last. */
export function foldNative(events: Sse[]): Native {
  const parsed = events.map(({ id, event, data }) => ({ id: Number(id), type: event ?? '', data: JSON.parse(data) }));
  parsed.forEach(({ id }, at) => {
    if (id !== at + 1) throw new Error(`event ${at + 1} has id ${id}`);
  });
  const terminals = parsed.filter(({ type }) => type === 'done' || type === 'error');
  const end = parsed.at(-1);
  if (terminals.length !== 1 || terminals[0] !== end) {
    throw new Error(`terminals: ${JSON.stringify(terminals)}; last: ${JSON.stringify(end)}`);
  }
  const text = (type: string) => parsed.flatMap((e) => (e.type === type ? [e.data.text] : [])).join('');
  return {
    text: text('token'),
    reasoning: text('reasoning'),
    toolCalls: parsed.flatMap(({ type, data }) =>
      type === 'tool-call' ? [{ id: data.id, name: data.name, args: data.arguments ?? data.arguments_text }] : [],
    ),
    events: parsed,
    end: end!,
  };
}

export async function chat(millrace: TestMillrace, model: string, rest: object = {}): Promise<Native> {
  return foldNative(await readSse(await millrace.post('/v1/chat', ask(model, rest))));
}

/** Resolves when `done` says so; the wait is for an event elsewhere, so it asks often and gives up late. */
export async function eventually<T>(
  look: () => T | Promise<T>,
  done: (value: T) => boolean = Boolean,
  ms = 10_000,
): Promise<T> {
  const deadline = performance.now() + ms;
  for (;;) {
    const value = await look();
    if (done(value)) return value;
    if (performance.now() > deadline) throw new Error(`still ${JSON.stringify(value)} after ${ms} ms`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
