// The input of a Responses request as messages: what a model gave out in one turn (text, calls, reasoning) is one message of the
// assistant again, and outputs of calls are tool messages. Items and parts that a chat has no place for are kept under their path, for
// other wires to refuse by name. Knows items; no other field.
// https://platform.openai.com/docs/api-reference/responses/create#responses-create-input
import { z } from 'zod';
import type { ContentPart, Message } from '../../core/chat.ts';
import { GatewayError } from '../../core/errors.ts';
import type { ReasoningDetail } from '../../core/events.ts';
import { madeFrom } from '../../core/origin.ts';
import { isSealed, unseal } from './reasoning.ts';
import type { Fields } from './response.ts';

/** How the reasoning of this wire's own models is kept. */
const OWN_FORMAT = 'openai-responses-v1';

/** What is of no known kind is wrapped, so that it passes the check and is found again. */
function known(kinds: ReadonlySet<string>, kindOf: (given: Fields) => unknown) {
  return (given: unknown) => {
    if (typeof given !== 'object' || given === null) return given;
    const type = kindOf(given as Fields);
    return typeof type === 'string' && kinds.has(type) ? { ...given, type } : { type: 'other', given };
  };
}

const other = z.object({ type: z.literal('other'), given: z.unknown() });
const cacheable = { prompt_cache_breakpoint: z.looseObject({}).nullish() };
const part = z.preprocess(
  known(
    new Set(['input_text', 'output_text', 'text', 'refusal', 'input_image', 'input_file', 'input_audio']),
    ({ type }) => type,
  ),
  z.discriminatedUnion('type', [
    z.looseObject({ type: z.enum(['input_text', 'output_text', 'text']), text: z.string(), ...cacheable }),
    z.looseObject({ type: z.literal('refusal'), refusal: z.string() }),
    z.looseObject({
      type: z.literal('input_image'),
      image_url: z.string().min(1).nullish(),
      file_id: z.string().min(1).nullish(),
      detail: z.string().nullish(),
      ...cacheable,
    }),
    z.looseObject({
      type: z.literal('input_file'),
      file_data: z.string().nullish(),
      file_url: z.string().nullish(),
      file_id: z.string().nullish(),
      filename: z.string().nullish(),
      ...cacheable,
    }),
    z.looseObject({
      type: z.literal('input_audio'),
      input_audio: z.looseObject({ data: z.string(), format: z.string() }),
    }),
    other,
  ]),
);
type Part = z.infer<typeof part>;

const content = z.union([z.string(), z.array(part)]);
const texts = z.array(z.looseObject({ text: z.string() })).nullish();
const call_id = z.string().min(1);
const item = z.preprocess(
  known(
    new Set([
      'message',
      'function_call',
      'function_call_output',
      'custom_tool_call',
      'custom_tool_call_output',
      'reasoning',
    ]),
    ({ type, id, role }) => type ?? (role === undefined && id !== undefined ? 'item_reference' : 'message'),
  ),
  z.discriminatedUnion('type', [
    z.looseObject({
      type: z.literal('message'),
      role: z.enum(['user', 'assistant', 'system', 'developer']),
      content,
    }),
    z.looseObject({ type: z.literal('function_call'), call_id, name: z.string(), arguments: z.string() }),
    z.looseObject({ type: z.literal('custom_tool_call'), call_id, name: z.string(), input: z.string() }),
    z.looseObject({ type: z.enum(['function_call_output', 'custom_tool_call_output']), call_id, output: content }),
    z.looseObject({
      type: z.literal('reasoning'),
      id: z.string().nullish(),
      summary: texts,
      content: texts,
      encrypted_content: z.string().nullish(),
    }),
    other,
  ]),
);
type Item = z.infer<typeof item>;
type AssistantMessage = Extract<Message, { role: 'assistant' }>;

export const inputField = z.union([z.string(), z.array(item)]).nullish();

/** While it is put together. */
type Turn = AssistantMessage & {
  content: ContentPart[];
  tool_calls: NonNullable<AssistantMessage['tool_calls']>;
  reasoning_details: ReasoningDetail[];
};

export interface Conversation {
  messages: Message[];
  /** What a chat has no place for, by its path: `input[3].content[0]`. */
  foreign: Fields;
}

