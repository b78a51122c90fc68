// From a provider's config to the provider: which file speaks which wire, over a transport of its own. The one place that knows
// all wires; it decides nothing about a request.
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { ProviderConfig } from './config/providers.ts';
import type { Provider } from './core/contracts.ts';
import { type MockServer, startMock } from './mock/server.ts';
import { createAiSdkProvider } from './providers/ai-sdk/provider.ts';
import { createAnthropicProvider } from './providers/anthropic/provider.ts';
import { createBedrockProvider } from './providers/bedrock/provider.ts';
import { createGeminiProvider } from './providers/gemini/provider.ts';
import { createOpenAiProvider } from './providers/openai/provider.ts';
import { createOpenAiResponsesProvider } from './providers/openai-responses/provider.ts';
import { createTransport, type Transport } from './providers/transport.ts';

export interface Upstream {
  provider: Provider;
  /** Where the provider is our own. */
  mock?: MockServer;
}

export interface UpstreamContext {
  /** Folder that files and packages of the config are relative to. */
  cwd: string;
  /** Where proxies are looked up. */
  env: Record<string, string | undefined>;
}

/** Rejects with what stands in the way: a file that cannot be read, a package that is not installed, a port that is taken. */
export async function createUpstream(
  name: string,
  config: ProviderConfig,
  context: UpstreamContext,
): Promise<Upstream> {
  if (config.wire === 'mock') return createMockUpstream(name, config);
  const transport = createTransport({
    connections: config.connections,
    keepAlive: config.keepAlive,
    http2: config.http2,
    proxy: config.proxy,
    ca: config.ca === undefined ? undefined : await certificates(name, config.ca, context),
    env: context.env,
  });
  return { provider: await createProvider(name, config, transport, context) };
}

type RealConfig = Exclude<ProviderConfig, { wire: 'mock' }>;

async function createProvider(
  name: string,
  config: RealConfig,
  transport: Transport,
  { cwd }: UpstreamContext,
): Promise<Provider> {
  const named = { name, ...config };
  switch (named.wire) {
    case 'openai':
      return createOpenAiProvider(named, transport);
    case 'openai-responses':
      return createOpenAiResponsesProvider(named, transport);
    case 'anthropic':
      return createAnthropicProvider(named, transport);
    case 'gemini':
      return createGeminiProvider(named, transport);
    case 'bedrock':
      return createBedrockProvider(named, transport);
    case 'ai-sdk':
      return createAiSdkProvider({ ...named, cwd }, transport);
    default:
      return named satisfies never;
  }
}

/** The mock is asked as any provider is, over a socket; its keys are no secret. */
async function createMockUpstream(name: string, config: Extract<ProviderConfig, { wire: 'mock' }>): Promise<Upstream> {
  const mock = await startMock({ port: config.port, recordings: config.recordings });
  const transport = createTransport({ proxy: false });
  return { provider: mockProvider(name, config.speaks, mock, transport), mock };
}

type Spoken = Extract<ProviderConfig, { wire: 'mock' }>['speaks'];

function mockProvider(name: string, speaks: Spoken, { url, origin }: MockServer, transport: Transport): Provider {
  switch (speaks) {
    case 'openai':
      return createOpenAiProvider({ name, baseUrl: url }, transport);
    case 'openai-responses':
      return createOpenAiResponsesProvider({ name, baseUrl: url, apiKey: 'mock' }, transport);
    case 'anthropic':
      return createAnthropicProvider({ name, baseUrl: url, apiKey: 'mock' }, transport);
    case 'gemini':
      return createGeminiProvider({ name, baseUrl: `${origin}/v1beta`, apiKey: 'mock' }, transport);
    case 'bedrock': {
      const credentials = { accessKeyId: 'mock', secretAccessKey: 'mock' };
      return createBedrockProvider({ name, baseUrl: origin, region: 'us-east-1', ...credentials }, transport);
    }
    default:
      return speaks satisfies never;
  }
}

async function certificates(name: string, file: string, { cwd }: UpstreamContext): Promise<string> {
  const path = resolve(cwd, file);
  const pem = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new Error(`providers.${name}.ca: ${path} cannot be read (${cause.code ?? 'unknown error'})`, { cause });
  });
  if (!pem.includes('-----BEGIN CERTIFICATE-----')) {
    throw new Error(`providers.${name}.ca: ${path} has no certificate in PEM form`);
  }
  return pem;
}
