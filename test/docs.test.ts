// The docs against the program: what a table in docs/ says is what the code says. Tables between `<!-- name -->` and
// `<!-- /name -->` are written by this file: UPDATE_DOCS=1 npx vitest run test/docs.test.ts
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { configJsonSchema, type JsonSchema } from '../src/config/json-schema.ts';
import { checkText } from '../src/config/load.ts';
import { PRICES_DATE } from '../src/config/prices.ts';
import { VENDORS, type Vendor } from '../src/config/vendors.ts';
import { type ChatRequest, chatRequest } from '../src/core/chat.ts';
import type { Translation } from '../src/core/contracts.ts';
import { ERROR_TABLE } from '../src/core/errors.ts';
import { BEHAVIOURS } from '../src/mock/behaviours.ts';
import { anthropicRequest } from '../src/providers/anthropic/request.ts';
import { bedrockRequest } from '../src/providers/bedrock/request.ts';
import { geminiRequest } from '../src/providers/gemini/request.ts';
import { openAiRequest } from '../src/providers/openai/request.ts';
import { openaiResponsesRequest } from '../src/providers/openai-responses/request.ts';
import { openLedger } from '../src/stores/open.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string) => readFileSync(join(root, path), 'utf8');

test('the error table of docs/PROTOCOL.md is the one of the code, code by code', () => {
  const rows = [...read('docs/PROTOCOL.md').matchAll(/^\| `([a-z_]+)` \| (\d{3}) \| (yes|no) \| (.+) \|$/gm)];
  const documented = rows.map(([, code, status, retryable]) => [
    code,
    { status: Number(status), retryable: retryable === 'yes' },
  ]);
  expect(documented).toEqual(Object.entries(ERROR_TABLE));
});

test('the table of docs/MOCK.md is the behaviours of the mock', () => {
  const rows = BEHAVIOURS.map(({ name, range, about }) => [
    `\`${name}\``,
    range ? `${count(range[0])}–${count(range[1])}` : '',
    about,
  ]);
  expectTable('docs/MOCK.md', 'behaviours', table(['Part', 'N', 'What it does'], rows));
});

test('the table of docs/CONFIG.md is every field of the config schema', () => {
  const rows = fieldsOf(configJsonSchema()).map(({ path, takes, fallback, about }) => [
    `\`${path}\``,
    takes,
    fallback,
    about.replaceAll('<', '\\<'),
  ]);
  expectTable('docs/CONFIG.md', 'fields', table(['Field', 'Takes', 'Default', 'Meaning'], rows));
});

test('docs/providers.md has a row for each known vendor, and the config in it is taken as it stands', () => {
  const vendors = Object.entries(VENDORS).filter(([, vendor]) => vendor.wire !== 'mock');
  const rows = vendors.map(([name, vendor]) => [
    `[\`${name}\`](${vendor.docs})`,
    ...Object.entries(configOf(vendor)).map(([field, value]) => `\`${field}: ${value}\``),
    Object.entries(vendor.options)
      .map(([field, value]) => `\`${field}: ${Array.isArray(value) ? `[${value.join(', ')}]` : value}\``)
      .join(' '),
  ]);
  const head = ['Name and its docs', 'Wire', 'Address', 'Key', 'Set for it by its name'];
  expectTable('docs/providers.md', 'vendors', table(head, rows));
  for (const [name, vendor] of vendors) {
    const lines = Object.entries(configOf(vendor)).map(([field, value]) => `    ${field}: ${value}`);
    const env = vendor.env === undefined ? {} : { [vendor.env]: 'key' };
    // Under a name of one's own, so that nothing is filled in.
    const result = checkText(`providers:\n  my-${name}:\n${lines.join('\n')}\n`, { file: name, source: null, env });
    expect(result.ok ? [] : result.problems, name).toEqual([]);
  }
});

/** What a person writes: three lines. */
function configOf({ wire, baseUrl, example, env, needs = {} }: Vendor): Record<string, string> {
  const address: Record<string, string> =
    Object.keys(needs).length > 0 ? { region: 'us-east-1' } : { baseUrl: baseUrl ?? example! };
  return { wire, ...address, apiKey: env === undefined ? 'none' : `"\${${env}}"` };
}

