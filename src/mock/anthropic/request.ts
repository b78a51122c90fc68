// The Messages request as the API checks it, field by field: types, ranges, unknown fields, and the words of its refusals.
// Stricter than a proxy needs on purpose. Knows no rule that spans several fields: those are in turns.ts.
// https://platform.claude.com/docs/en/api/messages/create
import { z } from 'zod';
import { findFault, typeOf } from '../request-fault.ts';

const cacheControl = z.strictObject({ type: z.literal('ephemeral'), ttl: z.enum(['5m', '1h']).optional() }).nullish();
const citations = z.array(z.looseObject({ type: z.string() })).nullish();

const text = z.strictObject({ type: z.literal('text'), text: z.string(), cache_control: cacheControl, citations });
const url = z.strictObject({ type: z.literal('url'), url: z.string() });
const file = z.strictObject({ type: z.literal('file'), file_id: z.string() });
const image = z.strictObject({
  type: z.literal('image'),
  source: z.discriminatedUnion('type', [
    z.strictObject({
      type: z.literal('base64'),
      media_type: z.enum(['image/jpeg', 'image/png', 'image/gif', 'image/webp']),
      data: z.string(),
    }),
    url,
    file,
  ]),
  transformations: z.looseObject({}).nullish(),
  cache_control: cacheControl,
});
const document = z.strictObject({
  type: z.literal('document'),
  source: z.discriminatedUnion('type', [
    z.strictObject({ type: z.literal('base64'), media_type: z.literal('application/pdf'), data: z.string() }),
    z.strictObject({ type: z.literal('text'), media_type: z.literal('text/plain'), data: z.string() }),
    z.strictObject({
      type: z.literal('content'),
      content: z.union([z.string(), z.array(z.discriminatedUnion('type', [text, image]))]),
    }),
    url,
    file,
  ]),
  cache_control: cacheControl,
  citations: z.strictObject({ enabled: z.boolean().optional() }).nullish(),
  context: z.string().nullish(),
  title: z.string().nullish(),
});
const searchResult = z.strictObject({
  type: z.literal('search_result'),
  content: z.array(text),
  source: z.string(),
  title: z.string(),
  cache_control: cacheControl,
  citations: z.strictObject({ enabled: z.boolean().optional() }).optional(),
});
const toolId = z.string().regex(/^[a-zA-Z0-9_-]+$/);
const toolName = z.string().regex(/^[a-zA-Z0-9_-]{1,128}$/);
const thinkingBlock = z.strictObject({ type: z.literal('thinking'), thinking: z.string(), signature: z.string() });
const redacted = z.strictObject({ type: z.literal('redacted_thinking'), data: z.string() });
const toolUse = z.strictObject({
  type: z.literal('tool_use'),
  id: toolId,
  name: z.string().min(1).max(200),
  input: z.record(z.string(), z.unknown()),
  cache_control: cacheControl,
  caller: z.looseObject({ type: z.string() }).optional(),
  toolset_name: z.string().nullish(),
});
const toolResult = z.strictObject({
  type: z.literal('tool_result'),
  tool_use_id: toolId,
  content: z
    .union([z.string(), z.array(z.discriminatedUnion('type', [text, image, document, searchResult]))])
    .optional(),
  is_error: z.boolean().optional(),
  cache_control: cacheControl,
  toolset_name: z.string().nullish(),
});
/** What the provider ran itself comes back with the conversation; the mock takes it unread. */
const serverBlock = z.looseObject({
  type: z.enum([
    'server_tool_use',
    'web_search_tool_result',
    'web_fetch_tool_result',
    'code_execution_tool_result',
    'bash_code_execution_tool_result',
    'text_editor_code_execution_tool_result',
    'tool_search_tool_result',
    'container_upload',
  ]),
});
const block = z.discriminatedUnion('type', [
  text,
  image,
  document,
  searchResult,
  thinkingBlock,
  redacted,
  toolUse,
  toolResult,
  serverBlock,
]);

const customTool = z.strictObject({
  type: z.literal('custom').nullish(),
  name: toolName,
  description: z.string().optional(),
  input_schema: z.looseObject({
    type: z.literal('object'),
    properties: z.record(z.string(), z.unknown()).nullish(),
    required: z.array(z.string()).nullish(),
  }),
  strict: z.boolean().optional(),
  cache_control: cacheControl,
  allowed_callers: z.array(z.string()).optional(),
  defer_loading: z.boolean().optional(),
  eager_input_streaming: z.boolean().nullish(),
  input_examples: z.array(z.record(z.string(), z.unknown())).optional(),
});
const serverTool = z.looseObject({
  type: z.enum([
    'bash_20250124',
    'text_editor_20250728',
    'memory_20250818',
    'code_execution_20250825',
    'code_execution_20260521',
    'web_search_20250305',
    'web_search_20260318',
    'web_fetch_20250910',
    'web_fetch_20260318',
  ]),
  name: toolName,
  cache_control: cacheControl,
});

const parallel = { disable_parallel_tool_use: z.boolean().optional() };
const display = { display: z.enum(['summarized', 'omitted']).nullish() };

