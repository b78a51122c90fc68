// The names that drive the mock: one table from the parts of a model's name to a plan of what is said and how it fails.
// Knows no wire, no HTTP and no request; the same plan is carried out on every wire.
import { DEFAULT_TOKENS, PLAIN, type Plan } from './plan.ts';

interface Behaviour {
  /** `N` stands for a number, `<recording>` for a name; the rest is literal. */
  name: string;
  example: string;
  about: string;
  /** Of a group only one can hold. */
  group?: 'content' | 'reasoning' | 'fault' | 'reply' | 'finish' | 'usage';
  /** Inclusive bounds of N. */
  range?: [min: number, max: number];
  set: Partial<Plan> | ((argument: string) => Partial<Plan>);
}

const MANY = 10_000_000;
const MAX_HUGE = 64 * 1024 * 1024;
const MAX_DELAY = 3_600_000;

export const BEHAVIOURS: Behaviour[] = [
  {
    name: 'echo',
    example: 'echo',
    group: 'content',
    about: "Streams back the last user message's text exactly.",
    set: { content: { kind: 'echo' } },
  },
  {
    name: 'lorem-N',
    example: 'lorem-200',
    group: 'content',
    range: [0, MANY],
    about: 'N tokens of text, the same at each call. The default, with 20 tokens (more if a fault strikes later).',
    set: (n) => ({ content: { kind: 'lorem', tokens: Number(n) } }),
  },
  {
    name: 'tools',
    example: 'tools',
    group: 'content',
    about:
      'Calls the tool that the request names, else the first, with arguments made from its JSON schema. After a tool result it answers with text that quotes it. Without tools in the request: `get_weather {"city":"Paris"}`.',
    set: { content: { kind: 'tools', calls: 1 } },
  },
  {
    name: 'tools-N',
    example: 'tools-2',
    group: 'content',
    range: [1, 16],
    about: "N calls in one answer, in turn through the request's tools; one if the request forbids parallel calls.",
    set: (n) => ({ content: { kind: 'tools', calls: Number(n) } }),
  },
  {
    name: 'json',
    example: 'json',
    group: 'content',
    about: 'JSON that fits the schema that the request asks for; without one, a small object.',
    set: { content: { kind: 'json' } },
  },
  {
    name: 'refusal',
    example: 'refusal',
    group: 'content',
    about: 'The model declines, in the way of the wire.',
    set: { content: { kind: 'refusal' } },
  },
  {
    name: 'huge-N',
    example: 'huge-100000',
    group: 'content',
    range: [0, MAX_HUGE],
    about: 'One delta of N bytes.',
    set: (n) => ({ content: { kind: 'huge', bytes: Number(n) } }),
  },
  {
    name: 'replay-<recording>',
    example: 'replay-openai-hello',
    group: 'content',
    about:
      'The bytes of a recorded body. N of a fault then counts bytes; `tokens_sent` and `rate-N` count recorded events.',
    set: (recording) => ({ content: { kind: 'replay', recording } }),
  },
  {
    name: 'reasoning',
    example: 'reasoning',
    group: 'reasoning',
    about: 'Twelve tokens of reasoning, then the content.',
    set: { reasoning: 12 },
  },
  {
    name: 'reasoning-N',
    example: 'reasoning-100',
    group: 'reasoning',
    range: [0, MANY],
    about: 'N tokens of reasoning, then the content.',
    set: (n) => ({ reasoning: Number(n) }),
  },
  {
    name: 'slow-N',
    example: 'slow-500',
    range: [0, MAX_DELAY],
    about: 'N ms until the headers, which come with the first token.',
    set: (n) => ({ delay: Number(n) }),
  },
  {
    name: 'rate-N',
    example: 'rate-50',
    range: [1, 1_000_000],
    about: 'N tokens per second, each its own write. Not streamed: the answer takes as long.',
    set: (n) => ({ rate: Number(n) }),
  },
  {
    name: 'cut-N',
    example: 'cut-3',
    group: 'fault',
    range: [0, MAX_HUGE],
    about: 'The socket is destroyed after N tokens; `cut-0` before the headers.',
    set: (n) => ({ fault: { kind: 'cut', after: Number(n) } }),
  },
  {
    name: 'end-N',
    example: 'end-3',
    group: 'fault',
    range: [0, MAX_HUGE],
    about: 'A clean end of the body after N tokens, without a finish.',
    set: (n) => ({ fault: { kind: 'end', after: Number(n) } }),
  },
  {
    name: 'stall-N',
    example: 'stall-3',
    group: 'fault',
    range: [0, MAX_HUGE],
    about: 'Silence after N tokens, the socket stays open; `stall-0` sends no headers either.',
    set: (n) => ({ fault: { kind: 'stall', after: Number(n) } }),
  },
  {
    name: 'error-after-N',
    example: 'error-after-3',
    group: 'fault',
    range: [0, MAX_HUGE],
    about: "The wire's error inside the 200 stream after N tokens, then the end. Not streamed: status 500.",
    set: (n) => ({ fault: { kind: 'error', after: Number(n) } }),
  },
  {
    name: 'garbage-N',
    example: 'garbage-3',
    group: 'fault',
    range: [0, MAX_HUGE],
    about: 'After N tokens half an event and binary noise, then the end.',
    set: (n) => ({ fault: { kind: 'garbage', after: Number(n) } }),
  },
  {
    name: 'error-N',
    example: 'error-429',
    group: 'reply',
    range: [400, 599],
    about: "The HTTP status N with the API's error body; 429 with its rate-limit headers.",
    set: (n) => ({ reply: { kind: 'status', status: Number(n) } }),
  },
  {
    name: 'error-context',
    example: 'error-context',
    group: 'reply',
    about: '400: the prompt is longer than the context.',
    set: { reply: { kind: 'context-length' } },
  },
  {
    name: 'error-filter',
    example: 'error-filter',
    group: 'reply',
    about: 'A content filter refused the prompt; 400 on most wires.',
    set: { reply: { kind: 'content-filter' } },
  },
  {
    name: 'redirect',
    example: 'redirect',
    group: 'reply',
    about: '302 to another path of the mock, where a request would be journaled.',
    set: { reply: { kind: 'redirect' } },
  },
  {
    name: 'html',
    example: 'html',
    group: 'reply',
    about: '200 with a page of HTML, as a captive proxy answers.',
    set: { reply: { kind: 'html' } },
  },
  {
    name: 'length',
    example: 'length',
    group: 'finish',
    about: 'The finish reason says that the token limit was reached.',
    set: { finish: 'length' },
  },
  {
    name: 'filter',
    example: 'filter',
    group: 'finish',
    about: 'The finish reason says that a content filter cut the answer.',
    set: { finish: 'content-filter' },
  },
  {
    name: 'no-finish',
    example: 'no-finish',
    group: 'finish',
    about: 'The end marker comes, a finish reason does not.',
    set: { finish: 'none' },
  },
  {
    name: 'no-done',
    example: 'no-done',
    about: 'A clean end after the finish, without the end marker, where the wire has one.',
    set: { endMarker: false },
  },
  {
    name: 'no-usage',
    example: 'no-usage',
    group: 'usage',
    about: 'Never reports usage, even when asked.',
    set: { usage: 'never' },
  },
  {
    name: 'usage-finish',
    example: 'usage-finish',
    group: 'usage',
    about: 'Usage comes with the finish instead of in its usual place.',
    set: { usage: 'with-finish' },
  },
  {
    name: 'index0',
    example: 'tools-2+index0',
    about: 'Parallel tool calls all have index 0, as some servers number them.',
    set: { sameIndex: true },
  },
  {
    name: 'hang',
    example: 'hang',
    about: 'The whole answer is sent, then the body is left open.',
    set: { hang: true },
  },
  {
    name: 'split',
    example: 'split',
    about: 'Every byte its own write.',
    set: { split: true },
  },
  {
    name: 'crlf',
    example: 'crlf',
    about: 'Lines end in CRLF, where the wire is text.',
    set: { crlf: true },
  },
  {
    name: 'gzip',
    example: 'gzip',
    about: '`content-encoding: gzip`, flushed at each token.',
    set: { gzip: true },
  },
  {
    name: 'comments',
    example: 'comments',
    about: 'A comment line in front of each event, where the wire is text.',
    set: { comments: true },
  },
];

