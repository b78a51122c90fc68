// How an answer looks in a terminal: its text on stdout, everything about it on stderr, so that a pipe carries the text alone.
// Knows the client's events; asks nothing.
import { styleText } from 'node:util';
import type { ChatEvent, MillraceError } from '../client/index.ts';

export interface Printer {
  event(event: ChatEvent): void;
  /** The stream was cut by us; how it ended is not known. */
  stopped(): void;
  failed(error: MillraceError): void;
  /** Nobody reads any more: `| head` has seen enough. */
  closed(): boolean;
}

export interface PrinterOptions {
  /** Undefined: in a terminal. */
  reasoning: boolean | undefined;
  /** One event per line on stdout instead of text. */
  json: boolean;
  /** Told once, when nobody reads stdout any more. */
  onClosed(): void;
}

type Done = Extract<ChatEvent, { type: 'done' }>;

export function createPrinter({ reasoning, json, onClosed }: PrinterOptions): Printer {
  const { stdout, stderr } = process;
  const thinksAloud = reasoning ?? stderr.isTTY;
  let closed = false;
  /** Where a line is unfinished. In a terminal both share the screen, and a line of one must not begin inside one of the other. */
  let open: 'text' | 'reasoning' | undefined;

  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    closed = true;
    onClosed();
  });

  function say(text: string): void {
    if (!closed) stdout.write(text);
  }

  /** A line about the answer. */
  function note(text: string, format: 'dim' | 'red' = 'dim'): void {
    finishLine();
    stderr.write(`${styleText(format, harmless(text), { stream: stderr })}\n`);
  }

  function finishLine(): void {
    if (open === 'text') say('\n');
    if (open === 'reasoning') stderr.write('\n\n');
    open = undefined;
  }

  function piece(kind: 'text' | 'reasoning', text: string): void {
    if (text === '') return;
    if (open !== kind) finishLine();
    if (kind === 'text') say(stdout.isTTY ? harmless(text) : text);
    else stderr.write(styleText('dim', harmless(text), { stream: stderr }));
    open = kind === 'text' && text.endsWith('\n') ? undefined : kind;
  }

  function show(event: ChatEvent): void {
    switch (event.type) {
      case 'token':
        piece('text', event.text);
        return;
      case 'reasoning':
        if (thinksAloud) piece('reasoning', event.text);
        return;
      case 'tool-call':
        note(
          `tool call ${event.name} ${event.invalid ? `${event.arguments_text} (no JSON)` : JSON.stringify(event.arguments)}`,
        );
        return;
      case 'done':
        if (!closed) note(summaryOf(event));
        return;
      case 'start':
      case 'reasoning-detail':
      case 'tool-call-delta':
        return;
      default:
        event satisfies never;
    }
  }

  return {
    event: (event) => (json ? say(`${JSON.stringify(event)}\n`) : show(event)),
    stopped() {
      if (!json) note('stopped; what it took is in the ledger');
    },
    failed(error) {
      const { code, message, status, retryable, retryAfter, param, phase, usage, cost_usd } = error;
      const detail = { retryable, status, retry_after: retryAfter, param, phase, usage, cost_usd };
      if (json) say(`${JSON.stringify({ type: 'error', code, message, ...detail })}\n`);
      const hint = code === 'unauthorized' ? ' Give one with --key or MILLRACE_API_KEY.' : '';
      const wait = retryAfter === undefined ? '' : ` It asks to wait ${retryAfter} s.`;
      note(`${code}: ${message}${hint}${wait}`, 'red');
    },
    closed: () => closed,
  };
}

/** What a model says must not drive the terminal: no control characters but line ends and tabs. */
function harmless(text: string): string {
  return text.replace(/(?![\n\t])\p{Cc}/gu, '');
}

/** `fast · stop · 12 in · 20 out · $0.000123 · first token 76 ms · 45 tokens/s`; ≈ before counts that are estimates. */
function summaryOf({ model, provider, finish_reason, usage, cost_usd, timing }: Done): string {
  const about = usage.estimated ? '≈ ' : '';
  const { first_token_ms: first, total_ms: total } = timing;
  const parts = [
    model.startsWith(`${provider}/`) ? model : `${model} (${provider})`,
    finish_reason,
    `${about}${usage.input_tokens} in`,
    `${about}${usage.output_tokens} out`,
    cost_usd === null ? 'cost unknown' : `${about}$${Number(cost_usd.toFixed(6))}`,
  ];
  if (first !== null) parts.push(`first token ${first < 1000 ? `${first} ms` : `${(first / 1000).toFixed(1)} s`}`);
  if (first !== null && total > first && usage.output_tokens > 1) {
    parts.push(`${Math.round(((usage.output_tokens - 1) / (total - first)) * 1000)} tokens/s`);
  }
  return parts.join(' · ');
}
