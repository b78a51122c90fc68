// The chat-completions request as the API checks it: types, ranges, unknown parameters, and what must go together.
// Stricter than Millrace's own front doors on purpose: what a proxy lets through wrongly must fail here as it would there.
// Knows what an OpenAI error says; knows no behaviour and no framing.
// https://platform.openai.com/docs/api-reference/chat/create
import { z } from 'zod';
import { explain, type RequestError } from './faults.ts';

const textPart = z.object({ type: z.literal('text'), text: z.string() });
const refusalPart = z.object({ type: z.literal('refusal'), refusal: z.string() });
const imagePart = z.object({
  type: z.literal('image_url'),
  image_url: z.object({ url: z.string(), detail: z.enum(['auto', 'low', 'high', 'original']).optional() }),
});
const audioPart = z.object({
  type: z.literal('input_audio'),
  input_audio: z.object({ data: z.string(), format: z.enum(['wav', 'mp3']) }),
});
const filePart = z.object({ type: z.literal('file'), file: z.object({}).loose() });

const userContent = z.union([
  z.string(),
  z.array(z.discriminatedUnion('type', [textPart, imagePart, audioPart, filePart])).min(1),
]);
const plainContent = z.union([z.string(), z.array(textPart).min(1)]);
const assistantContent = z.union([z.string(), z.array(z.discriminatedUnion('type', [textPart, refusalPart])).min(1)]);

const functionName = z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/);
const call = z.discriminatedUnion('type', [
  z.object({
    id: z.string(),
    type: z.literal('function'),
    function: z.object({ name: functionName, arguments: z.string() }),
  }),
  z.object({ id: z.string(), type: z.literal('custom'), custom: z.object({ name: z.string(), input: z.string() }) }),
]);

const name = z.string().optional();
const message = z.discriminatedUnion('role', [
  z.object({ role: z.literal('system'), content: plainContent, name }),
  z.object({ role: z.literal('developer'), content: plainContent, name }),
  z.object({ role: z.literal('user'), content: userContent, name }),
  z.object({
    role: z.literal('assistant'),
    content: assistantContent.nullish(),
    refusal: z.string().nullish(),
    tool_calls: z.array(call).min(1).optional(),
    function_call: z.object({ name: z.string(), arguments: z.string() }).nullish(),
    audio: z.object({ id: z.string() }).nullish(),
    name,
  }),
  z.object({ role: z.literal('tool'), content: plainContent, tool_call_id: z.string() }),
  z.object({ role: z.literal('function'), content: z.string().nullable(), name: z.string() }),
]);

const schema = z.record(z.string(), z.unknown());
const functionTool = z.object({
  type: z.literal('function'),
  function: z.object({
    name: functionName,
    description: z.string().optional(),
    parameters: schema.optional(),
    strict: z.boolean().nullish(),
  }),
});
const customTool = z.object({ type: z.literal('custom'), custom: z.looseObject({ name: z.string() }) });
const tool = z.discriminatedUnion('type', [functionTool, customTool]);
const namedFunction = z.object({ type: z.literal('function'), function: z.object({ name: z.string() }) });
const namedCustom = z.object({ type: z.literal('custom'), custom: z.object({ name: z.string() }) });
const toolChoice = z.union([
  z.enum(['none', 'auto', 'required']),
  z.discriminatedUnion('type', [
    namedFunction,
    namedCustom,
    z.object({
      type: z.literal('allowed_tools'),
      allowed_tools: z.object({
        mode: z.enum(['auto', 'required']),
        tools: z.array(z.looseObject({ type: z.string() })),
      }),
    }),
  ]),
]);

