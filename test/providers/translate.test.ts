// What every wire's builder does with a request's fields: taken, refused or dropped and said, never silently lost.
import { expect, test } from 'vitest';
import type { ChatRequest } from '../../src/core/chat.ts';
import { chatRequest } from '../../src/core/chat.ts';
import { effortOf, reasoningWish } from '../../src/providers/reasoning.ts';
import { overlay, readRequest } from '../../src/providers/translate.ts';

const chatOf = (rest: object): ChatRequest =>
  chatRequest.parse({ model: 'm', messages: [{ role: 'user', content: 'Hi' }], ...rest });
const finish = (rest: object, take: string[] = [], drop: string[] = []) => {
  const reader = readRequest(chatOf(rest), 'demo', drop);
  for (const field of take) reader.take(field);
  return reader.finish({ model: 'm' });
};
const refusal = (work: () => unknown) => {
  try {
    work();
  } catch (error) {
    return error as { code: string; message: string; param: string };
  }
  throw new Error('it was not refused');
};

test('a field that nobody took is said to be dropped; one that was taken is not', () => {
  expect(finish({ seed: 1, user: 'u', temperature: 0.5 }, ['temperature']).dropped).toEqual(['seed', 'user']);
});

test('a field that Millrace has never heard of is said to be dropped', () => {
  expect(finish({ brand_new: { a: 1 } }).dropped).toEqual(['brand_new']);
});

test.each([
  { n: 2 },
  { stop: 'x' },
  { logprobs: true },
  { top_logprobs: 3 },
  { tools: [{ type: 'function', function: { name: 'f' } }] },
  { tool_choice: 'required' },
  { parallel_tool_calls: false },
  { response_format: { type: 'json_object' } },
  { modalities: ['text', 'audio'] },
])('%j changes the answer, so a wire without it refuses by name', (field) => {
  const [name] = Object.keys(field);
  expect(refusal(() => finish(field))).toMatchObject({
    code: 'invalid_request',
    param: name,
    message: expect.stringMatching(new RegExp(`^${name}: .*"demo"`)),
  });
});

test.each([
  { n: 1 },
  { stop: [] },
  { logprobs: false },
  { tools: [] },
  { tool_choice: 'auto' },
  { parallel_tool_calls: true },
  { response_format: { type: 'text' } },
  { modalities: ['text'] },
  { seed: null },
  { presence_penalty: 0 },
  { store: false },
  { stream: true, stream_options: { include_usage: true } },
])('%j asks for what every wire does anyway', (field) => {
  expect(finish(field).dropped).toEqual([]);
});

test('what the config drops is not taken, and said', () => {
  const reader = readRequest(chatOf({ stop: 'x', seed: 1 }), 'demo', ['stop', 'seed', 'top_p']);
  expect(reader.take('stop')).toBeUndefined();
  expect(reader.finish({}).dropped).toEqual(['stop', 'seed']);
});

test("the client's own fields are laid over: objects merged, lists appended, the rest replaced", () => {
  const body = { a: { b: 1, c: 2 }, tools: [1], max: 5 };
  expect(overlay(body, { a: { c: 3, d: 4 }, tools: [2], max: 6, extra: null })).toEqual({
    a: { b: 1, c: 3, d: 4 },
    tools: [1, 2],
    max: 6,
    extra: null,
  });
  expect(body).toEqual({ a: { b: 1, c: 2 }, tools: [1], max: 5 });
});

test('own fields cannot choose another model, unstream the answer or reach a prototype', () => {
  const own = JSON.parse('{"model":"dear","stream":false,"__proto__":{"polluted":1},"x":1}');
  const { body } = readRequest(chatOf({}), 'demo').finish({ model: 'm', stream: true }, own);
  expect(body).toMatchObject({ model: 'm', stream: true, x: 1 });
  expect(({} as { polluted?: number }).polluted).toBeUndefined();
  expect(Object.getPrototypeOf(body)).toBe(Object.prototype);
});

test.each([
  [{}, undefined],
  [{ reasoning_effort: 'high' }, { kind: 'effort', effort: 'high' }],
  [{ reasoning: { effort: 'low' } }, { kind: 'effort', effort: 'low' }],
  [{ reasoning_effort: 'none' }, { kind: 'off' }],
  [{ reasoning: { enabled: false } }, { kind: 'off' }],
  [{ reasoning: { enabled: true } }, { kind: 'on' }],
  [{ reasoning: { max_tokens: 2000 } }, { kind: 'budget', budget: 2000 }],
  [{ reasoning: {} }, undefined],
])('%j wishes for %j', (fields, wish) => {
  expect(reasoningWish(readRequest(chatOf(fields), 'demo'))).toEqual(wish);
});

test.each([
  [{ reasoning_effort: 'enormous' }, 'reasoning_effort'],
  [{ reasoning: { effort: 'enormous' } }, 'reasoning.effort'],
  [{ reasoning: { effort: 'low' }, reasoning_effort: 'high' }, 'reasoning_effort'],
  [{ reasoning: { effort: 'low', max_tokens: 5 } }, 'reasoning.max_tokens'],
])('%j contradicts itself or means nothing', (fields, param) => {
  expect(refusal(() => reasoningWish(readRequest(chatOf(fields), 'demo')))).toMatchObject({ param });
});

test('a budget becomes the effort whose own budget it reaches', () => {
  expect([1, 1024, 3000, 9000, 20_000, 1_000_000].map(effortOf)).toEqual([
    'minimal',
    'minimal',
    'low',
    'medium',
    'high',
    'max',
  ]);
});
