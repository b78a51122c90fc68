// The UI door's bytes, what its request becomes, and that no order of events makes frames which the protocol's own parser refuses or
// which leave the reader of a message with a part that never ends.
import {
  parseJsonEventStream,
  readUIMessageStream,
  type UIMessage,
  type UIMessageChunk,
  uiMessageChunkSchema,
} from 'ai';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { chatRequest } from '../../src/core/chat.ts';
import { GatewayError } from '../../src/core/errors.ts';
import {
  type Ending,
  NO_USAGE,
  type ReasoningDetail,
  type StreamEvent,
  type Summary,
  toolCall,
} from '../../src/core/events.ts';
import { ui } from '../../src/dialects/ui/door.ts';

const meta = { streamId: 'str_1', model: 'fast', provider: 'up', created: 1_700_000_000, dropped: [] };
const summary: Summary = {
  usage: { ...NO_USAGE, input_tokens: 19, output_tokens: 42, reasoning_tokens: 8 },
  cost_usd: 0.000123,
  model: 'fast',
  provider: 'up',
  attempts: 1,
  timing: { first_token_ms: 210, total_ms: 1820 },
};
const done: Ending = { type: 'done', finishReason: 'tool-calls', ...summary };
const failed: Ending = { type: 'error', error: new GatewayError('upstream_truncated', 'It stopped.'), ...summary };
const call = { rest: '', query: {}, headers: {} };
const signed: ReasoningDetail = { type: 'reasoning.text', text: 'Hm. So.', signature: 'c2ln', format: 'f-1' };
const sealed: ReasoningDetail = { type: 'reasoning.encrypted', data: 'ZW5j', format: 'f-1' };

function transcript(events: StreamEvent[], ending: Ending = done, options: object = {}): string {
  const encoder = ui.encoder({ ...options });
  return encoder.start(meta) + events.map((event) => encoder.event(event)).join('') + encoder.end(ending);
}

/** The chunks behind the first two, as the SDK's parser takes them; it throws at any that it does not know. */
async function chunksOf(events: StreamEvent[], ending: Ending = done): Promise<UIMessageChunk[]> {
  const chunks: UIMessageChunk[] = [];
  const stream = new Blob([transcript(events, ending)]).stream();
  const results = parseJsonEventStream({ stream, schema: uiMessageChunkSchema }) as unknown as AsyncIterable<any>;
  for await (const { success, value, error } of results) {
    if (!success) throw error;
    chunks.push(value);
  }
  return chunks.slice(2);
}

/** The message that a page holds at the end. */
async function messageOf(events: StreamEvent[], ending: Ending = done): Promise<UIMessage> {
  const chunks = await chunksOf(events, ending);
  let last: UIMessage | undefined;
  const stream = new ReadableStream<UIMessageChunk>({
    start(controller) {
      for (const chunk of [{ type: 'start' as const, messageId: 'm' }, { type: 'start-step' as const }, ...chunks]) {
        controller.enqueue(chunk);
      }
      controller.close();
    },
  });
  for await (const message of readUIMessageStream({ stream, terminateOnError: false })) last = message;
  return last!;
}

const token = (text: string): StreamEvent => ({ type: 'token', text });
const thought = (text: string): StreamEvent => ({ type: 'reasoning', text });
const keep = (detail: ReasoningDetail): StreamEvent => ({ type: 'reasoning-detail', detail });
const delta = (index: number, piece: string, id?: string, name?: string): StreamEvent => ({
  type: 'tool-call-delta',
  index,
  ...(id !== undefined && { id }),
  ...(name !== undefined && { name }),
  arguments: piece,
});
const made = (index: number, id: string, name: string, text: string): StreamEvent => ({
  type: 'tool-call',
  call: toolCall(index, id, name, text),
});

