// The chat request as every part sees it: the OpenAI chat-completions body that everybody already writes.
// Checked here, once, at the edge; what Millrace does not interpret is kept as it came, for the wire that understands it.
// https://platform.openai.com/docs/api-reference/chat/create
import { z } from 'zod';

/** The prompt up to and including what carries this is worth caching. Wires that cache by themselves need no such hint. */
const cacheable = {
  cache_control: z.looseObject({ type: z.literal('ephemeral'), ttl: z.enum(['5m', '1h']).nullish() }).nullish(),
};

const text = z.looseObject({ type: z.literal('text'), text: z.string(), ...cacheable });
const image = z.looseObject({
  type: z.literal('image_url'),
  image_url: z.looseObject({ url: z.string().min(1), detail: z.string().nullish() }),
  ...cacheable,
});
const audio = z.looseObject({
  type: z.literal('input_audio'),
  input_audio: z.looseObject({ data: z.string(), format: z.string() }),
  ...cacheable,
});
const file = z.looseObject({
  type: z.literal('file'),
  /** One of: bytes as a data URI (or plain base64 beside a filename), an address, the id of an upload at the provider. */
  file: z.looseObject({
    file_data: z.string().nullish(),
    file_url: z.string().nullish(),
    file_id: z.string().nullish(),
    filename: z.string().nullish(),
  }),
  ...cacheable,
});
const refusal = z.looseObject({ type: z.literal('refusal'), refusal: z.string() });
const part = z.discriminatedUnion('type', [text, image, audio, file, refusal]);
const content = z.union([z.string(), z.array(part)]);

const requestedCall = z.looseObject({
  id: z.string(),
  type: z.literal('function').default('function'),
  function: z.looseObject({ name: z.string(), arguments: z.string() }),
});

/** What `reasoning-detail` events said, given back as it came. Kinds that nobody here knows are for the vendor that made them. */
const reasoningDetail = z.looseObject({ type: z.string(), format: z.string().nullish(), id: z.string().nullish() });

const named = { name: z.string().nullish(), ...cacheable };
const message = z.discriminatedUnion('role', [
  z.looseObject({ role: z.literal('system'), content, ...named }),
  z.looseObject({ role: z.literal('developer'), content, ...named }),
  z.looseObject({ role: z.literal('user'), content, ...named }),
  z.looseObject({
    role: z.literal('assistant'),
    content: content.nullish(),
    tool_calls: z.array(requestedCall).nullish(),
    refusal: z.string().nullish(),
    reasoning_details: z.array(reasoningDetail).nullish(),
    ...named,
  }),
  z.looseObject({ role: z.literal('tool'), content, tool_call_id: z.string(), ...cacheable }),
  z.looseObject({ role: z.literal('function'), content: z.string().nullable(), name: z.string() }),
]);

const tool = z.looseObject({
  type: z.string(),
  function: z
    .looseObject({
      name: z.string().min(1),
      description: z.string().nullish(),
      parameters: z.record(z.string(), z.unknown()).nullish(),
      strict: z.boolean().nullish(),
    })
    .optional(),
  ...cacheable,
});

/** The fields that mean the same at every front door that takes an OpenAI-shaped body. */
export const chatFields = {
  model: z.string().min(1).max(256).describe('An alias from the config, or `provider/model`.'),
  messages: z.array(message).min(1),
  stream: z.boolean().nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  top_k: z.int().positive().nullish(),
  max_tokens: z.int().positive().nullish(),
  max_completion_tokens: z.int().positive().nullish(),
  stop: z.union([z.string(), z.array(z.string())]).nullish(),
  seed: z.int().nullish(),
  n: z.int().min(1).max(128).nullish(),
  tools: z.array(tool).nullish(),
  tool_choice: z.union([z.enum(['none', 'auto', 'required']), z.looseObject({ type: z.string() })]).nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  response_format: z.looseObject({ type: z.enum(['text', 'json_object', 'json_schema']) }).nullish(),
  reasoning_effort: z.string().nullish(),
  reasoning: z
    .looseObject({
      effort: z.string().nullish(),
      max_tokens: z.int().positive().nullish(),
      enabled: z.boolean().nullish(),
      summary: z.enum(['auto', 'concise', 'detailed']).nullish(),
    })
    .nullish()
    .describe('How much to reason: an effort, or a budget in tokens. `reasoning_effort` is short for its effort.'),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  user: z.string().nullish(),
};

export const chatRequest = z.looseObject(chatFields);

/** A checked request. Fields beyond those named are kept and go to a wire that understands them. */
export type ChatRequest = z.infer<typeof chatRequest>;
/**
 * Set by a front door of another protocol: fields of this request that nobody here knows belong to that protocol, and mean nothing to a
 * vendor of Chat Completions. A symbol, so that no client can send it.
 */
export const TRANSLATED = Symbol('translated');

export type Message = ChatRequest['messages'][number];
export type ContentPart = z.infer<typeof part>;
export type Tool = z.infer<typeof tool>;

/** What happens to the upstream when the last client goes away: `detach` waits a while for one to come back. */
export const onDisconnect = z.enum(['cancel', 'detach', 'finish']);
export type OnDisconnect = z.infer<typeof onDisconnect>;

/** Everything of a request that costs input tokens, as text: what an estimate of the prompt counts. */
export function promptText(chat: ChatRequest): string {
  const parts: string[] = [];
  for (const message of chat.messages) {
    parts.push(message.role);
    if (typeof message.content === 'string') parts.push(message.content);
    else if (Array.isArray(message.content)) {
      for (const piece of message.content) {
        if (piece.type === 'text') parts.push(piece.text);
        else if (piece.type === 'refusal') parts.push(piece.refusal);
      }
    }
    if (message.role === 'assistant' && message.tool_calls) {
      for (const call of message.tool_calls) parts.push(call.function.name, call.function.arguments);
    }
  }
  if (chat.tools?.length) parts.push(JSON.stringify(chat.tools));
  return parts.join('\n');
}
