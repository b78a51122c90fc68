// A conversation as the AI SDK's specification words it, versions 2 to 4: tool results in messages of their own, media as files whose
// form differs by version. Knows the specification's prompt; no package, no other field of the request.
// https://github.com/vercel/ai/tree/main/packages/provider/src/language-model
import type { ReasoningDetail } from '../../core/events.ts';
import type { Part, ResultPart, Turn } from '../conversation.ts';
import type { Media } from '../media.ts';
import type { Reader } from '../translate.ts';

/** Of the specification that a package's models follow. */
export type SpecVersion = 'v2' | 'v3' | 'v4';

export interface PromptContext {
  version: SpecVersion;
  /** Under which packages look for their own: uploads are named by it. */
  vendor: string;
  reader: Reader;
}

type Fields = Record<string, unknown>;
type Message = { role: 'system'; content: string } | { role: 'user' | 'assistant' | 'tool'; content: Fields[] };

export function promptOf(turns: Turn[], context: PromptContext): Message[] {
  const messages: Message[] = [];
  for (const { role, parts } of turns) {
    if (parts.some(({ cache }) => cache)) context.reader.drop('cache_control');
    if (role === 'system') {
      const texts = parts.map((part) => (part.type === 'text' ? part.text : ''));
      messages.push({ role, content: texts.join('\n\n') });
    } else if (role === 'assistant') {
      messages.push({ role, content: assistantParts(parts, context) });
    } else if (parts.every(({ type }) => type === 'tool-result')) {
      // Results of parallel calls belong into one message.
      const results = parts.map((part) => partOf(part, context));
      const last = messages.at(-1);
      if (last?.role === 'tool') last.content.push(...results);
      else messages.push({ role: 'tool', content: results });
    } else {
      messages.push({ role, content: parts.map((part) => partOf(part, context)) });
    }
  }
  return messages;
}

/** What a package said of a part goes back on that part: of reasoning, of the tool call with its id, of the text. */
function assistantParts(parts: Part[], context: PromptContext): Fields[] {
  const said = parts.flatMap((part) => (part.type === 'reasoning' ? [{ detail: part.detail, param: part.param }] : []));
  const content = parts
    .filter((part) => part.type !== 'reasoning' || part.detail.type === 'reasoning.text')
    .map((part) => partOf(part, context));
  const ofText = said.filter(({ detail }) => detail.type === 'reasoning.encrypted' && !detail.id);
  for (const { detail, param } of said) {
    if (detail.type === 'reasoning.text') continue;
    const carrier =
      detail.type === 'reasoning.encrypted'
        ? content.find((part) => (detail.id ? part.toolCallId === detail.id : part.type === 'text'))
        : undefined;
    // Texts that were streamed apart came back as one: what was said of one of them is not true of the whole.
    if (!carrier || (!detail.id && ofText.length > 1)) context.reader.drop('reasoning_details');
    else carrier.providerOptions = optionsOf(detail, param, context.reader);
  }
  return content;
}

function partOf(part: Part, context: PromptContext): Fields {
  switch (part.type) {
    case 'text':
      return { type: 'text', text: part.text };
    case 'media':
      return mediaPart(part.media, part.param, context);
    case 'reasoning': {
      const providerOptions = optionsOf(part.detail, part.param, context.reader);
      const text = 'text' in part.detail ? part.detail.text : '';
      return { type: 'reasoning', text, ...(providerOptions && { providerOptions }) };
    }
    case 'tool-call':
      return { type: 'tool-call', toolCallId: part.id, toolName: part.name, input: part.arguments };
    case 'tool-result': {
      const { id, name, content, param } = part;
      const why = 'expected the id of a tool call in a message before it';
      const toolName = name ?? context.reader.refuse(`${param}.tool_call_id`, why);
      return { type: 'tool-result', toolCallId: id, toolName, output: outputOf(content, context) };
    }
    default:
      return part satisfies never;
  }
}

function optionsOf(detail: ReasoningDetail, param: string, reader: Reader): Fields | undefined {
  const [field, text] =
    detail.type === 'reasoning.encrypted'
      ? ['data', detail.data]
      : ['signature', 'signature' in detail && detail.signature];
  if (!text) return undefined;
  let options: unknown;
  try {
    options = JSON.parse(text);
  } catch {
    options = undefined;
  }
  if (typeof options === 'object' && options !== null) return options as Fields;
  return reader.refuse(`${param}.${field}`, 'expected what the reasoning detail said, unchanged');
}

function mediaPart(media: Media, param: string, context: PromptContext): Fields {
  const { reader, version, vendor } = context;
  const { source, filename } = media;
  if (media.detail && media.detail !== 'auto') reader.drop('image_url.detail');
  const file = { type: 'file', ...(filename && { filename }) };
  const tagged = version === 'v4';
  switch (source.from) {
    case 'data': {
      const { data, mediaType } = source;
      return { ...file, mediaType, data: tagged ? { type: 'data', data } : data };
    }
    case 'url': {
      const url = addressOf(source.url, param, reader);
      return { ...file, mediaType: typeOf(media, version), data: tagged ? { type: 'url', url } : url };
    }
    case 'id': {
      if (!tagged) return reader.refuse(param, `version ${version} of the specification has no files by id`);
      const data = { type: 'reference', reference: { [vendor]: source.id } };
      return { ...file, mediaType: typeOf(media, version), data };
    }
    default:
      return source satisfies never;
  }
}

function addressOf(url: string, param: string, reader: Reader): URL {
  return URL.parse(url) ?? reader.refuse(param, 'expected an address (https://…)');
}

/** The kind alone where no ending tells more, as each version writes that. */
function typeOf({ kind, source }: Media, version: SpecVersion): string {
  if (source.from === 'url' && source.mediaType) return source.mediaType;
  if (kind === 'file') return 'application/octet-stream';
  return version === 'v4' ? kind : `${kind}/*`;
}

function outputOf(content: ResultPart[], context: PromptContext): Fields {
  const texts = content.filter((part) => part.type === 'text');
  if (texts.length === content.length) return { type: 'text', value: texts.map(({ text }) => text).join('') };
  return { type: 'content', value: content.map((part) => outputPart(part, context)) };
}

function outputPart(part: ResultPart, context: PromptContext): Fields {
  if (part.type === 'text') return { type: 'text', text: part.text };
  const { version, reader } = context;
  const { media, param } = part;
  const { kind, source, filename } = media;
  if (version === 'v4') return mediaPart(media, param, context);
  const form = kind === 'image' ? 'image' : 'file';
  if (source.from === 'data') {
    const { data, mediaType } = source;
    if (version === 'v2') return { type: 'media', data, mediaType };
    return { type: `${form}-data`, data, mediaType, ...(form === 'file' && filename && { filename }) };
  }
  if (source.from === 'url' && version === 'v3') return { type: `${form}-url`, url: source.url };
  return reader.refuse(param, `version ${version} of the specification takes the bytes only: expected a data URI`);
}
