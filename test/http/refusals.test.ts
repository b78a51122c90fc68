// What a provider's wire cannot do is refused by the name that the client gave it, whichever door it came through.
import { mkdir, writeFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { eventually, startMillrace } from '../support/millrace.ts';

const PROVIDERS = 'providers: { mock: {}, mock-anthropic: {}, mock-gemini: {}, mock-responses: {}, mock-bedrock: {} }';
const far = 'https://example.com/cat.png';

type Case = [told: string, path: string, body: object];

const calling = { type: 'function_call', call_id: 'c1', name: 'look', arguments: 'not json' };
const answering = { type: 'function_call_output', call_id: 'c1', output: 'fine' };
const responses = (told: string, model: string, rest: object): Case => [
  told,
  '/v1/responses',
  { model, input: 'Hi', ...rest },
];
const RESPONSES: Case[] = [
  responses('input[1].content[0]', 'mock-bedrock/echo', {
    instructions: 'Be kind.',
    input: [
      { role: 'assistant', content: 'Yes?' },
      { role: 'user', content: [{ type: 'input_image', image_url: far }] },
    ],
  }),
  responses('input[1].arguments', 'mock-anthropic/echo', {
    input: [{ role: 'user', content: 'Hi' }, calling, answering],
  }),
  responses('input', 'mock-gemini/echo', { input: [{ role: 'system', content: 'Be kind.' }] }),
  responses('tools[1]', 'mock-gemini/echo', {
    tools: [{ type: 'function', name: 'look' }, { type: 'web_search' }],
  }),
  responses('tool_choice', 'mock-anthropic/echo', { tool_choice: 'required' }),
  responses('input[1]', 'mock-anthropic/echo', {
    input: [
      { role: 'user', content: 'Hi' },
      { type: 'item_reference', id: 'rs_1' },
    ],
  }),
  responses('previous_response_id', 'mock-gemini/echo', { previous_response_id: 'resp_1' }),
  responses('reasoning.effort', 'mock-anthropic/echo', { reasoning: { effort: 'heroic' } }),
];

const messages = (told: string, model: string, rest: object): Case => [
  told,
  '/v1/messages',
  { model, max_tokens: 100, messages: [{ role: 'user', content: 'Hi' }], ...rest },
];
const picture = { type: 'image', source: { type: 'url', url: far } };
const MESSAGES: Case[] = [
  messages('messages[1].content[1]', 'mock-bedrock/echo', {
    system: 'Be kind.',
    messages: [
      { role: 'assistant', content: 'Yes?' },
      { role: 'user', content: [{ type: 'text', text: 'See' }, picture] },
    ],
  }),
  messages('messages[2].content[1].content[0]', 'mock-bedrock/echo', {
    messages: [
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: [{ type: 'tool_use', id: 'c1', name: 'look', input: {} }] },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'Here' },
          { type: 'tool_result', tool_use_id: 'c1', content: [picture] },
        ],
      },
    ],
  }),
  messages('stop_sequences', 'mock-gemini/echo', { stop_sequences: ['a', 'b', 'c', 'd', 'e', 'f'] }),
  messages('tools[1]', 'mock-gemini/echo', {
    tools: [
      { name: 'look', input_schema: { type: 'object' } },
      { type: 'web_search_20250305', name: 'web_search' },
    ],
  }),
  messages('tool_choice', 'mock-gemini/echo', { tool_choice: { type: 'any' } }),
  messages('tool_choice.disable_parallel_tool_use', 'mock-gemini/echo', {
    tools: [{ name: 'look', input_schema: { type: 'object' } }],
    tool_choice: { type: 'auto', disable_parallel_tool_use: true },
  }),
  messages('output_config.effort', 'mock-gemini/echo', { output_config: { effort: 'heroic' } }),
];

