// One connection, one answer after the other: what a stream leaves behind would be the beginning of the next response.
import { Agent, request } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { startMillrace } from '../support/millrace.ts';

const say = { role: 'user', content: 'Hello there' };
const DOORS: [path: string, model: string, body: (model: string) => object][] = [
  ['/v1/chat', 'mock', (model) => ({ model, messages: [say] })],
  ['/v1/chat/completions', 'mock', (model) => ({ model, messages: [say], stream: true })],
  ['/v1/messages', 'mock-anthropic', (model) => ({ model, messages: [say], max_tokens: 50, stream: true })],
  ['/v1/responses', 'mock-responses', (model) => ({ model, input: [say], stream: true })],
  [
    '/v1beta/models/*:streamGenerateContent?alt=sse',
    'mock-gemini',
    () => ({ contents: [{ parts: [{ text: 'Hi' }] }] }),
  ],
  ['/v1beta/models/*:streamGenerateContent', 'mock-gemini', () => ({ contents: [{ parts: [{ text: 'Hi' }] }] })],
  [
    '/v1/ui/chat',
    'mock',
    (model) => ({ model, messages: [{ id: '1', role: 'user', parts: [{ type: 'text', text: 'Hi' }] }] }),
  ],
];

test.each(DOORS)('%s over %s leaves its connection clean for the next request', async (path, provider, bodyOf) => {
  const providers = ['mock', 'mock-anthropic', 'mock-responses', 'mock-gemini'];
  const millrace = await startMillrace(`providers: { ${providers.map((name) => `${name}: {}`).join(', ')} }`);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(() => agent.destroy());
  const ports = new Set<number | undefined>();

  function ask(model: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const url = millrace.url + path.replace('*', encodeURIComponent(model));
      const sent = request(
        url,
        { method: 'POST', agent, headers: { 'content-type': 'application/json' } },
        (response) => {
          ports.add(response.socket.localPort);
          let text = '';
          response.setEncoding('utf8').on('data', (chunk) => {
            text += chunk;
          });
          response.on('end', () => (response.statusCode === 200 ? resolve(text) : reject(new Error(text))));
          response.on('error', reject);
        },
      );
      sent.on('error', reject);
      sent.end(JSON.stringify(bodyOf(model)));
    });
  }

  // Of another wire, of the same, with the end in a packet of its own, and again.
  for (const up of [provider, provider === 'mock' ? 'mock-anthropic' : 'mock', provider]) {
    for (const model of [`${up}/lorem-5`, `${up}/lorem-5+rate-200`, `${up}/lorem-0`])
      expect(await ask(model)).not.toBe('');
  }
  expect(ports.size).toBe(1);
});
