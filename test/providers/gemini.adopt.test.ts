// A request that came in this wire's own words, as it goes on to Google AI and to Vertex.
import { expect, test } from 'vitest';
import { adoptRequest } from '../../src/providers/gemini/adopt.ts';

const baseUrl = 'https://generativelanguage.googleapis.com/v1beta';
const vertex = 'https://aiplatform.googleapis.com/v1/projects/p/locations/global';
const call = { functionCall: { id: 'a', name: 'f', args: { some_key: 1 } } };
const response = { functionResponse: { id: 'a', name: 'f', response: {} } };
const contents = [
  { role: 'user', parts: [{ text: 'Hi' }] },
  { role: 'model', parts: [call] },
  { role: 'user', parts: [response] },
];
const body = {
  model: 'models/asked',
  contents,
  safetySettings: [{ category: 'X' }],
  tools: [{ googleSearch: {} }],
  new_field: 1,
};

test('it goes on as it is but for the model', () => {
  expect(adoptRequest({ baseUrl }, { wire: 'gemini', body }, 'gemini-2.5-flash')).toEqual({
    body: { ...body, model: 'models/gemini-2.5-flash' },
    dropped: [],
  });
});

test('fields that the provider refuses are left out, and said to be', () => {
  const { body: sent, dropped } = adoptRequest(
    { baseUrl, drop: ['safetySettings', 'seed'] },
    { wire: 'gemini', body },
    'gemini-2.5-flash',
  );
  expect(sent).not.toHaveProperty('safetySettings');
  expect(dropped).toEqual(['safetySettings']);
});

test('a call of the current turn that nothing signs gets the stand-in, where the model insists; the original stays as it was', () => {
  const before = structuredClone(body);
  const { body: sent } = adoptRequest({ baseUrl }, { wire: 'gemini', body }, 'gemini-3.1-pro');
  expect((sent as typeof body).contents[1]).toEqual({
    role: 'model',
    parts: [{ ...call, thoughtSignature: 'skip_thought_signature_validator' }],
  });
  expect(body).toEqual(before);
});

test('Vertex is sent no ids of calls, and a path of its own', () => {
  const { body: sent } = adoptRequest({ baseUrl: vertex }, { wire: 'gemini', body }, 'gemini-2.5-flash');
  expect(JSON.parse(JSON.stringify(sent))).toMatchObject({ model: 'publishers/google/models/gemini-2.5-flash' });
  expect(JSON.stringify(sent)).not.toContain('"id"');
});

test('a name that is no path segment is refused', () => {
  expect(() => adoptRequest({ baseUrl }, { wire: 'gemini', body }, '../x')).toThrow(/no name of a model/);
});
