// What goes out to a provider of the Chat Completions wire, as a server sees it that is not ours: address, headers, body, and
// that the SDK in between never waits, retries or reads the environment on its own.
import type { ServerResponse } from 'node:http';
import { createServer } from 'node:net';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import type { ChatRequest } from '../../src/core/chat.ts';
import type { Provider, UpstreamResponse } from '../../src/core/contracts.ts';
import { createOpenAiProvider, type OpenAiProviderConfig } from '../../src/providers/openai/provider.ts';
import { createTransport } from '../../src/providers/transport.ts';
import { asked, forThisTest, hello, listen, type Seen, send, startServer } from '../support/upstream.ts';

function providerOf(config: Partial<OpenAiProviderConfig> & { baseUrl: string }): Provider {
  return forThisTest(createOpenAiProvider({ name: 'up', ...config }, createTransport()));
}

function ask(config: Partial<OpenAiProviderConfig>, request: object = {}, model = 'm-1', path = '/v1'): Promise<Seen> {
  return asked((url) => providerOf({ baseUrl: url + path, ...config }), { ...hello, ...request }, model);
}

afterEach(() => void vi.unstubAllEnvs());

describe('the body', () => {
  const plain = { model: 'm-1', messages: hello.messages, stream: true, stream_options: { include_usage: true } };

  test('is the request, with the model of the target, streamed, with usage asked for', async () => {
    expect((await ask({ apiKey: 'k' })).body).toEqual(plain);
  });

  const fields = {
    temperature: 0.5,
    top_p: 0.9,
    max_tokens: 10,
    stop: ['\n'],
    seed: 7,
    n: 2,
    tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'object' }, strict: true } }],
    tool_choice: { type: 'function', function: { name: 'f' } },
    parallel_tool_calls: false,
    response_format: { type: 'json_schema', json_schema: { name: 's', schema: {} } },
    reasoning_effort: 'low',
    logprobs: true,
    top_logprobs: 2,
    presence_penalty: -1,
    frequency_penalty: 1,
    user: 'u',
    logit_bias: { 5: -100 },
    metadata: { a: 'b' },
    future: { deep: [null, 1] },
  };
  test.each(Object.entries(fields))('carries %s untouched', async (name, value) => {
    expect((await ask({}, { [name]: value })).body).toEqual({ ...plain, [name]: value });
  });

  test.each<[about: string, config: Partial<OpenAiProviderConfig>, request: object, body: object]>([
    ['a client that wants it whole is streamed all the same', {}, { stream: false }, plain],
    [
      "a client's stream_options are kept",
      {},
      { stream_options: { include_obfuscation: false } },
      { ...plain, stream_options: { include_obfuscation: false, include_usage: true } },
    ],
    [
      'usage is asked for although the client does not want it',
      {},
      { stream_options: { include_usage: false } },
      plain,
    ],
    [
      'drop leaves fields out',
      { drop: ['seed', 'user', 'absent'] },
      { seed: 1, user: 'u', top_p: 1 },
      { ...plain, top_p: 1 },
    ],
    ['drop may be of stream_options', { drop: ['stream_options'] }, {}, { ...plain, stream_options: undefined }],
    [
      'streamUsage: false asks for none',
      { streamUsage: false },
      { stream_options: { include_usage: true } },
      { ...plain, stream_options: undefined },
    ],
    [
      'max_tokens is renamed',
      { maxTokensField: 'max_completion_tokens' },
      { max_tokens: 5 },
      { ...plain, max_completion_tokens: 5 },
    ],
    ['and the other way', { maxTokensField: 'max_tokens' }, { max_completion_tokens: 5 }, { ...plain, max_tokens: 5 }],
    [
      'of both limits the newer one counts',
      { maxTokensField: 'max_tokens' },
      { max_tokens: 9, max_completion_tokens: 5 },
      { ...plain, max_tokens: 5 },
    ],
    ['a limit of null is none', { maxTokensField: 'max_tokens' }, { max_completion_tokens: null }, plain],
    [
      'without the setting both stay',
      {},
      { max_tokens: 9, max_completion_tokens: 5 },
      { ...plain, max_tokens: 9, max_completion_tokens: 5 },
    ],
  ])('%s', async (_about, config, request, body) => {
    expect((await ask(config, request)).body).toEqual(JSON.parse(JSON.stringify(body)));
  });

  test('is built without changing what it is built from', () => {
    const given = Object.freeze({ ...hello, max_tokens: 5, stream_options: Object.freeze({}) }) as ChatRequest;
    const provider = providerOf({
      baseUrl: 'http://127.0.0.1:1/v1',
      maxTokensField: 'max_completion_tokens',
      drop: ['user'],
    });
    expect(provider.request(given, 'm-1').body).toEqual({ ...plain, max_completion_tokens: 5 });
  });
});

