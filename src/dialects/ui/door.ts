// The front door for chat components: POST /v1/ui/chat takes the UI messages that a page holds and answers the AI SDK's UI message
// stream, so that `useChat` needs no route of its own behind it. Knows this protocol; no wire, no HTTP.
// https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol
import { z } from 'zod';
import { type ChatRequest, chatFields, onDisconnect, type Tool } from '../../core/chat.ts';
import type { Collector, Dialect, Encoder } from '../../core/contracts.ts';
import { madeFrom } from '../../core/origin.ts';
import { sseFrame } from '../../core/sse.ts';
import { checked } from '../checked.ts';
import { type Chunk, createChunkBuilder, metadataOf } from './chunks.ts';
import { chatMessages, refuse, type UiMessage, uiMessage } from './messages.ts';

const schema = z.record(z.string(), z.unknown());
const namedTool = z.looseObject({
  type: z.string().nullish(),
  description: z.string().nullish(),
  inputSchema: schema.nullish(),
  parameters: schema.nullish(),
  strict: z.boolean().nullish(),
});

const { messages: _, ...settings } = chatFields;
const request = z.looseObject({
  ...settings,
  id: z.string().nullish().describe('Of the chat: by it a page that was reloaded asks for the running answer.'),
  trigger: z.string().nullish(),
  messageId: z.string().nullish(),
  messages: z.array(uiMessage).default([]),
  model: z.string().max(256).nullish().describe('Without it, the one that the config names for this door.'),
  n: z.literal(1).nullish(),
  system: z.string().nullish().describe('Goes in front of the messages.'),
  tools: z
    .union([chatFields.tools, z.record(z.string().min(1), namedTool)])
    .describe('A list as of chat completions, or an object: name → description and JSON schema.'),
  prompt: z
    .strictObject({ name: z.string().min(1), variables: z.record(z.string(), z.unknown()).default({}) })
    .nullish()
    .describe('A template of the prompts folder, rendered in front of the messages.'),
  on_disconnect: onDisconnect.nullish(),
  vendor: z.record(z.string(), z.record(z.string(), z.unknown())).nullish(),
});

interface Options extends Record<string, unknown> {
  /** The message that the answer goes on with. */
  message?: UiMessage;
}

/**
 * Behind the results of its calls an answer goes on in the same message, and the client tells it by its id: with another one the
 * page would show the whole message twice.
 */
function continued(messages: UiMessage[], trigger?: string | null, messageId?: string | null): UiMessage | undefined {
  if (trigger === 'regenerate-message') return undefined;
  const named = messageId ? messages.find(({ id }) => id === messageId) : undefined;
  const message = named ?? messages.at(-1);
  return message?.role === 'assistant' && message.id ? message : undefined;
}

function toolsOf(tools: z.infer<typeof request>['tools']): Tool[] | undefined {
  if (!tools || Array.isArray(tools)) return tools ?? undefined;
  return Object.entries(tools).map(([name, { type, description, inputSchema, parameters, strict }]) => {
    const path = `tools.${name.slice(0, 64)}`;
    if (type && type !== 'function' && type !== 'dynamic') refuse(`${path}.type`, 'expected a function');
    const given = inputSchema ?? parameters ?? {};
    // What the SDK's `tool()` is written out as: `jsonSchema()` in a wrapper, a zod schema as its own insides.
    if (isFields(given.def) || isFields(given._def)) {
      refuse(`${path}.inputSchema`, 'expected JSON schema; z.toJSONSchema makes it of a zod one');
    }
    const wrapped = isFields(given.jsonSchema) ? given.jsonSchema : given;
    const fn = { name, parameters: wrapped, ...(description && { description }) };
    return madeFrom(path, { type: 'function', function: { ...fn, ...(strict != null && { strict }) } });
  });
}

