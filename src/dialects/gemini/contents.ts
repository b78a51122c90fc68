// Contents as messages: roles and parts of this API in the words that all wires share, function calls tied to their responses, also
// where neither has an id. Knows contents; no other field of the request.
// https://ai.google.dev/api/caching#Content https://ai.google.dev/gemini-api/docs/function-calling
import { z } from 'zod';
import type { ContentPart, Message } from '../../core/chat.ts';
import { GatewayError } from '../../core/errors.ts';
import type { ReasoningDetail } from '../../core/events.ts';
import { madeFrom } from '../../core/origin.ts';
import { detailsOf } from './signature.ts';

const blob = z.looseObject({ mimeType: z.string(), data: z.string(), displayName: z.string().nullish() });
const fileData = z.looseObject({
  fileUri: z.string().min(1),
  mimeType: z.string().nullish(),
  displayName: z.string().nullish(),
});
const media = { inlineData: blob.nullish(), fileData: fileData.nullish() };
const part = z.looseObject({
  text: z.string().nullish(),
  thought: z.boolean().nullish(),
  thoughtSignature: z.string().nullish(),
  functionCall: z
    .looseObject({
      id: z.string().nullish(),
      name: z.string().min(1),
      args: z.record(z.string(), z.unknown()).nullish(),
    })
    .nullish(),
  functionResponse: z
    .looseObject({
      id: z.string().nullish(),
      name: z.string().min(1),
      response: z.record(z.string(), z.unknown()).nullish(),
      parts: z.array(z.looseObject(media)).nullish(),
    })
    .nullish(),
  ...media,
});
export const content = z.looseObject({
  role: z.enum(['user', 'model', 'function', '']).nullish(),
  parts: z.array(part).nullish(),
});
export type Content = z.infer<typeof content>;
type Part = z.infer<typeof part>;
type Media = Pick<Part, 'inlineData' | 'fileData'>;
type Requested = NonNullable<Extract<Message, { role: 'assistant' }>['tool_calls']>[number];

/** A call that was made. `given`: its id as the client knows it. */
interface Called {
  id: string;
  given: string | undefined;
  name: string;
  answered: boolean;
}

const KNOWN = new Set([
  'text',
  'thought',
  'thoughtSignature',
  'functionCall',
  'functionResponse',
  ...Object.keys(media),
]);

export interface Conversation {
  messages: Message[];
  /** Parts, and fields of parts, that only this wire knows, by their path. */
  rest: Record<string, unknown>;
}

export function messagesOf(contents: Content[], systemInstruction: Content | null | undefined): Conversation {
  const rest: Record<string, unknown> = {};
  const calls: Called[] = [];
  const ids = new Set<string>();
  const messages: Message[] = [];
  let said: ModelTurn | undefined; // the model's turn that is being read: clients keep each chunk of a stream as a content

  function note(part: Part, path: string): void {
    for (const [name, value] of Object.entries(part)) {
      if (!KNOWN.has(name) && value != null) rest[`${path}.${name}`] = value;
    }
  }

  function idFor(given: string | null | undefined): string {
    if (given && !ids.has(given)) return given;
    let number = calls.length;
    while (ids.has(`call_${number}`)) number++;
    return `call_${number}`;
  }

  function call({ id: given, name, args }: NonNullable<Part['functionCall']>): Requested {
    const id = idFor(given);
    ids.add(id);
    calls.push({ id, given: given || undefined, name, answered: false });
    return { id, type: 'function', function: { name, arguments: JSON.stringify(args ?? {}) } };
  }

  /** By id; else the first of its name that has no response yet, and if all have one, the last: it answers in several. */
  function callOf({ id, name }: NonNullable<Part['functionResponse']>, path: string): Called {
    const named = calls.filter((one) => one.name === name);
    const found =
      (id ? named.findLast(({ given }) => given === id) : undefined) ??
      named.find(({ answered }) => !answered) ??
      named.at(-1);
    if (found === undefined) refuse(`${path}.functionResponse.name`, 'no content before this one calls this function');
    found.answered = true;
    return found;
  }

  const system = (systemInstruction?.parts ?? []).map((part, at) => {
    const path = `systemInstruction.parts[${at}]`;
    note(part, path);
    return part.text ?? refuse(path, 'expected text');
  });
  if (system.some((text) => text !== '')) {
    const parts = system.map((text) => ({ type: 'text' as const, text }));
    messages.push(
      madeFrom('systemInstruction', { role: 'system', content: parts.length === 1 ? parts[0]!.text : parts }),
    );
  }
  for (const [at, { role, parts }] of contents.entries()) {
    const asked: ContentPart[] = [];
    const results: Message[] = [];
    const isModel = role === 'model';
    if (!isModel) said = undefined;
    else if (said === undefined) {
      said = createModelTurn(`contents[${at}]`);
      messages.push(said.message);
    }
    for (const [index, part] of (parts ?? []).entries()) {
      const path = `contents[${at}].parts[${index}]`;
      note(part, path);
      if (said) said.add(part, path, part.functionCall ? call(part.functionCall) : undefined);
      else if (part.functionResponse)
        results.push(resultOf(part.functionResponse, callOf(part.functionResponse, path), `${path}.functionResponse`));
      else if (part.functionCall) refuse(`${path}.functionCall`, 'only the model calls functions');
      else asked.push(...contentOf(part, path));
    }
    messages.push(...results);
    if (asked.length > 0 || (!isModel && results.length === 0))
      messages.push(madeFrom(`contents[${at}]`, { role: 'user', content: plain(asked) }));
  }
  return { messages: messages.filter(saysSomething), rest };
}

