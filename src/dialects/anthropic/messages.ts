// The conversation of a Messages request as chat messages: results of tools become messages, calls and thoughts fields of the
// assistant's. Knows blocks and chat messages; no other field of the request.
// https://platform.claude.com/docs/en/api/messages/create#body-messages
import type { ContentPart, Message } from '../../core/chat.ts';
import type { ReasoningDetail } from '../../core/events.ts';
import { madeFrom } from '../../core/origin.ts';
import type { Block, MessagesRequest, WireMessage } from './schema.ts';
import { isPacked, OWN_FORMAT, unpack } from './thoughts.ts';

type BlockOf<Type extends Block['type']> = Extract<Block, { type: Type }>;
type Shown = BlockOf<'text' | 'image' | 'document' | 'search_result' | 'other'>;
type Cache = { cache_control?: BlockOf<'text'>['cache_control'] };

export function systemOf(system: MessagesRequest['system']): Message[] {
  if (!system || system.length === 0) return [];
  const content = typeof system === 'string' ? system : shownParts(system, 'system');
  return [madeFrom('system', { role: 'system', ...contentOf(content) })];
}

export function messagesOf(messages: WireMessage[]): Message[] {
  return messages.flatMap(({ role, content }, at): Message[] => {
    const path = `messages[${at}]`;
    if (typeof content === 'string') return [madeFrom(path, { role, content })];
    switch (role) {
      case 'user':
        return userMessages(content, path);
      case 'assistant':
        return assistantMessage(content, path);
      case 'system':
        return [madeFrom(path, { role, ...contentOf(shownParts(content, `${path}.content`)) })];
      default:
        return role satisfies never;
    }
  });
}

/** One text alone is no list: vendors that speak other wires take a string everywhere. A hint for the cache then is the message's. */
function contentOf(given: string | ContentPart[]): { content: string | ContentPart[] } & Cache {
  if (typeof given === 'string') return { content: given };
  const [only, ...others] = given;
  if (only?.type !== 'text' || others.length > 0) return { content: given };
  return { content: only.text, ...cached(only as Cache) };
}

function cached({ cache_control }: Cache): Cache {
  return cache_control ? { cache_control } : {};
}

// ---- the user -------------------------------------------------------------------------------------------------------

function userMessages(blocks: Block[], path: string): Message[] {
  const results = blocks.flatMap((block, at) =>
    block.type === 'tool_result' ? [resultMessage(block, `${path}.content[${at}]`)] : [],
  );
  const parts = shownParts(blocks, `${path}.content`);
  if (parts.length === 0 && results.length > 0) return results;
  return [...results, madeFrom(path, { role: 'user', ...contentOf(parts) })];
}

function resultMessage(
  { tool_use_id, content, is_error, cache_control }: BlockOf<'tool_result'>,
  path: string,
): Message {
  const parts = typeof content === 'string' ? content : shownParts((content ?? []).map(resultBlock), `${path}.content`);
  return madeFrom(path, {
    role: 'tool',
    tool_call_id: tool_use_id,
    ...(parts.length === 0 ? { content: '' } : contentOf(parts)),
    ...(is_error && { is_error: true }),
    ...cached({ cache_control }),
  });
}

/** What is unknown is the result of a tool all the same, and JSON is what other tools answer with. */
function resultBlock(block: Shown): Shown {
  return block.type === 'other' ? { type: 'text', text: JSON.stringify(block.given) } : block;
}

function shownParts(blocks: Block[], path: string): ContentPart[] {
  return blocks.flatMap((block, at) =>
    isShown(block) ? partsOf(block).map((part) => madeFrom(`${path}[${at}]`, part)) : [],
  );
}

function isShown(block: Block): block is Shown {
  switch (block.type) {
    case 'text':
    case 'image':
    case 'document':
    case 'search_result':
    case 'other':
      return true;
    case 'thinking':
    case 'redacted_thinking':
    case 'tool_use':
    case 'tool_result':
      return false;
    default:
      return block satisfies never;
  }
}

function partsOf(block: Shown): ContentPart[] {
  const cache = 'cache_control' in block ? cached(block as Cache) : {};
  switch (block.type) {
    case 'text':
      return [{ type: 'text', text: block.text, ...cache } as ContentPart];
    case 'image':
      return [{ ...imagePart(block.source), ...cache } as ContentPart];
    case 'document':
      return documentParts(block).map((part, at, all) =>
        at === all.length - 1 ? { ...part, ...cache } : part,
      ) as ContentPart[];
    case 'search_result': {
      const { title, source, content } = block;
      const text = [title, source, ...content.map((piece) => piece.text)].join('\n');
      return [{ type: 'text', text, ...cache } as ContentPart];
    }
    case 'other': {
      // A file at the vendor, or of a kind that no other wire has: a part without a source is refused by each, with its place.
      const { file_id } = block.given;
      return [{ type: 'file', file: typeof file_id === 'string' ? { file_id } : {} }];
    }
    default:
      return block satisfies never;
  }
}

