// Reads what POST /v1/chat/completions answers. https://platform.openai.com/docs/api-reference/chat/streaming
import {
  type Answer,
  argsOf,
  type Door,
  fields,
  framesOf,
  hello,
  isJson,
  must,
  type ReadCall,
  worded,
} from './door.ts';

const FINISH: Record<string, string> = {
  stop: 'stop',
  length: 'length',
  'tool-calls': 'tool_calls',
  'content-filter': 'content_filter',
  cancelled: 'stop',
  budget: 'length',
  other: 'stop',
};

function countsOf(usage: any): Answer['usage'] {
  fields(
    usage,
    'prompt_tokens completion_tokens total_tokens prompt_tokens_details completion_tokens_details',
    'usage',
  );
  must(usage.total_tokens === usage.prompt_tokens + usage.completion_tokens, 'a total that is no sum');
  return {
    input: usage.prompt_tokens,
    output: usage.completion_tokens,
    cached: usage.prompt_tokens_details.cached_tokens,
    reasoning: usage.completion_tokens_details.reasoning_tokens,
  };
}

/** A call that the token limit cut is told apart by nothing but that it cannot be read. */
function completeCalls(calls: { id: string; name: string; text: string }[], finish: string): ReadCall[] {
  return calls
    .filter(({ text }) => finish === 'tool_calls' || finish === 'stop' || (text !== '' && isJson(text)))
    .map(({ id, name, text }) => ({ id, name, args: argsOf(text) }));
}

function errorOf(body: any) {
  fields(body, 'error', 'the error');
  const { code, message } = fields(body.error, 'message type param code', 'its error');
  return { type: 'error' as const, code, message };
}

export const openai: Door = {
  name: 'openai',
  wire: 'openai',
  path: () => '/v1/chat/completions',
  body: (model, { stream, choices }) => ({
    model,
    messages: hello,
    stream,
    ...(stream && { stream_options: { include_usage: true } }),
    ...(choices && { n: choices }),
  }),
  read(body) {
    const frames = framesOf(body, { ids: true });
    const answer: Answer = {
      text: '',
      reasoning: '',
      toolCalls: [],
      usage: undefined,
      end: { type: 'done', finish: '' },
    };
    const calls: { id: string; name: string; text: string }[] = [];
    const finished = new Map<number, string | null>(); // by choice; null while it goes on
    let head: string | undefined;
    let over = false;
    for (const { event, data } of frames) {
      must(event === undefined, `an event with the name ${event}`);
      must(!over, `behind the end: ${data}`);
      if (data === '[DONE]') {
        over = true;
        must([...finished.values()].every(Boolean) && finished.size > 0, 'the end of the stream, and of no choice');
        continue;
      }
      const chunk = JSON.parse(data);
      if ('error' in chunk) {
        answer.end = errorOf(chunk);
        over = true;
        continue;
      }
      fields(chunk, 'id object created model choices usage?', 'a chunk');
      const { choices, usage, ...rest } = chunk;
      must(rest.object === 'chat.completion.chunk', `an object ${rest.object}`);
      head ??= JSON.stringify(rest);
      must(head === JSON.stringify(rest), 'a chunk of another answer');
      must(answer.usage === undefined, `a chunk behind the usage: ${data}`);
      if (usage != null) {
        must(choices.length === 0, 'usage beside choices');
        answer.usage = countsOf(usage);
        continue;
      }
      must(choices.length === 1, `choices: ${data}`);
      const { index, delta, logprobs, finish_reason } = fields(
        choices[0],
        'index delta logprobs finish_reason',
        'a choice',
      );
      must(logprobs === null && typeof index === 'number', 'a choice');
      fields(delta, 'role? content? reasoning_content? reasoning_details? tool_calls?', 'a delta');
      if (!finished.has(index))
        must(delta.role === 'assistant' || finish_reason, 'a choice that begins without a role');
      else must(delta.role === undefined, 'the role a second time');
      must(!finished.get(index), 'a chunk of a choice that was finished');
      must(finish_reason === null || Object.keys(delta).length === 0, 'content beside the finish reason');
      finished.set(index, finish_reason);
      if (index !== 0) continue;
      answer.text += delta.content ?? '';
      answer.reasoning += delta.reasoning_content ?? '';
      for (const piece of delta.tool_calls ?? []) {
        const { function: fn } = fields(piece, 'index id? type? function', 'a tool call');
        fields(fn, 'name? arguments', 'its function');
        const known = calls[piece.index];
        if (known) {
          must(piece.id === undefined && piece.type === undefined && fn.name === undefined, 'a call is named twice');
          known.text += fn.arguments;
        } else {
          must(piece.index === calls.length, `call ${piece.index} behind ${calls.length} others`);
          must(piece.id && piece.type === 'function' && fn.name, `a call begins with ${JSON.stringify(piece)}`);
          calls.push({ id: piece.id, name: fn.name, text: fn.arguments });
        }
      }
    }
    must(over, 'no terminal');
    if (answer.end.type === 'done') {
      answer.end.finish = finished.get(0) ?? '';
      answer.toolCalls = completeCalls(calls, answer.end.finish);
    }
    return answer;
  },
  readWhole(body) {
    fields(body, 'id object created model choices usage', 'the answer');
    must(body.object === 'chat.completion', `an object ${body.object}`);
    const { message, finish_reason } = fields(body.choices[0], 'index message logprobs finish_reason', 'a choice');
    fields(message, 'role content refusal tool_calls? reasoning_content? reasoning_details?', 'the message');
    const calls = (message.tool_calls ?? []).map((call: any) => {
      fields(call, 'id type function', 'a tool call');
      fields(call.function, 'name arguments', 'its function');
      return { id: call.id, name: call.function.name, text: call.function.arguments };
    });
    return {
      text: message.content ?? '',
      reasoning: message.reasoning_content ?? '',
      toolCalls: completeCalls(calls, finish_reason),
      usage: countsOf(body.usage),
      end: { type: 'done', finish: finish_reason },
    };
  },
  refusal: errorOf,
  expected(answer) {
    const { cacheWrite: _, ...usage } = answer.usage ?? {};
    const end = worded(answer.end, FINISH);
    return end.type === 'error' ? { ...answer, toolCalls: [], usage: undefined, end } : { ...answer, usage, end };
  },
};
