// One prompt template: reads a `.prompt` file, renders it to chat messages. https://google.github.io/dotprompt/reference/
// Knows dotprompt and the chat request; knows no folder and checks no variable against its schema (prompt-variables.ts).
import { Dotprompt, type Message, type Part } from 'dotprompt';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { type ChatRequest, chatFields } from '../core/chat.ts';
import { GatewayError } from '../core/errors.ts';
import { isRecord } from './issue.ts';
import { sampleOf, type VariablesSchema } from './prompt-variables.ts';
import { schemaIssues } from './schema-issues.ts';

/** The request fields that a template may set. A field of the request itself goes before them. */
const promptConfig = z.strictObject(
  {
    temperature: chatFields.temperature,
    top_p: chatFields.top_p,
    max_tokens: chatFields.max_tokens,
    stop: chatFields.stop,
    seed: chatFields.seed,
    presence_penalty: chatFields.presence_penalty,
    frequency_penalty: chatFields.frequency_penalty,
    reasoning_effort: chatFields.reasoning_effort,
    response_format: chatFields.response_format,
  },
  {
    error: (issue) =>
      issue.code === 'unrecognized_keys' ? [...Object.keys(GENAI_NAMES), 'temperature', 'seed'].join(', ') : undefined,
  },
);

export type PromptConfig = z.infer<typeof promptConfig>;

/** dotprompt files carry Google's names for these; https://google.github.io/dotprompt/reference/model/ */
const GENAI_NAMES: Record<string, string> = {
  topP: 'top_p',
  maxOutputTokens: 'max_tokens',
  stopSequences: 'stop',
  presencePenalty: 'presence_penalty',
  frequencyPenalty: 'frequency_penalty',
  reasoningEffort: 'reasoning_effort',
};

export interface RenderedPrompt {
  messages: ChatRequest['messages'];
  model?: string;
  config?: PromptConfig;
}

export interface PromptFile {
  description?: string;
  model?: string;
  /** Null when the template declares no input schema: it then takes any variables. */
  variables: VariablesSchema | null;
  defaults: Record<string, unknown>;
  /** Variables must have been checked. Throws `invalid_request` when nothing or nothing usable comes out. */
  render(variables: Record<string, unknown>): Promise<RenderedPrompt>;
}

const frontmatter = z.looseObject({
  description: z.string().optional(),
  model: z.string().min(1).optional(),
  config: z.record(z.string(), z.unknown()).nullish(),
  input: z.looseObject({ default: z.record(z.string(), z.unknown()).optional() }).nullish(),
  output: z.looseObject({ format: z.string().optional() }).nullish(),
});

/** Rejects with one sentence that says what is wrong with the file. */
export async function readPromptFile(name: string, source: string): Promise<PromptFile> {
  const text = source.replace(/^\ufeff/, '');
  const head = checkFrontmatter(text);
  const dotprompt = new Dotprompt({ partialResolver: refusePartial });
  const parsed = dotprompt.parse(text);
  checkRoles(parsed.template);
  const meta = await dotprompt.renderMetadata<Record<string, unknown>>(parsed);
  const config = readConfig(name, head.config ?? {}, meta.output);
  const run = await dotprompt.compile({ ...parsed, template: encode(parsed.template) });

  async function render(variables: Record<string, unknown>): Promise<RenderedPrompt> {
    const { messages } = await run({ input: encodeDeep(variables, 0) as Record<string, unknown> });
    const chat = messages.map((message) => toChat(name, message)).filter((message) => message !== null);
    if (chat.length === 0) throw new GatewayError('invalid_request', `The prompt "${name}" came out empty.`, PARAM);
    return { messages: chat, ...(head.model && { model: head.model }), ...(config && { config }) };
  }

  const variables = (meta.input?.schema ?? null) as VariablesSchema | null;
  const defaults = head.input?.default ?? {};
  try {
    // Handlebars compiles at the first use: this finds what is wrong with the template while its author is looking.
    await run({ input: { ...(variables && sampleOf(variables)), ...defaults } });
  } catch (error) {
    throw new Error(decode((error as Error).message));
  }
  return {
    ...(head.description && { description: head.description }),
    ...(head.model && { model: head.model }),
    variables,
    defaults,
    render,
  };
}

const PARAM = { param: 'prompt.name' };

function refusePartial(name: string): never {
  throw new Error(`{{> ${name}}}: partials are not supported`);
}

