// The stream of an AI SDK provider package, one part to a line of JSON, as stream.ts writes it: versions 2 to 4 of the
// specification, told apart by the shape of what they say. Knows the specification's parts; no package, no vendor. On the hot path.
// https://github.com/vercel/ai/tree/main/packages/provider/src/language-model
import { StringDecoder } from 'node:string_decoder';
import type { Decoder, DecoderOptions } from '../../core/contracts.ts';
import { GatewayError } from '../../core/errors.ts';
import type { FinishReason } from '../../core/events.ts';
import { createBlocks } from './blocks.ts';
import { createCalls } from './calls.ts';
import { usageOf } from './usage.ts';

// What is read of a part. Packages are other people's code: everything is optional and of unsure type.
export interface WirePart {
  type?: string;
  id?: string;
  delta?: string;
  toolName?: string;
  toolCallId?: string;
  input?: unknown;
  inputEncoding?: string;
  providerExecuted?: boolean;
  providerMetadata?: object | null;
  /** A word in version 2; later on what it was mapped to, and the provider's own word. */
  finishReason?: string | { unified?: string; raw?: string | null } | null;
  usage?: unknown;
  warnings?: Warning[];
}
/** In version 2 of type `unsupported-setting` with a `setting`; later on `unsupported` with a `feature`. */
interface Warning {
  type?: string;
  setting?: string;
  feature?: string;
  details?: string;
}

const FINISH = new Map<unknown, FinishReason>([
  ['stop', 'stop'],
  ['length', 'length'],
  ['tool-calls', 'tool-calls'],
  ['content-filter', 'content-filter'],
]);

/** Settings without which the answer is not the one that was asked for, by their names in the request. */
const ESSENTIAL: Record<string, string> = {
  stopSequences: 'stop',
  responseFormat: 'response_format',
  toolChoice: 'tool_choice',
  tools: 'tools',
};

/** Longest line accepted, in characters. */
const MAX_LINE = 16 * 1024 * 1024;

export function createAiSdkDecoder({ emit }: DecoderOptions): Decoder {
  const utf8 = new StringDecoder('utf8');
  const blocks = createBlocks(emit);
  const calls = createCalls(emit);
  let tail = ''; // an unfinished line
  let ended = false;

  function terminal(event: Parameters<typeof emit>[0] & { type: 'done' | 'error' }): void {
    if (ended) return;
    ended = true;
    emit(event);
  }
  const fail = (error: GatewayError) => terminal({ type: 'error', error });

  function line(text: string): void {
    if (ended || text === '') return;
    const part: WirePart | null = JSON.parse(text);
    if (part !== null && typeof part === 'object') read(part);
  }

  function read(part: WirePart): void {
    switch (part.type) {
      case 'text-delta':
        if (typeof part.delta === 'string' && part.delta !== '') emit({ type: 'token', text: part.delta });
        if (part.providerMetadata) blocks.text(part, false);
        return;
      case 'text-start':
        blocks.text(part, false);
        return;
      case 'text-end':
        blocks.text(part, true);
        return;
      case 'reasoning-start':
      case 'reasoning-delta':
        blocks.reasoning(part, false);
        return;
      case 'reasoning-end':
        blocks.reasoning(part, true);
        return;
      case 'tool-input-start':
        calls.start(part);
        return;
      case 'tool-input-delta':
        calls.add(part);
        return;
      case 'tool-call':
        calls.complete(part);
        return;
      case 'stream-start':
        if (Array.isArray(part.warnings)) part.warnings.forEach(heed);
        return;
      case 'finish':
        finish(part);
    }
  }

  /** A package leaves out in silence what its API cannot do, and says so only here, when the request has been sent. */
  function heed(warning: Warning | null): void {
    if (warning?.type !== 'unsupported' && warning?.type !== 'unsupported-setting') return;
    const setting = warning.feature ?? warning.setting ?? '';
    if (!Object.hasOwn(ESSENTIAL, setting)) return;
    const param = ESSENTIAL[setting]!;
    const why = typeof warning.details === 'string' ? `: ${warning.details}` : '';
    const message = `${param}: the provider package leaves it out${why} (provider wire "ai-sdk")`;
    fail(new GatewayError('invalid_request', message, { param }));
  }

  function finish({ finishReason, usage: reported }: WirePart): void {
    const usage = usageOf(reported);
    if (usage) emit({ type: 'usage', usage });
    const whole = typeof finishReason === 'object' && finishReason !== null;
    const reason = whole ? finishReason.unified : finishReason;
    if (reason === 'error') {
      fail(new GatewayError('upstream_unavailable', 'The provider ended the stream with an error.'));
      return;
    }
    // What packages say when the body ended without a reason. Whether that was a fault is known when the stream ends.
    if (typeof reason !== 'string' || reason === 'interrupted' || reason === 'unknown') return;
    if (whole && reason === 'other' && !finishReason.raw) return;
    const known = FINISH.get(reason) ?? 'other';
    if (known === 'stop' || known === 'tool-calls') {
      if (calls.cut()) {
        fail(new GatewayError('upstream_truncated', 'The provider ended the stream inside a tool call.'));
        return;
      }
    }
    const given = calls.give(known);
    terminal({ type: 'done', finishReason: known === 'stop' && given > 0 ? 'tool-calls' : known });
  }

  function feed(fresh: string): void {
    let from = 0;
    let at = fresh.indexOf('\n');
    if (at !== -1 && tail !== '') {
      const whole = tail + fresh.slice(0, at);
      tail = '';
      line(whole);
      from = at + 1;
      at = fresh.indexOf('\n', from);
    }
    for (; at !== -1 && !ended; at = fresh.indexOf('\n', from)) {
      line(fresh.slice(from, at));
      from = at + 1;
    }
    tail += fresh.slice(from);
    if (tail.length > MAX_LINE)
      throw new GatewayError(
        'upstream_protocol',
        `The provider package sent one part of more than ${MAX_LINE} characters.`,
      );
  }

  function attempt(work: () => void): void {
    try {
      work();
    } catch (cause) {
      const shape = 'The provider package sent a part of an unexpected shape.';
      fail(cause instanceof GatewayError ? cause : new GatewayError('upstream_protocol', shape, { cause }));
    }
  }

  return {
    push(chunk) {
      if (!ended) attempt(() => feed(utf8.write(chunk)));
    },
    end(fault) {
      if (ended) return;
      const short = 'The provider ended the stream before the answer was complete.';
      fail(fault ?? new GatewayError('upstream_truncated', short));
    },
  };
}
