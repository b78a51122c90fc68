// The generateContent request as the API takes it: its messages, field by field. What must go together is in rules.ts.
// Knows names and types; no behaviour, no framing, no HTTP.
// https://ai.google.dev/api/generate-content https://ai.google.dev/api/caching#Content
import type { Message, ProtoType } from '../proto-json.ts';

const PACKAGE = 'google.ai.generativelanguage.v1beta';

export interface GeminiRequest {
  contents?: GeminiContent[];
  systemInstruction?: GeminiContent;
  tools?: { functionDeclarations?: FunctionDeclaration[] }[];
  toolConfig?: { functionCallingConfig?: { mode?: string; allowedFunctionNames?: string[] } };
  generationConfig?: GenerationConfig;
  cachedContent?: string;
}

export interface GeminiContent {
  role?: string;
  parts?: GeminiPart[];
}

export interface GeminiPart {
  text?: string;
  thought?: boolean;
  thoughtSignature?: string;
  functionCall?: { id?: string; name?: string; args?: Record<string, unknown> };
  functionResponse?: { id?: string; name?: string; response?: Record<string, unknown> };
  inlineData?: { mimeType?: string; data?: string };
  fileData?: { mimeType?: string; fileUri?: string };
}

export interface FunctionDeclaration {
  name?: string;
  parameters?: GeminiSchema;
  parametersJsonSchema?: unknown;
}

export interface GenerationConfig {
  temperature?: number;
  topP?: number;
  topK?: number;
  candidateCount?: number;
  maxOutputTokens?: number;
  stopSequences?: string[];
  presencePenalty?: number;
  frequencyPenalty?: number;
  responseMimeType?: string;
  responseSchema?: GeminiSchema;
  responseJsonSchema?: unknown;
  thinkingConfig?: { thinkingBudget?: number; thinkingLevel?: string; includeThoughts?: boolean };
}

/** The part of OpenAPI's schemas that this API knows. */
export interface GeminiSchema {
  type?: string;
  enum?: string[];
  items?: GeminiSchema;
  properties?: Record<string, GeminiSchema>;
  required?: string[];
  anyOf?: GeminiSchema[];
  [keyword: string]: unknown;
}

const message = (name: string, fields: Record<string, ProtoType>, oneof?: Message['oneof']): Message => ({
  message: `${PACKAGE}.${name}`,
  fields: () => fields,
  oneof,
});
const enumeration = (name: string, values: string): ProtoType => ({
  enum: `${PACKAGE}.${name}`,
  values: values.split(' '),
});

const schema: Message = {
  message: `${PACKAGE}.Schema`,
  fields: () => ({
    type: enumeration('Type', 'TYPE_UNSPECIFIED STRING NUMBER INTEGER BOOLEAN ARRAY OBJECT NULL'),
    format: 'string',
    title: 'string',
    description: 'string',
    nullable: 'bool',
    enum: { repeated: 'string' },
    items: schema,
    maxItems: 'int64',
    minItems: 'int64',
    properties: { map: schema },
    required: { repeated: 'string' },
    minProperties: 'int64',
    maxProperties: 'int64',
    minimum: 'float',
    maximum: 'float',
    minLength: 'int64',
    maxLength: 'int64',
    pattern: 'string',
    example: 'value',
    anyOf: { repeated: schema },
    propertyOrdering: { repeated: 'string' },
    default: 'value',
  }),
};

const blob = message('Blob', { mimeType: 'string', data: 'bytes', displayName: 'string' });
const fileData = message('FileData', { mimeType: 'string', fileUri: 'string', displayName: 'string' });

/** What a part is, one of them each. */
const DATA: Record<string, ProtoType> = {
  text: 'string',
  inlineData: blob,
  fileData,
  functionCall: message('FunctionCall', { id: 'string', name: 'string', args: 'struct' }),
  functionResponse: message('FunctionResponse', {
    id: 'string',
    name: 'string',
    response: 'struct',
    parts: { repeated: message('FunctionResponsePart', { inlineData: blob, fileData }) },
    willContinue: 'bool',
    scheduling: enumeration('FunctionResponse.Scheduling', 'SCHEDULING_UNSPECIFIED SILENT WHEN_IDLE INTERRUPT'),
  }),
  executableCode: 'struct',
  codeExecutionResult: 'struct',
  toolCall: 'struct',
  toolResponse: 'struct',
};
export const DATA_FIELDS = Object.keys(DATA);

