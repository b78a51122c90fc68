// Every recording × ways of cutting it × both front doors × streamed and whole, over real sockets.
import { createParser } from 'eventsource-parser';
import { describe, expect, test } from 'vitest';
import { expectRead } from '../support/expect.ts';
import { ask, foldNative, readSse, startMillrace, type TestMillrace } from '../support/millrace.ts';
import { chunkings, type Recording, recordingsOf } from '../support/recordings.ts';
import { startReplay } from '../support/replay.ts';

const recordings = recordingsOf('openai-chat');
const usual = chunkings.filter(({ name }) =>
  ['whole', 'per event', 'byte by byte', 'random splits', 'CRLF'].includes(name),
);

async function upstream(extra = ''): Promise<TestMillrace> {
  const url = await startReplay(recordings, chunkings);
  return startMillrace(
    `providers: { up: { wire: openai, baseUrl: "${url}", apiKey: x${extra} } }\nlog: { level: error }`,
  );
}

/** The data of each event of a body, as an independent parser reads it. */
function payloads(body: Buffer): string[] {
  const found: string[] = [];
  const parser = createParser({ onEvent: ({ data }) => void found.push(data) });
  parser.feed(`${body.toString('utf8')}\n\n`);
  return found.map((data) => data.replaceAll('\n', ' ')); // a frame is handed on as one line
}

const usageOf = (usage: any) => ({
  input: usage.input_tokens,
  output: usage.output_tokens,
  cached: usage.cached_input_tokens,
  cacheWrite: usage.cache_write_input_tokens,
  reasoning: usage.reasoning_tokens,
});

/** What an OpenAI client would fold: used on normalized chunks and on whole answers alike. */
function readMessage(message: any, usage: any, finish: string | undefined) {
  return {
    text: message.content ?? '',
    reasoning: message.reasoning_content ?? '',
    toolCalls: (
      message.tool_calls ?? [message.function_call && { function: message.function_call }].filter(Boolean)
    ).map((call: any) => ({
      id: call.id,
      name: call.function.name,
      args: JSON.parse(call.function.arguments || '{}'),
    })),
    usage: usage && {
      input: usage.prompt_tokens,
      output: usage.completion_tokens,
      cached: usage.prompt_tokens_details?.cached_tokens,
      reasoning: usage.completion_tokens_details?.reasoning_tokens,
    },
    end: { type: 'done', finish: finish?.replace('_', '-') },
  };
}

