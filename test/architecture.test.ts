// The shape of the house, so that it cannot rot: who may import whom, what the hot path must not hold, where a vendor may be named,
// how files begin, are called and grow. Reads the sources as text.
import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const src = fileURLToPath(new URL('../src', import.meta.url));
const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .map((name) => name.replaceAll('\\', '/'))
  .filter((name) => /\.(ts|tsx|js|jsx|css)$/.test(name))
  .sort();
const code = files.filter((name) => !name.endsWith('.css'));
const read = (name: string) => readFileSync(join(src, name), 'utf8');
const roleOf = (name: string) =>
  name.includes('/') ? name.split('/', 1)[0]! : posix.parse(name).name.split('.', 1)[0]!;

/** Comments out, strings kept. A `//` inside a string follows a colon or a letter there, so only one after a blank begins a comment. */
function codeOf(name: string): string {
  return read(name)
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/(^|\s)\/\/.*$/gm, '$1');
}

function importsOf(name: string): string[] {
  const found = codeOf(name).matchAll(
    /(?:\bfrom|\bimport|\brequire|\bimport\.meta\.resolve)\s*\(?\s*['"]([^'"]+)['"]/g,
  );
  return [...found].map(([, specifier]) => specifier!);
}

/** `core ← {…} ← http ← gateway ← {main, plugin} ← cli`: what each may import beside itself and packages. */
const MAY_IMPORT: Record<string, string[]> = {
  core: [],
  providers: ['core'],
  dialects: ['core'],
  stores: ['core'],
  stream: ['core'],
  mock: ['core'],
  config: ['core'],
  http: ['core', 'stream'],
  upstreams: ['core', 'providers', 'mock', 'config'],
  gateway: ['core', 'dialects', 'stores', 'stream', 'mock', 'config', 'http', 'upstreams'],
  main: ['config', 'gateway', 'http', 'mock'],
  plugin: ['core', 'config', 'gateway', 'http'],
  index: ['config', 'main', 'plugin'],
  bin: ['cli'],
  cli: ['core', 'stores', 'mock', 'config', 'main', 'client'],
  client: [],
  web: ['client'],
};

test('imports go one way', () => {
  const wrong = code.flatMap((name) => {
    const role = roleOf(name);
    const allowed = MAY_IMPORT[role];
    if (!allowed) return [`${name}: no rule says what ${role} may import`];
    return importsOf(name)
      .filter((specifier) => specifier.startsWith('.'))
      .map((specifier) => posix.normalize(posix.join(posix.dirname(name), specifier)))
      .filter((target) => !target.startsWith('..')) // package.json
      .filter((target) => roleOf(target) !== role && !allowed.includes(roleOf(target)))
      .map((target) => `${name} imports ${target}`);
  });
  expect(wrong).toEqual([]);
});

test('core imports zod and node: only', () => {
  const packages = code
    .filter((name) => roleOf(name) === 'core')
    .flatMap(importsOf)
    .filter((specifier) => !specifier.startsWith('.') && !specifier.startsWith('node:'));
  expect([...new Set(packages)]).toEqual(['zod']);
});

// ---- the hot path ---------------------------------------------------------------------------------------------------

/**
 * Files that are on the path as a whole, and functions of files that also do other things.
 */
const HOT: { file: string; functions?: string[] }[] = [
  { file: 'stream/pump.ts' },
  { file: 'core/sse.ts' },
  { file: 'providers/openai/decode.ts' },
  { file: 'providers/openai/calls.ts' },
  { file: 'providers/openai/details.ts' },
  { file: 'providers/transport.body.ts' },
  { file: 'providers/shape.ts' },
  { file: 'providers/read.ts' },
  { file: 'providers/openai-responses/decode.ts' },
  { file: 'providers/openai-responses/output.ts' },
  { file: 'providers/openai-responses/calls.ts' },
  { file: 'providers/openai-responses/reasoning.ts' },
  { file: 'providers/anthropic/decode.ts' },
  { file: 'providers/anthropic/blocks.ts' },
  { file: 'providers/gemini/decode.ts' },
  { file: 'providers/gemini/chunk.ts' },
  { file: 'providers/gemini/calls.ts' },
  { file: 'providers/gemini/args.ts' },
  { file: 'providers/gemini/shape.ts' },
  { file: 'providers/bedrock/decode.ts' },
  { file: 'providers/bedrock/frames.ts' },
  { file: 'providers/bedrock/checksum.ts' },
  { file: 'providers/bedrock/calls.ts' },
  { file: 'providers/bedrock/thoughts.ts' },
  { file: 'providers/ai-sdk/decode.ts' },
  { file: 'providers/ai-sdk/blocks.ts' },
  { file: 'providers/ai-sdk/calls.ts' },
  { file: 'providers/ai-sdk/usage.ts' },
  { file: 'dialects/native.ts' },
  { file: 'dialects/openai/door.ts' },
  { file: 'dialects/openai-responses/door.ts' },
  { file: 'dialects/openai-responses/answer.ts' },
  { file: 'dialects/openai-responses/fold.ts' },
  { file: 'dialects/openai-responses/reasoning.ts' },
  { file: 'dialects/openai-responses/response.ts' },
  { file: 'dialects/gemini/door.ts' },
  { file: 'dialects/gemini/chunks.ts' },
  { file: 'dialects/gemini/signature.ts' },
  { file: 'dialects/anthropic/door.ts' },
  { file: 'dialects/anthropic/blocks.ts' },
  { file: 'dialects/anthropic/thoughts.ts' },
  { file: 'dialects/ui/door.ts' },
  { file: 'dialects/ui/chunks.ts' },
  { file: 'http/exchange.ts' },
  { file: 'stream/session.ts', functions: ['event', 'raw', 'flush'] },
  { file: 'stream/audience.ts', functions: ['deliver', 'state'] },
  { file: 'stream/follower.ts', functions: ['write', 'send'] },
  { file: 'stream/log.ts', functions: ['append', 'pack', 'drop'] },
  { file: 'stream/meter.ts', functions: ['content', 'usage', 'delivered'] },
  { file: 'stream/watchdog.ts', functions: ['progress', 'hold'] },
];

const FORBIDDEN: Record<string, RegExp> = {
  await: /\bawait\b/,
  Promise: /\bPromise\b/,
  async: /\basync\b/,
  generators: /\byield\b|\bfunction\s*\*/,
  'web streams': /\b(Readable|Transform|Writable)Stream\b/,
  timers: /\bset(Timeout|Interval|Immediate)\b|\bqueueMicrotask\b|\bnextTick\b/,
  logging: /\blog\.(trace|debug|info|warn|error|fatal)\b|\blogger\b|\bconsole\b/,
  'zod at work': /(?<!\bJSON)\.(parse|safeParse)\(/,
};

test.each(HOT)('$file holds nothing that the hot path must not', ({ file, functions }) => {
  const text = codeOf(file);
  const parts = functions ? functions.map((name) => bodyOf(text, name, file)) : [text];
  for (const [what, pattern] of Object.entries(FORBIDDEN)) {
    for (const part of parts) expect(pattern.exec(part)?.[0], `${what} in ${file}`).toBeUndefined();
  }
});

/** The text of a function or method, from its name to its closing brace. Of several of one name, all of them. */
function bodyOf(text: string, name: string, file: string): string {
  let found = '';
  for (const { index } of text.matchAll(new RegExp(`^\\s*(function )?${name}\\([^\\n]*\\{$`, 'gm'))) {
    let depth = 0;
    let at = text.indexOf('\n', index);
    at = text.lastIndexOf('{', at);
    const from = at;
    do {
      if (text[at] === '{') depth++;
      if (text[at] === '}') depth--;
      at++;
    } while (depth > 0 && at < text.length);
    found += text.slice(from, at);
  }
  for (const [, body] of text.matchAll(new RegExp(`^\\s*${name}: \\([^)]*\\) => (.*)$`, 'gm'))) found += body;
  if (found === '') throw new Error(`${file} has no function ${name} any more; say what is on the path now.`);
  return found;
}

// ---- names ----------------------------------------------------------------------------------------------------------

const VENDOR =
  /openai|anthropic|claude|gemini|bedrock|azure|groq|mistral|deepseek|\bxai\b|openrouter|fireworks|cerebras|perplexity|nvidia|huggingface|ollama|lmstudio|vllm|cohere|together\.(ai|xyz)/i;

/** Wire files carry their vendor's name; these others may say one, for the reason given. Comments and data (.json) are not asked. */
const MAY_NAME_VENDORS: Record<string, string> = {
  'gateway.ts': 'the list of front doors',
  'upstreams.ts': 'which file speaks which wire',
  'mock/wires.ts': 'the list of wires',
  'mock/behaviours.ts': 'a recording as an example',
  'config/providers.ts': 'the wires a config may name, and examples for people',
  'config/schema.ts': 'examples for people',
  'config/vendors.ts': 'lays the data of vendors.json under a config',
  'cli.ts': 'help for people',
};

test('vendors are named in their own files and in data', () => {
  const wrong = code
    .filter(
      (name) =>
        !/^(providers|mock)\/(openai|openai-responses|anthropic|gemini|bedrock|ai-sdk)\/|^dialects\/(openai|openai-responses|anthropic|gemini)\//.test(
          name,
        ) && !(name in MAY_NAME_VENDORS),
    )
    .flatMap((name) => {
      const found = VENDOR.exec(codeOf(name))?.[0];
      return found ? [`${name} names ${found}`] : [];
    });
  expect(wrong).toEqual([]);
});

test('no file is called utils, helpers, services, manager or the like', () => {
  const vague = /(^|[/.-])(utils?|helpers?|services?|managers?|common|misc|shared)([/.-]|$)/i;
  expect(files.filter((name) => vague.test(name))).toEqual([]);
});

test('every file begins by saying what it knows', () => {
  const silent = files.filter((name) => !/^(#![^\n]*\n)?\s*(\/\/|\/\*)/.test(read(name)));
  expect(silent).toEqual([]);
});

/** Past this a file is a question; the answer stands here. */
const LONGEST = 300;
const LONG: Record<string, string> = {
  'mock/behaviours.ts': 'a table',
  'providers/openai/decode.ts': 'one wire as a dozen vendors send it, read in one place',
  'web/style.css': 'the whole page',
};

test(`no file has more than ${LONGEST} lines without a reason`, () => {
  const long = files.filter((name) => read(name).trimEnd().split('\n').length > LONGEST);
  expect(long.filter((name) => !(name in LONG))).toEqual([]);
  expect(Object.keys(LONG).filter((name) => !long.includes(name))).toEqual([]); // a reason that is no longer needed
});
