// One part of a message as a block: text, media, thoughts, calls, results; and which blocks end a prefix worth caching. Knows blocks;
// no turns. https://platform.claude.com/docs/en/api/messages/create#body-messages
import type Anthropic from '@anthropic-ai/sdk';
import type { CacheHint, Part, ResultPart } from '../conversation.ts';
import type { Media } from '../media.ts';
import type { Reader } from '../translate.ts';

type MediaBlock = Anthropic.ImageBlockParam | Anthropic.DocumentBlockParam;
type TextPart = Extract<Part, { type: 'text' }>;
type ResultOf = Extract<Part, { type: 'tool-result' }>;

/** None for what says nothing, or what nobody here can read. */
export function blockOf(
  part: Part,
  role: 'system' | 'user' | 'assistant',
  reader: Reader,
): Anthropic.ContentBlockParam[] {
  switch (part.type) {
    case 'text':
      return saysSomething(part) ? [textBlock(part)] : [];
    case 'media':
      if (role !== 'user') return reader.refuse(part.param, 'this wire takes media from the user only');
      return [{ ...mediaBlock(part.media, part.param, reader), ...cached(part.cache) }];
    case 'reasoning':
      return thought(part, reader);
    case 'tool-call': {
      const { id, name, arguments: input, cache } = part;
      return [{ type: 'tool_use', id: plainId(id), name, input, ...cached(cache) }];
    }
    case 'tool-result':
      return [resultBlock(part, reader)];
    default:
      return part satisfies never;
  }
}

export function textBlock({ text, cache }: TextPart): Anthropic.TextBlockParam {
  return { type: 'text', text, ...cached(cache) };
}

/** The API refuses text of white space alone. */
export function saysSomething(part: TextPart): boolean {
  return part.text.trim() !== '';
}

function thought({ detail }: Extract<Part, { type: 'reasoning' }>, reader: Reader): Anthropic.ContentBlockParam[] {
  if (detail.type === 'reasoning.encrypted') return [{ type: 'redacted_thinking', data: detail.data }];
  if (detail.type === 'reasoning.text' && detail.signature) {
    return [{ type: 'thinking', thinking: detail.text, signature: detail.signature }];
  }
  reader.drop('reasoning_details'); // unsigned, so the API would refuse the request
  return [];
}

function resultBlock(part: ResultOf, reader: Reader): Anthropic.ToolResultBlockParam {
  const { id, content, isError, cache } = part;
  const said = content.filter((piece) => piece.type !== 'text' || saysSomething(piece));
  // Inside a result nothing can be marked for the cache; the result can.
  const mark = cache ?? content.findLast((piece) => piece.cache)?.cache;
  return {
    type: 'tool_result',
    tool_use_id: plainId(id),
    ...(said.length > 0 && { content: said.map((piece) => resultPiece(piece, reader)) }),
    ...(isError && { is_error: true }),
    ...cached(mark),
  };
}

function resultPiece(piece: ResultPart, reader: Reader): Anthropic.TextBlockParam | MediaBlock {
  return piece.type === 'text' ? { type: 'text', text: piece.text } : mediaBlock(piece.media, piece.param, reader);
}

/** Ids of other providers, from the start of a conversation that began there, may have characters that the API refuses. */
function plainId(id: string): string {
  return /^[\w-]+$/.test(id) ? id : `call_${Buffer.from(id).toString('base64url')}`;
}

// ---- media ----------------------------------------------------------------------------------------------------------

const IMAGE_TYPES = ['image/jpeg', 'image/png', 'image/gif', 'image/webp'] as const;
const IMAGE_NAME = /\.(jpe?g|png|gif|webp)$/i;

function mediaBlock(media: Media, param: string, reader: Reader): MediaBlock {
  const { kind, source, filename } = media;
  if (kind === 'audio') return reader.refuse(param, 'this wire takes no audio');
  if (media.detail && media.detail !== 'auto') reader.drop('image_url.detail');
  const title = filename && { title: filename };
  switch (source.from) {
    case 'id': {
      const file = { type: 'file', file_id: source.id } as const;
      const isImage = kind === 'image' || IMAGE_NAME.test(filename ?? '');
      return isImage ? { type: 'image', source: file } : { type: 'document', source: file, ...title };
    }
    case 'url': {
      const { url, mediaType = kind === 'image' ? 'image/png' : 'application/pdf' } = source;
      if (!/^https?:/i.test(url)) return reader.refuse(param, 'this wire takes addresses of the web only');
      if (mediaType.startsWith('image/')) return { type: 'image', source: { type: 'url', url } };
      if (kind === 'file' && mediaType === 'application/pdf') {
        return { type: 'document', source: { type: 'url', url }, ...title };
      }
      return reader.refuse(param, `this wire takes images and PDF by address, not ${mediaType}; send it as data`);
    }
    case 'data':
      return dataBlock(source.data, source.mediaType, title || {}, param, reader);
    default:
      return source satisfies never;
  }
}

function dataBlock(data: string, given: string, title: { title?: string }, param: string, reader: Reader): MediaBlock {
  const image = IMAGE_TYPES.find((type) => type === given);
  if (image) return { type: 'image', source: { type: 'base64', media_type: image, data } };
  if (given === 'application/pdf') {
    return { type: 'document', source: { type: 'base64', media_type: given, data }, ...title };
  }
  if (given.startsWith('text/') || given === 'application/json' || given === 'application/xml') {
    const text = Buffer.from(data, 'base64').toString();
    return { type: 'document', source: { type: 'text', media_type: 'text/plain', data: text }, ...title };
  }
  return reader.refuse(param, `this wire takes JPEG, PNG, GIF, WebP, PDF and text, not ${given}`);
}

// ---- cache marks ----------------------------------------------------------------------------------------------------

export function cached(cache: CacheHint | undefined): { cache_control?: Anthropic.CacheControlEphemeral } {
  return cache ? { cache_control: { type: 'ephemeral', ...cache } } : {};
}

const MAX_MARKS = 4;

/**
 * Of more marks than the API takes the first stays, which ends what changes least, and the last, whose prefixes are the longest.
 * `blocks` in the order of the prompt: tools, system, messages.
 */
export function thinMarks(blocks: { cache_control?: unknown }[], taken: number, reader: Reader): void {
  const marked = blocks.filter((block) => block.cache_control);
  const left = MAX_MARKS - taken;
  if (marked.length <= left) return;
  for (const block of marked.slice(1, marked.length - (left - 1))) delete block.cache_control;
  reader.drop('cache_control');
}
