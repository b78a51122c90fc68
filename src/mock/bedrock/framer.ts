// An answer in Bedrock's framing: length-prefixed binary frames with checksums, a JSON payload in each, or one JSON object.
// Knows how things are said, not what or when: that is answer.ts and script.ts.
// https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html
import { createHash } from 'node:crypto';
import { EventStreamCodec } from '@smithy/core/event-streams';
import { type Choice, foldChoice, parseArguments, type Tokens } from '../answer.ts';
import type { Plan } from '../plan.ts';
import { sign, signDigest } from '../signature.ts';
import type { Asked, Framer, RequestContext } from '../wire.ts';
import { STREAM_EXCEPTION } from './errors.ts';
import { promptOf } from './prompt.ts';
import type { BedrockRequest } from './request.ts';

const REASONS = {
  stop: 'end_turn',
  length: 'max_tokens',
  'tool-calls': 'tool_use',
  'content-filter': 'content_filtered',
};

const codec = new EventStreamCodec(
  (bytes) => Buffer.from(bytes).toString(),
  (text) => Buffer.from(text),
);

export function createFramer(asked: Asked, body: BedrockRequest, plan: Plan, { promptCache }: RequestContext): Framer {
  const refuses = plan.content.kind === 'refusal';
  const cache = promptCache.lookUp(promptOf(body));
  const usageOf = ({ prompt, completion }: Tokens) => ({
    inputTokens: prompt - cache.read - cache.written,
    outputTokens: completion,
    totalTokens: prompt + completion,
    cacheReadInputTokens: cache.read,
    cacheWriteInputTokens: cache.written,
    serverToolUsage: {},
  });
  const metadata = (tokens: Tokens) => event('metadata', { metrics: { latencyMs: 7 }, usage: usageOf(tokens) });
  const reasonOf = (reason: NonNullable<Choice['finish']>, stop: string | null) => {
    if (stop !== null) return 'stop_sequence';
    return refuses && reason === 'stop' ? 'content_filtered' : REASONS[reason];
  };

  // The open block. Text and reasoning have no start of their own, only calls do.
  let index = -1;
  let kind: 'text' | 'reasoning' | 'call' | null = null;
  let thoughts = createHash('sha256');
  let padding = 0;

  /** The padding hides how long a token is. Its length varies, but is the same each time. */
  function event(type: string, payload: object): Buffer {
    padding = (padding + 23) % PADDING.length;
    return frame({ type: 'event', name: type }, { ...payload, p: PADDING.slice(0, padding + 1) });
  }

  function delta(payload: object): Buffer {
    return event('contentBlockDelta', { contentBlockIndex: index, delta: payload });
  }

  function enter(next: typeof kind): Buffer[] {
    if (next === kind && kind !== 'call') return [];
    const left = leave();
    kind = next;
    index++;
    return left;
  }

  function leave(): Buffer[] {
    if (kind === null) return [];
    const signature = kind === 'reasoning' ? signDigest(thoughts.digest('hex')) : null;
    thoughts = createHash('sha256');
    kind = null;
    const seal = signature === null ? [] : [delta({ reasoningContent: { signature } })];
    return [...seal, event('contentBlockStop', { contentBlockIndex: index })];
  }

  return {
    contentType: asked.stream ? 'application/vnd.amazon.eventstream' : 'application/json',
    open: () => event('messageStart', { role: 'assistant' }),
    piece(_, piece) {
      switch (piece.kind) {
        case 'reasoning': {
          const entered = enter('reasoning');
          thoughts.update(piece.text);
          return Buffer.concat([...entered, delta({ reasoningContent: { text: piece.text } })]);
        }
        case 'text':
        case 'refusal':
          return Buffer.concat([...enter('text'), delta({ text: piece.text })]);
        case 'call': {
          const entered = enter('call');
          const start = { toolUse: { toolUseId: idOf(piece.id), name: piece.name } };
          return Buffer.concat([...entered, event('contentBlockStart', { contentBlockIndex: index, start })]);
        }
        case 'arguments':
          return delta({ toolUse: { input: piece.text } });
        default:
          return piece satisfies never;
      }
    },
    finish(_, reason, tokens, stop) {
      const early = tokens && plan.usage === 'with-finish' ? [metadata(tokens)] : [];
      const end = reason === null ? [] : [event('messageStop', { stopReason: reasonOf(reason, stop) })];
      return Buffer.concat([...leave(), ...early, ...end]);
    },
    usage: (tokens) => (plan.usage === 'as-asked' ? metadata(tokens) : ''),
    endMarker: () => '',
    error: () => frame({ type: 'exception', name: STREAM_EXCEPTION.type }, STREAM_EXCEPTION.body),
    garbage: () => (asked.stream ? corrupt(delta({ text: 'lorem' })) : '{"output":{"mess'),
    comment: '',
    whole({ choices: [choice], tokens }) {
      const { finish, stop } = choice!;
      return JSON.stringify({
        metrics: { latencyMs: 7 },
        output: { message: { content: wholeContent(choice!), role: 'assistant' } },
        ...(finish !== null && { stopReason: reasonOf(finish, stop) }),
        ...(plan.usage !== 'never' && { usage: usageOf(tokens) }),
      });
    },
  };
}

const PADDING = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';

function frame({ type, name }: { type: 'event' | 'exception'; name: string }, payload: object): Buffer {
  const string = (value: string) => ({ type: 'string' as const, value });
  const bytes = codec.encode({
    headers: {
      [`:${type}-type`]: string(name),
      ':content-type': string('application/json'),
      ':message-type': string(type),
    },
    body: Buffer.from(JSON.stringify(payload)),
  });
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Whole by its length, wrong by its checksum. */
function corrupt(bytes: Buffer): Buffer {
  bytes[bytes.length - 1]! ^= 0xff;
  return bytes;
}

function idOf(id: string): string {
  return id.replace(/^call_/, 'tooluse_');
}

function wholeContent(choice: Choice): unknown[] {
  const { reasoning, text, refusal, calls } = foldChoice(choice);
  const thought = reasoning.join('');
  const said = [...text, ...refusal];
  return [
    ...(reasoning.length > 0
      ? [{ reasoningContent: { reasoningText: { signature: sign(thought), text: thought } } }]
      : []),
    ...(said.length > 0 ? [{ text: said.join('') }] : []),
    ...calls.map((call) => ({
      toolUse: { input: parseArguments(call.arguments), name: call.name, toolUseId: idOf(call.id) },
    })),
  ];
}
