// A Messages request as a chat request, for providers of other wires. What this API alone knows and what matters is kept by its name,
// so that those wires list it as left out. Knows the request's fields; the conversation is in the file beside it.
// https://platform.claude.com/docs/en/api/messages/create
import type { ChatRequest, Message, Tool } from '../../core/chat.ts';
import { GatewayError } from '../../core/errors.ts';
import { CLIENT_NAMES, madeFrom } from '../../core/origin.ts';
import { checked } from '../checked.ts';
import { messagesOf, systemOf } from './messages.ts';
import { type MessagesRequest, messagesRequest, type WireTool } from './schema.ts';

export function checkRequest(body: unknown): MessagesRequest {
  const request = checked(messagesRequest, body);
  if (request.thread != null) {
    const why = `${THREAD}: no conversation is kept here; send all of its messages with each request.`;
    throw new GatewayError('invalid_request', why, { param: THREAD });
  }
  return request;
}

/** The provider would keep the conversation, and a thread that began at one of them is unknown to the next. */
export const THREAD = 'thread';

/** Of the chat request's fields, those that have another name here. */
const NAMES = {
  stop: 'stop_sequences',
  tool_choice: 'tool_choice',
  parallel_tool_calls: 'tool_choice.disable_parallel_tool_use',
  response_format: 'output_config.format',
  'reasoning.effort': 'output_config.effort',
  'reasoning.max_tokens': 'thinking.budget_tokens',
  reasoning: 'thinking',
  user: 'metadata.user_id',
};

export function chatOf(request: MessagesRequest): ChatRequest {
  const { model, messages, system, max_tokens, stop_sequences, temperature, top_p, top_k } = request;
  const { tools, tool_choice, thinking, output_config, metadata, service_tier, cache_control } = request;
  const reasoning = reasoningOf(thinking, output_config?.effort ?? undefined);
  const format = output_config?.format;
  return {
    [CLIENT_NAMES]: NAMES,
    ...unknownOf(request),
    model,
    messages: withCache([...systemOf(system), ...messagesOf(messages)], cache_control),
    ...given({ max_tokens, temperature, top_p, top_k }),
    ...(stop_sequences?.length && { stop: stop_sequences }),
    ...(tools?.length && { tools: tools.map((tool, at) => madeFrom(`tools[${at}]`, toolOf(tool))) }),
    ...(tool_choice && choiceOf(tool_choice)),
    ...(reasoning && { reasoning }),
    ...(format && {
      response_format: { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema: format.schema } },
    }),
    ...(metadata?.user_id && { user: metadata.user_id }),
    ...(service_tier === 'standard_only' && { service_tier: 'default' }),
  };
}

function given<Fields extends Record<string, unknown>>(
  fields: Fields,
): { [K in keyof Fields]?: NonNullable<Fields[K]> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value != null)) as {
    [K in keyof Fields]?: NonNullable<Fields[K]>;
  };
}

const READ = new Set(Object.keys(messagesRequest.shape));

function unknownOf(request: MessagesRequest): Record<string, unknown> {
  return Object.fromEntries(Object.entries(request).filter(([name]) => !READ.has(name)));
}

/** A hint on the whole request is one on its end. */
function withCache(messages: Message[], cache_control: MessagesRequest['cache_control']): Message[] {
  const last = messages.at(-1);
  if (cache_control && last) last.cache_control ??= cache_control;
  return messages;
}

/** A tool of the vendor's own stays what it is: other wires refuse it by its place. */
function toolOf(tool: WireTool): Tool {
  if (!('input_schema' in tool)) return tool as Tool;
  const { name, description, input_schema, strict, cache_control } = tool as Extract<
    WireTool,
    { input_schema: object }
  >;
  return {
    type: 'function',
    function: { name, ...given({ description, strict }), parameters: input_schema },
    ...(cache_control && { cache_control }),
  } as Tool;
}

type Choice = NonNullable<MessagesRequest['tool_choice']>;

function choiceOf(choice: Choice): Pick<ChatRequest, 'tool_choice' | 'parallel_tool_calls'> {
  const alone = 'disable_parallel_tool_use' in choice && choice.disable_parallel_tool_use === true;
  return { tool_choice: choiceNamed(choice), ...(alone && { parallel_tool_calls: false }) };
}

function choiceNamed(choice: Choice): ChatRequest['tool_choice'] {
  switch (choice.type) {
    case 'auto':
    case 'none':
      return choice.type;
    case 'any':
      return 'required';
    case 'tool':
      return { type: 'function', function: { name: choice.name } };
    default:
      return choice satisfies never;
  }
}

function reasoningOf(thinking: MessagesRequest['thinking'], effort: string | undefined): ChatRequest['reasoning'] {
  switch (thinking?.type) {
    case 'enabled':
      return { max_tokens: thinking.budget_tokens }; // the closer wish of the two
    case 'adaptive':
      return effort === undefined ? { enabled: true } : { effort };
    case 'disabled':
    case 'between_tools':
      return { enabled: false };
    case undefined:
      return effort === undefined ? undefined : { effort };
    default:
      return thinking satisfies never;
  }
}
