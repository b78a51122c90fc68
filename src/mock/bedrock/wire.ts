// Bedrock's Converse wire, from the provider's side: what a request asks for, streamed or whole by its path.
// Knows no framing (framer.ts), no rule (request.ts, turns.ts), no credential (auth.ts) and no error's words (errors.ts).
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html

import { type Asked, Refused, type Wire } from '../wire.ts';
import { authenticate } from './auth.ts';
import { invalid, refuse } from './errors.ts';
import { createFramer } from './framer.ts';
import { promptOf, resultOf, textOf } from './prompt.ts';
import { type BedrockRequest, checkFields } from './request.ts';
import { checkTogether } from './turns.ts';

const PATH = /^\/model\/([^/]+)\/converse(-stream)?$/;

export const bedrock: Wire = {
  name: 'bedrock',
  serves: (path) => PATH.test(path),
  async read(body, context) {
    await authenticate(context);
    const [, model, stream] = PATH.exec(context.path)!;
    const checked = checkFields(body);
    if ('complaint' in checked) throw new Refused(invalid(checked.complaint));
    const refusal = checkTogether(checked.request);
    if (refusal) throw new Refused(refusal);
    return reduce(checked.request, decode(model!), stream !== undefined);
  },
  framer: (asked, body, plan, context) => createFramer(asked, body as BedrockRequest, plan, context),
  refuse,
  headers: (requestId) => ({ 'x-amzn-requestid': requestId }),
};

/** Model ids are percent-encoded in the path: theirs have colons and slashes, the mock's have plus signs. */
function decode(model: string): string {
  try {
    return decodeURIComponent(model);
  } catch {
    throw new Refused(invalid('The provided model identifier is invalid.'));
  }
}

function reduce(body: BedrockRequest, model: string, stream: boolean): Asked {
  const { messages, toolConfig, inferenceConfig = {}, outputConfig } = body;
  const lastUser = messages.findLast(
    ({ role, content }) => role === 'user' && content.some(({ text }) => text !== undefined),
  );
  const lastBlock = messages.at(-1)!.content.findLast(({ cachePoint }) => !cachePoint);
  const wanted = toolConfig?.toolChoice?.tool?.name;
  const specs = (toolConfig?.tools ?? []).flatMap(({ toolSpec }) => toolSpec ?? []);
  const schema = outputConfig?.textFormat?.structure.jsonSchema?.schema;
  return {
    model,
    stream,
    lastUserText: lastUser?.content.map(textOf).join('') ?? '',
    toolResult: lastBlock?.toolResult ? resultOf(lastBlock.toolResult) : null,
    tools: specs
      .filter(({ name }) => wanted === undefined || name === wanted)
      .map(({ name, inputSchema }) => ({ name, parameters: inputSchema.json ?? {} })),
    parallelTools: true,
    schema: schema === undefined ? null : JSON.parse(schema),
    maxTokens: inferenceConfig.maxTokens ?? null,
    stops: inferenceConfig.stopSequences ?? [],
    choices: 1,
    promptTokens: Math.max(
      1,
      promptOf(body).reduce((sum, { tokens }) => sum + tokens, 0),
    ),
  };
}
