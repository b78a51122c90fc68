// The Messages wire, and every vendor that speaks it: where a request goes and with which headers, and the parts put together. Knows
// no front door and no session. Without the SDK, which has nothing to add to one POST.
// https://platform.claude.com/docs/en/api/overview
import type { Provider, Translation, Verbatim } from '../../core/contracts.ts';
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
    request(chat, model, vendor) {
      const { body, dropped } = anthropicRequest(config, chat, model, vendor);
      return outgoing(body, dropped);
    },
    adopt: (verbatim, model) => adopted(verbatim, model, config.drop),
    send(given, context) {
      const { body, headers: own } = given as Outgoing;
      const message = { url, method: 'POST', headers: joined(headers, own), body: JSON.stringify(body) } as const;
      return transport.open(message, context);
    },
    decoder: createAnthropicDecoder,
    fault: anthropicFault,
    close: () => transport.close(),
  };
}

/** A body, and the headers that say how it is meant. */
interface Outgoing {
  body: unknown;
  headers: Record<string, string>;
}

function outgoing(body: unknown, dropped: string[], headers: Record<string, string> = {}): Translation {
  return { body: { body, headers } satisfies Outgoing, dropped };
}

/** A request in this wire's own words goes as it came. Usage is in every stream of this wire, so there is nothing to ask for. */
function adopted({ body, headers }: Verbatim, model: string, drop: readonly string[] = []): Translation {
  const dropped = drop.filter((field) => body[field] != null);
  const kept = Object.entries(body).filter(([field]) => !drop.includes(field));
  return outgoing({ ...Object.fromEntries(kept), model, stream: true }, dropped, headers);
}

/** The client's body is in the client's version; its betas join those of the config. */
function joined(headers: Record<string, string>, own: Record<string, string>): Record<string, string> {
  const betas = [headers[BETA], own[BETA]].flatMap((list) => list?.split(',') ?? []).map((name) => name.trim());
  return { ...headers, ...own, ...(betas.length > 0 && { [BETA]: [...new Set(betas)].join(',') }) };
}

const BETA = 'anthropic-beta';

/** Names of headers know no case, names of fields do: as two fields, a header would be sent twice. */
function lowerCased(headers: Record<string, string> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}