describe.each(usual)('cut $name', ({ name: how }) => {
  test('native, streamed: each recording gives its expected events', { timeout: 120_000 }, async () => {
    const millrace = await upstream();
    for (const recording of recordings) {
      const response = await millrace.post('/v1/chat', ask(`up/${recording.id}|${how}`));
      const read = response.ok
        ? foldNative(await readSse(response))
        : {
            text: '',
            reasoning: '',
            toolCalls: [],
            end: { type: 'error', data: ((await response.json()) as any).error },
          };
      const { end } = read;
      expectRead(recording, {
        ...read,
        usage: usageOf(end.data.usage ?? {}),
        end: { type: end.type, finish: end.data.finish_reason },
      });
      if (recording.features.includes('error-object-in-stream')) expect(end.data.message).toMatch(/[tT]ool/);
    }
  });

  test('native, whole: the same', { timeout: 120_000 }, async () => {
    const millrace = await upstream();
    for (const recording of recordings) {
      const response = await millrace.post('/v1/chat', ask(`up/${recording.id}|${how}`, { stream: false }));
      const body: any = await response.json();
      const toolCalls = (body.tool_calls ?? []).map((c: any) => ({
        id: c.id,
        name: c.name,
        args: c.arguments ?? c.arguments_text,
      }));
      expectRead(recording, {
        text: body.text,
        reasoning: body.reasoning,
        toolCalls,
        usage: usageOf(body.usage ?? {}),
        end: { type: response.ok ? 'done' : 'error', finish: body.finish_reason },
      });
    }
  });

  test('OpenAI, streamed: the frames are those that the provider sent', { timeout: 120_000 }, async () => {
    const millrace = await upstream();
    for (const recording of recordings) {
      const request = ask(`up/${recording.id}|${how}`, {
        stream: true,
        stream_options: { include_usage: true },
        n: choicesOf(recording),
      });
      const response = await millrace.post('/v1/chat/completions', request);
      if (!response.ok) {
        expect(recording.expectError, recording.id).toBe(true);
        expect(await response.json()).toHaveProperty('error.code');
        continue;
      }
      const events = await readSse(response);
      expect(events.map(({ id }) => Number(id))).toEqual(events.map((_, at) => at + 1));
      const got = events.map(({ data }) => data);
      const sent = payloads(recording.body).filter((data) => data !== '[DONE]');
      if (recording.features.some((f) => f === 'not-sse' || f === 'whole-message-only')) {
        // No frames to hand on: the whole answer comes as one chunk, so that a client which streams can read it.
        expect(JSON.parse(got[0]!)).toMatchObject({ object: 'chat.completion.chunk', choices: [{ delta: {} }] });
        expect(got.slice(1)).toEqual(['[DONE]']);
        continue;
      }
      if (recording.expectError) {
        expect(JSON.parse(got.at(-1)!)).toHaveProperty('error.code');
        expect(got).not.toContain('[DONE]');
        // All frames but the one that failed, which is the last; where the end itself is the failure, all.
        expect(got.length - 1, recording.id).toBeGreaterThanOrEqual(sent.length - 1);
        expect(got.slice(0, -1)).toEqual(sent.slice(0, got.length - 1));
      } else {
        expect(got.at(-1), recording.id).toBe('[DONE]');
        expect(got.slice(0, sent.length)).toEqual(sent);
        // Beyond what was sent, at most the usage that this client asked for and the provider never gave.
        for (const extra of got.slice(sent.length, -1))
          expect(JSON.parse(extra)).toMatchObject({ choices: [], usage: {} });
      }
    }
  });

  test('OpenAI, whole: one chat.completion with everything in it', { timeout: 120_000 }, async () => {
    const millrace = await upstream();
    for (const recording of recordings) {
      const response = await millrace.post(
        '/v1/chat/completions',
        ask(`up/${recording.id}|${how}`, { n: choicesOf(recording) }),
      );
      const body: any = await response.json();
      if (recording.expectError) {
        expect(response.status).toBeGreaterThanOrEqual(400);
        expect(body.error.message).toMatch(/./);
        continue;
      }
      expect(body.object, `${recording.id}: ${JSON.stringify(body)}`).toBe('chat.completion');
      const [{ message, finish_reason }] = body.choices;
      const want = { ...recording, expect: { ...recording.expect } };
      // Frames as the vendor means them: its own field for reasoning, its own finish reason and token arithmetic.
      delete want.expect.reasoning;
      delete want.expect['usage.output'];
      delete want.expect['usage.cached'];
      delete want.expect['usage.cacheWrite'];
      if (want.expect.toolCalls?.length) delete want.expect.finish;
      if (recording.features.includes('content-array')) delete want.expect.text; // stays an array
      expectRead(want, readMessage(message, body.usage, finish_reason));
    }
  });
});

test('OpenAI, normalized: every vendor reads the same', { timeout: 120_000 }, async () => {
  const millrace = await upstream(', passthrough: false');
  for (const recording of recordings.filter((r) => !r.expectError)) {
    const whole = await millrace.post(
      '/v1/chat/completions',
      ask(`up/${recording.id}|random splits`, { n: choicesOf(recording) }),
    );
    const body: any = await whole.json();
    const [{ message, finish_reason }] = body.choices;
    const want = { ...recording, expect: { ...recording.expect } };
    delete want.expect['usage.cacheWrite']; // this door has no field for it
    expectRead(want, readMessage(message, body.usage, finish_reason));
  }
});

function choicesOf(recording: Recording): number {
  return recording.features.includes('multi-choice') ? 3 : 1;
}
