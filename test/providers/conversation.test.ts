// Messages as turns of parts: what every wire but Chat Completions builds its request from.
import { expect, test } from 'vitest';
import { chatRequest } from '../../src/core/chat.ts';
import { type Part, splitSystem, turnsOf } from '../../src/providers/conversation.ts';
import { readRequest } from '../../src/providers/translate.ts';
import { refusalOf } from '../support/upstream.ts';

function read(messages: object[], format = 'demo-v1') {
  const chat = chatRequest.parse({ model: 'm', messages });
  const reader = readRequest(chat, 'demo');
  const turns = turnsOf(chat, reader, format);
  return { turns, dropped: reader.finish({}).dropped };
}
const partsOf = (content: unknown): Part[] => read([{ role: 'user', content }]).turns[0]!.parts;
const refusal = (messages: object[]) => refusalOf('demo', () => read(messages));
const call = (id: string, name: string, args = '{}') => ({
  id,
  type: 'function',
  function: { name, arguments: args },
});

test('a conversation with parallel tools: results are the next user turn, with the names of their calls', () => {
  const { turns } = read([
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'Weather?' },
    {
      role: 'assistant',
      content: 'Looking.',
      tool_calls: [call('a', 'sky', '{"city":"Paris"}'), call('b', 'wind', '')],
    },
    { role: 'tool', tool_call_id: 'a', content: 'blue' },
    { role: 'tool', tool_call_id: 'b', content: [{ type: 'text', text: 'none' }] },
    { role: 'user', content: 'And?' },
    { role: 'developer', content: 'Say more.' },
  ]);
  const { system, turns: joined } = splitSystem(turns);
  expect(system.map(({ text }) => text)).toEqual(['Be brief.', 'Say more.']);
  expect(joined).toMatchObject([
    { role: 'user', parts: [{ type: 'text', text: 'Weather?' }] },
    {
      role: 'assistant',
      parts: [
        { type: 'text', text: 'Looking.' },
        { type: 'tool-call', id: 'a', name: 'sky', arguments: { city: 'Paris' } },
        { type: 'tool-call', id: 'b', name: 'wind', arguments: {} },
      ],
    },
    {
      role: 'user',
      parts: [
        { type: 'tool-result', id: 'a', name: 'sky', content: [{ type: 'text', text: 'blue' }] },
        { type: 'tool-result', id: 'b', name: 'wind', content: [{ type: 'text', text: 'none' }] },
        { type: 'text', text: 'And?', param: 'messages[5]' },
      ],
    },
  ]);
});

test('reasoning is given back to its maker, first in its turn; to others it is dropped and said', () => {
  const details = [
    { type: 'reasoning.text', text: 'Hm.', signature: 's', format: 'demo-v1' },
    { type: 'reasoning.encrypted', data: 'x', format: 'other-v1' },
  ];
  const message = { role: 'assistant', content: 'So.', reasoning_details: details };
  const { turns, dropped } = read([message]);
  expect(turns[0]!.parts).toMatchObject([{ type: 'reasoning', detail: details[0] }, { type: 'text' }]);
  expect(dropped).toEqual(['reasoning_details']);
});

test('empty text says nothing, but a user who says nothing keeps the turn', () => {
  expect(
    read([
      { role: 'assistant', content: '' },
      { role: 'user', content: '' },
    ]).turns,
  ).toEqual([{ role: 'user', parts: [{ type: 'text', text: '', param: 'messages[1]' }] }]);
  expect(
    partsOf([
      { type: 'text', text: '' },
      { type: 'text', text: 'x' },
    ]),
  ).toHaveLength(1);
});

test('a refusal is what the assistant said', () => {
  expect(read([{ role: 'assistant', content: null, refusal: 'No.' }]).turns[0]!.parts).toMatchObject([
    { type: 'text', text: 'No.' },
  ]);
});

test('cache hints stay where they are; one on a message is on its last part', () => {
  const cache_control = { type: 'ephemeral', ttl: '1h' };
  const content = [
    { type: 'text', text: 'a', cache_control: { type: 'ephemeral' } },
    { type: 'text', text: 'b' },
  ];
  const { parts } = read([{ role: 'user', content, cache_control }]).turns[0]!;
  expect(parts.map(({ cache }) => cache)).toEqual([{}, { ttl: '1h' }]);
});

