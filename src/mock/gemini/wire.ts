// The Gemini wire, from the provider's side: its paths, its keys, and what is read from a request. How answers are said is in
// framer.ts, errors in errors.ts, what a request may hold in request.ts and rules.ts.
// https://ai.google.dev/api/generate-content
import { countWords } from '../answer.ts';
import { readProto } from '../proto-json.ts';
import type { JsonSchema } from '../schema.ts';
import { type Asked, Refused, type RequestContext, type Wire } from '../wire.ts';
import { badRequest, failure, formOf, refuse } from './errors.ts';
import { createFramer } from './framer.ts';
import { type GeminiContent, type GeminiRequest, type GeminiSchema, generateContentRequest } from './request.ts';
import { checkRules } from './rules.ts';

const PATH = /^\/v1(?:beta)?\/models\/([^/:]+):(?:generateContent|streamGenerateContent)$/;

export const gemini: Wire = {
  name: 'gemini',
  serves: (path) => PATH.test(path),
  read(body, context) {
    checkKey(context);
    const { value, violations } = readProto(generateContentRequest, body);
    if (violations.length > 0) throw new Refused(badRequest(violations));
    const request = value as GeminiRequest;
    const model = modelOf(context.path);
    const broken = checkRules(request, thinks(model));
    if (broken !== null) throw new Refused(failure(400, broken));
    if (request.cachedContent) {
      throw new Refused(failure(403, 'CachedContent not found (or permission denied)'));
    }
    return reduce(request, model, formOf(context) !== 'whole');
  },
  framer: (asked, _body, plan, context) => createFramer(asked, plan, formOf(context)),
  refuse,
  headers: () => ({ 'server-timing': 'gfet4t7; dur=7', vary: 'Origin, X-Origin, Referer' }),
  models: () => ({
    path: '/v1beta/models',
    body: (names) => ({
      models: names.map((name) => ({
        name: `models/${name}`,
        version: '001',
        displayName: name,
        inputTokenLimit: 1_048_576,
        outputTokenLimit: 65_536,
        supportedGenerationMethods: ['generateContent'],
      })),
    }),
  }),
};

/** A key, no matter which. As a bearer token it is refused: that is for OAuth tokens, of which the mock knows none. */
function checkKey({ headers, query }: RequestContext): void {
  if (headers['x-goog-api-key'] || query.get('key')) return;
  throw new Refused(refuse({ kind: 'status', status: headers.authorization ? 401 : 403 }));
}

/** Clients may send a name's `+` as it is or percent-encoded. */
function modelOf(path: string): string {
  const name = PATH.exec(path)?.[1] ?? '';
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

/** Models from Gemini 3 on demand their thought signatures back; here, those that reason. */
function thinks(model: string): boolean {
  return model.split('+').some((part) => /^reasoning(-\d+)?$/.test(part));
}

function reduce(request: GeminiRequest, model: string, stream: boolean): Asked {
  const { contents = [], systemInstruction, generationConfig = {} } = request;
  const lastUser = contents.findLast((content) => content.role !== 'model' && textOf(content) !== '');
  const everything = systemInstruction ? [systemInstruction, ...contents] : contents;
  return {
    model,
    stream,
    lastUserText: lastUser ? textOf(lastUser) : '',
    toolResult: toolResultOf(contents.at(-1)),
    tools: callable(request),
    parallelTools: true,
    schema: schemaOf(request),
    maxTokens: generationConfig.maxOutputTokens ?? null,
    stops: generationConfig.stopSequences ?? [],
    choices: generationConfig.candidateCount ?? 1,
    promptTokens: Math.max(1, countWords(everything.map(textOf).join('\n'))),
  };
}

function textOf({ parts = [] }: GeminiContent): string {
  return parts.map(({ text, thought }) => (thought ? '' : (text ?? ''))).join('');
}

/** `output` is where a result stands; a response without it is the result itself. https://ai.google.dev/api/caching#FunctionResponse */
function toolResultOf(content: GeminiContent | undefined): string | null {
  const responses = (content?.parts ?? []).flatMap(({ functionResponse }) => functionResponse ?? []);
  if (responses.length === 0) return null;
  const outputs = responses.map(({ response = {} }) => response.output ?? response);
  return outputs.map((output) => (typeof output === 'string' ? output : JSON.stringify(output))).join('');
}

function callable({ tools = [], toolConfig }: GeminiRequest): Asked['tools'] {
  const { mode, allowedFunctionNames = [] } = toolConfig?.functionCallingConfig ?? {};
  if (mode === 'NONE') return null;
  return tools
    .flatMap(({ functionDeclarations = [] }) => functionDeclarations)
    .map(({ name = '', parameters, parametersJsonSchema }) => ({
      name,
      parameters: parameters ? toJsonSchema(parameters) : ((parametersJsonSchema ?? {}) as JsonSchema),
    }))
    .filter(({ name }) => allowedFunctionNames.length === 0 || allowedFunctionNames.includes(name));
}

function schemaOf({ generationConfig = {} }: GeminiRequest): JsonSchema | null {
  const { responseSchema, responseJsonSchema } = generationConfig;
  if (responseSchema) return toJsonSchema(responseSchema);
  return responseJsonSchema === undefined ? null : (responseJsonSchema as JsonSchema);
}

/** Types are written in capitals here. */
function toJsonSchema(schema: GeminiSchema): Record<string, unknown> {
  const { type, items, properties, anyOf, ...rest } = schema;
  return {
    ...rest,
    ...(type !== undefined && { type: type.toLowerCase() }),
    ...(items && { items: toJsonSchema(items) }),
    ...(anyOf && { anyOf: anyOf.map(toJsonSchema) }),
    ...(properties && {
      properties: Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, toJsonSchema(schema)])),
    }),
  };
}
