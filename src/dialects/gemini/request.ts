// The generateContent request as a chat request: what is configured, which functions there are, and the form of the answer. Knows the
// body's fields; contents are read in contents.ts. What only this wire has stays under its own name, so that others say they left it out.
// https://ai.google.dev/api/generate-content#request-body
import { z } from 'zod';
import { type ChatRequest, chatFields, type Tool } from '../../core/chat.ts';
import { CLIENT_NAMES, madeFrom } from '../../core/origin.ts';
import { checked } from '../checked.ts';
import { content, messagesOf, refuse } from './contents.ts';
import { inCamelCase } from './names.ts';
import { jsonSchemaOf } from './schema.ts';
import { isForeign } from './signature.ts';

const schema = z.record(z.string(), z.unknown());
const declaration = z.looseObject({
  name: z.string().min(1),
  description: z.string().nullish(),
  parameters: schema.nullish(),
  parametersJsonSchema: schema.nullish(),
});
const tool = z.looseObject({ functionDeclarations: z.array(declaration).nullish() });
const callingConfig = z.looseObject({
  mode: z.enum(['MODE_UNSPECIFIED', 'AUTO', 'ANY', 'NONE', 'VALIDATED']).nullish(),
  allowedFunctionNames: z.array(z.string()).nullish(),
});
const LEVELS = ['THINKING_LEVEL_UNSPECIFIED', 'MINIMAL', 'LOW', 'MEDIUM', 'HIGH'] as const;
const thinkingConfig = z.looseObject({
  includeThoughts: z.boolean().nullish(),
  thinkingBudget: z.int().min(-1).nullish(),
  thinkingLevel: z.string().toUpperCase().pipe(z.enum(LEVELS)).nullish(),
});
const responseFormat = z.looseObject({
  text: z.looseObject({ mimeType: z.string().nullish(), schema: schema.nullish() }).nullish(),
});
const generationConfig = z.looseObject({
  temperature: chatFields.temperature,
  topP: chatFields.top_p,
  topK: chatFields.top_k,
  candidateCount: chatFields.n,
  maxOutputTokens: chatFields.max_tokens,
  stopSequences: z.array(z.string()).nullish(),
  seed: chatFields.seed,
  presencePenalty: chatFields.presence_penalty,
  frequencyPenalty: chatFields.frequency_penalty,
  responseLogprobs: z.boolean().nullish(),
  logprobs: chatFields.top_logprobs,
  responseModalities: z.array(z.string()).nullish(),
  responseMimeType: z.string().nullish(),
  responseSchema: schema.nullish(),
  responseJsonSchema: schema.nullish(),
  responseFormat: z.union([responseFormat, z.array(responseFormat)]).nullish(),
  thinkingConfig: thinkingConfig.nullish(),
});
const request = z.looseObject({
  contents: z.array(content).min(1),
  systemInstruction: content.nullish(),
  tools: z.array(tool).nullish(),
  toolConfig: z.looseObject({ functionCallingConfig: callingConfig.nullish() }).nullish(),
  generationConfig: generationConfig.nullish(),
  serviceTier: z.string().nullish(),
});
type Config = z.infer<typeof generationConfig>;
type Fields = Record<string, unknown>;

export interface Understood {
  chat: ChatRequest;
  includeThoughts: boolean;
  /** The body for a provider of this wire: as it came, less the signatures that no one there could read. */
  body: Fields;
}

