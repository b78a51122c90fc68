// The contracts between the parts: plain objects and closures. N wires and M front doors meet in StreamEvent alone, so each
// side is one file and neither knows the other. Imports the vocabulary only.
import type { ChatRequest, OnDisconnect } from './chat.ts';
import type { GatewayError } from './errors.ts';
import type { Ending, StreamEvent, Usage } from './events.ts';

// ---- upstream: transport and provider -------------------------------------------------------------------------------

/** Receives a response body as it is read off the socket. Called synchronously; exactly one of `end` and `error`, last. */
export interface BodySink {
  data(chunk: Buffer): void;
  end(): void;
  error(error: GatewayError): void;
}

/** A response whose headers have arrived. The body waits until `start`. */
export interface UpstreamResponse {
  status: number;
  headers: Record<string, string>;
  start(sink: BodySink): void;
  /** Stop and resume reading from the socket; unread bytes then press back on the provider. */
  pause(): void;
  resume(): void;
  /** Closes the socket at once. Nothing is delivered afterwards. */
  abort(): void;
}

/** What a provider needs beside the request itself. */
export interface SendContext {
  signal: AbortSignal;
  /** The request is about to be written to a connected socket: from here on it may cost money. */
  onSent(): void;
}

/** Turns raw body bytes into events, push in, push out. Never throws past the pump; ends itself exactly once. */
export interface Decoder {
  push(chunk: Buffer): void;
  /**
   * The body is over: cleanly, or with the fault that cut it. Emits the terminal if none came: `done` when the answer was
   * already finished, else `error` with the fault, or `upstream_truncated` where the end looked clean.
   */
  end(fault?: GatewayError): void;
}

export interface DecoderOptions {
  emit(event: StreamEvent): void;
  /** Called with each frame that a front door speaking the same wire may hand on untouched, after its events were emitted. */
  raw?(data: string): void;
  /** How many alternatives were asked for; the stream is finished when each has ended. */
  choices: number;
}

/** A chat request in a wire's own words. */
export interface Translation {
  body: unknown;
  /** Fields of the request that this wire has no place for and that only hint: the client is told which were left out. */
  dropped: string[];
}

/** A request as it came in a wire's own words: a provider of that wire may send it on, and nothing that the client said is lost. */
export interface Verbatim {
  wire: string;
  body: Record<string, unknown>;
  /** Of the request's headers, those that belong to the protocol: `anthropic-beta`. */
  headers?: Record<string, string>;
}

/** One configured upstream. `request` is pure; `send` is where bytes go out. */
export interface Provider {
  name: string;
  wire: string;
  /** False when even a front door of the same wire gets normalized frames (config `passthrough: false`). */
  passthrough: boolean;
  /**
   * The body for this wire, or an `invalid_request` that names the field which this wire cannot express. `vendor` are the
   * client's own fields for this wire; they are laid over the body untouched.
   */
  request(chat: ChatRequest, model: string, vendor?: Record<string, unknown>): Translation;
  /** The same for a request that came in this wire's own words: only the model is put in, and what streaming and metering need. */
  adopt?(verbatim: Verbatim, model: string): Translation;
  send(body: unknown, context: SendContext): Promise<UpstreamResponse>;
  decoder(options: DecoderOptions): Decoder;
  /** A refusal (status ≥ 400), mapped to the one table. */
  fault(status: number, headers: Record<string, string>, body: string): GatewayError;
  close(): Promise<void>;
}

/** One place a request may go. */
export interface Target {
  provider: Provider;
  model: string;
}

// ---- downstream: front doors ----------------------------------------------------------------------------------------

/** What is known about a stream when its first byte goes out. */
export interface StreamMeta {
  streamId: string;
  /** As the client asked. */
  model: string;
  provider: string;
  /** Unix seconds. */
  created: number;
  /** Fields of the request that the provider's wire has no place for. */
  dropped: string[];
}

/** Encodes events for one client. Stateful: it numbers its frames 1, 2, 3 … and '' means the event has no frame here. */
export interface Encoder {
  /** Default `text/event-stream; charset=utf-8`. */
  contentType?: string;
  /** What goes out in silence. Default: a comment (core/sse.ts). It must mean nothing to the door's strictest client. */
  heartbeat?: string;
  start(meta: StreamMeta): string;
  event(event: StreamEvent): string;
  /** A frame of the same wire, handed on untouched. `hasUsage`: the frame reported usage. Absent: this door has no raw form. */
  raw?(data: string, hasUsage: boolean): string;
  end(ending: Ending): string;
}

/** Folds a stream into the one JSON object that `stream: false` answers. */
export interface Collector {
  event(event: StreamEvent): void;
  raw?(data: string, hasUsage: boolean): void;
  /** Called for a `done` ending only; an error is the door's `fault`. */
  result(ending: Ending & { type: 'done' }, meta: StreamMeta): unknown;
}

/** A request as a front door understood it. */
export interface ParsedRequest {
  chat: ChatRequest;
  stream: boolean;
  /** Options that only this front door's encoder needs. */
  options: Record<string, unknown>;
  onDisconnect?: OnDisconnect;
  /** A template of `prompts/` to be rendered in front of the messages. */
  prompt?: { name: string; variables: Record<string, unknown> };
  /** For the log only. */
  metadata?: Record<string, string | number | boolean | null>;
  /** Per wire: fields handed to that wire untouched. */
  vendor?: Record<string, Record<string, unknown>>;
  /** The request in the words of the door's own wire. */
  verbatim?: Verbatim;
}

