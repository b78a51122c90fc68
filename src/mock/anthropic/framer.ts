// A message in Anthropic's framing: named events that open, fill and close numbered blocks, or one JSON object.
// Knows how things are said, not what or when: that is answer.ts and script.ts.
// https://platform.claude.com/docs/en/build-with-claude/streaming
import { createHash, randomBytes } from 'node:crypto';
import { type Answer, type Choice, foldChoice, parseArguments, type Tokens } from '../answer.ts';
import type { Plan } from '../plan.ts';
import { sign, signDigest } from '../signature.ts';
import type { Asked, Framer, RequestContext } from '../wire.ts';
import { streamedFailure } from './errors.ts';
import { promptOf } from './prompt.ts';
import type { AnthropicRequest } from './request.ts';

const REASONS = { stop: 'end_turn', length: 'max_tokens', 'tool-calls': 'tool_use', 'content-filter': 'refusal' };

export function createFramer(
  asked: Asked,
  body: AnthropicRequest,
  plan: Plan,
  { promptCache }: RequestContext,
): Framer {
  const id = `msg_mock${randomBytes(10).toString('hex')}`;
  const refuses = plan.content.kind === 'refusal';
  const hidesThoughts =
    body.thinking !== undefined && 'display' in body.thinking && body.thinking.display === 'omitted';
  const usage = createUsage(body, asked.promptTokens, promptCache.lookUp(promptOf(body)));
  const message = (content: unknown[], stopped: object, reported: object | null) => ({
    model: body.model,
    id,
    type: 'message',
    role: 'assistant',
    content,
    ...stopped,
    ...(reported && { usage: reported }),
  });
  const stopped = (reason: Choice['finish'], stop: string | null) => {
    const named =
      stop !== null ? 'stop_sequence' : refuses && reason === 'stop' ? 'refusal' : reason && REASONS[reason];
    const details = { type: 'refusal', category: null, explanation: null };
    return { stop_reason: named, stop_sequence: stop, stop_details: named === 'refusal' ? details : null };
  };

  // The open block: a delta is its prefix, one JSON string and its suffix.
  let index = -1;
  let kind = '';
  let delta = '';
  let thoughts = createHash('sha256');
  let pinged = false;

  function enter(type: 'text' | 'thinking' | 'tool_use', block: object, deltaType: string, field: string): string {
    const left = leave();
    index++;
    kind = type;
    delta = `event: content_block_delta\ndata: {"type":"content_block_delta","index":${index},"delta":{"type":"${deltaType}","${field}":`;
    const start = event('content_block_start', { index, content_block: { type, ...block } });
    const ping = pinged ? '' : 'event: ping\ndata: {"type": "ping"}\n\n';
    pinged = true;
    return left + start + ping;
  }

  function leave(): string {
    if (kind === '') return '';
    const signature = kind === 'thinking' ? signDigest(thoughts.digest('hex')) : null;
    const seal = signature && event('content_block_delta', { index, delta: { type: 'signature_delta', signature } });
    thoughts = createHash('sha256');
    kind = '';
    return (seal ?? '') + event('content_block_stop', { index });
  }

  const say = (text: string) => `${delta}${JSON.stringify(text)}}}\n\n`;

  return {
    contentType: asked.stream ? 'text/event-stream; charset=utf-8' : 'application/json',
    open() {
      const reported = plan.usage === 'never' ? null : plan.usage === 'with-finish' ? usage.nothing : usage.started;
      return event('message_start', { message: message([], stopped(null, null), reported) });
    },
    piece(_, piece) {
      switch (piece.kind) {
        case 'reasoning': {
          const entered =
            kind === 'thinking' ? '' : enter('thinking', { thinking: '', signature: '' }, 'thinking_delta', 'thinking');
          if (hidesThoughts) return entered;
          thoughts.update(piece.text);
          return entered + say(piece.text);
        }
        case 'text':
        case 'refusal':
          return (kind === 'text' ? '' : enter('text', { text: '' }, 'text_delta', 'text')) + say(piece.text);
        case 'call':
          return enter('tool_use', callOf(piece), 'input_json_delta', 'partial_json') + say('');
        case 'arguments':
          return say(piece.text);
        default:
          return piece satisfies never;
      }
    },
    finish(_, reason, tokens, stop) {
      const reported = tokens && plan.usage !== 'never' ? { usage: usage.ended(tokens) } : {};
      return leave() + event('message_delta', { delta: stopped(reason, stop), ...reported });
    },
    usage: () => '',
    endMarker: () => event('message_stop', {}),
    error: streamedFailure,
    garbage: () =>
      asked.stream
        ? `event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"del\n\n`
        : '{"id":"msg_',
    comment: ': MOCK PROCESSING\n\n',
    whole({ choices: [choice], tokens }: Answer) {
      const { finish, stop } = choice!;
      const reported = plan.usage === 'never' ? null : { ...usage.started, ...usage.ended(tokens) };
      return JSON.stringify(message(wholeContent(choice!, hidesThoughts), stopped(finish, stop), reported));
    },
  };
}

function event(name: string, fields: object): string {
  return `event: ${name}\ndata: ${JSON.stringify({ type: name, ...fields })}\n\n`;
}

function callOf({ id, name }: { id: string; name: string }) {
  return { id: id.replace(/^call_/, 'toolu_'), name, input: {}, caller: { type: 'direct' } };
}

function wholeContent(choice: Choice, hidesThoughts: boolean): unknown[] {
  const { reasoning, text, refusal, calls } = foldChoice(choice);
  const thinking = hidesThoughts ? '' : reasoning.join('');
  const said = [...text, ...refusal];
  return [
    ...(reasoning.length > 0 ? [{ type: 'thinking', thinking, signature: sign(thinking) }] : []),
    ...(said.length > 0 ? [{ type: 'text', text: said.join('') }] : []),
    ...calls.map((call) => ({ type: 'tool_use', ...callOf(call), input: parseArguments(call.arguments) })),
  ];
}

/** Cached tokens are counted apart from `input_tokens`. https://platform.claude.com/docs/en/build-with-claude/prompt-caching */
function createUsage(body: AnthropicRequest, prompt: number, cache: { read: number; written: number }) {
  const hour = JSON.stringify(body).includes('"ttl":"1h"');
  const input = {
    input_tokens: prompt - cache.read - cache.written,
    cache_creation_input_tokens: cache.written,
    cache_read_input_tokens: cache.read,
  };
  const tier = { service_tier: 'standard', inference_geo: 'not_available' };
  const creation = {
    ephemeral_5m_input_tokens: hour ? 0 : cache.written,
    ephemeral_1h_input_tokens: hour ? cache.written : 0,
  };
  return {
    started: { ...input, cache_creation: creation, output_tokens: 1, ...tier },
    /** What servers say at the start that know their counts at the end only. */
    nothing: { input_tokens: 0, output_tokens: 0 },
    ended: ({ completion, reasoning }: Tokens) => ({
      ...input,
      output_tokens: completion,
      output_tokens_details: { thinking_tokens: reasoning },
    }),
  };
}
