// What is said: turns a plan and a request into pieces of one token each, the same ones on every call.
// Knows no wire's framing, no pace and no fault.
import { randomBytes } from 'node:crypto';
import type { Plan } from './plan.ts';
import { sampleOf } from './schema.ts';
import type { Asked } from './wire.ts';

/** One token's worth of an answer. `call` numbers the tool calls of one answer. */
export type Piece =
  | { kind: 'text' | 'reasoning' | 'refusal'; text: string }
  | { kind: 'call'; call: number; id: string; name: string }
  | { kind: 'arguments'; call: number; text: string };

/** Indexed rather than an array, so that ten million tokens of lorem cost no memory. */
export interface Choice {
  length: number;
  reasoning: number;
  piece(index: number): Piece;
  /** Null where the plan wants no reason given. */
  finish: 'stop' | 'length' | 'tool-calls' | 'content-filter' | null;
  /** The stop sequence that ended it. */
  stop: string | null;
}

export interface Tokens {
  prompt: number;
  completion: number;
  reasoning: number;
}

export interface Answer {
  choices: Choice[];
  /** What is billed when all of it was sent. */
  tokens: Tokens;
}

export function composeAnswer(plan: Plan, asked: Asked): Answer {
  const choices = Array.from({ length: asked.choices }, (_, index) => composeChoice(plan, asked, index));
  return {
    choices,
    tokens: {
      prompt: asked.promptTokens,
      completion: choices.reduce((sum, choice) => sum + choice.length, 0),
      reasoning: choices.reduce((sum, choice) => sum + choice.reasoning, 0),
    },
  };
}

function composeChoice(plan: Plan, asked: Asked, index: number): Choice {
  let content = composeContent(plan, asked, index);
  if (asked.stops.length > 0) content = stopAt(content, asked.stops);
  const thinking = plan.reasoning;
  const wanted = thinking + content.length;
  const length = Math.min(wanted, asked.maxTokens ?? wanted);
  const natural = length < wanted ? 'length' : content.finish;
  return {
    length,
    reasoning: Math.min(thinking, length),
    piece: (i) => (i < thinking ? { kind: 'reasoning', text: thought(i) } : content.piece(i - thinking)),
    finish: plan.finish === 'natural' ? natural : plan.finish === 'none' ? null : plan.finish,
    stop: plan.finish === 'natural' && natural === 'stop' ? (content.stop ?? null) : null,
  };
}

interface Content {
  length: number;
  piece(index: number): Piece;
  finish: 'stop' | 'tool-calls';
  stop?: string;
}

function composeContent(plan: Plan, asked: Asked, choice: number): Content {
  switch (plan.content.kind) {
    case 'lorem':
      return { length: plan.content.tokens, piece: (i) => lorem(i, choice), finish: 'stop' };
    case 'echo':
      return spoken(tokenize(asked.lastUserText));
    case 'json':
      return spoken(tokenize(JSON.stringify(asked.schema === null ? { answer: 'lorem' } : sampleOf(asked.schema))));
    case 'refusal':
      return listed(tokenize("I'm sorry, but I can't help with that.").map((text) => ({ kind: 'refusal', text })));
    case 'huge':
      return spoken(['x'.repeat(plan.content.bytes)]);
    case 'tools':
      return useTools(asked, plan.content.calls);
    case 'replay':
      return listed([]); // the recording speaks
    default:
      return plan.content satisfies never;
  }
}

function useTools(asked: Asked, wanted: number): Content {
  if (asked.toolResult !== null) return spoken(tokenize(`The tool answered: ${asked.toolResult}`));
  if (asked.tools === null) return spoken(tokenize('I was told not to call a tool.'));
  const tools = asked.tools;
  const pieces: Piece[] = [];
  for (let call = 0; call < (asked.parallelTools ? wanted : 1); call++) {
    const tool = tools[call % tools.length];
    const given = tool ? sampleOf(tool.parameters) : { city: CITIES[call % CITIES.length] };
    pieces.push({
      kind: 'call',
      call,
      id: `call_${randomBytes(12).toString('hex')}`,
      name: tool?.name ?? 'get_weather',
    });
    for (const text of tokenize(JSON.stringify(given), FRAGMENTS)) pieces.push({ kind: 'arguments', call, text });
  }
  return listed(pieces, 'tool-calls');
}

