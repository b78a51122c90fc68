// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references in config text are what is tested
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { substitute } from '../../src/config/environment.ts';
import { anyText } from './folder.ts';

const escaped = (text: string) => text.replaceAll('${', () => '$${');

test('references are filled in, with defaults where a variable is unset or empty', () => {
  const env = { A: 'one', EMPTY: '' };
  expect(substitute('${A}-${A}', env).text).toBe('one-one');
  expect(substitute('${B:-two}/${EMPTY:-three}/${B:-}', env).text).toBe('two/three/');
  expect(substitute('${EMPTY}', env)).toEqual({ text: '', mistakes: [] });
  expect(substitute('$A $ {A} $${A}', env).text).toBe('$A $ {A} ${A}');
});

test('a missing variable and a broken reference are mistakes that say what would do', () => {
  expect(substitute('${NOPE}', {}).mistakes).toEqual([
    'NOPE is not set; set it in the environment or .env, or write ${NOPE:-default}',
  ]);
  for (const broken of ['${', '${}', '${A', '${1A}', '${A-b}', '${A B}'])
    expect(substitute(broken, { A: '' }).mistakes).toHaveLength(1);
});

test('a value goes in as it is, whatever it contains', () => {
  fc.assert(
    fc.property(anyText, (value) => {
      expect(substitute('${X}', { X: value })).toEqual({ text: value, mistakes: [] });
      expect(substitute('<${X}|${X}>', { X: value }).text).toBe(`<${value}|${value}>`);
    }),
  );
  expect(substitute('${X}', { X: '${X} $& $1 $$' }).text).toBe('${X} $& $1 $$');
});

test('escaped text comes out as it was before it was escaped', () => {
  const text = fc.array(fc.constantFrom('$', '{', '}', '${', 'A', ':-', '\n')).map((parts) => parts.join(''));
  fc.assert(
    fc.property(text, (original) => {
      expect(substitute(escaped(original), {})).toEqual({ text: original, mistakes: [] });
    }),
  );
});

test('mistakes never repeat a value', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z0-9]{12,30}$/), (secret) => {
      const { mistakes } = substitute('${SECRET} ${MISSING} ${', { SECRET: secret });
      expect(mistakes.join()).not.toContain(secret);
    }),
  );
});
