// What may stand under `providers`, wire by wire: where a provider is, how it is reached and what is particular to its wire. The one
// source of types, defaults and editor help for it. Knows no vendor's facts; those are data (vendors.json).
import { z } from 'zod';
import { duration, flag, headers, integer, section, text, webAddress } from './fields.ts';

const apiKey = text().optional().describe(`Key of this provider; write \${VARIABLE} rather than the key itself.`);

/** How its answers and requests are treated, whatever the wire. */
const manner = {
  drop: z
    .array(text())
    .prefault([])
    .describe('Request fields that are left out for this provider; the client is told in a header.'),
};

/** How it is reached over HTTP. */
const reach = {
  headers: headers().describe('Headers added to each request.'),
  query: z.record(z.string(), text()).prefault({}).describe('Query parameters added to each request.'),
  connections: integer(1, 100_000)
    .optional()
    .describe(
      'Most sockets to this provider at a time; over HTTP/2 one carries up to 100 streams. Without it there is no bound.',
    ),
  keepAlive: duration().prefault('30s').describe('How long an idle socket is kept for the next request.'),
  http2: flag()
    .prefault(true)
    .describe('Speak HTTP/2 where an https provider does: a hundred streams share one socket.'),
  proxy: z
    .union([z.literal(false), text()], { error: 'expected the address of a proxy, or false for none' })
    .optional()
    .describe('Proxy for this provider; false for none. Without it HTTPS_PROXY, HTTP_PROXY and NO_PROXY decide.'),
  ca: text()
    .optional()
    .describe('File with certificates (PEM) to trust for this provider, besides those that Node trusts anyway.'),
};

const passthrough = (door: string) =>
  flag()
    .prefault(true)
    .describe(`Hand the frames of this provider to ${door} clients as they came. False: always normalized ones.`);

const address = (usual?: string) =>
  (usual === undefined ? webAddress() : webAddress().prefault(usual)).describe(
    'Address up to and including the version path, as SDKs take it.',
  );

const openai = section({
  wire: z.literal('openai').describe('OpenAI chat completions, and everything that speaks it.'),
  baseUrl: address(),
  apiKey,
  ...manner,
  keep: z
    .array(z.enum(['cache_control', 'reasoning', 'reasoning_details']))
    .prefault([])
    .describe('Fields beyond the wire that this provider takes; any other leaves them out.'),
  ...reach,
  apiVersion: text()
    .optional()
    .describe('Azure only: the api-version of a deployment address. The /openai/v1 address needs none.'),
  passthrough: passthrough('OpenAI'),
  streamUsage: flag().prefault(true).describe('Ask for token counts in the stream (stream_options.include_usage).'),
  maxTokensField: z
    .enum(['max_tokens', 'max_completion_tokens'])
    .optional()
    .describe('The one name of the output limit that this provider takes. Without it the request keeps its own.'),
}).describe('A provider of the OpenAI chat-completions wire.');

const openaiResponses = section({
  wire: z.literal('openai-responses').describe('OpenAI Responses.'),
  baseUrl: address('https://api.openai.com/v1'),
  apiKey,
  ...manner,
  ...reach,
  apiVersion: text().optional().describe('Azure only: the api-version of a deployment address.'),
  passthrough: passthrough('Responses'),
}).describe('A provider of the OpenAI Responses wire.');

const anthropic = section({
  wire: z.literal('anthropic').describe('Anthropic Messages.'),
  baseUrl: address('https://api.anthropic.com/v1'),
  apiKey,
  ...manner,
  ...reach,
  passthrough: passthrough('Anthropic'),
  version: text().prefault('2023-06-01').describe('The anthropic-version header.'),
  maxTokens: integer(1, 10_000_000)
    .optional()
    .describe('Output limit where a request has none: this wire demands one. Without it, what the model can do.'),
  thinking: z
    .enum(['adaptive', 'budget'])
    .optional()
    .describe('How its models are told to reason. Without it, the name of the model decides.'),
}).describe('A provider of the Anthropic Messages wire.');

const gemini = section({
  wire: z.literal('gemini').describe('Gemini generateContent.'),
  baseUrl: address('https://generativelanguage.googleapis.com/v1beta'),
  apiKey,
  ...manner,
  ...reach,
  passthrough: passthrough('Gemini'),
  thinking: z
    .enum(['level', 'budget'])
    .optional()
    .describe('How its models are told to reason. Without it, the name of the model decides.'),
}).describe('A provider of the Gemini wire.');

const bedrock = section({
  wire: z.literal('bedrock').describe('Amazon Bedrock ConverseStream.'),
  region: text().describe('AWS region, such as us-east-1.'),
  baseUrl: webAddress().optional().describe('Address of the runtime; without it, the one of the region.'),
  apiKey: text().optional().describe('A Bedrock API key. Without one, requests are signed with AWS credentials.'),
  accessKeyId: text().optional().describe('AWS credentials to sign with. Without them, those that the AWS SDK finds.'),
  secretAccessKey: text().optional().describe('The secret of accessKeyId.'),
  sessionToken: text().optional().describe('With temporary credentials.'),
  profile: text().optional().describe('Profile of the AWS config files to take credentials from.'),
  ...manner,
  ...reach,
  thinking: z
    .enum(['adaptive', 'budget'])
    .optional()
    .describe('How its Claude models are told to reason. Without it, the name of the model decides.'),
}).describe('Amazon Bedrock.');

const aiSdk = section({
  wire: z.literal('ai-sdk').describe('Any provider package of the AI SDK that you have installed.'),
  package: text().describe('The package, such as "@ai-sdk/cohere".'),
  export: text().optional().describe('The factory in it, where it has several: createVertex.'),
  options: z
    .record(z.string(), z.unknown())
    .prefault({})
    .describe('Handed to the factory, such as project and location.'),
  baseUrl: webAddress().optional().describe('Address of the API, where it is not the usual one.'),
  apiKey,
  ...manner,
  ...reach,
}).describe('A provider package of the AI SDK.');

const mock = section({
  wire: z.literal('mock').describe('The built-in provider that needs no key: its model names say how it behaves.'),
  speaks: z
    .enum(['openai', 'openai-responses', 'anthropic', 'gemini', 'bedrock'])
    .prefault('openai')
    .describe('The wire on which it is asked, and answers.'),
  recordings: z.array(text()).optional().describe('Folders with recorded streams for mock/replay-<name>.'),
  port: integer(0, 65_535).optional().describe('Loopback port of the mock; any free one without it.'),
}).describe('The built-in mock provider.');

export const providerName = z.string().regex(/^[A-Za-z0-9][\w.-]*$/, {
  error: 'expected a provider name of letters, digits, "-", "_" and "."',
});

export const provider = z.discriminatedUnion('wire', [
  openai,
  openaiResponses,
  anthropic,
  gemini,
  bedrock,
  aiSdk,
  mock,
]);

export type ProviderConfig = z.output<typeof provider>;
