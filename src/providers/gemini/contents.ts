// A conversation as this wire's contents: roles user and model, results of functions as parts of the user's, thought signatures on the
// parts that they came with. Knows the request's turns; no other field of it, no HTTP.
// https://ai.google.dev/api/caching#Content https://ai.google.dev/gemini-api/docs/thought-signatures
import type { Content, FunctionResponsePart, Part as WirePart } from '@google/genai';
import type { ChatRequest } from '../../core/chat.ts';
import { type Part, type ResultPart, type Turn, turnsOf } from '../conversation.ts';
import type { Media } from '../media.ts';
import type { Reader } from '../translate.ts';
import { GEMINI_FORMAT } from './chunk.ts';
import type { ModelTraits } from './models.ts';

export interface ContentsOptions {
  traits: ModelTraits;
  /** Vertex refuses the ids of calls and their results, and matches these by name and order. */
  ids: boolean;
}

interface Context extends ContentsOptions {
  reader: Reader;
  /** Where among all calls the one with an id stands. */
  order: Map<string, number>;
}

export function contentsOf(
  chat: ChatRequest,
  reader: Reader,
  options: ContentsOptions,
): { contents: Content[]; systemInstruction?: Content } {
  const turns = turnsOf(chat, reader, GEMINI_FORMAT);
  if (turns.some(({ parts }) => parts.some(({ cache }) => cache))) reader.drop('cache_control'); // caching is the provider's own affair
  const context: Context = { ...options, reader, order: orderOf(turns) };
  const system = turns.filter(({ role }) => role === 'system').flatMap(({ parts }) => parts);
  const contents = merged(turns.filter(({ role }) => role !== 'system').map((turn) => contentOf(turn, context)));
  if (contents.length === 0)
    reader.refuse('messages', 'expected a message of the user; system messages alone ask nothing');
  if (options.traits.signed) signCurrentTurn(contents);
  return {
    contents,
    ...(system.length > 0 && { systemInstruction: { parts: system.map((part) => ({ text: (part as Text).text })) } }),
  };
}

type Text = Extract<Part, { type: 'text' }>;
type Result = Extract<Part, { type: 'tool-result' }>;

function orderOf(turns: Turn[]): Map<string, number> {
  const calls = turns.flatMap(({ parts }) => parts).filter((part) => part.type === 'tool-call');
  return new Map(calls.map(({ id }, at) => [id, at]));
}

/** A content, and by which call each of its results is asked for; only results have any. */
interface Draft {
  role: 'user' | 'model';
  parts: WirePart[];
  results?: { at: number; parts: WirePart[] }[];
}

function contentOf({ role, parts }: Turn, context: Context): Draft {
  if (role === 'assistant') return { role: 'model', parts: modelParts(parts, context) };
  const results = parts.filter((part): part is Result => part.type === 'tool-result');
  if (results.length === 0) return { role: 'user', parts: parts.flatMap((part) => userPart(part, context)) };
  return {
    role: 'user',
    parts: [],
    results: results.map((part) => ({ at: context.order.get(part.id) ?? 0, parts: resultParts(part, context) })),
  };
}

/**
 * Neighbours become one: the API wants as many results in one content as there were calls in the content before it, in their order
 * where nothing else tells them apart. What the user says beside results stays by itself, for it begins a new turn.
 */
function merged(drafts: Draft[]): Content[] {
  const joined: Draft[] = [];
  for (const draft of drafts) {
    const last = joined.at(-1);
    if (last?.role !== draft.role || !last.results !== !draft.results) joined.push(draft);
    else {
      last.parts.push(...draft.parts);
      last.results?.push(...draft.results!);
    }
  }
  return joined.map(({ role, parts, results }) => ({
    role,
    parts: results ? results.sort((a, b) => a.at - b.at).flatMap((result) => result.parts) : parts,
  }));
}

function userPart(part: Part, { reader }: Context): WirePart[] {
  switch (part.type) {
    case 'text':
      return [{ text: part.text }];
    case 'media':
      return [mediaPart(part.media, reader)];
    default:
      return []; // the rest is the model's, or in a content of its own
  }
}

