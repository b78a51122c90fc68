// Reads what POST /v1/responses answers: each event must fit those before it.
// https://platform.openai.com/docs/api-reference/responses-streaming
import { type Answer, argsOf, type Door, fields, framesOf, must, worded } from './door.ts';

const FINISH: Record<string, string> = {
  stop: 'completed',
  'tool-calls': 'completed',
  other: 'completed',
  length: 'incomplete max_output_tokens',
  budget: 'incomplete max_output_tokens',
  'content-filter': 'incomplete content_filter',
  cancelled: 'incomplete',
};

const ITEMS: Record<string, string> = {
  message: 'id type status content role',
  reasoning: 'id type encrypted_content? summary',
  function_call: 'id type status arguments call_id name',
};

/** Each event that grows an item: the kind of item, its fields beside the item's place, and what they must repeat. */
interface Growth {
  item: string;
  names: string;
  step: 'open' | 'grow' | 'say' | 'close';
}
const GROWTH: Record<string, Growth> = {
  'response.content_part.added': { item: 'message', names: 'content_index part', step: 'open' },
  'response.output_text.delta': { item: 'message', names: 'content_index delta logprobs', step: 'grow' },
  'response.output_text.done': { item: 'message', names: 'content_index text logprobs', step: 'say' },
  'response.content_part.done': { item: 'message', names: 'content_index part', step: 'close' },
  'response.reasoning_summary_part.added': { item: 'reasoning', names: 'summary_index part', step: 'open' },
  'response.reasoning_summary_text.delta': { item: 'reasoning', names: 'summary_index delta', step: 'grow' },
  'response.reasoning_summary_text.done': { item: 'reasoning', names: 'summary_index text', step: 'say' },
  'response.reasoning_summary_part.done': { item: 'reasoning', names: 'summary_index part', step: 'close' },
  'response.function_call_arguments.delta': { item: 'function_call', names: 'delta', step: 'grow' },
  'response.function_call_arguments.done': { item: 'function_call', names: 'arguments', step: 'say' },
};

interface Item {
  id: string;
  type: string;
  text: string;
  part: 'none' | 'open' | 'said' | 'closed';
  done?: any;
}

function countsOf(usage: any): Answer['usage'] {
  fields(usage, 'input_tokens input_tokens_details output_tokens output_tokens_details total_tokens', 'usage');
  must(usage.total_tokens === usage.input_tokens + usage.output_tokens, 'a total that is no sum');
  return {
    input: usage.input_tokens,
    output: usage.output_tokens,
    cached: usage.input_tokens_details.cached_tokens,
    cacheWrite: usage.input_tokens_details.cache_write_tokens,
    reasoning: usage.output_tokens_details.reasoning_tokens,
  };
}

/** The text of an item as it says it whole. */
function wholeText(item: any): string {
  if (item.type === 'function_call') return item.arguments;
  return (item.type === 'message' ? item.content : item.summary).map(({ text }: any) => text).join('');
}

function grow(item: Item, { item: type, names, step }: Growth, event: any): void {
  fields(event, `type sequence_number item_id output_index ${names}`, event.type);
  must(item?.type === type && item.id === event.item_id && !item.done, `${event.type} of what is not open`);
  must((event.content_index ?? event.summary_index ?? 0) === 0, 'a second part');
  const isCall = type === 'function_call';
  if (step === 'open') must(item.part === 'none' && event.part.text === '', 'a part that was open');
  else if (step !== 'close') must(isCall ? item.part === 'none' : item.part === 'open', `${event.type} out of order`);
  else must(item.part === 'said' && event.part.text === item.text, 'a part ends with another text');
  if (step === 'grow') {
    must(event.delta !== '', `an empty ${event.type}`);
    item.text += event.delta;
    return;
  }
  if (step === 'say' && isCall)
    item.text = event.arguments; // the API's clients take this one
  else if (step === 'say') must(event.text === item.text, 'what was said whole is not what was said in pieces');
  item.part = ({ open: 'open', say: 'said', close: 'closed' } as const)[step];
}

function fold(answer: Answer, items: any[]): Answer {
  for (const item of items) {
    fields(item, ITEMS[item.type] ?? '', 'an item');
    if (item.type === 'message') answer.text += wholeText(item);
    else if (item.type === 'reasoning') answer.reasoning += wholeText(item);
    else if (item.status === 'completed') {
      answer.toolCalls.push({ id: item.call_id, name: item.name, args: argsOf(item.arguments) });
    }
  }
  return answer;
}

