import { describe, expect, test } from 'vitest';
import type { StreamEvent, Usage } from '../../src/core/events.ts';
import { createOpenAiDecoder } from '../../src/providers/openai.decode.ts';
import { chunkings, type Recording, recordingsOf } from '../support/recordings.ts';

export interface Folded {
  text: string;
  reasoning: string;
  toolCalls: { id: string; name: string; args: unknown }[];
  usage: Usage | undefined;
  end: StreamEvent & { type: 'done' | 'error' };
}

function decode(cuts: Buffer[], choices = 1, clean = true): Folded {
  const events: StreamEvent[] = [];
  const decoder = createOpenAiDecoder({ emit: (event) => events.push(event), choices });
  for (const cut of cuts) decoder.push(cut);
  decoder.end();
  if (clean) decoder.end();
  return fold(events);
}

function fold(events: StreamEvent[]): Folded {
  const ends = events.filter((e) => e.type === 'done' || e.type === 'error');
  expect(ends, 'exactly one terminal').toHaveLength(1);
  expect(events.at(-1), 'and it is last').toBe(ends[0]);
  const mine = events.filter((e) => !('choice' in e) || !e.choice);
  return {
    text: mine.flatMap((e) => (e.type === 'token' ? [e.text] : [])).join(''),
    reasoning: mine.flatMap((e) => (e.type === 'reasoning' ? [e.text] : [])).join(''),
    toolCalls: mine.flatMap((e) =>
      e.type === 'tool-call'
        ? [{ id: e.call.id, name: e.call.name, args: 'arguments' in e.call ? e.call.arguments : e.call.arguments_text }]
        : [],
    ),
    usage: events.findLast((e) => e.type === 'usage')?.usage,
    end: ends[0] as Folded['end'],
  };
}

function check(recording: Recording, got: Folded): void {
  const want = recording.expect;
  if (recording.expectError) {
    expect(got.end.type).toBe('error');
    return;
  }
  if (recording.expectError === false) expect(got.end.type).toBe('done');
  if (want.text !== undefined) expect(got.text).toBe(want.text);
  if (want.reasoning !== undefined) expect(got.reasoning).toBe(want.reasoning);
  if (want.toolCalls) {
    const strip = (calls: Folded['toolCalls']) => (recording.idless ? calls.map(({ id: _, ...rest }) => rest) : calls);
    expect(strip(got.toolCalls)).toEqual(strip(want.toolCalls));
  }
  if (want.finish) expect(got.end.type === 'done' && got.end.finishReason).toBe(want.finish);
  if (want['usage.input'] !== undefined) expect(got.usage?.input_tokens).toBe(want['usage.input']);
  if (want['usage.output'] !== undefined) expect(got.usage?.output_tokens).toBe(want['usage.output']);
  if (want['usage.cached'] !== undefined) expect(got.usage?.cached_input_tokens ?? 0).toBe(want['usage.cached']);
  if (want['usage.cacheWrite'] !== undefined)
    expect(got.usage?.cache_write_input_tokens ?? 0).toBe(want['usage.cacheWrite']);
  if (want['usage.reasoning'] !== undefined) expect(got.usage?.reasoning_tokens ?? 0).toBe(want['usage.reasoning']);
}

describe.each(chunkings)('cut $name', ({ cut }) => {
  test.each(recordingsOf('openai-chat').map((r) => [r.id, r] as const))('%s decodes as expected', (_id, recording) => {
    check(recording, decode(cut(recording.body)));
  });
});