const request = z.strictObject({
  model: z.string().min(1).max(256),
  messages: z.array(
    z.strictObject({ role: z.enum(['user', 'assistant', 'system']), content: z.union([z.string(), z.array(block)]) }),
  ),
  max_tokens: z.int().min(1),
  cache_control: cacheControl,
  container: z.union([z.string(), z.looseObject({})]).nullish(),
  diagnostics: z.looseObject({}).nullish(),
  inference_geo: z.string().nullish(),
  metadata: z.strictObject({ user_id: z.string().max(256).nullish() }).optional(),
  output_config: z
    .strictObject({
      effort: z.enum(['low', 'medium', 'high', 'xhigh', 'max']).nullish(),
      format: z.strictObject({ type: z.literal('json_schema'), schema: z.record(z.string(), z.unknown()) }).nullish(),
    })
    .optional(),
  service_tier: z.enum(['auto', 'standard_only']).optional(),
  speed: z.enum(['standard', 'fast']).nullish(),
  stop_sequences: z.array(z.string()).optional(),
  stream: z.boolean().optional(),
  system: z.union([z.string(), z.array(text)]).optional(),
  temperature: z.number().min(0).max(1).optional(),
  thinking: z
    .discriminatedUnion('type', [
      z.strictObject({ type: z.literal('enabled'), budget_tokens: z.int().min(1024), ...display }),
      z.strictObject({ type: z.literal('adaptive'), ...display }),
      z.strictObject({ type: z.literal('disabled') }),
      z.strictObject({ type: z.literal('between_tools') }),
    ])
    .optional(),
  tool_choice: z
    .discriminatedUnion('type', [
      z.strictObject({ type: z.literal('auto'), ...parallel }),
      z.strictObject({ type: z.literal('any'), ...parallel }),
      z.strictObject({ type: z.literal('tool'), name: z.string(), ...parallel }),
      z.strictObject({ type: z.literal('none') }),
    ])
    .optional(),
  tools: z.array(z.discriminatedUnion('type', [customTool, serverTool])).optional(),
  top_k: z.int().min(0).optional(),
  top_p: z.number().min(0).max(1).optional(),
  user_profile_id: z.string().optional(),
  workspace_id: z.string().optional(),
});

export type AnthropicRequest = z.infer<typeof request>;
export type Message = AnthropicRequest['messages'][number];
export type Block = z.infer<typeof block>;

/** Given the fields alone, the request or the API's complaint about the first fault. */
export function checkFields(body: unknown): { request: AnthropicRequest } | { complaint: string } {
  const checked = request.safeParse(body);
  if (checked.success) return { request: checked.data };
  return { complaint: explain(checked.error.issues[0]!, body) };
}

/** The API's words for what zod found. */
function explain(found: z.core.$ZodIssue, body: unknown): string {
  const { path, issue, given } = findFault(found, body);
  const place = placeOf(path, body);
  const complain = (message: string, at = place) => (at === '' ? message : `${at}: ${message}`);
  if (issue.code === 'unrecognized_keys') {
    return complain('Extra inputs are not permitted', placeOf([...path, issue.keys[0]!], body));
  }
  if (given === undefined) return complain('Field required');
  switch (issue.code) {
    case 'invalid_type':
      return complain(`Input should be ${TYPES[issue.expected] ?? `a valid ${issue.expected}`}`);
    case 'invalid_value':
      return complain(`Input should be ${either(issue.values)}`);
    case 'invalid_union': {
      const tags = 'options' in issue ? (issue.options ?? []).filter((tag) => typeof tag === 'string') : [];
      const expected = tags.map((tag) => `'${tag}'`).join(', ');
      const at = placeOf(path.slice(0, -1), body);
      const text = `Input tag '${String(given)}' found using 'type' does not match any of the expected tags: ${expected}`;
      return complain(text, at);
    }
    case 'too_small':
      if (typeof given === 'string') return complain(`String should have at least ${issue.minimum} character`);
      return complain(`Input should be greater than or equal to ${issue.minimum}`);
    case 'too_big':
      if (typeof given === 'string') return complain(`String should have at most ${issue.maximum} characters`);
      return complain(`Input should be less than or equal to ${issue.maximum}`);
    case 'invalid_format':
      return complain(`String should match pattern '${String(issue.pattern ?? issue.format).replace(/^\/|\/$/g, '')}'`);
    default:
      return complain(`Input should not be ${typeOf(given)}`);
  }
}

const TYPES: Record<string, string> = {
  int: 'a valid integer',
  array: 'a valid list',
  object: 'a valid dictionary or object to extract fields from',
  record: 'a valid dictionary',
};

/** `messages.0.content.1.tool_use.id`: where a field's type chooses among shapes, the API names the shape it chose. */
function placeOf(path: PropertyKey[], body: unknown): string {
  let at = body as Record<PropertyKey, unknown> | undefined;
  const steps: string[] = [];
  for (const [depth, step] of path.entries()) {
    const only = ['input_schema', 'format'].includes(steps.at(-1)!) || (path[0] === 'system' && depth === 2);
    if (depth > 0 && step !== 'type' && !Array.isArray(at) && !only) {
      if (typeof at?.type === 'string') steps.push(at.type);
      else if (path[0] === 'tools' && depth === 2) steps.push('custom');
    }
    steps.push(String(step));
    at = at?.[step] as typeof at;
  }
  return steps.join('.');
}

function either(values: readonly unknown[]): string {
  const named = values.map((value) => `'${String(value)}'`);
  return named.length < 2 ? named.join('') : `${named.slice(0, -1).join(', ')} or ${named.at(-1)}`;
}
