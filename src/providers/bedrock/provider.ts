// The Bedrock wire: where to send a ConverseStream request, how to sign it, how to read what comes back. Knows no front door and no
// session. https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
import type { Provider, SendContext } from '../../core/contracts.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Transport } from '../transport.ts';
import { type BedrockAccount, createAuthorizer } from './auth.ts';
import { createBedrockDecoder } from './decode.ts';
import { statusFault } from './fault.ts';
import { type BedrockBody, type BedrockRequestConfig, bedrockRequest } from './request.ts';

export interface BedrockProviderConfig extends BedrockAccount, BedrockRequestConfig {
  name: string;
  /** Default: the runtime of the region. */
  baseUrl?: string;
  /** Beside the wire's own; these win. */
  headers?: Record<string, string>;
  query?: Record<string, string>;
}

export function createBedrockProvider(config: BedrockProviderConfig, transport: Transport): Provider {
  const authorize = createAuthorizer(config);
  const baseUrl = (config.baseUrl ?? `https://bedrock-runtime.${config.region}.amazonaws.com`).replace(/\/+$/, '');
  const given = Object.fromEntries(
    Object.entries(config.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]),
  );

  return {
    name: config.name,
    wire: 'bedrock',
    passthrough: false, // no front door speaks in binary frames

    request: (chat, model, vendor) => bedrockRequest(config, chat, model, vendor),

    async send(request, context) {
      const { modelId, ...fields } = request as BedrockBody;
      const url = new URL(`${baseUrl}/model/${pathSegment(modelId)}/converse-stream`);
      for (const [name, value] of Object.entries(config.query ?? {})) url.searchParams.set(name, value);
      const unsigned = { url, headers: { 'content-type': 'application/json', ...given }, body: JSON.stringify(fields) };
      const signing = given.authorization === undefined ? authorize(unsigned) : Promise.resolve(unsigned.headers);
      const headers = await unlessAborted(signing, context);
      return transport.open({ url: url.href, method: 'POST', headers, body: unsigned.body }, context);
    },

    decoder: createBedrockDecoder,
    fault: statusFault,
    close: () => transport.close(),
  };
}

/** As AWS encodes it: also what `encodeURIComponent` leaves as it is. */
function pathSegment(modelId: string): string {
  if (/^\.{1,2}$/.test(modelId) || !modelId.isWellFormed()) {
    throw new GatewayError('model_not_found', 'No model has such a name.');
  }
  return encodeURIComponent(modelId).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** Credentials may come from a service that takes its time; a client that leaves does not wait for it. */
function unlessAborted<T>(work: Promise<T>, { signal }: SendContext): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