export function understood(given: unknown, model: string): Understood {
  const plain = checked(z.record(z.string(), z.unknown()), given); // not too deep, before anything goes down into it
  const renamed = inCamelCase(plain);
  const {
    contents,
    systemInstruction,
    tools,
    toolConfig,
    generationConfig,
    serviceTier,
    model: _,
    ...others
  } = checked(request, renamed);
  const config = generationConfig ?? {};
  const { messages, rest } = messagesOf(contents, systemInstruction);
  if (messages.length === 0) refuse('contents', 'expected something that the user says');
  const { chat, own } = configured(config);
  const functions = (tools ?? []).flatMap((tool, at) => toolsOf(tool, `tools[${at}]`));
  return {
    chat: {
      [CLIENT_NAMES]: NAMES,
      ...rest,
      ...unclaimed(others, ''),
      ...unclaimed(own, 'generationConfig.'),
      ...chat,
      model,
      messages,
      ...(functions.length > 0 && { tools: functions }),
      ...choiceOf(toolConfig?.functionCallingConfig),
      ...(serviceTier && { service_tier: TIERS[serviceTier.toLowerCase()] ?? serviceTier.toLowerCase() }),
    },
    includeThoughts: config.thinkingConfig?.includeThoughts === true,
    body: { ...plain, contents: contents.map(withoutForeign) },
  };
}

/** Of the chat request's fields, those that have another name here. */
const NAMES = {
  messages: 'contents',
  temperature: 'generationConfig.temperature',
  top_p: 'generationConfig.topP',
  top_k: 'generationConfig.topK',
  n: 'generationConfig.candidateCount',
  max_tokens: 'generationConfig.maxOutputTokens',
  stop: 'generationConfig.stopSequences',
  seed: 'generationConfig.seed',
  presence_penalty: 'generationConfig.presencePenalty',
  frequency_penalty: 'generationConfig.frequencyPenalty',
  logprobs: 'generationConfig.responseLogprobs',
  top_logprobs: 'generationConfig.logprobs',
  modalities: 'generationConfig.responseModalities',
  reasoning: 'generationConfig.thinkingConfig',
  tool_choice: 'toolConfig.functionCallingConfig',
  service_tier: 'serviceTier',
};

/** The tier that every request gets without asking has another name elsewhere. */
const TIERS: Record<string, string> = { standard: 'default', unspecified: 'auto' };

/** Fields that only this API knows. One that the chat request would take for its own is no field of this API. */
function unclaimed(others: Fields, prefix: string): Fields {
  for (const name of Object.keys(others)) {
    if (Object.hasOwn(chatFields, name)) refuse(`${prefix}${name}`, 'there is no such field');
  }
  return others;
}

function configured(config: Config): { chat: Omit<ChatRequest, 'model' | 'messages'>; own: Fields } {
  const {
    temperature,
    topP,
    topK,
    candidateCount,
    maxOutputTokens,
    stopSequences,
    seed,
    presencePenalty,
    frequencyPenalty,
    responseLogprobs,
    logprobs,
    responseModalities,
    responseMimeType,
    responseSchema,
    responseJsonSchema,
    responseFormat,
    thinkingConfig,
    ...own
  } = config;
  const chat = {
    temperature,
    top_p: topP,
    top_k: topK,
    n: candidateCount,
    max_tokens: maxOutputTokens,
    stop: stopSequences?.length ? stopSequences : undefined,
    seed,
    presence_penalty: presencePenalty,
    frequency_penalty: frequencyPenalty,
    logprobs: responseLogprobs || undefined,
    top_logprobs: logprobs,
    modalities: responseModalities?.length ? responseModalities.map((name) => name.toLowerCase()) : undefined,
    response_format: formatOf(config),
    reasoning: reasoningOf(thinkingConfig),
  };
  return { chat: Object.fromEntries(Object.entries(chat).filter(([, value]) => value != null)), own };
}

type Format = NonNullable<ChatRequest['response_format']>;

