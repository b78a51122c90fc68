// Millrace's own front door: POST /v1/chat. docs/PROTOCOL.md is this file in prose. Knows the native shapes; no wire, no HTTP.
import { z } from 'zod';
import { chatFields, type Message, onDisconnect } from '../core/chat.ts';
import type { Dialect, Encoder } from '../core/contracts.ts';
import { type Ending, NO_USAGE, type ReasoningDetail, type StreamEvent, type ToolCall } from '../core/events.ts';
import { madeFrom } from '../core/origin.ts';
import { sseFrame } from '../core/sse.ts';
import { checked } from './checked.ts';

const nativeRequest = z.looseObject({
  ...chatFields,
  model: chatFields.model
    .optional()
    .describe('An alias from the config, or `provider/model`; a prompt may name one instead.'),
  messages: z.array(chatFields.messages.element).default([]),
  n: z.literal(1).nullish().describe('One answer only; /v1/chat/completions can give several.'),
  prompt: z
    .strictObject({ name: z.string().min(1), variables: z.record(z.string(), z.unknown()).default({}) })
    .optional()
    .describe('A template of the prompts folder, rendered in front of the messages.'),
  on_disconnect: onDisconnect.nullish().describe('What happens to the provider when the client leaves.'),
  metadata: z
    .record(z.string().max(64), z.union([z.string().max(512), z.number(), z.boolean(), z.null()]))
    .refine((fields) => Object.keys(fields).length <= 16, { error: 'expected at most 16 entries' })
    .nullish()
    .describe("For your own log: it stands in the stream's first log line and goes to no provider."),
  vendor: z
    .record(z.string(), z.record(z.string(), z.unknown()))
    .optional()
    .describe('Per wire: fields handed on untouched.'),
});

/** Messages of a template come in front of the client's, which then no longer stand where it wrote them. */
function keepPlace(message: Message, at: number): void {
  madeFrom(`messages[${at}]`, message);
  if (typeof message.content !== 'object') return;
  for (const [index, part] of (message.content ?? []).entries()) madeFrom(`messages[${at}].content[${index}]`, part);
}

function createEncoder(): Encoder {
  let id = 0;
  return {
    start(meta) {
      const { streamId: stream_id, model, provider } = meta;
      const data = { stream_id, model, provider, resume_url: meta.resumeUrl?.() };
      return `retry: 1000\n${sseFrame(++id, JSON.stringify(data), 'start')}`;
    },
    event(event) {
      if (isAlternative(event)) return '';
      const json = eventJson(event);
      return json === '' ? '' : sseFrame(++id, json, event.type);
    },
    end: (ending) => sseFrame(++id, JSON.stringify(endingBody(ending)), ending.type),
  };
}

/** This door has one answer; a provider that was made to give several has the others dropped here. */
function isAlternative(event: StreamEvent): boolean {
  return 'choice' in event && event.choice !== undefined && event.choice !== 0;
}

function eventJson(event: StreamEvent): string {
  switch (event.type) {
    case 'token':
      return `{"text":${JSON.stringify(event.text)}}`;
    case 'reasoning':
      return `{"text":${JSON.stringify(event.text)}}`;
    case 'reasoning-detail':
      return JSON.stringify(event.detail);
    case 'tool-call-delta': {
      const { index, id, name, arguments: args } = event;
      return JSON.stringify({ index, id, name, arguments: args });
    }
    case 'tool-call':
      return JSON.stringify(event.call);
    case 'usage':
    case 'done':
    case 'error':
      return ''; // internal, or said by `end`
    default:
      return event satisfies never;
  }
}

function endingBody(ending: Ending): object {
  const { usage, cost_usd, model, provider, attempts, timing } = ending;
  if (ending.type === 'error') return { ...ending.error.body(), usage, cost_usd, model, provider, attempts, timing };
  return { finish_reason: ending.finishReason, usage, cost_usd, model, provider, attempts, timing };
}

export const native: Dialect = {
  name: 'native',
  paths: ['/v1/chat'],
  parse(body) {
    const { stream, prompt, on_disconnect, metadata, vendor, n: _one, ...chat } = checked(nativeRequest, body);
    if (prompt) chat.messages.forEach(keepPlace);
    return {
      chat: { ...chat, model: chat.model ?? '' },
      stream: stream !== false,
      options: {},
      onDisconnect: on_disconnect ?? undefined,
      prompt,
      metadata: metadata ?? undefined,
      vendor,
    };
  },
  encoder: createEncoder,
  collector() {
    let text = '';
    let reasoning = '';
    const details: ReasoningDetail[] = [];
    const calls: ToolCall[] = [];
    return {
      event(event) {
        if (isAlternative(event)) return;
        if (event.type === 'token') text += event.text;
        else if (event.type === 'reasoning') reasoning += event.text;
        else if (event.type === 'reasoning-detail') details.push(event.detail);
        else if (event.type === 'tool-call') calls.push(event.call);
      },
      result: (ending, meta) => ({
        stream_id: meta.streamId,
        model: ending.model,
        provider: ending.provider,
        text,
        reasoning,
        ...(details.length > 0 && { reasoning_details: details }),
        tool_calls: calls.map(({ index: _, ...call }) => call),
        finish_reason: ending.finishReason,
        usage: ending.usage,
        cost_usd: ending.cost_usd,
        attempts: ending.attempts,
        timing: ending.timing,
      }),
    };
  },
  interrupted: (error, lastId) => sseFrame(lastId + 1, JSON.stringify(error.body()), 'error'),
  fault(error, ending) {
    const { usage, cost_usd, attempts } = ending ?? { usage: NO_USAGE, cost_usd: 0, attempts: 0 };
    return { error: { ...error.body(), usage, cost_usd, attempts } };
  },
};
