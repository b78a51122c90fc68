// The rules of a Messages request that span several fields or several messages: who may say what, that each call is answered, that
// thinking comes back as it was given out, and what excludes what. Knows no type of a single field.
// https://platform.claude.com/docs/en/api/errors#common-validation-errors

import { isSignatureOf } from '../signature.ts';
import type { AnthropicRequest, Block, Message } from './request.ts';

/** The first version whose API takes no sampling parameters. https://platform.claude.com/docs/en/api/versioning */
export const LATEST_VERSION = '2026-10-21';
export const VERSIONS = ['2023-01-01', '2023-06-01', LATEST_VERSION];

/** The API's complaint, or null. */
export function checkTogether(body: AnthropicRequest, version: string): string | null {
  return (
    checkSampling(body, version) ??
    checkThinking(body) ??
    checkTools(body) ??
    checkOutput(body) ??
    checkCacheMarks(body) ??
    checkMessages(body, version)
  );
}

function checkSampling(body: AnthropicRequest, version: string): string | null {
  const given = (['temperature', 'top_p', 'top_k'] as const).filter((name) => body[name] !== undefined);
  if (version === LATEST_VERSION && given.length > 0) return `${given[0]}: Extra inputs are not permitted`;
  if (body.temperature !== undefined && body.top_p !== undefined) {
    return '`temperature` and `top_p` cannot both be specified for this model. Please use only one.';
  }
  if (body.stop_sequences?.some((stop) => stop.trim() === '')) {
    return 'stop_sequences: each stop sequence must contain non-whitespace';
  }
  return null;
}

function checkThinking({ thinking, max_tokens, temperature, top_k, tool_choice }: AnthropicRequest): string | null {
  if (thinking?.type !== 'enabled') return null;
  if (thinking.budget_tokens >= max_tokens) return '`max_tokens` must be greater than `thinking.budget_tokens`.';
  if (temperature !== undefined && temperature !== 1) {
    return '`temperature` may only be set to 1 when thinking is enabled.';
  }
  if (top_k !== undefined) return '`top_k` must be unset when thinking is enabled.';
  if (tool_choice?.type === 'any' || tool_choice?.type === 'tool') {
    return 'Thinking may not be enabled when tool_choice forces tool use.';
  }
  return null;
}

function checkTools({ tools = [], tool_choice }: AnthropicRequest): string | null {
  const names = tools.map((tool) => tool.name);
  if (new Set(names).size < names.length) return 'tools: Tool names must be unique.';
  if (tool_choice && tools.length === 0) return 'tool_choice: tool_choice may only be specified while providing tools.';
  if (tool_choice?.type === 'tool' && !names.includes(tool_choice.name)) {
    return `Tool '${tool_choice.name}' not found in provided tools`;
  }
  for (const [at, tool] of tools.entries()) {
    const complaint = 'strict' in tool && tool.strict === true ? checkSchema(tool.input_schema) : null;
    if (complaint) return `tools.${at}.custom: ${complaint}`;
  }
  return null;
}

function checkOutput({ output_config }: AnthropicRequest): string | null {
  const complaint = output_config?.format ? checkSchema(output_config.format.schema) : null;
  return complaint && `output_config.format.schema: ${complaint}`;
}

/** What a grammar cannot be made of. https://platform.claude.com/docs/en/build-with-claude/structured-outputs#json-schema-limitations */
const UNSUPPORTED: Record<string, string[]> = {
  integer: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'],
  number: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'],
  string: ['minLength', 'maxLength'],
  array: ['maxItems', 'uniqueItems'],
};

function checkSchema(schema: unknown): string | null {
  if (typeof schema !== 'object' || schema === null) return null;
  const { type, additionalProperties } = schema as Record<string, unknown>;
  if (type === 'object' && additionalProperties !== false) {
    return "For 'object' type, 'additionalProperties' must be explicitly set to false";
  }
  const wrong = typeof type === 'string' ? (UNSUPPORTED[type] ?? []).filter((key) => key in schema) : [];
  if (wrong.length > 0) return `For '${type}' type, properties ${wrong.join(', ')} are not supported`;
  for (const inner of Object.values(schema)) {
    const complaint = checkSchema(inner);
    if (complaint) return complaint;
  }
  return null;
}

const MAX_CACHE_MARKS = 4;

