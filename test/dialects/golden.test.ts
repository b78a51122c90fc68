// What each front door says of one and the same short stream, byte for byte: transcripts to be read beside the public documentation of
// the door's API, and a change of any byte is seen in a diff. `UPDATE_GOLDEN=1` writes them anew. Without sockets.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { Dialect, StreamMeta } from '../../src/core/contracts.ts';
import { GatewayError } from '../../src/core/errors.ts';
import { type Ending, type FinishReason, NO_USAGE, type StreamEvent, toolCall } from '../../src/core/events.ts';
import { dialectOf, parsedAt } from '../support/dialects.ts';
import { doors } from '../support/doors/all.ts';
import type { Door } from '../support/doors/door.ts';

const FOLDER = fileURLToPath(new URL('../fixtures/golden/', import.meta.url));

// ---- what is told ---------------------------------------------------------------------------------------------------

const meta: StreamMeta = {
  streamId: 'str_golden',
  model: 'fast',
  provider: 'up',
  created: 1_700_000_000,
  dropped: [],
  resumeUrl: () => '/v1/streams/str_golden?token=t',
};
const summary = {
  usage: {
    input_tokens: 19,
    output_tokens: 42,
    cached_input_tokens: 6,
    cache_write_input_tokens: 4,
    reasoning_tokens: 8,
    estimated: false,
  },
  cost_usd: 0.000123,
  model: 'fast',
  provider: 'up',
  attempts: 1,
  timing: { first_token_ms: 210, total_ms: 1820 },
};
const done = (finishReason: FinishReason): Ending => ({ type: 'done', finishReason, ...summary });
const failed = (error: GatewayError): Ending => ({ type: 'error', error, ...summary });

const token = (text: string): StreamEvent => ({ type: 'token', text });
const thought = (text: string): StreamEvent => ({ type: 'reasoning', text });
const signed: StreamEvent = {
  type: 'reasoning-detail',
  detail: { type: 'reasoning.text', text: 'Hm. A greeting.', signature: 'c2lnbmF0dXJl', format: 'maker-v1' },
};
const piece = (index: number, args: string, name?: string): StreamEvent => ({
  type: 'tool-call-delta',
  index,
  ...(name && { id: `call_${index}`, name }),
  arguments: args,
});
const whole = (index: number, name: string, args: string): StreamEvent => ({
  type: 'tool-call',
  call: toolCall(index, `call_${index}`, name, args),
});

interface Script {
  events: StreamEvent[];
  ending: Ending;
  /** Nothing was said when it failed. */
  before?: boolean;
}

const text = [token('Hel'), token('lo, „Welt“ 😀\n')];
const SCRIPTS: Record<string, Script> = {
  text: { events: text, ending: done('stop') },
  reasoning: { events: [thought('Hm. '), thought('A greeting.'), signed, token('Hello')], ending: done('stop') },
  tool: {
    events: [
      token('I look.'),
      piece(0, '', 'get_weather'),
      piece(0, '{"city":'),
      piece(0, '"Oslo"}'),
      whole(0, 'get_weather', '{"city":"Oslo"}'),
    ],
    ending: done('tool-calls'),
  },
  'tools-parallel': {
    events: [
      piece(0, '{"city"', 'get_weather'),
      piece(1, '', 'get_time'),
      piece(0, ':"Oslo"}'),
      piece(1, '{"zone":"CET"}'),
      whole(0, 'get_weather', '{"city":"Oslo"}'),
      whole(1, 'get_time', '{"zone":"CET"}'),
    ],
    ending: done('tool-calls'),
  },
  'tool-invalid': {
    events: [piece(0, '{"city":', 'get_weather'), whole(0, 'get_weather', '{"city":')],
    ending: done('tool-calls'),
  },
  filtered: { events: [token('I will')], ending: done('content-filter') },
  length: { events: [token('Once upon')], ending: done('length') },
  budget: { events: [token('Once upon')], ending: done('budget') },
  cancelled: { events: [token('Once upon')], ending: done('cancelled') },
  'error-before': {
    events: [],
    ending: {
      ...failed(new GatewayError('upstream_rate_limited', 'The provider is busy.', { retryAfter: 7 })),
      usage: NO_USAGE,
      timing: { first_token_ms: null, total_ms: 12 },
    },
    before: true,
  },
  'error-midway': {
    events: [thought('Hm.'), token('So far')],
    ending: failed(new GatewayError('upstream_truncated', 'The provider stopped in the middle.')),
  },
  'error-in-call': {
    events: [piece(0, '{"city":', 'get_weather')],
    ending: failed(new GatewayError('upstream_timeout', 'The provider fell silent.', { phase: 'idle' })),
  },
};

// ---- how it is said -------------------------------------------------------------------------------------------------

function streamed(dialect: Dialect, options: Record<string, unknown>, { events, ending }: Script): string {
  const encoder = dialect.encoder(options);
  return encoder.start(meta) + events.map((event) => encoder.event(event)).join('') + encoder.end(ending);
}

function folded(dialect: Dialect, options: Record<string, unknown>, { events, ending }: Script): string {
  if (ending.type === 'error') return JSON.stringify(dialect.fault(ending.error, ending));
  const collector = dialect.collector(options);
  for (const event of events) collector.event(event);
  return JSON.stringify(collector.result(ending, meta));
}

/** The transcripts of a door by the names of their files. */
function transcripts(door: Door): Map<string, string> {
  const dialect = dialectOf(door);
  const files = new Map<string, string>();
  for (const [name, script] of Object.entries(SCRIPTS)) {
    // A failure that came first is the same, whatever was asked for.
    if (!script.before) files.set(`${name}.sse`, streamed(dialect, parsedAt(door, { stream: true }).options, script));
    if (script.ending.type === 'done' || script.before) {
      files.set(`${name}.json`, folded(dialect, parsedAt(door, { stream: false }).options, script));
    }
  }
  if (door.name === 'gemini') {
    // Without `alt=sse` a stream is an array.
    files.set('text.array.json', streamed(dialect, { array: true, includeThoughts: true }, SCRIPTS.text!));
    files.set('error-midway.array.json', streamed(dialect, { array: true }, SCRIPTS['error-midway']!));
  }
  return files;
}

describe.each(doors.map((door) => [door.name, door] as const))('%s', (name, door) => {
  const folder = `${FOLDER}${name}/`;
  const files = transcripts(door);
  if (process.env.UPDATE_GOLDEN) {
    mkdirSync(folder, { recursive: true });
    for (const [file, said] of files) writeFileSync(folder + file, said);
  }

  test('there is a transcript of each, and no other', () => {
    expect(readdirSync(folder).sort()).toEqual([...files.keys()].sort());
  });

  test.each([...files])('%s', (file, said) => {
    expect(said).toBe(readFileSync(folder + file, 'utf8'));
  });

  test('a strict reader takes each of them', () => {
    for (const [file, said] of files) {
      if (file.endsWith('.sse')) door.read(said);
      else if (file.endsWith('.array.json')) expect(JSON.parse(said)).toBeInstanceOf(Array);
      else if (file === 'error-before.json') door.refusal(JSON.parse(said), 429);
      else door.readWhole(JSON.parse(said));
    }
  });
});
