// The messages of a chat as this wire's input items: messages in their places, calls and their outputs, reasoning given back. Not by
// way of turns, for here roles stay as they are and arguments are text that goes back unread. Knows items; no other field.
// https://platform.openai.com/docs/api-reference/responses/create#responses-create-input
import type { ChatRequest, ContentPart, Message } from '../../core/chat.ts';
import type { ReasoningDetail } from '../../core/events.ts';
import { cacheOf } from '../conversation.ts';
import { type Media, mediaOf } from '../media.ts';
import type { Reader } from '../translate.ts';
import { REASONING_FORMAT, reasoningItems } from './reasoning.ts';

type Item = Record<string, unknown>;
type Content = string | Item[];
type AssistantMessage = Extract<Message, { role: 'assistant' }>;

export interface InputContext {
  reader: Reader;
  /** Names of tools whose input is text: their calls are items of another type. */
  custom: ReadonlySet<string>;
  /** The model takes marks of where the prompt is worth caching. */
  breakpoints: boolean;
}

export function inputOf(chat: ChatRequest, context: InputContext): Item[] {
  const customCalls = new Set<string>(); // by call id
  return chat.messages.flatMap((message, at) => itemsOf(message, `messages[${at}]`, context, customCalls));
}

function itemsOf(message: Message, param: string, context: InputContext, customCalls: Set<string>): Item[] {
  const { reader } = context;
  if ('name' in message && message.name && message.role !== 'function') reader.drop('name');
  switch (message.role) {
    case 'system':
    case 'developer':
    case 'user':
      return [{ role: message.role, content: contentOf(message, param, context) }];
    case 'assistant': {
      const said = [...answerOf(message, param, context), ...callsOf(message, context, customCalls)];
      const reasoning = reasoningOf(message, reader);
      // A turn that was stopped while it reasoned: the API refuses reasoning that leads to nothing.
      if (said.length > 0 || reasoning.length === 0) return [...reasoning, ...said];
      reader.drop('reasoning_details');
      return [];
    }
    case 'tool': {
      const type = customCalls.has(message.tool_call_id) ? 'custom_tool_call_output' : 'function_call_output';
      return [{ type, call_id: message.tool_call_id, output: contentOf(message, param, context) }];
    }
    case 'function':
      return reader.refuse(`${param}.role`, 'function messages are of an older protocol; expected a tool message');
    default:
      return message satisfies never;
  }
}

type Prompting = Extract<Message, { role: 'system' | 'developer' | 'user' | 'tool' }>;

/** Text alone stays a string, which every server of this wire takes. */
function contentOf(message: Prompting, param: string, context: InputContext): Content {
  const { content } = message;
  const pieces = typeof content === 'string' ? [{ type: 'text' as const, text: content }] : content;
  const parts = pieces.map((piece, at) => inputPart(piece, `${param}.content[${at}]`, message.role, context));
  const last = parts.at(-1);
  if (!last) return '';
  Object.assign(last, markOf(message, context)); // a hint on a message is one on its last part
  return parts.length === 1 && last.type === 'input_text' && !last.prompt_cache_breakpoint ? String(last.text) : parts;
}

function inputPart(piece: ContentPart, param: string, role: Prompting['role'], context: InputContext): Item {
  const mark = markOf(piece, context);
  if (piece.type === 'text') return { type: 'input_text', text: piece.text, ...mark };
  if (piece.type === 'refusal') return { type: 'input_text', text: piece.refusal, ...mark };
  const { reader } = context;
  if (role === 'system' || role === 'developer') return reader.refuse(param, `expected text in a ${role} message`);
  return { ...mediaPart(mediaOf(piece, param, reader), param, reader), ...mark };
}

function mediaPart({ kind, source, filename, detail }: Media, param: string, reader: Reader): Item {
  if (kind === 'audio') return reader.refuse(param, 'this wire takes no sound');
  if (source.from === 'url' && !/^https?:/i.test(source.url)) {
    return reader.refuse(param, 'expected an https address; this provider cannot read other places');
  }
  const dataUri = source.from === 'data' ? `data:${source.mediaType};base64,${source.data}` : undefined;
  if (kind === 'image' || (source.from === 'data' && source.mediaType.startsWith('image/'))) {
    const place =
      source.from === 'id' ? { file_id: source.id } : { image_url: dataUri ?? (source as { url: string }).url };
    return { type: 'input_image', ...place, ...(detail && { detail }) };
  }
  switch (source.from) {
    case 'data': // a name is asked for, and its ending read
      return { type: 'input_file', filename: filename ?? nameFor(source.mediaType), file_data: dataUri };
    case 'url':
      return { type: 'input_file', file_url: source.url };
    case 'id':
      return { type: 'input_file', file_id: source.id };
    default:
      return source satisfies never;
  }
}

function nameFor(mediaType: string): string {
  const subtype = mediaType.slice(mediaType.indexOf('/') + 1);
  return `file.${subtype === 'plain' ? 'txt' : subtype}`;
}

function answerOf({ content, refusal }: AssistantMessage, param: string, { reader }: InputContext): Item[] {
  const pieces = typeof content === 'string' ? [{ type: 'text' as const, text: content }] : (content ?? []);
  const parts = pieces.map((piece, at): Item => {
    if (piece.type === 'text') return { type: 'output_text', text: piece.text };
    if (piece.type === 'refusal') return { type: 'refusal', refusal: piece.refusal };
    return reader.refuse(`${param}.content[${at}]`, 'expected text in an assistant message');
  });
  if (refusal) parts.push({ type: 'refusal', refusal });
  const said = parts.filter(({ text, refusal }) => text !== '' && refusal !== '');
  if (said.length === 0) return [];
  const plain = said.length === 1 ? said[0]!.text : undefined;
  return [{ role: 'assistant', content: plain ?? said }];
}

function callsOf({ tool_calls }: AssistantMessage, { custom }: InputContext, customCalls: Set<string>): Item[] {
  return (tool_calls ?? []).map(({ id, function: { name, arguments: text } }) => {
    if (!custom.has(name)) return { type: 'function_call', call_id: id, name, arguments: text };
    customCalls.add(id);
    return { type: 'custom_tool_call', call_id: id, name, input: text };
  });
}

function reasoningOf({ reasoning_details }: AssistantMessage, reader: Reader): Item[] {
  const details = reasoning_details ?? [];
  const own = details.filter(({ format }) => format === REASONING_FORMAT);
  if (own.length < details.length) reader.drop('reasoning_details');
  return reasoningItems(own as unknown as ReasoningDetail[]).map((item) => ({ ...item }));
}

/** This wire's own mark may be given as such; the hint that other wires share becomes one where the model takes it. */
function markOf(carrier: Record<string, unknown>, { reader, breakpoints }: InputContext): Item {
  if (carrier.prompt_cache_breakpoint) return { prompt_cache_breakpoint: carrier.prompt_cache_breakpoint };
  if (!cacheOf(carrier)) return {};
  if (breakpoints) return { prompt_cache_breakpoint: { mode: 'explicit' } };
  reader.drop('cache_control');
  return {};
}
