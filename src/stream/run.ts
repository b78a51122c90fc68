// One request from its front door to its ending: attempts at the plan's targets, in order, until one has content or none is left.
// The line of commitment is here: before the first event a failure may move on or be a plain HTTP status; after it, the stream
// goes on to its one terminal. Knows contracts only; no vendor, no route, no config file.
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Ledger, PriceOf, RowNote, Tokenizer } from '../core/accounting.ts';
import { type ChatRequest, type OnDisconnect, promptText } from '../core/chat.ts';
import type { Dialect, Exchange, ParsedRequest, Target } from '../core/contracts.ts';
import { GatewayError } from '../core/errors.ts';
import { type Ending, NO_USAGE } from '../core/events.ts';
import { type Attempt, type Outcome, startAttempt } from './attempt.ts';
import { createMeter, formatTokens } from './meter.ts';
import type { Plan } from './plan.ts';
import { createStreamedSession, createWholeSession, type Session, type SessionLimits } from './session.ts';

export interface RunRequest {
  dialect: Dialect;
  parsed: ParsedRequest;
  plan: Plan;
  exchange: Exchange;
  /** The key's name; null where none is configured. */
  key: string | null;
  onDisconnect: OnDisconnect;
  limits: SessionLimits & { commitAfter: number };
  priceOf: PriceOf;
  /** Also log what was answered (config `log.content`). */
  logContent: boolean;
  log: RunLog;
}