function finishOf({ status, incomplete_details, error }: any): string {
  must((status === 'failed') === (error !== null), `${status} with the error ${JSON.stringify(error)}`);
  return [status, incomplete_details?.reason].filter(Boolean).join(' ');
}

function errorOf(body: any) {
  const { code, message } = fields(fields(body, 'error', 'the refusal').error, 'message type param code', 'its error');
  return { type: 'error' as const, code, message };
}

const empty = (finish = ''): Answer => ({
  text: '',
  reasoning: '',
  toolCalls: [],
  usage: undefined,
  end: { type: 'done', finish },
});

export const openaiResponses: Door = {
  name: 'openai-responses',
  wire: 'openai-responses',
  path: () => '/v1/responses',
  body: (model, { stream }) => ({ model, input: 'Hello there', stream }),
  read(body) {
    const answer = empty();
    const items: Item[] = [];
    let head: string | undefined;
    let failure: any;
    let last: any;
    framesOf(body, { ids: true }).forEach(({ event: name, data }, at) => {
      const event = JSON.parse(data);
      must(event.type === name, `${name} with the data of ${event.type}`);
      must(event.sequence_number === at, `event ${at} has the number ${event.sequence_number}`);
      must(!last, `${name} behind the end`);
      must(!failure || name === 'response.failed', `${name} behind an error`);
      must((at === 0) === (name === 'response.created') && (at === 1) === (name === 'response.in_progress'), name!);
      const growth = GROWTH[name!];
      if (growth) {
        grow(items[event.output_index]!, growth, event);
        return;
      }
      switch (name) {
        case 'response.created':
        case 'response.in_progress': {
          const { response } = fields(event, 'type sequence_number response', name);
          head ??= JSON.stringify(response);
          must(JSON.stringify(response) === head && response.status === 'in_progress', 'the response as it begins');
          must(response.output.length === 0 && response.usage === null, 'a response that began before');
          return;
        }
        case 'response.output_item.added': {
          const { item } = fields(event, 'type sequence_number item output_index', name);
          must(event.output_index === items.length, `item ${event.output_index} behind ${items.length} others`);
          fields(item, ITEMS[item.type] ?? '', 'an item');
          must(wholeText(item) === '' && item.id && item.name !== '', `an item begins with ${JSON.stringify(item)}`);
          must(
            item.type === 'function_call' || items.every((i) => i.done || i.type === 'function_call'),
            'two at once',
          );
          items.push({ id: item.id, type: item.type, text: '', part: 'none' });
          return;
        }
        case 'response.output_item.done': {
          const { item } = fields(event, 'type sequence_number item output_index', name);
          const known = items[event.output_index];
          must(known && !known.done && known.id === item.id, 'the end of an item that is not open');
          must(known.part !== 'open' && known.text === wholeText(item), 'an item ends with another text');
          known.done = item;
          return;
        }
        case 'error':
          failure = fields(event, 'type sequence_number code message param error', name);
          return;
        case 'response.completed':
        case 'response.incomplete':
        case 'response.failed':
          last = fields(event, 'type sequence_number response', name).response;
          must(name === `response.${last.status}`, `${name} with the status ${last.status}`);
          return;
        default:
          must(false, `an event ${name}`);
      }
    });
    must(last, 'no terminal');
    const done = items.flatMap((item) => item.done ?? []);
    must(JSON.stringify(last.output) === JSON.stringify(done), 'the output at the end is not that of the stream');
    if (failure) {
      must(finishOf(last) === 'failed' && last.error.message === failure.message, 'an error, and then no failure');
      for (const { type, text, done } of items) {
        if (type === 'message') answer.text += text;
        if (type === 'reasoning') answer.reasoning += text;
        if (type === 'function_call' && done) fold(answer, [done]);
      }
      answer.end = { type: 'error', code: failure.code, message: failure.message };
      return answer;
    }
    must(done.length === items.length, 'an item that was left open');
    answer.end = { type: 'done', finish: finishOf(last) };
    answer.usage = countsOf(last.usage);
    return fold(answer, done);
  },
  readWhole: (response) => fold({ ...empty(finishOf(response)), usage: countsOf(response.usage) }, response.output),
  refusal: errorOf,
  expected(answer) {
    const end = worded(answer.end, FINISH);
    return end.type === 'error' ? { ...answer, usage: undefined, end } : { ...answer, end };
  },
};
