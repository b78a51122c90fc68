// The native front door's bytes, and what no text may do to them. docs/PROTOCOL.md says the same in prose.
import { createParser } from 'eventsource-parser';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GatewayError } from '../../src/core/errors.ts';
import { type Ending, NO_USAGE, type StreamEvent, type Summary, toolCall } from '../../src/core/events.ts';
import { native } from '../../src/dialects/native.ts';

const meta = { streamId: 'str_1', model: 'fast', provider: 'openai', created: 1_700_000_000, dropped: [] };
const summary: Summary = {
  usage: { ...NO_USAGE, input_tokens: 19, output_tokens: 42, reasoning_tokens: 8 },
  cost_usd: 0.000123,
  model: 'fast',
  provider: 'openai',
  attempts: 1,
  timing: { first_token_ms: 210, total_ms: 1820 },
};
const done: Ending = { type: 'done', finishReason: 'tool-calls', ...summary };

function transcript(events: StreamEvent[], ending: Ending): string {
  const encoder = native.encoder({});
  return encoder.start(meta) + events.map((event) => encoder.event(event)).join('') + encoder.end(ending);
}

function read(text: string) {
  const events: { id: string | undefined; event: string | undefined; data: any }[] = [];
  const parser = createParser({
    onEvent: ({ id, event, data }) => void events.push({ id, event, data: JSON.parse(data) }),
  });
  parser.feed(text);
  return events;
}

test('a stream with everything in it, byte for byte', () => {
  const events: StreamEvent[] = [
    { type: 'reasoning', text: 'Hm.' },
    { type: 'reasoning', text: ' So.' },
    {
      type: 'reasoning-detail',
      detail: { type: 'reasoning.text', text: 'Hm. So.', signature: 'c2ln', format: 'f-1' },
    },
    { type: 'token', text: 'Hel' },
    { type: 'token', text: 'lo\n"😀"' },
    { type: 'tool-call-delta', index: 0, id: 'call_1', name: 'get_weather', arguments: '{"ci' },
    { type: 'tool-call-delta', index: 0, arguments: 'ty":"Paris"}' },
    { type: 'tool-call', call: toolCall(0, 'call_1', 'get_weather', '{"city":"Paris"}') },
    { type: 'tool-call', call: toolCall(1, 'call_2', 'broken', '{"a":') },
    { type: 'usage', usage: summary.usage },
  ];
  const usage =
    '"usage":{"input_tokens":19,"output_tokens":42,"cached_input_tokens":0,"cache_write_input_tokens":0,"reasoning_tokens":8,"estimated":false}';
  const rest =
    '"cost_usd":0.000123,"model":"fast","provider":"openai","attempts":1,"timing":{"first_token_ms":210,"total_ms":1820}';
  const expected = `retry: 1000
id: 1
event: start
data: {"stream_id":"str_1","model":"fast","provider":"openai"}

id: 2
event: reasoning
data: {"text":"Hm."}

id: 3
event: reasoning
data: {"text":" So."}

id: 4
event: reasoning-detail
data: {"type":"reasoning.text","text":"Hm. So.","signature":"c2ln","format":"f-1"}

id: 5
event: token
data: {"text":"Hel"}

id: 6
event: token
data: {"text":"lo\\n\\"😀\\""}

id: 7
event: tool-call-delta
data: {"index":0,"id":"call_1","name":"get_weather","arguments":"{\\"ci"}

id: 8
event: tool-call-delta
data: {"index":0,"arguments":"ty\\":\\"Paris\\"}"}

id: 9
event: tool-call
data: {"index":0,"id":"call_1","name":"get_weather","arguments":{"city":"Paris"}}

id: 10
event: tool-call
data: {"index":1,"id":"call_2","name":"broken","arguments_text":"{\\"a\\":","invalid":true}

id: 11
event: done
data: {"finish_reason":"tool-calls",${usage},${rest}}

`;
  expect(transcript(events, done)).toBe(expected);
});

test('an error ends a stream with the shape of the table and the bill so far', () => {
  const error = new GatewayError('upstream_timeout', 'Nothing came for 30 s.', { phase: 'idle' });
  const [, token, end, ...more] = read(
    transcript([{ type: 'token', text: 'Half' }], { type: 'error', error, ...summary }),
  );
  expect(more).toEqual([]);
  expect(token).toEqual({ id: '2', event: 'token', data: { text: 'Half' } });
  expect(end).toEqual({
    id: '3',
    event: 'error',
    data: {
      code: 'upstream_timeout',
      message: 'Nothing came for 30 s.',
      retryable: true,
      status: 504,
      phase: 'idle',
      ...summary,
    },
  });
});

