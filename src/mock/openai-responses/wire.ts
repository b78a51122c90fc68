// The OpenAI Responses wire, from the provider's side: what is read from a request. How answers are said is in
// openai-responses-framer.ts; errors are those of the other OpenAI wire.
// https://platform.openai.com/docs/api-reference/responses
import { countWords } from '../answer.ts';
import { failure, refuse } from '../openai/errors.ts';
import { type Asked, Refused, type Wire } from '../wire.ts';
import { createFramer } from './framer.ts';
import { checkFields, type InputItem, type ResponsesRequest } from './request.ts';
import { checkRules } from './rules.ts';

export const openaiResponses: Wire = {
  name: 'openai-responses',
  serves: (path) => path === '/v1/responses',
  read(body) {
    const checked = checkFields(body);
    const type = 'invalid_request_error';
    if ('error' in checked) throw new Refused(failure(400, { ...checked.error, type }));
    const breach = checkRules(checked.request);
    if (breach) throw new Refused(failure(breach.status, { ...breach, type }));
    return reduce(checked.request);
  },
  framer: (asked, body, plan) => createFramer(asked, body as ResponsesRequest, plan),
  refuse: (cause) => (cause.kind === 'context-length' ? tooLong() : refuse(cause)),
  headers: (requestId) => ({
    'openai-processing-ms': '7',
    'openai-version': '2020-10-01',
    'x-request-id': requestId,
  }),
};

function tooLong(): ReturnType<typeof refuse> {
  const message = 'Your input exceeds the context window of this model. Please adjust your input and try again.';
  return failure(400, { message, type: 'invalid_request_error', param: 'input', code: 'context_length_exceeded' });
}

function reduce(request: ResponsesRequest): Asked {
  const { input = '', text } = request;
  const items = typeof input === 'string' ? [] : input;
  const last = items.at(-1);
  const lastUser = items.findLast((item) => item.type === 'message' && item.role === 'user');
  const everything = [request.instructions ?? '', typeof input === 'string' ? input : '', ...items.map(textOf)];
  return {
    model: request.model,
    stream: request.stream ?? false,
    lastUserText: typeof input === 'string' ? input : lastUser ? textOf(lastUser) : '',
    toolResult: last?.type === 'function_call_output' ? textOf(last) : null,
    tools: callable(request),
    parallelTools: request.parallel_tool_calls !== false,
    schema: text?.format?.type === 'json_schema' ? text.format.schema : null,
    maxTokens: request.max_output_tokens ?? null,
    stops: [],
    choices: 1,
    promptTokens: Math.max(1, countWords(everything.join('\n'))),
  };
}

function textOf(item: InputItem): string {
  const content = item.type === 'message' ? item.content : item.type === 'function_call_output' ? item.output : '';
  if (typeof content === 'string') return content;
  return content.map((part) => ('text' in part ? part.text : '')).join('');
}

function callable({ tools, tool_choice: choice }: ResponsesRequest): Asked['tools'] {
  if (choice === 'none') return null;
  const functions = (tools ?? []).flatMap((tool) =>
    tool.type === 'function' ? [{ name: tool.name, parameters: tool.parameters ?? {} }] : [],
  );
  if (typeof choice !== 'object' || choice === null) return functions;
  const wanted = JSON.stringify(choice);
  return functions.filter(({ name }) => wanted.includes(JSON.stringify(name)));
}