/** What is tried on each wire for the table of docs/providers.md, and with which model. */
const FEATURES: [what: string, fields: object][] = [
  ['images and files as data', { messages: [{ role: 'user', content: [image('data:image/png;base64,aGk='), pdf()] }] }],
  ['images by address', { messages: [{ role: 'user', content: [image('https://example.com/a.png')] }] }],
  ['tools, parallel, `tool_choice`', { tools: [tool()], tool_choice: 'required' }],
  ['`parallel_tool_calls: false`', { tools: [tool()], parallel_tool_calls: false }],
  ['`response_format: json_schema`', { response_format: { type: 'json_schema', json_schema: answer() } }],
  ['`response_format: json_object`', { response_format: { type: 'json_object' } }],
  ['`temperature`', { temperature: 0.5 }],
  ['`top_p`', { top_p: 0.5 }],
  ['`top_k`', { top_k: 5 }],
  ['`max_tokens`', { max_tokens: 4000 }],
  ['`stop`', { stop: ['END'] }],
  ['`n`', { n: 2 }],
  ['`logprobs`', { logprobs: true }],
  ['`seed`', { seed: 1 }],
  ['`presence_penalty`, `frequency_penalty`', { presence_penalty: 1, frequency_penalty: 1 }],
  ['`logit_bias`', { logit_bias: { 1: 1 } }],
  ['`user`', { user: 'u' }],
  ['reasoning effort', { reasoning_effort: 'high' }],
  ['reasoning budget', { reasoning: { max_tokens: 4096 } }],
  ['`cache_control`', { messages: [{ role: 'user', content: 'Long', cache_control: { type: 'ephemeral' } }] }],
];
const MODELS: [wire: string, model: string, request: (chat: ChatRequest, model: string) => Translation][] = [
  ['Chat Completions', 'gpt-4o', (chat, model) => openAiRequest({}, chat, model)],
  ['Responses', 'gpt-4o', (chat, model) => openaiResponsesRequest({}, chat, model)],
  ['Responses', 'gpt-5.6', (chat, model) => openaiResponsesRequest({}, chat, model)],
  ['Anthropic', 'claude-haiku-4-5', (chat, model) => anthropicRequest({}, chat, model)],
  ['Anthropic', 'claude-opus-5-5', (chat, model) => anthropicRequest({}, chat, model)],
  [
    'Gemini',
    'gemini-2.5-flash',
    (chat, model) => geminiRequest({ baseUrl: 'https://generativelanguage.googleapis.com/v1beta' }, chat, model),
  ],
  [
    'Gemini',
    'gemini-3.1-pro',
    (chat, model) => geminiRequest({ baseUrl: 'https://generativelanguage.googleapis.com/v1beta' }, chat, model),
  ],
  ['Bedrock', 'anthropic.claude-haiku-4-5-20251001-v1:0', (chat, model) => bedrockRequest({}, chat, model)],
  ['Bedrock', 'amazon.nova-pro-v1:0', (chat, model) => bedrockRequest({}, chat, model)],
];

test('docs/providers.md says what each wire does with a field: just what its request builder does', () => {
  const rows = FEATURES.map(([what, fields]) => [
    what,
    ...MODELS.map(([, model, request]) => done(request, fields, model)),
  ]);
  const head = ['', ...MODELS.map(([wire, model]) => `${wire}, \`${model}\``)];
  expectTable('docs/providers.md', 'features', table(head, rows));
});

function done(request: (chat: ChatRequest, model: string) => Translation, fields: object, model: string): string {
  const chat = chatRequest.parse({ model: 'm', messages: [{ role: 'user', content: 'Hi' }], ...fields });
  try {
    const { dropped } = request(chat, model);
    return dropped.length === 0 ? 'yes' : 'dropped';
  } catch (error) {
    expect(error).toMatchObject({ code: 'invalid_request' });
    return 'refused';
  }
}

function image(url: string) {
  return { type: 'image_url', image_url: { url } };
}
function pdf() {
  return { type: 'file', file: { file_data: 'data:application/pdf;base64,aGk=', filename: 'a.pdf' } };
}
function tool() {
  return { type: 'function', function: { name: 'f', parameters: { type: 'object', properties: {} } } };
}
function answer() {
  const schema = {
    type: 'object',
    properties: { a: { type: 'string' } },
    required: ['a'],
    additionalProperties: false,
  };
  return { name: 'answer', strict: true, schema };
}

test('docs/PROTOCOL.md lists the fields of a ledger row', async () => {
  const ledger = await openLedger('sqlite::memory:');
  const opening = { id: 'a', stream_id: 's', attempt: 1, key: null, model: 'm', provider: 'p' };
  await ledger.open({ ...opening, upstream_model: 'u', door: 'native', started_at: 1 });
  const { data } = await ledger.page({ limit: 1 });
  await ledger.shutdown();
  const section = read('docs/PROTOCOL.md').split('### GET /v1/usage/requests')[1]!;
  const documented = [...section.matchAll(/^\| ((?:`[a-z_]+`(?:, )?)+) \|/gm)].flatMap(([, names]) =>
    [...names!.matchAll(/`([a-z_]+)`/g)].map(([, name]) => name!),
  );
  expect(documented.toSorted()).toEqual(Object.keys(data[0]!).toSorted());
});

test('docs/USAGE.md says the date of the price table', () => {
  expect(read('docs/USAGE.md')).toContain(PRICES_DATE);
});

