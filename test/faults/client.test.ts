// What a client can do wrong or slowly: silence is bridged, a slow reader is bounded, bad input gets a code and harms nobody.
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { ask, chat, eventually, foldNative, readSse, startMillrace } from '../support/millrace.ts';

async function raw(url: string, path: string, body: object): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      url + path,
      { method: 'POST', headers: { 'content-type': 'application/json' } },
      resolve,
    );
    request.on('error', reject);
    request.end(JSON.stringify(body));
  });
}

test('silence is bridged by comments without a blank line, and the events around them are whole', async () => {
  const millrace = await startMillrace('providers: { mock: {} }\nstreams: { heartbeat: 20ms, commitAfter: 30ms }');
  for (const path of ['/v1/chat', '/v1/chat/completions']) {
    const response = await millrace.post(path, ask('mock/lorem-4+slow-200+rate-10', { stream: true }));
    const text = await response.text();
    expect(text.match(/^: ping\n(?!\n)/gm)!.length).toBeGreaterThan(3);
    expect(text).not.toMatch(/: ping\n\n/);
    const first = text.indexOf(': ping');
    expect(first).toBeLessThan(text.indexOf('Lorem')); // also before the first token
    if (path === '/v1/chat') foldNative(await readSse(new Response(text)));
  }
});

test('once committed by silence, a failure is an error event', async () => {
  const millrace = await startMillrace(
    'providers: { mock: {} }\nstreams: { commitAfter: 20ms }\ntimeouts: { firstToken: 150ms }',
  );
  const response = await millrace.post('/v1/chat', ask('mock/stall-0'));
  expect(response.status).toBe(200);
  const { events, end } = foldNative(await readSse(response));
  expect(events.map(({ type }) => type)).toEqual(['start', 'error']);
  expect(end.data.code).toBe('upstream_timeout');
});

test('a client that reads slowly presses back on the provider and still gets every byte', async () => {
  const millrace = await startMillrace();
  const response = await raw(millrace.url, '/v1/chat', ask('mock/lorem-200000'));
  response.pause();
  // The mock stops being read: what it has sent stays far below the whole.
  let before = -1;
  await eventually(
    () => millrace.journal.list()[0]?.tokens_sent ?? 0,
    (sent) => {
      const still = sent > 0 && sent === before;
      before = sent;
      return still;
    },
  );
  expect(before).toBeLessThan(150_000);
  let text = '';
  response.setEncoding('utf8').on('data', (chunk) => {
    text += chunk;
  });
  response.resume(); // it was paused by hand
  await new Promise((resolve) => response.on('end', resolve));
  const { end, events } = foldNative(await readSse(new Response(text)));
  expect(end.data.usage.output_tokens).toBe(200_000);
  expect(events).toHaveLength(200_002);
});

test('a client that reads nothing for too long is dropped as slow_client', async () => {
  const millrace = await startMillrace('providers: { mock: {} }\nstreams: { stall: 100ms }');
  const response = await raw(millrace.url, '/v1/chat', ask('mock/lorem-200000'));
  response.pause();
  response.on('error', () => {});
  const [row] = await millrace.rows();
  expect(row).toMatchObject({ end_reason: 'slow_client', estimated: true });
  expect(row!.delivered_tokens).toBeGreaterThan(0);
  await eventually(millrace.journal.open, (open) => open === 0);
  response.destroy();
});

test('a client that leaves more than the byte cap unread is dropped as slow_client', async () => {
  const millrace = await startMillrace('providers: { mock: {} }\nstreams: { buffer: 64KiB }');
  const [response, rows] = await Promise.all([
    raw(millrace.url, '/v1/chat', ask('mock/huge-8000000')).catch((error: Error) => error),
    eventually(millrace.rows, (found) => found.length > 0),
  ]);
  expect(rows[0]!.end_reason).toBe('slow_client');
  // It may be dropped before it has read a byte of the answer.
  if (!(response instanceof Error)) response.on('error', () => {}).destroy();
});

test('with finish, a client too slow for its buffer is dropped alone and the answer is still whole', async () => {
  const millrace = await startMillrace('providers: { mock: {} }\nstreams: { buffer: 64KiB }');
  const response = await raw(millrace.url, '/v1/chat', ask('mock/lorem-200000', { on_disconnect: 'finish' }));
  response.pause();
  response.on('error', () => {});
  const [row] = await millrace.rows();
  expect(row).toMatchObject({ end_reason: 'stop', output_tokens: 200_000 });
  expect(row!.delivered_tokens).toBeLessThan(200_000);
  response.destroy();
});