/** Said while the author is looking, rather than to the client of the first request. */
function checkRoles(template: string): void {
  if (/\{\{\s*history\b/.test(template)) {
    throw new Error('{{history}} is not supported: the messages of the request always follow those of the template');
  }
  for (const [, role = ''] of template.matchAll(/\{\{\s*role\s+["'](\w+)["']/g)) {
    if (!ROLES.has(role)) throw new Error(`a template cannot have the role "${role}": ${[...ROLES].join(', ')}`);
  }
}

const ROLES = new Set(['system', 'developer', 'user', 'model', 'assistant']);

/** dotprompt prints a YAML error and takes the whole file for the template; here it is an error. */
function checkFrontmatter(text: string): z.infer<typeof frontmatter> {
  const match = /^---\s*\r?\n([\s\S]*?)\r?\n---\s*(?:\r?\n|$)/.exec(text);
  if (!match) {
    if (/^---\s*\r?\n/.test(text)) throw new Error('the frontmatter that begins with --- has no closing ---');
    return {};
  }
  const parsed = frontmatter.safeParse(parseYaml(match[1] ?? '') ?? {});
  if (parsed.success) return parsed.data;
  throw new Error(describe(parsed.error, parsed.data));
}

function readConfig(name: string, written: Record<string, unknown>, output: unknown): PromptConfig | undefined {
  const renamed = Object.entries(written).map(([key, value]) => [GENAI_NAMES[key] ?? key, value]);
  const fields = { ...responseFormat(name, output), ...Object.fromEntries(renamed) };
  const parsed = promptConfig.safeParse(fields);
  if (!parsed.success) throw new Error(describe(parsed.error, fields, 'config.'));
  return Object.keys(parsed.data).length === 0 ? undefined : parsed.data;
}

function responseFormat(name: string, output: unknown): PromptConfig {
  if (!isRecord(output)) return {};
  if (isRecord(output.schema)) {
    const schemaName = name.replace(/[^\w-]/g, '_').slice(0, 64); // what OpenAI accepts as a name
    return { response_format: { type: 'json_schema', json_schema: { name: schemaName, schema: output.schema } } };
  }
  return output.format === 'json' ? { response_format: { type: 'json_object' } } : {};
}

function describe(error: z.ZodError, value: unknown, prefix = ''): string {
  return schemaIssues(error, value)
    .map(({ path, message }) => `${prefix}${path.join('.')}: ${message}`)
    .join('; ');
}

// ---- from dotprompt's messages to chat messages ---------------------------------------------------------------------

function toChat(name: string, message: Message): ChatRequest['messages'][number] | null {
  const content = toContent(message.content);
  if (content === null) return null;
  switch (message.role as string) {
    case 'system':
      return { role: 'system', content };
    case 'developer':
      return { role: 'developer', content };
    case 'user':
      return { role: 'user', content };
    case 'model':
    case 'assistant':
      return { role: 'assistant', content };
    default:
      throw new GatewayError(
        'invalid_request',
        `The prompt "${name}" uses the role "${message.role}", which a template cannot have.`,
        PARAM,
      );
  }
}

type Content = NonNullable<Extract<ChatRequest['messages'][number], { role: 'user' }>['content']>;
type ContentPart = Exclude<Content, string>[number];

function toContent(parts: readonly Part[]): Content | null {
  const usable = parts.map(toPart).filter((part) => part !== null);
  if (usable.some((part) => part.type !== 'text')) return usable;
  const text = usable.map((part) => (part.type === 'text' ? part.text : '')).join('');
  // The line breaks around {{role}} are the template's layout. Not one expression: `\s+$` costs the square of a long blank.
  const trimmed = text.replace(/^(?:[ \t]*\r?\n)+/, '').trimEnd();
  return trimmed === '' ? null : trimmed;
}

function toPart(part: Part): ContentPart | null {
  if (part.text !== undefined) return { type: 'text', text: decode(part.text) };
  if (part.media) return { type: 'image_url', image_url: { url: decode(part.media.url) } };
  return null; // a section marker: a place for tools, of which a template has none here
}

// ---- what keeps variables from becoming roles -----------------------------------------------------------------------
// dotprompt renders to one string and splits it at markers, `<<<dotprompt:role:system>>>`. A variable that holds such a
// marker, or a part of one beside a literal `<<<` of the template, would open a message of its own. So neither variables
// nor template text reach it with a "<": the markers of its helpers are the only ones left. Both are encoded alike, and
// one-to-one, which keeps every comparison inside the template true. Decoding comes after the split.

const LT = '\ufdd0'; // noncharacters, which text has no use for; https://www.unicode.org/faq/private_use.html#noncharacters
const ESCAPE = '\ufdd1';
const DEEPEST = 64;

function encode(text: string): string {
  return text.replace(/[<\ufdd0\ufdd1]/g, (char) => (char === '<' ? LT : char === LT ? `${ESCAPE}0` : `${ESCAPE}1`));
}

function decode(text: string): string {
  return text.replace(/\ufdd1[01]|\ufdd0/g, (code) => (code === LT ? '<' : code === `${ESCAPE}0` ? LT : ESCAPE));
}

function encodeDeep(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return encode(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth > DEEPEST) {
    throw new GatewayError('invalid_request', `A prompt variable is nested more than ${DEEPEST} deep.`, {
      param: 'prompt.variables',
    });
  }
  if (Array.isArray(value)) return value.map((item) => encodeDeep(item, depth + 1));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [encode(key), encodeDeep(item, depth + 1)]));
}
