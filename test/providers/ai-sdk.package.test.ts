// Finding, loading and choosing: what a config says of a package, against packages laid out in every way that npm knows.
import { expect, test } from 'vitest';
import { loadFactory } from '../../src/providers/ai-sdk/package.ts';
import { folderWith, providerOf, puppet } from './ai-sdk.folder.ts';

const esm = (source: string, more: object = { main: './index.js' }) => ({
  'node_modules/@maker/one/package.json': { name: '@maker/one', type: 'module', ...more },
  'node_modules/@maker/one/index.js': source,
});

const found = async (files: Record<string, string | object>, wanted?: string, name = '@maker/one') =>
  (await loadFactory(name, await folderWith(files), wanted))({});

const one = 'export const createOne = () => 1;';

test.each<[about: string, files: Record<string, string | object>, name?: string]>([
  ['with a main', esm(one)],
  ['with one entry for all', esm(one, { exports: './index.js' })],
  ['with an entry for import alone', esm(one, { exports: { import: './index.js' } })],
  ['with conditions in conditions', esm(one, { exports: { '.': { node: { import: { default: './index.js' } } } } })],
  [
    'with a path of its own',
    esm(one, { exports: { '.': './none.js', './deep': { types: './no.ts', import: './index.js' } } }),
    '@maker/one/deep',
  ],
  [
    'of CommonJS',
    {
      'node_modules/@maker/one/package.json': { main: './index.cjs' },
      'node_modules/@maker/one/index.cjs': 'const made = { ["createOne"]: () => 1 }; module.exports = made;',
    },
  ],
  ["that is a file of the user's", { 'mine/one.js': one }, './mine/one.js'],
])('a package %s is found', async (_about, files, name) => {
  expect(await found(files, undefined, name)).toBe(1);
});

test("the user's package comes before Millrace's own, which is found where the user has none", async () => {
  const name = '@ai-sdk/mistral';
  const own = await loadFactory(name, await folderWith({}), undefined);
  expect(own).toBeTypeOf('function');
  const theirs = await folderWith({
    [`node_modules/${name}/package.json`]: { type: 'module', main: './index.js' },
    [`node_modules/${name}/index.js`]: one,
  });
  expect((await loadFactory(name, theirs, undefined))({})).toBe(1);
});

test.each<[about: string, source: string, wanted: string | undefined]>([
  ['the one that is called create…', `${one} export const one = createOne(); export const created = 0;`, undefined],
  ['the one that has an old name too', `${one} export { createOne as createOldOne };`, undefined],
  ['the one that the config names', `${one} export const createTwo = () => 2;`, 'createOne'],
  ['the one that the config names, whatever it is called', 'export const one = () => 1;', 'one'],
])('the factory is %s', async (_about, source, wanted) => {
  expect(await found(esm(source), wanted)).toBe(1);
});

test.each<[about: string, files: Record<string, string | object>, wanted: string | undefined, words: RegExp]>([
  ['is not installed', {}, undefined, /"@maker\/one" is not installed: npm install @maker\/one\./],
  ['is damaged', { 'node_modules/@maker/one/package.json': '{' }, undefined, /is not installed/],
  [
    'throws when it is loaded',
    esm('throw new Error("no such platform")'),
    undefined,
    /cannot be loaded: no such platform/,
  ],
  ['has no factory', esm('export const one = 1;'), undefined, /which export.*none that is called create…/],
  [
    'has several factories',
    esm(`${one} export const createTwo = () => 2;`),
    undefined,
    /which export of "@maker\/one".*createOne, createTwo/,
  ],
  ['has not the export that is named', esm(one), 'createTwo', /no function "createTwo"; there are: createOne\./],
])('a package that %s says so, and what would do', async (_about, files, wanted, words) => {
  await expect(found(files, wanted)).rejects.toMatchObject({
    name: 'GatewayError',
    message: expect.stringMatching(words),
  });
});

test('a file that is not there is not called a package to install', async () => {
  await expect(found({}, undefined, './mine.js')).rejects.toMatchObject({
    message: expect.stringMatching(/no such file/),
  });
});

test.each<[about: string, options: Record<string, unknown>, words: RegExp]>([
  ['follows an older version', { version: 'v1' }, /version v1 .*expected v2, v3, v4/],
  ['follows a newer version', { version: 'v5' }, /version v5/],
  ['says no version', { languageModel: () => ({}) }, /version unknown/],
  ['makes no models', { languageModel: 7 }, /no.*language models/],
])('a package that %s is refused at start-up', async (_about, options, words) => {
  const cwd = await folderWith(puppet);
  await expect(providerOf({ package: 'puppet', cwd, options })).rejects.toMatchObject({
    message: expect.stringMatching(words),
  });
});

test('options that a factory refuses are said at start-up, with its words', async () => {
  const source = 'export function createOne({ region }) { if (!region) throw new Error("region is missing"); }';
  const refused = providerOf({ package: '@maker/one', cwd: await folderWith(esm(source)) });
  await expect(refused).rejects.toMatchObject({
    message: expect.stringMatching(/refuses its options: region is missing/),
  });
});

test('a package that makes no model of a name it does not know is asked again at the request', async () => {
  const cwd = await folderWith(puppet);
  const languageModel = (id: string) => {
    if (id !== 'known') throw Object.assign(new Error('No such model.'), { name: 'AI_NoSuchModelError' });
    return { specificationVersion: 'v3', provider: 'puppet' };
  };
  const provider = await providerOf({ package: 'puppet', cwd, options: { languageModel } });
  const chat = { model: 'a', messages: [{ role: 'user' as const, content: 'Hi' }] };
  expect(provider.request(chat, 'known').body).toMatchObject({ model: 'known' });
  expect(() => provider.request(chat, 'other')).toThrow(expect.objectContaining({ code: 'model_not_found' }));
});
