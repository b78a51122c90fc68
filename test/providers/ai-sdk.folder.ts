// A user's folder with provider packages in its node_modules, made for one test, and a stream read to its end through a provider.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { ChatRequest } from '../../src/core/chat.ts';
import type { Provider, UpstreamResponse } from '../../src/core/contracts.ts';
import type { StreamEvent } from '../../src/core/events.ts';
import { type AiSdkProviderConfig, createAiSdkProvider } from '../../src/providers/ai-sdk/provider.ts';
import { createTransport } from '../../src/providers/transport.ts';
import { fold } from '../support/decode.ts';
import { forThisTest, hello } from '../support/upstream.ts';

/** Files by their path below the folder. */
export async function folderWith(files: Record<string, string | object>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-packages-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  for (const [path, content] of Object.entries(files)) {
    const file = join(folder, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content));
  }
  return folder;
}

/** A package whose model does what its options say. */
export const puppet = {
  'node_modules/puppet/package.json': { name: 'puppet', type: 'module', exports: { '.': { import: './index.js' } } },
  'node_modules/puppet/index.js': `
    export function createPuppet(settings) {
      const model = (modelId) => ({
        specificationVersion: settings.version ?? 'v4',
        provider: 'puppet.chat',
        modelId,
        doStream: (options) => settings.doStream(options, settings),
      });
      return { languageModel: settings.languageModel ?? model };
    }`,
};

export async function providerOf(
  config: Omit<AiSdkProviderConfig, 'name' | 'cwd'> & { cwd?: string },
): Promise<Provider> {
  const cwd = config.cwd ?? import.meta.dirname;
  return forThisTest(await createAiSdkProvider({ name: 'up', ...config, cwd }, createTransport()));
}

export interface Asked {
  provider: Provider;
  response: UpstreamResponse;
  /** Everything up to now. */
  events: StreamEvent[];
  /** Resolves with everything, when the last has come. */
  ended: Promise<StreamEvent[]>;
  /** Resolves when there is an event of this type. */
  until(type: StreamEvent['type']): Promise<void>;
  abort(reason?: unknown): void;
  sent(): number;
}

/** Sends a request and reads the answer as the pump does. */
export async function ask(provider: Provider, request: object = {}, model = 'm-1'): Promise<Asked> {
  const controller = new AbortController();
  let sent = 0;
  const chat = { ...hello, ...request } as ChatRequest;
  const { body } = provider.request(chat, model);
  const context = { signal: controller.signal, onSent: () => void sent++ };
  const response = await provider.send(body, context);
  const events: StreamEvent[] = [];
  let look: () => void = () => {};
  const decoder = provider.decoder({
    choices: 1,
    emit(event) {
      events.push(event);
      look();
    },
  });
  const until = (fits: () => boolean) =>
    new Promise<void>((resolve) => {
      const before = look;
      look = () => {
        before();
        if (fits()) resolve();
      };
      look();
    });
  const ended = until(() => ['done', 'error'].includes(events.at(-1)?.type ?? '')).then(() => events);
  response.start({
    data: (chunk) => decoder.push(chunk),
    end: () => decoder.end(),
    error: (fault) => decoder.end(fault),
  });
  return {
    provider,
    response,
    events,
    ended,
    until: (type) => until(() => events.some((event) => event.type === type)),
    abort: (reason) => controller.abort(reason),
    sent: () => sent,
  };
}

export const textOf = (events: StreamEvent[]): string => fold(events).text;
