// How a stream ended, from what its last attempt came to; and the same as JSON, for other nodes.
import { type ErrorBody, GatewayError } from '../core/errors.ts';
import { type Ending, NO_USAGE } from '../core/events.ts';
import type { Outcome } from './attempt.ts';

export function endReasonOf(ending: Ending): string {
  return ending.type === 'done' ? ending.finishReason : ending.error.code;
}

export function endingOf(
  outcome: Outcome | undefined,
  stopped: GatewayError | 'cancelled' | undefined,
  model: string,
  provider: string,
  attempts: number,
  arrivedAt: number,
): Ending {
  const summary = {
    usage: outcome?.usage ?? NO_USAGE,
    cost_usd: outcome?.cost_usd ?? (outcome ? null : 0),
    model,
    provider,
    attempts,
    timing: { first_token_ms: outcome?.first_token_ms ?? null, total_ms: Math.round(performance.now() - arrivedAt) },
  };
  const terminal = outcome?.terminal;
  if (terminal?.type === 'done') return { type: 'done', finishReason: terminal.finishReason, ...summary };
  if (terminal?.type === 'error') return { type: 'error', error: terminal.error, ...summary };
  if (stopped && stopped !== 'cancelled') return { type: 'error', error: stopped, ...summary };
  return { type: 'done', finishReason: 'cancelled', ...summary };
}

/** What is written of an ending into the store, and read again elsewhere. */
export function endingToJson(ending: Ending): string {
  return JSON.stringify(ending.type === 'done' ? ending : { ...ending, error: ending.error.body() });
}

/** Throws when it is none. */
export function endingFromJson(json: string): Ending {
  const ending = JSON.parse(json) as Ending;
  if (ending.type === 'done') return ending;
  const { code, message, ...detail } = ending.error as unknown as ErrorBody;
  return { ...ending, error: new GatewayError(code, message, detail) };
}