const generate = (told: string, model: string, rest: object): Case => [
  told,
  `/v1beta/models/${model}:generateContent`,
  { contents: [{ parts: [{ text: 'Hi' }] }], ...rest },
];
const GENERATE: Case[] = [
  generate('contents[1].parts[1].fileData', 'mock-bedrock/echo', {
    systemInstruction: { parts: [{ text: 'Be kind.' }] },
    contents: [
      { role: 'model', parts: [{ text: 'Yes?' }] },
      { role: 'user', parts: [{ text: 'See' }, { fileData: { fileUri: far, mimeType: 'image/png' } }] },
    ],
  }),
  generate('contents[0].parts[0].inlineData', 'mock-anthropic/echo', {
    contents: [{ parts: [{ inlineData: { mimeType: 'audio/wav', data: 'AAAA' } }] }],
  }),
  generate('tools[0].googleSearch', 'mock-anthropic/echo', { tools: [{ googleSearch: {} }] }),
  generate('toolConfig.functionCallingConfig', 'mock-anthropic/echo', {
    toolConfig: { functionCallingConfig: { mode: 'ANY' } },
  }),
  generate('generationConfig.stopSequences', 'mock-responses/echo', { generationConfig: { stopSequences: ['a'] } }),
  generate('generationConfig.candidateCount', 'mock-anthropic/echo', { generationConfig: { candidateCount: 2 } }),
  generate('generationConfig.responseModalities', 'mock-anthropic/echo', {
    generationConfig: { responseModalities: ['IMAGE'] },
  }),
  generate('generationConfig.responseMimeType', 'mock-anthropic/echo', {
    generationConfig: { responseMimeType: 'text/x.enum' },
  }),
  generate('generationConfig.responseJsonSchema', 'mock-anthropic/echo', {
    generationConfig: {
      responseMimeType: 'application/json',
      responseJsonSchema: { type: 'object', additionalProperties: { type: 'string' } },
    },
  }),
  generate('cachedContent', 'mock-anthropic/echo', { cachedContent: 'cachedContents/1' }),
];

const ui = (told: string, model: string, rest: object): Case => [
  told,
  '/v1/ui/chat',
  { model, messages: [{ role: 'user', parts: [{ type: 'text', text: 'Hi' }] }], ...rest },
];
const UI: Case[] = [
  ui('messages[1].parts[1]', 'mock-bedrock/echo', {
    system: 'Be kind.',
    messages: [
      { role: 'assistant', parts: [{ type: 'text', text: 'Yes?' }] },
      {
        role: 'user',
        parts: [
          { type: 'text', text: 'See' },
          { type: 'file', url: far, mediaType: 'image/png' },
        ],
      },
    ],
  }),
  ui('stop', 'mock-responses/echo', { stop: ['a'] }),
];

const seen = [
  { role: 'assistant', content: 'Yes?' },
  { role: 'user', content: [{ type: 'image_url', image_url: { url: 'cat.png' } }] },
];
const PLACE = 'messages[1].content[0].image_url.url';
const SAME_WORDS: Case[] = ['/v1/chat', '/v1/chat/completions'].map((path) => [
  PLACE,
  path,
  { model: 'mock-anthropic/echo', messages: seen },
]);

/** Each door has a place of its own for the field at fault, but one, which has only the message. */
function fieldOf({ error }: any): string {
  return error.param ?? error.details?.[1].fieldViolations[0].field ?? error.message.split(':', 1)[0];
}

test.each([
  ['the native door and OpenAI’s, whose words all wires are given', SAME_WORDS],
  ['the door of the Responses API', RESPONSES],
  ['the door of the Messages API', MESSAGES],
  ['the door of generateContent', GENERATE],
  ['the door of UI messages', UI],
])('%s', async (_door, cases) => {
  const millrace = await startMillrace(PROVIDERS);
  for (const [told, path, body] of cases) {
    const response = await millrace.post(path, body);
    const refusal = (await response.json()) as any;
    expect([response.status, fieldOf(refusal)], JSON.stringify(body)).toEqual([400, told]);
    expect(refusal.error.message.startsWith(`${told}: `), refusal.error.message).toBe(true);
  }
});

test('messages of a template come in front, and those of the client keep their numbers', async () => {
  const millrace = await startMillrace(PROVIDERS);
  await mkdir(`${millrace.folder}/prompts`, { recursive: true });
  await writeFile(`${millrace.folder}/prompts/greet.prompt`, 'Hello!');
  const body = { model: 'mock-anthropic/echo', prompt: { name: 'greet' }, messages: seen };
  const refused = async () => ((await (await millrace.post('/v1/chat', body)).json()) as any).error.param;
  expect(await eventually(refused, (param) => !param.startsWith('prompt'))).toBe('messages[1].content[0]');
});