const part = message(
  'Part',
  {
    ...DATA,
    thought: 'bool',
    thoughtSignature: 'bytes',
    videoMetadata: 'struct',
    mediaResolution: 'struct',
    partMetadata: 'struct',
    mediaProcessing: 'struct',
    audioTranscription: 'struct',
    speechMetadata: 'struct',
  },
  { name: 'data', fields: DATA_FIELDS },
);
const content = message('Content', { role: 'string', parts: { repeated: part } });

const functionDeclaration = message('FunctionDeclaration', {
  name: 'string',
  description: 'string',
  behavior: enumeration('FunctionDeclaration.Behavior', 'UNSPECIFIED BLOCKING NON_BLOCKING'),
  parameters: schema,
  parametersJsonSchema: 'value',
  response: schema,
  responseJsonSchema: 'value',
});

const tool = message('Tool', {
  functionDeclarations: { repeated: functionDeclaration },
  googleSearch: 'struct',
  googleSearchRetrieval: 'struct',
  codeExecution: 'struct',
  urlContext: 'struct',
  googleMaps: 'struct',
  computerUse: 'struct',
  fileSearch: 'struct',
  mcpServers: { repeated: 'struct' },
});

const toolConfig = message('ToolConfig', {
  functionCallingConfig: message('FunctionCallingConfig', {
    mode: enumeration('FunctionCallingConfig.Mode', 'MODE_UNSPECIFIED AUTO ANY NONE VALIDATED'),
    allowedFunctionNames: { repeated: 'string' },
  }),
  retrievalConfig: 'struct',
  includeServerSideToolInvocations: 'bool',
});

const generationConfig = message('GenerationConfig', {
  candidateCount: 'int32',
  stopSequences: { repeated: 'string' },
  maxOutputTokens: 'int32',
  temperature: 'float',
  topP: 'float',
  topK: 'int32',
  seed: 'int32',
  responseMimeType: 'string',
  responseSchema: schema,
  responseJsonSchema: 'value',
  presencePenalty: 'float',
  frequencyPenalty: 'float',
  responseLogprobs: 'bool',
  logprobs: 'int32',
  enableEnhancedCivicAnswers: 'bool',
  responseModalities: {
    repeated: enumeration('GenerationConfig.Modality', 'MODALITY_UNSPECIFIED TEXT IMAGE AUDIO VIDEO'),
  },
  mediaResolution: enumeration(
    'GenerationConfig.MediaResolution',
    'MEDIA_RESOLUTION_UNSPECIFIED MEDIA_RESOLUTION_LOW MEDIA_RESOLUTION_MEDIUM MEDIA_RESOLUTION_HIGH',
  ),
  thinkingConfig: message('ThinkingConfig', {
    includeThoughts: 'bool',
    thinkingBudget: 'int32',
    thinkingLevel: enumeration('ThinkingConfig.ThinkingLevel', 'THINKING_LEVEL_UNSPECIFIED MINIMAL LOW MEDIUM HIGH'),
  }),
  speechConfig: 'struct',
  imageConfig: 'struct',
  audioTranscriptionConfig: 'struct',
});

export const generateContentRequest = message('GenerateContentRequest', {
  model: 'string',
  contents: { repeated: content },
  systemInstruction: content,
  tools: { repeated: tool },
  toolConfig,
  safetySettings: { repeated: message('SafetySetting', { category: 'string', threshold: 'string', method: 'string' }) },
  generationConfig,
  cachedContent: 'string',
  labels: { map: 'string' },
  serviceTier: 'string',
  store: 'bool',
  continuationToken: 'string',
});
