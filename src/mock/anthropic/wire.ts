// Anthropic's Messages wire, from the provider's side: who may ask, and what a request asks for.
// Knows no framing (framer.ts), no rule (request.ts, turns.ts) and no error's words (errors.ts).
// https://platform.claude.com/docs/en/api/messages
import type { IncomingHttpHeaders } from 'node:http';
import { type Asked, Refused, type Wire } from '../wire.ts';
import { failure, invalid, refuse } from './errors.ts';
import { createFramer } from './framer.ts';
import { promptOf, resultOf, textOf } from './prompt.ts';
import { type AnthropicRequest, checkFields } from './request.ts';
import { blocksOf, checkTogether, LATEST_VERSION, VERSIONS } from './turns.ts';

export const anthropic: Wire = {
  name: 'anthropic',
  serves: (path) => path === '/v1/messages',
  read(body, { headers }) {
    const version = authenticate(headers);
    const checked = checkFields(body);
    if ('complaint' in checked) throw new Refused(invalid(checked.complaint));
    const complaint = checkTogether(checked.request, version);
    if (complaint !== null) throw new Refused(invalid(complaint));
    return reduce(checked.request);
  },
  framer: (asked, body, plan, context) => createFramer(asked, body as AnthropicRequest, plan, context),
  refuse,
  headers: (requestId) => ({
    'anthropic-organization-id': '00000000-0000-4000-8000-000000000000',
    'request-id': requestId,
  }),
};

/** Returns the API's version that the client asked for. Any key will do; of two, `x-api-key` is the one that is looked at. */
function authenticate(headers: IncomingHttpHeaders): string {
  const unauthorized = (message: string) => new Refused(failure(401, 'authentication_error', message));
  const { 'x-api-key': key, authorization, 'anthropic-version': version } = headers;
  if (!key && !authorization) throw unauthorized('x-api-key header is required');
  if (!key && !/^Bearer \S+$/i.test(authorization!)) throw unauthorized('Invalid bearer token');
  if (typeof version !== 'string') throw new Refused(invalid('anthropic-version: header is required'));
  if (!VERSIONS.includes(version)) {
    const latest = `Use "${LATEST_VERSION}".`;
    throw new Refused(invalid(`anthropic-version: "${version}" is not a valid version. ${latest}`));
  }
  return version;
}

function reduce(body: AnthropicRequest): Asked {
  const { messages, tool_choice: choice, tools = [] } = body;
  const said = messages.map((message) => ({ role: message.role, blocks: blocksOf(message) }));
  const lastUser = said.findLast(({ role, blocks }) => role === 'user' && blocks.some(({ type }) => type === 'text'));
  const lastBlock = said.findLast(({ role }) => role !== 'system')!.blocks.at(-1);
  const callable = tools.flatMap((tool) =>
    'input_schema' in tool ? [{ name: tool.name, parameters: tool.input_schema as Record<string, unknown> }] : [],
  );
  const parallel = choice && 'disable_parallel_tool_use' in choice ? !choice.disable_parallel_tool_use : true;
  return {
    model: body.model,
    stream: body.stream ?? false,
    lastUserText: lastUser ? lastUser.blocks.map(textOf).join('') : '',
    toolResult: lastBlock?.type === 'tool_result' ? resultOf(lastBlock) : null,
    tools:
      choice?.type === 'none' ? null : callable.filter(({ name }) => choice?.type !== 'tool' || name === choice.name),
    parallelTools: parallel,
    schema: body.output_config?.format?.schema ?? null,
    maxTokens: body.max_tokens,
    stops: body.stop_sequences ?? [],
    choices: 1,
    promptTokens: Math.max(
      1,
      promptOf(body).reduce((sum, part) => sum + part.tokens, 0),
    ),
  };
}
