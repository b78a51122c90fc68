// The one table of errors: code → HTTP status and whether trying again can help. Every error a client sees is made here.
// docs/PROTOCOL.md shows the same table; a test holds the two equal. Knows no vendor and no front door.

export const ERROR_TABLE = {
  invalid_request: { status: 400, retryable: false },
  context_length_exceeded: { status: 400, retryable: false },
  unauthorized: { status: 401, retryable: false },
  forbidden: { status: 403, retryable: false },
  model_not_found: { status: 404, retryable: false },
  stream_not_found: { status: 404, retryable: false },
  idempotency_conflict: { status: 409, retryable: false },
  stream_gone: { status: 410, retryable: false },
  request_too_large: { status: 413, retryable: false },
  rate_limited: { status: 429, retryable: true },
  concurrency_limited: { status: 429, retryable: true },
  budget_exceeded: { status: 402, retryable: false },
  content_filtered: { status: 422, retryable: false },
  upstream_auth: { status: 502, retryable: false },
  upstream_rate_limited: { status: 429, retryable: true },
  upstream_unavailable: { status: 503, retryable: true },
  upstream_timeout: { status: 504, retryable: true },
  upstream_protocol: { status: 502, retryable: true },
  upstream_truncated: { status: 502, retryable: true },
  slow_client: { status: 499, retryable: false },
  shutting_down: { status: 503, retryable: true },
  node_lost: { status: 503, retryable: true },
  internal: { status: 500, retryable: false },
} as const satisfies Record<string, { status: number; retryable: boolean }>;

export type ErrorCode = keyof typeof ERROR_TABLE;

/** Which wait ran out, for `upstream_timeout`. */
export type TimeoutPhase = 'connect' | 'first_token' | 'idle' | 'total';

export interface ErrorDetail {
  /** Which wait ran out; only with `upstream_timeout`. */
  phase?: TimeoutPhase;
  /** How long to wait before trying again, in seconds; becomes the `retry-after` header. */
  retryAfter?: number;
  /** The field of the request that is at fault, as a path: `messages[0].role`. */
  param?: string;
  cause?: unknown;
}

/** What a client is told: the `error` object of a plain HTTP failure, and the base of an `error` event. */
export interface ErrorBody {
  code: ErrorCode;
  message: string;
  retryable: boolean;
  status: number;
  phase?: TimeoutPhase;
  param?: string;
}

export class GatewayError extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  readonly retryable: boolean;
  readonly phase: TimeoutPhase | undefined;
  readonly retryAfter: number | undefined;
  readonly param: string | undefined;

  constructor(code: ErrorCode, message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = 'GatewayError';
    this.code = code;
    this.status = ERROR_TABLE[code].status;
    this.retryable = ERROR_TABLE[code].retryable;
    this.phase = detail.phase;
    this.retryAfter = detail.retryAfter;
    this.param = detail.param;
  }

  body(): ErrorBody {
    return {
      code: this.code,
      message: this.message,
      retryable: this.retryable,
      status: this.status,
      ...(this.phase && { phase: this.phase }),
      ...(this.param && { param: this.param }),
    };
  }
}

/** Anything thrown becomes an error of the table. What is not ours says only `internal`: its text may hold secrets. */
export function toGatewayError(thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  return new GatewayError('internal', 'Something failed inside Millrace; the log has the details.', { cause: thrown });
}
