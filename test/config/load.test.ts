// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references in config text are what is tested
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Environment } from '../../src/config/environment.ts';
import { type Config, type ConfigProblem, checkText, formatProblems, loadConfig } from '../../src/config/load.ts';
import { anyText, folderWith } from './folder.ts';

function check(text: string, env: Environment = {}) {
  return checkText(text, { file: 'millrace.yaml', source: null, env });
}

function configOf(text: string, env: Environment = {}): Config {
  const result = check(text, env);
  if (!result.ok) throw new Error(formatProblems(result.problems));
  return result.config;
}

function problemsOf(text: string, env: Environment = {}): ConfigProblem[] {
  const result = check(text, env);
  return result.ok ? [] : result.problems;
}

const messagesOf = (text: string, env: Environment = {}) => formatProblems(problemsOf(text, env)).split('\n');

const MOCKS = ['mock', 'mock-anthropic', 'mock-gemini', 'mock-responses', 'mock-bedrock'];

test('without a file there are the mock and each vendor whose key is set', async () => {
  const result = await loadConfig({
    cwd: folderWith(),
    env: { OPENAI_API_KEY: 'sk-1', MISTRAL_API_KEY: 'm', GROQ_API_KEY: '' },
  });
  if (!result.ok) throw new Error(formatProblems(result.problems));
  expect(result.source).toBeNull();
  expect(Object.keys(result.config.providers)).toEqual([...MOCKS, 'openai', 'openai-responses', 'mistral']);
  expect(result.config.providers.openai).toMatchObject({
    wire: 'openai',
    baseUrl: 'https://api.openai.com/v1',
    apiKey: 'sk-1',
  });
  expect(result.config.providers.mistral).toMatchObject({ streamUsage: false, maxTokensField: 'max_tokens' });
  expect(result.config.server).toMatchObject({ host: '127.0.0.1', port: 8787, maxBody: 10_485_760, drain: 30_000 });
});

test('a key that alone cannot switch its vendor on is a warning that says what is missing', async () => {
  const result = await loadConfig({ cwd: folderWith(), env: { AZURE_OPENAI_API_KEY: 'k' } });
  expect(result).toMatchObject({ ok: true, warnings: [expect.stringContaining('azure also needs a baseUrl')] });
  const bedrock = await loadConfig({ cwd: folderWith(), env: { AWS_BEARER_TOKEN_BEDROCK: 'k' } });
  expect(bedrock).toMatchObject({ ok: true, warnings: [expect.stringContaining('set AWS_REGION')] });
});

test('fields of a vendor that usually stand in variables are taken from there', () => {
  const env = { AWS_DEFAULT_REGION: 'eu-west-1', AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'secret' };
  const { providers } = configOf('providers: { bedrock: {} }', env);
  expect(providers.bedrock).toMatchObject({ region: 'eu-west-1', accessKeyId: 'id', secretAccessKey: 'secret' });
  expect(configOf('providers: { bedrock: { region: us-east-1 } }', env).providers.bedrock).toMatchObject({
    region: 'us-east-1',
  });
  expect(messagesOf('providers:\n  bedrock: {}')).toEqual([
    'millrace.yaml:2:3  providers.bedrock.region: is missing; write it here, or set AWS_REGION',
  ]);
});

test('the file is the one asked for, then MILLRACE_CONFIG, then millrace.yaml', async () => {
  const port = (n: number) => `server: { port: ${n} }\n`;
  const cwd = folderWith({ 'millrace.yaml': port(1), 'other.yaml': port(2), 'third.yaml': port(3) });
  const ports = await Promise.all([
    loadConfig({ cwd, env: {} }),
    loadConfig({ cwd, env: { MILLRACE_CONFIG: 'other.yaml' } }),
    loadConfig({ cwd, env: { MILLRACE_CONFIG: 'other.yaml' }, path: 'third.yaml' }),
  ]);
  expect(ports.map((result) => result.ok && result.config.server.port)).toEqual([1, 2, 3]);
  expect(ports[2]!.source).toBe(join(cwd, 'third.yaml'));
});

test('.env is read, and the real environment goes before it', async () => {
  const cwd = folderWith({
    '.env': 'OPENAI_API_KEY="from file"\nPORT=1111\n',
    'millrace.yaml': 'server: { port: "${PORT}" }\nproviders: { openai: {} }\n',
  });
  const result = await loadConfig({ cwd, env: { PORT: '2222' } });
  expect(result).toMatchObject({
    ok: true,
    config: { server: { port: 2222 }, providers: { openai: { apiKey: 'from file' } } },
  });
});

