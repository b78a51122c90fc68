// Holds what was read from a stream against what a recording says a correct reader gets. Shared by the conformance tests.
import { expect } from 'vitest';
import type { Recording } from './recordings.ts';

/** The recording's finish words in Millrace's. */
export interface Read {
  text: string;
  reasoning: string;
  toolCalls: { id: string; name: string; args: unknown }[];
  usage: Partial<Record<'input' | 'output' | 'cached' | 'cacheWrite' | 'reasoning', number>> | undefined;
  end: { type: string; finish?: string };
}

export function expectRead(recording: Recording, got: Read): void {
  const want = recording.expect;
  if (recording.expectError) {
    expect(got.end.type).toBe('error');
    return;
  }
  if (recording.expectError === false) expect(got.end.type).toBe('done');
  if (want.text !== undefined) expect(got.text).toBe(want.text);
  if (want.reasoning !== undefined) expect(got.reasoning).toBe(want.reasoning);
  if (want.toolCalls) {
    const plain = (calls: Read['toolCalls']) =>
      recording.idless ? calls.map(({ name, args }) => ({ name, args })) : calls;
    expect(plain(got.toolCalls)).toEqual(plain(want.toolCalls));
  }
  if (want.finish) expect(got.end.finish).toBe(want.finish);
  for (const kind of ['input', 'output', 'cached', 'cacheWrite', 'reasoning'] as const) {
    const value = want[`usage.${kind}`];
    if (value != null) expect(got.usage?.[kind] ?? 0, `usage.${kind}`).toBe(value);
  }
}
