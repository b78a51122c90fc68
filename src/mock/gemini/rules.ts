// What a generateContent request must hold together: ranges, turns, calls and their responses, thought signatures. Checked once the
// types are right. Knows the API's words for each breach; no framing, no HTTP.
// https://ai.google.dev/gemini-api/docs/function-calling https://ai.google.dev/gemini-api/docs/thought-signatures

import { isSignatureOf } from '../signature.ts';
import {
  DATA_FIELDS,
  type GeminiContent,
  type GeminiPart,
  type GeminiRequest,
  type GeminiSchema,
  type GenerationConfig,
} from './request.ts';

/** The message of the refusal; null where there is nothing to refuse. `thinks`: the model wants its thought signatures back. */
export function checkRules(request: GeminiRequest, thinks: boolean): string | null {
  const complaints = [
    ...checkContents(request),
    ...checkDeclarations(request),
    ...checkConfig(request.generationConfig ?? {}),
  ];
  if (complaints.length > 0) return complaints.map((complaint) => `* GenerateContentRequest.${complaint}\n`).join('');
  const turns = turnsOf(request.contents ?? []);
  return checkFunctionCalling(request) ?? checkTurns(turns) ?? checkSignatures(turns, thinks);
}

// ---- single fields --------------------------------------------------------------------------------------------------

function checkContents({ contents = [], systemInstruction }: GeminiRequest): string[] {
  if (contents.length === 0) return ['contents: contents is not specified'];
  const found = contents.flatMap((content, at) => checkParts(content, `contents[${at}]`));
  if (systemInstruction) found.push(...checkParts(systemInstruction, 'system_instruction'));
  return found;
}

function checkParts({ parts = [] }: GeminiContent, path: string): string[] {
  if (parts.length === 0) return [`${path}.parts: contents.parts must not be empty.`];
  return parts.flatMap((part, at) => checkPart(part, `${path}.parts[${at}]`));
}

function checkPart(part: GeminiPart, path: string): string[] {
  if (!DATA_FIELDS.some((field) => field in part)) {
    return [`${path}.data: required oneof field 'data' must have one initialized field`];
  }
  if (part.functionCall && !part.functionCall.name) return [`${path}.function_call.name: Name cannot be empty.`];
  if (part.functionResponse && !part.functionResponse.name) {
    return [`${path}.function_response.name: Name cannot be empty.`];
  }
  if (part.inlineData && !part.inlineData.mimeType) return [`${path}.inline_data.mime_type: must not be empty.`];
  if (part.fileData && !/^(https?|gs):\/\//.test(part.fileData.fileUri ?? '')) {
    return [`${path}.file_data.file_uri: Invalid or unsupported file uri.`];
  }
  return [];
}

const FUNCTION_NAME = /^[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}$/;
const BAD_NAME =
  'Invalid function name. Must start with a letter or an underscore. Must be alphameric (a-z, A-Z, 0-9), underscores (_), dots (.), colons (:) or dashes (-), with a maximum length of 128.';

function checkDeclarations({ tools = [], generationConfig }: GeminiRequest): string[] {
  const found = tools.flatMap(({ functionDeclarations = [] }, tool) =>
    functionDeclarations.flatMap((declaration, at) => {
      const path = `tools[${tool}].function_declarations[${at}]`;
      const { name = '', parameters, parametersJsonSchema } = declaration;
      if (parameters && parametersJsonSchema !== undefined) {
        return [`${path}: parameters and parameters_json_schema are mutually exclusive.`];
      }
      const inParameters = parameters ? checkSchema(parameters, `${path}.parameters`) : [];
      return FUNCTION_NAME.test(name) ? inParameters : [`${path}.name: ${BAD_NAME}`, ...inParameters];
    }),
  );
  const { responseSchema } = generationConfig ?? {};
  if (responseSchema) found.push(...checkSchema(responseSchema, 'generation_config.response_schema'));
  return found;
}

