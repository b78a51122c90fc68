// Values of unsure type in what a provider sent, read as what they should be. Knows no wire. On the hot path.
import { GatewayError } from '../core/errors.ts';

/** A field that should be text; anything else a vendor puts there says nothing. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** More than any model will ever take or give, and small enough that sums of it are exact. */
const MOST = 1e12;

/** A number of tokens; what is none is `otherwise`. */
export function countOf(value: unknown, otherwise = 0): number {
  return typeof value === 'number' && value >= 0 ? Math.min(Math.floor(value), MOST) : otherwise;
}

/** What a frame whose shape nobody foresaw ends its stream with. */
export function shapeFault(thrown: unknown): GatewayError {
  const message = 'The provider sent a frame of an unexpected shape.';
  return thrown instanceof GatewayError ? thrown : new GatewayError('upstream_protocol', message, { cause: thrown });
}

/** A decoder's step: whatever is thrown in it ends the stream, and goes no further. */
export function guarded(step: () => void, fail: (error: GatewayError) => void): void {
  try {
    step();
  } catch (thrown) {
    fail(shapeFault(thrown));
  }
}
