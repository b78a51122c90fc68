// The rules of a Converse request that span several fields or several messages: turns, calls and their results, thinking that comes
// back as it was given out. Knows no type of a single field.
// https://docs.aws.amazon.com/bedrock/latest/userguide/conversation-inference-call.html

import { isSignatureOf } from '../signature.ts';
import type { HttpReply } from '../wire.ts';
import { invalid, invalidForModel } from './errors.ts';
import type { BedrockRequest, Block, Message } from './request.ts';

/** The API's refusal, or null. */
export function checkTogether(body: BedrockRequest): HttpReply | null {
  const complaint = checkTurns(body.messages) ?? checkTools(body) ?? checkCalls(body.messages) ?? checkOutput(body);
  if (complaint !== null) return invalid(complaint);
  const modelComplaint = checkThinking(body) ?? checkReplay(body) ?? checkCacheMarks(body);
  return modelComplaint === null ? null : invalidForModel(modelComplaint);
}

function checkTurns(messages: Message[]): string | null {
  if (messages[0]?.role !== 'user') {
    return 'A conversation must start with a user message. Try again with a conversation that starts with a user message.';
  }
  for (const [at, { role, content }] of messages.entries()) {
    if (role === messages[at - 1]?.role) {
      return 'A conversation must alternate between user and assistant roles. Make sure the conversation alternates between user and assistant roles and try again.';
    }
    if (content.length === 0) {
      return `The content field in the Message object at messages.${at} is empty. Add a ContentBlock object to the content field and try again.`;
    }
    const complaint = checkBlocks(role, content, at);
    if (complaint) return complaint;
  }
  return null;
}

/** Which role may say what; text and cache points are anyone's. */
const USERS: (keyof Block)[] = ['image', 'document', 'video', 'audio', 'toolResult', 'searchResult'];
const ASSISTANTS: (keyof Block)[] = ['toolUse', 'reasoningContent', 'citationsContent'];

function checkBlocks(role: Message['role'], blocks: Block[], at: number): string | null {
  for (const [index, block] of blocks.entries()) {
    const place = `messages.${at}.content.${index}`;
    const strange = (role === 'user' ? ASSISTANTS : USERS).find((key) => block[key] !== undefined);
    if (strange)
      return `The ${strange} field in the ContentBlock object at ${place} is not supported for the ${role} role.`;
    if (block.text?.trim() === '') {
      return `The text field in the ContentBlock object at ${place} is blank. Add text to the text field, and try again.`;
    }
    const { document, toolResult } = block;
    if (document && !/^(?!.*\s\s)[\w\s()[\]-]+$/.test(document.name)) {
      return "The document file name can only contain alphanumeric characters, whitespace characters, hyphens, parentheses, and square brackets. The name can't contain more than one consecutive whitespace character.";
    }
    if (toolResult?.status === 'error' && toolResult.content.length === 0) {
      return `The content field at ${place}.toolResult cannot be empty when status value is error.`;
    }
  }
  if (blocks.some(({ document }) => document) && !blocks.some(({ text }) => text !== undefined)) {
    return 'A text block must be included when using documents.';
  }
  return null;
}

function checkTools({ messages, toolConfig }: BedrockRequest): string | null {
  const used = messages.some(({ content }) => content.some(({ toolUse, toolResult }) => toolUse ?? toolResult));
  if (used && !toolConfig)
    return 'The toolConfig field must be defined when using toolUse and toolResult content blocks.';
  const names = (toolConfig?.tools ?? []).flatMap(({ toolSpec }) => toolSpec?.name ?? []);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice) return `The tool name ${twice} is defined more than once in toolConfig.tools.`;
  const wanted = toolConfig?.toolChoice?.tool?.name;
  if (wanted === undefined || names.includes(wanted)) return null;
  return `The tool name ${wanted} in toolConfig.toolChoice.tool is not defined in toolConfig.tools.`;
}

