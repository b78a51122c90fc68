// The Converse request as the API checks it, field by field: types, ranges, unions of one member, and the words of its refusals.
// Unknown fields are refused, though the API passes over some: to a proxy a misspelt field is a mistake. Knows no rule that spans
// several fields: those are in turns.ts. https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
import { z } from 'zod';
import { findFault, typeOf } from '../request-fault.ts';

/** AWS unions are objects of which one member is set. */
function oneOf<T extends z.ZodRawShape>(name: string, members: T) {
  const keys = Object.keys(members).join(', ');
  return z
    .strictObject(members)
    .partial()
    .refine((value) => Object.values(value).filter((member) => member !== undefined).length === 1, {
      error: `The ${name} object at PLACE must set one of the following keys: ${keys}.`,
    });
}

const loose = z.looseObject({});
const base64 = z.base64();
const s3Location = z.strictObject({ uri: z.string(), bucketOwner: z.string().optional() });
const cachePoint = z.strictObject({ type: z.literal('default'), ttl: z.enum(['5m', '1h']).optional() });
const image = z.strictObject({
  format: z.enum(['gif', 'jpeg', 'png', 'webp']),
  source: oneOf('ImageSource', { bytes: base64, s3Location }),
});
const document = z.strictObject({
  format: z.enum(['csv', 'doc', 'docx', 'html', 'md', 'pdf', 'txt', 'xls', 'xlsx']).optional(),
  name: z.string().min(1).max(200),
  source: oneOf('DocumentSource', {
    bytes: base64,
    s3Location,
    text: z.string().min(1),
    content: z.array(loose).min(1),
  }),
  context: z.string().optional(),
  citations: z.strictObject({ enabled: z.boolean() }).optional(),
});
const toolId = z
  .string()
  .regex(/^[a-zA-Z0-9_-]+$/)
  .max(64);
const toolName = z
  .string()
  .regex(/^[a-zA-Z0-9_-]+$/)
  .max(64);
const toolUse = z.strictObject({
  toolUseId: toolId,
  name: toolName,
  input: z.record(z.string(), z.unknown()),
  type: z.literal('server_tool_use').optional(),
});
const toolResult = z.strictObject({
  toolUseId: toolId,
  content: z.array(
    oneOf('ToolResultContentBlock', {
      text: z.string(),
      json: z.record(z.string(), z.unknown()),
      image,
      document,
      video: loose,
      searchResult: loose,
    }),
  ),
  status: z.enum(['error', 'success']).optional(),
  type: z.string().optional(),
});
const block = oneOf('ContentBlock', {
  text: z.string(),
  image,
  document,
  video: loose,
  audio: loose,
  toolUse,
  toolResult,
  guardContent: loose,
  cachePoint,
  reasoningContent: oneOf('ReasoningContentBlock', {
    reasoningText: z.strictObject({ text: z.string(), signature: z.string().optional() }),
    redactedContent: base64,
  }),
  citationsContent: loose,
  searchResult: loose,
});

const empty = z.strictObject({});
const request = z.strictObject({
  messages: z.array(z.strictObject({ role: z.enum(['assistant', 'user']), content: z.array(block) })),
  system: z.array(oneOf('SystemContentBlock', { text: z.string().min(1), guardContent: loose, cachePoint })).optional(),
  inferenceConfig: z
    .strictObject({
      maxTokens: z.int().min(1).optional(),
      temperature: z.number().min(0).max(1).optional(),
      topP: z.number().min(0).max(1).optional(),
      stopSequences: z.array(z.string().min(1)).max(2500).optional(),
    })
    .optional(),
  toolConfig: z
    .strictObject({
      tools: z
        .array(
          oneOf('Tool', {
            toolSpec: z.strictObject({
              name: toolName,
              description: z.string().min(1).optional(),
              inputSchema: oneOf('ToolInputSchema', { json: z.looseObject({ type: z.literal('object') }) }),
              strict: z.boolean().optional(),
            }),
            systemTool: z.strictObject({ name: z.string() }),
            cachePoint,
          }),
        )
        .min(1),
      toolChoice: oneOf('ToolChoice', { auto: empty, any: empty, tool: z.strictObject({ name: toolName }) }).optional(),
    })
    .optional(),
  guardrailConfig: loose.optional(),
  additionalModelRequestFields: z.record(z.string(), z.unknown()).optional(),
  promptVariables: z.record(z.string(), loose).optional(),
  additionalModelResponseFieldPaths: z.array(z.string().regex(/^\//)).max(10).optional(),
  requestMetadata: z.record(z.string(), z.string()).optional(),
  performanceConfig: z.strictObject({ latency: z.enum(['optimized', 'standard']).optional() }).optional(),
  serviceTier: z.strictObject({ type: z.enum(['default', 'flex', 'priority', 'reserved']) }).optional(),
  outputConfig: z
    .strictObject({
      textFormat: z
        .strictObject({
          type: z.literal('json_schema'),
          structure: oneOf('OutputFormatStructure', {
            jsonSchema: z.strictObject({
              schema: z.string(),
              name: z.string().optional(),
              description: z.string().optional(),
            }),
          }),
        })
        .optional(),
      effort: z.enum(['low', 'medium', 'high', 'xhigh', 'max']).optional(),
    })
    .optional(),
});

export type BedrockRequest = z.infer<typeof request>;
export type Message = BedrockRequest['messages'][number];
export type Block = z.infer<typeof block>;

/** The request, or the API's complaint about the first fault. */
export function checkFields(body: unknown): { request: BedrockRequest } | { complaint: string } {
  const checked = request.safeParse(body);
  if (checked.success) return { request: checked.data };
  return { complaint: explain(checked.error.issues[0]!, body) };
}

/** The API's words for what zod found: its own for the conversation, the framework's for single values. */
function explain(found: z.core.$ZodIssue, body: unknown): string {
  const { path, issue, given } = findFault(found, body);
  const place = path.join('.');
  const broken = (constraint: string) => {
    const value =
      given === undefined ? 'Value' : `Value '${typeof given === 'string' ? given : JSON.stringify(given)}'`;
    return `1 validation error detected: ${value} at '${place}' failed to satisfy constraint: ${constraint}`;
  };
  if (issue.code === 'custom') return issue.message.replace('PLACE', place);
  if (issue.code === 'unrecognized_keys') {
    return `The format of the value at ${[...path, issue.keys[0]].join('.')} is incorrect: there is no such field.`;
  }
  if (given === undefined) return broken('Member must not be null');
  switch (issue.code) {
    case 'too_small':
      if (typeof given === 'number') return broken(`Member must have value greater than or equal to ${issue.minimum}`);
      return broken(`Member must have length greater than or equal to ${issue.minimum}`);
    case 'too_big':
      if (typeof given === 'number') return broken(`Member must have value less than or equal to ${issue.maximum}`);
      return broken(`Member must have length less than or equal to ${issue.maximum}`);
    case 'invalid_value':
      return broken(`Member must satisfy enum value set: [${issue.values.map(String).join(', ')}]`);
    case 'invalid_format':
      if (issue.format === 'regex') return broken(`Member must satisfy regular expression pattern: ${issue.pattern}`);
      break;
  }
  return `The format of the value at ${place} is incorrect (${typeOf(given)}). Add values in the right format to the field and try again.`;
}