test('a stream with everything in it, byte for byte', () => {
  const events = [
    thought('Hm.'),
    thought(' So.'),
    keep(signed),
    token('Hel'),
    token('lo\n"😀"'),
    delta(0, '{"ci', 'call_1', 'get_weather'),
    delta(1, '', 'call_2', 'broken'),
    delta(0, 'ty":"Paris"}'),
    made(0, 'call_1', 'get_weather', '{"city":"Paris"}'),
    delta(1, '{"a":'),
    made(1, 'call_2', 'broken', '{"a":'),
    { type: 'usage', usage: summary.usage },
  ] as StreamEvent[];
  const usage =
    '"usage":{"input_tokens":19,"output_tokens":42,"cached_input_tokens":0,"cache_write_input_tokens":0,"reasoning_tokens":8,"estimated":false}';
  const rest =
    '"cost_usd":0.000123,"model":"fast","provider":"up","attempts":1,"timing":{"first_token_ms":210,"total_ms":1820}';
  const frames = [
    '{"type":"start","messageId":"msg_1","messageMetadata":{"stream_id":"str_1","model":"fast","provider":"up"}}',
    '{"type":"start-step"}',
    '{"type":"reasoning-start","id":"reasoning-1"}',
    '{"type":"reasoning-delta","id":"reasoning-1","delta":"Hm."}',
    '{"type":"reasoning-delta","id":"reasoning-1","delta":" So."}',
    '{"type":"reasoning-end","id":"reasoning-1","providerMetadata":{"millrace":{"reasoning_details":[{"type":"reasoning.text","text":"Hm. So.","signature":"c2ln","format":"f-1"}]}}}',
    '{"type":"text-start","id":"text-2"}',
    '{"type":"text-delta","id":"text-2","delta":"Hel"}',
    '{"type":"text-delta","id":"text-2","delta":"lo\\n\\"😀\\""}',
    '{"type":"text-end","id":"text-2"}',
    '{"type":"tool-input-start","toolCallId":"call_1","toolName":"get_weather"}',
    '{"type":"tool-input-delta","toolCallId":"call_1","inputTextDelta":"{\\"ci"}',
    '{"type":"tool-input-start","toolCallId":"call_2","toolName":"broken"}',
    '{"type":"tool-input-delta","toolCallId":"call_1","inputTextDelta":"ty\\":\\"Paris\\"}"}',
    '{"type":"tool-input-available","input":{"city":"Paris"},"toolCallId":"call_1","toolName":"get_weather"}',
    '{"type":"tool-input-delta","toolCallId":"call_2","inputTextDelta":"{\\"a\\":"}',
    '{"type":"tool-input-error","input":"{\\"a\\":","errorText":"The arguments of this call are not valid JSON.","toolCallId":"call_2","toolName":"broken"}',
    '{"type":"finish-step"}',
    `{"type":"finish","finishReason":"tool-calls","messageMetadata":{"finish_reason":"tool-calls",${usage},${rest}}}`,
    '[DONE]',
  ];
  expect(transcript(events)).toBe(frames.map((data, at) => `id: ${at + 1}\ndata: ${data}\n\n`).join(''));
});

describe('the end', () => {
  const last = async (ending: Ending) => (await chunksOf([token('Half')], ending)).slice(2);

  test('an error closes what is open, leaves the bill with the message, and is last', async () => {
    const { type: _, error, ...rest } = failed as Ending & { type: 'error' };
    expect(await last(failed)).toEqual([
      { type: 'text-end', id: 'text-1' },
      { type: 'message-metadata', messageMetadata: { error: error.body(), ...rest } },
      { type: 'error', errorText: 'It stopped.' },
    ]);
  });

  test('a cancelled answer is aborted', async () => {
    const chunks = await last({ ...summary, type: 'done', finishReason: 'cancelled' });
    expect(chunks.map(({ type }) => type)).toEqual(['text-end', 'message-metadata', 'abort']);
  });

  test.each([
    ['stop', 'stop'],
    ['length', 'length'],
    ['content-filter', 'content-filter'],
    ['budget', 'length'],
    ['other', 'other'],
  ] as const)('%s is told as %s, and by its own name in the metadata', async (finishReason, told) => {
    expect((await last({ ...summary, type: 'done', finishReason })).at(-1)).toMatchObject({
      type: 'finish',
      finishReason: told,
      messageMetadata: { finish_reason: finishReason },
    });
  });
});