test('files that cannot be a config are told apart', async () => {
  const cwd = folderWith({
    'empty.yaml': '',
    'comments.yaml': '# nothing\n',
    'latin.yaml': new Uint8Array([0x61, 0x3a, 0x20, 0xe9, 0x0a]),
    'binary.yaml': 'a: \0',
    'large.yaml': '#'.repeat(5 * 1024 * 1024),
  });
  mkdirSync(join(cwd, 'folder.yaml'));
  const told = async (path: string) => {
    const result = await loadConfig({ cwd, env: {}, path });
    return result.ok ? 'ok' : formatProblems(result.problems);
  };
  expect(await told('absent.yaml')).toBe('absent.yaml  there is no such file; see --config and MILLRACE_CONFIG');
  expect(await told('empty.yaml')).toContain('the file is empty');
  expect(await told('comments.yaml')).toContain('the file is empty');
  expect(await told('latin.yaml')).toContain('not UTF-8');
  expect(await told('binary.yaml')).toContain('no text file');
  expect(await told('large.yaml')).toContain('5242880 bytes');
  expect(await told('folder.yaml')).toContain('this is a folder');
  if (process.getuid?.() !== 0) {
    writeFileSync(join(cwd, 'secret.yaml'), 'server: {}');
    chmodSync(join(cwd, 'secret.yaml'), 0);
    expect(await told('secret.yaml')).toContain('cannot be read (EACCES)');
  }
});

test('aliases take a string, a list or a map, and inherit the global timeouts', () => {
  const { models } = configOf(`
timeouts: { idle: 5s }
models:
  a: mock/echo
  b: [mock/echo, mock/tools]
  c: { targets: [mock/echo], retries: 3, timeouts: { total: 1h } }
`);
  expect(models.a).toEqual({
    targets: ['mock/echo'],
    strategy: 'fallback',
    retries: 0,
    timeouts: { connect: 5000, firstToken: 60_000, idle: 5000, total: 600_000 },
  });
  expect(models.b?.targets).toEqual(['mock/echo', 'mock/tools']);
  expect(models.c).toMatchObject({ retries: 3, timeouts: { idle: 5000, total: 3_600_000 } });
});

test('every mistake is told at once, each with its line, what was found and what would do', () => {
  const text = `server:
  prot: 1
  port: 99999
log: { level: warm, content: yes please }
providers:
  mock: { wire: mock }
  openai: { apiKey: k, baseUrl: ftp://x }
  odd: { wire: opnai }
models:
  fast:
    targets: [opnai/gpt-5, mock, mock/, fast]
    retries: 11
    timeouts: { connect: soon, idel: 1s }
  a/b: mock/echo
  none: []
  number: 7
keys:
  - { name: web, hash: "sha256:zz" }
  - { name: web, hash: "sha256:${'a'.repeat(64)}", models: [fsat, "mock/*", "opnai/*", mock] }
streams: later
stores: { ledger: mysql://x }
prices: { mock/echo: { input: cheap, output: 1 } }
`;
  expect(messagesOf(text)).toEqual([
    'millrace.yaml:2:3  server.prot: found "prot"; there is no such key here. Did you mean "port"?',
    'millrace.yaml:3:9  server.port: found 99999; expected a whole number from 0 to 65535',
    'millrace.yaml:4:15  log.level: found "warm"; expected "trace" or "debug" or "info" or "warn" or "error" or "silent". Did you mean "warn"?',
    'millrace.yaml:4:30  log.content: found "yes please"; expected true or false',
    'millrace.yaml:7:33  providers.openai.baseUrl: found "ftp://x"; expected an address such as https://api.example.com/v1',
    'millrace.yaml:8:16  providers.odd.wire: found "opnai"; expected "openai" or "openai-responses" or "anthropic" or "gemini" or "bedrock" or "ai-sdk" or "mock". Did you mean "openai"?',
    'millrace.yaml:11:15  models.fast.targets[0]: found "opnai/gpt-5"; there is no provider "opnai". Did you mean "openai"?',
    'millrace.yaml:11:28  models.fast.targets[1]: found "mock"; expected provider/model: there is no "/" in it. Write "mock/" and the name of a model.',
    'millrace.yaml:11:34  models.fast.targets[2]: found "mock/"; expected the name of a model behind the "/"',
    'millrace.yaml:11:41  models.fast.targets[3]: found "fast"; expected provider/model: "fast" is an alias, and aliases lead to providers only.',
    'millrace.yaml:12:14  models.fast.retries: found 11; expected a whole number from 0 to 10',
    'millrace.yaml:13:26  models.fast.timeouts.connect: found "soon"; expected a duration such as "5s", "250ms", "10m" or a number of milliseconds',
    'millrace.yaml:13:32  models.fast.timeouts.idel: found "idel"; there is no such key here. Did you mean "idle"?',
    'millrace.yaml:14:3  models["a/b"]: found "a/b"; an alias has no "/", "*" or spaces in its name: provider/model is how models are named directly',
    'millrace.yaml:15:3  models.none: found a list; expected at least one target',
    'millrace.yaml:16:11  models.number: found 7; expected "provider/model", a list of them, or a map with targets',
    'millrace.yaml:18:24  keys[0].hash: found 9 characters (not shown: it may be a secret); expected "sha256:" and 64 hex digits: printf %s "$KEY" | sha256sum',
    'millrace.yaml:19:13  keys[1].name: found "web"; keys[0] has this name already; usage is booked by it',
    expect.stringContaining('keys[1].models[0]: found "fsat"; there is no alias "fsat". Did you mean "fast"?'),
    expect.stringContaining('keys[1].models[2]: found "opnai/*"; there is no provider "opnai". Did you mean "openai"?'),
    expect.stringContaining(
      'keys[1].models[3]: found "mock"; there is no alias "mock". For all models of the provider write "mock/*".',
    ),
    'millrace.yaml:20:10  streams: found "later"; expected a map of settings',
    'millrace.yaml:21:19  stores.ledger: found "mysql://x"; expected sqlite: and a file, such as sqlite:data/millrace.db, or postgres://user:password@host/database',
    'millrace.yaml:22:31  prices["mock/echo"].input: found "cheap"; expected a number: USD per million tokens',
  ]);
});

