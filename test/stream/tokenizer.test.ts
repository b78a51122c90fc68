// The tokenizer: exact where it can be, bounded where it cannot, and never in the way of the event loop.
import { createRequire } from 'node:module';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { coarseTokens, createTokenizer, encodingOf } from '../../src/stream/tokenizer.ts';

const { get_encoding } = createRequire(import.meta.url)('tiktoken') as typeof import('tiktoken');
// A loaded machine must not turn an exact count into an estimate here; deadlines have tests of their own.
const tokenizer = createTokenizer({ deadline: 60_000, stuckAfter: 120_000 });
afterAll(() => tokenizer.close());

const TEXTS = {
  prose: 'The quick brown fox jumps over the lazy dog; it’s 12,345.67 metres away. '.repeat(40),
  code: 'export function add(a: number, b: number): number {\n  return a + b; // sum\n}\n'.repeat(40),
  chinese: '今天天气很好，我们一起去公园散步吧。'.repeat(40),
  thai: 'ภาษาไทยเขียนติดกันโดยไม่มีช่องว่างระหว่างคำ '.repeat(20),
  emoji: 'Family: 👩‍👩‍👧‍👦 flags: 🇫🇷🇯🇵 skin: 👍🏽 '.repeat(20),
  special: '<|endoftext|> is text, and so is <|im_start|>',
  ruler: `${'='.repeat(200)}\n${' '.repeat(120)}x\n${'-'.repeat(300)}`,
  json: JSON.stringify({ a: [1, 2, { b: 'c'.repeat(20) }], d: null }).repeat(50),
};

test('ordinary text is counted exactly as tiktoken counts it, for both encodings', async () => {
  for (const [model, name] of [
    ['gpt-5-mini', 'o200k_base'],
    ['gpt-4', 'cl100k_base'],
  ] as const) {
    const encoder = get_encoding(name);
    for (const [kind, text] of Object.entries(TEXTS)) {
      const expected = encoder.encode_ordinary(text).length;
      expect(await tokenizer.count(model, text), `${kind} ${name}`).toEqual({ tokens: expected, coarse: false });
    }
    encoder.free();
  }
});

test('a model has the encoding of its family, and an unknown one the newest', () => {
  for (const model of [
    'gpt-4',
    'gpt-4-0613',
    'gpt-4-turbo',
    'gpt-3.5-turbo',
    'gpt-35-turbo',
    'text-embedding-3-small',
  ]) {
    expect(encodingOf(model), model).toBe('cl100k_base');
  }
  for (const model of [
    'gpt-4o',
    'gpt-4o-mini',
    'chatgpt-4o-latest',
    'gpt-4.1',
    'gpt-5-mini',
    'o1',
    'o3-mini',
    'o4-mini',
  ]) {
    expect(encodingOf(model), model).toBe('o200k_base');
  }
  expect(encodingOf('claude-haiku-4-5')).toBe('o200k_base');
  expect(encodingOf('openai/gpt-4')).toBe('cl100k_base');
  expect(encodingOf('ft:gpt-3.5-turbo:acme')).toBe('cl100k_base');
});

test('nothing has no tokens, and any string at all has a count that is not negative', async () => {
  expect(await tokenizer.count('gpt-5', '')).toEqual({ tokens: 0, coarse: false });
  expect(coarseTokens('')).toBe(0);
  const unit = fc.constantFrom('grapheme', 'binary', 'binary-ascii');
  await fc.assert(
    fc.asyncProperty(
      unit.chain((kind) => fc.string({ unit: kind as 'binary', maxLength: 200 })),
      fc.integer({ min: 1, max: 2_000 }),
      fc.constantFrom('gpt-5', 'gpt-4'),
      async (seed, times, model) => {
        const text = (seed + String.fromCharCode(0xd800 + (times % 0x800))).repeat(Math.ceil(times / 40));
        const { tokens } = await tokenizer.count(model, text);
        expect(tokens).toBeGreaterThan(0);
        expect(tokens).toBeLessThanOrEqual(Buffer.byteLength(text));
        expect(coarseTokens(text)).toBeGreaterThan(0);
      },
    ),
    { numRuns: 60 },
  );
});

test('megabytes of one letter, of spaces, of CJK without a break and of emoji take bounded time and are close', async () => {
  const hostile = { letter: 'a', space: ' ', cjk: '中', bang: '!', newline: '\n', emoji: '😀', mark: 'e\u0301' };
  for (const [kind, unit] of Object.entries(hostile)) {
    const piece = unit.repeat(4_096);
    const encoder = get_encoding('o200k_base');
    const perUnit = encoder.encode_ordinary(piece).length / 4_096;
    encoder.free();
    const began = performance.now();
    const { tokens, coarse } = await tokenizer.count('gpt-5', unit.repeat(Math.ceil(5_000_000 / unit.length)));
    expect(performance.now() - began, kind).toBeLessThan(10_000); // uncut, a run of this length takes hours
    expect(coarse, kind).toBe(true);
    const expected = (perUnit * 5_000_000) / unit.length;
    expect(tokens / expected, kind).toBeGreaterThan(0.8);
    expect(tokens / expected, kind).toBeLessThan(1.25);
  }
});

