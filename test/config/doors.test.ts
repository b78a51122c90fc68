// What a model's name stands for at a front door.
import { expect, test } from 'vitest';
import { createModelAt, writtenNames } from '../../src/config/patterns.ts';

const doors = {
  anthropic: { models: { 'claude-*': 'fast', 'claude-opus': 'best' }, default: 'fast' },
  ui: { default: 'fast' },
};
const modelAt = createModelAt(doors);

test('the written name goes before a pattern, and what fits nothing stays', () => {
  expect(modelAt('anthropic', 'claude-opus')).toBe('best');
  expect(modelAt('anthropic', 'claude-haiku-4-5')).toBe('fast');
  expect(modelAt('anthropic', 'mock/echo')).toBe('mock/echo');
  expect(modelAt('openai', 'claude-opus')).toBe('claude-opus');
  expect(modelAt('anthropic', 'constructor')).toBe('constructor');
});

test('a request that names no model gets the default of its door', () => {
  expect([modelAt('ui', ''), modelAt('openai', '')]).toEqual(['fast', '']);
});

test('a client can be shown the names of its door, not the patterns', () => {
  expect(writtenNames(doors, 'anthropic')).toEqual(['claude-opus']);
  expect([writtenNames(doors, 'ui'), writtenNames(doors, 'openai')]).toEqual([[], []]);
});