test('what is missing is told at the line of what it is missing from', () => {
  const problems = problemsOf(`providers:
  mine:
    wire: openai
  yours:
    baseUrl: http://x
  opnai: {}
keys:
  - name: a
prices:
  mine/x: { input: 1 }
`);
  expect(problems.map(({ line, path, found, message }) => [line, path, found, message.split(/[:;]/)[0]])).toEqual([
    [2, 'providers.mine.baseUrl', null, 'is missing'],
    [4, 'providers.yours.wire', null, 'is missing'],
    [6, 'providers.opnai.wire', null, 'is missing'],
    [8, 'keys[0].hash', null, 'is missing'],
    [10, 'prices["mine/x"].output', null, 'is missing'],
  ]);
  expect(problems[2]!.message).toContain('Did you mean "openai"?');
});

test('an address that others can reach needs a key', () => {
  for (const host of ['0.0.0.0', '::', '192.168.1.5', 'example.com', '127.evil.com', 'localhost.evil.com']) {
    const [problem] = problemsOf(`server: { host: "${host}" }`);
    expect(problem).toMatchObject({ line: 1, path: 'server.host', found: JSON.stringify(host) });
    expect(problem?.message).toContain('printf %s "$KEY" | sha256sum');
    expect(problem?.message).toContain('bind to 127.0.0.1');
  }
  for (const host of ['localhost', '127.0.0.1', '127.8.9.1', '::1', '[::1]']) configOf(`server: { host: "${host}" }`);
  configOf(`server: { host: 0.0.0.0 }\nkeys: [{ name: a, hash: "sha256:${'0'.repeat(64)}" }]`);
  expect(problemsOf('server: { host: "${HOST}" }\nkeys: []', { HOST: '0.0.0.0' })[0]).toMatchObject({
    found: '"${HOST}"',
  });
});

test('a missing variable is told once, with its line, and what follows from it is not', () => {
  const text = 'server:\n  port: "${PORT}"\nproviders:\n  p: { wire: openai, baseUrl: "${URL}", apiKey: "${KEY}" }\n';
  expect(messagesOf(text)).toEqual([
    'millrace.yaml:2:9  server.port: found "${PORT}"; PORT is not set; set it in the environment or .env, or write ${PORT:-default}',
    'millrace.yaml:4:31  providers.p.baseUrl: found "${URL}"; URL is not set; set it in the environment or .env, or write ${URL:-default}',
    'millrace.yaml:4:49  providers.p.apiKey: found "${KEY}"; KEY is not set; set it in the environment or .env, or write ${KEY:-default}',
  ]);
});

