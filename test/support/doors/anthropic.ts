// Reads what POST /v1/messages answers. https://platform.claude.com/docs/en/build-with-claude/streaming#event-types
import { type Answer, argsOf, type Door, fields, framesOf, hello, isJson, must, worded } from './door.ts';

const FINISH: Record<string, string> = {
  stop: 'end_turn',
  length: 'max_tokens',
  'tool-calls': 'tool_use',
  'content-filter': 'refusal',
  cancelled: 'end_turn',
  budget: 'max_tokens',
  other: 'end_turn',
};

/** https://platform.claude.com/docs/en/api/errors#http-errors */
const TYPES: Record<string, string> = {
  invalid_request: 'invalid_request_error',
  context_length_exceeded: 'invalid_request_error',
  model_not_found: 'not_found_error',
  request_too_large: 'request_too_large',
  content_filtered: 'invalid_request_error',
  upstream_auth: 'api_error',
  upstream_rate_limited: 'rate_limit_error',
  upstream_unavailable: 'overloaded_error',
  upstream_timeout: 'timeout_error',
  upstream_protocol: 'api_error',
  upstream_truncated: 'api_error',
};

/** Which delta a kind of block grows by, and the field that it fills. */
const GROWS: Record<string, Record<string, string>> = {
  text: { text_delta: 'text' },
  thinking: { thinking_delta: 'thinking', signature_delta: 'signature' },
  tool_use: { input_json_delta: 'partial_json' },
  redacted_thinking: {},
};
const BLOCKS: Record<string, string> = {
  text: 'type text',
  thinking: 'type thinking signature',
  redacted_thinking: 'type data',
  tool_use: 'type id name input caller',
};

interface Block {
  type: string;
  id: string;
  name: string;
  said: Record<string, string>;
}

function countsOf(usage: any): Answer['usage'] {
  const { input_tokens, cache_creation_input_tokens, cache_read_input_tokens } = usage;
  return {
    input: input_tokens + cache_creation_input_tokens + cache_read_input_tokens,
    output: usage.output_tokens,
    cached: cache_read_input_tokens,
    cacheWrite: cache_creation_input_tokens,
    reasoning: usage.output_tokens_details.thinking_tokens,
  };
}

function errorOf(body: any) {
  fields(body, 'type error request_id', 'the error');
  must(body.type === 'error', 'an error without its type');
  const { type, message } = fields(body.error, 'type message', 'its error');
  return { type: 'error' as const, code: type, message };
}

function expectEmpty(message: any): void {
  const { id, usage } = fields(
    message,
    'id type role model content stop_reason stop_sequence stop_details usage',
    'the message',
  );
  must(
    id.startsWith('msg_') && message.content.length === 0 && message.stop_reason === null,
    'a message that began before',
  );
  must(typeof usage.input_tokens === 'number' && typeof usage.output_tokens === 'number', 'a message without usage');
}

export const anthropic: Door = {
  name: 'anthropic',
  wire: 'anthropic',
  path: () => '/v1/messages',
  body: (model, { stream }) => ({ model, messages: hello, max_tokens: 4000, stream }),
  read(body) {
    const answer: Answer = {
      text: '',
      reasoning: '',
      toolCalls: [],
      usage: undefined,
      end: { type: 'done', finish: '' },
    };
    const blocks: Block[] = [];
    let open: Block | undefined;
    let phase: 'before' | 'content' | 'stopped' | 'over' = 'before';
    for (const { event, data } of framesOf(body, { ids: true })) {
      const frame = JSON.parse(data);
      must(frame.type === event, `${event} with the data of ${frame.type}`);
      must(phase !== 'over', `${event} behind the end`);
      switch (event) {
        case 'ping':
          break;
        case 'message_start':
          must(phase === 'before', 'a second message');
          phase = 'content';
          expectEmpty(fields(frame, 'type message', event).message);
          break;
        case 'content_block_start': {
          const { index, content_block } = fields(frame, 'type index content_block', event);
          must(phase === 'content' && !open && index === blocks.length, `block ${index} begins inside another`);
          const { type, id, name } = fields(content_block, BLOCKS[content_block.type] ?? '', 'a block');
          must(type !== 'tool_use' || (id && name && JSON.stringify(content_block.input) === '{}'), `a call: ${data}`);
          open = { type, id, name, said: {} };
          blocks.push(open);
          break;
        }
        case 'content_block_delta': {
          const { index, delta } = fields(frame, 'type index delta', event);
          must(open && index === blocks.length - 1, `a piece of block ${index}, which is not open`);
          const field = GROWS[open.type]![delta.type];
          must(field && delta[field] !== '', `${delta.type} in ${open.type}: ${data}`);
          must(!open.said.signature, 'a thought goes on behind its signature');
          open.said[field] = (open.said[field] ?? '') + fields(delta, `type ${field}`, 'a delta')[field];
          break;
        }
        case 'content_block_stop':
          must(open && fields(frame, 'type index', event).index === blocks.length - 1, 'the end of what is not open');
          open = undefined;
          break;
        case 'message_delta': {
          const { delta, usage } = fields(frame, 'type delta usage', event);
          must(phase === 'content' && !open, 'the end inside a block');
          const { stop_reason } = fields(delta, 'stop_reason stop_sequence stop_details', 'its delta');
          must((stop_reason === 'refusal') === (delta.stop_details !== null), 'details of a stop');
          answer.end = { type: 'done', finish: stop_reason };
          answer.usage = countsOf(usage);
          phase = 'stopped';
          break;
        }
        case 'message_stop':
          must(phase === 'stopped', 'the end without a reason');
          fields(frame, 'type', event);
          phase = 'over';
          break;
        case 'error':
          answer.end = errorOf(frame);
          answer.usage = undefined;
          phase = 'over';
          break;
        default:
          must(false, `an event ${event}`);
      }
    }
    must(phase === 'over', 'no terminal');
    return fold(answer, blocks);
  },
  readWhole(message) {
    fields(message, 'id type role model content stop_reason stop_sequence stop_details usage', 'the message');
    const blocks = message.content.map(({ type, id, name, text, thinking, input }: any): Block => {
      must(BLOCKS[type], `a block ${type}`);
      // Nothing tells a call without arguments from one that was cut before them.
      const given = input?.INVALID_JSON ?? JSON.stringify(input);
      const partial_json = given === '{}' ? '' : given;
      return { type, id, name, said: { text, thinking, partial_json } };
    });
    const end = { type: 'done' as const, finish: message.stop_reason };
    return fold({ text: '', reasoning: '', toolCalls: [], usage: countsOf(message.usage), end }, blocks);
  },
  refusal: errorOf,
  expected(answer) {
    const end = worded(answer.end, FINISH, TYPES);
    if (end.type === 'done') return { ...answer, end };
    const tooLong = answer.end.type === 'error' && answer.end.code === 'context_length_exceeded';
    const named =
      tooLong && !/prompt is too long/i.test(end.message) ? `prompt is too long: ${end.message}` : end.message;
    return { ...answer, toolCalls: [], usage: undefined, end: { ...end, message: named } };
  },
};

function fold(answer: Answer, blocks: Block[]): Answer {
  const cut = answer.end.type === 'done' && !['tool_use', 'end_turn'].includes(answer.end.finish);
  for (const { type, id, name, said } of blocks) {
    answer.text += said.text ?? '';
    answer.reasoning += said.thinking ?? '';
    if (type !== 'tool_use' || answer.end.type === 'error') continue;
    const text = said.partial_json ?? '';
    if (!cut || (text !== '' && isJson(text))) answer.toolCalls.push({ id, name, args: argsOf(text) });
  }
  return answer;
}
