// The contract between what the mock says and the wire it says it on. A new wire is one object of type `Wire`.
// Knows no vendor and no HTTP server.
import type { IncomingHttpHeaders } from 'node:http';
import type { Answer, Choice, Piece, Tokens } from './answer.ts';
import type { Plan } from './plan.ts';
import type { PromptCache } from './prompt-cache.ts';
import type { JsonSchema } from './schema.ts';

/** A request, reduced to what decides an answer. */
export interface Asked {
  model: string;
  stream: boolean;
  lastUserText: string;
  /** Set when the last message is a tool's result. */
  toolResult: string | null;
  /** The tools that may be called, the wanted one first. Empty: none were given. Null: calling is forbidden. */
  tools: { name: string; parameters: JsonSchema }[] | null;
  parallelTools: boolean;
  /** What the answer must fit, where JSON was asked for. */
  schema: JsonSchema | null;
  maxTokens: number | null;
  stops: string[];
  choices: number;
  promptTokens: number;
}

/** What a wire may look at besides the parsed body: some put the model into the path, the key into a header. */
export interface RequestContext {
  method: string;
  /** Without the query. */
  path: string;
  query: URLSearchParams;
  headers: IncomingHttpHeaders;
  /** The body as it came, for `read` alone: signatures are made over it. */
  raw: Buffer;
  promptCache: PromptCache;
}

/** Why a request gets no completion. The wire knows status, headers and body of each. */
export type RefusalCause =
  | { kind: 'status'; status: number }
  | { kind: 'context-length' }
  | { kind: 'content-filter' }
  | { kind: 'unknown-model'; model: string; hint: string }
  | { kind: 'unknown-path'; method: string; path: string }
  | { kind: 'wrong-method'; method: string; path: string }
  | { kind: 'malformed-json' }
  | { kind: 'too-large' };

export interface HttpReply {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** Thrown by `Wire.read` for a request that the API would not take. */
export class Refused extends Error {
  readonly reply: HttpReply;

  constructor(reply: HttpReply) {
    super(reply.body);
    this.reply = reply;
  }
}

/** A piece of a body: text where the wire is text. Empty text means that nothing is sent. */
export type Bytes = string | Buffer;

/**
 * Writes one answer in the wire's own framing. Asked in the order of the answer, once for each part: a wire that opens and closes
 * blocks may remember where it is.
 */
export interface Framer {
  contentType: string;
  open(choice: number): Bytes;
  piece(choice: number, piece: Piece): Bytes;
  /**
   * `tokens` is set on the last choice, for wires that report usage there. `reason` null: none is given. `stop` is the stop sequence
   * that ended the answer.
   */
  finish(choice: number, reason: Choice['finish'], tokens: Tokens | null, stop: string | null): Bytes;
  /** Usage in a frame of its own. */
  usage(tokens: Tokens): Bytes;
  endMarker(): Bytes;
  /** The failure that some servers report inside a stream that began with 200. */
  error(): Bytes;
  garbage(): Bytes;
  comment: Bytes;
  /** The answer as one JSON object, for a request that is not streamed. */
  whole(answer: Answer): string;
}

export interface Wire {
  name: string;
  /** Whether a POST to this path (below the base URL's origin) is a request for a completion. */
  serves(path: string): boolean;
  /** Strict, as the API is, about credentials too. Throws or rejects with `Refused`. A promise, because signatures take one to verify. */
  read(body: unknown, context: RequestContext): Asked | Promise<Asked>;
  framer(asked: Asked, body: unknown, plan: Plan, context: RequestContext): Framer;
  /** `context`: the request that is refused. Some say no to a stream in a stream. */
  refuse(cause: RefusalCause, context: RequestContext): HttpReply;
  /** Headers that the API sends with every response. */
  headers(requestId: string): Record<string, string>;
  /** How a GET lists the models, where this wire has a path of its own for that. */
  models?(): { path: string; body(names: string[]): unknown };
}
