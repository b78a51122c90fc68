// The server under examination, as one address: who is in front of it, what it says of itself, how a chat is started there. Asks over a
// wire; judges nothing.

import { parseModel } from '../mock/behaviours.ts';
import { PROXIES, type ProxyName } from './doctor.settings.ts';
import { type Ask, jsonOf, type Reply, reasonOf, textOf, type Wire } from './doctor.wire.ts';

export interface SiteOptions {
  base: URL;
  wire: Wire;
  key?: string;
  /** Asked where the server lists no mock. */
  model?: string;
}

/** Why something was not answered as hoped. */
export interface Refusal {
  /** Undefined: no answer at all. */
  status?: number;
  /** Millrace's own, where it was Millrace that refused. */
  code?: string;
  /** For people. */
  line: string;
}

export type Started = { reply: Reply; refused?: undefined } | { refused: Refusal };

/** `body` also of a refusal, where it is JSON. */
export interface Answer<T> {
  status?: number;
  body?: T;
  refused?: Refusal;
}

/** What GET /v1/doctor says. */
export interface Facts {
  version: string;
  /** Of whoever asked Millrace: the proxy. */
  http_version: string;
  heartbeat_ms: number;
}

export interface Site {
  readonly base: URL;
  readonly wire: Wire;
  /** A model of the mock that behaves so; undefined where there is no mock. */
  mock(behaviour: string): string | undefined;
  /** What answers slowly and long: the mock, else the model that was given. */
  talker(behaviour: string): { model: string; max_tokens?: number } | undefined;
  ask(ask: Ask, over?: Wire): Promise<Reply>;
  /** Resolves with a stream that has begun, or why there is none. */
  chat(body: object, options?: { headers?: Record<string, string>; timeout?: number; over?: Wire }): Promise<Started>;
  /** Reads an answer that is not a stream. Never rejects. */
  json<T extends object>(ask: Ask): Promise<Answer<T>>;
  /** Whether the mock is there; asks for the list of models. */
  look(): Promise<Refusal | undefined>;
  /** Who is in front, as far as the answers told. */
  proxies(): ProxyName[];
}

const QUESTION = [{ role: 'user', content: 'Count from 1 to 200, one number per line, and nothing else.' }];

export function createSite({ base, wire, key, model: given }: SiteOptions): Site {
  const seen = new Set<ProxyName>();
  let mockProvider = given === undefined ? undefined : mockOf(given);

  function note({ headers }: Pick<Reply, 'headers'>, text = ''): void {
    for (const proxy of PROXIES) if (SIGNS[proxy](headers, text)) seen.add(proxy);
  }

  async function ask(asked: Ask, over = wire): Promise<Reply> {
    const reply = await over.ask({
      ...asked,
      headers: { ...(key !== undefined && { authorization: `Bearer ${key}` }), ...asked.headers },
    });
    note(reply);
    return reply;
  }

  function refusalOf(status: number, text: string): Refusal {
    const error = jsonOf<{ error?: { code?: string; message?: string } }>(text)?.error;
    if (error?.code === undefined) return { status, line: `${status} from the proxy` };
    return { status, code: error.code, line: `Millrace: ${error.code}: ${error.message}` };
  }

  const lost = (error: unknown): Refusal => ({ line: `no answer (${reasonOf(error)})` });

  async function json<T extends object>(asked: Ask): Promise<Answer<T>> {
    try {
      const reply = await ask(asked);
      const { status } = reply;
      const text = await textOf(reply);
      note(reply, text);
      return { status, body: jsonOf<T>(text), ...(status >= 400 && { refused: refusalOf(status, text) }) };
    } catch (error) {
      return { refused: lost(error) };
    }
  }

  const mock = (behaviour: string) => (mockProvider === undefined ? undefined : `${mockProvider}/${behaviour}`);

  return {
    base,
    wire,
    mock,
    talker(behaviour) {
      const model = mock(behaviour);
      if (model !== undefined) return { model };
      return given === undefined ? undefined : { model: given, max_tokens: 600 };
    },
    ask,
    json,
    async chat(body, { headers, timeout, over } = {}) {
      try {
        const asked = { accept: 'text/event-stream', 'accept-encoding': 'identity', ...headers };
        const fields = { messages: QUESTION, on_disconnect: 'cancel', ...body };
        const reply = await ask({ method: 'POST', path: '/v1/chat', headers: asked, body: fields, timeout }, over);
        if (reply.status === 200) return { reply };
        const text = await textOf(reply);
        note(reply, text);
        return { refused: refusalOf(reply.status, text) };
      } catch (error) {
        return { refused: lost(error) };
      }
    },
    async look() {
      const { status, body, refused } = await json<{ data?: { id: string }[] }>({ path: '/v1/models' });
      if (refused || !body?.data) return refused ?? { status, line: `/v1/models: ${status}, and no list of models` };
      mockProvider ??= body.data.map(({ id }) => mockOf(id)).find((name) => name !== undefined);
      return undefined;
    },
    proxies: () => {
      // Cluster ingress is nginx: it says so itself only in its error pages, and then as nginx.
      const all = PROXIES.filter((proxy) => seen.has(proxy));
      return all.includes('ingress-nginx') ? all.filter((proxy) => proxy !== 'nginx') : all;
    },
  };
}

/** The provider in `provider/behaviour`, where the second is a name of docs/MOCK.md. */
function mockOf(model: string): string | undefined {
  const [, provider, rest] = /^([^/]+)\/(.+)$/.exec(model) ?? [];
  return rest !== undefined && 'plan' in parseModel(rest) ? provider : undefined;
}

type Sign = (headers: Reply['headers'], text: string) => boolean;

const server = (name: RegExp) => (headers: Reply['headers']) => name.test(String(headers.server ?? ''));

/** By what each adds to answers, or writes into its own error pages. Some add nothing: then `--proxy` says it. */
const SIGNS: Record<ProxyName, Sign> = {
  nginx: (headers, text) => server(/nginx|openresty/i)(headers) || /<center>(nginx|openresty)/.test(text),
  'ingress-nginx': (headers) => /ingress/i.test(String(headers.server ?? '')),
  haproxy: (_headers, text) => /<h1>(502 Bad Gateway|503 Service Unavailable|504 Gateway Time-out)<\/h1>\n/.test(text),
  caddy: (headers) => server(/caddy/i)(headers) || /caddy/i.test(String(headers.via ?? '')),
  traefik: server(/traefik/i),
  cloudflare: (headers) => headers['cf-ray'] !== undefined || server(/cloudflare/i)(headers),
  alb: (headers) => server(/awselb/i)(headers) || /AWSALB/.test(String(headers['set-cookie'] ?? '')),
};
