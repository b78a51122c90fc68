// The Responses request as the API checks it, field by field: types, ranges, unknown parameters. What must go together is in
// rules.ts. Knows no behaviour and no framing.
// https://platform.openai.com/docs/api-reference/responses/create
import { z } from 'zod';
import { explain, type RequestError } from '../openai/faults.ts';

const loose = z.looseObject({});
const status = z.enum(['in_progress', 'completed', 'incomplete']).nullish();
const cacheBreakpoint = z.object({ mode: z.literal('explicit'), ttl: z.string().optional() }).nullish();
const id = z.string().nullish();
const call_id = z.string().min(1).max(64);
const functionName = z.string().regex(/^[a-zA-Z0-9_-]{1,128}$/);

const inputText = z.strictObject({
  type: z.literal('input_text'),
  text: z.string(),
  prompt_cache_breakpoint: cacheBreakpoint,
});
const inputImage = z.strictObject({
  type: z.literal('input_image'),
  image_url: z
    .string()
    .regex(/^(https?:\/\/|data:)/)
    .nullish(),
  file_id: z.string().nullish(),
  detail: z.enum(['auto', 'low', 'high', 'original']).nullish(),
  prompt_cache_breakpoint: cacheBreakpoint,
});
const inputFile = z.strictObject({
  type: z.literal('input_file'),
  file_id: z.string().nullish(),
  file_url: z.string().nullish(),
  file_data: z.string().nullish(),
  filename: z.string().nullish(),
  detail: z.enum(['auto', 'low', 'high']).nullish(),
  prompt_cache_breakpoint: cacheBreakpoint,
});
const inputContent = z.union([z.string(), z.array(z.discriminatedUnion('type', [inputText, inputImage, inputFile]))]);

const outputText = z.strictObject({
  type: z.literal('output_text'),
  text: z.string(),
  annotations: z.array(loose).optional(),
  logprobs: z.array(loose).nullish(),
});
const outputRefusal = z.strictObject({ type: z.literal('refusal'), refusal: z.string() });
const outputContent = z.union([z.string(), z.array(z.discriminatedUnion('type', [outputText, outputRefusal]))]);

const type = z.literal('message');
const message = z.discriminatedUnion('role', [
  z.strictObject({ type, role: z.enum(['user', 'system', 'developer']), content: inputContent, id, status }),
  z.strictObject({
    type,
    role: z.literal('assistant'),
    content: outputContent,
    id,
    status,
    phase: z.enum(['commentary', 'final_answer']).nullish(),
  }),
]);

const caller = loose.nullish();
const namespace = z.string().nullish();
const functionCall = z.strictObject({
  type: z.literal('function_call'),
  id,
  call_id,
  name: functionName,
  arguments: z.string(),
  status,
  namespace,
  caller,
  async: z.boolean().nullish(),
});
const functionCallOutput = z.strictObject({
  type: z.literal('function_call_output'),
  id,
  call_id,
  output: inputContent,
  status,
  name: z.string().nullish(),
  namespace,
  caller,
});
const reasoning = z.strictObject({
  type: z.literal('reasoning'),
  id,
  summary: z.array(z.strictObject({ type: z.literal('summary_text'), text: z.string() })),
  content: z.array(z.strictObject({ type: z.literal('reasoning_text'), text: z.string() })).nullish(),
  encrypted_content: z.string().nullish(),
  status,
});

/** Items of tools that the API runs itself, and of others that Millrace never sends: taken as they are. */
const OTHER_ITEMS = [
  'additional_tools',
  'apply_patch_call',
  'apply_patch_call_output',
  'code_interpreter_call',
  'compaction',
  'computer_call',
  'computer_call_output',
  'custom_tool_call',
  'custom_tool_call_output',
  'file_search_call',
  'image_generation_call',
  'local_shell_call',
  'local_shell_call_output',
  'mcp_approval_request',
  'mcp_approval_response',
  'mcp_call',
  'mcp_list_tools',
  'shell_call',
  'shell_call_output',
  'tool_search_call',
  'tool_search_output',
  'web_search_call',
] as const;

const item = z.preprocess(
  // A message may come without its type.
  (value) =>
    typeof value === 'object' && value !== null && !('type' in value) ? { ...value, type: 'message' } : value,
  z.discriminatedUnion('type', [
    message,
    functionCall,
    functionCallOutput,
    reasoning,
    z.strictObject({ type: z.literal('item_reference'), id: z.string() }),
    z.looseObject({ type: z.enum(OTHER_ITEMS) }),
  ]),
);