export function messagesOf(input: string | Item[]): Conversation {
  const messages: Message[] = [];
  const foreign: Fields = {};
  if (typeof input === 'string') return { messages: [madeFrom('input', { role: 'user', content: input })], foreign };

  /** The message that a model's items are joined to: what comes up to the next item that is not its own. */
  function turn(param: string): Turn {
    const last = messages.at(-1);
    if (last?.role === 'assistant') return last as Turn;
    const fresh: Turn = { role: 'assistant', content: [], tool_calls: [], reasoning_details: [] };
    messages.push(madeFrom(param, fresh));
    return fresh;
  }

  const partsOf = (given: string | Part[], param: string) =>
    typeof given === 'string'
      ? [madeFrom(param, text(given))]
      : given.flatMap((piece, at) => {
          const path = `${param}[${at}]`;
          return partOf(piece, path, foreign).map((part) => madeFrom(path, part));
        });

  for (const [at, given] of input.entries()) {
    const param = `input[${at}]`;
    switch (given.type) {
      case 'message':
        if (given.role === 'assistant') turn(param).content.push(...partsOf(given.content, `${param}.content`));
        else messages.push(madeFrom(param, { role: given.role, content: partsOf(given.content, `${param}.content`) }));
        break;
      case 'function_call':
      case 'custom_tool_call': {
        const { call_id: id, name } = given;
        const said = given.type === 'function_call' ? given.arguments : given.input;
        const path = `${param}.${given.type === 'function_call' ? 'arguments' : 'input'}`;
        turn(param).tool_calls.push(madeFrom(path, { id, type: 'function', function: { name, arguments: said } }));
        break;
      }
      case 'function_call_output':
      case 'custom_tool_call_output': {
        const output = typeof given.output === 'string' ? given.output : partsOf(given.output, `${param}.output`);
        messages.push(madeFrom(param, { role: 'tool', tool_call_id: given.call_id, content: output }));
        break;
      }
      case 'reasoning': {
        const details = detailsOf(given, `${param}.encrypted_content`);
        if (details.length > 0) turn(param).reasoning_details.push(...details);
        break;
      }
      case 'other':
        checkReference(given.given as Fields, param);
        foreign[param] = given.given;
        break;
      default:
        given satisfies never;
    }
  }
  for (const message of messages) simplify(message);
  return { messages, foreign };
}

/** Takes out what is empty; text alone stays text, which every vendor of every wire takes. */
function simplify(message: Message): void {
  const [only, ...more] = Array.isArray(message.content) ? message.content : [];
  if (only?.type === 'text' && more.length === 0 && !only.cache_control) message.content = only.text;
  if (message.role !== 'assistant') return;
  if (!message.content?.length) message.content = null;
  if (!message.tool_calls?.length) delete message.tool_calls;
  if (!message.reasoning_details?.length) delete message.reasoning_details;
}

const text = (said: string): ContentPart => ({ type: 'text', text: said });

function partOf(piece: Part, param: string, foreign: Fields): ContentPart[] {
  switch (piece.type) {
    case 'input_text':
    case 'output_text':
    case 'text':
      return [{ ...text(piece.text), ...hintOf(piece) }];
    case 'refusal':
      return [{ type: 'refusal', refusal: piece.refusal }];
    case 'input_image': {
      const { image_url, file_id, detail } = piece;
      if (image_url)
        return [{ type: 'image_url', image_url: { url: image_url, ...(detail && { detail }) }, ...hintOf(piece) }];
      if (file_id) return [{ type: 'file', file: { file_id }, ...hintOf(piece) }];
      return refuse(param, 'expected image_url or file_id');
    }
    case 'input_file': {
      const { file_data, file_url, file_id, filename } = piece;
      return [{ type: 'file', file: { file_data, file_url, file_id, filename }, ...hintOf(piece) }];
    }
    case 'input_audio':
      return [{ type: 'input_audio', input_audio: piece.input_audio }];
    case 'other':
      foreign[param] = piece.given;
      return [];
    default:
      return piece satisfies never;
  }
}

function refuse(param: string, why: string): never {
  throw new GatewayError('invalid_request', `${param}: ${why}`, { param });
}

/** This wire's mark of where the prompt is worth caching, as all wires know it. */
function hintOf(piece: { prompt_cache_breakpoint?: object | null }): { cache_control?: { type: 'ephemeral' } } {
  return piece.prompt_cache_breakpoint ? { cache_control: { type: 'ephemeral' } } : {};
}

/** A summary alone tells a model nothing. */
function detailsOf(given: Extract<Item, { type: 'reasoning' }>, param: string): ReasoningDetail[] {
  const { id, summary, content, encrypted_content: data } = given;
  if (isSealed(data)) return unseal(data) ?? refuse(param, 'it is not what was given out');
  if (!data && !content?.length) return [];
  const common = { format: OWN_FORMAT, ...(id && { id }) };
  return [
    ...(summary ?? []).map((part) => ({ type: 'reasoning.summary' as const, summary: part.text, ...common })),
    ...(data ? [] : (content ?? [])).map((part) => ({ type: 'reasoning.text' as const, text: part.text, ...common })),
    ...(data ? [{ type: 'reasoning.encrypted' as const, data, ...common }] : []),
  ];
}

/** Ids that are made here: no provider knows what they stand for. */
const MADE_HERE = /^(msg|rs|fc|ctc)_str_/;

function checkReference({ type, id }: Fields, param: string): void {
  if ((type ?? 'item_reference') !== 'item_reference' || !MADE_HERE.test(String(id))) return;
  refuse(param, 'nothing is stored here; expected the item itself (an SDK sends it if told not to store)');
}

/** Input for a provider of this wire, in the client's words: without the reasoning of others, which it could not verify. */
export function ownItems(input: unknown[]): unknown[] {
  return input.filter((given) => {
    const { type, id, encrypted_content } = (given ?? {}) as Fields;
    return type !== 'reasoning' || !(isSealed(encrypted_content) || MADE_HERE.test(String(id)));
  });
}
