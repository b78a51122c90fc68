// The OpenAI front door's bytes, built from events and handed on from a provider, and the two read back by our own decoder.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../src/core/errors.ts';
import { type Ending, type FinishReason, NO_USAGE, type StreamEvent, type Usage } from '../../src/core/events.ts';
import { openai } from '../../src/dialects/openai/door.ts';
import { createOpenAiDecoder } from '../../src/providers/openai/decode.ts';

const meta = { streamId: 'str_1', model: 'fast', provider: 'anthropic', created: 1_700_000_000, dropped: [] };
const usage: Usage = { ...NO_USAGE, input_tokens: 19, output_tokens: 42, cached_input_tokens: 3, reasoning_tokens: 8 };
const summary = {
  usage,
  cost_usd: 0,
  model: 'fast',
  provider: 'anthropic',
  attempts: 1,
  timing: { first_token_ms: 1, total_ms: 2 },
};
const done = (finishReason: FinishReason): Ending & { type: 'done' } => ({ type: 'done', finishReason, ...summary });
const failed = (error: GatewayError): Ending => ({ type: 'error', error, ...summary });

function encode(events: StreamEvent[], ending: Ending, options = {}): string {
  const encoder = openai.encoder(options);
  return encoder.start(meta) + events.map((event) => encoder.event(event)).join('') + encoder.end(ending);
}

function handOn(frames: [data: string, hasUsage: boolean][], ending: Ending, options = {}): string[] {
  const encoder = openai.encoder(options);
  const text = encoder.start(meta) + frames.map((frame) => encoder.raw!(...frame)).join('') + encoder.end(ending);
  return [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => data!);
}

const head = '"id":"chatcmpl-str_1","object":"chat.completion.chunk","created":1700000000,"model":"fast"';
const choice = (delta: string, finish: string | null = null) =>
  `{${head},"choices":[{"index":0,"delta":${delta},"logprobs":null,"finish_reason":${JSON.stringify(finish)}}]}`;
const wireUsage =
  '{"prompt_tokens":19,"completion_tokens":42,"total_tokens":61,"prompt_tokens_details":{"cached_tokens":3},"completion_tokens_details":{"reasoning_tokens":8}}';
const frames = (...data: string[]) => data.map((json, at) => `id: ${at + 1}\ndata: ${json}\n\n`).join('');

describe('built from events', () => {
  test('a stream with everything in it, byte for byte', () => {
    const events: StreamEvent[] = [
      { type: 'reasoning', text: 'Hm.' },
      { type: 'token', text: 'Hi\n"😀"' },
      { type: 'tool-call-delta', index: 0, id: 'call_1', name: 'f', arguments: '' },
      { type: 'tool-call-delta', index: 0, arguments: '{"a":1}' },
      { type: 'tool-call', call: { index: 0, id: 'call_1', name: 'f', arguments: { a: 1 } } },
      { type: 'usage', usage },
    ];
    expect(encode(events, done('tool-calls'), { includeUsage: true })).toBe(
      frames(
        choice('{"role":"assistant","content":""}'),
        choice('{"reasoning_content":"Hm."}'),
        choice('{"content":"Hi\\n\\"😀\\""}'),
        choice('{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":""}}]}'),
        choice('{"tool_calls":[{"index":0,"function":{"arguments":"{\\"a\\":1}"}}]}'),
        choice('{}', 'tool_calls'),
        `{${head},"choices":[],"usage":${wireUsage}}`,
        '[DONE]',
      ),
    );
  });

  test('usage appears only for a client that asked for it', () => {
    expect(encode([{ type: 'token', text: 'x' }], done('stop'))).not.toContain('usage');
  });

  test('an error is the last frame, and no [DONE] follows it', () => {
    const error = new GatewayError('upstream_truncated', 'It was cut.');
    expect(encode([{ type: 'token', text: 'x' }], failed(error))).toBe(
      frames(
        choice('{"role":"assistant","content":""}'),
        choice('{"content":"x"}'),
        '{"error":{"message":"It was cut.","type":"server_error","param":null,"code":"upstream_truncated"}}',
      ),
    );
  });

  test.each<[FinishReason, string]>([
    ['stop', 'stop'],
    ['length', 'length'],
    ['tool-calls', 'tool_calls'],
    ['content-filter', 'content_filter'],
    ['cancelled', 'stop'],
    ['budget', 'length'],
    ['other', 'stop'],
  ])('the finish reason %s is %s', (reason, wire) => {
    expect(encode([{ type: 'token', text: 'x' }], done(reason))).toContain(`"finish_reason":"${wire}"`);
  });

  test('each alternative opens, speaks and ends for itself', () => {
    const say = (text: string, index?: number): StreamEvent => ({ type: 'token', text, choice: index });
    const collector = openai.collector({});
    for (const event of [say('a'), say('b', 1), say('A'), say('B', 1)]) collector.event(event);
    const { choices } = collector.result(done('stop'), meta) as { choices: any[] };
    expect(choices.map(({ index, message, finish_reason }) => [index, message.content, finish_reason])).toEqual([
      [0, 'aA', 'stop'],
      [1, 'bB', 'stop'],
    ]);
  });

  test('a whole answer has the shape of the API', () => {
    const collector = openai.collector({});
    collector.event({ type: 'token', text: 'Hi' });
    collector.event({ type: 'tool-call-delta', index: 0, id: 'call_1', name: 'f', arguments: '{}' });
    expect(collector.result(done('tool-calls'), meta)).toEqual({
      id: 'chatcmpl-str_1',
      object: 'chat.completion',
      created: 1_700_000_000,
      model: 'fast',
      choices: [
        {
          index: 0,
          message: {
            role: 'assistant',
            content: 'Hi',
            refusal: null,
            tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'f', arguments: '{}' } }],
          },
          logprobs: null,
          finish_reason: 'tool_calls',
        },
      ],
      usage: JSON.parse(wireUsage),
    });
  });
});