describe('reasoning details', () => {
  const carried = ({ providerMetadata, callProviderMetadata, resultProviderMetadata }: any) =>
    (providerMetadata ?? callProviderMetadata ?? resultProviderMetadata)?.millrace.reasoning_details;

  test.each<[string, StreamEvent[], (string | ReasoningDetail[])[]]>([
    ['of a thought, on it', [thought('a'), keep(signed), token('b')], ['reasoning', [signed], 'text']],
    [
      'of two thoughts, on each its own',
      [thought('a'), keep(signed), thought('b'), keep(sealed)],
      ['reasoning', [signed], 'reasoning', [sealed]],
    ],
    ['behind text, on the text', [token('a'), keep(sealed), token('b')], ['text', [sealed]]],
    ['in front of text, on the text', [keep(sealed), token('a')], ['text', [sealed]]],
    [
      'of a call, on the call',
      [delta(0, '{}', 'c', 'f'), keep({ ...sealed, id: 'c' }), made(0, 'c', 'f', '{}')],
      ['tool-f', [{ ...sealed, id: 'c' }]],
    ],
    ['in front of a call, on the call', [keep(sealed), made(0, 'c', 'f', '{}')], ['tool-f', [sealed]]],
    ['in front of a broken call, on the call', [keep(sealed), made(0, 'c', 'f', '{')], ['tool-f', [sealed]]],
    ['alone, on a thought without words', [keep(sealed)], ['reasoning', [sealed]]],
    [
      'behind a call, on a thought without words',
      [made(0, 'c', 'f', ''), keep(sealed)],
      ['tool-f', 'reasoning', [sealed]],
    ],
  ])('%s, and back into the next request in their order', async (_what, events, expected) => {
    const message = await messageOf(events);
    const parts = message.parts.slice(1);
    expect(parts.flatMap((part) => [part.type, ...(carried(part) ? [carried(part)] : [])])).toEqual(expected);

    const answered = parts.map((part) => (part.type === 'tool-f' ? { ...part, state: 'output-error' } : part));
    const { chat } = ui.parse(
      { messages: [{ role: 'assistant', parts: [{ type: 'text', text: 'x' }, ...answered] }] },
      call,
    );
    const details = events.flatMap((event) => (event.type === 'reasoning-detail' ? [event.detail] : []));
    expect(chat.messages[0]).toMatchObject({ reasoning_details: details });

    // Whole, the same parts.
    const collector = ui.collector({});
    for (const event of events) collector.event(event);
    const whole = collector.result(done as Ending & { type: 'done' }, meta) as UIMessage;
    expect(whole.parts.map((part) => [part.type, carried(part)])).toEqual(
      message.parts.map((part) => [part.type, carried(part)]),
    );
  });
});

test('a call begins when it has an id and a name, and not before', async () => {
  const chunks = await chunksOf([
    delta(0, '', 'c', ''),
    delta(0, '{"a"'),
    delta(0, ':1}', undefined, 'f'),
    made(0, 'c', 'f', '{"a":1}'),
  ]);
  expect(chunks.slice(0, 3)).toEqual([
    { type: 'tool-input-start', toolCallId: 'c', toolName: 'f' },
    { type: 'tool-input-delta', toolCallId: 'c', inputTextDelta: '{"a":1}' },
    { type: 'tool-input-available', toolCallId: 'c', toolName: 'f', input: { a: 1 } },
  ]);
});

