// A conversation as content blocks. Knows turns and the API's blocks; no option of the request, no HTTP.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html
import { createHash } from 'node:crypto';
import { type CacheHint, type Part, splitSystem, type Turn } from '../conversation.ts';
import type { Reader } from '../translate.ts';
import { blockOf, createDocumentNames, type DocumentNames } from './media.ts';
import type { Traits } from './models.ts';

export interface CachePoint {
  cachePoint: { type: 'default'; ttl?: '1h' };
}

export interface Conversation {
  messages: { role: 'user' | 'assistant'; content: object[] }[];
  system: object[];
}

interface Context {
  reader: Reader;
  traits: Traits;
  names: DocumentNames;
}

export function conversationOf(turns: Turn[], reader: Reader, traits: Traits): Conversation {
  const context: Context = { reader, traits, names: createDocumentNames() };
  const { system, turns: spoken } = splitSystem(
    turns
      .map((turn) => (turn.role === 'user' ? turn : { ...turn, parts: turn.parts.filter(saysSomething) }))
      .filter(({ parts }) => parts.length > 0),
  );
  return {
    system: blocksOf(system, context),
    messages: spoken.map(({ role, parts }) => {
      // A user who says nothing at all still takes a turn, and it is the API's to complain.
      const said = parts.some(saysSomething) ? parts.filter(saysSomething) : parts;
      return { role: role === 'assistant' ? role : 'user', content: blocksOf(said, context) };
    }),
  };
}

/** The API refuses text of white space only. */
function saysSomething(part: Part): boolean {
  return part.type !== 'text' || part.text.trim() !== '';
}

function blocksOf(parts: Part[], context: Context): object[] {
  return parts.flatMap((part) => {
    const blocks = partBlocks(part, context);
    const hint =
      part.cache ?? (part.type === 'tool-result' ? part.content.find(({ cache }) => cache)?.cache : undefined);
    // There must be something in front of a cache point, and reasoning cannot be it.
    if (!hint || blocks.length === 0 || part.type === 'reasoning') return blocks;
    return [...blocks, ...cachePoints(hint, context)];
  });
}

function partBlocks(part: Part, context: Context): object[] {
  switch (part.type) {
    case 'text':
      return [{ text: part.text }];
    case 'media':
      return [blockOf(part.media, part.param, context.reader, context.names)];
    case 'reasoning':
      return reasoningBlocks(part.detail, context.reader);
    case 'tool-call': {
      const toolUseId = callId(part.id, context.traits);
      return [{ toolUse: { toolUseId, name: part.name, input: part.arguments } }];
    }
    case 'tool-result':
      return [resultBlock(part, context)];
    default:
      return part satisfies never;
  }
}

function resultBlock(part: Extract<Part, { type: 'tool-result' }>, context: Context): object {
  const { reader, traits } = context;
  const content = part.content.filter(saysSomething).flatMap((piece) => partBlocks(piece, context));
  if (part.isError && !traits.status) reader.drop('is_error');
  const failed = part.isError && traits.status;
  // A failure may not be one without words.
  if (failed && content.length === 0) content.push({ text: 'The tool failed.' });
  return { toolResult: { toolUseId: callId(part.id, traits), content, ...(failed && { status: 'error' }) } };
}

function reasoningBlocks(detail: Extract<Part, { type: 'reasoning' }>['detail'], reader: Reader): object[] {
  switch (detail.type) {
    case 'reasoning.text':
      if (detail.signature) {
        const { text, signature } = detail;
        return [{ reasoningContent: { reasoningText: { text, signature } } }];
      }
      break; // unsigned, it is not believed
    case 'reasoning.encrypted':
      return [{ reasoningContent: { redactedContent: Buffer.from(detail.data, 'latin1').toString('base64') } }];
    case 'reasoning.summary':
      break;
    default:
      detail satisfies never;
  }
  reader.drop('reasoning_details');
  return [];
}

/** Ids are given out by other providers too. One that the model would refuse becomes another, the same for call and result. */
function callId(id: string, { callId }: Traits): string {
  if (callId.test(id)) return id;
  return createHash('sha256').update(id).digest('hex').slice(0, 9);
}

export function cachePoints(hint: CacheHint, { reader, traits }: Pick<Context, 'reader' | 'traits'>): CachePoint[] {
  if (traits.cache === undefined) {
    reader.drop('cache_control');
    return [];
  }
  if (hint.ttl !== '1h') return [{ cachePoint: { type: 'default' } }];
  if (traits.cache === '1h') return [{ cachePoint: { type: 'default', ttl: '1h' } }];
  reader.drop('cache_control.ttl');
  return [{ cachePoint: { type: 'default' } }];
}