function checkCacheMarks({ system, tools, messages, cache_control }: AnthropicRequest): string | null {
  const marks =
    (JSON.stringify([system, tools, messages]).match(/"cache_control":\{/g)?.length ?? 0) + +!!cache_control;
  if (marks <= MAX_CACHE_MARKS) return null;
  return `A maximum of ${MAX_CACHE_MARKS} blocks with cache_control may be provided. Found ${marks}.`;
}

// ---- messages -------------------------------------------------------------------------------------------------------

export function blocksOf({ content }: { content: Message['content'] }): Block[] {
  return typeof content === 'string' ? [{ type: 'text', text: content }] : content;
}

function checkMessages(body: AnthropicRequest, version: string): string | null {
  const { messages, system } = body;
  if (messages.length === 0) return 'messages: at least one message is required';
  if (Array.isArray(system) && system.some(({ text }) => text === '')) {
    return 'system: text content blocks must be non-empty';
  }
  for (const [at, message] of messages.entries()) {
    const complaint = checkMessage(message, at, messages, version);
    if (complaint) return complaint;
  }
  const last = messages.at(-1)!;
  const end = blocksOf(last).at(-1);
  if (last.role === 'assistant' && end?.type === 'text' && /\s$/.test(end.text)) {
    return 'messages: final assistant content cannot end with trailing whitespace';
  }
  return checkCalls(messages) ?? checkReplay(body);
}

function checkMessage(message: Message, at: number, messages: Message[], version: string): string | null {
  const blocks = blocksOf(message);
  const isLast = at === messages.length - 1;
  if (at === 0 && message.role !== 'user') return 'messages: first message must use the "user" role';
  if (message.role === 'system' && !isLast && messages[at + 1]!.role !== 'assistant') {
    return `messages.${at}: role 'system' must precede an 'assistant' message or end the array`;
  }
  const empty = message.content === '' || blocks.length === 0;
  if (empty && isLast && message.role === 'assistant') return null;
  if (empty)
    return `messages.${at}: all messages must have non-empty content except for the optional final assistant message`;
  for (const [index, block] of blocks.entries()) {
    const place = `messages.${at}.content.${index}`;
    if (!mayHold(message.role, block.type, version)) {
      return `${place}: \`${block.type}\` blocks are not permitted in \`${message.role}\` messages`;
    }
    if (block.type === 'text' && block.text.trim() === '') {
      return `messages: text content blocks must ${block.text === '' ? 'be non-empty' : 'contain non-whitespace text'}`;
    }
    if (block.type === 'text' && message.role === 'user' && version === LATEST_VERSION && block.citations?.length) {
      return `${place}.text.citations: citations are not permitted in \`user\` messages`;
    }
    const complaint = checkSource(block);
    if (complaint) return `${place}.${complaint}`;
  }
  return null;
}

function mayHold(role: Message['role'], type: Block['type'], version: string): boolean {
  switch (type) {
    case 'text':
      return true;
    case 'tool_result':
    case 'image':
    case 'search_result':
      return role === 'user';
    case 'document':
      return role === 'user' || (role === 'assistant' && version !== LATEST_VERSION);
    case 'tool_use':
    case 'thinking':
    case 'redacted_thinking':
      return role === 'assistant';
    default:
      return role !== 'system';
  }
}

function checkSource(block: Block): string | null {
  if (block.type !== 'image' && block.type !== 'document') return null;
  const { source } = block;
  const place = `${block.type}.source.${source.type}`;
  if (source.type === 'url' && !source.url.startsWith('https://'))
    return `${place}.url: Only HTTPS URLs are supported.`;
  if (source.type !== 'base64') return null;
  if (source.data === '') return `${place}: ${block.type} cannot be empty`;
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(source.data)) return `${place}: invalid base64 data`;
  return null;
}

/** Each call is answered at once, and each answer has its call. */
function checkCalls(messages: Message[]): string | null {
  const seen = new Set<string>();
  let open: string[] = [];
  for (const [at, message] of messages.entries()) {
    const blocks = blocksOf(message);
    const asked = open;
    const answered = new Set<string>();
    for (const [index, block] of blocks.entries()) {
      if (block.type !== 'tool_result') continue;
      const id = block.tool_use_id;
      const place = `messages.${at}.content.${index}`;
      if (!asked.includes(id)) {
        return `${place}: unexpected \`tool_use_id\` found in \`tool_result\` blocks: ${id}. Each \`tool_result\` block must have a corresponding \`tool_use\` block in the previous message.`;
      }
      if (answered.has(id))
        return `${place}: each tool_use must have a single result. Found multiple \`tool_result\` blocks with id: ${id}`;
      // What stands in front of a result separates it from its call.
      if (blocks.slice(0, index).some(({ type }) => type !== 'tool_result')) break;
      answered.add(id);
    }
    const missing = asked.filter((id) => !answered.has(id));
    if (missing.length > 0) return unanswered(at - 1, missing);
    open = [];
    for (const block of blocks) {
      if (block.type !== 'tool_use') continue;
      if (seen.has(block.id)) return 'messages: `tool_use` ids must be unique';
      seen.add(block.id);
      open.push(block.id);
    }
  }
  return open.length > 0 ? unanswered(messages.length - 1, open) : null;
}

function unanswered(at: number, ids: string[]): string {
  return `messages.${at}: \`tool_use\` ids were found without \`tool_result\` blocks immediately after: ${ids.join(', ')}. Each \`tool_use\` block must have a corresponding \`tool_result\` block in the next message.`;
}

/** https://platform.claude.com/docs/en/build-with-claude/thinking-tool-workflows */
function checkReplay({ messages, thinking }: AnthropicRequest): string | null {
  for (const [at, message] of messages.entries()) {
    for (const [index, block] of blocksOf(message).entries()) {
      const place = `messages.${at}.content.${index}`;
      if (block.type === 'thinking' && !isSignatureOf(block.signature, block.thinking)) {
        return `${place}: Invalid \`signature\` in \`thinking\` block`;
      }
      if (block.type === 'redacted_thinking') return `${place}: Invalid \`data\` in \`redacted_thinking\` block`;
    }
  }
  // With adaptive thinking a turn may come without; manual thinking insists. Only while the results of its calls come in.
  const at = messages.findLastIndex(({ role }) => role === 'assistant');
  const turn = at === -1 ? [] : blocksOf(messages[at]!);
  const first = turn[0]?.type;
  if (thinking?.type !== 'enabled' || !turn.some(({ type }) => type === 'tool_use')) return null;
  if (first === 'thinking') return null;
  return `messages.${at}.content.0.type: Expected \`thinking\` or \`redacted_thinking\`, but found \`${first}\`. When \`thinking\` is enabled, a final \`assistant\` message must start with a thinking block (preceeding the lastmost set of \`tool_use\` and \`tool_result\` blocks). We recommend you include thinking blocks from previous turns. To avoid this requirement, disable \`thinking\`. Please consult our documentation at https://docs.claude.com/en/docs/build-with-claude/extended-thinking`;
}
