// How a request of this vendor's wires goes out: its SDK builds, signs and addresses it, our transport carries it. The SDK never
// sees the response, whose body is read raw. Knows the SDK and the account; no wire's body, no front door.
// https://github.com/openai/openai-node
import OpenAI, { AzureOpenAI } from 'openai';
import type { SendContext, UpstreamResponse } from '../../core/contracts.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Transport } from '../transport.ts';

export interface OpenAiAccount {
  /** With its version path, as the SDKs know it: `https://api.openai.com/v1`. */
  baseUrl: string;
  apiKey?: string;
  headers?: Record<string, string>;
  query?: Record<string, string>;
  /** Azure's dated API: the model's name is then the deployment. Not needed with Azure's `/openai/v1`. */
  apiVersion?: string;
}

/** Makes one call of the SDK with these options, and gives what came back over the wire. */
export type SendByClient = (
  call: (client: OpenAI, options: OpenAI.RequestOptions) => { asResponse(): Promise<unknown> },
  context: SendContext,
) => Promise<UpstreamResponse>;

/** How one call rides through the SDK to our transport: its request options are handed to `fetch` as they are. */
interface Passage {
  context: SendContext;
  response?: UpstreamResponse;
}

/** Never reached: waits are the attempt's own. The largest value that a timer takes. */
const NO_TIMEOUT = 2 ** 31 - 1;

export function createOpenAiClient(account: OpenAiAccount, transport: Transport): SendByClient {
  const viaTransport = async (
    url: string | URL | Request,
    init?: RequestInit & { passage?: Passage },
  ): Promise<Response> => {
    const passage = init!.passage!;
    passage.response = await transport.open(
      {
        url: String(url),
        method: init!.method ?? 'POST',
        headers: Object.fromEntries(new Headers(init!.headers)),
        body: init!.body as string,
      },
      passage.context,
    );
    return new Response(null, { status: 200 });
  };
  const options = {
    baseURL: account.baseUrl,
    apiKey: account.apiKey || 'none', // local servers want none, the SDK insists on one
    organization: null,
    project: null,
    defaultHeaders: { ...(account.apiKey ? {} : { authorization: null }), ...account.headers },
    defaultQuery: account.query,
    maxRetries: 0,
    timeout: NO_TIMEOUT,
    fetch: viaTransport as typeof fetch,
    logLevel: 'off' as const,
  };
  const client = withoutCustomHeaders(() =>
    account.apiVersion ? new AzureOpenAI({ ...options, apiVersion: account.apiVersion }) : new OpenAI(options),
  );

  return async (call, context) => {
    const passage: Passage = { context };
    try {
      await call(client, { fetchOptions: { passage } } as OpenAI.RequestOptions).asResponse();
    } catch (thrown) {
      if (passage.response === undefined) throw causeOf(thrown, context.signal);
    }
    return passage.response!;
  };
}

/** The SDK adds these to whatever vendor it talks to; headers for one vendor stand in its config. */
function withoutCustomHeaders<T>(make: () => T): T {
  const { OPENAI_CUSTOM_HEADERS: set } = process.env;
  delete process.env.OPENAI_CUSTOM_HEADERS;
  try {
    return make();
  } finally {
    if (set !== undefined) process.env.OPENAI_CUSTOM_HEADERS = set;
  }
}

/** The SDK wraps what our transport rejected with; this finds it again. */
function causeOf(thrown: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  for (let error = thrown; error instanceof Error; error = error.cause) {
    if (error instanceof GatewayError) return error;
  }
  return new GatewayError('internal', 'The request to the provider could not be built.', { cause: thrown });
}