const schema = z.record(z.string(), z.unknown());
const OTHER_TOOLS = [
  'apply_patch',
  'code_interpreter',
  'computer',
  'computer_use_preview',
  'custom',
  'file_search',
  'image_generation',
  'local_shell',
  'mcp',
  'namespace',
  'programmatic_tool_calling',
  'shell',
  'tool_search',
  'web_search',
  'web_search_preview',
] as const;
const tool = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('function'),
    name: functionName,
    description: z.string().nullish(),
    parameters: schema.nullish(),
    strict: z.boolean().nullish(),
    allowed_callers: z.array(z.enum(['direct', 'programmatic'])).nullish(),
    async: z.boolean().optional(),
    defer_loading: z.boolean().optional(),
    output_schema: schema.nullish(),
  }),
  z.looseObject({ type: z.enum(OTHER_TOOLS) }),
]);
const toolChoice = z.union([
  z.enum(['none', 'auto', 'required']),
  z.discriminatedUnion('type', [
    z.strictObject({ type: z.literal('function'), name: z.string() }),
    z.strictObject({
      type: z.literal('allowed_tools'),
      mode: z.enum(['auto', 'required']),
      tools: z.array(z.looseObject({ type: z.string() })),
    }),
    z.looseObject({ type: z.enum(OTHER_TOOLS) }),
  ]),
]);

const format = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text') }),
  z.strictObject({ type: z.literal('json_object') }),
  z.strictObject({
    type: z.literal('json_schema'),
    name: z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/),
    description: z.string().nullish(),
    schema,
    strict: z.boolean().nullish(),
  }),
]);

const INCLUDABLE = [
  'code_interpreter_call.outputs',
  'computer_call_output.output.image_url',
  'file_search_call.results',
  'message.input_image.image_url',
  'message.output_text.logprobs',
  'reasoning.encrypted_content',
  'web_search_call.action.sources',
  'web_search_call.results',
] as const;
const summary = z.enum(['auto', 'concise', 'detailed']).nullish();

const request = z.strictObject({
  model: z.string(),
  input: z.union([z.string(), z.array(item)]).optional(),
  access_programs: loose.optional(),
  background: z.boolean().nullish(),
  context_management: z.array(loose).nullish(),
  conversation: z.union([z.string(), z.object({ id: z.string() })]).nullish(),
  image: loose.optional(),
  include: z.array(z.enum(INCLUDABLE)).nullish(),
  instructions: z.string().nullish(),
  max_output_tokens: z.int().min(16).nullish(),
  max_tool_calls: z.int().min(1).nullish(),
  metadata: z.record(z.string().max(64), z.string().max(512)).nullish(),
  moderation: loose.nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  previous_response_id: z.string().nullish(),
  prompt: z.looseObject({ id: z.string() }).nullish(),
  prompt_cache_key: z.string().nullish(),
  prompt_cache_options: loose.optional(),
  prompt_cache_retention: z.enum(['in_memory', '24h']).nullish(),
  reasoning: z
    .strictObject({
      context: z.enum(['auto', 'current_turn', 'all_turns']).nullish(),
      effort: z.enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']).nullish(),
      generate_summary: summary,
      mode: z.string().optional(),
      summary,
    })
    .nullish(),
  safety_identifier: z.string().nullish(),
  service_tier: z.enum(['auto', 'default', 'flex', 'scale', 'priority', 'fast', 'ultrafast']).nullish(),
  store: z.boolean().nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.strictObject({ include_obfuscation: z.boolean().optional() }).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  text: z.strictObject({ format: format.optional(), verbosity: z.enum(['low', 'medium', 'high']).nullish() }).nullish(),
  tool_choice: toolChoice.nullish(),
  tools: z.array(tool).max(128).nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  truncation: z.enum(['auto', 'disabled']).nullish(),
  user: z.string().nullish(),
});

export type ResponsesRequest = z.infer<typeof request>;
export type InputItem = Exclude<NonNullable<ResponsesRequest['input']>, string>[number];

/** Rules between fields are checked apart. */
export function checkFields(body: unknown): { request: ResponsesRequest } | { error: RequestError } {
  const given = body as { model?: unknown } | null;
  if (typeof given === 'object' && given !== null && given.model === undefined) {
    return {
      error: { message: "Missing required parameter: 'model'.", param: 'model', code: 'missing_required_parameter' },
    };
  }
  const checked = request.safeParse(body);
  return checked.success ? { request: checked.data } : { error: explain(checked.error.issues[0]!, body) };
}