test.each(['{"a":{"__proto__":1}}', '{"constructor":{"prototype":{}}}'])(
  'arguments that the client would refuse the stream for, as %s, are told as an error of their call',
  async (args) => {
    const chunks = await chunksOf([made(0, 'c', 'f', args), made(1, 'd', 'f', JSON.stringify({ quoted: args }))]);
    expect(chunks[0]).toMatchObject({ type: 'tool-input-error', input: args });
    expect(chunks[1]).toMatchObject({ type: 'tool-input-available', input: { quoted: args } });
  },
);

test('nothing of other alternatives is mixed into the one answer of this door', async () => {
  const message = await messageOf([token('mine'), { type: 'token', text: 'stray', choice: 1 }]);
  expect(message.parts).toMatchObject([{ type: 'step-start' }, { type: 'text', text: 'mine' }]);
});

test('whatever a model says, in whatever order, is a message whose parts have ended', async () => {
  const hostile = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('\r\n\r\n', '\n\ndata: [DONE]\n\n', '\u2028', '\0', '__proto__', '"', 'data: x'),
  );
  const text = hostile.filter((said) => said !== '');
  const piece = fc.oneof(
    text.map(token),
    text.map(thought),
    hostile.map((data) => keep({ ...sealed, data })),
    fc.record({
      args: fc.oneof(hostile, fc.json(), fc.constant('{"__proto__":{}}')),
      split: fc.nat(9),
      name: fc.constantFrom('f', 'get it', '-'),
    }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 8 }), hostile, async (script, why) => {
      let index = 0;
      const events = script.flatMap((step): StreamEvent[] => {
        if ('type' in step) return [step];
        const { args, split, name } = step;
        const at = index++;
        const id = `call_${at}`;
        return [delta(at, args.slice(0, split), id, name), delta(at, args.slice(split)), made(at, id, name, args)];
      });
      const joined = (type: string) =>
        events.flatMap((event) => (event.type === type && 'text' in event ? [event.text] : [])).join('');
      const error = new GatewayError('upstream_protocol', why);
      for (const ending of [done, { type: 'error' as const, error, ...summary }]) {
        const { parts } = await messageOf(events, ending);
        const said = (type: string) =>
          parts.flatMap((part) => (part.type === type && 'text' in part ? [part.text] : [])).join('');
        expect(said('text')).toBe(joined('token'));
        expect(said('reasoning')).toBe(joined('reasoning'));
        for (const part of parts)
          if ('state' in part) expect(part.state).toMatch(/^(done|input-available|output-error)$/);
        expect(parts.filter(({ type }) => type.startsWith('tool-'))).toHaveLength(index);
      }
    }),
    { numRuns: 200 },
  );
});