function formatOf(config: Config): Format | undefined {
  const { responseMimeType, responseSchema, responseJsonSchema, responseFormat } = config;
  const [first, ...more] = [responseFormat ?? []].flat();
  const path = `generationConfig.${first ? 'responseFormat' : 'responseMimeType'}`;
  if (first && (!first.text || more.length > 0)) return madeFrom(path, only('responseFormat'));
  const type = (first?.text?.mimeType ?? responseMimeType ?? '').toLowerCase();
  const wanted =
    first?.text?.schema ?? responseJsonSchema ?? (responseSchema ? jsonSchemaOf(responseSchema) : undefined);
  switch (type) {
    case '':
    case 'text/plain':
      if (wanted) refuse('generationConfig.responseMimeType', 'with a schema, expected application/json');
      return undefined;
    case 'application/json':
    case 'application_json':
      return wanted
        ? madeFrom<Format>(schemaPath(config), {
            type: 'json_schema',
            json_schema: { name: 'response', schema: wanted },
          })
        : madeFrom<Format>(path, { type: 'json_object' });
    default:
      return madeFrom(path, only(type));
  }
}

function schemaPath({ responseFormat, responseJsonSchema }: Config): string {
  const field = responseFormat ? 'responseFormat' : responseJsonSchema ? 'responseJsonSchema' : 'responseSchema';
  return `generationConfig.${field}`;
}

/** A form that only this wire has. Each of the others refuses one that it does not know, rather than to answer in another. */
function only(form: string): Format {
  return { type: form as 'text' };
}

function reasoningOf(thinking: Config['thinkingConfig']): ChatRequest['reasoning'] {
  const { includeThoughts, thinkingBudget, thinkingLevel } = thinking ?? {};
  const level = thinkingLevel === 'THINKING_LEVEL_UNSPECIFIED' ? undefined : thinkingLevel;
  if (thinkingBudget != null && level != null) {
    refuse('generationConfig.thinkingConfig.thinkingBudget', 'expected a budget or a level, not both');
  }
  if (thinkingBudget === 0) return { enabled: false };
  if (thinkingBudget != null && thinkingBudget > 0) return { max_tokens: thinkingBudget };
  if (level != null) return { effort: level.toLowerCase() };
  return thinkingBudget === -1 || includeThoughts ? { enabled: true } : undefined;
}

function toolsOf({ functionDeclarations, ...servers }: z.infer<typeof tool>, path: string): Tool[] {
  const functions = (functionDeclarations ?? []).map(
    ({ name, description, parameters, parametersJsonSchema }, at): Tool => {
      const taken = parametersJsonSchema ?? (parameters ? jsonSchemaOf(parameters) : undefined);
      const described = { name, ...(description && { description }), ...(taken && { parameters: taken }) };
      return madeFrom(`${path}.functionDeclarations[${at}]`, { type: 'function', function: described });
    },
  );
  // Tools that the provider runs itself: other wires refuse them by their name.
  const own = Object.entries(servers).filter(([, value]) => value != null);
  return [...functions, ...own.map(([type, value]): Tool => madeFrom(`${path}.${type}`, { type, [type]: value }))];
}

function choiceOf(config: z.infer<typeof callingConfig> | null | undefined): Pick<ChatRequest, 'tool_choice'> {
  const { mode, allowedFunctionNames } = config ?? {};
  const names = allowedFunctionNames ?? [];
  switch (mode) {
    case 'NONE':
      return { tool_choice: 'none' };
    case 'ANY':
    case 'VALIDATED': {
      const force = mode === 'ANY';
      if (names.length === 0) return force ? { tool_choice: 'required' } : {};
      const tools = names.map((name) => ({ type: 'function', function: { name } }));
      if (force && tools.length === 1) return { tool_choice: tools[0] };
      const allowed_tools = { mode: force ? 'required' : 'auto', tools };
      return { tool_choice: { type: 'allowed_tools', allowed_tools } };
    }
    case 'AUTO':
    case 'MODE_UNSPECIFIED':
    case null:
    case undefined:
      return {};
    default:
      return mode satisfies never;
  }
}

/** The provider would call a signature of ours corrupted. */
function withoutForeign({ parts, ...rest }: z.infer<typeof content>): Fields {
  if (!parts) return rest;
  return {
    ...rest,
    parts: parts.map((part) => {
      if (!part.thoughtSignature || !isForeign(part.thoughtSignature)) return part;
      const { thoughtSignature: _, ...bare } = part;
      return bare;
    }),
  };
}
