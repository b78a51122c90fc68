// A path of the chat request as the path that the client wrote.
import { expect, test } from 'vitest';
import { CLIENT_NAMES, clientPath, madeFrom } from '../../src/core/origin.ts';

const chat = {
  [CLIENT_NAMES]: { stop: 'stop_sequences', 'reasoning.effort': 'config.effort', reasoning: 'thinking' },
  messages: [
    madeFrom('system', { role: 'system', content: 'Be kind.' }),
    madeFrom('turns[0]', {
      role: 'user',
      content: [madeFrom('turns[0].parts[2]', { type: 'text' }), { type: 'text' }],
    }),
    { role: 'user', content: 'Hi' },
  ],
  reasoning: { effort: 'high', max_tokens: 1 },
};

test.each([
  ['messages[0]', 'system'],
  ['messages[1].content[0].image_url.url', 'turns[0].parts[2]'],
  ['messages[1].content[1]', 'turns[0]'],
  ['messages[1].tool_calls[0].function.arguments', 'turns[0]'],
  ['stop', 'stop_sequences'],
  ['reasoning.effort', 'config.effort'],
  ['reasoning.max_tokens', 'thinking'],
])('%s is what the client called %s', (path, told) => {
  expect(clientPath(chat, path)).toBe(told);
});

test.each(['messages', 'messages[2].content', 'messages[9].role', 'seed', 'input[3].content[0]', 'constructor', ''])(
  'of %j nothing is known, and it stays',
  (path) => {
    expect(clientPath(chat, path)).toBe(path);
    expect(clientPath({}, path)).toBe(path);
  },
);

test('names stay where a request is copied, and nobody is sent them', () => {
  expect(clientPath({ ...chat }, 'stop')).toBe('stop_sequences');
  expect(JSON.stringify(chat)).not.toMatch(/turns|stop_sequences/);
});