/** Each call is answered in the very next message, and nothing else is. */
function checkCalls(messages: Message[]): string | null {
  let open: string[] = [];
  for (let at = 0; at <= messages.length; at++) {
    const content = messages[at]?.content ?? [];
    const answered = content.flatMap(({ toolResult }) => toolResult?.toolUseId ?? []);
    const missing = open.filter((id) => !answered.includes(id));
    if (missing.length > 0) {
      return `Expected toolResult blocks at messages.${at}.content for the following Ids: ${missing.join(', ')}`;
    }
    if (answered.length > open.length) {
      return `The number of toolResult blocks at messages.${at}.content exceeds the number of toolUse blocks of previous turn.`;
    }
    open = content.flatMap(({ toolUse }) => toolUse?.toolUseId ?? []);
    const twice = open.find((id, index) => open.indexOf(id) !== index);
    if (twice) return `The toolUse blocks at messages.${at}.content contain duplicate Ids: ${twice}`;
  }
  return null;
}

function checkOutput({ outputConfig }: BedrockRequest): string | null {
  const schema = outputConfig?.textFormat?.structure.jsonSchema?.schema;
  if (schema === undefined) return null;
  try {
    JSON.parse(schema);
    return null;
  } catch {
    return 'The schema field at outputConfig.textFormat.structure.jsonSchema is not valid JSON.';
  }
}

// ---- what the model's own API checks --------------------------------------------------------------------------------

function checkThinking(body: BedrockRequest): string | null {
  const thinking = thinkingOf(body);
  if (thinking?.type !== 'enabled') return null;
  const { maxTokens, temperature } = body.inferenceConfig ?? {};
  const budget = thinking.budget_tokens;
  if (typeof budget !== 'number' || !Number.isInteger(budget)) return 'thinking.enabled.budget_tokens: Field required';
  if (budget < 1024) return 'thinking.enabled.budget_tokens: Input should be greater than or equal to 1024';
  if (maxTokens !== undefined && budget >= maxTokens) {
    return '`max_tokens` must be greater than `thinking.budget_tokens`.';
  }
  if (temperature !== undefined && temperature !== 1) {
    return '`temperature` may only be set to 1 when thinking is enabled.';
  }
  const { any, tool } = body.toolConfig?.toolChoice ?? {};
  return (any ?? tool) ? 'Thinking may not be enabled when tool_choice forces tool use.' : null;
}

function thinkingOf({ additionalModelRequestFields: fields }: BedrockRequest): Record<string, unknown> | null {
  const thinking = fields?.thinking ?? fields?.reasoning_config;
  return typeof thinking === 'object' ? (thinking as Record<string, unknown> | null) : null;
}

function checkReplay(body: BedrockRequest): string | null {
  const { messages } = body;
  for (const [at, { content }] of messages.entries()) {
    for (const [index, { reasoningContent }] of content.entries()) {
      const place = `messages.${at}.content.${index}`;
      if (reasoningContent?.redactedContent) return `${place}: Invalid \`data\` in \`redacted_thinking\` block`;
      const { text, signature } = reasoningContent?.reasoningText ?? {};
      if (text === undefined) continue;
      if (signature === undefined) return `${place}.thinking.signature: Field required`;
      if (!isSignatureOf(signature, text)) return `${place}: Invalid \`signature\` in \`thinking\` block`;
    }
  }
  const at = messages.findLastIndex(({ role }) => role === 'assistant');
  const turn = messages[at]?.content ?? [];
  const calls = turn.some(({ toolUse }) => toolUse);
  if (thinkingOf(body)?.type !== 'enabled' || !calls || turn[0]?.reasoningContent) return null;
  return `messages.${at}.content.0.type: Expected \`thinking\` or \`redacted_thinking\`, but found \`${turn[0]?.text === undefined ? 'tool_use' : 'text'}\`. When \`thinking\` is enabled, a final \`assistant\` message must start with a thinking block (preceeding the lastmost set of \`tool_use\` and \`tool_result\` blocks). To avoid this requirement, disable \`thinking\`.`;
}

const MAX_CACHE_MARKS = 4;

function checkCacheMarks({ system = [], messages, toolConfig }: BedrockRequest): string | null {
  const all: { cachePoint?: unknown }[] = [
    ...(toolConfig?.tools ?? []),
    ...system,
    ...messages.flatMap(({ content }) => content),
  ];
  const marks = all.filter(({ cachePoint }) => cachePoint).length;
  if (marks <= MAX_CACHE_MARKS) return null;
  return `A maximum of ${MAX_CACHE_MARKS} blocks with cache_control may be provided. Found ${marks}.`;
}
