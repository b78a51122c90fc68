// The Messages request as this door takes it: what it has to read, checked; everything else is let through, since a provider of the
// same wire may know it. Knows shapes; translates nothing.
// https://platform.claude.com/docs/en/api/messages/create
import { z } from 'zod';

const cacheable = { cache_control: z.looseObject({ type: z.literal('ephemeral') }).nullish() };

const text = z.looseObject({ type: z.literal('text'), text: z.string(), ...cacheable });
const bytes = z.looseObject({ type: z.literal('base64'), media_type: z.string(), data: z.string() });
const url = z.looseObject({ type: z.literal('url'), url: z.string() });
const upload = z.looseObject({ type: z.literal('file'), file_id: z.string() });
const image = z.looseObject({
  type: z.literal('image'),
  source: z.discriminatedUnion('type', [bytes, url, upload]),
  ...cacheable,
});
const searchResult = z.looseObject({
  type: z.literal('search_result'),
  source: z.string(),
  title: z.string(),
  content: z.array(text),
  ...cacheable,
});
const document = z.looseObject({
  type: z.literal('document'),
  source: z.discriminatedUnion('type', [
    bytes,
    url,
    upload,
    z.looseObject({ type: z.literal('text'), data: z.string() }),
    z.looseObject({
      type: z.literal('content'),
      content: z.union([z.string(), z.array(z.discriminatedUnion('type', [text, image]))]),
    }),
  ]),
  title: z.string().nullish(),
  context: z.string().nullish(),
  ...cacheable,
});
const thinking = z.looseObject({ type: z.literal('thinking'), thinking: z.string(), signature: z.string().nullish() });
const redacted = z.looseObject({ type: z.literal('redacted_thinking'), data: z.string() });
const toolUse = z.looseObject({
  type: z.literal('tool_use'),
  id: z.string().min(1),
  name: z.string().min(1),
  input: z.record(z.string(), z.unknown()),
  ...cacheable,
});

/** Of a type that is not in `known`: the vendor's own tools, uploads, and what is yet to be invented. */
function otherThan(known: { shape: { type: z.ZodLiteral<string> } }[]) {
  const types = new Set(known.map(({ shape }) => shape.type.value));
  return z
    .looseObject({ type: z.string().refine((type) => !types.has(type)) })
    .transform((given) => ({ type: 'other' as const, given }));
}

const shown = [text, image, document, searchResult] as const;
const toolResult = z.looseObject({
  type: z.literal('tool_result'),
  tool_use_id: z.string().min(1),
  content: z
    .union([z.string(), z.array(z.union([z.discriminatedUnion('type', shown), otherThan([...shown])]))])
    .nullish(),
  is_error: z.boolean().nullish(),
  ...cacheable,
});
const known = [...shown, thinking, redacted, toolUse, toolResult] as const;
const block = z.union([z.discriminatedUnion('type', known), otherThan([...known])]);

const customTool = z.looseObject({
  type: z.literal('custom').nullish(),
  name: z.string().min(1),
  description: z.string().nullish(),
  input_schema: z.record(z.string(), z.unknown()),
  strict: z.boolean().nullish(),
  ...cacheable,
});
const serverTool = z.looseObject({ type: z.string().refine((type) => type !== 'custom') });

const parallel = { disable_parallel_tool_use: z.boolean().nullish() };

export const messagesRequest = z.looseObject({
  model: z.string().max(256).default(''),
  messages: z.array(
    z.looseObject({
      role: z.enum(['user', 'assistant', 'system']),
      content: z.union([z.string(), z.array(block)]),
    }),
  ),
  system: z.union([z.string(), z.array(text)]).nullish(),
  max_tokens: z.int().nonnegative().nullish(),
  stream: z.boolean().nullish(),
  stop_sequences: z.array(z.string()).nullish(),
  temperature: z.number().min(0).max(1).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  top_k: z.int().nonnegative().nullish(),
  tools: z.array(z.union([customTool, serverTool])).nullish(),
  tool_choice: z
    .discriminatedUnion('type', [
      z.looseObject({ type: z.literal('auto'), ...parallel }),
      z.looseObject({ type: z.literal('any'), ...parallel }),
      z.looseObject({ type: z.literal('tool'), name: z.string(), ...parallel }),
      z.looseObject({ type: z.literal('none') }),
    ])
    .nullish(),
  thinking: z
    .discriminatedUnion('type', [
      z.looseObject({ type: z.literal('enabled'), budget_tokens: z.int().positive() }),
      z.looseObject({ type: z.literal('adaptive') }),
      z.looseObject({ type: z.literal('disabled') }),
      z.looseObject({ type: z.literal('between_tools') }),
    ])
    .nullish(),
  output_config: z
    .looseObject({
      effort: z.string().nullish(),
      format: z.looseObject({ type: z.literal('json_schema'), schema: z.record(z.string(), z.unknown()) }).nullish(),
    })
    .nullish(),
  metadata: z.looseObject({ user_id: z.string().nullish() }).nullish(),
  service_tier: z.string().nullish(),
  ...cacheable,
});

export type MessagesRequest = z.infer<typeof messagesRequest>;
export type WireMessage = MessagesRequest['messages'][number];
export type Block = z.infer<typeof block>;
export type WireTool = NonNullable<MessagesRequest['tools']>[number];
