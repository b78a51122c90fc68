// Google's own client for JavaScript against a running Millrace: its base address changed, nothing else. Over its own wire, where the
// provider's chunks are handed on, and over each of the others.
import { createHash } from 'node:crypto';
import { ApiError, type Content, GoogleGenAI, type Part, type Type } from '@google/genai';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type MockServer, startMock } from '../../src/mock/server.ts';
import { startMillrace, type TestMillrace } from '../support/millrace.ts';

/** `asis` has its chunks handed on; `built` speaks the same wire and has them built here, as all others do. */
const PROVIDERS = ['asis', 'built', 'mock', 'mock-responses', 'mock-anthropic', 'mock-bedrock'];

async function connect(more = ''): Promise<{ ai: GoogleGenAI; mock: MockServer; millrace: TestMillrace }> {
  const mock = await startMock();
  onTestFinished(() => mock.close());
  const own = `{ wire: gemini, apiKey: x, baseUrl: "${mock.origin}/v1beta"`;
  const others = PROVIDERS.slice(2).map((name) => `  ${name}: {}\n`);
  const millrace = await startMillrace(
    `providers:\n  asis: ${own} }\n  built: ${own}, passthrough: false }\n${others.join('')}${more}`,
  );
  const ai = new GoogleGenAI({ apiKey: 'unused', httpOptions: { baseUrl: millrace.url } });
  return { ai, mock, millrace };
}

const contents = 'Hello there';
const weather = {
  name: 'get_weather',
  description: 'The weather of a city',
  parameters: {
    type: 'OBJECT' as Type,
    properties: { city: { type: 'STRING' as Type }, days: { type: 'INTEGER' as Type } },
    required: ['city', 'days'],
  },
};
const clock = { name: 'clock', parametersJsonSchema: { type: 'object', properties: {} } };
const tools = [{ functionDeclarations: [weather, clock] }];

/** What each wire but Chat Completions keeps of its reasoning comes back in the next turn. */
const keepsReasoning = (provider: string) => provider !== 'mock';

function answer(call: { name?: string; id?: string }): Part {
  return { functionResponse: { ...call, name: call.name!, response: { output: `${call.name} says blue.` } } };
}