describe('what other wires made for themselves', () => {
  const hint = { cache_control: { type: 'ephemeral' } } as const;
  const given = {
    messages: [
      { role: 'user', content: [{ type: 'text', text: 'Hi', ...hint }] },
      {
        role: 'assistant',
        content: null,
        reasoning_details: [{ type: 'reasoning.encrypted', data: 'x', format: 'other-v1' }],
        tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }],
      },
      { role: 'tool', tool_call_id: 'c', content: 'no', is_error: true, ...hint },
    ],
    tools: [{ type: 'function', function: { name: 'f' }, ...hint }],
    reasoning: { effort: 'high' },
  } as unknown as Partial<ChatRequest>;

  test('is left out and said, and an effort is put in this wire’s words', async () => {
    const provider = providerOf({ baseUrl: 'http://127.0.0.1:1/v1' });
    const { body, dropped } = provider.request({ ...hello, ...given } as ChatRequest, 'm-1');
    expect(JSON.stringify(body)).not.toMatch(/cache_control|reasoning_details|is_error|"reasoning"/);
    expect(body).toMatchObject({ reasoning_effort: 'high' });
    expect(dropped.toSorted()).toEqual(['cache_control', 'reasoning_details']);
  });

  test('goes along to a vendor that keeps it', async () => {
    const keep: ('cache_control' | 'reasoning' | 'reasoning_details')[] = [
      'cache_control',
      'reasoning',
      'reasoning_details',
    ];
    const provider = providerOf({ baseUrl: 'http://127.0.0.1:1/v1', keep });
    const { body, dropped } = provider.request({ ...hello, ...given } as ChatRequest, 'm-1');
    expect(body).toMatchObject({ reasoning: { effort: 'high' }, tools: given.tools });
    expect(JSON.stringify(body)).toContain('reasoning_details');
    expect(dropped).toEqual([]);
  });

  test('what the config drops is said, and own fields choose no other model', async () => {
    const provider = providerOf({ baseUrl: 'http://127.0.0.1:1/v1', drop: ['seed', 'user'] });
    const { body, dropped } = provider.request({ ...hello, seed: 1 } as ChatRequest, 'm-1', {
      model: 'dear',
      stream: false,
      x: 1,
    });
    expect(body).toMatchObject({ model: 'm-1', stream: true, x: 1 });
    expect(dropped).toContain('seed');
  });
});