test('a vendor in the file needs its key, unless it runs at home or has another address', () => {
  expect(messagesOf('providers:\n  groq: {}')).toEqual([
    'millrace.yaml:2:3  providers.groq.apiKey: GROQ_API_KEY is not set; set it in the environment or .env, or give the provider an apiKey',
  ]);
  expect(problemsOf('providers: { azure: { apiKey: k } }')[0]?.message).toContain('openai.azure.com/openai/v1');
  const { providers } = configOf('providers:\n  ollama:\n  mock:\n  openai: { baseUrl: "http://127.0.0.1:1/v1/" }');
  expect(providers.ollama).toMatchObject({ wire: 'openai', baseUrl: 'http://127.0.0.1:11434/v1' });
  expect(providers.openai).toMatchObject({ baseUrl: 'http://127.0.0.1:1/v1' });
  expect(providers.mock).toEqual({ wire: 'mock', speaks: 'openai' });
});

test('what is written goes before what is known of a vendor', () => {
  const { providers } = configOf('providers: { mistral: { apiKey: k, streamUsage: true, drop: [] } }', {
    MISTRAL_API_KEY: 'other',
  });
  expect(providers.mistral).toMatchObject({ apiKey: 'k', streamUsage: true, drop: [], maxTokensField: 'max_tokens' });
});

test('numbers and switches may come from the environment', () => {
  const env = { PORT: '0', CONTENT: 'true', BUFFER: '2MiB', WAIT: '1s', RETRIES: '4', PRICE: '0.25' };
  const config = configOf(
    `server: { port: "\${PORT}" }
log: { content: "\${CONTENT}" }
streams: { buffer: "\${BUFFER}", heartbeat: "\${WAIT}" }
models: { a: { targets: [mock/echo], retries: "\${RETRIES}" } }
prices: { mock/echo: { input: "\${PRICE}", output: 1 } }`,
    env,
  );
  expect(config.server.port).toBe(0);
  expect(config.log.content).toBe(true);
  expect(config.streams).toMatchObject({ buffer: 2_097_152, heartbeat: 1000 });
  expect(config.models.a?.retries).toBe(4);
  expect(config.prices['mock/echo']?.input).toBe(0.25);
});

test('a value from the environment cannot change the structure of the file', () => {
  const env = { NAME: 'x", wire: mock }\nserver: { host: 0.0.0.0 }\n# ${OTHER}' };
  const config = configOf('providers: { p: { wire: openai, baseUrl: "http://x", apiKey: "${NAME}" } }', env);
  expect(config.providers.p).toMatchObject({ wire: 'openai', apiKey: env.NAME });
  expect(config.server.host).toBe('127.0.0.1');
});

test('no problem shows what a variable held, nor a key or hash that was pasted in', () => {
  const secret = 'sk-very-secret/0123456789';
  const fields = [
    'server: { host: "${S}", port: "${S}", maxBody: "${S}", drain: "${S}", cors: ["${S}"], "${S}": 1 }',
    'log: { level: "${S}", content: "${S}" }',
    'providers: { p: { wire: "${S}" }, r: { wire: openai, baseUrl: "https://user:PASTED@x" }, q: { wire: openai, baseUrl: "${S}", apiKey: [x], headers: { a: "PASTED\\u0007" }, maxTokensField: "${S}" } }',
    'models: { a: "${S}", b: ["${S}"], c: { targets: ["${S}"], strategy: "${S}", retries: "${S}" } }',
    'keys: [{ name: n, hash: "${S}", models: ["${S}"] }, { name: n, hash: sk-PASTED-into-the-hash }]',
    'prompts: { a: 1 }\nstores: { ledger: "${S}" }\nprices: { x: "${S}" }\nstreams: { onDisconnect: "${S}" }',
  ].join('\n');
  const result = problemsOf(fields, { S: secret });
  expect(result.length).toBeGreaterThan(15);
  expect(formatProblems(result)).not.toContain('very-secret');
  expect(formatProblems(result)).not.toContain('PASTED');
});