test.each([
  ['a data URI', 'data:image/PNG;base64,aGk=', { from: 'data', data: 'aGk=', mediaType: 'image/png' }],
  ['parameters', 'data:image/png;name=x.png;base64,aGk=', { from: 'data', data: 'aGk=', mediaType: 'image/png' }],
  ['the usual slip', 'data:image/jpg;base64,aGk=', { from: 'data', data: 'aGk=', mediaType: 'image/jpeg' }],
  ['percent-encoding', 'data:image/svg+xml,%3Csvg/%3E', { from: 'data', data: 'PHN2Zy8+', mediaType: 'image/svg+xml' }],
  [
    'an address',
    'https://x.test/a.webp?s=1',
    { from: 'url', url: 'https://x.test/a.webp?s=1', mediaType: 'image/webp' },
  ],
  ['an address without an ending', 'https://x.test/a', { from: 'url', url: 'https://x.test/a', mediaType: undefined }],
  ['a bucket', 's3://b/k.png', { from: 'url', url: 's3://b/k.png', mediaType: 'image/png' }],
])('an image by %s', (_how, url, source) => {
  expect(partsOf([{ type: 'image_url', image_url: { url, detail: 'low' } }])).toMatchObject([
    { type: 'media', media: { kind: 'image', detail: 'low', source } },
  ]);
});

test.each([
  [
    { file_data: 'data:application/pdf;base64,aGk=', filename: 'a.pdf' },
    { from: 'data', mediaType: 'application/pdf' },
  ],
  [
    { file_data: 'aGk=', filename: 'A.PDF' },
    { from: 'data', data: 'aGk=', mediaType: 'application/pdf' },
  ],
  [{ file_data: 'https://x.test/a.pdf' }, { from: 'url', mediaType: 'application/pdf' }],
  [{ file_url: 'https://x.test/a.csv' }, { from: 'url', mediaType: 'text/csv' }],
  [{ file_id: 'file-1' }, { from: 'id', id: 'file-1' }],
])('a file %j', (file, source) => {
  expect(partsOf([{ type: 'file', file }])).toMatchObject([{ type: 'media', media: { kind: 'file', source } }]);
});

test('sound has the type of its format', () => {
  expect(partsOf([{ type: 'input_audio', input_audio: { data: 'aGk=', format: 'mp3' } }])).toMatchObject([
    { media: { kind: 'audio', source: { data: 'aGk=', mediaType: 'audio/mpeg' } } },
  ]);
});

const image = (url: string) => [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }];
test.each([
  ['a path', image('/etc/passwd'), 'messages[0].content[0].image_url.url'],
  ['a file address', image('file:///etc/passwd'), 'messages[0].content[0].image_url.url'],
  ['a data URI without a type', image('data:,x'), 'messages[0].content[0].image_url.url'],
  ['an empty data URI', image('data:image/png;base64,'), 'messages[0].content[0].image_url.url'],
  [
    'a data URI without a comma',
    image(`data:image/png;base64${'x'.repeat(1000)}`),
    'messages[0].content[0].image_url.url',
  ],
  ['broken percent-encoding', image('data:text/plain,%zz'), 'messages[0].content[0].image_url.url'],
  ['an empty file', [{ role: 'user', content: [{ type: 'file', file: {} }] }], 'messages[0].content[0].file'],
  [
    'bytes of no known type',
    [{ role: 'user', content: [{ type: 'file', file: { file_data: 'aGk=' } }] }],
    'messages[0].content[0].file.file_data',
  ],
  ['an image for the system', [{ ...image('https://x.test')[0], role: 'system' }], 'messages[0].content[0]'],
  [
    'arguments that are no JSON',
    [{ role: 'assistant', tool_calls: [call('a', 'f', '{')] }],
    'messages[0].tool_calls[0].function.arguments',
  ],
  [
    'arguments that are no object',
    [{ role: 'assistant', tool_calls: [call('a', 'f', '[1]')] }],
    'messages[0].tool_calls[0].function.arguments',
  ],
  ['a function message', [{ role: 'function', name: 'f', content: 'x' }], 'messages[0].role'],
])('%s is refused by its path', (_what, messages, param) => {
  expect(refusal(messages)).toMatchObject({ code: 'invalid_request', param });
});
