import { describe, expect, test } from 'vitest';
import type { StreamEvent } from '../../src/core/events.ts';
import { createOpenAiDecoder } from '../../src/providers/openai.decode.ts';
import { expectRead, type Read } from '../support/expect.ts';
import { chunkings, recordingsOf } from '../support/recordings.ts';

function decode(cuts: Buffer[], options: { choices?: number } = {}): StreamEvent[] {
  const events: StreamEvent[] = [];
  const decoder = createOpenAiDecoder({ emit: (event) => events.push(event), choices: options.choices ?? 1 });
  for (const cut of cuts) decoder.push(cut);
  decoder.end();
  decoder.end();
  const ends = events.filter((e) => e.type === 'done' || e.type === 'error');
  expect(ends, 'exactly one terminal').toHaveLength(1);
  expect(events.at(-1), 'and it is last').toBe(ends[0]);
  return events;
}

function read(events: StreamEvent[]): Read {
  const first = events.filter((e) => !('choice' in e) || !e.choice);
  const usage = events.findLast((e) => e.type === 'usage')?.usage;
  const end = events.at(-1)!;
  return {
    text: first.flatMap((e) => (e.type === 'token' ? [e.text] : [])).join(''),
    reasoning: first.flatMap((e) => (e.type === 'reasoning' ? [e.text] : [])).join(''),
    toolCalls: first.flatMap((e) =>
      e.type === 'tool-call'
        ? [{ id: e.call.id, name: e.call.name, args: 'arguments' in e.call ? e.call.arguments : e.call.arguments_text }]
        : [],
    ),
    usage: usage && {
      input: usage.input_tokens,
      output: usage.output_tokens,
      cached: usage.cached_input_tokens,
      cacheWrite: usage.cache_write_input_tokens,
      reasoning: usage.reasoning_tokens,
    },
    end: end.type === 'done' ? { type: 'done', finish: end.finishReason } : { type: end.type },
  };
}

const recordings = recordingsOf('openai-chat');

describe.each(chunkings)('cut $name', ({ cut }) => {
  test.each(recordings.map((r) => [r.id, r] as const))('%s decodes as expected', (_id, recording) => {
    expectRead(recording, read(decode(cut(recording.body))));
  });
});

// After a finish reason an end is an end: what a strange vendor would still have said cannot be missed.
const closed = recordings.filter((r) => !r.features.includes('content-after-finish'));
test.each(closed.map((r) => [r.id, r] as const))('%s cut anywhere is never a false success', (_id, recording) => {
  const whole = read(decode([recording.body]));
  const choices = recording.features.includes('multi-choice') ? 3 : 1;
  // Every position is tried on short bodies, about two hundred on long ones.
  const step = Math.max(1, Math.floor(recording.body.length / 200));
  for (let at = 0; at < recording.body.length; at += step) {
    const part = read(decode([recording.body.subarray(0, at)], { choices }));
    if (part.end.type === 'done') {
      expect(part.text, `cut at ${at}`).toBe(whole.text);
      expect(part.toolCalls.map(({ name, args }) => ({ name, args }))).toEqual(
        whole.toolCalls.map(({ name, args }) => ({ name, args })),
      );
    } else {
      expect(whole.text.startsWith(part.text.replace(/\uFFFD$/, '')), `cut at ${at}`).toBe(true);
      expect(whole.toolCalls.length).toBeGreaterThanOrEqual(part.toolCalls.length);
      for (const call of part.toolCalls) {
        expect(whole.toolCalls.map(({ name, args }) => ({ name, args }))).toContainEqual({
          name: call.name,
          args: call.args,
        });
      }
    }
  }
});