const request = z.strictObject({
  model: z.string(),
  messages: z.array(message).min(1),
  audio: z.looseObject({}).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  function_call: z.union([z.enum(['none', 'auto']), z.object({ name: z.string() })]).optional(),
  functions: z.array(z.looseObject({ name: z.string() })).optional(),
  logit_bias: z.record(z.string(), z.number().min(-100).max(100)).nullish(),
  logprobs: z.boolean().nullish(),
  max_completion_tokens: z.int().min(1).nullish(),
  max_tokens: z.int().min(1).nullish(),
  metadata: z.record(z.string(), z.string()).nullish(),
  modalities: z.array(z.enum(['text', 'audio'])).nullish(),
  moderation: z.unknown().optional(),
  n: z.int().min(1).max(128).nullish(),
  parallel_tool_calls: z.boolean().optional(),
  prediction: z.looseObject({ type: z.literal('content') }).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  prompt_cache_key: z.string().nullish(),
  prompt_cache_options: z.unknown().optional(),
  prompt_cache_retention: z.string().nullish(),
  reasoning_effort: z.enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh']).nullish(),
  response_format: z
    .discriminatedUnion('type', [
      z.object({ type: z.literal('text') }),
      z.object({ type: z.literal('json_object') }),
      z.object({
        type: z.literal('json_schema'),
        json_schema: z.object({
          name: functionName,
          description: z.string().optional(),
          schema: schema.optional(),
          strict: z.boolean().nullish(),
        }),
      }),
    ])
    .optional(),
  safety_identifier: z.string().nullish(),
  seed: z.int().nullish(),
  service_tier: z.enum(['auto', 'default', 'flex', 'scale', 'priority']).nullish(),
  stop: z.union([z.string(), z.array(z.string()).min(1).max(4)]).nullish(),
  store: z.boolean().nullish(),
  stream: z.boolean().nullish(),
  stream_options: z
    .strictObject({ include_usage: z.boolean().optional(), include_obfuscation: z.boolean().optional() })
    .nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  tool_choice: toolChoice.optional(),
  tools: z.array(tool).min(1).max(128).optional(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  user: z.string().nullish(),
  verbosity: z.enum(['low', 'medium', 'high']).nullish(),
  web_search_options: z.looseObject({}).optional(),
});

export type OpenAiRequest = z.infer<typeof request>;

export function checkRequest(body: unknown): { request: OpenAiRequest } | { error: RequestError } {
  if (typeof body !== 'object' || body === null || !('model' in body)) {
    return { error: { message: 'you must provide a model parameter', param: null, code: null } };
  }
  const checked = request.safeParse(body);
  if (!checked.success) return { error: explain(checked.error.issues[0]!, body) };
  const error = checkTogether(checked.data);
  return error ? { error } : { request: checked.data };
}

/** Rules that no single field can break. */
function checkTogether(body: OpenAiRequest): RequestError | null {
  if (body.stream_options && !body.stream) {
    return invalid('stream_options', "The 'stream_options' parameter is only allowed when 'stream' is enabled.");
  }
  if (body.max_tokens != null && body.max_completion_tokens != null) {
    return invalid('max_tokens', "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.");
  }
  if (body.tool_choice !== undefined && body.tool_choice !== 'none' && !body.tools) {
    return invalid('tool_choice', "'tool_choice' is only allowed when 'tools' are specified.");
  }
  if (body.parallel_tool_calls !== undefined && !body.tools) {
    return invalid('parallel_tool_calls', "'parallel_tool_calls' is only allowed when 'tools' are specified.");
  }
  if (typeof body.tool_choice === 'object' && body.tool_choice.type === 'function') {
    const wanted = body.tool_choice.function.name;
    if (!body.tools?.some((tool) => tool.type === 'function' && tool.function.name === wanted)) {
      return invalid('tool_choice', `Tool choice '${wanted}' not found in 'tools' parameter.`);
    }
  }
  if (body.top_logprobs != null && !body.logprobs) {
    return invalid('top_logprobs', "'top_logprobs' is only allowed when 'logprobs' is enabled.");
  }
  if (body.response_format?.type === 'json_object' && !/json/i.test(JSON.stringify(body.messages))) {
    const message =
      "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.";
    return invalid('messages', message);
  }
  return checkToolMessages(body.messages);
}

/** Each call is answered, and each answer has its call. */
function checkToolMessages(messages: OpenAiRequest['messages']): RequestError | null {
  let open = new Set<string>();
  for (const [at, message] of messages.entries()) {
    if (message.role === 'tool') {
      if (open.delete(message.tool_call_id)) continue;
      return invalid(
        `messages.[${at}].role`,
        "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.",
      );
    }
    if (open.size > 0) return unanswered(open, at);
    if (message.role === 'assistant') {
      open = new Set(message.tool_calls?.map((call) => call.id));
      if (message.content == null && !message.tool_calls && !message.function_call && !message.refusal) {
        const path = `messages.[${at}].content`;
        return invalid(path, `Invalid value for 'content': expected a string, got null.`);
      }
    }
  }
  return open.size > 0 ? unanswered(open, messages.length) : null;
}

function unanswered(ids: Set<string>, at: number): RequestError {
  const message = `An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: ${[...ids].join(', ')}`;
  return invalid(`messages.[${at}].role`, message);
}

function invalid(param: string, message: string): RequestError {
  return { message, param, code: 'invalid_value' };
}
