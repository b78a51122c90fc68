// Every recording and fixture of every wire, however its bytes are cut: the same events; and cut off anywhere, never a false success.
import { describe, expect, test } from 'vitest';
import { type Decode, type Decoded, decoding, fold } from '../support/decode.ts';
import { expectRead, type Read } from '../support/expect.ts';
import { chunkings, type Recording } from '../support/recordings.ts';
import { wires } from '../support/wires.ts';

/** Of an API version that said STOP in every chunk, and no usage: cut between two chunks, nothing tells that more was to come. */
const FINISHED_ALWAYS = /vertexai-streaming-(failure-error-mid-stream|success-citations|success-unknown-safety-enum)/;

/** Of the first alternative; usage is of all. */
function read({ events, end }: Decoded): Read {
  const first = fold(events.filter((e) => !('choice' in e) || !e.choice));
  const usage = first.usages.at(-1);
  return {
    text: first.text,
    reasoning: first.reasoning,
    toolCalls: first.calls.map((call) => ({
      id: call.id,
      name: call.name,
      args: 'arguments' in call ? call.arguments : call.arguments_text,
    })),
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

describe.each(wires.map((wire) => [wire.name, wire] as const))('%s', (_name, wire) => {
  const decode = decoding(wire.decoder, { raw: false });
  const { recordings } = wire;
  const cuts = chunkings.filter(({ text }) => wire.text || !text);

  describe.each(cuts)('cut $name', ({ cut }) => {
    test.each(recordings.map((r) => [r.id, r] as const))('%s decodes as expected', (_id, recording) => {
      expectRead(recording, read(decode(cut(recording.body))));
    });
  });

  // After a finish reason an end is an end: what a strange vendor would still have said cannot be missed.
  const closed = recordings.filter((r) => !r.features.includes('content-after-finish') && !FINISHED_ALWAYS.test(r.id));
  test.each(closed.map((r) => [r.id, r] as const))('%s cut anywhere is never a false success', (_id, recording) => {
    expectNoFalseSuccess(recording, decode);
  });
});

function expectNoFalseSuccess(recording: Recording, decode: Decode): void {
  const whole = read(decode([recording.body]));
  const choices = recording.features.includes('multi-choice') ? 3 : 1;
  const plain = ({ toolCalls }: Read) => toolCalls.map(({ name, args }) => ({ name, args }));
  // Every position is tried on short bodies, about two hundred on long ones.
  const step = Math.max(1, Math.floor(recording.body.length / 200));
  for (let at = 0; at < recording.body.length; at += step) {
    const part = read(decode([recording.body.subarray(0, at)], { choices }));
    if (part.end.type === 'done') {
      expect(part.text, `cut at ${at}`).toBe(whole.text);
      expect(plain(part)).toEqual(plain(whole));
    } else {
      expect(whole.text.startsWith(part.text.replace(/\uFFFD$/, '')), `cut at ${at}`).toBe(true);
      expect(plain(whole)).toEqual(expect.arrayContaining(plain(part)));
    }
  }
}
