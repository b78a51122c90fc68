// examples/node-backend as its users meet it: the script in a process of its own, over a real Millrace, on several wires.
import { describe, expect, test } from 'vitest';
import { eventually, readSse, startMillrace, type TestMillrace } from '../support/millrace.ts';
import { runScript, type Script } from './script.ts';

const PROVIDERS = ['mock', 'mock-anthropic', 'mock-gemini'];
const CONFIG = `providers: { ${PROVIDERS.map((name) => `${name}: {}`).join(', ')} }`;

interface Backend {
  millrace: TestMillrace;
  script: Script;
  post(path: string, body?: string, init?: RequestInit): Promise<Response>;
}

async function startBackend(model: string, env: Record<string, string> = {}): Promise<Backend> {
  const millrace = await startMillrace(CONFIG);
  const script = runScript('node-backend/server.ts', {
    env: { MILLRACE_URL: millrace.url, MODEL: model, PORT: '0', ...env },
  });
  const url = await script.printed(/^listening on (\S+)/);
  return {
    millrace,
    script,
    post: (path, body = 'A long text.', init) => fetch(url + path, { method: 'POST', body, ...init }),
  };
}

describe.each(PROVIDERS)('%s', (provider) => {
  test('a summary, whole', async () => {
    const { post, millrace } = await startBackend(`${provider}/echo`);
    const response = await post('/summarize');
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      summary: 'A long text.',
      complete: true,
      usage: expect.objectContaining({ completion_tokens: 3 }),
    });
    expect((await millrace.rows())[0]).toMatchObject({ end_reason: 'stop', door: 'openai', output_tokens: 3 });
  });

  test('a summary as it comes, and its end', async () => {
    const { post } = await startBackend(`${provider}/lorem-8+rate-100`);
    const response = await post('/stream');
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    const events = (await readSse(response)).map(({ event, data }) => ({ event, ...JSON.parse(data) }));
    expect(events.slice(0, -1).every(({ event }) => event === 'text')).toBe(true);
    const pieces = events.slice(0, -1).map(({ text }) => text);
    expect(pieces.join('')).toBe('Lorem ipsum dolor sit amet, consectetur adipiscing elit,');
    expect(pieces.length).toBeGreaterThan(1);
    expect(events.at(-1)).toMatchObject({ event: 'done', complete: true, usage: { completion_tokens: 8 } });
  });

  test.each(['/stream', '/summarize'])('a user who leaves %s ends the answer at the provider', async (path) => {
    const { post, millrace } = await startBackend(`${provider}/lorem-9000+rate-50`);
    const { journal } = millrace.mocks.get(provider)!;
    const left = new AbortController();
    const asking = post(path, 'A long text.', { signal: left.signal });
    if (path === '/stream') await (await asking).body!.getReader().read();
    else await journal.waitFor((record) => record.model !== null);
    left.abort();
    await asking.catch(() => {});
    const record = await journal.waitFor((r) => r.client_left_at !== null);
    expect(record.tokens_sent).toBeLessThan(9000);
    expect((await millrace.rows())[0]).toMatchObject({ end_reason: 'client_closed' });
  });

  test('an answer that breaks off ends in an error event, never in done', async () => {
    const { post } = await startBackend(`${provider}/cut-3+rate-200`);
    const events = await readSse(await post('/stream'));
    expect(events.at(-1)).toMatchObject({ event: 'error' });
    expect(JSON.parse(events.at(-1)!.data)).toEqual({
      code: 'upstream_truncated',
      message: 'There is no summary at the moment. Try again later.',
    });
    expect(events.slice(0, -1).map(({ event }) => event)).not.toContain('done');
    expect(await (await post('/summarize')).json()).toMatchObject({ error: { code: 'upstream_truncated' } });
  });
});

test.each([
  ['mock/error-429', 429, 'upstream_rate_limited'],
  ['mock-anthropic/error-context', 400, 'context_length_exceeded'],
  ['nobody/knows', 500, 'internal'],
])('%s is a refusal with a status', async (model, status, code) => {
  const { post, script } = await startBackend(model);
  for (const path of ['/summarize', '/stream']) {
    const response = await post(path);
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ error: { code } });
  }
  expect(await eventually(script.stderr)).toMatch(/Error: \d{3} /);
});

test('a Millrace that is not there is an error, not a crash', async () => {
  const { post } = await startBackend('mock/echo', { MILLRACE_URL: 'http://127.0.0.1:9' });
  expect((await post('/summarize')).status).toBe(503);
  expect(await (await post('/stream')).json()).toMatchObject({ error: { code: 'upstream_unavailable' } });
});

test('what is no text is refused before a model is asked', async () => {
  const { post, millrace } = await startBackend('mock/echo');
  expect((await post('/summarize', '  ')).status).toBe(400);
  expect((await post('/stream', 'x'.repeat(1_000_001))).status).toBe(413);
  expect((await post('/nothing')).status).toBe(404);
  expect(millrace.journal.list()).toEqual([]);
});

test('an answer that was cut at a limit does not look complete', async () => {
  const { post } = await startBackend('mock/lorem-5+length');
  expect(await (await post('/summarize')).json()).toMatchObject({ complete: false });
  const events = await readSse(await post('/stream'));
  expect(JSON.parse(events.at(-1)!.data)).toMatchObject({ complete: false });
});
