// What a provider can do wrong, and what its client is told: a code of the table, one terminal, and a closed row.
import { expect, test } from 'vitest';
import { ask, chat, foldNative, readSse, startMillrace } from '../support/millrace.ts';

const beforeTheFirst = [
  ['error-400', 400, 'invalid_request'],
  ['error-401', 502, 'upstream_auth'],
  ['error-404', 404, 'model_not_found'],
  ['error-429', 429, 'upstream_rate_limited'],
  ['error-500', 503, 'upstream_unavailable'],
  ['error-503', 503, 'upstream_unavailable'],
  ['error-529', 503, 'upstream_unavailable'],
  ['error-context', 400, 'context_length_exceeded'],
  ['error-filter', 422, 'content_filtered'],
  ['redirect', 502, 'upstream_protocol'],
  ['html', 502, 'upstream_protocol'],
  ['cut-0', 503, 'upstream_unavailable'],
  ['end-0', 502, 'upstream_truncated'],
  ['garbage-0', 502, 'upstream_protocol'],
  ['error-after-0', 503, 'upstream_unavailable'],
] as const;

test.each(beforeTheFirst)(
  'mock/%s is a plain HTTP %i %s, streamed or whole, at both doors',
  async (model, status, code) => {
    const millrace = await startMillrace();
    for (const path of ['/v1/chat', '/v1/chat/completions']) {
      for (const stream of [true, false]) {
        const response = await millrace.post(path, ask(`mock/${model}`, { stream }));
        expect(response.status).toBe(status);
        expect(response.headers.get('content-type')).toMatch(/^application\/json/);
        expect(((await response.json()) as any).error.code).toBe(code);
        if (model === 'error-429') expect(response.headers.get('retry-after')).toBe('1');
      }
    }
    const rows = await millrace.rows();
    expect(rows.map((row) => row.end_reason)).toEqual([code, code, code, code]);
    for (const row of rows) expect(row.output_tokens).toBe(0);
  },
);

const inTheMiddle = [
  ['cut-3', 'upstream_truncated'],
  ['end-3', 'upstream_truncated'],
  ['error-after-3', 'upstream_unavailable'],
  ['garbage-3', 'upstream_protocol'],
] as const;

test.each(inTheMiddle)(
  'mock/%s after three tokens is one error event %s with what was used so far',
  async (model, code) => {
    const millrace = await startMillrace();
    const { text, end } = await chat(millrace, `mock/lorem-20+${model}`);
    expect(text).toBe('Lorem ipsum dolor');
    expect(end.type).toBe('error');
    expect(end.data).toMatchObject({ code, attempts: 1, usage: { estimated: true } });
    expect(end.data.usage.output_tokens).toBeGreaterThan(0);
    expect(end.data.message).toMatch(/./);

    const openai = await readSse(
      await millrace.post('/v1/chat/completions', ask(`mock/lorem-20+${model}`, { stream: true })),
    );
    expect(openai.filter(({ data }) => data.includes('"error"'))).toHaveLength(1);
    expect(JSON.parse(openai.at(-1)!.data).error.code).toBe(code);

    const whole = await millrace.post('/v1/chat', ask(`mock/lorem-20+${model}`, { stream: false }));
    expect(whole.ok).toBe(false);
    expect((await millrace.rows()).map((row) => row.end_reason)).toEqual([code, code, code]);
  },
);

const harmless = [
  'split',
  'crlf',
  'gzip',
  'no-done',
  'comments',
  'usage-finish',
  'hang',
  'split+crlf',
  'gzip+rate-500',
];
test.each(harmless)('mock/lorem-12+%s reads as if nothing were odd', async (oddity) => {
  const millrace = await startMillrace();
  const plain = await chat(millrace, 'mock/lorem-12');
  const odd = await chat(millrace, `mock/lorem-12+${oddity}`);
  expect(odd.text).toBe(plain.text);
  expect(odd.end.data.usage).toEqual(plain.end.data.usage);
  expect(odd.end.data.finish_reason).toBe('stop');
});

test('without reported usage the tokens are counted and marked as estimated', async () => {
  const millrace = await startMillrace();
  const { end } = await chat(millrace, 'mock/lorem-40+no-usage');
  expect(end.data.usage.estimated).toBe(true);
  expect(end.data.usage.output_tokens).toBeGreaterThan(20);
  expect(end.data.usage.input_tokens).toBeGreaterThan(2);
  const [row] = await millrace.rows();
  expect(row).toMatchObject({ estimated: true, reported_output_tokens: null, end_reason: 'stop' });
});