describe('address and headers', () => {
  test('the key is a bearer token', async () => {
    const { method, url, headers } = await ask({ apiKey: 'sk-1' });
    expect([method, url]).toEqual(['POST', '/v1/chat/completions']);
    expect(headers).toMatchObject({ authorization: 'Bearer sk-1', 'content-type': 'application/json' });
  });

  test('without a key there is no authorization at all', async () => {
    const { headers } = await ask({});
    expect(headers).not.toHaveProperty('authorization');
    expect(JSON.stringify(headers)).not.toMatch(/none/i);
  });

  test('configured headers are added and may replace the key', async () => {
    const { headers } = await ask({ apiKey: 'sk-1', headers: { 'X-Title': 'Mill', Authorization: 'Basic abc' } });
    expect(headers).toMatchObject({ 'x-title': 'Mill', authorization: 'Basic abc' });
  });

  test('a query is added', async () => {
    expect((await ask({ query: { 'api-version': 'preview', a: 'b c' } })).url).toMatch(
      /^\/v1\/chat\/completions\?api-version=preview&a=b(\+|%20)c$/,
    );
  });

  test.each(['/v1', '/v1/', '/api/openai/v1', ''])('a base address of "%s" keeps its path', async (path) => {
    expect((await ask({}, {}, 'm-1', path)).url).toBe(`${path.replace(/\/$/, '')}/chat/completions`);
  });

  test('a dated Azure address names the deployment in its path, and the key is an api-key', async () => {
    const { url, headers, body } = await ask({ apiKey: 'az-1', apiVersion: '2024-10-21' }, {}, 'my-gpt', '/openai');
    expect(url).toBe('/openai/deployments/my-gpt/chat/completions?api-version=2024-10-21');
    expect(headers).toMatchObject({ 'api-key': 'az-1' });
    expect(headers).not.toHaveProperty('authorization');
    expect(body).toMatchObject({ stream: true, messages: hello.messages });
  });

  test('a deployment with a path in its name cannot leave its place', async () => {
    const { url } = await ask({ apiKey: 'az-1', apiVersion: 'v' }, {}, 'a/../../b?c#d', '/openai');
    expect(url).toMatch(/^\/openai\/deployments\/a[^/]*%2F[^/?#]*\/chat\/completions\?api-version=v$/i);
  });

  test.each([
    ['OpenAI', {}],
    ['Azure', { apiVersion: 'v' }],
  ])("the SDK's own environment variables say nothing to a provider (%s)", async (_kind, config) => {
    const leak = 'from-the-environment';
    for (const name of ['OPENAI_API_KEY', 'OPENAI_ORG_ID', 'OPENAI_PROJECT_ID', 'OPENAI_BASE_URL', 'OPENAI_ADMIN_KEY'])
      vi.stubEnv(name, leak);
    vi.stubEnv('AZURE_OPENAI_API_KEY', leak);
    vi.stubEnv('OPENAI_API_VERSION', leak);
    vi.stubEnv('OPENAI_CUSTOM_HEADERS', `x-leak: ${leak}`);
    const { url, headers } = await ask({ apiKey: 'sk-1', ...config });
    expect({ url, headers: JSON.stringify(headers) }).toEqual({
      url: expect.not.stringContaining(leak),
      headers: expect.not.stringContaining(leak),
    });
  });

  test.each(['', '{"a":"é😀\u2028"}', 'line\nbreak'])('text %j arrives as it was', async (content) => {
    const { body, headers } = await ask({}, { messages: [{ role: 'user', content }] });
    expect(body.messages[0].content).toBe(content);
    expect(Number(headers['content-length'])).toBe(Buffer.byteLength(JSON.stringify(body)));
  });
});

describe('the SDK in between', () => {
  test.each([408, 409, 429, 500, 503])('does not ask again after a %i', async (status) => {
    const { url, seen } = await startServer((response) => {
      response.writeHead(status, { 'retry-after': '0', 'x-should-retry': 'true' });
      response.end('{"error":{"message":"no"}}');
    });
    const provider = providerOf({ baseUrl: `${url}/v1` });
    const response = await send(provider, hello, 'm');
    expect(response.status).toBe(status);
    expect(response.headers['retry-after']).toBe('0');
    await readAll(response);
    expect(seen).toHaveLength(1);
  });

  test('does not follow a redirect', async () => {
    const { url, seen } = await startServer((response) => {
      response.writeHead(307, { location: '/elsewhere' });
      response.end();
    });
    const provider = providerOf({ baseUrl: `${url}/v1`, apiKey: 'sk-1' });
    const response = await send(provider, hello, 'm');
    response.abort();
    expect(response.status).toBe(307);
    expect(seen).toHaveLength(1);
  });

  test('does not ask again after a connection that broke', async () => {
    let connections = 0;
    const url = await listen(
      createServer((socket) => {
        connections++;
        socket.on('error', () => {});
        socket.once('data', () => socket.destroy());
      }),
    );
    const provider = providerOf({ baseUrl: `${url}/v1` });
    await expect(send(provider, hello, 'm')).rejects.toMatchObject({
      code: 'upstream_unavailable',
    });
    expect(connections).toBe(1);
  });

  test('does not run out of patience: a week until the headers is not its business', async () => {
    let held: ServerResponse | undefined;
    const { url } = await startServer((response) => {
      held = response;
    });
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date', 'performance'] });
    onTestFinished(() => void vi.useRealTimers());
    const provider = providerOf({ baseUrl: `${url}/v1` });
    const sending = send(provider, hello, 'm');
    await vi.waitUntil(() => held, { interval: 1 });
    await vi.advanceTimersByTimeAsync(7 * 24 * 3600 * 1000);
    held!.end('late');
    const response = await sending;
    expect(response.status).toBe(200);
    expect(await readAll(response)).toBe('late');
  });

  test('lets go at once when the signal says so, with the reason given', async () => {
    let closed: () => void = () => {};
    const left = new Promise<void>((resolve) => {
      closed = resolve;
    });
    const controller = new AbortController();
    const reason = new Error('nobody waits for it any more');
    const { url } = await startServer((response) => {
      response.on('close', closed);
      controller.abort(reason);
    });
    const provider = providerOf({ baseUrl: `${url}/v1` });
    await expect(send(provider, hello, 'm', controller.signal)).rejects.toBe(reason);
    await left;
  });

  test('reads nothing of the body: its bytes come as they were sent', async () => {
    const bytes = Buffer.from('data: not even {JSON\n\n\xFF\x00', 'latin1');
    const { url } = await startServer((response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.end(bytes);
    });
    const provider = providerOf({ baseUrl: `${url}/v1` });
    const response = await send(provider, hello, 'm');
    expect(await readAll(response, 'latin1')).toBe(bytes.toString('latin1'));
  });
});

function readAll(response: UpstreamResponse, encoding: BufferEncoding = 'utf8'): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    response.start({
      data: (chunk) => void chunks.push(chunk),
      end: () => resolve(Buffer.concat(chunks).toString(encoding)),
      error: reject,
    });
  });
}