test('a whole answer is the same events, folded', () => {
  const collector = native.collector({});
  const events: StreamEvent[] = [
    { type: 'reasoning', text: 'Hm.' },
    { type: 'token', text: 'Hel' },
    { type: 'token', text: 'lo' },
    { type: 'tool-call-delta', index: 0, id: 'call_1', name: 'f', arguments: '{}' },
    { type: 'tool-call', call: toolCall(0, 'call_1', 'f', '') },
    { type: 'tool-call', call: toolCall(1, 'call_2', 'g', 'nonsense') },
  ];
  for (const event of events) collector.event(event);
  expect(collector.result(done, meta)).toEqual({
    stream_id: 'str_1',
    text: 'Hello',
    reasoning: 'Hm.',
    tool_calls: [
      { id: 'call_1', name: 'f', arguments: {} },
      { id: 'call_2', name: 'g', arguments_text: 'nonsense', invalid: true },
    ],
    finish_reason: 'tool-calls',
    ...summary,
  });
});

test('a failure before the stream has the shape of an error event', () => {
  const error = new GatewayError('invalid_request', 'n: too big.', { param: 'n' });
  expect(native.fault(error)).toEqual({
    error: {
      code: 'invalid_request',
      message: 'n: too big.',
      retryable: false,
      status: 400,
      param: 'n',
      usage: NO_USAGE,
      cost_usd: 0,
      attempts: 0,
    },
  });
});

test('whatever a model says stays inside its field', () => {
  const hostile = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc
      .array(
        fc.constantFrom(
          '\r',
          '\n',
          '\r\n\r\n',
          'data: x',
          'event: done',
          '\u2028',
          '\u2029',
          '\uD83D',
          '\uDE00',
          '\0',
          '"',
          '\\',
        ),
      )
      .map((parts) => parts.join('')),
    fc.constant('\n\ndata: x\n\n'),
  );
  const event = fc.oneof(
    hostile.map((text): StreamEvent => ({ type: 'token', text })),
    hostile.map((text): StreamEvent => ({ type: 'reasoning', text })),
    fc.tuple(hostile, hostile).map(
      ([text, signature]): StreamEvent => ({
        type: 'reasoning-detail',
        detail: { type: 'reasoning.text', text, signature, format: text },
      }),
    ),
    fc
      .tuple(hostile, hostile, hostile)
      .map(([id, name, args]): StreamEvent => ({ type: 'tool-call-delta', index: 0, id, name, arguments: args })),
    fc
      .tuple(
        hostile,
        hostile,
        fc.oneof(
          hostile,
          fc.json(),
          hostile.map((text) => JSON.stringify({ [text]: text })),
        ),
      )
      .map(([id, name, args]): StreamEvent => ({ type: 'tool-call', call: toolCall(0, id, name, args) })),
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 6 }), hostile, (events, message) => {
      const error = new GatewayError('upstream_protocol', message);
      // Over the wire as bytes, where a lone surrogate would not survive.
      const bytes = Buffer.from(transcript(events, { type: 'error', error, ...summary })).toString();
      const got = read(bytes).slice(1);
      expect(got.map(({ event }) => event)).toEqual([...events.map(({ type }) => type), 'error']);
      expect(got.map(({ id }) => id)).toEqual(got.map((_, at) => String(at + 2)));
      events.forEach((event, at) => {
        const { type: _type, ...fields } = event as unknown as Record<string, unknown>;
        expect(got[at]!.data).toEqual(JSON.parse(JSON.stringify(fields.call ?? fields.detail ?? fields)));
      });
      expect(got.at(-1)!.data.message).toBe(message);
    }),
    { numRuns: 1000 },
  );
});

test('nothing of other alternatives is mixed into the one answer of this door', () => {
  const events: StreamEvent[] = [
    { type: 'token', text: 'mine' },
    { type: 'token', text: 'stray', choice: 1 },
    { type: 'tool-call', call: toolCall(0, 'x', 'f', ''), choice: 1 },
  ];
  expect(read(transcript(events, done)).map(({ event }) => event)).toEqual(['start', 'token', 'done']);
  const collector = native.collector({});
  for (const event of events) collector.event(event);
  expect(collector.result(done, meta)).toMatchObject({ text: 'mine', tool_calls: [] });
});
