// A Responses request, checked and understood: each field as the chat request says it. What only a provider of this same wire can do
// (its stored conversations, its own tools) stays in the request under its name, for other wires to refuse. Knows the request's fields;
// its input is in input.ts.
// https://platform.openai.com/docs/api-reference/responses/create
import { z } from 'zod';
import { type ChatRequest, chatFields, type Message, onDisconnect, type Tool } from '../../core/chat.ts';
import type { ParsedRequest } from '../../core/contracts.ts';
import { GatewayError } from '../../core/errors.ts';
import { CLIENT_NAMES, madeFrom } from '../../core/origin.ts';
import { checked } from '../checked.ts';
import { inputField, messagesOf, ownItems } from './input.ts';
import type { Fields, Options } from './response.ts';

/** Names that clients carry over from the older API. To take them for nothing would change the answer without a word. */
const instead = (field: string) => z.null({ error: `this API has no such field; expected ${field}` }).optional();
const {
  messages: _messages,
  n: _n,
  logprobs: _logprobs,
  tools: _tools,
  tool_choice: _choice,
  reasoning: _reasoning,
  ...same
} = chatFields;

const request = z.looseObject({
  ...same,
  messages: instead('input'),
  max_tokens: instead('max_output_tokens'),
  max_completion_tokens: instead('max_output_tokens'),
  response_format: instead('text.format'),
  reasoning_effort: instead('reasoning.effort'),
  logprobs: instead('include and top_logprobs'),
  n: instead('one answer'),
  model: z.string().max(256).nullish(),
  input: inputField,
  instructions: z.string().nullish(),
  max_output_tokens: z.int().positive().nullish(),
  reasoning: z
    .looseObject({
      effort: z.string().nullish(),
      summary: z.enum(['auto', 'concise', 'detailed']).nullish(),
      generate_summary: z.enum(['auto', 'concise', 'detailed']).nullish(),
    })
    .nullish(),
  text: z
    .looseObject({
      format: z
        .discriminatedUnion('type', [
          z.looseObject({ type: z.literal('text') }),
          z.looseObject({ type: z.literal('json_object') }),
          z.looseObject({
            type: z.literal('json_schema'),
            name: z.string(),
            schema: z.record(z.string(), z.unknown()),
            description: z.string().nullish(),
            strict: z.boolean().nullish(),
          }),
        ])
        .nullish(),
      verbosity: z.string().nullish(),
    })
    .nullish(),
  tools: z
    .array(
      z.looseObject({
        type: z.string(),
        name: z.string().nullish(),
        description: z.string().nullish(),
        parameters: z.record(z.string(), z.unknown()).nullish(),
        strict: z.boolean().nullish(),
      }),
    )
    .nullish(),
  tool_choice: z
    .union([z.enum(['none', 'auto', 'required']), z.looseObject({ type: z.string(), name: z.string().nullish() })])
    .nullish(),
  include: z.array(z.string()).nullish(),
  truncation: z.string().nullish(),
  previous_response_id: z.string().nullish(),
  store: z.boolean().nullish(),
  on_disconnect: onDisconnect.nullish(),
});
type Request = z.infer<typeof request>;

/** Where the prompt may be instead of in `input`, at a provider that stored it. */
const STORED = ['previous_response_id', 'conversation', 'prompt'] as const;

export function parseRequest(body: unknown): ParsedRequest {
  const given = checked(request, body);
  if (given.previous_response_id?.startsWith('resp_str_')) {
    refuse('previous_response_id', 'nothing is stored here; expected the conversation so far in input');
  }
  const { on_disconnect, stream, ...own } = given;
  return {
    chat: chatOf(given),
    stream: stream === true,
    options: { echo: echoOf(given), custom: customNames(given) } satisfies Options,
    onDisconnect: on_disconnect ?? undefined,
    verbatim: { wire: 'openai-responses', body: { ...own, ...(Array.isArray(own.input) && ownInput(body)) } },
  };
}

function refuse(param: string, why: string): never {
  throw new GatewayError('invalid_request', `${param}: ${why}`, { param });
}

/** As the client wrote it, less what no provider of this wire could read. */
function ownInput(body: unknown): Fields {
  return { input: ownItems((body as { input: unknown[] }).input) };
}