/** Two lines a stream: when it starts and when it ends. */
export interface RunLog {
  info(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface Runner {
  /** Resolves when the stream has ended and its rows are closed. Never rejects. */
  run(request: RunRequest): Promise<void>;
  /** An estimate of a prompt's tokens, as it would be booked if no provider reported them. */
  countPrompt(chat: ChatRequest): Promise<number>;
  /** Streams under way. */
  live(): number;
  /**
   * Ends a stream because its owner asked: whoever reads it gets `done` with `cancelled` and the usage. Resolves with its ending
   * once the bill is closed; undefined when no stream of this id and key is under way. `owner` undefined: of any key.
   */
  stop(id: string, owner: string | null | undefined): Promise<Ending | undefined>;
  /** Waits for live streams until the deadline, in milliseconds, then ends the rest with `shutting_down`. */
  drain(deadline: number): Promise<void>;
  close(): void;
}

interface Live {
  key: string | null;
  end(why: GatewayError | 'cancelled'): void;
  ended: Promise<Ending>;
  note(): RowNote | undefined;
}

/** How often the rows of running streams are brought up to date, for the case that the process is killed. */
const NOTE_EVERY = 1000;

export function createRunner(deps: {
  ledger: Ledger;
  tokenizer: Tokenizer;
  coarseTokens(text: string): number;
}): Runner {
  const { ledger, tokenizer, coarseTokens } = deps;
  const live = new Map<string, Live>();
  let emptied: (() => void) | undefined;

  const notes = setInterval(() => {
    const rows = [...live.values()].flatMap((stream) => stream.note() ?? []);
    if (rows.length > 0) ledger.note(rows).catch(() => {}); // the next one carries the same and more
  }, NOTE_EVERY);
  notes.unref();

  async function run(request: RunRequest): Promise<void> {
    const { dialect, parsed, plan, exchange, limits, log } = request;
    const arrivedAt = performance.now();
    const id = `str_${randomBytes(20).toString('base64url')}`;
    const common = {
      id,
      model: plan.model,
      wire: dialect.wire,
      exchange,
      limits,
      fault: dialect.fault,
      independent: request.onDisconnect === 'finish',
    };
    const session = parsed.stream
      ? createStreamedSession(common, dialect.encoder(parsed.options))
      : createWholeSession(common, dialect.collector(parsed.options));

    let current: Attempt | undefined;
    let stopped: GatewayError | 'cancelled' | undefined; // ended from outside: no further attempt
    let interrupt: () => void = () => {}; // a wait between attempts ends when nobody waits for it
    const interrupted = new Promise<void>((resolve) => {
      interrupt = resolve;
    });
    const { promise: ended, resolve: settled } = Promise.withResolvers<Ending>();
    const stream: Live = {
      key: request.key,
      end(why) {
        stopped ??= why;
        current?.cancel(why);
        interrupt();
      },
      ended,
      note: () => current?.note(),
    };
    live.set(id, stream);
    session.onGone((why) => {
      if (request.onDisconnect === 'finish') return;
      if (why) stream.end(why);
      else {
        current?.cancel('client_closed');
        interrupt();
      }
    });
    const commit = setTimeout(() => session.commit(), limits.commitAfter);
    commit.unref();
    log.info(
      { stream: id, model: plan.model, door: dialect.name, key: request.key ?? undefined, metadata: parsed.metadata },
      'stream started',
    );

    const abandoned = () => session.gone && request.onDisconnect === 'cancel';
    let attempts = 0;
    let outcome: Outcome | undefined;
    try {
      for (const { target, wait } of schedule(plan, () => outcome)) {
        if (wait > 0) await Promise.race([sleep(wait, undefined, { ref: false }), interrupted]);
        if (stopped || abandoned()) break;
        attempts++;
        session.meta.provider = target.provider.name;
        current = begin(request, session, target, attempts, arrivedAt);
        outcome = await current.done;
        if (outcome.terminal?.type !== 'error' || outcome.started) break;
      }
    } finally {
      clearTimeout(commit);
      live.delete(id);
    }
    const ending = endingOf(outcome, stopped, plan.model, session.meta.provider, attempts, arrivedAt);
    session.end(ending);
    settled(ending);
    const end =
      session.gone && !outcome?.terminal && stopped !== 'cancelled'
        ? 'client_closed'
        : ending.type === 'done'
          ? ending.finishReason
          : ending.error.code;
    const line = {
      stream: id,
      end,
      provider: ending.provider,
      attempts,
      usage: ending.usage,
      cost_usd: ending.cost_usd,
      ...ending.timing,
    };
    if (request.logContent && outcome) log.info({ stream: id, text: outcome.text }, 'answer');
    // An error's message may quote the provider, and that the prompt: only the code is logged, and the cause of our own faults.
    if (end === 'internal') log.error({ ...line, err: (ending as { error?: Error }).error?.cause }, 'stream ended');
    else log.info(line, 'stream ended');
    if (live.size === 0) emptied?.();
  }

  function begin(request: RunRequest, session: Session, target: Target, number: number, arrivedAt: number): Attempt {
    const { parsed, plan, log } = request;
    const { chat } = parsed;
    const meter = createMeter({
      chat,
      model: target.model,
      price: request.priceOf(target.provider.name, target.model),
      tokenizer,
      coarseTokens,
    });
    return startAttempt({
      target,
      number,
      chat,
      vendor: parsed.vendor?.[target.provider.wire],
      verbatim: parsed.verbatim,
      session,
      meter,
      timeouts: plan.timeouts,
      row: { key: request.key, model: plan.model, door: request.dialect.name },
      ledger,
      arrivedAt,
      onLedgerError: (err) => log.error({ stream: session.id, err }, 'the ledger did not take a row'),
    });
  }

  function drain(deadline: number): Promise<void> {
    if (live.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        const error = new GatewayError('shutting_down', 'Millrace is shutting down; send the request again.');
        for (const stream of live.values()) stream.end(error);
      }, deadline);
      emptied = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async function stop(id: string, owner: string | null | undefined): Promise<Ending | undefined> {
    const stream = live.get(id);
    if (!stream || (owner !== undefined && stream.key !== owner)) return undefined;
    stream.end('cancelled');
    return stream.ended;
  }

  async function countPrompt(chat: ChatRequest): Promise<number> {
    const { tokens } = await tokenizer.count(chat.model, promptText(chat));
    return tokens + formatTokens(chat);
  }

  return { run, stop, countPrompt, live: () => live.size, drain, close: () => clearInterval(notes) };
}

/**
 * The order of attempts: each target, asked again with full jitter while its failure may pass, then the next. Goes on only after
 * a failure that is this provider's own; a refusal that any other would give as well is final.
 * https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
function* schedule(plan: Plan, last: () => Outcome | undefined): Generator<{ target: Target; wait: number }> {
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

function endingOf(
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