const pages = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
];

test.each(pages)('%s: its links lead somewhere, and the npm scripts it names exist', (page) => {
  const text = read(page);
  const links = [...text.matchAll(/\]\((?!https?:|#)([^)#\s]+)(?:#[^)]*)?\)/g)].map(([, target]) => target!);
  expect(links.filter((target) => !existsSync(join(root, dirname(page), target)))).toEqual([]);
  const { scripts } = JSON.parse(read('package.json'));
  const named = [...text.matchAll(/\bnpm run ([a-z:]+)/g)].map(([, script]) => script!);
  expect(named.filter((script) => !(script in scripts))).toEqual([]);
});

// ---- tables ---------------------------------------------------------------------------------------------------------

function expectTable(page: string, name: string, expected: string): void {
  const text = read(page);
  const [open, close] = [`<!-- ${name} -->\n`, `<!-- /${name} -->`];
  const from = text.indexOf(open);
  const to = text.indexOf(close);
  if (from === -1 || to === -1) throw new Error(`${page} has no ${open.trim()} … ${close}`);
  if (process.env.UPDATE_DOCS) {
    writeFileSync(join(root, page), text.slice(0, from + open.length) + expected + text.slice(to));
    return;
  }
  expect(text.slice(from + open.length, to)).toBe(expected);
}

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`;
  return line(head) + line(head.map(() => '---')) + rows.map(line).join('');
}

function count(value: number): string {
  return value.toLocaleString('en-US').replaceAll(',', ' ');
}

interface Field {
  path: string;
  takes: string;
  fallback: string;
  about: string;
}

/** Every field that a person can write, in the order of the schema; of a union of maps each variant. */
function fieldsOf(schema: JsonSchema, path = ''): Field[] {
  const properties = path === 'providers.' ? {} : (schema.properties ?? {}); // vendors by name are the other table
  const fields = Object.entries(properties).flatMap(([name, field]) =>
    fieldOf(`${path}${name}`, field as JsonSchema, schema.required?.includes(name)),
  );
  return [...fields, ...entriesOf(schema, path)];
}

function fieldOf(path: string, schema: JsonSchema, required = false): Field[] {
  const inner = fieldsOf(schema, `${path}.`);
  const about = schema.description ?? '';
  const written = JSON.stringify(schema.default);
  const fallback = required ? 'required' : written === undefined || written === '{}' ? '' : `\`${written}\``;
  const items = schema.items as JsonSchema | undefined;
  if (items?.properties) return [{ path, takes: 'list', fallback, about }, ...fieldsOf(items, `${path}[].`)];
  if (inner.length > 0 && schema.type === 'object') return [{ path, takes: 'map', fallback: '', about }, ...inner];
  if (schema.const !== undefined) return []; // the name of the variant, said by the path
  return [{ path, takes: kindOf(schema), fallback, about }];
}

/** Of a map with names of the user's own. */
function entriesOf(schema: JsonSchema, path: string): Field[] {
  const entry = schema.additionalProperties;
  if (typeof entry !== 'object') return [];
  const variants = (entry as JsonSchema).oneOf as JsonSchema[] | undefined;
  if (variants) {
    return variants.flatMap((variant) => {
      const { wire } = variant.properties as Record<string, JsonSchema>;
      const own = {
        path: `${path}NAME.wire`,
        takes: `\`${wire!.const}\``,
        fallback: 'required',
        about: variant.description!,
      };
      return [own, ...fieldsOf(variant, `${path}NAME.`)];
    });
  }
  const full = ((entry as JsonSchema).anyOf as JsonSchema[] | undefined)?.find(({ type }) => type === 'object');
  return fieldsOf(full ?? (entry as JsonSchema), `${path}NAME.`);
}

function kindOf(schema: JsonSchema): string {
  const options = [schema, ...((schema.anyOf ?? []) as JsonSchema[])];
  const values = options.flatMap((option) => option.enum ?? []);
  if (values.length > 0) return values.map((value) => `\`${value}\``).join(' ');
  const pattern = options.map((option) => option.pattern).find((found) => found !== undefined) ?? '';
  if (pattern.includes('(ms|s|m|h|d)')) return 'duration';
  if (pattern.includes('[KMG')) return 'size';
  if (pattern.includes('(true|false)')) return 'true, false';
  if (pattern.includes('sha256')) return '`sha256:` and 64 hex digits';
  if (pattern.includes('sqlite')) return '`sqlite:FILE`';
  const integer = options.find(({ type }) => type === 'integer');
  if (integer) return `${integer.minimum}–${integer.maximum}`;
  if (options.some(({ type }) => type === 'number')) return 'number';
  if (schema.type === 'array') return 'list of text';
  if (schema.type === 'object') return 'map of text';
  return 'text';
}