function chatOf(given: Request): ChatRequest {
  const {
    model,
    input,
    instructions,
    stream: _stream,
    on_disconnect: _onDisconnect,
    max_output_tokens,
    reasoning,
    text,
    tools,
    tool_choice,
    include,
    truncation,
    ...rest
  } = given;
  const { messages, foreign } = messagesOf(input ?? []);
  if (instructions) messages.unshift(madeFrom('instructions', { role: 'system', content: instructions }));
  if (messages.length === 0) messages.push(placeholder(given));
  const others = include?.filter((what) => what !== 'reasoning.encrypted_content') ?? []; // that comes in any case
  const chat: Fields = {
    ...rest,
    ...foreign,
    model: model ?? '',
    messages,
    max_completion_tokens: max_output_tokens,
    reasoning: reasoning && reasoningOf(reasoning),
    response_format: responseFormat(text?.format),
    verbosity: text?.verbosity,
    tools: tools?.map((tool, at) => madeFrom(`tools[${at}]`, toolOf(tool, at))),
    tool_choice: typeof tool_choice === 'object' && tool_choice ? choiceOf(tool_choice) : tool_choice,
    include: others.length > 0 ? others : undefined,
    truncation: truncation === 'disabled' ? undefined : truncation,
  };
  // A null says nothing, and a provider of another wire may refuse even that under a name that it does not know.
  const said = Object.fromEntries(Object.entries(chat).filter(([, value]) => value != null)) as ChatRequest;
  return { ...said, [CLIENT_NAMES]: NAMES };
}

/** Of the chat request's fields, those that have another name here. */
const NAMES = {
  messages: 'input',
  max_completion_tokens: 'max_output_tokens',
  response_format: 'text.format',
  verbosity: 'text.verbosity',
  tool_choice: 'tool_choice',
};

/** No provider sees this message: the one that has the prompt is sent the request as it came, and others refuse the field that says so. */
function placeholder(given: Request): Message {
  if (!STORED.some((field) => given[field] != null)) refuse('input', 'expected a text, or at least one item');
  return { role: 'user', content: 'The prompt is stored at the provider.' };
}

function reasoningOf({ generate_summary, ...reasoning }: NonNullable<Request['reasoning']>): Fields | undefined {
  const said = Object.entries({ ...reasoning, summary: reasoning.summary ?? generate_summary });
  const wishes = said.filter(([, value]) => value != null);
  return wishes.length > 0 ? Object.fromEntries(wishes) : undefined;
}

function responseFormat(format: NonNullable<Request['text']>['format']): Fields | undefined {
  switch (format?.type) {
    case undefined:
    case 'text':
      return undefined;
    case 'json_object':
      return { type: 'json_object' };
    case 'json_schema': {
      const { type, ...json_schema } = format;
      return { type, json_schema };
    }
    default:
      return format satisfies never;
  }
}

type GivenTool = NonNullable<Request['tools']>[number];

/** Those that a client runs. The provider's own stay as they are, and other wires refuse them by name. */
function toolOf(tool: GivenTool, at: number): Tool {
  const { type, name, description, parameters, strict } = tool;
  if (type !== 'function' && type !== 'custom') return tool;
  if (!name) return refuse(`tools[${at}].name`, 'expected the name of a tool');
  const described = { name, ...(description != null && { description }) };
  if (type === 'function') {
    const schema = { ...(parameters && { parameters }), ...(strict != null && { strict }) };
    return { type, function: { ...described, ...schema } };
  }
  const { type: kind, ...grammar } = (tool.format ?? {}) as Fields;
  const format = kind === 'grammar' ? { type: kind, grammar } : tool.format;
  return { type, custom: { ...described, ...(format != null && { format }) } };
}

function customNames({ tools }: Request): string[] {
  return (tools ?? []).flatMap(({ type, name }) => (type === 'custom' && name ? [name] : []));
}

/** Which tool is said beside its kind here, and inside it there. */
function choiceOf(choice: Fields & { type: string }): Fields & { type: string } {
  const { type, name, mode, tools } = choice;
  if (type === 'function' || type === 'custom') return { type, [type]: { name } };
  if (type !== 'allowed_tools' || !Array.isArray(tools)) return choice;
  return { type, allowed_tools: { mode: mode ?? 'auto', tools: tools.map(choiceOf) } };
}

/** Fields of the request that the response repeats. */
const ECHOED = [
  'instructions',
  'max_output_tokens',
  'max_tool_calls',
  'metadata',
  'parallel_tool_calls',
  'prompt_cache_key',
  'safety_identifier',
  'temperature',
  'tool_choice',
  'tools',
  'top_logprobs',
  'top_p',
  'truncation',
  'user',
];

function echoOf(given: Request): Fields {
  const { reasoning, text } = given;
  const echo = Object.fromEntries(ECHOED.flatMap((field) => (given[field] == null ? [] : [[field, given[field]]])));
  if (reasoning) echo.reasoning = { effort: reasoning.effort ?? null, summary: reasoning.summary ?? null };
  if (text) echo.text = { ...text, format: text.format ?? { type: 'text' } };
  return echo;
}