describe('handed on', () => {
  const said = '{"x":  "as it came","choices":[{"delta":{"content":"Hi"}}]}';
  const last = '{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}';
  const inside = '{"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}';
  const groq = '{"choices":[{"delta":{},"finish_reason":"stop"}],"x_groq":{"usage":{"prompt_tokens":1}}}';

  test('frames stay as they came, character for character', () => {
    expect(
      handOn(
        [
          [said, false],
          [last, true],
        ],
        done('stop'),
        { includeUsage: true },
      ),
    ).toEqual([said, last, '[DONE]']);
  });

  test('a chunk that is nothing but usage is only for a client that asked', () => {
    expect(
      handOn(
        [
          [said, false],
          [last, true],
        ],
        done('stop'),
      ),
    ).toEqual([said, '[DONE]']);
    expect(handOn([[inside, true]], done('stop'))).toEqual([inside, '[DONE]']);
  });

  test('a client that asked for usage gets it also where the provider never said it', () => {
    const got = handOn([[said, false]], done('stop'), { includeUsage: true });
    expect(got).toEqual([said, `{${head},"choices":[],"usage":${wireUsage}}`, '[DONE]']);
  });

  test('a client that asked for usage gets it where the provider said it elsewhere than a client looks', () => {
    const got = handOn(
      [
        [said, false],
        [groq, true],
      ],
      done('stop'),
      { includeUsage: true },
    );
    expect(got.slice(0, 2)).toEqual([said, groq]);
    expect(JSON.parse(got[2]!).usage).toEqual(JSON.parse(wireUsage));
  });

  test('an error after frames is a frame of its own, without [DONE]', () => {
    const error = new GatewayError('upstream_unavailable', 'Gone.');
    const got = handOn([[said, false]], failed(error));
    expect(got).toHaveLength(2);
    expect(JSON.parse(got[1]!)).toEqual({
      error: { message: 'Gone.', type: 'server_error', param: null, code: error.code },
    });
  });

  test('a whole answer keeps what only this vendor knows, and merges what came in pieces', () => {
    const collector = openai.collector({});
    const chunk = (delta: object, rest: object = {}, more: object = {}) =>
      collector.raw!(
        JSON.stringify({ id: 'x', object: 'chat.completion.chunk', choices: [{ index: 0, delta, ...rest }], ...more }),
        false,
      );
    chunk({ role: 'assistant', content: '' }, {}, { provider: 'Acme', service_tier: null });
    chunk({ content: 'Hi', annotations: [1] }, { logprobs: { content: [{ token: 'Hi' }], refusal: null } });
    chunk({ content: ' you', annotations: [2], __proto__: null }, { logprobs: { content: [{ token: ' you' }] } });
    chunk({ tool_calls: [{ index: 0, id: 'c', function: { name: 'f', arguments: '{' } }] });
    chunk({ tool_calls: [{ index: 0, function: { arguments: '}' }, extra: 1 }] });
    chunk({}, { finish_reason: 'tool_calls', native_finish_reason: 'done' }, { usage: { prompt_tokens: 5 } });
    expect(collector.result(done('tool-calls'), meta)).toMatchObject({
      id: 'x',
      object: 'chat.completion',
      provider: 'Acme',
      choices: [
        {
          message: {
            content: 'Hi you',
            annotations: [1, 2],
            tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }],
          },
          logprobs: { content: [{ token: 'Hi' }, { token: ' you' }], refusal: null },
          finish_reason: 'tool_calls',
          native_finish_reason: 'done',
        },
      ],
      usage: { prompt_tokens: 5 },
    });
  });

  test('__proto__ in a frame pollutes nothing', () => {
    const collector = openai.collector({});
    collector.raw!(
      '{"__proto__":{"polluted":1},"choices":[{"delta":{"content":"x","__proto__":{"polluted":1}},"__proto__":{"polluted":1}}]}',
      false,
    );
    collector.result(done('stop'), meta);
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });
});

