// A strict reader at every front door, over every wire, while the provider does what providers do: long silences, cuts, errors at any
// moment. It takes no event that the door's protocol does not have, and one end, which is last.
import { describe, expect, test } from 'vitest';
import { doors } from '../support/doors/all.ts';
import { type Answer, comparable, type Door, refused } from '../support/doors/door.ts';
import { native } from '../support/doors/native.ts';
import { startMillrace, type TestMillrace } from '../support/millrace.ts';

const PROVIDERS = ['mock', 'mock-responses', 'mock-anthropic', 'mock-gemini', 'mock-bedrock'];

const MODELS = [
  'lorem-12',
  'lorem-9+split',
  'lorem-9+crlf',
  'reasoning-4+lorem-3',
  'length',
  'filter',
  'error-429',
  'error-context',
  'error-after-3',
  'cut-0',
  'cut-3',
  'end-3',
  'garbage-3',
  'html',
];

async function read(millrace: TestMillrace, door: Door, model: string): Promise<Answer> {
  const response = await millrace.post(door.path(model, { stream: true }), door.body(model, { stream: true }));
  const body = await response.text();
  try {
    return response.ok ? door.read(body) : refused(door.refusal(JSON.parse(body), response.status));
  } catch (error) {
    throw new Error(`${model} at the door ${door.name}: ${(error as Error).message}\n${body}`, { cause: error });
  }
}

/** Those that build their frames: what is handed on is the provider's own, and is read in test/conformance/verbatim.test.ts. */
function building(provider: string): Door[] {
  const spoken = provider.replace(/^mock-?/, '') || 'openai';
  return doors.filter((door) => door !== native && door.wire?.replace('openai-', '') !== spoken);
}

describe.each(PROVIDERS)('%s', (provider) => {
  test('every door says the same, in its own words', async () => {
    const millrace = await startMillrace(`providers: { ${provider}: {} }`);
    for (const model of MODELS) {
      const name = `${provider}/${model}${/-[1-9]$/.test(model) ? '+rate-500' : ''}`; // paced, so that content comes before its fault
      const said = await read(millrace, native, name);
      const read1 = async (door: Door) => {
        const want = comparable(door.expected(said), said);
        expect(comparable(await read(millrace, door, name), said), `${model} at the door ${door.name}`).toEqual(want);
      };
      await Promise.all(building(provider).map(read1));
    }
  });

  test('what fills a silence, before the answer and within it, is nothing to any of them', async () => {
    const millrace = await startMillrace(
      `providers: { ${provider}: {} }\nstreams: { heartbeat: 15ms, commitAfter: 15ms }`,
    );
    for (const [model, text, end] of [
      ['lorem-4+slow-80+rate-20', 'Lorem ipsum dolor sit', 'done'],
      ['error-after-2+slow-80+rate-20', 'Lorem ipsum', 'error'],
    ]) {
      const answers = await Promise.all(
        [native, ...building(provider)].map((door) => read(millrace, door, `${provider}/${model}`)),
      );
      for (const said of answers) expect([said.text, said.end.type]).toEqual([text, end]);
    }
    const silent = await millrace.post('/v1/chat', native.body(`${provider}/lorem-1+slow-80`, { stream: true }));
    expect(await silent.text()).toMatch(/^: ping$/m);
  });
});
