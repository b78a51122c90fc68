// A Responses request that came in this wire's own words, sent on by a provider of it.
import { expect, test } from 'vitest';
import { adoptedRequest } from '../../src/providers/openai-responses/request.ts';

const given = {
  model: 'alias',
  input: 'x',
  stream: false,
  store: true,
  previous_response_id: 'resp_1',
  tools: [{ type: 'web_search' }],
  reasoning: { effort: 'low', summary: 'auto' },
};

test('all of it goes on, with the model and the stream put in', () => {
  expect(adoptedRequest({}, given, 'm-1')).toEqual({ body: { ...given, model: 'm-1', stream: true }, dropped: [] });
});

test('what the config drops is left out and said, and the request stays as it was', () => {
  const { body, dropped } = adoptedRequest({ drop: ['store', 'include', 'reasoning.summary'] }, given, 'm-1');
  const { store: _, ...rest } = given;
  expect(body).toEqual({ ...rest, model: 'm-1', stream: true, reasoning: { effort: 'low' } });
  expect(dropped).toEqual(['store', 'reasoning.summary']);
  expect(given.reasoning).toHaveProperty('summary');
});
