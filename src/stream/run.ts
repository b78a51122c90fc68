// One request from its front door to its ending: attempts at the plan's targets, in order, until one has content or none is left.
// The line of commitment is here: before the first event a failure may move on or be a plain HTTP status; after it, the stream
// goes on to its one terminal. Knows contracts only; no vendor, no route, no config file.
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Ledger, PriceOf, RowNote, Tokenizer } from '../core/accounting.ts';
import { type ChatRequest, type OnDisconnect, promptText } from '../core/chat.ts';
import type { Dialect, Exchange, ParsedRequest, Target } from '../core/contracts.ts';
import { GatewayError } from '../core/errors.ts';
import type { Ending } from '../core/events.ts';
import type { LiveStore } from '../core/live.ts';
import { type Attempt, type Outcome, startAttempt } from './attempt.ts';
import { createDirectory, type Directory, type Idempotency, type Limits, type Stream } from './directory.ts';
import { endingOf, endingToJson, endReasonOf } from './ending.ts';
import type { FollowerLimits } from './follower.ts';
import { createMeter, formatTokens } from './meter.ts';
import type { Plan } from './plan.ts';
import { schedule } from './schedule.ts';
import { createStreamedSession, createWholeSession, type Session } from './session.ts';

export interface RunRequest {
  dialect: Dialect;
  parsed: ParsedRequest;
  plan: Plan;
  exchange: Exchange;
  /** The key's name; null where none is configured. */
  key: string | null;
  onDisconnect: OnDisconnect;
  idempotency?: Idempotency;
  /** Where a stream can be read again without a key. */
  resumeUrl(id: string): string;
  limits: StreamLimits;
  priceOf: PriceOf;
  /** Also log what was answered (config `log.content`). */
  logContent: boolean;
  log: RunLog;
}

/** Milliseconds and characters. */
export interface StreamLimits extends FollowerLimits, Limits {
  /** Silence of the provider after which the response begins anyway. */
  commitAfter: number;
  /** How long `detach` waits for a client. */
  grace: number;
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
  /** Running and retained streams by their ids. */
  streams: Directory;
  /** Waits for live streams until the deadline, in milliseconds, then ends the rest with `shutting_down`. */
  drain(deadline: number): Promise<void>;
  close(): void;
}

interface Live {
  end(why: GatewayError | 'cancelled'): void;
  note(): RowNote | undefined;
}

/** How often the rows of running streams are brought up to date, for the case that the process is killed. */
const NOTE_EVERY = 1000;

export interface RunnerOptions {
  ledger: Ledger;
  tokenizer: Tokenizer;
  coarseTokens(text: string): number;
  /** Where other nodes find the streams of this one. */
  live?: LiveStore;
}

