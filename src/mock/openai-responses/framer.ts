// Answers on the Responses wire: items that open, grow by deltas and close, each step an event with a number, and the whole response
// in the last one. Knows how things are said, not what or when: that is answer.ts and script.ts. No HTTP.
// https://platform.openai.com/docs/api-reference/responses-streaming
import { randomBytes } from 'node:crypto';
import type { Choice, Tokens } from '../answer.ts';
import { refuse } from '../openai/errors.ts';
import type { Plan } from '../plan.ts';
import { sign } from '../signature.ts';
import type { Asked, Framer } from '../wire.ts';
import type { ResponsesRequest } from './request.ts';
import { describe, logprobOf, makeId, partOf, usageOf } from './shape.ts';

type Kind = 'text' | 'refusal' | 'reasoning' | 'call';

/** The item that is being said. `text`: what it holds so far. */
interface OpenItem {
  kind: Kind;
  id: string;
  text: string;
  /** The fields of the item that do not grow. */
  fixed: Record<string, unknown>;
}

const DELTAS: Record<Kind, string> = {
  text: 'response.output_text.delta',
  refusal: 'response.refusal.delta',
  reasoning: 'response.reasoning_summary_text.delta',
  call: 'response.function_call_arguments.delta',
};
const PREFIXES: Record<Kind, string> = { text: 'msg', refusal: 'msg', reasoning: 'rs', call: 'fc' };

/** Deltas are padded to a multiple of this, so that the size of a packet says little about its text. */
const PADDED = 16;

