// The Responses front door: requests read, events built byte for byte, a provider's own handed on; and what is built, read back by the
// official client's strict reader and by our own decoder.
import fc from 'fast-check';
import { ResponseStream } from 'openai/lib/responses/ResponseStream';
import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../src/core/errors.ts';
import { type Ending, type FinishReason, NO_USAGE, type StreamEvent, type Usage } from '../../src/core/events.ts';
import { CLIENT_NAMES } from '../../src/core/origin.ts';
import { openaiResponses as door } from '../../src/dialects/openai-responses/door.ts';
import { anthropicRequest } from '../../src/providers/anthropic/request.ts';
import { createOpenAiResponsesDecoder } from '../../src/providers/openai-responses/decode.ts';
import { decoding, fold } from '../support/decode.ts';
import { recordingsOf } from '../support/recordings.ts';

const meta = { streamId: 'str_1', model: 'fast', provider: 'anthropic', created: 1_700_000_000, dropped: [] };
const usage: Usage = { ...NO_USAGE, input_tokens: 19, output_tokens: 42, cached_input_tokens: 3, reasoning_tokens: 8 };
const summary = {
  usage,
  cost_usd: 0,
  model: 'fast',
  provider: 'anthropic',
  attempts: 1,
  timing: { first_token_ms: 1, total_ms: 2000 },
};
const done = (finishReason: FinishReason): Ending & { type: 'done' } => ({ type: 'done', finishReason, ...summary });
const failed = (error: GatewayError): Ending => ({ type: 'error', error, ...summary });
const call = { headers: {}, query: {}, rest: '' };
const parse = (body: object) => door.parse({ model: 'fast', input: 'Hi', ...body }, call);
const options = (body: object = {}) => parse(body).options;

function encode(events: StreamEvent[], ending: Ending, given = options()): string {
  const encoder = door.encoder(given);
  return encoder.start(meta) + events.map((event) => encoder.event(event)).join('') + encoder.end(ending);
}

function collect(events: StreamEvent[], ending: Ending & { type: 'done' }, given = options()): any {
  const collector = door.collector(given);
  for (const event of events) collector.event(event);
  return collector.result(ending, meta);
}

const payloads = (text: string): any[] => [...text.matchAll(/^data: (.*)$/gm)].map(([, json]) => JSON.parse(json!));

/** The official reader: throws where an event does not fit what came before it. */
async function readStrictly(text: string): Promise<any> {
  const lines = payloads(text).map((event) => `${JSON.stringify(event)}\n`);
  const stream = new ReadableStream({
    start(controller) {
      for (const line of lines) controller.enqueue(new TextEncoder().encode(line));
      controller.close();
    },
  });
  return ResponseStream.fromReadableStream(stream).finalResponse();
}

const response = {
  id: 'resp_str_1',
  object: 'response',
  created_at: 1_700_000_000,
  status: 'in_progress',
  background: false,
  completed_at: null,
  error: null,
  incomplete_details: null,
  instructions: null,
  max_output_tokens: null,
  max_tool_calls: null,
  model: 'fast',
  output: [] as object[],
  parallel_tool_calls: true,
  previous_response_id: null,
  prompt_cache_key: null,
  reasoning: { effort: null, summary: null },
  safety_identifier: null,
  service_tier: null,
  store: false,
  temperature: null,
  text: { format: { type: 'text' } },
  tool_choice: 'auto',
  tools: [],
  top_logprobs: 0,
  top_p: null,
  truncation: 'disabled',
  usage: null as object | null,
  user: null,
  metadata: {},
};
const wireUsage = {
  input_tokens: 19,
  input_tokens_details: { cached_tokens: 3, cache_write_tokens: 0 },
  output_tokens: 42,
  output_tokens_details: { reasoning_tokens: 8 },
  total_tokens: 61,
};

function frames(...events: [type: string, fields: object][]): string {
  return events
    .map(([type, fields], at) => {
      const json = JSON.stringify({ type: `response.${type}`, ...fields, sequence_number: at });
      return `id: ${at + 1}\nevent: response.${type}\ndata: ${json}\n\n`;
    })
    .join('');
}

