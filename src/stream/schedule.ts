// Which target is asked next, and after what wait. Pure, but for the jitter.
import type { Target } from '../core/contracts.ts';
import type { GatewayError } from '../core/errors.ts';
import type { Outcome } from './attempt.ts';
import type { Plan } from './plan.ts';

/**
 * The order of attempts: each target, asked again with full jitter while its failure may pass, then the next. Goes on only after
 * a failure that is this provider's own; a refusal that any other would give as well is final.
 * https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
export function* schedule(plan: Plan, last: () => Outcome | undefined): Generator<{ target: Target; wait: number }> {
  for (const target of plan.targets) {
    for (let retry = 0; retry <= plan.retries; retry++) {
      const error = failureOf(last());
      if (error && retry > 0 && !error.retryable) break;
      const asked = (error?.retryAfter ?? 0) * 1000;
      yield {
        target,
        wait:
          retry === 0 ? 0 : Math.max(Math.min(asked, MAX_WAIT), Math.random() * Math.min(250 * 2 ** retry, MAX_WAIT)),
      };
      if (!movesOn(last())) return;
    }
  }
}

const MAX_WAIT = 8000;

function failureOf(outcome: Outcome | undefined): GatewayError | undefined {
  return outcome?.terminal?.type === 'error' ? outcome.terminal.error : undefined;
}

/** A refusal before anything was sent says what this target's wire cannot do; the next one's may. */
function movesOn(outcome: Outcome | undefined): boolean {
  const error = failureOf(outcome);
  if (error === undefined) return false;
  if (error.code === 'invalid_request') return !outcome!.sent;
  return error.code.startsWith('upstream_') || error.code === 'model_not_found';
}
