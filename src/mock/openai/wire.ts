// The OpenAI chat-completions wire, from the provider's side: what is read from a request, chunk shapes.
// Knows how things are said, not what or when: that is answer.ts and script.ts. Errors are in errors.ts.
// https://platform.openai.com/docs/api-reference/chat-streaming
import { randomBytes, randomUUID } from 'node:crypto';
import { type Choice, countWords, foldChoice, type Piece, type Tokens } from '../answer.ts';
import type { Plan } from '../plan.ts';
import type { Asked, Framer, Wire } from '../wire.ts';
import { Refused } from '../wire.ts';
import { failure, refuse } from './errors.ts';
import { checkRequest, type OpenAiRequest } from './request.ts';

export const openai: Wire = {
  name: 'openai',
  serves: (path) => path === '/v1/chat/completions',
  read(body) {
    const checked = checkRequest(body);
    if ('error' in checked) throw new Refused(failure(400, { ...checked.error, type: 'invalid_request_error' }));
    return reduce(checked.request);
  },
  framer: (asked, body, plan) => createFramer(asked, body as OpenAiRequest, plan),
  refuse,
  headers: (requestId) => ({
    'openai-processing-ms': '7',
    'openai-version': '2020-10-01',
    'x-request-id': requestId,
  }),
  models: () => ({
    path: '/v1/models',
    body: (names) => ({
      object: 'list',
      data: names.map((id) => ({ id, object: 'model', created: 1_735_689_600, owned_by: 'millrace-mock' })),
    }),
  }),
};

// ---- request --------------------------------------------------------------------------------------------------------

function reduce(body: OpenAiRequest): Asked {
  const last = body.messages.at(-1)!;
  const lastUser = body.messages.findLast((message) => message.role === 'user');
  const stop = body.stop ?? [];
  const format = body.response_format;
  return {
    model: body.model,
    stream: body.stream ?? false,
    lastUserText: lastUser ? textOf(lastUser.content) : '',
    toolResult: last.role === 'tool' ? textOf(last.content) : null,
    tools: callable(body),
    parallelTools: body.parallel_tool_calls !== false,
    schema: format?.type === 'json_schema' ? (format.json_schema.schema ?? {}) : null,
    maxTokens: body.max_completion_tokens ?? body.max_tokens ?? null,
    stops: typeof stop === 'string' ? [stop] : stop,
    choices: body.n ?? 1,
    promptTokens: Math.max(1, countWords(body.messages.map(({ content }) => textOf(content)).join('\n'))),
  };
}

function callable(body: OpenAiRequest): Asked['tools'] {
  const choice = body.tool_choice;
  if (choice === 'none') return null;
  const functions = (body.tools ?? []).flatMap((tool) => (tool.type === 'function' ? [tool.function] : []));
  const tools = functions.map(({ name, parameters }) => ({ name, parameters: parameters ?? {} }));
  if (typeof choice !== 'object') return tools;
  const wanted = JSON.stringify(choice);
  return tools.filter((tool) => wanted.includes(JSON.stringify(tool.name)));
}

function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content.map((part) => (typeof part?.text === 'string' ? part.text : '')).join('');
}

// ---- response -------------------------------------------------------------------------------------------------------

/** Longest padding, in characters. https://platform.openai.com/docs/api-reference/chat/create#chat_create-stream_options */
const PADDED = 16;

const REASONS = { stop: 'stop', length: 'length', 'tool-calls': 'tool_calls', 'content-filter': 'content_filter' };