/** What of a call at a front door is not in its body. */
export interface Call {
  /** What stood in the place of the path's `*`, percent-decoded; '' without one. */
  rest: string;
  query: Record<string, string>;
  headers: Record<string, string | string[] | undefined>;
}

export interface Dialect {
  name: string;
  /** The wire whose raw frames this door can hand on. */
  wire?: string;
  /** Where it is; a `*` at the end stands for anything. */
  paths: string[];
  /** Throws `invalid_request` naming the field. A model of '' is the one that the config names for this door. */
  parse(body: unknown, call: Call): ParsedRequest;
  encoder(options: Record<string, unknown>): Encoder;
  collector(options: Record<string, unknown>): Collector;
  /** The body of a plain HTTP failure in this door's own shape. `ending` is what is known once a provider was asked. */
  fault(error: GatewayError, ending?: Ending): unknown;
  /** Answers how many tokens a prompt has, without asking a provider. */
  count?: {
    path: string;
    parse(body: unknown, call: Call): ChatRequest;
    answer(tokens: number): unknown;
  };
}

/** One client's response, streamed or whole. HTTP is behind it; whoever writes here knows only that bytes go out. */
export interface Exchange {
  /** Sends status 200 and the stream's headers, with these among them; nothing else can be answered afterwards. */
  open(headers: Record<string, string>): void;
  /** False: the client is behind. Bytes are kept until it reads; stop feeding until `onDrain`. */
  write(frames: string): boolean;
  /** Bytes written that the socket has not taken yet. */
  buffered(): number;
  end(): void;
  /** Answers whole, instead of `open`. */
  reply(status: number, body: unknown, headers: Record<string, string>): void;
  /** Closes the socket at once. */
  destroy(): void;
  /** The client left before its response was finished. Called at most once, also when that happened before. */
  onClose(listener: () => void): void;
  onDrain(listener: () => void): void;
}

// ---- accounting -----------------------------------------------------------------------------------------------------

/** Known before the upstream is asked. */
export interface RowOpening {
  id: string;
  stream_id: string;
  attempt: number;
  key: string | null;
  model: string;
  provider: string;
  upstream_model: string;
  door: string;
  /** Unix milliseconds. */
  started_at: number;
}

/** Known when the attempt is over. Token counts are the billed ones. */
export interface RowClosing {
  ended_at: number;
  /** A finish reason, an error code, `client_closed`, or `interrupted`. */
  end_reason: string;
  input_tokens: number;
  output_tokens: number;
  cached_input_tokens: number;
  cache_write_input_tokens: number;
  reasoning_tokens: number;
  /** What the provider said it generated; null when it said nothing. */
  reported_output_tokens: number | null;
  generated_tokens: number;
  delivered_tokens: number;
  estimated: boolean;
  cost_usd: number | null;
  first_token_ms: number | null;
  total_ms: number;
}

/** How far a running attempt has come: what its row is closed with if the process is killed. */
export interface RowNote {
  id: string;
  input_tokens: number;
  output_tokens: number;
  cost_usd: number | null;
}

export type UsageRow = RowOpening & { [K in keyof RowClosing]: RowClosing[K] | null };

export type UsageGroup = 'day' | 'model' | 'provider' | 'key';

export interface UsageQuery {
  /** Unix milliseconds; `from` inclusive, `to` exclusive. */
  from?: number;
  to?: number;
  key?: string;
  by: UsageGroup[];
}

export interface UsageSum {
  day?: string;
  model?: string;
  provider?: string;
  key?: string | null;
  requests: number;
  errors: number;
  input_tokens: number;
  output_tokens: number;
  cached_input_tokens: number;
  cache_write_input_tokens: number;
  reasoning_tokens: number;
  cost_usd: number;
}

/** One row per attempt. Every method may reject when the store is broken; callers decide what a stream does about it. */
export interface Ledger {
  open(row: RowOpening): Promise<void>;
  note(rows: RowNote[]): Promise<void>;
  close(id: string, closing: RowClosing): Promise<void>;
  /** Closes rows that a killed process left open as `interrupted`, with what was last noted. Returns how many. */
  recover(): Promise<number>;
  sums(query: UsageQuery): Promise<UsageSum[]>;
  /** Newest first. `cursor` is the opaque `next_cursor` of the page before. */
  page(query: {
    limit: number;
    cursor?: string;
    key?: string;
  }): Promise<{ data: UsageRow[]; next_cursor: string | null }>;
  /** Answers when the store can be read and written. */
  check(): Promise<void>;
  shutdown(): Promise<void>;
}

/** USD per million tokens. What is absent costs as the plain kind does. */
export interface Price {
  input: number;
  output: number;
  cachedInput?: number;
  cacheWriteInput?: number;
}

/** Null when no price is known: an unknown cost is not a cost of zero. */
export type PriceOf = (provider: string, model: string) => Price | null;

/** Counts tokens off the event loop, in bounded time. Resolves always; `coarse` says that the count was approximated further. */
export interface Tokenizer {
  count(model: string, text: string): Promise<{ tokens: number; coarse: boolean }>;
  close(): Promise<void>;
}

export function costOf(usage: Usage, price: Price | null): number | null {
  if (price === null) return null;
  const plain = Math.max(0, usage.input_tokens - usage.cached_input_tokens - usage.cache_write_input_tokens);
  const micro =
    plain * price.input +
    usage.cached_input_tokens * (price.cachedInput ?? price.input) +
    usage.cache_write_input_tokens * (price.cacheWriteInput ?? price.input) +
    usage.output_tokens * price.output;
  return Math.round(micro * 1e3) / 1e9; // to the nearest billionth of a dollar
}
