// examples/agent as its users meet it: the script in a process of its own, over a real Millrace, on several wires.
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Anthropic from '@anthropic-ai/sdk';
import { describe, expect, onTestFinished, test } from 'vitest';
import { runAgent } from '../../examples/agent/loop.ts';
import { folderTools } from '../../examples/agent/tools.ts';
import { startMillrace, type TestMillrace } from '../support/millrace.ts';
import { runScript, type Script } from './script.ts';

const PROVIDERS = ['mock', 'mock-anthropic', 'mock-gemini'];

async function start(): Promise<{ millrace: TestMillrace; folder: string; run: typeof run }> {
  const millrace = await startMillrace(`providers: { ${PROVIDERS.map((name) => `${name}: {}`).join(', ')} }`);
  const folder = await mkdtemp(join(tmpdir(), 'millrace-agent-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'notes.txt'), 'Buy bread.');
  function run(model: string, env: Record<string, string> = {}): Script {
    const args = ['What is to be bought?', folder];
    return runScript('agent/agent.ts', { args, env: { MILLRACE_URL: millrace.url, MODEL: model, ...env } });
  }
  return { millrace, folder, run };
}

describe.each(PROVIDERS)('%s', (provider) => {
  test('it thinks, runs both tools of a turn, and answers from their results', async () => {
    const { millrace, folder, run } = await start();
    await writeFile(join(folder, 'path'), 'Also milk.'); // the mock asks for a file of this name
    const script = run(`${provider}/reasoning-6+tools-2`);
    expect(await script.exited).toEqual({ code: 0, signal: null });
    expect(script.stdout()).toContain('Also milk.');
    const said = script.stderr();
    expect(said).toMatch(/^The user asks/);
    expect(said).toContain('→ list_files {}\n→ read_file {"path":"path"}\n');
    expect(said).toContain('← list_files: notes.txt path\n');
    expect(said).toContain('← read_file: Also milk.\n');
    expect(said).toMatch(/end_turn after 2 turns, [1-9]\d* tokens in, [1-9]\d* out\n$/);

    const asked = millrace.mocks.get(provider)!.journal.list();
    expect(asked).toHaveLength(2);
    expect(JSON.stringify(asked[1]!.body)).toMatch(/notes\.txt.*Also milk\./);
    expect((await millrace.rows()).map((row) => row.end_reason)).toEqual(['stop', 'tool-calls']);
  });

  test('a tool that failed is told to the model', async () => {
    const { run, millrace } = await start();
    const script = run(`${provider}/tools-2`);
    expect((await script.exited).code).toBe(0);
    expect(script.stderr()).toContain('← read_file failed: There is no file path in the folder.\n');
    expect(script.stdout()).toContain('There is no file path in the folder.');
    const { body } = millrace.mocks.get(provider)!.journal.list().at(-1)!;
    if (provider !== 'mock-anthropic') return; // the only one of the three with a field for it
    expect((body as Anthropic.MessageCreateParams).messages.at(-1)!.content).toMatchObject([
      { type: 'tool_result', content: 'notes.txt' },
      { type: 'tool_result', is_error: true },
    ]);
  });

  test('Ctrl-C stops the model, in the middle of its answer and before its first token', async () => {
    const { millrace, run } = await start();
    const { journal } = millrace.mocks.get(provider)!;
    for (const model of [`${provider}/lorem-9000+rate-50`, `${provider}/stall-0`]) {
      const script = run(model);
      if (model.endsWith('stall-0')) await journal.waitFor((record) => record.model === 'stall-0', 20_000);
      else await script.printed(/Lorem ipsum/);
      script.child.kill('SIGINT');
      expect(await script.exited).toEqual({ code: 130, signal: null });
      expect(script.stderr()).toContain('stopped');
      await journal.waitFor((record) => `${provider}/${record.model}` === model && record.client_left_at !== null);
      expect((await millrace.rows())[0]).toMatchObject({ end_reason: 'client_closed', door: 'anthropic' });
    }
  });

  test('an answer that breaks off is an error, and what came before it was printed', async () => {
    const { run } = await start();
    const script = run(`${provider}/cut-3+rate-200`);
    expect((await script.exited).code).toBe(1);
    expect(script.stdout()).toBe('Lorem ipsum dolor');
    expect(script.stderr()).toMatch(/^\n[A-Z].*\.\n$/);
  });
});

test('a refusal before the stream is one readable line', async () => {
  const { run } = await start();
  const script = run('mock/error-context');
  expect((await script.exited).code).toBe(1);
  expect(script.stderr()).toMatch(/^\nprompt is too long.*\n$/);
});

test('it does not go on for ever, and says why it ended', async () => {
  const { run, millrace } = await start();
  const script = run('mock/tools', { MAX_TURNS: '1' });
  expect((await script.exited).code).toBe(1);
  expect(script.stderr()).toContain('max_turns after 1 turns');
  expect(millrace.journal.list()).toHaveLength(1);

  const cut = run('mock/lorem-5+length');
  expect((await cut.exited).code).toBe(1);
  expect(cut.stderr()).toContain('max_tokens after 1 turns');
});

test('a call of a tool that is not there is answered, too', async () => {
  const { millrace } = await start();
  const messages: Anthropic.MessageParam[] = [{ role: 'user', content: 'Weather?' }];
  const { reason, turns } = await runAgent(messages, {
    client: new Anthropic({ baseURL: millrace.url, apiKey: 'none' }),
    model: 'mock/tools', // without tools in the request it calls one of its own
    tools: [],
    maxTurns: 3,
    signal: new AbortController().signal,
    listener: { thinking() {}, text() {}, call() {}, result() {} },
  });
  expect({ reason, turns }).toEqual({ reason: 'end_turn', turns: 2 });
  expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'user', 'assistant']);
  expect(messages[2]!.content).toMatchObject([{ is_error: true, content: 'There is no tool get_weather.' }]);
});

test('the tools see one folder and nothing else', async () => {
  const { folder } = await start();
  await symlink('/etc', join(folder, 'elsewhere'));
  const [, readFile] = folderTools(folder);
  const { signal } = new AbortController();
  expect(await readFile!.run({ path: 'notes.txt' }, signal)).toBe('Buy bread.');
  for (const path of ['../', '/etc/hostname', 'elsewhere/hostname', 'a\0b', `${folder}-2/x`]) {
    await expect(readFile!.run({ path }, signal)).rejects.toThrow(/There is no file/);
  }
  for (const input of [undefined, null, {}, { path: 7 }]) {
    await expect(readFile!.run(input, signal)).rejects.toThrow('path must be a string');
  }
});
