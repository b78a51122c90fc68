// Reads what :generateContent and :streamGenerateContent answer. https://ai.google.dev/api/generate-content
import { type Answer, type Door, fields, framesOf, must, worded } from './door.ts';

const FINISH: Record<string, string> = {
  stop: 'STOP',
  length: 'MAX_TOKENS',
  'tool-calls': 'STOP',
  'content-filter': 'SAFETY',
  cancelled: 'OTHER',
  budget: 'MAX_TOKENS',
  other: 'OTHER',
};

/** What says nothing to any client of this API, whose grammar of a stream has no comments. */
const SILENCE = '{"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"index":0}]}';

function countsOf(usage: any): Answer['usage'] {
  fields(
    usage,
    'promptTokenCount candidatesTokenCount totalTokenCount cachedContentTokenCount? thoughtsTokenCount?',
    'usage',
  );
  const { promptTokenCount, candidatesTokenCount, thoughtsTokenCount = 0, cachedContentTokenCount = 0 } = usage;
  return {
    input: promptTokenCount,
    output: candidatesTokenCount + thoughtsTokenCount,
    cached: cachedContentTokenCount,
    reasoning: thoughtsTokenCount,
  };
}

function errorOf(body: any) {
  const { message, status, details } = fields(
    fields(body, 'error', 'the error').error,
    'code message status details',
    'it',
  );
  must(/^[A-Z_]+$/.test(status), `a status ${status}`);
  const [info] = details;
  must(info['@type'] === 'type.googleapis.com/google.rpc.ErrorInfo', 'no ErrorInfo');
  return { type: 'error' as const, code: info.reason.toLowerCase(), message };
}

/** Adds one response, of a stream or whole, and says whether it was the last. */
function add(answer: Answer, response: any): boolean {
  fields(response, 'candidates usageMetadata? modelVersion responseId', 'a response');
  for (const candidate of response.candidates) {
    const { content, index, finishReason } = fields(
      candidate,
      'content finishReason? finishMessage? index',
      'a candidate',
    );
    fields(content, 'parts role', 'content');
    must(content.role === 'model' && content.parts.length > 0, 'content without parts');
    if (index !== 0) continue;
    if (finishReason) answer.end = { type: 'done', finish: finishReason };
    for (const part of content.parts) {
      fields(part, 'text? thought? thoughtSignature? functionCall?', 'a part');
      must('text' in part !== 'functionCall' in part, `a part: ${JSON.stringify(part)}`);
      if ('functionCall' in part) {
        const { id, name, args } = fields(part.functionCall, 'id name args', 'a call');
        answer.toolCalls.push({ id, name, args });
      } else answer[part.thought ? 'reasoning' : 'text'] += part.text;
    }
  }
  if (response.usageMetadata) answer.usage = countsOf(response.usageMetadata);
  const finished = response.candidates.some((candidate: any) => candidate.finishReason);
  must(finished === Boolean(response.usageMetadata), 'usage belongs to the last chunk');
  return finished;
}

const empty = (): Answer => ({
  text: '',
  reasoning: '',
  toolCalls: [],
  usage: undefined,
  end: { type: 'done', finish: '' },
});

export const gemini: Door = {
  name: 'gemini',
  wire: 'gemini',
  path: (model, { stream }) => {
    const method = stream ? 'streamGenerateContent?alt=sse' : 'generateContent';
    return `/v1beta/models/${encodeURIComponent(model)}:${method}`;
  },
  body: (_model, { choices }) => ({
    contents: [{ role: 'user', parts: [{ text: 'Hello there' }] }],
    generationConfig: { thinkingConfig: { includeThoughts: true }, ...(choices && { candidateCount: choices }) },
  }),
  read(body) {
    const answer = empty();
    let head: string | undefined;
    let over = false;
    for (const { event, data } of framesOf(body, { ids: false })) {
      must(event === undefined, `an event with the name ${event}`);
      must(!over, `behind the end: ${data}`);
      if (data === SILENCE) continue;
      const response = JSON.parse(data);
      if ('error' in response) {
        answer.end = errorOf(response);
        over = true;
        continue;
      }
      over = add(answer, response);
      head ??= response.responseId + response.modelVersion;
      must(head === response.responseId + response.modelVersion, 'a chunk of another answer');
    }
    must(over, 'no terminal');
    return answer;
  },
  readWhole(body) {
    const answer = empty();
    must(add(answer, body), 'no finish reason');
    return answer;
  },
  refusal(body, status) {
    must(body.error.code === status, `the code ${body.error.code} in a response of ${status}`);
    return errorOf(body);
  },
  /** Calls come whole or, where their arguments are no object, as the reason why there is none. */
  expected(answer) {
    const { cacheWrite: _, ...usage } = answer.usage ?? {};
    usage.output = Math.max(usage.output ?? 0, usage.reasoning ?? 0); // thoughts are counted apart, and some vendors count them nowhere else
    const isObject = ({ args }: { args: unknown }) => typeof args === 'object' && args !== null && !Array.isArray(args);
    const toolCalls = answer.toolCalls.filter(isObject);
    const end = worded(answer.end, FINISH);
    if (end.type === 'error') return { ...answer, toolCalls, usage: undefined, end };
    const malformed = toolCalls.length < answer.toolCalls.length;
    return { ...answer, toolCalls, usage, end: malformed ? { ...end, finish: 'MALFORMED_FUNCTION_CALL' } : end };
  },
};
