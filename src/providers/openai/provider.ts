// The Chat Completions wire, and every vendor that speaks it: what to ask, how to send it, how to read a refusal. Vendors differ
// by configuration (base URL, a few flags), never by code here. Knows no front door and no session.
// https://platform.openai.com/docs/api-reference/chat/create
import type OpenAI from 'openai';
import type { Provider } from '../../core/contracts.ts';
import type { Transport } from '../transport.ts';
import { createOpenAiClient, type OpenAiAccount } from './client.ts';
import { createOpenAiDecoder } from './decode.ts';
import { statusFault } from './fault.ts';
import { type OpenAiRequestConfig, openAiRequest } from './request.ts';

export interface OpenAiProviderConfig extends OpenAiAccount, OpenAiRequestConfig {
  name: string;
  /** Hand frames on untouched to front doors of this wire. Default true. */
  passthrough?: boolean;
}

export function createOpenAiProvider(config: OpenAiProviderConfig, transport: Transport): Provider {
  const send = createOpenAiClient(config, transport);
  return {
    name: config.name,
    wire: 'openai',
    passthrough: config.passthrough ?? true,

    request: (chat, model, vendor) => openAiRequest(config, chat, model, vendor),

    send: (body, context) =>
      send(
        (client, options) =>
          client.chat.completions.create(body as OpenAI.ChatCompletionCreateParamsStreaming, options),
        context,
      ),

    decoder: createOpenAiDecoder,
    fault: statusFault,
    close: () => transport.close(),
  };
}
