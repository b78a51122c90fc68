// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references in config text are what is tested
// The files a user meets first: the example config, the editor schema, .env.example, the vendor table.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { configJsonSchema, type JsonSchema } from '../../src/config/json-schema.ts';
import { checkText, formatProblems, loadConfig } from '../../src/config/load.ts';
import { configSchema } from '../../src/config/schema.ts';
import { VENDORS } from '../../src/config/vendors.ts';
import { folderWith } from './folder.ts';

const read = (name: string) => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8');
const root = new URL('../..', import.meta.url).pathname;

test('the example config loads, and its comments tell the truth about defaults', async () => {
  const result = await loadConfig({ path: `${root}millrace.example.yaml`, cwd: folderWith(), env: {} });
  if (!result.ok) throw new Error(formatProblems(result.problems));
  expect(result.warnings).toEqual([]);
  const { providers: _providers, models: _models, doors: _doors, prices: _prices, ...example } = result.config;
  expect(configSchema.parse({})).toMatchObject(example);
});

test('the example config names every setting and every vendor', () => {
  const text = read('millrace.example.yaml');
  expect(text.split('\n')[0]).toBe('# yaml-language-server: $schema=./millrace.schema.json');
  const names = propertyNames(configJsonSchema()).filter(
    (name) => !['apiVersion', 'recordings', 'cacheWriteInput'].includes(name),
  );
  expect(names.filter((name) => !text.includes(name))).toEqual([]);
  expect(Object.keys(VENDORS).filter((name) => !text.includes(name))).toEqual([]);
});

test('the example config is right when its commented parts are switched on', () => {
  const text = read('millrace.example.yaml')
    .replace(/^keys: \[\]/m, 'keys:')
    .replaceAll(/^#( {2}- | {4}\w)/gm, ' $1')
    .replaceAll(/^ {2}# (?=[a-z]+:| {2}[\w#])/gm, '  ');
  expect(parseDocument(text).errors).toEqual([]);
  const env = { OPENAI_API_KEY: 'a', AZURE_OPENAI_API_KEY: 'b', ANTHROPIC_API_KEY: 'c', AWS_BEARER_TOKEN_BEDROCK: 'd' };
  const result = checkText(text, { file: 'example', source: null, env });
  if (!result.ok) throw new Error(formatProblems(result.problems));
  const names = ['mock', 'mock-anthropic', 'mock-2', 'ollama', 'openai', 'azure', 'anthropic', 'bedrock', 'vertex'];
  expect(Object.keys(result.config.providers)).toEqual([...names, 'in-house']);
  expect(result.config.keys).toHaveLength(1);
});

test('millrace.schema.json is what the zod schema says; write it with: node src/config/json-schema.ts', () => {
  expect(JSON.parse(read('millrace.schema.json'))).toEqual(configJsonSchema());
});

test('every field has a description for editors', () => {
  const silent: string[] = [];
  walk(configJsonSchema(), '', (path, schema) => {
    if (schema.description === undefined) silent.push(path);
  });
  expect(silent).toEqual([]);
});

test('editors accept what is loaded: durations as text or number, references, short aliases, vendors by name alone', () => {
  const schema = z.fromJSONSchema(configJsonSchema());
  const good = {
    timeouts: { idle: '5s', total: 1000, connect: '${WAIT}' },
    server: { port: '${PORT}', maxBody: '1.5 MiB' },
    models: { a: 'mock/x', b: ['mock/x'], c: { targets: ['mock/x'], retries: 1 } },
    providers: { openai: {}, ollama: null, mine: { wire: 'openai', baseUrl: 'http://x' } },
  };
  expect(schema.safeParse(good).error?.issues).toBeUndefined();
  for (const bad of [
    { sever: {} },
    { timeouts: { idle: '5 parsecs' } },
    { providers: { mine: {} } },
    { models: { a: { targets: [] } } },
  ]) {
    expect(schema.safeParse(bad).success).toBe(false);
  }
});

test('.env.example names the variable of every vendor, and loads as it is', async () => {
  const text = read('.env.example');
  for (const { env } of Object.values(VENDORS)) if (env !== undefined) expect(text).toContain(`# ${env}=\n`);
  const result = await loadConfig({ cwd: folderWith({ '.env': text.replaceAll(/^# (\w+_KEY=)/gm, '$1') }), env: {} });
  expect(result).toMatchObject({ ok: true, source: null, config: { providers: { mock: {} } } });
});

test('every vendor makes a valid provider out of its name and a key', () => {
  const vendor = z.strictObject({
    wire: z.enum(['openai', 'openai-responses', 'anthropic', 'gemini', 'bedrock', 'mock']),
    baseUrl: z.url().optional(),
    example: z.url().optional(),
    env: z
      .string()
      .regex(/^[A-Z_]+$/)
      .optional(),
    keyless: z.boolean().optional(),
    needs: z.record(z.string(), z.array(z.string())).optional(),
    takes: z.record(z.string(), z.array(z.string())).optional(),
    docs: z.string(),
    options: z.record(z.string(), z.unknown()),
  });
  for (const [name, facts] of Object.entries(VENDORS)) {
    vendor.parse(facts);
    const baseUrl = facts.example === undefined ? '' : `baseUrl: ${facts.example}`;
    const result = checkText(`providers: { ${name}: { ${baseUrl} } }`, {
      file: name,
      source: null,
      env: {
        ...(facts.env && { [facts.env]: 'key' }),
        ...Object.fromEntries(Object.values(facts.needs ?? {}).map(([variable]) => [variable!, 'there'])),
      },
    });
    if (!result.ok) throw new Error(formatProblems(result.problems));
    const provider = result.config.providers[name]!;
    if (provider.wire !== 'mock')
      expect(provider).toMatchObject({ ...facts.options, ...(facts.env && { apiKey: 'key' }) });
  }
});

function walk(schema: JsonSchema, path: string, visit: (path: string, schema: JsonSchema) => void): void {
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    visit(`${path}.${name}`, property as JsonSchema);
    walk(property as JsonSchema, `${path}.${name}`, visit);
  }
  const inner = [schema.additionalProperties, schema.items, ...(schema.anyOf ?? []), ...(schema.oneOf ?? [])];
  for (const part of inner) if (typeof part === 'object' && !Array.isArray(part)) walk(part as JsonSchema, path, visit);
}

function propertyNames(schema: JsonSchema): string[] {
  const names = new Set<string>();
  walk(schema, '', (path) => names.add(path.split('.').at(-1)!));
  return [...names];
}
