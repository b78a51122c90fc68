// The contract between what the mock says and the wire it says it on. A new wire is one object of type `Wire`.
// Types only; knows no vendor and no HTTP server.
import type { Answer, Piece, Tokens } from './answer.ts';
import type { Plan } from './plan.ts';
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

/** Writes one answer in the wire's own framing. Stateless but for the ids it made up. */
export interface Framer {
  contentType: string;
  open(choice: number): string;
  piece(choice: number, piece: Piece): string;
  /** `tokens` is set on the last choice, for wires that report usage there. `reason` null: none is given. */
  finish(choice: number, reason: Answer['choices'][number]['finish'], tokens: Tokens | null): string;
  /** Usage in a frame of its own; '' where none is due. */
  usage(tokens: Tokens): string;
  endMarker(): string;
  /** The failure that some servers report inside a stream that began with 200. */
  error(): string;
  garbage(): string;
  comment: string;
  /** The answer as one JSON object, for a request that is not streamed. */
  whole(answer: Answer): string;
}

export interface Wire {
  name: string;
  /** Whether a POST to this path (below the base URL's origin) is a request for a completion. */
  serves(path: string): boolean;
  /** Strict, as the API is. Throws `Refused`. */
  read(body: unknown, path: string): Asked;
  framer(asked: Asked, body: unknown, plan: Plan): Framer;
  refuse(cause: RefusalCause): HttpReply;
  /** Headers that the API sends with every response. */
  headers(requestId: string): Record<string, string>;
}
