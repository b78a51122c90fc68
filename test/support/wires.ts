// Every wire: its decoder, its recordings, how a config names a provider that speaks it.
import { fileURLToPath } from 'node:url';
import { createAiSdkDecoder } from '../../src/providers/ai-sdk/decode.ts';
import { createAnthropicDecoder } from '../../src/providers/anthropic/decode.ts';
import { createBedrockDecoder } from '../../src/providers/bedrock/decode.ts';
import { createGeminiDecoder } from '../../src/providers/gemini/decode.ts';
import { createOpenAiDecoder } from '../../src/providers/openai/decode.ts';
import { createOpenAiResponsesDecoder } from '../../src/providers/openai-responses/decode.ts';
import type { CreateDecoder } from './decode.ts';
import { partsRecordings } from './parts.ts';
import { type Recording, recordingsOf } from './recordings.ts';

export interface Wire {
  /** In a config. */
  name: string;
  decoder: CreateDecoder;
  recordings: Recording[];
  /** Its bytes are those of an event stream, which may be framed in many ways. */
  text: boolean;
  /** A provider in flow YAML. `url` ends in /v1. */
  provider(url: string, more?: string): string;
}

const keyed = (wire: string) => (url: string, more: string) => `{ wire: ${wire}, baseUrl: "${url}", apiKey: x${more} }`;
const PACKAGE = fileURLToPath(new URL('./parts.package.js', import.meta.url));

function wire(
  name: string,
  recorded: string,
  decoder: CreateDecoder,
  provider: (url: string, more: string) => string = keyed(name),
): Wire {
  return {
    name,
    decoder,
    recordings: recordingsOf(recorded),
    text: name !== 'bedrock' && name !== 'ai-sdk',
    provider: (url, more = '') => provider(url, more),
  };
}

export const wires: Wire[] = [
  wire('openai', 'openai-chat', createOpenAiDecoder),
  wire('openai-responses', 'openai-responses', createOpenAiResponsesDecoder),
  wire('anthropic', 'anthropic-messages', createAnthropicDecoder),
  wire('gemini', 'gemini', createGeminiDecoder),
  wire('bedrock', 'bedrock-converse', createBedrockDecoder, (url) => {
    return `{ wire: bedrock, baseUrl: "${url}", region: us-east-1, accessKeyId: x, secretAccessKey: y }`;
  }),
  {
    ...wire('ai-sdk', 'ai-sdk', createAiSdkDecoder, (url) => {
      return `{ wire: ai-sdk, package: "${PACKAGE}", baseUrl: "${url}" }`;
    }),
    recordings: partsRecordings,
  },
];