function checkSchema({ type, items, properties = {}, required = [], ...rest }: GeminiSchema, path: string): string[] {
  const found: string[] = [];
  if (type === 'ARRAY' && !items) found.push(`${path}.items: missing field.`);
  if (rest.enum && type !== 'STRING') found.push(`${path}.enum: only allowed for STRING type`);
  for (const [at, name] of required.entries()) {
    if (!Object.hasOwn(properties, name)) found.push(`${path}.required[${at}]: property is not defined`);
  }
  if (items) found.push(...checkSchema(items, `${path}.items`));
  for (const [name, property] of Object.entries(properties)) {
    found.push(...checkSchema(property, `${path}.properties[${name}]`));
  }
  for (const [at, branch] of (rest.anyOf ?? []).entries()) found.push(...checkSchema(branch, `${path}.any_of[${at}]`));
  return found;
}

/** Both bounds are allowed values. */
const RANGES: [keyof GenerationConfig & string, string, number, number][] = [
  ['temperature', 'temperature', 0, 2],
  ['topP', 'top_p', 0, 1],
  ['candidateCount', 'candidate_count', 1, 8],
  ['presencePenalty', 'presence_penalty', -2, 2],
  ['frequencyPenalty', 'frequency_penalty', -2, 2],
];
const MIME_TYPES = ['text/plain', 'application/json', 'application/xml', 'application/yaml', 'text/x.enum'];
const MAX_STOPS = 5;

function checkConfig(config: GenerationConfig): string[] {
  const path = 'generation_config';
  const found: string[] = [];
  for (const [field, name, min, max] of RANGES) {
    const value = config[field];
    if (typeof value === 'number' && (value < min || value > max)) {
      found.push(`${path}.${name}: ${name} must be in the range [${min}, ${max}].`);
    }
  }
  if ((config.topK ?? 1) < 1) found.push(`${path}.top_k: top_k must be positive.`);
  if ((config.maxOutputTokens ?? 1) < 1) found.push(`${path}.max_output_tokens: max_output_tokens must be positive.`);
  if ((config.stopSequences?.length ?? 0) > MAX_STOPS) {
    found.push(`${path}.stop_sequences: at most ${MAX_STOPS} stop sequences are allowed.`);
  }
  const { responseMimeType, responseSchema, responseJsonSchema } = config;
  if (responseMimeType && !MIME_TYPES.includes(responseMimeType)) {
    const allowed = MIME_TYPES.map((type) => `\`${type}\``);
    found.push(
      `${path}.response_mime_type: allowed mimetypes are ${allowed.slice(0, -1).join(', ')} and ${allowed.at(-1)}.`,
    );
  }
  const constrained = responseMimeType === 'application/json' || responseMimeType === 'text/x.enum';
  if ((responseSchema || responseJsonSchema !== undefined) && !constrained) {
    const name = responseSchema ? 'response_schema' : 'response_json_schema';
    found.push(`${path}.${name}: only allowed when response_mime_type is \`application/json\` or \`text/x.enum\`.`);
  }
  if (responseSchema && responseJsonSchema !== undefined) {
    found.push(`${path}.response_json_schema: response_schema and response_json_schema are mutually exclusive.`);
  }
  return found;
}

// ---- what goes together ---------------------------------------------------------------------------------------------

function checkFunctionCalling({ tools = [], toolConfig, generationConfig }: GeminiRequest): string | null {
  const names = tools.flatMap(({ functionDeclarations = [] }) => functionDeclarations.map(({ name = '' }) => name));
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) return `Duplicate function declaration found: ${twice}`;
  const { mode, allowedFunctionNames = [] } = toolConfig?.functionCallingConfig ?? {};
  const forced = mode === 'ANY' || mode === 'VALIDATED';
  if (forced && names.length === 0) return 'Function calling config is set without function_declarations.';
  if (allowedFunctionNames.length > 0 && !forced) {
    return 'Allowed function names can only be set when the function calling mode is ANY or VALIDATED.';
  }
  const unknown = allowedFunctionNames.find((name) => !names.includes(name));
  if (unknown !== undefined) return `Allowed function name '${unknown}' is not among the function declarations.`;
  const { thinkingBudget, thinkingLevel } = generationConfig?.thinkingConfig ?? {};
  if (thinkingBudget !== undefined && thinkingLevel !== undefined) {
    return 'You can only set only one of thinking budget and thinking level.';
  }
  if (thinkingBudget !== undefined && (thinkingBudget < -1 || thinkingBudget > MAX_BUDGET)) {
    return `The thinking budget ${thinkingBudget} is invalid. Please choose a value between 0 and ${MAX_BUDGET}.`;
  }
  return null;
}