function isFields(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function createEncoder({ message }: Options): Encoder {
  const chunks = createChunkBuilder();
  let id = 0;
  function frames(list: Chunk[]): string {
    let text = '';
    for (const chunk of list) text += sseFrame(++id, JSON.stringify(chunk));
    return text;
  }
  return {
    headers: { 'x-vercel-ai-ui-message-stream': 'v1' },
    start: (meta) => frames(chunks.start(meta, message?.id ?? undefined)),
    event: (event) => frames(chunks.event(event)),
    end: (ending) => frames(chunks.end(ending)) + sseFrame(++id, '[DONE]'),
  };
}

type Part = { type: string; text?: string; [field: string]: unknown };

/** The message that a page would hold at the end of the stream. A message that goes on has its earlier parts too. */
function createCollector({ message }: Options): Collector {
  const chunks = createChunkBuilder();
  const parts: Part[] = [...((message?.parts as Part[]) ?? []), { type: 'step-start' }];
  const open = new Map<string, Part>(); // by the id of the block or the call

  function partOf(id: string, fresh: Part): Part {
    let part = open.get(id);
    if (part === undefined) {
      part = fresh;
      open.set(id, part);
      parts.push(part);
    }
    return part;
  }

  function add(chunk: Chunk): void {
    switch (chunk.type) {
      case 'text-start':
      case 'reasoning-start':
        partOf(chunk.id, { type: chunk.type.replace('-start', ''), text: '', state: 'done' });
        return;
      case 'text-delta':
      case 'reasoning-delta':
        open.get(chunk.id)!.text += chunk.delta;
        return;
      case 'text-end':
      case 'reasoning-end':
        if (chunk.providerMetadata) open.get(chunk.id)!.providerMetadata = chunk.providerMetadata;
        return;
      case 'tool-input-start':
      case 'tool-input-available':
      case 'tool-input-error': {
        const { type, toolName, providerMetadata, ...rest } = { providerMetadata: undefined, ...chunk };
        const part = partOf(chunk.toolCallId, { type: `tool-${toolName}`, state: 'input-streaming' });
        Object.assign(part, rest, providerMetadata && { callProviderMetadata: providerMetadata });
        if (type !== 'tool-input-start') part.state = type === 'tool-input-error' ? 'output-error' : 'input-available';
        return;
      }
      case 'start':
      case 'start-step':
      case 'finish-step':
      case 'tool-input-delta':
      case 'message-metadata':
      case 'finish':
      case 'abort':
      case 'error':
        return; // frames of a stream; what the last ones say is the message's metadata
      default:
        chunk satisfies never;
    }
  }

  return {
    event: (event) => chunks.event(event).forEach(add),
    result(ending, meta) {
      chunks.end(ending).forEach(add);
      const id = message?.id ?? meta.streamId.replace(/^str_/, 'msg_');
      const metadata = { ...(message?.metadata as object), stream_id: meta.streamId, ...metadataOf(ending) };
      return { id, role: 'assistant', metadata, parts };
    },
  };
}

export const ui: Dialect = {
  name: 'ui',
  paths: ['/v1/ui/chat'],
  resume: '/v1/ui/chat/:id/stream',
  parse(body) {
    const { id, n: _n, trigger, messageId, messages, model, stream, system, tools, ...rest } = checked(request, body);
    const { prompt, on_disconnect, vendor, ...chat } = rest;
    const list = toolsOf(tools);
    const message = continued(messages, trigger, messageId);
    return {
      chat: {
        ...chat,
        ...(list && { tools: list }),
        model: model ?? '',
        messages: [
          ...(system ? [madeFrom('system', { role: 'system' as const, content: system })] : []),
          ...chatMessages(messages),
        ],
      } satisfies ChatRequest,
      stream: stream !== false,
      options: { ...(message && { message }) } satisfies Options,
      onDisconnect: on_disconnect ?? undefined,
      conversation: id ?? undefined,
      prompt: prompt ?? undefined,
      vendor: vendor ?? undefined,
    };
  },
  encoder: createEncoder,
  collector: createCollector,
  interrupted: (error, lastId) =>
    sseFrame(lastId + 1, JSON.stringify({ type: 'error', errorText: error.message } satisfies Chunk)) +
    sseFrame(lastId + 2, '[DONE]'),
  /** A client that is refused shows the body as it came: code and message are in it. */
  fault: (error) => ({ error: error.body() }),
};
