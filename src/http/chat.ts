// The front doors over HTTP: one handler for every dialect. Auth, parse, prompt, plan, run. Knows no dialect by name.
import { createHash } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { TRANSLATED } from '../core/chat.ts';
import type { Call, Dialect, ParsedRequest } from '../core/contracts.ts';
import { GatewayError } from '../core/errors.ts';
import type { Idempotency } from '../stream/directory.ts';
import { planFor } from '../stream/plan.ts';
import { createExchange } from './exchange.ts';
import type { AppState, Configured } from './state.ts';
import { follow } from './streams.ts';

export function mountDialect(app: FastifyInstance, dialect: Dialect, state: AppState): void {
  const { count } = dialect;
  const { streams } = state.runner;
  const answerCount = async (request: FastifyRequest) => {
    await state.configured.keyring.identify(request);
    return count!.answer(await state.runner.countPrompt(count!.parse(request.body, callOf(request))));
  };
  const isCount = (request: FastifyRequest) => count?.serves?.(callOf(request)) === true;
  for (const path of dialect.paths) {
    app.post(path, { config: { dialect } }, (request, reply) =>
      isCount(request) ? answerCount(request) : chat(request, reply),
    );
  }
  if (count?.path) app.post(count.path, { config: { dialect } }, answerCount);

  if (dialect.resume) {
    app.get<{ Params: { id: string } }>(dialect.resume, { config: { dialect } }, async (request, reply) => {
      const key = await state.configured.keyring.identify(request);
      const running = streams.conversation(key?.name ?? null, dialect.name, request.params.id);
      return running ? follow(running, 0, request, reply) : reply.code(204).send();
    });
  }

  async function chat(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const { configured } = state;
    const key = await configured.keyring.identify(request);
    if (state.draining) throw new GatewayError('shutting_down', 'Millrace is shutting down; send the request again.');
    const parsed = await withPrompt(dialect.parse(request.body, callOf(request)), configured, dialect);
    const asked = parsed.chat.model;
    const name = configured.modelAt(dialect.name, asked);
    const plan = {
      ...planFor(name, configured.catalogue, (model) => key?.mayUse(model) ?? true),
      model: asked || name,
    };
    const { onDisconnect, ...limits } = configured.streams;
    const owner = key?.name ?? null;
    const idempotency = idempotencyOf(request);
    const earlier = idempotency && streams.same(owner, idempotency);
    if (earlier) return follow(earlier, 0, request, reply);
    const until = Date.now() + plan.timeouts.total * plan.targets.length * (plan.retries + 1) + limits.retain;
    if (configured.logContent) request.log.info({ messages: parsed.chat.messages }, 'prompt');
    const exchange = createExchange(request, reply);
    const running = state.runner.run({
      dialect,
      parsed,
      plan,
      exchange,
      key: owner,
      idempotency,
      resumeUrl: (id) => `${app.prefix}/v1/streams/${id}?token=${state.tokens.sign(id, until)}`,
      onDisconnect: parsed.onDisconnect ?? key?.onDisconnect ?? onDisconnect,
      limits,
      priceOf: configured.priceOf,
      logContent: configured.logContent,
      log: request.log,
    });
    await running.catch((err) => {
      request.log.error({ err }, 'a stream failed in an unforeseen way');
      exchange.destroy(); // rather a cut than a stream without an end
    });
    return reply;
  }
}

export function callOf({ params, query, headers }: FastifyRequest): Call {
  return { rest: (params as { '*'?: string })['*'] ?? '', query: query as Record<string, string>, headers };
}

/**
 * A request that was sent before is not paid twice: its sender gets the stream of the first, from the beginning.
 * https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
 */
function idempotencyOf({ headers, body, url }: FastifyRequest): Idempotency | undefined {
  const key = headers['idempotency-key'];
  if (typeof key !== 'string' || key === '') return undefined;
  const path = url.split('?', 1)[0]!;
  return {
    key,
    digest: createHash('sha256')
      .update(`${path}\n${JSON.stringify(body)}`)
      .digest('base64'),
  };
}

/** A template comes in front of the messages; its model and settings stand where the request says nothing. */
async function withPrompt(
  parsed: ParsedRequest,
  { prompts, modelAt }: Configured,
  { name: door }: Dialect,
): Promise<ParsedRequest> {
  let { chat } = parsed;
  if (parsed.prompt) {
    const { messages, model, config } = await prompts.render(parsed.prompt.name, parsed.prompt.variables);
    chat = { ...config, ...chat, model: chat.model || model || '', messages: [...messages, ...chat.messages] };
  }
  if (chat.model === '' && modelAt(door, '') === '')
    throw new GatewayError('invalid_request', 'model: expected the name of a model.', { param: 'model' });
  if (chat.messages.length === 0) {
    throw new GatewayError('invalid_request', 'messages: expected at least one message, or a prompt.', {
      param: 'messages',
    });
  }
  return { ...parsed, chat: parsed.verbatim ? { ...chat, [TRANSLATED]: true } : chat };
}