test.each([
  ['unauthorized', 'authentication_error'],
  ['forbidden', 'permission_error'],
  ['rate_limited', 'rate_limit_error'],
  ['upstream_rate_limited', 'rate_limit_error'],
  ['budget_exceeded', 'insufficient_quota'],
  ['model_not_found', 'invalid_request_error'],
  ['upstream_timeout', 'server_error'],
  ['internal', 'server_error'],
] as const)('a failure of %s has the type %s', (code, type) => {
  const error = new GatewayError(code, 'Why.', { param: 'model' });
  expect(openai.fault(error)).toEqual({ error: { message: 'Why.', type, param: 'model', code } });
});

// ---- there and back -------------------------------------------------------------------------------------------------

interface Said {
  text: string;
  reasoning: string;
  calls: { id: string; name: string; text: string }[];
}

function fold(events: StreamEvent[], choice: number): Said {
  const own = events.filter((e) => ('choice' in e ? (e.choice ?? 0) === choice : choice === 0));
  const calls: Said['calls'] = [];
  for (const event of own) {
    if (event.type !== 'tool-call-delta') continue;
    calls[event.index] ??= { id: '', name: '', text: '' };
    const call = calls[event.index]!;
    call.id += event.id ?? '';
    call.name += event.name ?? '';
    call.text += event.arguments;
  }
  const join = (type: 'token' | 'reasoning') => own.flatMap((e) => (e.type === type ? [e.text] : [])).join('');
  return { text: join('token'), reasoning: join('reasoning'), calls };
}

const word = fc.oneof(
  fc.string({ minLength: 1, unit: 'binary' }),
  fc.constantFrom('\n\ndata: [DONE]\n\n', '\uD83D', '\u2028'),
);
const call = fc.record({ name: fc.string({ minLength: 1 }), args: fc.object({ maxDepth: 2 }), at: fc.nat() });
const answer = fc.record({
  words: fc.array(fc.tuple(fc.constantFrom('token' as const, 'reasoning' as const), word), { maxLength: 6 }),
  calls: fc.array(call, { maxLength: 3 }),
});

function eventsOf(
  { words, calls }: typeof answer extends fc.Arbitrary<infer T> ? T : never,
  choice: number,
): StreamEvent[] {
  const mine = choice === 0 ? {} : { choice };
  return [
    ...words.map(([type, text]): StreamEvent => ({ type, text, ...mine })),
    ...calls.flatMap(({ name, args, at }, index): StreamEvent[] => {
      const json = JSON.stringify(args);
      const middle = at % json.length;
      const id = `call_${choice}_${index}`;
      return [
        { type: 'tool-call-delta', index, id, name, arguments: json.slice(0, middle), ...mine },
        { type: 'tool-call-delta', index, arguments: json.slice(middle), ...mine },
      ];
    }),
  ];
}

test('what this door says is what our own decoder reads', () => {
  fc.assert(
    fc.property(fc.array(answer, { minLength: 1, maxLength: 3 }), fc.boolean(), (answers, fails) => {
      // An alternative that says nothing at all has no chunks to be read from.
      const sent = answers.flatMap((one, n) => [
        { type: 'token' as const, text: '.', ...(n > 0 && { choice: n }) },
        ...eventsOf(one, n),
      ]);
      const called = answers[0]!.calls.length > 0;
      const ending = fails
        ? failed(new GatewayError('upstream_timeout', 'Late.'))
        : done(called ? 'tool-calls' : 'stop');
      const got: StreamEvent[] = [];
      const decoder = createOpenAiDecoder({ emit: (event) => void got.push(event), choices: answers.length });
      decoder.push(Buffer.from(encode(sent, ending, { includeUsage: true })));
      decoder.end();
      for (const n of answers.keys()) expect(fold(got, n)).toEqual(fold(sent, n));
      const end = got.at(-1)!;
      if (fails) {
        expect(end).toMatchObject({ type: 'error', error: { message: expect.stringContaining('Late.') } });
        return;
      }
      expect(end).toEqual({ type: 'done', finishReason: called ? 'tool-calls' : 'stop' });
      expect(got.findLast((e) => e.type === 'usage')).toEqual({ type: 'usage', usage });
      const complete = got.flatMap((e) => (e.type === 'tool-call' && !e.choice ? [e.call] : []));
      expect(complete.map(({ name }) => name)).toEqual(answers[0]!.calls.map(({ name }) => name));
    }),
    { numRuns: 500 },
  );
});
