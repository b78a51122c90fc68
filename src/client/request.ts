// What a chat request may say: types of the body of POST /v1/chat, no code. docs/PROTOCOL.md has each field in prose.
// Knows no wire and no server source: this folder is published by itself.

/** The prompt up to and including what carries this is worth caching. */
export interface CacheControl {
  type: 'ephemeral';
  ttl?: '5m' | '1h';
}

export interface TextPart {
  type: 'text';
  text: string;
  cache_control?: CacheControl;
}

/** An address, or the bytes as a data URI. */
export interface ImagePart {
  type: 'image_url';
  image_url: { url: string; detail?: 'auto' | 'low' | 'high' };
  cache_control?: CacheControl;
}

/** Base64. */
export interface AudioPart {
  type: 'input_audio';
  input_audio: { data: string; format: string };
  cache_control?: CacheControl;
}

/** One of: bytes as a data URI, an address, the id of an upload at the provider. */
export interface FilePart {
  type: 'file';
  file: { file_data?: string; file_url?: string; file_id?: string; filename?: string };
  cache_control?: CacheControl;
}

export type ContentPart = TextPart | ImagePart | AudioPart | FilePart;

/** A call as it goes back to the model; `arguments` is JSON text. */
export interface RequestedCall {
  id: string;
  type: 'function';
  function: { name: string; arguments: string };
}

/**
 * A block of reasoning that its provider wants back unchanged: what a `reasoning-detail` event carried. `format` says whose it is.
 * Kinds that this version does not know come and go as they are.
 */
export interface ReasoningDetail {
  type: 'reasoning.text' | 'reasoning.summary' | 'reasoning.encrypted' | (string & {});
  format?: string;
  id?: string;
  text?: string;
  signature?: string;
  summary?: string;
  data?: string;
}

export interface SystemMessage {
  role: 'system' | 'developer';
  content: string | TextPart[];
  cache_control?: CacheControl;
}

export interface UserMessage {
  role: 'user';
  content: string | ContentPart[];
  name?: string;
  cache_control?: CacheControl;
}

/** `toMessage(answer)` makes one of an answer. */
export interface AssistantMessage {
  role: 'assistant';
  content?: string | TextPart[] | null;
  tool_calls?: RequestedCall[];
  reasoning_details?: ReasoningDetail[];
  cache_control?: CacheControl;
}

/** The result of the call with this id. */
export interface ToolMessage {
  role: 'tool';
  tool_call_id: string;
  content: string | ContentPart[];
  cache_control?: CacheControl;
}

export type Message = SystemMessage | UserMessage | AssistantMessage | ToolMessage;

/** `parameters` is a JSON Schema. */
export interface Tool {
  type: 'function';
  function: { name: string; description?: string; parameters?: Record<string, unknown>; strict?: boolean };
  cache_control?: CacheControl;
}

export interface ChatRequest {
  /** An alias from the config, or `provider/model`. May be left out where a prompt or the config of this door names one. */
  model?: string;
  messages?: Message[];
  /** A template of the prompts folder, rendered in front of `messages`. */
  prompt?: { name: string; variables?: Record<string, unknown> };
  tools?: Tool[];
  tool_choice?: 'none' | 'auto' | 'required' | { type: 'function'; function: { name: string } };
  parallel_tool_calls?: boolean;
  response_format?:
    | { type: 'text' | 'json_object' }
    | { type: 'json_schema'; json_schema: { name: string; schema: Record<string, unknown>; strict?: boolean } };
  /** 0 to 2. */
  temperature?: number;
  /** 0 to 1. */
  top_p?: number;
  top_k?: number;
  max_tokens?: number;
  stop?: string | string[];
  seed?: number;
  presence_penalty?: number;
  frequency_penalty?: number;
  reasoning_effort?: ReasoningEffort;
  /** An effort, or a budget in tokens. */
  reasoning?: { effort?: ReasoningEffort; max_tokens?: number; enabled?: boolean };
  user?: string;
  /** What happens to the provider when the last reader is gone: it is cancelled, waits a while for one to come back, or runs on. */
  on_disconnect?: 'cancel' | 'detach' | 'finish';
  /** Up to 16 plain values for the server's log; they go to no provider. */
  metadata?: Record<string, string | number | boolean | null>;
  /** Fields for one wire, laid over the request to it: `{ anthropic: { … } }`. */
  vendor?: Record<string, Record<string, unknown>>;
}

export type ReasoningEffort = 'none' | 'minimal' | 'low' | 'medium' | 'high' | 'xhigh' | 'max' | (string & {});
