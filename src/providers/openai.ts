// The Chat Completions wire, and every vendor that speaks it: what to ask, how to send it, how to read a refusal. Vendors differ
// by configuration (base URL, a few flags), never by code here. Knows no front door and no session.
// https://platform.openai.com/docs/api-reference/chat/create
import OpenAI, { AzureOpenAI } from 'openai';
import type { ChatRequest } from '../core/chat.ts';
import type { Provider, SendContext, UpstreamResponse } from '../core/contracts.ts';
import { GatewayError } from '../core/errors.ts';
import { createOpenAiDecoder } from './openai.decode.ts';
import { statusFault } from './openai.fault.ts';
import type { Transport } from './transport.ts';

export interface OpenAiProviderConfig {
  name: string;
  /** With its version path, as the SDKs know it: `https://api.openai.com/v1`. */
  baseUrl: string;
  apiKey?: string;
  headers?: Record<string, string>;
  query?: Record<string, string>;
  /** Azure's dated API: the model's name is then the deployment. Not needed with Azure's `/openai/v1`. */
  apiVersion?: string;
  /** Hand frames on untouched to front doors of this wire. Default true. */
  passthrough?: boolean;
  /** Ask for usage in the stream. False for a vendor that refuses the option or sends usage anyway. Default true. */
  streamUsage?: boolean;
  /** Rename the token limit for a vendor that accepts only one of its two names. */
  maxTokensField?: 'max_tokens' | 'max_completion_tokens';
  /** Fields that this vendor refuses; they are left out. */
  drop?: string[];
}

/** How one call rides through the SDK to our transport: its request options are handed to `fetch` as they are. */
interface Call {
  context: SendContext;
  response?: UpstreamResponse;
}

/** Never reached: waits are the attempt's own. The largest value that a timer takes. */
const NO_TIMEOUT = 2 ** 31 - 1;

export function createOpenAiProvider(config: OpenAiProviderConfig, transport: Transport): Provider {
  // The SDK builds, signs and addresses the request; it never sees the response, whose body is read raw.
  const viaTransport = async (url: string | URL | Request, init?: RequestInit & { call?: Call }): Promise<Response> => {
    const call = init!.call!;
    call.response = await transport.open(
      {
        url: String(url),
        method: init!.method ?? 'POST',
        headers: Object.fromEntries(new Headers(init!.headers)),
        body: init!.body as string,
      },
      call.context,
    );
    return new Response(null, { status: 200 });
  };
  const common = {
    apiKey: config.apiKey || 'none', // local servers want none, the SDK insists on one
    defaultHeaders: { ...(config.apiKey ? {} : { authorization: null }), ...config.headers },
    defaultQuery: config.query,
    maxRetries: 0,
    timeout: NO_TIMEOUT,
    fetch: viaTransport as typeof fetch,
    logLevel: 'off' as const,
  };
  const account = { organization: null, project: null };
  const client = withoutCustomHeaders(() =>
    config.apiVersion
      ? new AzureOpenAI({ ...common, ...account, baseURL: config.baseUrl, apiVersion: config.apiVersion })
      : new OpenAI({ ...common, ...account, baseURL: config.baseUrl }),
  );

  return {
    name: config.name,
    wire: 'openai',
    passthrough: config.passthrough ?? true,

    /** Always streamed, also for a client that wants it whole: an answer under way can be cancelled, timed and metered. */
    request(chat: ChatRequest, model: string) {
      const { stream_options, ...rest } = chat as ChatRequest & { stream_options?: object };
      const body: Record<string, unknown> = { ...rest, model, stream: true };
      if (config.streamUsage !== false) body.stream_options = { ...stream_options, include_usage: true };
      if (config.maxTokensField) {
        const limit = chat.max_completion_tokens ?? chat.max_tokens;
        delete body.max_tokens;
        delete body.max_completion_tokens;
        if (limit != null) body[config.maxTokensField] = limit;
      }
      for (const field of config.drop ?? []) delete body[field];
      return body;
    },

    async send(body, context) {
      const call: Call = { context };
      try {
        await client.chat.completions
          .create(
            body as OpenAI.ChatCompletionCreateParamsStreaming,
            { fetchOptions: { call } } as OpenAI.RequestOptions,
          )
          .asResponse();
      } catch (thrown) {
        if (call.response === undefined) throw causeOf(thrown, context.signal);
      }
      return call.response!;
    },

    decoder: createOpenAiDecoder,
    fault: statusFault,
    close: () => transport.close(),
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
