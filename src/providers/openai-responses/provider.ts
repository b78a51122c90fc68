// The Responses wire, and every vendor that speaks it: the three parts put together. Knows no front door and no session.
// https://platform.openai.com/docs/api-reference/responses/create
import type OpenAI from 'openai';
import type { Provider } from '../../core/contracts.ts';
import { createOpenAiClient, type OpenAiAccount } from '../openai/client.ts';
import type { Transport } from '../transport.ts';
import { createOpenAiResponsesDecoder } from './decode.ts';
import { refusalFault } from './fault.ts';
import { adoptedRequest, type OpenAiResponsesRequestConfig, openaiResponsesRequest } from './request.ts';

export interface OpenAiResponsesProviderConfig extends OpenAiAccount, OpenAiResponsesRequestConfig {
  name: string;
  /** Hand frames on untouched to front doors of this wire. Default true. */
  passthrough?: boolean;
}

export function createOpenAiResponsesProvider(config: OpenAiResponsesProviderConfig, transport: Transport): Provider {
  const send = createOpenAiClient(config, transport);
  return {
    name: config.name,
    wire: 'openai-responses',
    passthrough: config.passthrough ?? true,
    request: (chat, model, vendor) => openaiResponsesRequest(config, chat, model, vendor),
    adopt: (verbatim, model) => adoptedRequest(config, verbatim.body, model),
    send: (body, context) =>
      send(
        (client, options) => client.responses.create(body as OpenAI.Responses.ResponseCreateParamsStreaming, options),
        context,
      ),
    decoder: createOpenAiResponsesDecoder,
    fault: refusalFault,
    close: () => transport.close(),
  };
}
