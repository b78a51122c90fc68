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
  };
}

interface Content {
  length: number;
  piece(index: number): Piece;
  finish: 'stop' | 'tool-calls';
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
  const found = stops.map((stop) => (stop === '' ? -1 : text.indexOf(stop))).filter((at) => at !== -1);
  if (found.length === 0) return content;
  let left = Math.min(...found);
  const kept: Piece[] = [];
  for (const piece of pieces) {
    if (piece.kind !== 'text') kept.push(piece);
    else if (left > 0) {
      kept.push({ kind: 'text', text: piece.text.slice(0, left) });
      left -= piece.text.length;
    }
  }
  return listed(kept);
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