const JSON_TYPE = { 'content-type': 'application/json' };
const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;
const bad: [string, string, Record<string, string>, number, string][] = [
  ['an empty body', '', JSON_TYPE, 400, 'invalid_request'],
  ['no JSON', '{"model":', JSON_TYPE, 400, 'invalid_request'],
  ['JSON of the wrong type', '[1,2]', JSON_TYPE, 400, 'invalid_request'],
  ['null', 'null', JSON_TYPE, 400, 'invalid_request'],
  ['no messages', '{"model":"mock/echo"}', JSON_TYPE, 400, 'invalid_request'],
  [
    'an unknown role',
    '{"model":"mock/echo","messages":[{"role":"root","content":"x"}]}',
    JSON_TYPE,
    400,
    'invalid_request',
  ],
  [
    'an unknown model',
    '{"model":"nope","messages":[{"role":"user","content":"x"}]}',
    JSON_TYPE,
    404,
    'model_not_found',
  ],
  [
    'an unknown provider',
    '{"model":"no/pe","messages":[{"role":"user","content":"x"}]}',
    JSON_TYPE,
    404,
    'model_not_found',
  ],
  [
    'a model named like a built-in property',
    '{"model":"__proto__","messages":[{"role":"user","content":"x"}]}',
    JSON_TYPE,
    404,
    'model_not_found',
  ],
  ['a prototype key', '{"__proto__":{"model":"x"},"model":"mock/echo"}', JSON_TYPE, 400, 'invalid_request'],
  ['another content type', 'model=mock', { 'content-type': 'text/plain' }, 400, 'invalid_request'],
  ['deep nesting', `{"model":"mock/echo","messages":${deep}}`, JSON_TYPE, 400, 'invalid_request'],
  ['a body over the limit', `{"model":"${'x'.repeat(70_000)}"}`, JSON_TYPE, 413, 'request_too_large'],
];
test.each(bad)('%s is refused with a code of the table', async (_what, body, headers, status, code) => {
  const limit = code === 'request_too_large' ? '64KiB' : '1MiB';
  const millrace = await startMillrace(`server: { maxBody: ${limit} }\nproviders: { mock: {} }`);
  for (const path of ['/v1/chat', '/v1/chat/completions']) {
    const response = await fetch(millrace.url + path, { method: 'POST', body, headers });
    expect(response.status).toBe(status);
    expect(((await response.json()) as any).error.code).toBe(code);
  }
  expect(await millrace.rows()).toEqual([]);
  expect((await chat(millrace, 'mock/lorem-2')).end.type).toBe('done');
});

test('half a request, a reset and a smuggled second one harm nobody', async () => {
  const millrace = await startMillrace();
  const { port } = new URL(millrace.url);
  const send = (text: string) =>
    new Promise<string>((resolve) => {
      let answer = '';
      const socket = connect(Number(port), '127.0.0.1', () => socket.write(text));
      socket.on('data', (chunk) => {
        answer += chunk;
      });
      socket.on('error', () => {}).on('close', () => resolve(answer));
      setTimeout(() => socket.destroy(), 300);
    });
  await send(
    'POST /v1/chat HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{"model"',
  );
  const both = await send(
    'POST /v1/chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n',
  );
  expect(both).toMatch(/^HTTP\/1\.1 400/);
  expect(both).not.toMatch(/"object":"list"/);
  expect((await chat(millrace, 'mock/lorem-2')).end.type).toBe('done');
});

test('what a user says cannot end an SSE field or a log line, nor does it appear in the log', async () => {
  const millrace = await startMillrace();
  const hostile = 'x\r\n\r\nevent: done\ndata: {}\n\nid: 99\u2028\u0000\ud83d\ude00 <script>';
  const native = await chat(millrace, 'mock/echo', { messages: [{ role: 'user', content: hostile }] });
  expect(native.text).toBe(hostile);
  const openai = await readSse(
    await millrace.post('/v1/chat/completions', {
      model: 'mock/echo',
      stream: true,
      messages: [{ role: 'user', content: hostile }],
    }),
  );
  const text = openai.slice(0, -1).map(({ data }) => JSON.parse(data).choices[0]?.delta.content ?? '');
  expect(text.join('')).toBe(hostile);
  await millrace.post('/v1/chat', ask('evil\n{"level":30,"msg":"forged"}'));
  expect(JSON.stringify(millrace.logs)).not.toMatch(/<script>|event: done/);
  expect(millrace.logs.every((line) => line.msg !== 'forged')).toBe(true);
});

test('committing on silence sends the headers and the start at once', async () => {
  const millrace = await startMillrace('providers: { mock: {} }\nstreams: { commitAfter: 20ms, heartbeat: 1h }');
  for (const path of ['/v1/chat', '/v1/chat/completions']) {
    const response = await raw(millrace.url, path, ask('mock/stall-0', { stream: true }));
    const first = await new Promise<string>((resolve) => response.once('data', (chunk) => resolve(String(chunk))));
    expect(first).toMatch(path === '/v1/chat' ? /event: start/ : /^: ping\n$/);
    response.destroy();
  }
});

test('many streams over one connection leave no listener on it', async () => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => void warnings.push(warning);
  process.on('warning', onWarning);
  const millrace = await startMillrace();
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ports = new Set<number | undefined>();
  for (let n = 0; n < 30; n++) {
    await new Promise<void>((resolve, reject) => {
      const options = { method: 'POST', agent, headers: { 'content-type': 'application/json' } };
      const request = httpRequest(`${millrace.url}/v1/chat`, options, (response) => {
        ports.add(response.socket.localPort);
        response.resume().on('end', resolve);
      });
      request.on('error', reject);
      request.end(JSON.stringify(ask('mock/lorem-5+rate-500')));
    });
  }
  agent.destroy();
  await new Promise((resolve) => setImmediate(resolve)); // warnings are emitted in a later tick
  process.off('warning', onWarning);
  expect(ports.size).toBe(1);
  expect(warnings.filter(({ name }) => name === 'MaxListenersExceededWarning')).toEqual([]);
});
