// UI messages, as a chat component keeps them, as the messages of a chat request: one message of theirs holds all steps of an answer,
// its calls with their results beside them. Knows both shapes; no stream, no HTTP.
// https://ai-sdk.dev/docs/reference/ai-sdk-core/ui-message
import { z } from 'zod';
import type { ContentPart, Message } from '../../core/chat.ts';
import { GatewayError } from '../../core/errors.ts';
import { madeFrom } from '../../core/origin.ts';

/** What the stream of this door put on a part (chunks.ts), back again; other keys are of other servers. */
const metadata = z
  .looseObject({
    millrace: z
      .looseObject({
        reasoning_details: z
          .array(z.looseObject({ type: z.string(), format: z.string().nullish(), id: z.string().nullish() }))
          .nullish(),
      })
      .nullish(),
  })
  .nullish();

const content = {
  type: z.string(),
  text: z.string().nullish(),
  url: z.string().nullish(),
  mediaType: z.string().nullish(),
  filename: z.string().nullish(),
  providerReference: z.record(z.string(), z.string()).nullish(),
};

/** Every kind of part in one: which fields a kind must have is asked where it is read, so that a complaint names one field. */
const part = z.looseObject({
  ...content,
  providerMetadata: metadata,
  toolName: z.string().nullish(),
  toolCallId: z.string().nullish(),
  state: z.string().nullish(),
  input: z.unknown().optional(),
  rawInput: z.unknown().optional(),
  output: z.unknown().optional(),
  errorText: z.string().nullish(),
  approval: z.looseObject({ approved: z.boolean().nullish(), reason: z.string().nullish() }).nullish(),
  callProviderMetadata: metadata,
  resultProviderMetadata: metadata,
  parts: z.array(z.looseObject(content)).nullish(),
});

export const uiMessage = z.looseObject({
  id: z.string().nullish(),
  role: z.enum(['system', 'user', 'assistant']),
  parts: z.array(part),
});

export type UiMessage = z.infer<typeof uiMessage>;
type Part = UiMessage['parts'][number];
type Piece = z.infer<z.ZodObject<typeof content>>;

/** For people only, or of a server that did more than talk to a model. `data-*` parts are of this kind too. */
const NOT_FOR_MODELS = new Set(['source-url', 'source-document', 'reasoning-file', 'custom']);

export function refuse(param: string, why: string): never {
  throw new GatewayError('invalid_request', `${param}: ${why}`, { param });
}

export function chatMessages(messages: UiMessage[]): Message[] {
  const lastUser = messages.findLastIndex(({ role }) => role === 'user');
  return messages.flatMap(({ role, parts }, at): Message[] => {
    const path = `messages[${at}]`;
    switch (role) {
      case 'system':
        return [madeFrom(path, { role, content: systemText(parts, `${path}.parts`) })];
      case 'user':
        return [madeFrom(path, { role, content: plain(pieces(parts, `${path}.parts`)) })];
      case 'assistant':
        return assistantMessages(parts, path, at < lastUser);
      default:
        return role satisfies never;
    }
  });
}

function systemText(parts: Part[], path: string): string {
  return pieces(parts, path)
    .map((piece, at) => (piece.type === 'text' ? piece.text : refuse(`${path}[${at}]`, 'expected text')))
    .join('');
}

function pieces(parts: Piece[], path: string): ContentPart[] {
  return parts.flatMap((piece, at) => pieceOf(piece, `${path}[${at}]`));
}

function pieceOf(piece: Piece, path: string): ContentPart[] {
  if (piece.type === 'text')
    return piece.text === '' ? [] : [madeFrom(path, { type: 'text', text: textIn(piece, path) })];
  if (piece.type === 'file') return [madeFrom(path, fileOf(piece, path))];
  if (!isForModels(piece.type)) return [];
  return refuse(`${path}.type`, `${JSON.stringify(piece.type.slice(0, 64))} is no part that a model can be given here`);
}

function isForModels(type: string): boolean {
  return !NOT_FOR_MODELS.has(type) && !type.startsWith('data-');
}

function textIn({ text }: Piece, path: string): string {
  return text ?? refuse(`${path}.text`, 'expected a string');
}

/** Which of the kinds of the chat request, the media type says; it may be a whole one or `image` alone. */
function fileOf({ url, mediaType, filename, providerReference }: Piece, path: string): ContentPart {
  const name = filename ? { filename } : {};
  const uploaded = Object.values(providerReference ?? {});
  if (uploaded.length === 1) return { type: 'file', file: { file_id: uploaded[0]!, ...name } };
  if (!url) return refuse(`${path}.url`, 'expected a data URI or an address');
  const isData = /^data:/i.test(url.slice(0, 5));
  if (!isData && !/^(https?|gs|s3):/i.test(url.slice(0, 6))) {
    return refuse(`${path}.url`, 'expected a data URI or an address that the provider can reach');
  }
  const type = mediaType || (isData ? url.slice(5, 64) : '');
  if (/^image\b/i.test(type)) return { type: 'image_url', image_url: { url } };
  if (!isData) return { type: 'file', file: { file_url: url, ...name } };
  const sound = /^data:audio\/(?:x-)?([\w.+-]+)(?:;[^,]*)?;base64,/i.exec(url.slice(0, 256));
  if (!sound) return { type: 'file', file: { file_data: url, ...name } };
  const format = sound[1]!.toLowerCase();
  const data = url.slice(sound[0].length);
  return { type: 'input_audio', input_audio: { data, format: format === 'mpeg' ? 'mp3' : format } };
}