describe('built from events', () => {
  test('a stream with everything in it, byte for byte', () => {
    const detail = { type: 'reasoning.text', format: 'anthropic-claude-v1', text: 'Hm.', signature: 's' } as const;
    const events: StreamEvent[] = [
      { type: 'reasoning', text: 'Hm.' },
      { type: 'reasoning-detail', detail },
      { type: 'token', text: 'Hi\n"😀"' },
      { type: 'tool-call-delta', index: 0, id: 'call_1', name: 'f', arguments: '' },
      { type: 'tool-call-delta', index: 0, arguments: '{"a":1}' },
      { type: 'tool-call', call: { index: 0, id: 'call_1', name: 'f', arguments: { a: 1 } } },
    ];
    const sealed = `millrace:${Buffer.from(JSON.stringify([detail])).toString('base64url')}`;
    const part = (text: string) => ({ type: 'output_text', annotations: [], logprobs: [], text });
    const thought = { item_id: 'rs_str_1_0', output_index: 0, summary_index: 0 };
    const message = { item_id: 'msg_str_1_1', output_index: 1, content_index: 0 };
    const made = { item_id: 'fc_str_1_2', output_index: 2 };
    const head = { id: 'msg_str_1_1', type: 'message' };
    const text = 'Hi\n"😀"';
    const output = [
      {
        id: 'rs_str_1_0',
        type: 'reasoning',
        encrypted_content: sealed,
        summary: [{ type: 'summary_text', text: 'Hm.' }],
      },
      { ...head, status: 'completed', content: [part(text)], role: 'assistant' },
      {
        id: 'fc_str_1_2',
        type: 'function_call',
        status: 'completed',
        arguments: '{"a":1}',
        call_id: 'call_1',
        name: 'f',
      },
    ];
    const all = encode(events, done('tool-calls'));
    const expected = frames(
      ['created', { response }],
      ['in_progress', { response }],
      ['output_item.added', { item: { id: 'rs_str_1_0', type: 'reasoning', summary: [] }, output_index: 0 }],
      ['reasoning_summary_part.added', { ...thought, part: { type: 'summary_text', text: '' } }],
      ['reasoning_summary_text.delta', { ...thought, delta: 'Hm.' }],
      ['reasoning_summary_text.done', { ...thought, text: 'Hm.' }],
      ['reasoning_summary_part.done', { ...thought, part: { type: 'summary_text', text: 'Hm.' } }],
      ['output_item.done', { item: output[0], output_index: 0 }],
      [
        'output_item.added',
        { item: { ...head, status: 'in_progress', content: [], role: 'assistant' }, output_index: 1 },
      ],
      ['content_part.added', { ...message, part: part('') }],
      ['output_text.delta', { ...message, delta: text, logprobs: [] }],
      ['output_text.done', { ...message, text, logprobs: [] }],
      ['content_part.done', { ...message, part: part(text) }],
      ['output_item.done', { item: output[1], output_index: 1 }],
      ['output_item.added', { item: { ...output[2], status: 'in_progress', arguments: '' }, output_index: 2 }],
      ['function_call_arguments.delta', { ...made, delta: '{"a":1}' }],
      ['function_call_arguments.done', { ...made, arguments: '{"a":1}' }],
      ['output_item.done', { item: output[2], output_index: 2 }],
      [
        'completed',
        { response: { ...response, status: 'completed', completed_at: 1_700_000_002, output, usage: wireUsage } },
      ],
    );
    expect(all).toBe(expected);
    expect(collect(events, done('tool-calls'))).toEqual(payloads(expected).at(-1).response);
  });

  test.each<[FinishReason, string, object | null]>([
    ['stop', 'completed', null],
    ['tool-calls', 'completed', null],
    ['other', 'completed', null],
    ['length', 'incomplete', { reason: 'max_output_tokens' }],
    ['budget', 'incomplete', { reason: 'max_output_tokens' }],
    ['content-filter', 'incomplete', { reason: 'content_filter' }],
    ['cancelled', 'incomplete', null],
  ])('the finish reason %s is %s', (reason, status, incomplete_details) => {
    const events: StreamEvent[] = [
      { type: 'tool-call-delta', index: 0, id: 'c', name: 'f', arguments: '{"a' },
      { type: 'token', text: 'x' },
    ];
    const last = payloads(encode(events, done(reason))).at(-1);
    expect(last.type).toBe(`response.${status}`);
    expect(last.response).toMatchObject({ status, incomplete_details });
    const [cut, message] = last.response.output;
    expect(cut).toMatchObject({ type: 'function_call', status: 'incomplete', arguments: '{"a' });
    expect(message).toMatchObject({ type: 'message', status });
  });

  test('an error is said twice, as the API does: in an event, and in the response that failed', () => {
    const error = new GatewayError('upstream_rate_limited', 'Slow down.');
    const [said, last] = payloads(encode([{ type: 'token', text: 'x' }], failed(error))).slice(-2);
    const nested = { message: 'Slow down.', type: 'rate_limit_error', param: null, code: 'upstream_rate_limited' };
    const { type: _, ...flat } = nested;
    expect(said).toEqual({ type: 'error', ...flat, error: nested, sequence_number: 5 });
    expect(last).toMatchObject({
      type: 'response.failed',
      sequence_number: 6,
      response: { status: 'failed', error: { code: 'rate_limit_exceeded', message: 'Slow down.' }, usage: wireUsage },
    });
  });

  test('calls whose pieces interleave stay apart, and only the first alternative is told', async () => {
    const piece = (index: number, args: string, id?: string): StreamEvent => ({
      type: 'tool-call-delta',
      index,
      ...(id && { id, name: 'f' }),
      arguments: args,
    });
    const events: StreamEvent[] = [
      piece(0, '{"a"', 'c0'),
      piece(1, '{"b"', 'c1'),
      { type: 'token', text: 'other', choice: 1 },
      piece(0, ':0}'),
      piece(1, ':1}'),
      { type: 'tool-call', call: { index: 0, id: 'c0', name: 'f', arguments: { a: 0 } } },
      { type: 'tool-call', call: { index: 1, id: 'c1', name: 'f', arguments: { b: 1 } } },
      { type: 'tool-call', call: { index: 2, id: 'c2', name: 'g', arguments: {} } },
    ];
    const { output } = await readStrictly(encode(events, done('tool-calls')));
    expect(output.map(({ call_id, arguments: args }: any) => [call_id, args])).toEqual([
      ['c0', '{"a":0}'],
      ['c1', '{"b":1}'],
      ['c2', '{}'],
    ]);
  });

  test('each block of reasoning is an item of its own, with what must be kept of it', () => {
    const block = (text: string): StreamEvent[] => [
      { type: 'reasoning', text },
      { type: 'reasoning-detail', detail: { type: 'reasoning.encrypted', format: 'x', data: text } },
    ];
    const { output } = collect([...block('a'), ...block('b')], done('stop'));
    expect(output.map(({ summary: [part] }: any) => part.text)).toEqual(['a', 'b']);
    expect(new Set(output.map((item: any) => item.encrypted_content)).size).toBe(2);
  });

  test('a custom tool is called with text', async () => {
    const given = options({ tools: [{ type: 'custom', name: 'shell' }] });
    const events: StreamEvent[] = [
      { type: 'tool-call-delta', index: 0, id: 'c', name: 'shell', arguments: 'ls ' },
      { type: 'tool-call-delta', index: 0, arguments: '-l' },
      { type: 'tool-call', call: { index: 0, id: 'c', name: 'shell', arguments_text: 'ls -l', invalid: true } },
    ];
    const text = encode(events, done('tool-calls'), given);
    expect(text).toContain('event: response.custom_tool_call_input.delta');
    expect((await readStrictly(text)).output).toMatchObject([
      { type: 'custom_tool_call', call_id: 'c', input: 'ls -l' },
    ]);
  });

  test('any order of events makes a stream that the official client reads, and the whole answer is the same', async () => {
    const text = fc.string({ minLength: 1, maxLength: 5 });
    const index = fc.nat(2);
    const event: fc.Arbitrary<StreamEvent> = fc.oneof(
      text.map((t): StreamEvent => ({ type: 'token', text: t })),
      text.map((t): StreamEvent => ({ type: 'reasoning', text: t })),
      text.map(
        (data): StreamEvent => ({
          type: 'reasoning-detail',
          detail: { type: 'reasoning.encrypted', format: 'x', data },
        }),
      ),
      fc.tuple(index, text).map(
        ([i, t]): StreamEvent => ({
          type: 'tool-call-delta',
          index: i,
          id: `c${i}`,
          name: 'f',
          arguments: t,
        }),
      ),
      index.map(
        (i): StreamEvent => ({ type: 'tool-call', call: { index: i, id: `c${i}`, name: 'f', arguments: { i } } }),
      ),
    );
    const reason = fc.constantFrom<FinishReason>('stop', 'length', 'cancelled');
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 20 }), reason, async (events, why) => {
        const read = await readStrictly(encode(events, done(why)));
        const tokens = events.map((e) => (e.type === 'token' ? e.text : '')).join('');
        expect(read.output_text).toBe(tokens);
        const whole = collect(events, done(why));
        expect(read.output.map(({ id }: any) => id)).toEqual(whole.output.map(({ id }: any) => id));
        const details = whole.output.flatMap(({ encrypted_content: sealed }: any) =>
          sealed ? JSON.parse(Buffer.from(sealed.slice('millrace:'.length), 'base64url').toString()) : [],
        );
        expect(details).toEqual(events.flatMap((e) => (e.type === 'reasoning-detail' ? [e.detail] : [])));
      }),
      { numRuns: 200 },
    );
  });
});

