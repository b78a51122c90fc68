// The contracts between the parts: plain objects and closures. N wires and M front doors meet in StreamEvent alone, so each
// side is one file and neither knows the other. Imports the vocabulary only.
import type { ChatRequest, OnDisconnect } from './chat.ts';
import type { GatewayError } from './errors.ts';
import type { Ending, StreamEvent } from './events.ts';

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
  /** Where the stream can be read again without a key. */
  resumeUrl?(): string;
  /** Fields of the request that the provider's wire has no place for. */
  dropped: string[];
}

/** Encodes events for one client. Stateful: it numbers its frames 1, 2, 3 … and '' means the event has no frame here. */
export interface Encoder {
  /** Default `text/event-stream; charset=utf-8`. */
  contentType?: string;
  /** Headers by which clients of this door tell its streams from others. */
  headers?: Record<string, string>;
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
  /** What the client calls the conversation, where its door lets it ask for the running answer by that name. */
  conversation?: string;
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

/** A model that may be asked for by its name: an alias, a name of the config for one door, an example, `provider/model`. */
export interface NamedModel {
  id: string;
  /** Of its first target. */
  provider: string;
  /** Unix seconds, of no meaning: providers are not asked. */
  created: number;
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
  /**
   * The last frames of a stream whose node is gone, behind the event with this id: how it stood is not known any more, so they say that it
   * failed and nothing else.
   */
  interrupted(error: GatewayError, lastId: number): string;
  /** Answers how many tokens a prompt has, without asking a provider. */
  count?: {
    /** Its own path; without one, `serves` says which calls at the door's paths it answers. */
    path?: string;
    serves?(call: Call): boolean;
    parse(body: unknown, call: Call): ChatRequest;
    answer(tokens: number): unknown;
  };
  /** Where a client asks for the running answer of a conversation: `:id` is what it called it. Nothing running is 204. */
  resume?: string;
  /** Answers which models there are. */
  models?: {
    /** Where the list is; below it is each model, by its name. Doors may share one. */
    paths: string[];
    /** Whether a call at a shared path is of this door's clients. The one door without it answers everybody else. */
    serves?(call: Call): boolean;
    /** Throws `invalid_request` naming the query parameter. */
    list(models: NamedModel[], call: Call): unknown;
    describe(model: NamedModel): unknown;
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
  reply(status: number, json: string, headers: Record<string, string>): void;
  /** Closes the socket at once. */
  destroy(): void;
  /** The client left before its response was finished. Called at most once, also when that happened before. */
  onClose(listener: () => void): void;
  onDrain(listener: () => void): void;
}