test('a declared end without a finish reason is an end of another kind, and its tool calls count', async () => {
  const millrace = await startMillrace();
  expect((await chat(millrace, 'mock/lorem-5+no-finish')).end.data.finish_reason).toBe('other');
  const tools = await chat(millrace, 'mock/tools+no-finish');
  expect(tools.end.data.finish_reason).toBe('tool-calls');
  expect(tools.toolCalls).toMatchObject([{ name: 'get_weather', args: { city: 'Paris' } }]);
});

test('parallel calls that all have index 0 stay apart', async () => {
  const millrace = await startMillrace();
  const straight = await chat(millrace, 'mock/tools-3');
  const crossed = await chat(millrace, 'mock/tools-3+index0');
  expect(crossed.toolCalls).toHaveLength(3);
  expect(crossed.toolCalls.map(({ name, args }) => ({ name, args }))).toEqual(
    straight.toolCalls.map(({ name, args }) => ({ name, args })),
  );
});

const waits = [
  ['slow-60000', 'timeouts: { firstToken: 60ms }', 'first_token'],
  ['lorem-9+stall-3', 'timeouts: { idle: 60ms }', 'idle'],
  ['lorem-1000+rate-50', 'timeouts: { total: 150ms }', 'total'],
] as const;
test.each(waits)('mock/%s with %s ends as upstream_timeout, phase %s', async (model, yaml, phase) => {
  const millrace = await startMillrace(`providers: { mock: {} }\n${yaml}`);
  const response = await millrace.post('/v1/chat', ask(`mock/${model}`));
  const error = response.ok ? foldNative(await readSse(response)).end.data : ((await response.json()) as any).error;
  expect(error).toMatchObject({ code: 'upstream_timeout', phase, retryable: true });
  await millrace.journal.waitFor((record) => record.client_left_at !== null);
  expect((await millrace.rows())[0]!.end_reason).toBe('upstream_timeout');
});

test('a provider that does not accept the connection in time is a timeout of the phase connect', async () => {
  const { createServer } = await import('node:net');
  const server = createServer((socket) => socket.on('error', () => {}).resume());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const millrace = await startMillrace(
    `providers: { up: { wire: openai, baseUrl: "https://127.0.0.1:${port}/v1", apiKey: x } }\ntimeouts: { connect: 60ms }`,
  );
  const response = await millrace.post('/v1/chat', ask('up/m'));
  server.close();
  expect(response.status).toBe(504);
  expect(((await response.json()) as any).error).toMatchObject({ code: 'upstream_timeout', phase: 'connect' });
});

test('a provider that is not there is upstream_unavailable', async () => {
  const millrace = await startMillrace(
    'providers: { up: { wire: openai, baseUrl: "http://127.0.0.1:9/v1", apiKey: x } }',
  );
  const response = await millrace.post('/v1/chat', ask('up/m'));
  expect(response.status).toBe(503);
  expect((await millrace.rows())[0]).toMatchObject({
    end_reason: 'upstream_unavailable',
    input_tokens: 0,
    estimated: false,
  });
});

test('the next target takes over unseen before the first token, and each attempt has its row', async () => {
  const millrace = await startMillrace(
    'providers: { mock: {} }\nmodels: { fast: { targets: [mock/error-401, mock/cut-0, mock/lorem-4] } }',
  );
  const { text, end } = await chat(millrace, 'fast');
  expect(text).toBe('Lorem ipsum dolor sit');
  expect(end.data).toMatchObject({ finish_reason: 'stop', attempts: 3, model: 'fast' });
  const rows = (await millrace.rows()).reverse();
  expect(rows.map((row) => [row.attempt, row.end_reason])).toEqual([
    [1, 'upstream_auth'],
    [2, 'upstream_unavailable'],
    [3, 'stop'],
  ]);
  expect(new Set(rows.map((row) => row.stream_id)).size).toBe(1);
});

test('a refusal that any target would give is not tried elsewhere, and no token is ever sent twice', async () => {
  const millrace = await startMillrace(
    'providers: { mock: {} }\nmodels: { a: [mock/error-context, mock/lorem-4], b: [mock/lorem-9+cut-3, mock/lorem-9] }',
  );
  expect((await millrace.post('/v1/chat', ask('a'))).status).toBe(400);
  const { text, end } = await chat(millrace, 'b');
  expect([text, end.type]).toEqual(['Lorem ipsum dolor', 'error']);
  expect(await millrace.rows()).toHaveLength(2);
});

test('a retry goes to the same target, as often as configured', async () => {
  const millrace = await startMillrace(
    'providers: { mock: {} }\nmodels: { again: { targets: [mock/error-503], retries: 2 } }',
  );
  expect((await millrace.post('/v1/chat', ask('again'))).status).toBe(503);
  expect((await millrace.rows()).map((row) => row.attempt)).toEqual([3, 2, 1]);
});