/** Text alone goes as a string: some vendors of older make take nothing else. */
function plain(parts: ContentPart[]): string | ContentPart[] {
  const [only, ...more] = parts;
  if (only === undefined) return '';
  return only.type === 'text' && more.length === 0 ? only.text : parts;
}

type AssistantMessage = Extract<Message, { role: 'assistant' }>;

/** One answer of the model, and what its calls came to. */
interface Step {
  content: ContentPart[];
  calls: NonNullable<AssistantMessage['tool_calls']>;
  details: NonNullable<AssistantMessage['reasoning_details']>;
  results: Message[];
}

const emptyStep = (): Step => ({ content: [], calls: [], details: [], results: [] });

/** `passed`: the user has gone on since, so nobody will answer what is still open. */
function assistantMessages(parts: Part[], path: string, passed: boolean): Message[] {
  const messages: Message[] = [];
  let step = emptyStep();
  for (const [at, part] of parts.entries()) {
    const where = `${path}.parts[${at}]`;
    if (part.type === 'step-start') {
      messages.push(...stepMessages(step, path));
      step = emptyStep();
    } else if (part.type === 'steering-message') {
      messages.push(...stepMessages(step, path));
      messages.push(madeFrom(where, { role: 'user', content: plain(pieces(part.parts ?? [], `${where}.parts`)) }));
      step = emptyStep();
    } else addPart(step, part, where, passed);
  }
  messages.push(...stepMessages(step, path));
  return messages;
}

function addPart(step: Step, part: Part, path: string, passed: boolean): void {
  const name = part.type === 'dynamic-tool' ? (part.toolName ?? '') : toolName(part.type);
  if (name !== undefined) {
    addCall(step, part, name || refuse(`${path}.toolName`, 'expected the name of the tool'), path, passed);
    return;
  }
  step.details.push(...(part.providerMetadata?.millrace?.reasoning_details ?? []));
  // What was thought aloud is for the reader; the model is given what it signed.
  if (part.type !== 'reasoning') step.content.push(...pieceOf(part, path));
}

function toolName(type: string): string | undefined {
  return type.startsWith('tool-') ? type.slice('tool-'.length) : undefined;
}

function addCall(step: Step, part: Part, name: string, path: string, passed: boolean): void {
  if (part.state === 'input-streaming') return; // cut off in its arguments: there is nothing to call
  const id = part.toolCallId || refuse(`${path}.toolCallId`, 'expected the id of the call');
  const result = resultOf(part, path, passed);
  const carried = part.callProviderMetadata ?? part.resultProviderMetadata;
  step.details.push(...(carried?.millrace?.reasoning_details ?? []));
  const args = argumentsText(part.input ?? part.rawInput);
  step.calls.push(madeFrom(path, { id, type: 'function', function: { name, arguments: args } }));
  step.results.push(madeFrom(path, { role: 'tool', tool_call_id: id, ...result }));
}

/** Arguments are an object on every wire; what the model wrote instead is kept in one, for it to see. */
function argumentsText(input: unknown): string {
  if (input === undefined || input === null) return '{}';
  return JSON.stringify(typeof input === 'object' && !Array.isArray(input) ? input : { input });
}

function resultOf({ state, output, errorText, approval }: Part, path: string, passed: boolean) {
  const failed = (content: string) => ({ content, is_error: true });
  const denied = () => failed(approval?.reason || 'The user denied this call.');
  switch (state) {
    case 'output-available':
      return { content: typeof output === 'string' ? output : JSON.stringify(output ?? null) };
    case 'output-error':
      return failed(errorText || 'The tool failed.');
    case 'output-denied':
      return denied();
    case 'approval-responded':
      if (approval?.approved === false) return denied();
      break;
    case 'input-available':
    case 'approval-requested':
      break;
    default:
      return refuse(`${path}.state`, 'expected a state of a tool part');
  }
  // Every wire wants each call answered, and a conversation must not end at a question that nobody answers any more.
  if (passed) return failed('There is no result: the user went on without it.');
  return refuse(path, 'this call has no output yet; tools run in the client, which adds it before it sends');
}

function stepMessages({ content, calls, details, results }: Step, path: string): Message[] {
  if (content.length === 0 && calls.length === 0) return [];
  return [
    madeFrom(path, {
      role: 'assistant',
      content: content.length === 0 ? null : plain(content),
      ...(calls.length > 0 && { tool_calls: calls }),
      ...(details.length > 0 && { reasoning_details: details }),
    }),
    ...results,
  ];
}
