// One attempt at one target, from opening its row to closing it: ask, watch the waits, pump, settle the bill. Every way out of
// here closes the row. Knows no front door; what the client is told is the session's business.
import { randomUUID } from 'node:crypto';
import type { Ledger, RowNote } from '../core/accounting.ts';
import { readText } from '../core/body.ts';
import type { ChatRequest } from '../core/chat.ts';
import type { Target, Translation, UpstreamResponse, Verbatim } from '../core/contracts.ts';
import { type GatewayError, toGatewayError } from '../core/errors.ts';
import type { Meter, Reading } from './meter.ts';
import { createPump, type Terminal } from './pump.ts';
import type { Session } from './session.ts';
import { createWatchdog, type Timeouts, type Watchdog } from './watchdog.ts';

export interface AttemptOptions {
  target: Target;
  number: number;
  chat: ChatRequest;
  /** The client's own fields for this target's wire. */
  vendor: Record<string, unknown> | undefined;
  verbatim: Verbatim | undefined;
  session: Session;
  meter: Meter;
  timeouts: Timeouts;
  row: { key: string | null; model: string; door: string };
  ledger: Ledger;
  /** When the request arrived, on the `performance.now` clock. */
  arrivedAt: number;
  /** The bill could not be written; the stream goes on and the store tries again. */
  onLedgerError(error: unknown): void;
}

export interface Outcome extends Reading {
  /** Undefined: it was left by its client, or stopped. */
  terminal: Terminal | undefined;
  /** Content reached the session: nobody can take over. */
  started: boolean;
  /** The request went out to the provider. */
  sent: boolean;
  first_token_ms: number | null;
  text: string;
}

/** Nobody wants the rest: the client closed its connection, or asked for a stop and waits for the bill. */
export type Leave = 'client_closed' | 'cancelled';

export interface Attempt {
  done: Promise<Outcome>;
  /** Closes the upstream at once. With an error the stream ends with it. What was already finished stays finished. */
  cancel(why: GatewayError | Leave): void;
  note(): RowNote | undefined;
}

/** How long the end of a stream waits for its row to be written. Past it the client is told, and the store retries alone. */
const LEDGER_PATIENCE = 1000;

export function startAttempt(options: AttemptOptions): Attempt {
  const { target, chat, session, meter, timeouts, ledger, arrivedAt } = options;
  const { provider } = target;
  const id = randomUUID();
  const startedAt = Date.now();
  const controller = new AbortController();
  let sent = false;
  let left: Leave | undefined;
  let refused = false; // by the provider, or it was never reached: nothing is billed
  let terminal: Terminal | undefined;
  let response: UpstreamResponse | undefined;
  let pump: ReturnType<typeof createPump> | undefined;
  let finish: () => void = () => {};
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });

  let watchdog: Watchdog | undefined;

  /** Ends the attempt from outside with an error. What was already finished stays finished. */
  function fail(error: GatewayError): void {
    if (pump) pump.fail(error);
    else terminal ??= { type: 'error', error };
    close();
  }

  function close(): void {
    controller.abort(CLOSED);
    response?.abort();
    finish();
  }

  function cancel(why: GatewayError | Leave): void {
    if (terminal || left) return;
    if (typeof why !== 'string') {
      fail(why);
      return;
    }
    left = why;
    pump?.stop();
    close();
  }

  /** Between a door and a provider of one wire the client's own words go on, as its frames come back. */
  function translate(): Translation {
    const { verbatim, vendor } = options;
    if (verbatim?.wire === provider.wire && provider.passthrough && provider.adopt) {
      return provider.adopt(verbatim, target.model);
    }
    return provider.request(chat, target.model, vendor);
  }

  async function ask(): Promise<void> {
    await ledger.open({
      id,
      stream_id: session.id,
      attempt: options.number,
      ...options.row,
      provider: provider.name,
      upstream_model: target.model,
      started_at: startedAt,
    });
    if (controller.signal.aborted) return;
    const watching = createWatchdog(timeouts, fail);
    watchdog = watching;
    const { body, dropped } = translate();
    session.meta.dropped = dropped;
    const answer = await provider.send(body, {
      signal: controller.signal,
      onSent() {
        sent = true;
        watching.sent();
      },
    });
    response = answer;
    if (controller.signal.aborted) {
      answer.abort();
      return;
    }
    if (answer.status >= 300) {
      const said = await Promise.race([readText(answer), finished]);
      throw provider.fault(answer.status, answer.headers, said ?? '');
    }
    pump = createPump({
      provider,
      choices: chat.n ?? 1,
      response: answer,
      session,
      meter,
      watchdog: watching,
      onTerminal(last) {
        terminal = last;
        finish();
      },
    });
    answer.start(pump.sink);
    await finished;
  }

  async function run(): Promise<Outcome> {
    try {
      await ask();
    } catch (thrown) {
      if (!controller.signal.aborted) {
        terminal ??= { type: 'error', error: toGatewayError(thrown) };
        refused = true;
      }
    }
    watchdog?.stop();
    linger();
    return settle();
  }

  /** After its terminal the body usually ends within the same read; then the connection can serve again. */
  function linger(): void {
    if (!response || terminal?.type !== 'done') {
      response?.abort();
      return;
    }
    const lingering = response;
    lingering.resume();
    setTimeout(() => lingering.abort(), 1000).unref();
  }

  async function settle(): Promise<Outcome> {
    const whole = terminal?.type === 'done';
    if (whole && session.whole && session.audience.size > 0) meter.delivered();
    const reading = await meter.settle({ sent: sent && !refused, whole });
    const firstAt = meter.firstTokenAt();
    const first_token_ms = firstAt === null ? null : Math.round(firstAt - arrivedAt);
    const closing = ledger.close(id, {
      ...reading.usage,
      ended_at: Date.now(),
      end_reason: left ?? endReasonOf(terminal),
      reported_output_tokens: reading.reported_output_tokens,
      generated_tokens: reading.generated_tokens,
      delivered_tokens: reading.delivered_tokens,
      cost_usd: reading.cost_usd,
      first_token_ms,
      total_ms: Math.round(performance.now() - arrivedAt),
    });
    await patiently(closing.catch(options.onLedgerError));
    return {
      ...reading,
      terminal: left ? undefined : terminal,
      started: pump?.started() ?? false,
      sent,
      first_token_ms,
      text: meter.text(),
    };
  }

  return {
    done: run(),
    cancel,
    note: () => (sent ? { id, ...meter.glance() } : undefined),
  };
}

const CLOSED = new Error('closed by Millrace');

function endReasonOf(terminal: Terminal | undefined): string {
  if (!terminal) return 'client_closed';
  return terminal.type === 'done' ? terminal.finishReason : terminal.error.code;
}

async function patiently(work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([
    work,
    new Promise<void>((resolve) => {
      timer = setTimeout(resolve, LEDGER_PATIENCE);
    }),
  ]);
  clearTimeout(timer);
}
