// What provider packages of the AI SDK stream, written as recordings are: parts of versions 2 to 4 of the specification.
// https://github.com/vercel/ai/tree/main/packages/provider/src/language-model
import type { Expectation, Recording } from './recordings.ts';

/** Version 4 and 3; counts of cached and reasoning tokens are part of the totals. */
const finish = (unified: string, raw: string | undefined = unified) => ({
  type: 'finish',
  finishReason: { unified, raw },
  usage: {
    inputTokens: { total: 19, noCache: 9, cacheRead: 6, cacheWrite: 4 },
    outputTokens: { total: 42, text: 34, reasoning: 8 },
  },
});
const finishOfVersion2 = (finishReason: string) => ({
  type: 'finish',
  finishReason,
  usage: { inputTokens: 19, outputTokens: 42, totalTokens: 61, reasoningTokens: 8, cachedInputTokens: 6 },
});
const text = (...deltas: string[]) => [
  { type: 'text-start', id: 't' },
  ...deltas.map((delta) => ({ type: 'text-delta', id: 't', delta })),
  { type: 'text-end', id: 't' },
];
const thought = (signature: string, ...deltas: string[]) => [
  { type: 'reasoning-start', id: 'r' },
  ...deltas.map((delta) => ({ type: 'reasoning-delta', id: 'r', delta })),
  { type: 'reasoning-end', id: 'r', providerMetadata: { maker: { signature } } },
];
const begun = (id: string, toolName: string) => ({ type: 'tool-input-start', id, toolName });
const piece = (id: string, delta: string) => ({ type: 'tool-input-delta', id, delta });
const ended = (id: string) => ({ type: 'tool-input-end', id });
const call = (toolCallId: string, toolName: string, input: string) => ({
  type: 'tool-call',
  toolCallId,
  toolName,
  input,
});

const counts = { 'usage.input': 19, 'usage.output': 42, 'usage.cached': 6, 'usage.reasoning': 8 };

function recording(id: string, parts: object[], expect: Expectation | 'error'): Recording {
  const lines = [{ type: 'stream-start', warnings: [] }, ...parts].map((part) => `${JSON.stringify(part)}\n`);
  return {
    id: `ai-sdk-${id}`,
    wire: 'ai-sdk',
    provider: 'handmade',
    features: [],
    clientTools: ['weather', 'time'],
    expect: expect === 'error' ? {} : { text: '', reasoning: '', toolCalls: [], ...counts, ...expect },
    expectError: expect === 'error',
    body: Buffer.from(lines.join('')),
  };
}

const oslo = { id: 'call_a', name: 'weather', args: { city: 'Oslo' } };
const now = { id: 'call_b', name: 'time', args: {} };

export const partsRecordings: Recording[] = [
  recording('text', [...text('Grüße, ', '', '„Welt“ 😀\n'), finish('stop')], {
    text: 'Grüße, „Welt“ 😀\n',
    finish: 'stop',
  }),
  recording('text-version-2', [...text('Old ', 'but fine'), finishOfVersion2('stop')], {
    text: 'Old but fine',
    finish: 'stop',
  }),
  recording('text-in-two-blocks', [...text('A'), ...text('B'), finish('length')], { text: 'AB', finish: 'length' }),
  recording('reasoning', [...thought('c2ln', 'Hm. ', 'So.'), ...text('Yes'), finish('stop')], {
    reasoning: 'Hm. So.',
    text: 'Yes',
    finish: 'stop',
  }),
  recording(
    'tool',
    [
      ...thought('c2ln', 'Hm.'),
      begun('call_a', 'weather'),
      piece('call_a', '{"city":'),
      piece('call_a', '"Oslo"}'),
      ended('call_a'),
      call('call_a', 'weather', '{"city":"Oslo"}'),
      finish('tool-calls'),
    ],
    { reasoning: 'Hm.', toolCalls: [oslo], finish: 'tool-calls' },
  ),
  recording(
    'tools-whole',
    [
      ...text('So:'),
      call('call_a', 'weather', '{"city":"Oslo"}'),
      call('call_b', 'time', '{}'),
      finishOfVersion2('tool-calls'),
    ],
    {
      text: 'So:',
      toolCalls: [oslo, now],
      finish: 'tool-calls',
    },
  ),
  recording(
    'tools-interleaved',
    [
      begun('call_a', 'weather'),
      begun('call_b', 'time'),
      piece('call_a', '{"city"'),
      piece('call_b', '{'),
      piece('call_a', ':"Oslo"}'),
      piece('call_b', '}'),
      ended('call_a'),
      ended('call_b'),
      call('call_a', 'weather', '{"city":"Oslo"}'),
      call('call_b', 'time', '{}'),
      finish('tool-calls'),
    ],
    { toolCalls: [oslo, now], finish: 'tool-calls' },
  ),
  recording('tool-arguments-no-json', [call('call_a', 'weather', '{"city":'), finish('tool-calls')], {
    toolCalls: [{ ...oslo, args: '{"city":' }],
    finish: 'tool-calls',
  }),
  recording('filter', [...text('I will'), finish('content-filter')], { text: 'I will', finish: 'content-filter' }),
  recording('finish-of-its-own', [...text('Eh'), finish('other', 'went_home')], { text: 'Eh', finish: 'other' }),
  recording('empty', [finish('stop')], { finish: 'stop' }),
  recording('error', [...text('So far'), { type: 'error', error: 'overloaded' }], 'error'),
  recording('error-first', [{ type: 'error', error: { message: 'overloaded' } }], 'error'),
  recording('finish-error', [...text('So far'), finish('error')], 'error'),
  recording('finish-unknown', [...text('So far'), finishOfVersion2('unknown')], 'error'),
  recording('truncated', text('So far'), 'error'),
  recording('truncated-in-call', [begun('call_a', 'weather'), piece('call_a', '{"city":')], 'error'),
];
