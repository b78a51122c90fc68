// Every piece of TypeScript in docs/CLIENT.md, type-checked by the build's own compiler and run as one program against a Millrace.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { startMillrace } from '../support/millrace.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);

test('the snippets of docs/CLIENT.md compile, run, and print what they say', async () => {
  const { url } = await startMillrace();
  const page = await readFile(join(root, 'docs/CLIENT.md'), 'utf8');
  const [first, ...rest] = [...page.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code!);
  const program = [first!, ...rest.map((code) => `{\n${code}}\n`)]
    .join('\n')
    .replaceAll("'millrace/client'", `'${join(root, 'src/client/index.ts')}'`)
    .replace('http://127.0.0.1:8787', url);
  const folder = await mkdtemp(join(root, 'test/client/snippets-')); // where the compiler finds Node's types
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'program.ts');
  await writeFile(file, program);

  const options = ['--strict', '--target', 'es2024', '--module', 'nodenext', '--types', 'node', '--skipLibCheck'];
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  await run(process.execPath, [
    tsc,
    '--ignoreConfig',
    '--noEmit',
    '--allowImportingTsExtensions',
    ...options,
    file,
  ]).catch(({ stdout }) => expect.fail(stdout));

  const { stdout } = await run(process.execPath, [file]);
  const lines = stdout.split('\n');
  expect(lines[0]).toMatch(/^Lorem ipsum dolor sit amet/);
  expect(lines[1]).toBe('stop, 20 tokens');
  expect(lines[2]).toMatch(/^Hello 1 0\.0000/);
  expect(lines[3]).toBe('Hello');
  expect(stdout).toContain("'mock/echo'");
  expect(stdout).toMatch(/^cancelled \{$/m);
  expect(stdout).toContain('\nupstream_truncated 502 true 3\nLorem ipsum dolor\n');
  expect(lines.at(-2)).toContain('celsius');
});
