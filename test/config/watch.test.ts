import { mkdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import { type WatchOptions, watchConfig } from '../../src/config/watch.ts';
import { folderWith } from './folder.ts';

const FAST = { debounceMs: 20, pollMs: 60_000 }; // the clock must not do the events' work

function watching(path: string, options: WatchOptions = FAST) {
  const changed = vi.fn();
  const watch = watchConfig(path, changed, options);
  onTestFinished(() => watch.close());
  return { changed, close: () => watch.close() };
}

const times = (changed: ReturnType<typeof vi.fn>, count: number) =>
  vi.waitFor(() => expect(changed).toHaveBeenCalledTimes(count), { timeout: 4000, interval: 10 });

test('a file that is written to, replaced, removed and back again is told each time', async () => {
  const folder = folderWith({ 'a.yaml': '1' });
  const path = join(folder, 'a.yaml');
  const { changed } = watching(path);
  writeFileSync(path, '2');
  await times(changed, 1);
  writeFileSync(join(folder, 'tmp'), '3');
  renameSync(join(folder, 'tmp'), path); // how editors save
  await times(changed, 2);
  writeFileSync(path, '4'); // and the new file is watched as the old one was
  await times(changed, 3);
  rmSync(path);
  await times(changed, 4);
  writeFileSync(path, '5');
  await times(changed, 5);
});

test('a burst of writes is one change, and the same content again is none', async () => {
  const path = join(folderWith({ 'a.yaml': '1' }), 'a.yaml');
  const { changed } = watching(path, { debounceMs: 100, pollMs: 60_000 });
  for (let i = 0; i < 10; i++) writeFileSync(path, `${i}`);
  await times(changed, 1);
  writeFileSync(path, '9');
  utimesSync(path, 1, 1);
  await sleep(250);
  expect(changed).toHaveBeenCalledTimes(1);
});

test('other files in the folder of a watched file do not matter', async () => {
  const folder = folderWith({ 'a.yaml': '1' });
  const { changed } = watching(join(folder, 'a.yaml'));
  writeFileSync(join(folder, 'b.yaml'), 'x');
  await sleep(150);
  expect(changed).not.toHaveBeenCalled();
});

test('a link that is turned to another file is a change, as container platforms do it', async () => {
  const folder = folderWith({ one: '1', two: '2' });
  const path = join(folder, 'millrace.yaml');
  symlinkSync('one', path);
  const { changed } = watching(path);
  symlinkSync('two', join(folder, 'next'));
  renameSync(join(folder, 'next'), path);
  await times(changed, 1);
});

test('a folder is watched with all its files, also when it appears later or is replaced', async () => {
  const parent = folderWith();
  const folder = join(parent, 'prompts');
  const { changed } = watching(folder);
  mkdirSync(folder); // nothing is in it: its content is what it was
  await sleep(100);
  writeFileSync(join(folder, 'a'), '1');
  await times(changed, 1);
  writeFileSync(join(folder, 'a'), '2');
  await times(changed, 2);
  renameSync(join(folder, 'a'), join(folder, 'b'));
  await times(changed, 3);
  rmSync(folder, { recursive: true });
  await times(changed, 4);
  mkdirSync(folder);
  await sleep(100);
  writeFileSync(join(folder, 'c'), '3');
  await times(changed, 5);
});

test('where no event comes, the clock finds the change', async () => {
  const target = folderWith({ real: '1' });
  const folder = folderWith();
  const path = join(folder, 'link');
  symlinkSync(join(target, 'real'), path);
  const { changed } = watching(path, { debounceMs: 10, pollMs: 50 });
  writeFileSync(join(target, 'real'), '2'); // in a folder that is not watched
  await times(changed, 1);
});

test('after close nothing is told', async () => {
  const path = join(folderWith({ a: '1' }), 'a');
  const { changed, close } = watching(path, { debounceMs: 20, pollMs: 30 });
  writeFileSync(path, '2');
  close();
  writeFileSync(path, '3');
  await sleep(150);
  expect(changed).not.toHaveBeenCalled();
});