const PATTERNS = BEHAVIOURS.map((behaviour) => ({
  behaviour,
  pattern: new RegExp(`^${behaviour.name.replace(/N$/, '(\\d{1,8})').replace('<recording>', '([A-Za-z0-9._-]+)')}$`),
}));

/** The plan that a model's name asks for, or the part that means nothing or contradicts another. */
export function parseModel(model: string): { plan: Plan } | { unknown: string } {
  const plan: Plan = { ...PLAIN };
  const taken = new Set<string>();
  for (const part of model.split('+')) {
    const found = findBehaviour(part);
    if (!found) return { unknown: part };
    const claim = found.behaviour.group ?? found.behaviour.name;
    if (taken.has(claim)) return { unknown: part };
    taken.add(claim);
    const { set } = found.behaviour;
    Object.assign(plan, typeof set === 'function' ? set(found.argument) : set);
  }
  // `cut-40` alone means a cut: the default answer is long enough for its fault to strike.
  if (!taken.has('content') && plan.fault && plan.fault.after >= DEFAULT_TOKENS) {
    plan.content = { kind: 'lorem', tokens: plan.fault.after + 1 };
  }
  return { plan };
}

function findBehaviour(part: string): { behaviour: Behaviour; argument: string } | undefined {
  for (const { behaviour, pattern } of PATTERNS) {
    const match = pattern.exec(part);
    if (!match) continue;
    const argument = match[1] ?? '';
    if (behaviour.range && (Number(argument) < behaviour.range[0] || Number(argument) > behaviour.range[1])) continue;
    return { behaviour, argument };
  }
  return undefined;
}