describe('over the same wire', () => {
  const decode = decoding(createOpenAiResponsesDecoder);
  const good = recordingsOf('openai-responses').filter(({ expectError }) => !expectError);

  test.each(good.map((recording) => [recording.id, recording] as const))(
    '%s is handed on, and folds',
    (_id, recording) => {
      const { frames: given, end, events } = decode([recording.body]);
      if (end.type !== 'done') throw new Error('expected a whole recording');
      const encoder = door.encoder(options());
      const collector = door.collector(options());
      let text = encoder.start(meta);
      for (const data of given) {
        text += encoder.raw!(data, false);
        collector.raw!(data, false);
      }
      text += encoder.end(done(end.finishReason));
      const told = payloads(text);
      expect(told).toEqual(given.map((data) => JSON.parse(data)));
      const names = [...text.matchAll(/^event: (.*)$/gm)].map(([, name]) => name);
      expect(names).toEqual(told.map(({ type }) => type));
      expect(names.at(-1)).toMatch(/^response\.(completed|incomplete)$/);
      const items = told.filter(({ type }) => type === 'response.output_item.done').map(({ item }) => item);
      const last = told.at(-1).response;
      const output = last.output.length > 0 ? last.output : items;
      expect(collector.result(done(end.finishReason), meta)).toEqual({ ...last, output });

      // And built here instead: the same events again.
      const again = decode([Buffer.from(encode(events, done(end.finishReason)))]);
      const [was, is] = [fold(events), fold(again.events)];
      expect({ text: is.text, reasoning: is.reasoning }).toEqual({ text: was.text, reasoning: was.reasoning });
      expect(is.calls.map(({ id, name }) => [id, name])).toEqual(was.calls.map(({ id, name }) => [id, name]));
    },
  );

  const created = '{"type":"response.created","response":{"id":"resp_x","model":"m","output":[]},"sequence_number":0}';
  const delta = '{"type":"response.output_text.delta","delta":"a","sequence_number":7}';
  const item =
    '{"type":"response.output_item.done","output_index":0,"item":{"type":"message","id":"m"},"sequence_number":8}';

  function handOn(frames: string[], ending: Ending): any[] {
    const encoder = door.encoder(options());
    return payloads(
      encoder.start(meta) + frames.map((data) => encoder.raw!(data, false)).join('') + encoder.end(ending),
    );
  }

  test('an error after frames goes on with their numbers and their response', () => {
    const [said, last] = handOn([created, delta, item], failed(new GatewayError('upstream_truncated', 'Cut.'))).slice(
      3,
    );
    expect(said).toMatchObject({ type: 'error', code: 'upstream_truncated', sequence_number: 9 });
    expect(last).toMatchObject({
      type: 'response.failed',
      response: { id: 'resp_x', model: 'm', status: 'failed', output: [{ id: 'm' }] },
      sequence_number: 10,
    });
  });

  test('a stream that was stopped has an end all the same', () => {
    const last = handOn([created, delta], done('cancelled')).at(-1);
    expect(last).toMatchObject({ type: 'response.incomplete', response: { id: 'resp_x', status: 'incomplete' } });
  });

  test("a gateway's own name for the end becomes one that clients know, and what it left out is filled in", () => {
    const end = '{"type":"response.done","response":{"id":"resp_x","status":"completed"}}';
    expect(handOn([created, item, end], done('stop')).map(({ type }) => type)).toEqual([
      'response.created',
      'response.output_item.done',
      'response.completed',
    ]);
    const collector = door.collector(options());
    for (const data of [created, item, end]) collector.raw!(data, false);
    expect(collector.result(done('stop'), meta)).toMatchObject({
      id: 'resp_x',
      output: [{ type: 'message', id: 'm' }],
    });
  });

  test('what is no name never becomes a line of the stream', () => {
    const encoder = door.encoder(options());
    const text =
      encoder.start(meta) + encoder.raw!('{"type":"x\\ndata: evil","a":1}', false) + encoder.raw!('{"a":1}', false);
    expect(text.split('\n').filter((line) => line.startsWith('event:'))).toEqual(['event: message', 'event: message']);
  });
});