/** In the order in which the model says things: thoughts, text, calls. A signature without a call stands on an empty text, as it came. */
function modelParts(parts: Part[], context: Context): WirePart[] {
  const { reader, ids } = context;
  const calls = new Set(parts.flatMap((part) => (part.type === 'tool-call' ? part.id : [])));
  const thoughts: WirePart[] = [];
  const said: WirePart[] = [];
  const signed: WirePart[] = [];
  const called: WirePart[] = [];
  const signatures = new Map<string, string>();
  for (const part of parts) {
    if (part.type === 'reasoning') {
      const { detail } = part;
      if (detail.type === 'reasoning.encrypted') {
        if (detail.id === undefined) signed.push({ text: '', thoughtSignature: detail.data });
        else if (calls.has(detail.id)) signatures.set(detail.id, detail.data);
        else reader.drop('reasoning_details'); // of a call that the client took out
      } else if (detail.type === 'reasoning.text') {
        const { text, signature } = detail;
        thoughts.push({ text, thought: true, ...(signature && { thoughtSignature: signature }) });
      } else thoughts.push({ text: detail.summary, thought: true });
    } else if (part.type === 'tool-call') {
      const { id, name, arguments: args } = part;
      const signature = signatures.get(id);
      called.push({
        functionCall: { ...(ids && { id }), name, args },
        ...(signature !== undefined && { thoughtSignature: signature }),
      });
    } else said.push(...userPart(part, context));
  }
  return [...thoughts, ...said, ...signed, ...called];
}

function resultParts({ id, name, content, isError, param }: Result, context: Context): WirePart[] {
  const { reader, ids, traits } = context;
  if (name === undefined)
    return reader.refuse(`${param}.tool_call_id`, 'no message before this one has a call with this id');
  const text = content.flatMap((part) => (part.type === 'text' ? part.text : []));
  const media = content.flatMap((part: ResultPart) => (part.type === 'media' ? mediaPart(part.media, reader) : []));
  const response = isError ? { error: text.join('\n') } : responseOf(text.join('\n'));
  const inside = traits.signed && media.length > 0 && { parts: media as FunctionResponsePart[] };
  return [
    { functionResponse: { ...(ids && { id }), name, response, ...inside } },
    ...(traits.signed ? [] : media), // older models see an image only beside the response
  ];
}

/**
 * An object is the response itself; anything else is its `output`, as the API reads it. So is an object with a number that is too long
 * to be read exactly: as text it arrives as it was.
 */
function responseOf(text: string): Record<string, unknown> {
  if (text.trimStart().startsWith('{') && !/\d{16}/.test(text)) {
    try {
      return JSON.parse(text);
    } catch {
      // text that only looks like an object
    }
  }
  return { output: text };
}

/** Where uploads are addressed, whatever proxy stands in front of the API. */
const FILES = 'https://generativelanguage.googleapis.com/v1beta/';

function mediaPart({ source, detail }: Media, reader: Reader): WirePart {
  if (detail && detail !== 'auto') reader.drop('image_url.detail');
  switch (source.from) {
    case 'data':
      return { inlineData: { mimeType: source.mediaType, data: source.data } };
    case 'url':
      return { fileData: { fileUri: source.url, ...(source.mediaType && { mimeType: source.mediaType }) } };
    case 'id':
      return { fileData: { fileUri: /^files\//.test(source.id) ? FILES + source.id : source.id } };
    default:
      return source satisfies never;
  }
}

/** The documented stand-in, for calls that another model made or whose signature the client did not keep. */
const UNSIGNED = 'skip_thought_signature_validator';

/** Checked by the API since the last thing that the user said: the first call of each content. Without one it answers 400. */
export function signCurrentTurn(contents: Content[]): void {
  const from = contents.findLastIndex(
    ({ role, parts }) => role === 'user' && !parts?.some((part) => part.functionResponse),
  );
  for (const { parts } of contents.slice(from + 1)) {
    const first = parts?.find((part) => part.functionCall);
    if (first) first.thoughtSignature ??= UNSIGNED;
  }
}
