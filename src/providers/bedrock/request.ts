// The ConverseStream request: a chat request in this API's words. What only some models take goes beside it, as their own fields.
// Knows this wire; no HTTP. https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
import type { ChatRequest } from '../../core/chat.ts';
import type { Translation } from '../../core/contracts.ts';
import { plainSchema, type Schema } from '../anthropic/schema.ts';
import { cacheOf, type Turn, turnsOf } from '../conversation.ts';
import { overlay, type Reader, readRequest } from '../translate.ts';
import { cachePoints, conversationOf } from './messages.ts';
import { type Traits, traitsOf } from './models.ts';
import { reasoningOf } from './reasoning.ts';
import { toolsOf } from './tools.ts';

export interface BedrockRequestConfig {
  /** Fields that are left out, and the client is told. */
  drop?: string[];
  /** How a Claude is asked to reason. Without it, the name of the model decides. */
  thinking?: 'adaptive' | 'budget';
}

/** The body as it is sent, and the model beside it, which goes into the address. */
export type BedrockBody = { modelId: string } & Record<string, unknown>;

export function bedrockRequest(
  config: BedrockRequestConfig,
  chat: ChatRequest,
  model: string,
  vendor: Record<string, unknown> = {},
): Translation & { body: BedrockBody } {
  const reader = readRequest(chat, 'bedrock', config.drop);
  const traits = traitsOf(model, config.thinking);
  const turns = turnsOf(chat, reader, traits.format);
  const { system, messages } = conversationOf(turns, reader, traits);
  const { toolConfig, tool_choice, forced } = toolsOf(reader, turns, traits, (tool) => {
    const hint = cacheOf(tool);
    return hint ? cachePoints(hint, { reader, traits }) : [];
  });
  const maxTokens = reader.take('max_tokens');
  const reasoned = reasoningOf(chat, reader, traits, {
    maxTokens: reader.take('max_completion_tokens') ?? maxTokens,
    forced,
    unreasonedCall: hasUnreasonedCall(turns),
  });
  const { inferenceConfig, own: sampled } = samplingOf(reader, traits, reasoned.plainSampling);
  const own = overlay({ ...reasoned.fields, ...(tool_choice && { tool_choice }) }, sampled);
  const body = {
    messages,
    ...(system.length > 0 && { system }),
    ...filled('inferenceConfig', {
      ...(reasoned.maxTokens !== undefined && { maxTokens: reasoned.maxTokens }),
      ...inferenceConfig,
    }),
    ...(toolConfig && { toolConfig }),
    ...filled('additionalModelRequestFields', own),
    ...metadataOf(chat, reader),
    ...serviceOf(reader),
    ...outputOf(reader, traits),
  };
  const { modelId: _, ...fields } = vendor; // which model answers is decided by the key's rights
  const finished = reader.finish(body, fields);
  return { dropped: finished.dropped, body: { ...(finished.body as object), modelId: model } };
}

/** Whether the calls now being answered were made, as far as the conversation tells, without reasoning. */
function hasUnreasonedCall(turns: Turn[]): boolean {
  const last = turns.findLast(({ role }) => role === 'assistant')?.parts ?? [];
  return last.some(({ type }) => type === 'tool-call') && last[0]?.type !== 'reasoning';
}

/** `plain`: the model takes no sampling but its default. */
function samplingOf(reader: Reader, traits: Traits, plain: boolean) {
  const [temperature, top_p, top_k] = [reader.take('temperature'), reader.take('top_p'), reader.take('top_k')];
  const stop = reader.take('stop');
  const stops = stop === undefined ? [] : [stop].flat();
  if (stops.length > 0 && !traits.stop) reader.refuse('stop', 'this model takes no stop sequences');
  const inferenceConfig: Record<string, unknown> = {};
  if (plain) {
    // The default, asked for, is no change.
    if (temperature !== undefined && temperature !== 1) reader.drop('temperature');
    if (top_p !== undefined && top_p !== 1) reader.drop('top_p');
  } else {
    if (temperature !== undefined) inferenceConfig.temperature = Math.min(temperature, 1);
    if (temperature !== undefined && temperature > 1) reader.drop('temperature'); // what is beyond the API's most
    if (temperature !== undefined && traits.sampling === 'one') {
      if (top_p !== undefined && top_p !== 1) reader.drop('top_p');
    } else if (top_p !== undefined) inferenceConfig.topP = top_p;
  }
  if (stops.length > 0) inferenceConfig.stopSequences = stops;
  let own: Record<string, unknown> = {};
  if (top_k !== undefined) {
    if (plain || !traits.topK) reader.drop('top_k');
    else own = traits.topK(top_k);
  }
  return { inferenceConfig, own };
}

function outputOf(reader: Reader, { strict }: Traits): object {
  const format = reader.take('response_format');
  if (!format) return {};
  switch (format.type) {
    case 'text':
      return {};
    case 'json_object':
      reader.drop('response_format'); // who asks so has to say in the prompt that JSON is wanted, so only a check is lost
      return {};
    case 'json_schema': {
      const { schema, name, description } = (format.json_schema ?? {}) as Record<string, unknown>;
      const param = 'response_format.json_schema.schema';
      if (typeof schema !== 'object' || schema === null) return reader.refuse(param, 'expected a JSON schema');
      const plain = strict ? plainSchema(schema as Schema) : schema;
      if (!plain) reader.refuse(param, 'this model takes no objects with arbitrary properties (additionalProperties)');
      const jsonSchema = {
        schema: JSON.stringify(plain), // text, as the API has it
        ...(typeof name === 'string' && { name }),
        ...(typeof description === 'string' && description !== '' && { description }),
      };
      return { outputConfig: { textFormat: { type: 'json_schema', structure: { jsonSchema } } } };
    }
    default:
      return format.type satisfies never;
  }
}

const TIERS = ['default', 'flex', 'priority', 'reserved'];

function serviceOf(reader: Reader): object {
  const tier = reader.take('service_tier');
  if (tier === undefined || tier === 'auto') return {};
  if (TIERS.includes(tier as string)) return { serviceTier: { type: tier } };
  reader.drop('service_tier');
  return {};
}

const METADATA = /^[a-zA-Z0-9\s:_@$#=/+,.-]{0,256}$/;

/** For the invocation log. https://docs.aws.amazon.com/bedrock/latest/userguide/model-invocation-logging.html */
function metadataOf(chat: ChatRequest, reader: Reader): object {
  const given = chat.metadata;
  if (typeof given !== 'object' || given === null || reader.take('metadata') === undefined) return {};
  const pairs = Object.entries(given);
  if (pairs.length === 0) return {};
  const fits = pairs.every(
    ([key, value]) => key !== '' && typeof value === 'string' && METADATA.test(key) && METADATA.test(value),
  );
  if (fits && pairs.length <= 16) return { requestMetadata: given };
  reader.drop('metadata');
  return {};
}

function filled(name: string, fields: Record<string, unknown>): object {
  return Object.keys(fields).length > 0 ? { [name]: fields } : {};
}