describe.each(PROVIDERS)('%s', (up) => {
  test('text streams and comes whole, with usage', async () => {
    const { ai } = await connect();
    const request = { model: `${up}/echo`, contents };
    let text = '';
    let last: Awaited<ReturnType<typeof ai.models.generateContent>> | undefined;
    for await (const chunk of await ai.models.generateContentStream(request)) {
      text += chunk.text ?? '';
      last = chunk;
    }
    expect(text).toBe('Hello there');
    expect(last?.candidates?.[0]?.finishReason).toBe('STOP');
    expect(last?.usageMetadata?.promptTokenCount).toBeGreaterThan(0);
    const { promptTokenCount, candidatesTokenCount, totalTokenCount } = last!.usageMetadata!;
    expect(totalTokenCount).toBe(promptTokenCount! + candidatesTokenCount!);
    const whole = await ai.models.generateContent(request);
    expect(whole.text).toBe(text);
    expect(whole.candidates).toMatchObject([{ content: { role: 'model' }, finishReason: 'STOP', index: 0 }]);
    expect(whole.usageMetadata).toMatchObject({ promptTokenCount, candidatesTokenCount, totalTokenCount });
  });

  test('a chat calls two functions and goes on with their results, streamed and whole', async () => {
    const { ai } = await connect();
    for (const streamed of [true, false]) {
      const chat = ai.chats.create({ model: `${up}/tools-2`, config: { tools } });
      const calls: { name?: string; id?: string; args?: object }[] = [];
      if (streamed) {
        for await (const chunk of await chat.sendMessageStream({ message: 'weather?' }))
          calls.push(...(chunk.functionCalls ?? []));
      } else calls.push(...((await chat.sendMessage({ message: 'weather?' })).functionCalls ?? []));
      expect(calls.map(({ name, args }) => ({ name, args }))).toEqual([
        { name: 'get_weather', args: { city: expect.any(String), days: expect.any(Number) } },
        { name: 'clock', args: {} },
      ]);
      const message = calls.map(({ name, id }) => answer({ name, ...(id && { id }) }));
      const { text } = await chat.sendMessage({ message });
      expect(text).toContain('clock says blue.'); // some mocks quote the last result alone
    }
  });

  test('calls and results that have no ids find each other by name and order', async () => {
    const { ai } = await connect();
    const history: Content[] = [{ role: 'user', parts: [{ text: 'weather?' }] }];
    const first = await ai.models.generateContent({ model: `${up}/tools-3`, contents: history, config: { tools } });
    const parts = first.candidates![0]!.content!.parts!.map(({ functionCall, ...rest }) => {
      const { id: _, ...call } = functionCall!;
      return { ...rest, functionCall: call };
    });
    const results = parts.map(({ functionCall }) => answer({ name: functionCall.name })).reverse();
    const second = await ai.models.generateContent({
      model: `${up}/tools-3`,
      contents: [...history, { role: 'model', parts }, { role: 'user', parts: results }],
      config: { tools },
    });
    expect(second.text).toContain('says blue.'); // a result without its call would have been refused
  });

  test('thoughts come to a client that asked for them, and what signs them goes back with the results', async () => {
    const { ai } = await connect();
    const model = `${up}/reasoning-6+tools-2`;
    const thinkingConfig = { includeThoughts: true, thinkingBudget: 2048 };
    for (const streamed of [true, false]) {
      const chat = ai.chats.create({ model, config: { tools, thinkingConfig } });
      const parts: Part[] = [];
      if (streamed) {
        for await (const { candidates } of await chat.sendMessageStream({ message: 'weather?' }))
          parts.push(...(candidates?.[0]?.content?.parts ?? []));
      } else parts.push(...(await chat.sendMessage({ message: 'weather?' })).candidates![0]!.content!.parts!);
      const thoughts = parts.map(({ text, thought }) => (thought ? text : '')).join('');
      expect(thoughts).toMatch(/^The user asks/);
      const calls = parts.flatMap(({ functionCall }) => functionCall ?? []);
      expect(calls).toHaveLength(2);
      const signed = parts.find(({ functionCall }) => functionCall)?.thoughtSignature;
      expect(typeof signed).toBe(keepsReasoning(up) ? 'string' : 'undefined');
      const message = calls.map(({ name, id }) => answer({ name, ...(id && { id }) }));
      expect((await chat.sendMessage({ message })).text).toContain('clock says blue.');
      expect((await chat.sendMessage({ message: 'and now?' })).functionCalls).toHaveLength(2);
    }
  });

  test('without being asked for, thoughts stay with the provider and are counted', async () => {
    const { ai } = await connect();
    const request = { model: `${up}/reasoning-6+lorem-3`, contents };
    const { candidates, text, usageMetadata } = await ai.models.generateContent(request);
    expect(text).toBe('Lorem ipsum dolor');
    if (up !== 'asis') expect(candidates![0]!.content!.parts!.some(({ thought }) => thought)).toBe(false);
    const { candidatesTokenCount = 0, thoughtsTokenCount = 0 } = usageMetadata!;
    expect(candidatesTokenCount + thoughtsTokenCount).toBe(9);
    if (up !== 'mock-bedrock') expect(thoughtsTokenCount).toBe(6); // that API does not count them apart
  });

  test('structured output by either kind of schema', async () => {
    const { ai } = await connect();
    const responseMimeType = 'application/json';
    const responseSchema = {
      type: 'OBJECT' as Type,
      properties: { title: { type: 'STRING' as Type }, pages: { type: 'INTEGER' as Type } },
      required: ['title', 'pages'],
    };
    const responseJsonSchema = {
      type: 'object',
      properties: { title: { type: 'string' }, pages: { type: 'integer' } },
      required: ['title', 'pages'],
      additionalProperties: false,
    };
    for (const schema of [{ responseSchema }, { responseJsonSchema }]) {
      const { text } = await ai.models.generateContent({
        model: `${up}/json`,
        contents,
        config: { responseMimeType, ...schema },
      });
      expect(JSON.parse(text!)).toEqual({ title: expect.any(String), pages: expect.any(Number) });
    }
  });

  test('a client that breaks off its loop ends the provider too', async () => {
    const { ai, mock, millrace } = await connect();
    const { journal } = millrace.mocks.get(up) ?? mock;
    const abort = new AbortController();
    const stream = await ai.models.generateContentStream({
      model: `${up}/lorem-5000+rate-200`,
      contents,
      config: { abortSignal: abort.signal },
    });
    const leave = async () => {
      let seen = 0;
      for await (const { text } of stream) if (text && ++seen === 3) abort.abort();
    };
    await expect(leave()).rejects.toThrow();
    await journal.waitFor((record) => record.client_left_at !== null);
    const [row] = await millrace.rows();
    expect(row).toMatchObject({ end_reason: 'client_closed', door: 'gemini' });
  });

  test('refusals and errors inside a stream are typed', async () => {
    const { ai } = await connect();
    const limited = await ai.models.generateContent({ model: `${up}/error-429`, contents }).catch((thrown) => thrown);
    expect(limited).toBeInstanceOf(ApiError);
    expect(limited.status).toBe(429);
    expect(JSON.parse(limited.message).error).toMatchObject({ code: 429, status: 'RESOURCE_EXHAUSTED' });
    const stream = await ai.models.generateContentStream({ model: `${up}/error-after-3`, contents });
    let text = '';
    const read = async () => {
      for await (const chunk of stream) text += chunk.text ?? '';
    };
    const cut = await read().catch((thrown) => thrown);
    expect(text).toBe('Lorem ipsum dolor');
    expect(cut).toBeInstanceOf(ApiError);
    expect(cut.status).toBeGreaterThanOrEqual(500);
  });
});

