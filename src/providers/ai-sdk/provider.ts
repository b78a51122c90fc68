// Any provider package of the AI SDK as a provider of ours, for vendors whose wire has no file here: the package is the user's to
// install, and says itself what goes over the network. Knows the specification that such packages follow, versions 2 to 4; no vendor.
// https://ai-sdk.dev/providers/community-providers/custom-providers
import type { Provider, SendContext, UpstreamResponse } from '../../core/contracts.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Transport } from '../transport.ts';
import { createAiSdkDecoder } from './decode.ts';
import { faultOf, statusFault } from './fault.ts';
import { type Call, createCallFetch } from './fetch.ts';
import { type Factory, loadFactory } from './package.ts';
import type { SpecVersion } from './prompt.ts';
import { aiSdkRequest } from './request.ts';
import { responseOf } from './stream.ts';

export interface AiSdkProviderConfig {
  name: string;
  /** As npm knows it, or a path that begins with a dot or a slash. */
  package: string;
  /** Which export makes the provider. Default: the one that is called `create…`. */
  export?: string;
  /** Handed to the factory beside the address, the key and the headers. */
  options?: Record<string, unknown>;
  baseUrl?: string;
  apiKey?: string;
  headers?: Record<string, string>;
  query?: Record<string, string>;
  /** Fields of a chat request that are left out. */
  drop?: string[];
  /** The folder whose `node_modules` have the package. */
  cwd: string;
}

/** What is used of the specification's model, and of what makes one. */
interface LanguageModel {
  specificationVersion: SpecVersion;
  provider: string;
  doStream(options: object): PromiseLike<{ stream: ReadableStream<unknown> }>;
}
type ModelMaker = { (id: string): unknown; languageModel?: undefined } | { languageModel(id: string): unknown };

const VERSIONS = ['v2', 'v3', 'v4'] satisfies SpecVersion[];

/**
 * How long a package may prepare its request before it counts as sent, in milliseconds. Only for those that do not use the `fetch` they
 * are given: of them nobody learns when they connect.
 */
const UNSEEN = 1000;

/** Rejects when the package is missing, fails or follows another version: at start-up, with what would mend it. */
export async function createAiSdkProvider(config: AiSdkProviderConfig, transport: Transport): Promise<Provider> {
  const factory = await loadFactory(config.package, config.cwd, config.export);
  const { fetch, within } = createCallFetch(transport, config.query);
  const maker = makeMaker(config, factory, fetch);
  expectKnown(config.package, probe(maker));

  function modelOf(id: string): LanguageModel {
    let model: Partial<LanguageModel>;
    try {
      model = make(maker, id);
    } catch (thrown) {
      throw faultOf(thrown, 'asking');
    }
    expectKnown(config.package, model);
    return model as LanguageModel;
  }

  async function send(body: unknown, { signal, onSent }: SendContext): Promise<UpstreamResponse> {
    signal.throwIfAborted();
    const { model, ...options } = body as { model: string };
    const cancel = new AbortController();
    let sent = false;
    const call: Call = {
      signal: AbortSignal.any([signal, cancel.signal]),
      onSent() {
        if (!sent) onSent();
        sent = true;
      },
    };
    const language = modelOf(model);
    const unseen = setTimeout(call.onSent, UNSEEN).unref();
    const asking = within(call, async () => await language.doStream({ ...options, abortSignal: call.signal }));
    try {
      const { stream } = await Promise.race([asking, aborted(signal)]);
      call.onSent();
      const response = responseOf(stream, call, () => cancel.abort());
      return { ...response, start: (sink) => within(call, () => response.start(sink)) };
    } catch (thrown) {
      asking.then(({ stream }) => stream.cancel()).catch(() => {}); // too late for anyone
      if (signal.aborted) throw signal.reason;
      const fault = faultOf(thrown, 'asking');
      throw fault.code === 'upstream_protocol' ? (call.fault ?? fault) : fault;
    } finally {
      clearTimeout(unseen);
    }
  }

  return {
    name: config.name,
    wire: 'ai-sdk',
    passthrough: false,
    request(chat, model, vendor) {
      const { specificationVersion: version, provider } = modelOf(model);
      return aiSdkRequest(chat, { model, version, provider: String(provider) }, config.drop ?? [], vendor);
    },
    send,
    decoder: createAiSdkDecoder,
    fault: statusFault,
    close: () => transport.close(),
  };
}

/** Without a key of its own in the config, a package looks where its documentation says: an environment variable, mostly. */
function makeMaker(config: AiSdkProviderConfig, factory: Factory, fetchThrough: typeof fetch): ModelMaker {
  const { apiKey, baseUrl: baseURL, headers, options } = config;
  const given = Object.entries({ apiKey, baseURL, headers }).filter(([, value]) => value !== undefined);
  let maker: unknown;
  try {
    maker = factory({ ...options, ...Object.fromEntries(given), fetch: fetchThrough });
  } catch (cause) {
    throw new GatewayError(
      'internal',
      `The package "${config.package}" refuses its options: ${(cause as Error).message}`,
      {
        cause,
      },
    );
  }
  if (typeof maker === 'function' || typeof (maker as { languageModel?: unknown } | null)?.languageModel === 'function')
    return maker as ModelMaker;
  throw new GatewayError('internal', `The package "${config.package}" makes nothing that has language models.`);
}

function make(maker: ModelMaker, id: string): Partial<LanguageModel> {
  return ((maker.languageModel ? maker.languageModel(id) : maker(id)) ?? {}) as Partial<LanguageModel>;
}

/** Any model, to see what the package follows; undefined when it makes none of a name that it does not know. */
function probe(maker: ModelMaker): Partial<LanguageModel> | undefined {
  try {
    return make(maker, 'probe');
  } catch {
    return undefined;
  }
}

function expectKnown(name: string, model: Partial<LanguageModel> | undefined): void {
  if (model === undefined || VERSIONS.includes(model.specificationVersion as SpecVersion)) return;
  const found = model.specificationVersion ?? 'unknown';
  const known = VERSIONS.join(', ');
  const message = `The package "${name}" follows version ${found} of the AI SDK's specification; expected ${known}.`;
  throw new GatewayError('internal', message);
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
