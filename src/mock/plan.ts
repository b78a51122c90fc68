// What the mock is to do with one request, apart from any wire: what is said, at what pace, and how it fails.
// Knows no names: behaviours.ts makes a plan from a model's name.

/** What the answer is made of. */
export type Content =
  | { kind: 'echo' }
  | { kind: 'lorem'; tokens: number }
  | { kind: 'tools'; calls: number }
  | { kind: 'json' }
  | { kind: 'refusal' }
  | { kind: 'huge'; bytes: number }
  | { kind: 'replay'; recording: string };

export type FaultKind = 'cut' | 'end' | 'stall' | 'error' | 'garbage';

/** What answers instead of a completion. */
export type Reply =
  | { kind: 'status'; status: number }
  | { kind: 'context-length' }
  | { kind: 'content-filter' }
  | { kind: 'redirect' }
  | { kind: 'html' };

export interface Plan {
  content: Content;
  /** Tokens of reasoning in front of the content. */
  reasoning: number;
  /** Milliseconds until the headers and the first token. */
  delay: number;
  /** Tokens per second; null is as fast as the client reads. */
  rate: number | null;
  /** Strikes once so many tokens (bytes of a replay) were sent. An answer that is shorter ends well. */
  fault: { kind: FaultKind; after: number } | null;
  reply: Reply | null;
  /** Why the answer claims to have ended; `none` leaves the reason out. */
  finish: 'natural' | 'length' | 'content-filter' | 'none';
  usage: 'as-asked' | 'never' | 'with-finish';
  endMarker: boolean;
  hang: boolean;
  split: boolean;
  crlf: boolean;
  gzip: boolean;
  comments: boolean;
  sameIndex: boolean;
}

export const DEFAULT_TOKENS = 20;

/** What a model does that is told nothing else. */
export const PLAIN = Object.freeze<Plan>({
  content: { kind: 'lorem', tokens: DEFAULT_TOKENS },
  reasoning: 0,
  delay: 0,
  rate: null,
  fault: null,
  reply: null,
  finish: 'natural',
  usage: 'as-asked',
  endMarker: true,
  hang: false,
  split: false,
  crlf: false,
  gzip: false,
  comments: false,
  sameIndex: false,
});