function saysSomething(message: Message): boolean {
  if (message.role !== 'assistant') return true;
  return Boolean(message.content?.length || message.tool_calls || message.reasoning_details);
}

type ModelMessage = Extract<Message, { role: 'assistant' }>;

interface ModelTurn {
  message: ModelMessage;
  add(part: Part, path: string, called: Requested | undefined): void;
}

/** Grows in place while parts are added. */
function createModelTurn(start: string): ModelTurn {
  const said: ContentPart[] = [];
  const calls: Requested[] = [];
  const details: ReasoningDetail[] = [];
  let firstIsSigned = false;
  const message: ModelMessage = madeFrom(start, { role: 'assistant', content: null });
  return {
    message,
    add(part, path, called) {
      const signature = part.thoughtSignature ?? '';
      if (called) {
        calls.push(madeFrom(`${path}.functionCall`, called));
        message.tool_calls = calls;
        firstIsSigned ||= signature !== '';
      }
      // A signature behind calls that have none is that of the first, where the API looks for it.
      const owner = called?.id ?? (firstIsSigned || part.thought ? undefined : calls[0]?.id);
      details.push(...detailsOf(signature, owner));
      if (details.length > 0) message.reasoning_details = details;
      if (part.thought || called) return; // thoughts are not given back as text: what signs them is
      for (const piece of contentOf(part, path)) append(said, piece);
      message.content = plain(said);
    },
  };
}

/** Chunks of one text are one text again. */
function append(pieces: ContentPart[], piece: ContentPart): void {
  const last = pieces.at(-1);
  if (piece.type === 'text' && piece.text === '') return;
  if (piece.type === 'text' && last?.type === 'text') last.text += piece.text;
  else pieces.push(piece);
}

function plain(pieces: ContentPart[]): string | ContentPart[] {
  if (pieces.length === 0) return '';
  const [only] = pieces;
  return pieces.length === 1 && only!.type === 'text' ? only!.text : pieces;
}

function contentOf(part: Pick<Part, 'text' | 'inlineData' | 'fileData'>, path: string): ContentPart[] {
  const pieces: ContentPart[] =
    typeof part.text === 'string' ? [madeFrom(`${path}.text`, { type: 'text', text: part.text })] : [];
  return [...pieces, ...mediaOf(part, path)];
}

function mediaOf({ inlineData, fileData }: Media, path: string): ContentPart[] {
  if (inlineData) return [madeFrom(`${path}.inlineData`, bytesOf(inlineData))];
  return fileData ? [madeFrom(`${path}.fileData`, addressed(fileData))] : [];
}

function bytesOf({ mimeType, data: given, displayName }: z.infer<typeof blob>): ContentPart {
  const data = inBase64(given);
  const url = `data:${mimeType};base64,${data}`;
  const [kind, subtype = ''] = mimeType.toLowerCase().split(';')[0]!.split('/');
  if (kind === 'image') return { type: 'image_url', image_url: { url } };
  if (kind === 'audio') return { type: 'input_audio', input_audio: { data, format: AUDIO[subtype] ?? subtype } };
  return { type: 'file', file: { file_data: url, ...(displayName && { filename: displayName }) } };
}

function addressed({ fileUri, mimeType, displayName }: z.infer<typeof fileData>): ContentPart {
  const upload = UPLOAD.exec(fileUri)?.[1];
  if (upload) return { type: 'file', file: { file_id: upload } };
  if (mimeType?.startsWith('image/')) return { type: 'image_url', image_url: { url: fileUri } };
  return { type: 'file', file: { file_url: fileUri, ...(displayName && { filename: displayName }) } };
}

/** Those that have another name as a format than as a media type. */
const AUDIO: Record<string, string> = { mpeg: 'mp3', 'x-wav': 'wav', wave: 'wav', 'x-aac': 'aac', mp4: 'm4a' };

/** An upload at the provider, which no other can fetch. */
const UPLOAD = /^https:\/\/generativelanguage\.googleapis\.com\/v\w+\/(files\/[^/?#]+)$/;

/** Some clients write bytes in the alphabet for addresses, and the API takes both. */
function inBase64(data: string): string {
  return /[-_]/.test(data) ? data.replaceAll('-', '+').replaceAll('_', '/') : data;
}

function resultOf({ response, parts }: NonNullable<Part['functionResponse']>, { id }: Called, path: string): Message {
  const { output, error } = response ?? {};
  const failed = error !== undefined && output === undefined;
  const value = failed ? error : output === undefined ? (response ?? {}) : output;
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const attached = (parts ?? []).flatMap((part, at) => mediaOf(part, `${path}.parts[${at}]`));
  return madeFrom(path, {
    role: 'tool',
    tool_call_id: id,
    content: attached.length > 0 ? [{ type: 'text', text }, ...attached] : text,
    ...(failed && { is_error: true }),
  });
}

export function refuse(param: string, why: string): never {
  throw new GatewayError('invalid_request', `${param}: ${why}`, { param });
}
