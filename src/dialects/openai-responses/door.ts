// The Responses front door: POST /v1/responses, streamed and whole, and its count of input tokens. Over the same wire the provider's
// events are handed on untouched. Nothing is stored here: a conversation comes whole with each request.
// https://platform.openai.com/docs/api-reference/responses
import type { Collector, Dialect, Encoder, StreamMeta } from '../../core/contracts.ts';
import type { StreamEvent } from '../../core/events.ts';
import { sseFrame } from '../../core/sse.ts';
import { openai } from '../openai/door.ts';
import { type Answer, createAnswer } from './answer.ts';
import { foldFrames } from './fold.ts';
import { parseRequest } from './request.ts';
import { concluded, describe, errorEvent, type Options, terminalFrames } from './response.ts';

function createEncoder(given: Record<string, unknown>): Encoder {
  const options = given as unknown as Options;
  const fold = foldFrames();
  let id = 0;
  let sequence = 0;
  let meta: StreamMeta;
  let answer: Answer | undefined;
  let handedOn = false;
  const frame = (type: string, fields: object) =>
    sseFrame(++id, JSON.stringify({ type, ...fields, sequence_number: sequence++ }), type);

  return {
    start(known) {
      meta = known;
      return ''; // the first event says it, or the provider's own
    },
    event(event) {
      answer ??= createAnswer(meta, options, frame);
      return answer.event(event);
    },
    raw(data) {
      handedOn = true;
      const { type, json } = fold.add(data);
      return sseFrame(++id, json, type);
    },
    end(ending) {
      if (!handedOn) {
        answer ??= createAnswer(meta, options, frame);
        return answer.end(ending);
      }
      if (fold.ended()) return '';
      sequence = fold.nextSequence();
      return terminalFrames(frame, fold.response() ?? describe(meta, options), ending);
    },
  };
}

function createCollector(given: Record<string, unknown>): Collector {
  const options = given as unknown as Options;
  const fold = foldFrames();
  const pending: StreamEvent[] = [];
  return {
    event: (event) => void pending.push(event),
    raw: (data) => void fold.add(data),
    result(ending, meta) {
      const handedOn = fold.response();
      if (handedOn) return fold.ended() ? handedOn : concluded(handedOn, ending);
      const answer = createAnswer(meta, options, () => '');
      for (const event of pending) answer.event(event);
      answer.end(ending);
      return answer.response();
    },
  };
}

export const openaiResponses: Dialect = {
  name: 'openai-responses',
  wire: 'openai-responses',
  paths: ['/v1/responses'],
  parse: parseRequest,
  encoder: createEncoder,
  collector: createCollector,
  interrupted(error, lastId) {
    const event = { type: 'error', ...errorEvent(error), sequence_number: lastId };
    return sseFrame(lastId + 1, JSON.stringify(event), 'error');
  },
  fault: openai.fault,
  count: {
    path: '/v1/responses/input_tokens',
    parse: (body) => parseRequest(body).chat,
    answer: (input_tokens) => ({ object: 'response.input_tokens', input_tokens }),
  },
};