const MAX_BUDGET = 32_768;

const UNEVEN =
  'Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.';

interface Turn {
  role: string;
  parts: GeminiPart[];
  /** Of its first content. */
  index: number;
}

/** What the model said in several contents is one turn: clients keep each chunk of a stream as a content of its own. */
function turnsOf(contents: GeminiContent[]): Turn[] {
  const turns: Turn[] = [];
  for (const [index, { role = 'user', parts = [] }] of contents.entries()) {
    const last = turns.at(-1);
    if (role === 'model' && last?.role === 'model') last.parts.push(...parts);
    else turns.push({ role, parts: [...parts], index });
  }
  return turns;
}

/** A turn with calls comes after a user's, and the next one has the responses, as many and to the same functions. */
function checkTurns(turns: Turn[]): string | null {
  let open: GeminiPart[] = [];
  for (const { role, parts, index } of turns) {
    if (!['user', 'model', 'function'].includes(role)) return 'Please use a valid role: user, model.';
    const calls = parts.filter((part) => part.functionCall);
    const responses = parts.filter((part) => part.functionResponse);
    if (responses.length > 0 && open.length === 0) {
      return 'Please ensure that function response turn comes immediately after a function call turn.';
    }
    if (!isAnsweredBy(open, responses)) return UNEVEN;
    if (calls.length > 0 && (role !== 'model' || index === 0)) {
      return 'Please ensure that function call turn comes immediately after a user turn or after a function response turn.';
    }
    open = calls;
  }
  return open.length > 0 ? UNEVEN : null;
}

/** By name, and by id where a response has one. The API counts; a response to what nobody called is refused in the same words. */
function isAnsweredBy(calls: GeminiPart[], responses: GeminiPart[]): boolean {
  if (calls.length !== responses.length) return false;
  const left = calls.map((part) => part.functionCall!);
  return responses.every(({ functionResponse }) => {
    const { name, id } = functionResponse!;
    const at = left.findIndex((call) => call.name === name && (id === undefined || call.id === id));
    if (at !== -1) left.splice(at, 1);
    return at !== -1;
  });
}

// ---- thought signatures ---------------------------------------------------------------------------------------------

/** Documented for conversations that another model began: the API then asks for no real one. */
const WAIVERS = ['skip_thought_signature_validator', 'context_engineering_is_the_way_to_go'];

function checkSignatures(turns: Turn[], thinks: boolean): string | null {
  for (const { parts } of turns) {
    const text = parts.map((part) => (part.thought ? '' : (part.text ?? ''))).join('');
    for (const { thoughtSignature, functionCall } of parts) {
      if (thoughtSignature === undefined || WAIVERS.includes(thoughtSignature)) continue;
      const signed = functionCall ? signedCall(functionCall.name!, functionCall.args ?? {}) : text;
      if (!isSignatureOf(thoughtSignature, signed)) return 'Corrupted thought signature.';
    }
  }
  if (!thinks) return null;
  // The current turn begins at what the user said last; earlier ones are not checked.
  const from = turns.findLastIndex(({ role, parts }) => role !== 'model' && !parts.some(isResponse));
  for (const { parts, index } of turns.slice(Math.max(from, 0))) {
    const first = parts.find((part) => part.functionCall);
    if (first && first.thoughtSignature === undefined) {
      return `Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly, and missing thought_signature may lead to degraded model performance. Additional data, function call \`default_api:${first.functionCall!.name}\` , position ${index + 1}. Please refer to https://ai.google.dev/gemini-api/docs/thought-signatures for more details.`;
    }
  }
  return null;
}

function isResponse(part: GeminiPart): boolean {
  return part.functionResponse !== undefined;
}

/** What the signature beside a call stands for. Arguments are a map to this API: their order means nothing. */
export function signedCall(name: string, args: Record<string, unknown>): string {
  return `${name}${JSON.stringify(args, (_, value) => (isMap(value) ? Object.fromEntries(Object.entries(value).sort()) : value))}`;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