function createFramer(asked: Asked, body: OpenAiRequest, plan: Plan): Framer {
  const id = `chatcmpl-${randomUUID().replaceAll('-', '').slice(0, 29)}`;
  const created = Math.floor(Date.now() / 1000);
  const { stream } = asked;
  const callsTools = plan.content.kind === 'tools' && asked.tools !== null && asked.toolResult === null;
  const reportsUsage = plan.usage !== 'never' && (!stream || body.stream_options?.include_usage === true);
  const base = {
    id,
    object: stream ? 'chat.completion.chunk' : 'chat.completion',
    created,
    model: body.model,
    service_tier: 'default',
    system_fingerprint: 'fp_millrace_mock',
  };

  // A chunk is put together from text: the parts that do not change are encoded once, and a token costs one JSON string.
  const head = `data: ${JSON.stringify(base).slice(0, -1)},"choices":[`;
  const tail = reportsUsage && plan.usage === 'as-asked' ? '],"usage":null}\n\n' : ']}\n\n';
  const padding = body.stream_options?.include_obfuscation === false ? '' : randomBytes(PADDED / 2).toString('hex');
  const chunk = (choice: number, delta: string, reason: string | null, logprobs = 'null', end = tail) =>
    `${head}{"index":${choice},"delta":${delta},"logprobs":${logprobs},"finish_reason":${JSON.stringify(reason)}}${end}`;
  /** Padded to one of few lengths, so that a listener cannot tell tokens by their size. */
  const padded = (choice: number, delta: string, logprobs?: string) => {
    const bare = chunk(choice, delta, null, logprobs);
    if (padding === '') return bare;
    return `${bare.slice(0, -3)},"obfuscation":"${padding.slice(delta.length % PADDED)}"}\n\n`;
  };
  const logprobsOf = (key: string, text: string) =>
    body.logprobs ? JSON.stringify(logprobs(key, [text], body.top_logprobs ?? 0)) : 'null';

  return {
    contentType: stream ? 'text/event-stream; charset=utf-8' : 'application/json',
    open(choice) {
      const content = callsTools ? '"content":null' : '"content":"","refusal":null';
      return chunk(choice, `{"role":"assistant",${content}}`, null);
    },
    piece(choice, piece) {
      switch (piece.kind) {
        case 'text':
          return padded(choice, `{"content":${JSON.stringify(piece.text)}}`, logprobsOf('content', piece.text));
        case 'reasoning':
          return padded(choice, `{"reasoning_content":${JSON.stringify(piece.text)}}`);
        case 'refusal':
          return padded(choice, `{"refusal":${JSON.stringify(piece.text)}}`, logprobsOf('refusal', piece.text));
        case 'call':
        case 'arguments':
          return padded(choice, callDelta(piece, plan.sameIndex ? 0 : piece.call));
        default:
          return piece satisfies never;
      }
    },
    finish(choice, reason, tokens) {
      if (reason === null) return '';
      const withUsage = tokens && reportsUsage && plan.usage === 'with-finish';
      const end = withUsage ? `],"usage":${JSON.stringify(usageOf(tokens))}}\n\n` : tail;
      return chunk(choice, '{}', REASONS[reason], 'null', end);
    },
    usage: (tokens) =>
      reportsUsage && plan.usage === 'as-asked' ? `${head}],"usage":${JSON.stringify(usageOf(tokens))}}\n\n` : '',
    endMarker: () => 'data: [DONE]\n\n',
    error: () => `data: ${JSON.stringify(JSON.parse(refuse({ kind: 'status', status: 500 }).body))}\n\n`,
    garbage: () => (stream ? `data: {"id":"${id}","choices":[{"del\n\n` : `{"id":"${id}","choices":[{"mess`),
    comment: ': MOCK PROCESSING\n\n',
    whole: (answer) =>
      `${JSON.stringify(
        {
          ...base,
          choices: answer.choices.map((choice, index) => wholeChoice(choice, index, body)),
          ...(reportsUsage && { usage: usageOf(answer.tokens) }),
        },
        null,
        2,
      )}\n`,
  };
}

function callDelta(piece: Extract<Piece, { kind: 'call' | 'arguments' }>, index: number): string {
  const call =
    piece.kind === 'call'
      ? { index, id: piece.id, type: 'function', function: { name: piece.name, arguments: '' } }
      : { index, function: { arguments: piece.text } };
  return `{"tool_calls":[${JSON.stringify(call)}]}`;
}

function wholeChoice(choice: Choice, index: number, body: OpenAiRequest): unknown {
  const said = foldChoice(choice);
  const calls = said.calls.map(({ id, ...call }) => ({ id, type: 'function', function: call }));
  const refused = said.refusal.length > 0;
  return {
    index,
    message: {
      role: 'assistant',
      content: refused || (calls.length > 0 && said.text.length === 0) ? null : said.text.join(''),
      ...(said.reasoning.length > 0 && { reasoning_content: said.reasoning.join('') }),
      ...(calls.length > 0 && { tool_calls: calls }),
      refusal: refused ? said.refusal.join('') : null,
      annotations: [],
    },
    logprobs: body.logprobs
      ? logprobs(refused ? 'refusal' : 'content', refused ? said.refusal : said.text, body.top_logprobs ?? 0)
      : null,
    finish_reason: choice.finish && REASONS[choice.finish],
  };
}

function usageOf(tokens: Tokens): unknown {
  return {
    prompt_tokens: tokens.prompt,
    completion_tokens: tokens.completion,
    total_tokens: tokens.prompt + tokens.completion,
    prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: tokens.reasoning,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
}

/** Plausible and the same each time: the longer the token, the less likely. */
function logprobs(key: string, texts: string[], top: number): unknown {
  const of = (token: string, rank: number) => ({
    token,
    logprob: -(token.length * 0.01 + rank),
    bytes: [...Buffer.from(token)],
  });
  const tokens = texts.map((text) => ({
    ...of(text, 0),
    top_logprobs: Array.from({ length: top }, (_, rank) => of(rank === 0 ? text : `${text}${rank}`, rank)),
  }));
  return { content: null, refusal: null, [key]: tokens };
}