export function createFramer(asked: Asked, request: ResponsesRequest, plan: Plan): Framer {
  const { stream } = asked;
  const response = describe(request);
  const output: unknown[] = [];
  const seals = request.include?.includes('reasoning.encrypted_content') ?? false;
  const logs = request.include?.includes('message.output_text.logprobs') ?? false;
  const padding = request.stream_options?.include_obfuscation === false ? null : randomBytes(PADDED).toString('hex');
  let sequence = 0;
  let item: OpenItem | null = null;
  let logprobs: unknown[] = [];
  let deltaHead = '';
  let deltaTail = '';

  function event(type: string, fields: object): string {
    return `event: ${type}\ndata: ${JSON.stringify({ type, ...fields, sequence_number: sequence++ })}\n\n`;
  }

  function enter(kind: Kind, fixed: Record<string, unknown> = {}): string {
    const before = leave('completed');
    const id = makeId(PREFIXES[kind]);
    item = { kind, id, text: '', fixed };
    logprobs = [];
    const place = placeOf(item, output.length);
    deltaHead = `event: ${DELTAS[kind]}\ndata: {"type":"${DELTAS[kind]}",${JSON.stringify(place).slice(1, -1)},"delta":`;
    deltaTail = kind === 'text' && !logs ? ',"logprobs":[]' : '';
    const added = event('response.output_item.added', {
      item: { ...itemOf(item, 'in_progress'), ...(kind !== 'call' && CONTENTS[kind]) },
      output_index: output.length,
    });
    return before + added + openPart(kind, place);
  }

  function openPart(kind: Kind, place: object): string {
    if (kind === 'call') return '';
    const type = kind === 'reasoning' ? 'response.reasoning_summary_part.added' : 'response.content_part.added';
    return event(type, { ...place, part: partOf(kind, '', []) });
  }

  /** The item's end, which repeats all of it. A call that is cut short is not said to be done. */
  function leave(status: 'completed' | 'incomplete'): string {
    if (!item) return '';
    const { kind, text } = item;
    const place = placeOf(item, output.length);
    let said = '';
    switch (kind) {
      case 'text':
        said = event('response.output_text.done', { ...place, text, logprobs });
        said += event('response.content_part.done', { ...place, part: partOf(kind, text, logprobs) });
        break;
      case 'refusal':
        said = event('response.refusal.done', { ...place, refusal: text });
        said += event('response.content_part.done', { ...place, part: partOf(kind, text, []) });
        break;
      case 'reasoning':
        said = event('response.reasoning_summary_text.done', { ...place, text });
        said += event('response.reasoning_summary_part.done', { ...place, part: partOf(kind, text, []) });
        break;
      case 'call':
        if (status === 'completed')
          said = event('response.function_call_arguments.done', { ...place, arguments: text });
        break;
      default:
        kind satisfies never;
    }
    const done = itemOf(item, status);
    said += event('response.output_item.done', { item: done, output_index: output.length });
    output.push(done);
    item = null;
    return said;
  }

  function itemOf({ kind, id, text, fixed }: OpenItem, status: string): Record<string, unknown> {
    switch (kind) {
      case 'text':
      case 'refusal':
        return { id, type: 'message', status, content: [partOf(kind, text, logprobs)], role: 'assistant' };
      case 'reasoning':
        return {
          id,
          type: 'reasoning',
          content: [],
          ...(seals && { encrypted_content: sign(text) }),
          summary: [partOf(kind, text, [])],
        };
      case 'call':
        return { id, type: 'function_call', status, arguments: text, ...fixed };
      default:
        return kind satisfies never;
    }
  }

  function delta(text: string): string {
    item!.text += text;
    let tail = deltaTail;
    if (logs && item!.kind === 'text') {
      const logprob = logprobOf(text, request.top_logprobs ?? 0);
      logprobs.push(logprob);
      tail = `,"logprobs":[${JSON.stringify(logprob)}]`;
    }
    const pad = padding === null ? '' : `,"obfuscation":"${padding.slice(0, PADDED - (text.length % PADDED))}"`;
    return `${deltaHead}${JSON.stringify(text)}${tail}${pad},"sequence_number":${sequence++}}\n\n`;
  }

  const state = (status: string, more: object = {}) => ({ response: { ...response, status, ...more } });

  /** How the response stands at its end. */
  function ended(reason: Choice['finish'], tokens: Tokens | null) {
    const usage = tokens && plan.usage !== 'never' ? usageOf(tokens) : null;
    const all = { output, usage, service_tier: 'default' };
    switch (reason) {
      case null:
        return state('in_progress', all);
      case 'stop':
      case 'tool-calls':
        return state('completed', { ...all, completed_at: Math.floor(Date.now() / 1000) });
      case 'length':
        return state('incomplete', { ...all, incomplete_details: { reason: 'max_output_tokens' } });
      case 'content-filter':
        return state('incomplete', { ...all, incomplete_details: { reason: 'content_filter' } });
      default:
        return reason satisfies never;
    }
  }

  const framer: Framer = {
    contentType: stream ? 'text/event-stream; charset=utf-8' : 'application/json',
    open: () => event('response.created', state('in_progress')) + event('response.in_progress', state('in_progress')),
    piece(_choice, piece) {
      switch (piece.kind) {
        case 'text':
        case 'refusal':
        case 'reasoning':
          return (item?.kind === piece.kind ? '' : enter(piece.kind)) + delta(piece.text);
        case 'call':
          return enter('call', { call_id: piece.id, name: piece.name });
        case 'arguments':
          return delta(piece.text);
        default:
          return piece satisfies never;
      }
    },
    /** The last event is the reason and the end marker in one: without a reason there is none. */
    finish(_choice, reason, tokens) {
      const cut = reason === 'length' || reason === 'content-filter';
      const closed = leave(cut ? 'incomplete' : 'completed');
      if (reason === null) return closed;
      return closed + event(cut ? 'response.incomplete' : 'response.completed', ended(reason, tokens));
    },
    usage: () => '',
    endMarker: () => '',
    error() {
      // Nested, unlike the reference: https://github.com/openai/openai-dotnet/issues/881
      const { message } = JSON.parse(refuse({ kind: 'status', status: 500 }).body).error;
      const code = 'server_error';
      const failed = event('error', { error: { type: code, code, message, param: null } });
      return failed + event('response.failed', state('failed', { error: { code, message } }));
    },
    garbage: () =>
      stream
        ? 'event: response.output_text.delta\ndata: {"type":"response.output_text.del\n\n'
        : `{"id":"${response.id}","object":"resp`,
    comment: ': MOCK PROCESSING\n\n',
    whole({ choices: [choice], tokens }) {
      for (let i = 0; i < choice!.length; i++) framer.piece(0, choice!.piece(i));
      const { finish } = choice!;
      leave(finish === 'length' || finish === 'content-filter' ? 'incomplete' : 'completed');
      return `${JSON.stringify(ended(finish, tokens).response, null, 2)}\n`;
    },
  };
  return framer;
}

/** An item before anything of it was said. */
const CONTENTS = { text: { content: [] }, refusal: { content: [] }, reasoning: { summary: [] } };

function placeOf({ kind, id }: OpenItem, output_index: number): object {
  const place = { item_id: id, output_index };
  if (kind === 'call') return place;
  return kind === 'reasoning' ? { ...place, summary_index: 0 } : { ...place, content_index: 0 };
}