describe('a stream that is silent for long', () => {
  test.each(PROVIDERS.slice(0, 3))('%s: what fills the silence means nothing to the client', async (up) => {
    const { ai } = await connect('streams: { heartbeat: 20ms, commitAfter: 20ms }');
    const chat = ai.chats.create({ model: `${up}/lorem-6+rate-10` });
    let text = '';
    for await (const chunk of await chat.sendMessageStream({ message: 'Hello' })) text += chunk.text ?? '';
    expect(text).toBe('Lorem ipsum dolor sit amet, consectetur');
    const said = chat.getHistory(true).flatMap(({ role, parts = [] }) => (role === 'model' ? parts : []));
    expect(said.map((part) => part.text).join('')).toBe(text);
    expect((await chat.sendMessage({ message: 'Again' })).text).toBe(text);
  });
});

test('several candidates', async () => {
  const { ai } = await connect();
  for (const up of ['asis', 'built', 'mock']) {
    const request = { model: `${up}/lorem-3`, contents, config: { candidateCount: 2 } };
    const { candidates } = await ai.models.generateContent(request);
    const texts = candidates!.map(({ content }) => content!.parts!.map(({ text }) => text).join(''));
    expect(texts).toHaveLength(2);
    const streamed = ['', ''];
    for await (const chunk of await ai.models.generateContentStream(request)) {
      for (const { index = 0, content } of chunk.candidates ?? [])
        streamed[index] += (content?.parts ?? []).map(({ text }) => text).join('');
    }
    expect(streamed).toEqual(texts);
  }
});

test('the key as this client sends it, or in the address; a stream without alt=sse; what is not served', async () => {
  const hash = `sha256:${createHash('sha256').update('sesame').digest('hex')}`;
  const { millrace } = await connect(`keys: [{ name: me, hash: "${hash}" }]`);
  const clientWith = (apiKey: string) => new GoogleGenAI({ apiKey, httpOptions: { baseUrl: millrace.url } });
  const request = { model: 'mock/lorem-3', contents };
  expect((await clientWith('sesame').models.generateContent(request)).text).toBe('Lorem ipsum dolor');
  const refused = await clientWith('other')
    .models.generateContent(request)
    .catch((thrown) => thrown);
  expect(refused).toMatchObject({ status: 401, message: expect.stringContaining('UNAUTHENTICATED') });
  const counted = await clientWith('sesame').models.countTokens(request);
  expect(counted.totalTokens).toBeGreaterThan(0);
  const embedded = await clientWith('sesame')
    .models.embedContent({ model: request.model, contents: 'Hi' })
    .catch((thrown) => thrown);
  expect(embedded).toMatchObject({ status: 400, message: expect.stringContaining('not served here') });

  for (const up of ['mock', 'asis']) {
    const path = `/v1/models/${up}%2Florem-3:streamGenerateContent?key=sesame`;
    const response = await millrace.post(path, { contents: [{ parts: [{ text: 'Hi' }] }] });
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
    const chunks = (await response.json()) as { candidates: { content: Content; finishReason?: string }[] }[];
    const parts = chunks.flatMap(({ candidates }) => candidates[0]!.content.parts!);
    expect(parts.map(({ text }) => text).join('')).toBe('Lorem ipsum dolor');
    expect(chunks.at(-1)!.candidates[0]!.finishReason).toBe('STOP');
  }
});
