// The one error of the client, made here from an HTTP failure, an `error` event or a broken connection.
// The server's codes are those of docs/PROTOCOL.md#errors; a test holds the list equal to the server's table.
import type { PartialAnswer, Timing, Usage } from './answer.ts';

export const SERVER_CODES = [
  'invalid_request',
  'context_length_exceeded',
  'unauthorized',
  'forbidden',
  'model_not_found',
  'stream_not_found',
  'idempotency_conflict',
  'stream_gone',
  'request_too_large',
  'rate_limited',
  'concurrency_limited',
  'budget_exceeded',
  'content_filtered',
  'upstream_auth',
  'upstream_rate_limited',
  'upstream_unavailable',
  'upstream_timeout',
  'upstream_protocol',
  'upstream_truncated',
  'slow_client',
  'shutting_down',
  'node_lost',
  'internal',
] as const;

/**
 * What only this side can know. `connection_failed`: no answer at all. `connection_lost`: it broke off before the end.
 * `invalid_response`: something answered, and not in Millrace's words, be it a proxy's error page. `stopped`: `result` was asked of a
 * stream that was stopped, or whose loop was left, before the server could say how it ended.
 */
export const CLIENT_CODES = ['connection_failed', 'connection_lost', 'invalid_response', 'stopped'] as const;

export type ServerErrorCode = (typeof SERVER_CODES)[number];
export type ErrorCode = ServerErrorCode | (typeof CLIENT_CODES)[number];

export interface ErrorDetail {
  status?: number;
  retryable?: boolean;
  retryAfter?: number;
  param?: string;
  phase?: 'connect' | 'first_token' | 'idle' | 'total';
  usage?: Usage;
  cost_usd?: number | null;
  attempts?: number;
  timing?: Timing;
  cause?: unknown;
}

/** Branch on `code`; `message` is for people. A newer server may have codes that are not listed here. */
export class MillraceError extends Error {
  override readonly name = 'MillraceError';
  readonly code: ErrorCode;
  /** Of HTTP; undefined when there was no answer. */
  readonly status: number | undefined;
  /** The same request may succeed later. */
  readonly retryable: boolean;
  /** Seconds to wait before that, where the server said so. */
  readonly retryAfter: number | undefined;
  /** The field of the request at fault: `messages[0].role`. */
  readonly param: string | undefined;
  /** Which wait ran out, with `upstream_timeout`. */
  readonly phase: ErrorDetail['phase'];
  /** What the failure cost, where the server said so. */
  readonly usage: Usage | undefined;
  readonly cost_usd: number | null | undefined;
  readonly attempts: number | undefined;
  readonly timing: Timing | undefined;
  /** What had come before; undefined when the request never became a stream. Set by the stream. */
  partial: PartialAnswer | undefined;

  constructor(code: ErrorCode, message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.code = code;
    this.status = detail.status;
    this.retryable = detail.retryable ?? false;
    this.retryAfter = detail.retryAfter;
    this.param = detail.param;
    this.phase = detail.phase;
    this.usage = detail.usage;
    this.cost_usd = detail.cost_usd;
    this.attempts = detail.attempts;
    this.timing = detail.timing;
  }
}

/** The `error` object of a failure, in a stream or as the body of an HTTP answer. */
export type ErrorBody = { code: ErrorCode; message: string } & ErrorDetail;

export const fromBody = ({ code, message, ...detail }: ErrorBody, retryAfter?: number): MillraceError =>
  new MillraceError(code, message, { ...detail, retryAfter });

/** Of a response that is no success. What stands in front of Millrace may answer in a shape of its own. */
export async function fromResponse(response: Response): Promise<MillraceError> {
  const { status, statusText } = response;
  const body = (await response.json().catch(() => undefined)) as { error?: ErrorBody } | undefined;
  const retryAfter = secondsOf(response.headers.get('retry-after'));
  const error = body?.error;
  if (typeof error?.code === 'string') return fromBody({ ...error, status }, retryAfter);
  return new MillraceError('invalid_response', `The server answered ${`${status} ${statusText}`.trim()}.`, {
    status,
    retryable: status === 408 || status === 429 || status >= 500,
    retryAfter,
  });
}

/** Seconds, or a date: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after */
function secondsOf(text: string | null): number | undefined {
  if (text === null) return undefined;
  const seconds = /^\d+$/.test(text) ? Number(text) : (Date.parse(text) - Date.now()) / 1000;
  return Number.isNaN(seconds) ? undefined : Math.max(0, Math.ceil(seconds));
}