describe('a request', () => {
  test('becomes a chat: instructions, turns, calls and outputs, images, reasoning', () => {
    const { chat, stream } = parse({
      instructions: 'Be brief.',
      stream: true,
      input: [
        { role: 'developer', content: 'Or not.' },
        {
          type: 'message',
          role: 'user',
          content: [
            { type: 'input_text', text: 'See', prompt_cache_breakpoint: { mode: 'explicit' } },
            { type: 'input_image', image_url: 'https://x.test/a.png', detail: 'low' },
            { type: 'input_file', filename: 'a.pdf', file_data: 'data:application/pdf;base64,AA==' },
          ],
        },
        { type: 'reasoning', id: 'rs_1', summary: [{ type: 'summary_text', text: 'Hm' }], encrypted_content: 'gAAA' },
        {
          type: 'message',
          id: 'msg_1',
          role: 'assistant',
          status: 'completed',
          content: [{ type: 'output_text', text: 'Let me' }],
        },
        { type: 'function_call', id: 'fc_1', call_id: 'c1', name: 'f', arguments: '{}' },
        { type: 'function_call', id: 'fc_2', call_id: 'c2', name: 'f', arguments: '{"a":1}' },
        { type: 'function_call_output', call_id: 'c1', output: 'one' },
        {
          type: 'function_call_output',
          call_id: 'c2',
          output: [
            { type: 'input_image', image_url: 'https://x.test/b.png' },
            { type: 'input_text', text: 'two' },
          ],
        },
      ],
      tools: [{ type: 'function', name: 'f', parameters: { type: 'object' }, strict: true }],
      tool_choice: { type: 'function', name: 'f' },
      text: { format: { type: 'json_schema', name: 'a', schema: { type: 'object' }, strict: true }, verbosity: 'low' },
      reasoning: { effort: 'high', summary: 'auto' },
      max_output_tokens: 99,
      temperature: 0.5,
      include: ['reasoning.encrypted_content'],
      truncation: 'disabled',
      previous_response_id: null,
      parallel_tool_calls: false,
    });
    const own = { format: 'openai-responses-v1', id: 'rs_1' };
    expect(stream).toBe(true);
    expect(chat).toEqual({
      [CLIENT_NAMES]: expect.anything(),
      model: 'fast',
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'developer', content: 'Or not.' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'See', cache_control: { type: 'ephemeral' } },
            { type: 'image_url', image_url: { url: 'https://x.test/a.png', detail: 'low' } },
            { type: 'file', file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,AA==' } },
          ],
        },
        {
          role: 'assistant',
          content: 'Let me',
          tool_calls: [
            { id: 'c1', type: 'function', function: { name: 'f', arguments: '{}' } },
            { id: 'c2', type: 'function', function: { name: 'f', arguments: '{"a":1}' } },
          ],
          reasoning_details: [
            { type: 'reasoning.summary', summary: 'Hm', ...own },
            { type: 'reasoning.encrypted', data: 'gAAA', ...own },
          ],
        },
        { role: 'tool', tool_call_id: 'c1', content: 'one' },
        {
          role: 'tool',
          tool_call_id: 'c2',
          content: [
            { type: 'image_url', image_url: { url: 'https://x.test/b.png' } },
            { type: 'text', text: 'two' },
          ],
        },
      ],
      tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'object' }, strict: true } }],
      tool_choice: { type: 'function', function: { name: 'f' } },
      response_format: { type: 'json_schema', json_schema: { name: 'a', schema: { type: 'object' }, strict: true } },
      verbosity: 'low',
      reasoning: { effort: 'high', summary: 'auto' },
      max_completion_tokens: 99,
      temperature: 0.5,
      parallel_tool_calls: false,
    });
  });

  test("another provider's reasoning comes back as it went out", () => {
    const details = [
      { type: 'reasoning.text', format: 'anthropic-claude-v1', text: 'Hm', signature: 's', id: 'after' },
      { type: 'reasoning.encrypted', format: 'google-gemini-v1', data: 'x' },
    ] as const;
    const { output } = collect(
      details.map((detail) => ({ type: 'reasoning-detail', detail })),
      done('stop'),
    );
    const { chat, verbatim } = parse({ input: [{ role: 'user', content: 'x' }, ...output] });
    expect(chat.messages.at(-1)).toMatchObject({ role: 'assistant', reasoning_details: details });
    expect(verbatim!.body.input).toEqual([{ role: 'user', content: 'x' }]);
  });

  test.each<[param: string, body: object]>([
    ['input', { input: null }],
    ['input', { input: [] }],
    ['input', { input: 5 }],
    ['input[0].role', { input: [{ role: 'robot', content: 'x' }] }],
    ['input[0].content', { input: [{ role: 'user', content: 5 }] }],
    ['input[0].content[0].text', { input: [{ role: 'user', content: [{ type: 'input_text' }] }] }],
    ['input[0].content[0]', { input: [{ role: 'user', content: [{ type: 'input_image' }] }] }],
    ['input[0].call_id', { input: [{ type: 'function_call_output', output: 'x' }] }],
    ['input[0].encrypted_content', { input: [{ type: 'reasoning', encrypted_content: 'millrace:e30' }] }],
    ['input[0]', { input: [{ type: 'item_reference', id: 'msg_str_1_0' }] }],
    ['previous_response_id', { previous_response_id: 'resp_str_1' }],
    ['messages', { messages: [{ role: 'user', content: 'x' }] }],
    ['max_tokens', { max_tokens: 5 }],
    ['response_format', { response_format: { type: 'json_object' } }],
    ['tools[0].name', { tools: [{ type: 'function' }] }],
    ['text.format.schema', { text: { format: { type: 'json_schema', name: 'x' } } }],
    ['temperature', { temperature: 9 }],
    ['stop', { stop: 5 }],
  ])('is refused by name: %s', (param, body) => {
    let thrown: unknown;
    try {
      parse(body);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(GatewayError);
    expect(thrown).toMatchObject({ code: 'invalid_request', param });
  });

  test.each<[param: string, body: object]>([
    ['previous_response_id', { previous_response_id: 'resp_1' }],
    ['conversation', { conversation: 'conv_1', input: undefined }],
    ['prompt', { prompt: { id: 'pmpt_1' }, input: undefined }],
    ['background', { background: true }],
    [
      'input[1]',
      {
        input: [
          { role: 'user', content: 'x' },
          { type: 'web_search_call', id: 'ws_1' },
        ],
      },
    ],
    [
      'input[0].content[1]',
      { input: [{ role: 'user', content: [{ type: 'input_text', text: 'x' }, { type: 'new' }] }] },
    ],
    ['tools[0]', { tools: [{ type: 'web_search' }] }],
  ])('goes on to a provider of this wire, and is refused by others: %s', (param, body) => {
    const { chat, verbatim } = parse(body);
    expect(verbatim!.body).toMatchObject(JSON.parse(JSON.stringify(body)));
    const refused = () => anthropicRequest({}, chat, 'claude-sonnet-4-5');
    expect(refused).toThrow(GatewayError);
    expect(refused).toThrow(param);
  });

  test('hints that others have no place for are listed', () => {
    const { chat } = parse({
      truncation: 'auto',
      max_tool_calls: 3,
      include: ['web_search_call.results'],
      brand_new: 1,
    });
    const { dropped } = anthropicRequest({}, chat, 'claude-sonnet-4-5');
    expect(dropped.sort()).toEqual(['brand_new', 'include', 'max_tool_calls', 'truncation']);
  });
});
