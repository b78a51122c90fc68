// A plain client for the mock's tests: real sockets, raw bytes, and OpenAI chunks read by an independent SSE parser.

import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { createParser } from 'eventsource-parser';
import type { MockServer } from '../../src/mock/server.ts';

export const HELLO = [{ role: 'user', content: 'Say hello to the world' }];

export type Json = any;

export function body(model: string, more: object = {}): Record<string, unknown> {
  return { model, messages: HELLO, stream: true, ...more };
}

export function post(mock: MockServer, body: unknown, init: RequestInit = {}): Promise<Response> {
  return fetch(`${mock.url}/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer sk-mock-0123456789' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    redirect: 'manual',
    ...init,
  });
}

/** The data of each event. */
export function events(text: string): string[] {
  const found: string[] = [];
  const parser = createParser({ onEvent: (event) => found.push(event.data) });
  parser.feed(text);
  return found;
}

export interface Streamed {
  chunks: Json[];
  marked: boolean;
  text: string;
  reasoning: string;
  refusal: string;
  finish: string | null;
  usage: Json;
}

/** Reads a whole stream of chunks, for one choice. */
export function fold(raw: string, choice = 0): Streamed {
  const data = events(raw);
  const marked = data.at(-1) === '[DONE]';
  const chunks: Json[] = data.filter((entry) => entry !== '[DONE]').map((entry) => JSON.parse(entry));
  const mine = chunks.flatMap((chunk) => chunk.choices ?? []).filter((entry: Json) => entry.index === choice);
  const join = (key: string) => mine.map((entry: Json) => entry.delta[key] ?? '').join('');
  return {
    chunks,
    marked,
    text: join('content'),
    reasoning: join('reasoning_content'),
    refusal: join('refusal'),
    finish: mine.find((entry: Json) => entry.finish_reason)?.finish_reason ?? null,
    usage: chunks.find((chunk) => chunk.usage)?.usage ?? null,
  };
}

export async function stream(mock: MockServer, model: string, more: object = {}): Promise<Streamed> {
  return fold(await (await post(mock, body(model, more))).text());
}

/** Tool calls as a client puts them together, by index. */
export function calls(streamed: Streamed): { id: string; name: string; arguments: string }[] {
  const found: { id: string; name: string; arguments: string }[] = [];
  for (const chunk of streamed.chunks) {
    for (const call of chunk.choices[0]?.delta.tool_calls ?? []) {
      found[call.index] ??= { id: call.id, name: call.function.name, arguments: '' };
      found[call.index]!.arguments += call.function.arguments;
    }
  }
  return found;
}

export interface RawExchange {
  request: ClientRequest;
  response: IncomingMessage;
}

/** A request over a socket of its own, with the response's bytes unread. */
export async function open(mock: MockServer, body: unknown): Promise<RawExchange> {
  const sent = send(mock, body);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  return { request: sent, response };
}

export function send(mock: MockServer, body: unknown): ClientRequest {
  const sent = request(`${mock.url}/chat/completions`, {
    method: 'POST',
    agent: false,
    headers: { 'content-type': 'application/json' },
  });
  sent.on('error', () => {});
  sent.end(JSON.stringify(body));
  return sent;
}

/** What arrived until the body ended, and whether it ended as HTTP says it must. */
export async function drain(response: IncomingMessage): Promise<{ bytes: Buffer; complete: boolean }> {
  const chunks: Buffer[] = [];
  response.on('error', () => {});
  response.on('data', (chunk: Buffer) => chunks.push(chunk));
  await new Promise((resolve) => response.once('close', resolve));
  return { bytes: Buffer.concat(chunks), complete: response.complete };
}
