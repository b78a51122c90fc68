// One HTTP request to Millrace: address, key, failures as errors. Web standards only, so that it runs in a browser and in Node.
// Knows no stream.
import { fromResponse, MillraceError } from './errors.ts';

export interface ApiOptions {
  /** Millrace's address, with the path under which a proxy has it: `http://127.0.0.1:8787`. */
  baseUrl: string | URL;
  /** Sent as `authorization: Bearer …`. */
  apiKey?: string | undefined;
  /** Sent with every request. */
  headers?: Record<string, string>;
  /** Instead of the global one. */
  fetch?: typeof fetch;
}

export interface RequestOptions {
  body?: object;
  /** Of this request alone. */
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
}

export interface Api {
  /**
   * Resolves with a successful response whose body is unread. Rejects with a MillraceError, or, once `signal` was aborted, with its
   * reason.
   */
  request(method: string, path: string, options?: RequestOptions): Promise<Response>;
  json<T>(response: Response, signal?: AbortSignal): Promise<T>;
}

export function createApi({ baseUrl, apiKey, headers, fetch: send = (...args) => fetch(...args) }: ApiOptions): Api {
  const base = String(baseUrl).replace(/\/+$/, '');

  async function request(method: string, path: string, { body, headers: own, signal }: RequestOptions = {}) {
    let response: Response;
    try {
      response = await send(`${base}${path}`, {
        method,
        signal,
        headers: {
          ...headers,
          ...own,
          ...(apiKey && { authorization: `Bearer ${apiKey}` }),
          ...(body && { 'content-type': 'application/json' }),
        },
        ...(body && { body: JSON.stringify(body) }),
      });
    } catch (cause) {
      if (signal?.aborted) throw signal.reason;
      const message = `Nothing answers at ${base}${reasonOf(cause)}. Is Millrace running there?`;
      throw new MillraceError('connection_failed', message, { retryable: true, cause });
    }
    if (!response.ok) throw await fromResponse(response);
    return response;
  }

  async function json<T>(response: Response, signal?: AbortSignal): Promise<T> {
    const text = await response.text().catch((cause) => {
      if (signal?.aborted) throw signal.reason;
      throw new MillraceError('connection_lost', 'The connection broke in the middle of the answer.', {
        retryable: true,
        cause,
      });
    });
    try {
      return JSON.parse(text);
    } catch (cause) {
      const message = 'What answered is not Millrace: its answer is no JSON.';
      throw new MillraceError('invalid_response', message, { status: response.status, cause });
    }
  }

  return { request, json };
}

/** Node says why: a code of the system's or of TLS, or a sentence. A browser does not. */
function reasonOf(thrown: unknown): string {
  const { cause } = thrown as { cause?: { code?: string; message?: string } };
  const why = cause?.code ?? cause?.message;
  return why === undefined ? '' : ` (${why})`;
}
