// The generateContent wire, of Google AI and Vertex: where a request goes and with which headers, and the parts put together. Knows no
// front door and no session. Without the SDK, which has nothing to add to one POST.
// https://ai.google.dev/api https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference
import type { Provider } from '../../core/contracts.ts';
import type { Transport } from '../transport.ts';
import { adoptRequest } from './adopt.ts';
import { createGeminiDecoder } from './decode.ts';
import { statusFault } from './fault.ts';
import { type GeminiRequestConfig, geminiRequest } from './request.ts';

export interface GeminiProviderConfig extends GeminiRequestConfig {
  name: string;
  /** Goes out as `x-goog-api-key`. Vertex takes an access token instead, in `headers`. */
  apiKey?: string;
  headers?: Record<string, string>;
  query?: Record<string, string>;
  /** Hand frames on untouched to front doors of this wire. Default true. */
  passthrough?: boolean;
}

export function createGeminiProvider(config: GeminiProviderConfig, transport: Transport): Provider {
  const base = config.baseUrl.replace(/\/+$/, '');
  const query = new URLSearchParams({ alt: 'sse', ...config.query });
  const headers = {
    'content-type': 'application/json',
    ...(config.apiKey && { 'x-goog-api-key': config.apiKey }),
    ...lowerCased(config.headers),
  };
  return {
    name: config.name,
    wire: 'gemini',
    passthrough: config.passthrough ?? true,
    request: (chat, model, vendor) => geminiRequest(config, chat, model, vendor),
    adopt: (verbatim, model) => adoptRequest(config, verbatim, model),
    send(body, context) {
      const { model, ...rest } = body as { model: string };
      const url = `${base}/${model}:streamGenerateContent?${query}`;
      return transport.open({ url, method: 'POST', headers, body: JSON.stringify(rest) }, context);
    },
    decoder: createGeminiDecoder,
    fault: statusFault,
    close: () => transport.close(),
  };
}

/** Names of headers know no case, names of fields do: as two fields, a header would be sent twice. */
function lowerCased(headers: Record<string, string> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}
