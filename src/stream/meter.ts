// What one attempt generated, delivered and costs. Fed on the hot path with strings it only chains; counting happens once, at
// the end, off the event loop. The provider's own figures win; what it did not report is counted and marked `estimated`.

import { costOf, type Price, type Tokenizer } from '../core/accounting.ts';
import { type ChatRequest, promptText } from '../core/chat.ts';
import { type ContentEvent, NO_USAGE, type Usage } from '../core/events.ts';

export interface Reading {
  usage: Usage;
  cost_usd: number | null;
  reported_output_tokens: number | null;
  generated_tokens: number;
  delivered_tokens: number;
}

export interface Meter {
  content(event: ContentEvent): void;
  /** Cumulative; the last report wins. */
  usage(usage: Usage): void;
  /** Everything so far has been handed to a client that was there. */
  delivered(): void;
  /** Everything generated so far: text, reasoning and tool calls in the order they came. */
  text(): string;
  /** When the first content came, on the `performance.now` clock; null before. */
  firstTokenAt(): number | null;
  /** Cheap and approximate: what a row is closed with if the process dies now. */
  glance(): { input_tokens: number; output_tokens: number; cost_usd: number | null };
  /** `sent`: the request reached the provider, so that its prompt may be billed. `whole`: the provider finished its answer. */
  settle(state: { sent: boolean; whole: boolean }): Promise<Reading>;
}

/** What a chat format adds around each message and in front of the answer. https://github.com/openai/openai-cookbook */
const TOKENS_PER_MESSAGE = 3;
const TOKENS_PER_REPLY = 3;

export function formatTokens(chat: ChatRequest): number {
  return chat.messages.length * TOKENS_PER_MESSAGE + TOKENS_PER_REPLY;
}

/** Characters after which the recent text is packed. */
const RECENT = 4096;

function endsInHalfACharacter(text: string): boolean {
  const last = text.charCodeAt(text.length - 1);
  return last >= 0xd800 && last <= 0xdbff;
}

export function createMeter(options: {
  chat: ChatRequest;
  model: string;
  price: Price | null;
  tokenizer: Tokenizer;
  coarseTokens(text: string): number;
}): Meter {
  const { chat, model, price, tokenizer, coarseTokens } = options;
  // The latest text is a rope, which neither copies nor counts; what is older is kept as bytes, since a rope of slices keeps
  // alive every read from the socket that it was cut from.
  let recent = '';
  const older: Buffer[] = [];
  let length = 0; // in UTF-16 units, of both
  let deltas = 0;
  let deliveredLength = 0;
  let firstAt: number | null = null;
  let reported: Usage | undefined;
  let coarseInput: number | undefined;

  function append(piece: string): void {
    recent += piece;
    length += piece.length;
    deltas++;
    if (recent.length > RECENT && !endsInHalfACharacter(recent)) {
      older.push(Buffer.from(recent));
      recent = '';
    }
  }
  const text = () => (older.length === 0 ? recent : Buffer.concat(older).toString() + recent);

  const count = (part: string) =>
    part === '' ? Promise.resolve(0) : tokenizer.count(model, part).then(({ tokens }) => tokens);

  return {
    content(event) {
      firstAt ??= performance.now();
      switch (event.type) {
        case 'token':
        case 'reasoning':
          append(event.text);
          return;
        case 'tool-call-delta':
          append(event.name ? event.name + event.arguments : event.arguments);
          return;
        case 'tool-call':
        case 'reasoning-detail':
          return; // its deltas were counted
        default:
          event satisfies never;
      }
    },

    usage(usage) {
      reported = usage;
    },

    delivered() {
      deliveredLength = length;
    },

    text,
    firstTokenAt: () => firstAt,

    glance() {
      coarseInput ??= coarseTokens(promptText(chat));
      const usage = {
        ...(reported ?? NO_USAGE),
        input_tokens: reported?.input_tokens || coarseInput,
        output_tokens: Math.max(reported?.output_tokens ?? 0, deltas, Math.ceil(length / 4)),
      };
      return { input_tokens: usage.input_tokens, output_tokens: usage.output_tokens, cost_usd: costOf(usage, price) };
    },

    async settle({ sent, whole }) {
      const final = whole && reported !== undefined && reported.output_tokens + reported.input_tokens > 0;
      const undelivered = deliveredLength < length;
      const [generated, delivered, input] = await Promise.all([
        final ? reported!.output_tokens : count(text()),
        undelivered ? count(text().slice(0, deliveredLength)) : undefined,
        reported?.input_tokens || !sent ? undefined : count(promptText(chat)),
      ]);
      const usage = final ? reported! : estimate(generated, input);
      return {
        usage,
        cost_usd: costOf(usage, price),
        reported_output_tokens: reported?.output_tokens ?? null,
        generated_tokens: generated,
        delivered_tokens: delivered === undefined ? generated : Math.min(delivered, generated),
      };
    },
  };

  function estimate(generated: number, promptTokens: number | undefined): Usage {
    const input = reported?.input_tokens || (promptTokens === undefined ? 0 : promptTokens + formatTokens(chat));
    return {
      ...(reported ?? NO_USAGE),
      input_tokens: input,
      output_tokens: Math.max(generated, reported?.output_tokens ?? 0),
      estimated: input + generated > 0,
    };
  }
}
