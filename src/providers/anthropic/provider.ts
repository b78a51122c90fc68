// The Messages wire, and every vendor that speaks it: where a request goes and with which headers, and the parts put together. Knows
// no front door and no session. Without the SDK, which has nothing to add to one POST.
// https://platform.claude.com/docs/en/api/overview
import type { Provider } from '../../core/contracts.ts';
import type { Transport } from '../transport.ts';
import { createAnthropicDecoder } from './decode.ts';
import { anthropicFault } from './fault.ts';
import { type AnthropicRequestConfig, anthropicRequest, DEFAULT_VERSION } from './request.ts';

export interface AnthropicProviderConfig extends AnthropicRequestConfig {
  name: string;
  /** With its version path: `https://api.anthropic.com/v1`. */
  baseUrl: string;
  apiKey?: string;
  headers?: Record<string, string>;
  query?: Record<string, string>;
  /** Hand frames on untouched to front doors of this wire. Default true. */
  passthrough?: boolean;
}

export function createAnthropicProvider(config: AnthropicProviderConfig, transport: Transport): Provider {
  const query = new URLSearchParams(config.query).toString();
  const url = `${config.baseUrl.replace(/\/+$/, '')}/messages${query && `?${query}`}`;
  const headers = {
    accept: 'text/event-stream',
    'content-type': 'application/json',
    'anthropic-version': config.version ?? DEFAULT_VERSION,
    ...(config.apiKey && { 'x-api-key': config.apiKey }),
    ...lowerCased(config.headers),
  };
  return {
    name: config.name,
    wire: 'anthropic',
    passthrough: config.passthrough ?? true,
    request: (chat, model, vendor) => anthropicRequest(config, chat, model, vendor),
    send: (body, context) => transport.open({ url, method: 'POST', headers, body: JSON.stringify(body) }, context),
    decoder: createAnthropicDecoder,
    fault: anthropicFault,
    close: () => transport.close(),
  };
}

/** Names of headers know no case, names of fields do: as two fields, a header would be sent twice. */
function lowerCased(headers: Record<string, string> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}