test('broken YAML, duplicate keys and hopeless aliases are problems with a place', () => {
  expect(messagesOf('server:\n  port: 1\n  port: 2\nlog: { levl: info }')).toEqual([
    'millrace.yaml:3:3  found "port"; the same map has this key already; keep one of them',
    'millrace.yaml:4:8  log.levl: found "levl"; there is no such key here. Did you mean "level"?',
  ]);
  expect(messagesOf('server: { port: 1\nlog: [')[0]).toMatch(/^millrace\.yaml:\d+:\d+ {2}this is no valid YAML: /);
  expect(messagesOf('providers: { p: { apiKey: ${KEY} } }')[0]).toContain('must stand in quotes');
  expect(messagesOf('server: *nowhere')[0]).toContain('this is no valid YAML');
  const bomb = `a: &a [x]\n${['b', 'c', 'd', 'e', 'f', 'g'].map((k, i) => `${k}: &${k} [${`*${'abcdefg'[i]},`.repeat(20)}]`).join('\n')}`;
  expect(problemsOf(bomb).length).toBeGreaterThan(0);
  expect(messagesOf('just text')[0]).toBe('millrace.yaml:1:1  found "just text"; expected a map of settings');
  expect(messagesOf('- a\n- b')[0]).toContain('found a list; expected a map of settings');
});

test('sections with nothing in them mean the defaults', () => {
  expect(configOf('server:\nmodels:\nkeys:\nproviders:\n', { XAI_API_KEY: 'k' })).toMatchObject({
    server: { port: 8787 },
    keys: [],
    providers: { mock: { wire: 'mock' }, xai: { apiKey: 'k' } },
  });
});

test('anchors of YAML can be used', () => {
  const { models } = configOf('models:\n  a: { targets: &t [mock/echo] }\n  b: { targets: *t }');
  expect(models.b?.targets).toEqual(['mock/echo']);
});

test('a header value cannot carry a second header', () => {
  const text = 'providers: { p: { wire: openai, baseUrl: "http://x", headers: { a: "x\\r\\nb: c", "b c": d } } }';
  expect(problemsOf(text).map(({ path }) => path)).toEqual(['providers.p.headers.a', 'providers.p.headers["b c"]']);
});

test('a price of a provider that is not there is a warning', () => {
  const result = check('providers: { openai: { apiKey: k } }\nprices: { opnai/x: { input: 1, output: 2 } }');
  expect(result).toMatchObject({ ok: true, warnings: [expect.stringContaining('millrace.yaml:2:11')] });
});

test('names that JavaScript has plans for are plain names', () => {
  const hostile = ['__proto__', 'constructor', 'toString', 'hasOwnProperty'];
  for (const name of hostile) {
    expect(problemsOf(`providers: { ${name}: {} }`).length).toBeGreaterThan(0);
    expect(problemsOf(`${name}: {}`).length).toBeGreaterThan(0);
    expect(problemsOf(`models: { a: ${name}/x }`).length).toBeGreaterThan(0);
  }
  expect(({} as Record<string, unknown>).wire).toBeUndefined();
});

test('any text is a config or has problems with places, and never throws', () => {
  const word = fc.constantFrom(
    'server',
    'models',
    'keys',
    'a',
    ':',
    ': ',
    '\n',
    '  ',
    '- ',
    '[',
    ']',
    '{',
    '}',
    '${A}',
    '"',
    '&x ',
    '*x',
    '1',
    '|',
    '\t',
    '#',
  );
  const text = fc.oneof(
    fc.array(word, { maxLength: 40 }).map((words) => words.join('')),
    anyText,
  );
  fc.assert(
    fc.property(text, (source) => {
      const result = check(source, { A: 'v' });
      if (result.ok) return;
      expect(result.problems.length).toBeGreaterThan(0);
      for (const problem of result.problems) expect(problem.line).toBeGreaterThanOrEqual(0);
      formatProblems(result.problems);
    }),
    { numRuns: 300 },
  );
});

test('what a name stands for at a door is an alias that is there, or provider/model', () => {
  const config = (doors: string) => `providers: { mock: {} }\nmodels: { fast: mock/echo }\ndoors:\n${doors}`;
  expect(
    messagesOf(config('  anthropic: { models: { "claude-*": fsat, x: mock/echo, y: nope/z }, default: fast }')),
  ).toEqual([
    'millrace.yaml:4:38  doors.anthropic.models["claude-*"]: found "fsat"; there is no alias "fsat". Did you mean "fast"?',
    expect.stringContaining('there is no provider "nope"'),
  ]);
  expect(messagesOf(config('  claude: { default: fast }'))[0]).toContain(
    'there is no such key here. Known are native, openai',
  );
});
