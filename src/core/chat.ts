// The chat request as every part sees it: the OpenAI chat-completions body that everybody already writes.
// Checked here, once, at the edge; what Millrace does not interpret is kept as it came, for the wire that understands it.
// https://platform.openai.com/docs/api-reference/chat/create
import { z } from 'zod';

const text = z.looseObject({ type: z.literal('text'), text: z.string() });
const image = z.looseObject({
  type: z.literal('image_url'),
  image_url: z.looseObject({ url: z.string().min(1), detail: z.string().nullish() }),
});
const audio = z.looseObject({
  type: z.literal('input_audio'),
  input_audio: z.looseObject({ data: z.string(), format: z.string() }),
});
const file = z.looseObject({ type: z.literal('file'), file: z.looseObject({}) });
const refusal = z.looseObject({ type: z.literal('refusal'), refusal: z.string() });
const part = z.discriminatedUnion('type', [text, image, audio, file, refusal]);
const content = z.union([z.string(), z.array(part)]);

const requestedCall = z.looseObject({
  id: z.string(),
  type: z.literal('function').default('function'),
  function: z.looseObject({ name: z.string(), arguments: z.string() }),
});

const named = { name: z.string().nullish() };
const message = z.discriminatedUnion('role', [
  z.looseObject({ role: z.literal('system'), content, ...named }),
  z.looseObject({ role: z.literal('developer'), content, ...named }),
  z.looseObject({ role: z.literal('user'), content, ...named }),
  z.looseObject({
    role: z.literal('assistant'),
    content: content.nullish(),
    tool_calls: z.array(requestedCall).nullish(),
    refusal: z.string().nullish(),
    ...named,
  }),
  z.looseObject({ role: z.literal('tool'), content, tool_call_id: z.string() }),
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
});

/** The fields that mean the same at every front door that takes an OpenAI-shaped body. */
export const chatFields = {
  model: z.string().min(1).max(256).describe('An alias from the config, or `provider/model`.'),
  messages: z.array(message).min(1),
  stream: z.boolean().nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
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
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  user: z.string().nullish(),
};

export const chatRequest = z.looseObject(chatFields);

/** A checked request. Fields beyond those named are kept and go to a wire that understands them. */
export type ChatRequest = z.infer<typeof chatRequest>;

/** What happens to the upstream when the client goes away. */
export const onDisconnect = z.enum(['cancel', 'finish']);
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