export function createRunner({ ledger, tokenizer, coarseTokens, live: shared }: RunnerOptions): Runner {
  const live = new Set<Live>();
  const streams = createDirectory();
  let emptied: (() => void) | undefined;

  shared?.own({
    onListeners: (id, count) => streams.running.get(id)?.audience.elsewhere(count),
    onStop: (id) => void streams.running.get(id)?.stop(),
  });

  const notes = setInterval(() => {
    const rows = [...live].flatMap((stream) => stream.note() ?? []);
    if (rows.length > 0) ledger.note(rows).catch(() => {}); // the next one carries the same and more
  }, NOTE_EVERY);
  notes.unref();

  async function run(request: RunRequest): Promise<void> {
    const { dialect, parsed, plan, limits, log } = request;
    const arrivedAt = performance.now();
    const id = `str_${randomBytes(20).toString('base64url')}`;
    let current: Attempt | undefined;
    let stopped: GatewayError | 'cancelled' | undefined; // ended from outside: no further attempt
    let left = false; // nobody listens, and nobody is waited for
    let grace: NodeJS.Timeout | undefined;
    const { promise: interrupted, resolve: interrupt } = Promise.withResolvers<void>(); // a wait that nobody waits for ends
    const { promise: ended, resolve: settle } = Promise.withResolvers<Ending>();

    function end(why: GatewayError | 'cancelled'): void {
      stopped ??= why;
      current?.cancel(why);
      interrupt();
    }

    function leave(): void {
      left = true;
      current?.cancel('client_closed');
      interrupt();
    }

    /** Somebody came or left; `why`: was dropped. */
    function onChange(why?: GatewayError): void {
      clearTimeout(grace);
      if (session.audience.size > 0 || request.onDisconnect === 'finish') return;
      if (request.onDisconnect === 'detach') grace = setTimeout(leave, limits.grace).unref();
      else if (why) end(why);
      else leave();
    }

    const common = {
      meta: {
        streamId: id,
        model: plan.model,
        provider: '',
        created: Math.floor(Date.now() / 1000),
        resumeUrl: () => request.resumeUrl(id),
        dropped: [],
      },
      wire: dialect.wire,
      limits,
      fault: dialect.fault,
      independent: request.onDisconnect === 'finish',
      onChange,
      onPack: streams.growth(limits),
      ...(shared && {
        onBegin(headers: Record<string, string>, heartbeat: string) {
          const { key, door, model, startedAt, conversation, audience } = stream;
          shared.publish({ id, key, door, model, startedAt, conversation, headers, heartbeat }, audience.log!);
        },
        onSaid: touches(shared, id),
      }),
    };
    const session = parsed.stream
      ? createStreamedSession(common, dialect.encoder(parsed.options))
      : createWholeSession(common, dialect.collector(parsed.options));
    const stream: Stream = {
      id,
      key: request.key,
      door: dialect.name,
      model: plan.model,
      startedAt: Date.now(),
      idempotency: request.idempotency,
      conversation: parsed.conversation,
      audience: session.audience,
      stop() {
        end('cancelled');
        return ended;
      },
    };
    const running: Live = { end, note: () => current?.note() };
    live.add(running);
    streams.add(stream);
    session.audience.attach(request.exchange, START);
    const commit = setTimeout(() => session.commit(), limits.commitAfter);
    commit.unref();
    log.info(
      { stream: id, model: plan.model, door: dialect.name, key: request.key ?? undefined, metadata: parsed.metadata },
      'stream started',
    );

    let attempts = 0;
    let outcome: Outcome | undefined;
    try {
      for (const { target, wait } of schedule(plan, () => outcome)) {
        if (wait > 0) await Promise.race([sleep(wait, undefined, { ref: false }), interrupted]);
        if (stopped || left) break;
        attempts++;
        session.meta.provider = target.provider.name;
        current = begin(request, session, target, attempts, arrivedAt);
        outcome = await current.done;
        if (outcome.terminal?.type !== 'error' || outcome.started) break;
      }
    } finally {
      clearTimeout(commit);
      live.delete(running);
    }
    const ending = endingOf(outcome, stopped, plan.model, session.meta.provider, attempts, arrivedAt);
    session.end(ending);
    clearTimeout(grace);
    streams.end(stream, ending, limits);
    shared?.end(id, endingToJson(ending), limits.retain);
    settle(ending);
    const line = {
      stream: id,
      end: left && !outcome?.terminal ? 'client_closed' : endReasonOf(ending),
      provider: ending.provider,
      attempts,
      usage: ending.usage,
      cost_usd: ending.cost_usd,
      ...ending.timing,
    };
    if (request.logContent && outcome) log.info({ stream: id, text: outcome.text }, 'answer');
    // An error's message may quote the provider, and that the prompt: only the code is logged, and the cause of our own faults.
    if (line.end === 'internal')
      log.error({ ...line, err: (ending as { error?: Error }).error?.cause }, 'stream ended');
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
        for (const stream of live) stream.end(error);
      }, deadline);
      emptied = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async function countPrompt(chat: ChatRequest): Promise<number> {
    const { tokens } = await tokenizer.count(chat.model, promptText(chat));
    return tokens + formatTokens(chat);
  }

  function close(): void {
    clearInterval(notes);
    streams.close();
  }

  return { run, streams, countPrompt, live: () => live.size, drain, close };
}

/** Apart, so that what is kept of a stream holds nothing of its run. */
function touches(live: LiveStore, id: string): () => void {
  return () => live.touch(id);
}

const START = { block: 0, offset: 0 };
