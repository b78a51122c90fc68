// Reads what POST /v1/chat answers, by docs/PROTOCOL.md.
import { type Answer, type Door, fields, framesOf, hello, must } from './door.ts';

const USAGE = 'input_tokens output_tokens cached_input_tokens cache_write_input_tokens reasoning_tokens estimated';
const ENDING = 'usage cost_usd model provider attempts timing';

export function countsOf(usage: any): Pick<Answer, 'usage' | 'estimated'> {
  fields(usage, USAGE, 'usage');
  return {
    usage: {
      input: usage.input_tokens,
      output: usage.output_tokens,
      cached: usage.cached_input_tokens,
      cacheWrite: usage.cache_write_input_tokens,
      reasoning: usage.reasoning_tokens,
    },
    estimated: usage.estimated,
  };
}

function callOf({ id, name, ...said }: any) {
  must('arguments' in said !== (said.invalid === true), `arguments of a call: ${JSON.stringify(said)}`);
  return { id, name, args: 'arguments' in said ? said.arguments : said.arguments_text };
}

const errorOf = ({ code, message }: any) => ({ type: 'error' as const, code, message });

export const native: Door = {
  name: 'native',
  path: () => '/v1/chat',
  body: (model, { stream }) => ({ model, messages: hello, stream }),
  read(body) {
    must(body.startsWith('retry: 1000\nid: 1\nevent: start\n'), `it begins with ${body.slice(0, 60)}`);
    const answer: Answer = {
      text: '',
      reasoning: '',
      toolCalls: [],
      usage: undefined,
      end: { type: 'done', finish: '' },
    };
    const pieces = new Map<number, string>();
    let over = false;
    framesOf(body, { ids: true }).forEach(({ event, data }, at) => {
      must(!over, `${event} behind the end`);
      const said = JSON.parse(data);
      switch (event) {
        case 'start':
          must(at === 0, 'a second start');
          fields(said, 'stream_id model provider resume_url', 'start');
          break;
        case 'token':
        case 'reasoning':
          fields(said, 'text', event);
          must(said.text !== '', `an empty ${event}`);
          answer[event === 'token' ? 'text' : 'reasoning'] += said.text;
          break;
        case 'reasoning-detail':
          fields(said, 'type format id? text? signature? summary? data?', event);
          break;
        case 'tool-call-delta':
          fields(said, 'index id? name? arguments', event);
          must(!answer.toolCalls[said.index], 'a piece of a call that is complete');
          must(pieces.has(said.index) !== (said.id !== undefined), 'the id of a call comes once, and first');
          pieces.set(said.index, (pieces.get(said.index) ?? '') + said.arguments);
          break;
        case 'tool-call': {
          fields(said, 'index id name arguments? arguments_text? invalid?', event);
          must(!answer.toolCalls[said.index], 'a call that was complete already');
          answer.toolCalls[said.index] = callOf(said);
          break;
        }
        case 'done':
          fields(said, `finish_reason ${ENDING}`, event);
          Object.assign(answer, countsOf(said.usage));
          answer.end = { type: 'done', finish: said.finish_reason };
          over = true;
          break;
        case 'error':
          fields(said, `code message retryable status phase? param? ${ENDING}`, event);
          Object.assign(answer, countsOf(said.usage));
          answer.end = errorOf(said);
          over = true;
          break;
        default:
          must(false, `an event ${event}`);
      }
    });
    must(over, 'no terminal');
    answer.toolCalls = answer.toolCalls.filter(Boolean);
    return answer;
  },
  readWhole(body) {
    fields(body, `stream_id text reasoning reasoning_details? tool_calls finish_reason ${ENDING}`, 'the answer');
    return {
      text: body.text,
      reasoning: body.reasoning,
      toolCalls: body.tool_calls.map(callOf),
      ...countsOf(body.usage),
      end: { type: 'done', finish: body.finish_reason },
    };
  },
  refusal(body, status) {
    fields(body, 'error', 'the refusal');
    must(body.error.status === status, `the status ${body.error.status} in a response of ${status}`);
    fields(body.error, 'code message retryable status phase? param? usage cost_usd attempts', 'its error');
    return errorOf(body.error);
  },
  expected: (answer) => answer,
};
