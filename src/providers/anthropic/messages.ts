// A conversation as Messages wants it: system text apart, roles in turn, results first in the user's turn, each block in the order in
// which it was said. Knows the wire's turns; single blocks are in anthropic.content.ts, fields of the request elsewhere.
// https://platform.claude.com/docs/en/api/messages/create
import type Anthropic from '@anthropic-ai/sdk';
import type { ChatRequest } from '../../core/chat.ts';
import { mergeTurns, type Part, splitSystem, type Turn, turnsOf } from '../conversation.ts';
import type { Reader } from '../translate.ts';
import { AFTER_TEXT, REASONING_FORMAT } from './blocks.ts';
import { blockOf, saysSomething, textBlock } from './content.ts';
import type { ModelTraits } from './models.ts';

export interface Conversation {
  system: Anthropic.TextBlockParam[];
  messages: Anthropic.MessageParam[];
  /** It goes on inside an assistant turn that did not begin with thinking. */
  midTurn: boolean;
}

export function conversationOf(chat: ChatRequest, reader: Reader, traits: ModelTraits): Conversation {
  const said = turnsOf(chat, reader, REASONING_FORMAT)
    .map(asSaid)
    .filter(({ parts }) => parts.length > 0);
  const { system, turns } = traits.lateSystem ? arrange(said) : splitSystem(said);
  const messages = turns.map((turn) => messageOf(turn, reader)).filter(({ content }) => content.length > 0);
  const last = messages.findLastIndex(({ role }) => role !== 'system');
  if (last === -1) reader.refuse('messages', 'expected at least one message of the user');
  if (messages[last]!.role === 'assistant') settlePrefill(messages[last]!, chat, reader, traits);
  return { system: system.map(textBlock), messages, midTurn: isMidTurn(messages.slice(0, last + 1)) };
}

/**
 * Without text of white space alone, which the API refuses; the user's stays, to be refused by name. Reasoning that came after text
 * or after a call goes back there: its signature covers what stands in front of it too.
 */
function asSaid({ role, parts }: Turn): Turn {
  const thoughts = parts.filter((part) => part.type === 'reasoning');
  const others = parts.filter(
    (part) => part.type !== 'reasoning' && (part.type !== 'text' || role === 'user' || saysSomething(part)),
  );
  const calls = others.flatMap((part) => (part.type === 'tool-call' ? [part.id] : []));
  const after = (id: string) => thoughts.filter(({ detail }) => detail.id === id);
  const first = thoughts.filter(({ detail: { id } }) => id !== AFTER_TEXT && !calls.includes(id ?? ''));
  const isText = ({ type }: Part) => type === 'text' || type === 'media';
  return {
    role,
    parts: [
      ...first,
      ...others.filter(isText),
      ...after(AFTER_TEXT),
      ...others
        .filter((part) => !isText(part))
        .flatMap((part): Part[] => (part.type === 'tool-call' ? [part, ...after(part.id)] : [part])),
    ],
  };
}

/**
 * Instructions in the course of the conversation stay there, behind the user's turn that they stand next to, where the API wants
 * them. What is cached of the conversation so far stays valid, which it would not if the system text in front changed.
 * https://platform.claude.com/docs/en/build-with-claude/mid-conversation-system-messages
 */
function arrange(turns: Turn[]): ReturnType<typeof splitSystem> {
  const found = turns.findIndex(({ role }) => role !== 'system');
  const first = found === -1 ? turns.length : found;
  const arranged: Turn[] = [];
  let waiting: Turn[] = [];
  const place = () => {
    if (arranged.at(-1)?.role !== 'user') return;
    arranged.push(...waiting);
    waiting = [];
  };
  for (const turn of turns.slice(first)) {
    if (turn.role === 'system') waiting.push(turn);
    else {
      if (turn.role === 'assistant') place();
      arranged.push(turn);
    }
  }
  place();
  return { system: splitSystem([...turns.slice(0, first), ...waiting]).system, turns: mergeTurns(arranged) };
}

function messageOf({ role, parts }: Turn, reader: Reader): Anthropic.MessageParam {
  // The API wants results first, also where the user's words came in between.
  const ordered =
    role === 'user'
      ? [...parts.filter(({ type }) => type === 'tool-result'), ...parts.filter(({ type }) => type !== 'tool-result')]
      : parts;
  const content = ordered.flatMap((part) => blockOf(part, role, reader));
  if (content.length === 0 && role === 'user') reader.refuse(parts[0]!.param, 'this wire takes no empty message');
  return { role, content } as Anthropic.MessageParam;
}

/** A conversation that ends with the assistant asks to go on from there, which models of today refuse. */
function settlePrefill(message: Anthropic.MessageParam, chat: ChatRequest, reader: Reader, traits: ModelTraits): void {
  const content = message.content as Anthropic.ContentBlockParam[];
  if (content.some(({ type }) => type === 'tool_use')) return; // without the results: the API has its own words for that
  if (!traits.prefill) {
    const at = chat.messages.findLastIndex(({ role }) => role === 'assistant');
    reader.refuse(
      `messages[${at}]`,
      'this model does not go on from a message of the assistant; expected one of the user',
    );
  }
  const end = content.at(-1)!;
  if (end.type === 'text') end.text = end.text.trimEnd(); // the API insists
}

function isMidTurn(messages: Anthropic.MessageParam[]): boolean {
  const last = messages.at(-1)!;
  const isAnswering = last.role === 'user' && blocksOf(last)[0]?.type === 'tool_result';
  if (last.role === 'user' && !isAnswering) return false;
  const turn = messages.findLast(({ role }) => role === 'assistant');
  const start = turn && blocksOf(turn)[0]?.type;
  return last.role === 'assistant' || (start !== 'thinking' && start !== 'redacted_thinking');
}

function blocksOf({ content }: Anthropic.MessageParam): Anthropic.ContentBlockParam[] {
  return content as Anthropic.ContentBlockParam[];
}