function imagePart(source: BlockOf<'image'>['source']): ContentPart {
  switch (source.type) {
    case 'base64':
      return { type: 'image_url', image_url: { url: dataUri(source) } };
    case 'url':
      return { type: 'image_url', image_url: { url: source.url } };
    case 'file':
      return { type: 'file', file: { file_id: source.file_id } };
    default:
      return source satisfies never;
  }
}

function documentParts({ source, title, context }: BlockOf<'document'>): ContentPart[] {
  const filename = title ? { filename: title } : {};
  const about: ContentPart[] = context ? [{ type: 'text', text: context }] : [];
  switch (source.type) {
    case 'base64':
      return [...about, { type: 'file', file: { file_data: dataUri(source), ...filename } }];
    case 'text': {
      const data = Buffer.from(source.data).toString('base64');
      return [
        ...about,
        { type: 'file', file: { file_data: dataUri({ media_type: 'text/plain', data }), ...filename } },
      ];
    }
    case 'url':
      return [...about, { type: 'file', file: { file_url: source.url, ...filename } }];
    case 'file':
      return [...about, { type: 'file', file: { file_id: source.file_id, ...filename } }];
    case 'content': {
      const named: ContentPart[] = title ? [{ type: 'text', text: title }] : [];
      const { content } = source;
      return [
        ...about,
        ...named,
        ...(typeof content === 'string' ? [{ type: 'text' as const, text: content }] : content.flatMap(partsOf)),
      ];
    }
    default:
      return source satisfies never;
  }
}

function dataUri({ media_type, data }: { media_type: string; data: string }): string {
  return `data:${media_type};base64,${data}`;
}

// ---- the assistant --------------------------------------------------------------------------------------------------

/** The `id` of reasoning of this format that came after text; after a call it is the call's. The wire's own builder reads it. */
const AFTER_TEXT = 'text';

function assistantMessage(blocks: Block[], path: string): Message[] {
  const parts: ContentPart[] = [];
  const calls: NonNullable<Extract<Message, { role: 'assistant' }>['tool_calls']> = [];
  const details: ReasoningDetail[] = [];
  let unsigned = '';
  let cache: Cache = {};
  let before: string | undefined; // what stands in front of a thought
  for (const [at, block] of blocks.entries()) {
    const here = `${path}.content[${at}]`;
    const place = before === undefined ? {} : { id: before };
    switch (block.type) {
      case 'thinking': {
        const { thinking: text, signature } = block;
        if (isPacked(signature)) {
          const packed = unpack(signature);
          details.push(...packed);
          if (packed.length === 0) unsigned += text;
        } else if (signature) details.push({ format: OWN_FORMAT, ...place, type: 'reasoning.text', text, signature });
        else unsigned += text;
        break;
      }
      case 'redacted_thinking': {
        const { data } = block;
        if (isPacked(data)) details.push(...unpack(data));
        else details.push({ format: OWN_FORMAT, ...place, type: 'reasoning.encrypted', data });
        break;
      }
      case 'tool_use': {
        const { id, name, input } = block;
        calls.push(madeFrom(here, { id, type: 'function', function: { name, arguments: JSON.stringify(input) } }));
        cache = cached(block as Cache);
        before = id;
        break;
      }
      case 'other': {
        // The vendor's own tools and their results are behind what it then said. A summary of what was before them is not.
        const { type, content } = block.given;
        if (type === 'compaction' && typeof content === 'string') parts.push({ type: 'text', text: content });
        break;
      }
      case 'tool_result':
        break; // the user's, and no wire takes it from the assistant
      default:
        parts.push(...partsOf(block).map((part) => madeFrom(here, part)));
        if (block.type === 'text' && block.text !== '') before = AFTER_TEXT;
    }
  }
  if (parts.length === 0 && calls.length === 0 && details.length === 0) return [];
  return [
    madeFrom(path, {
      role: 'assistant',
      ...(parts.length === 0 ? { content: null } : contentOf(parts)),
      ...(calls.length > 0 && { tool_calls: calls }),
      ...(details.length > 0 && { reasoning_details: details }),
      // Open models want their plain thoughts back while the results of their calls come in, and only then.
      ...(unsigned !== '' && calls.length > 0 && { reasoning_content: unsigned }),
      ...cache,
    }),
  ];
}

// ---- back to the vendor itself --------------------------------------------------------------------------------------

/** The body as it came, less the thoughts of other vendors in it: their signatures are not the vendor's, who would refuse the request. */
export function ownWords(body: Record<string, unknown>): Record<string, unknown> {
  const messages = (body.messages as { content: unknown }[]).flatMap((message) => {
    const { content } = message;
    if (!Array.isArray(content) || !content.some(isOthers)) return [message];
    const own = content.filter((block) => !isOthers(block));
    return own.length > 0 ? [{ ...message, content: own }] : [];
  });
  return { ...body, messages };
}

function isOthers(block: { type?: unknown; signature?: unknown; data?: unknown }): boolean {
  if (block.type === 'thinking') return isPacked(block.signature);
  return block.type === 'redacted_thinking' && isPacked(block.data);
}