const CITIES = ['Paris', 'Oslo', 'Lima'];

function spoken(texts: string[]): Content {
  return listed(texts.map((text) => ({ kind: 'text', text })));
}

function listed(pieces: Piece[], finish: Content['finish'] = 'stop'): Content {
  return { length: pieces.length, piece: (i) => pieces[i]!, finish };
}

/** Ends the text in front of the first stop sequence, wherever the tokens' borders are. */
function stopAt(content: Content, stops: string[]): Content {
  const pieces = Array.from({ length: content.length }, (_, i) => content.piece(i));
  const text = pieces.map((piece) => (piece.kind === 'text' ? piece.text : '')).join('');
  const found = stops
    .filter((stop) => stop !== '' && text.includes(stop))
    .sort((a, b) => text.indexOf(a) - text.indexOf(b));
  const [stop] = found;
  if (stop === undefined) return content;
  let left = text.indexOf(stop);
  const kept: Piece[] = [];
  for (const piece of pieces) {
    if (piece.kind !== 'text') kept.push(piece);
    else if (left > 0) {
      kept.push({ kind: 'text', text: piece.text.slice(0, left) });
      left -= piece.text.length;
    }
  }
  return { ...listed(kept), stop };
}

/** A choice as one, for answers that are not streamed. Texts in their tokens. */
export interface Said {
  reasoning: string[];
  text: string[];
  refusal: string[];
  calls: { id: string; name: string; arguments: string }[];
}

export function foldChoice(choice: Choice): Said {
  const said: Said = { reasoning: [], text: [], refusal: [], calls: [] };
  for (let i = 0; i < choice.length; i++) {
    const piece = choice.piece(i);
    if (piece.kind === 'call') said.calls.push({ id: piece.id, name: piece.name, arguments: '' });
    else if (piece.kind === 'arguments') said.calls[piece.call]!.arguments += piece.text;
    else said[piece.kind].push(piece.text);
  }
  return said;
}

/** For wires whose whole answers hold arguments as values. Of those that the token limit cut, nothing is left. */
export function parseArguments(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

/** What a prompt is counted in. */
export function countWords(text: string): number {
  return text.match(/\S+/g)?.length ?? 0;
}

/** Word-like pieces that join to the text exactly; long words are broken up, never inside a code point. */
function tokenize(text: string, pattern = WORDS): string[] {
  return text.match(pattern) ?? [];
}

const WORDS = /\s?\S{1,12}|\s{1,12}/gu;
/** Arguments are cut anywhere, as providers cut them: inside names, numbers and escapes. */
const FRAGMENTS = /.{1,5}/gsu;

const LOREM = (
  'Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore et dolore magna ' +
  'aliqua. Ut enim ad minim veniam, quis nostrud exercitation ullamco laboris nisi ut aliquip ex ea commodo consequat. ' +
  'Duis aute irure dolor in reprehenderit in voluptate velit esse cillum dolore eu fugiat nulla pariatur.'
).split(' ');
const LOREM_FIRST = LOREM.map((word): Piece => ({ kind: 'text', text: word }));
const LOREM_NEXT = LOREM.map((word): Piece => ({ kind: 'text', text: ` ${word}` }));

/** Each alternative starts at another word, so that a mix-up of choices shows. */
function lorem(index: number, choice: number): Piece {
  return (index === 0 ? LOREM_FIRST : LOREM_NEXT)[(index + choice * 7) % LOREM.length]!;
}

const THOUGHT = 'The user asks for something; I weigh what would help and answer plainly.'.split(' ');

function thought(index: number): string {
  const word = THOUGHT[index % THOUGHT.length]!;
  return index === 0 ? word : ` ${word}`;
}
