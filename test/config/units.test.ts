import fc from 'fast-check';
import { expect, test } from 'vitest';
import { didYouMean, nearest } from '../../src/config/nearest.ts';
import { modelMatcher } from '../../src/config/patterns.ts';
import { parseDuration, parseSize } from '../../src/config/units.ts';
import { anyText } from './folder.ts';

test('durations are milliseconds whatever unit they are written in', () => {
  expect(['5s', '250ms', '10m', '1h', '1.5s', '2 s', '0', '1d', 42].map(parseDuration)).toEqual([
    5000, 250, 600_000, 3_600_000, 1500, 2000, 0, 86_400_000, 42,
  ]);
});

test('sizes are bytes, KiB by 1024 and KB by 1000', () => {
  expect(['10MiB', '1MB', '64KiB', '1kb', '7', '3B', '1.5GiB', 9].map(parseSize)).toEqual([
    10_485_760, 1_000_000, 65_536, 1000, 7, 3, 1_610_612_736, 9,
  ]);
});

test('what is no quantity is null', () => {
  for (const text of [
    '',
    's',
    '5 parsecs',
    '-1s',
    '1e3s',
    '5s5s',
    '0x10',
    '٣s',
    'constructor',
    '1toString',
    '9'.repeat(400),
  ]) {
    expect(parseDuration(text)).toBeNull();
    expect(parseSize(text)).toBeNull();
  }
  for (const number of [Number.NaN, Number.POSITIVE_INFINITY, -1, 2 ** 60]) expect(parseDuration(number)).toBeNull();
});

test('any amount in any unit is that many of its smallest unit', () => {
  const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
  fc.assert(
    fc.property(fc.nat(1e6), fc.constantFrom(...Object.keys(units)), (amount, unit) => {
      expect(parseDuration(`${amount}${unit}`)).toBe(amount * units[unit as keyof typeof units]);
    }),
  );
  const sizes = { B: 1, KiB: 1024, MiB: 1024 ** 2, KB: 1000, MB: 1e6, GB: 1e9 };
  fc.assert(
    fc.property(fc.nat(1e5), fc.constantFrom(...Object.keys(sizes)), (amount, unit) => {
      expect(parseSize(`${amount}${unit}`)).toBe(amount * sizes[unit as keyof typeof sizes]);
    }),
  );
});

test('any text gives null or a whole number from 0, and never throws', () => {
  fc.assert(
    fc.property(fc.oneof(anyText, fc.stringMatching(/^[0-9. a-zA-Z-]{0,20}$/)), (text) => {
      for (const value of [parseDuration(text), parseSize(text)]) {
        expect(value === null || (Number.isSafeInteger(value) && value >= 0)).toBe(true);
      }
    }),
  );
});

test('the nearest word is suggested, and none where nothing is near', () => {
  expect(nearest('opnai', ['openai', 'mistral'])).toBe('openai');
  expect(nearest('prot', ['port', 'host'])).toBe('port');
  expect(nearest('OpenAI', ['openai'])).toBe('openai');
  expect(nearest('zebra', ['openai', 'mistral'])).toBeNull();
  expect(didYouMean('tragets', ['targets'])).toBe(' Did you mean "targets"?');
});

test('a key pattern allows exact names and what its stars stand for', () => {
  const allowed = modelMatcher(['fast', 'openai/*', '*/llama-*-8b']);
  expect(['fast', 'openai/gpt-5', 'openai/', 'ollama/llama-3-8b', 'x/llama-a-b-8b'].map(allowed)).toEqual(
    Array(5).fill(true),
  );
  expect(['faster', 'xopenai/gpt', 'openai', 'ollama/llama-8b', ''].map(allowed)).toEqual(Array(5).fill(false));
  expect(modelMatcher(undefined)('anything')).toBe(true);
  expect(modelMatcher([])('anything')).toBe(false);
});

test('a key pattern of many stars takes no time', () => {
  const allowed = modelMatcher([`${'a*'.repeat(50)}b`]);
  expect(allowed('a'.repeat(50_000))).toBe(false);
});