describe('a request', () => {
  const ask = (messages: object[], more: object = {}) => ui.parse({ model: 'm', messages, ...more }, call);
  const user = (...parts: object[]) => ({ id: 'u', role: 'user', parts });
  const assistant = (...parts: object[]) => ({ id: 'a', role: 'assistant', parts });
  const text = (said: string) => ({ type: 'text', text: said });
  const tool = (state: string, more: object = {}) => ({
    type: 'tool-f',
    toolCallId: 'c',
    state,
    input: { a: 1 },
    ...more,
  });

  test('of a chat component, with all that it sends along', () => {
    const parsed = ask(
      [
        { id: 's', role: 'system', parts: [text('Be '), text('kind.')] },
        user(text('Hi')),
        assistant(
          { type: 'step-start' },
          {
            type: 'reasoning',
            text: 'Hm. So.',
            providerMetadata: { millrace: { reasoning_details: [signed] }, other: { x: 1 } },
          },
          text('Let me see.'),
          tool('output-available', { output: { degrees: 21 } }),
          {
            type: 'dynamic-tool',
            toolName: 'g',
            toolCallId: 'd',
            state: 'output-available',
            input: {},
            output: 'noon',
          },
          { type: 'step-start' },
          { type: 'source-url', sourceId: '1', url: 'https://example.com' },
          { type: 'data-chart', data: { text: 1 } },
          text('It is '),
          text('warm.'),
        ),
        user(text('And now?')),
      ],
      {
        id: 'chat',
        trigger: 'submit-message',
        system: 'Be brief.',
        temperature: 0.5,
        reasoning_effort: 'low',
        brand_new: 1,
      },
    );
    expect(parsed).toEqual({
      chat: {
        model: 'm',
        temperature: 0.5,
        reasoning_effort: 'low',
        brand_new: 1,
        messages: [
          { role: 'system', content: 'Be brief.' },
          { role: 'system', content: 'Be kind.' },
          { role: 'user', content: 'Hi' },
          {
            role: 'assistant',
            content: 'Let me see.',
            tool_calls: [
              { id: 'c', type: 'function', function: { name: 'f', arguments: '{"a":1}' } },
              { id: 'd', type: 'function', function: { name: 'g', arguments: '{}' } },
            ],
            reasoning_details: [signed],
          },
          { role: 'tool', tool_call_id: 'c', content: '{"degrees":21}' },
          { role: 'tool', tool_call_id: 'd', content: 'noon' },
          { role: 'assistant', content: [text('It is '), text('warm.')] },
          { role: 'user', content: 'And now?' },
        ],
      },
      conversation: 'chat',
      stream: true,
      options: {},
    });
    expect(chatRequest.safeParse(parsed.chat).success).toBe(true);
  });

  test.each<[string, object, object]>([
    [
      'an image',
      { mediaType: 'image/png', url: 'data:image/png;base64,AA==' },
      { type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } },
    ],
    [
      'an image of no exact type',
      { mediaType: 'image', url: 'https://x.test/a' },
      { type: 'image_url', image_url: { url: 'https://x.test/a' } },
    ],
    [
      'an image that only its bytes name',
      { mediaType: '', url: 'data:image/png;base64,AA==' },
      { type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } },
    ],
    [
      'sound',
      { mediaType: 'audio/mpeg', url: 'data:audio/mpeg;base64,AA==' },
      { type: 'input_audio', input_audio: { data: 'AA==', format: 'mp3' } },
    ],
    [
      'a document',
      { mediaType: 'application/pdf', filename: 'a.pdf', url: 'data:application/pdf;base64,AA==' },
      { type: 'file', file: { file_data: 'data:application/pdf;base64,AA==', filename: 'a.pdf' } },
    ],
    [
      'an address',
      { mediaType: 'application/pdf', url: 'https://x.test/a.pdf' },
      { type: 'file', file: { file_url: 'https://x.test/a.pdf' } },
    ],
    [
      'an upload',
      { mediaType: 'application/pdf', url: '', providerReference: { up: 'file-1' } },
      { type: 'file', file: { file_id: 'file-1' } },
    ],
  ])('with %s', (_what, file, expected) => {
    expect(ask([user({ type: 'file', ...file })]).chat.messages[0]!.content).toEqual([expected]);
  });

  test.each<[string, object, object]>([
    ['failed', tool('output-error', { errorText: 'no' }), { content: 'no', is_error: true }],
    [
      'was denied',
      tool('output-denied', { approval: { approved: false, reason: 'never' } }),
      { content: 'never', is_error: true },
    ],
    [
      'is being denied',
      tool('approval-responded', { approval: { approved: false } }),
      { content: 'The user denied this call.', is_error: true },
    ],
    ['gave nothing', tool('output-available'), { content: 'null' }],
  ])('with a tool that %s', (_what, part, expected) => {
    expect(ask([user(text('Hi')), assistant(part)]).chat.messages.at(-1)).toEqual({
      role: 'tool',
      tool_call_id: 'c',
      ...expected,
    });
  });

  test('whose model wrote arguments that are none gives them back in an object', () => {
    const { chat } = ask([assistant(tool('output-error', { input: '{"a":', errorText: 'no' }))]);
    expect(chat.messages[0]).toMatchObject({ tool_calls: [{ function: { arguments: '{"input":"{\\"a\\":"}' } }] });
  });

  test('with a call that nobody answered is answered for them once the user has gone on, and refused before', () => {
    for (const state of ['input-available', 'approval-requested', 'approval-responded']) {
      const open = assistant(tool(state, { approval: { approved: true } }));
      expect(ask([user(text('Hi')), open, user(text('Hm'))]).chat.messages[2]).toMatchObject({
        role: 'tool',
        is_error: true,
      });
      expect(() => ask([user(text('Hi')), open])).toThrow(/^messages\[1\]\.parts\[0\]: this call has no output yet/);
    }
  });

  test('leaves out an answer that was stopped before it said anything', () => {
    const { chat } = ask([
      user(text('Hi')),
      assistant({ type: 'step-start' }, { type: 'reasoning', text: 'Hm' }, tool('input-streaming')),
      user(text('Hm')),
    ]);
    expect(chat.messages.map(({ role }) => role)).toEqual(['user', 'user']);
  });

  test('goes on in the message that it answers, and makes another one for another answer', () => {
    const [question, answer] = [user(text('Hi')), { ...assistant(text('Ho')), id: 'a' }];
    const goesOn = (messages: object[], more: object = {}) =>
      (ask(messages, more).options.message as { id: string } | undefined)?.id;
    expect(goesOn([question, answer])).toBe('a');
    expect(goesOn([question, answer], { trigger: 'submit-message', messageId: 'a' })).toBe('a');
    expect(goesOn([question, answer, { ...question, id: 'u2' }])).toBeUndefined();
    expect(goesOn([question, answer, { ...question, id: 'u2' }], { trigger: 'submit-message', messageId: 'a' })).toBe(
      'a',
    );
    expect(goesOn([question, answer], { trigger: 'submit-message', messageId: 'u' })).toBeUndefined();
    expect(goesOn([question, answer], { trigger: 'regenerate-message', messageId: 'a' })).toBeUndefined();
    expect(transcript([], done, ask([question, answer]).options)).toContain('{"type":"start","messageId":"a",');
  });

  test('names its tools in a list, or in an object as the SDK writes it', () => {
    const parameters = { type: 'object', properties: {} };
    const expected = [{ type: 'function', function: { name: 'f', description: 'F', parameters } }];
    for (const tools of [
      expected,
      { f: { description: 'F', inputSchema: parameters } },
      { f: { description: 'F', parameters } },
      { f: { description: 'F', inputSchema: { jsonSchema: parameters } } },
    ]) {
      expect(ask([user(text('Hi'))], { tools }).chat.tools).toEqual(expected);
    }
  });

  test.each<[string, object, object]>([
    ['messages[0].parts', {}, { role: 'user', content: 'Hi' }],
    ['messages[0].role', {}, { role: 'tool', parts: [] }],
    ['messages[0].parts[0].text', {}, user({ type: 'text' })],
    ['messages[0].parts[1].type', {}, user(text('Hi'), { type: 'hologram' })],
    ['messages[0].parts[0].url', {}, user({ type: 'file', mediaType: 'image/png', url: 'blob:https://x.test/1' })],
    ['messages[0].parts[0].state', {}, assistant(tool('result'))],
    ['messages[0].parts[0].toolCallId', {}, assistant({ ...tool('output-available'), toolCallId: '' })],
    ['messages[0].parts[0].toolName', {}, assistant({ ...tool('output-available'), type: 'dynamic-tool' })],
    ['tools.f.type', { tools: { f: { type: 'provider' } } }, user(text('Hi'))],
    [
      'tools.f.inputSchema',
      { tools: { f: { inputSchema: { def: { type: 'object' }, type: 'object' } } } },
      user(text('Hi')),
    ],
    ['n', { n: 2 }, user(text('Hi'))],
  ])('is refused by the name of %s', (param, more, message) => {
    let thrown: unknown;
    try {
      ask([message], more);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(GatewayError);
    expect(thrown).toMatchObject({ code: 'invalid_request', param });
  });
});