test('a long text is extrapolated from samples of all of it, not from its head', async () => {
  const text = 'plain English words here '.repeat(40_000) + '今天天气很好，我们一起去公园。'.repeat(40_000);
  const encoder = get_encoding('o200k_base');
  const exact = encoder.encode_ordinary(text).length;
  encoder.free();
  const { tokens, coarse } = await tokenizer.count('gpt-5', text);
  expect(coarse).toBe(true);
  expect(Math.abs(tokens - exact) / exact).toBeLessThan(0.15);
});

test('the event loop goes on turning while hostile text is counted', async () => {
  const texts = ['a'.repeat(5_000_000), '中'.repeat(5_000_000), TEXTS.prose.repeat(1_500)];
  await Promise.all(texts.map((text) => tokenizer.count('gpt-5', text))); // flattens the strings, loads the tables
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  let ticks = 0;
  const interval = setInterval(() => ticks++, 10);
  const began = performance.now();
  await Promise.all(texts.flatMap((text) => [tokenizer.count('gpt-5', text), tokenizer.count('gpt-4', text)]));
  const took = performance.now() - began;
  clearInterval(interval);
  delay.disable();
  expect(took).toBeGreaterThan(30); // else there was nothing to measure
  expect(ticks).toBeGreaterThanOrEqual(Math.floor(took / 10 / 5)); // a fifth of the ticks: other work shares the machine
  expect(delay.max / 1e6).toBeLessThan(took); // a count on this thread would be one delay as long as all of it
});

const SILENT = new URL(
  'data:text/javascript,import{parentPort}from"node:worker_threads";parentPort.on("message",()=>{})',
);
const STUCK = new URL(
  'data:text/javascript,import{parentPort}from"node:worker_threads";parentPort.on("message",()=>{for(;;);})',
);
/** Crashes at the text `boom`, counts characters otherwise. */
const FRAGILE = new URL(
  `data:text/javascript,${encodeURIComponent(
    `import { parentPort } from 'node:worker_threads';
     parentPort.on('message', ({ id, texts }) => {
       if (texts[0] === 'boom') throw new Error('boom');
       parentPort.postMessage({ id, tokens: texts[0].length, cut: false });
     });`,
  )}`,
);

test('past the deadline the answer is an estimate, also for those who wait behind', async () => {
  const slow = createTokenizer({ worker: SILENT, deadline: 50, stuckAfter: 60_000 });
  const answers = await Promise.all(['one two three', 'four five'].map((text) => slow.count('gpt-5', text)));
  expect(answers).toEqual([
    { tokens: coarseTokens('one two three'), coarse: true },
    { tokens: coarseTokens('four five'), coarse: true },
  ]);
  await slow.close();
});

test('a stuck worker is ended and replaced', async () => {
  const slow = createTokenizer({ worker: STUCK, deadline: 20, stuckAfter: 100 });
  for (let round = 0; round < 3; round++) expect((await slow.count('gpt-5', 'hello there')).coarse).toBe(true);
  await new Promise((resolve) => setTimeout(resolve, 300));
  const began = performance.now();
  await slow.close(); // terminates a loop that would never end
  expect(performance.now() - began).toBeLessThan(5_000);
});

test('a crash costs the text that caused it an estimate, and nothing else', async () => {
  const fragile = createTokenizer({ worker: FRAGILE, deadline: 30_000 });
  const answers = await Promise.all(['before', 'boom', 'after it'].map((text) => fragile.count('gpt-5', text)));
  expect(answers).toEqual([
    { tokens: 6, coarse: false },
    { tokens: 1, coarse: true },
    { tokens: 8, coarse: false },
  ]);
  await fragile.close();
});

test('with a full backlog and after close every count is answered at once', async () => {
  const slow = createTokenizer({ worker: SILENT, deadline: 60_000, backlog: 2 });
  const held = ['a b', 'c d', 'e f'].map((text) => slow.count('gpt-5', text)); // one under way, two waiting
  expect(await slow.count('gpt-5', 'over the bound')).toEqual({ tokens: coarseTokens('over the bound'), coarse: true });
  await slow.close();
  for (const answer of await Promise.all(held)) expect(answer.coarse).toBe(true);
  expect((await slow.count('gpt-5', 'after close')).coarse).toBe(true);
});

test('a guess is near the truth for prose and for CJK, and cheap for megabytes', () => {
  const encoder = get_encoding('o200k_base');
  for (const text of [TEXTS.prose, TEXTS.chinese, TEXTS.code]) {
    const ratio = coarseTokens(text) / encoder.encode_ordinary(text).length;
    expect(ratio).toBeGreaterThan(0.5);
    expect(ratio).toBeLessThan(2);
  }
  encoder.free();
  const long = 'a b c d '.repeat(2_000_000);
  expect(coarseTokens(long)).toBe(long.length / 4);
});
