// What a Responses request must hold together: calls and their outputs, reasoning and what follows it, tools and their choice, strict
// schemas, and references to what the API would have stored. Checked once the types are right. No framing, no HTTP.
// https://platform.openai.com/docs/guides/function-calling https://platform.openai.com/docs/guides/reasoning
import type { RequestError } from '../openai/faults.ts';
import { isSignature, isSignatureOf } from '../signature.ts';
import type { InputItem, ResponsesRequest } from './request.ts';

export interface Breach extends RequestError {
  status: 400 | 404;
}

export function checkRules(request: ResponsesRequest): Breach | null {
  const items = typeof request.input === 'string' ? [] : (request.input ?? []);
  return (
    checkStored(request) ??
    checkOptions(request) ??
    checkTools(request) ??
    checkIds(items) ??
    checkCalls(items) ??
    checkReasoning(items)
  );
}

function breach(param: string | null, message: string, code: string | null = null, status: Breach['status'] = 400) {
  return { message, param, code, status };
}

/** The mock stores nothing: whatever is referred to is not there. */
function checkStored(request: ResponsesRequest): Breach | null {
  const { previous_response_id: previous, conversation, prompt } = request;
  if (previous) {
    const message = `Previous response with id '${previous}' not found.`;
    return breach('previous_response_id', message, 'previous_response_not_found');
  }
  if (conversation) {
    const id = typeof conversation === 'string' ? conversation : conversation.id;
    return breach(null, `Conversation with id '${id}' not found.`, null, 404);
  }
  if (prompt) return breach('prompt', `Prompt with id '${prompt.id}' not found.`, null, 404);
  if (request.input === undefined) {
    const message = `One of "input" or "previous_response_id" or 'prompt' or 'conversation_id' must be provided.`;
    return breach('input', message, 'missing_required_parameter');
  }
  return null;
}

function checkOptions(request: ResponsesRequest): Breach | null {
  if (request.stream_options && !request.stream) {
    return breach('stream_options', "The 'stream_options' parameter is only allowed when 'stream' is enabled.");
  }
  const { format } = request.text ?? {};
  if (format?.type === 'json_object' && !/json/i.test(JSON.stringify(request.input))) {
    const message =
      "Response input messages must contain the word 'json' in some form to use 'text.format' of type 'json_object'.";
    return breach('input', message);
  }
  if (format?.type === 'json_schema' && format.strict) {
    const flaw = findFlaw(format.schema);
    const message = `Invalid schema for response_format '${format.name}': ${flaw}`;
    if (flaw) return breach('text.format.schema', message, 'invalid_json_schema');
  }
  return null;
}

function checkTools({ tools, tool_choice: choice }: ResponsesRequest): Breach | null {
  const given = tools ?? [];
  for (const [at, tool] of given.entries()) {
    const flaw = tool.type === 'function' && tool.strict && tool.parameters ? findFlaw(tool.parameters) : null;
    const message = `Invalid schema for function '${tool.name}': ${flaw}`;
    if (flaw) return breach(`tools[${at}].parameters`, message, 'invalid_function_parameters');
  }
  if (choice && choice !== 'none' && choice !== 'auto' && given.length === 0) {
    const name = typeof choice === 'string' ? choice : choice.type;
    return breach('tool_choice', `Tool choice '${name}' must be specified with 'tools' parameter.`);
  }
  if (typeof choice === 'object' && choice?.type === 'function') {
    const known = given.some((tool) => tool.type === 'function' && tool.name === choice.name);
    if (!known) return breach('tool_choice', `Tool choice 'function' not found in 'tools' parameter.`);
  }
  return null;
}

/** What strict mode cannot take: each object must be closed and require all that it has. */
function findFlaw(schema: unknown, path: string[] = []): string | null {
  if (typeof schema !== 'object' || schema === null) return null;
  const { type, properties, required, additionalProperties, items, anyOf, $defs } = schema as Record<string, unknown>;
  const where = `In context=(${path.map((step) => `'${step}'`).join(', ')}),`;
  if (type === 'object' && additionalProperties !== false) {
    return `${where} 'additionalProperties' is required to be supplied and to be false.`;
  }
  const named = Object.entries((properties ?? {}) as Record<string, unknown>);
  const missing = named.find(([name]) => !(Array.isArray(required) && required.includes(name)));
  if (missing) {
    return `${where} 'required' is required to be supplied and to be an array including every key in properties. Missing '${missing[0]}'.`;
  }
  const below: [string[], unknown][] = [
    ...named.map(([name, property]): [string[], unknown] => [['properties', name], property]),
    ...Object.entries(($defs ?? {}) as object).map(([name, def]): [string[], unknown] => [['$defs', name], def]),
    ...(Array.isArray(anyOf) ? anyOf : []).map((branch, at): [string[], unknown] => [['anyOf', String(at)], branch]),
    [['items'], items],
  ];
  for (const [steps, schema] of below) {
    const flaw = findFlaw(schema, [...path, ...steps]);
    if (flaw) return flaw;
  }
  return null;
}

const PREFIXES: Record<string, string> = { function_call: 'fc', reasoning: 'rs' };

function checkIds(items: InputItem[]): Breach | null {
  for (const [at, item] of items.entries()) {
    if (item.type === 'item_reference') return notStored(item.id);
    const prefix = item.type === 'message' ? (item.role === 'assistant' ? 'msg' : null) : PREFIXES[item.type];
    const { id } = item;
    if (!prefix || typeof id !== 'string' || id.startsWith(prefix)) continue;
    const message = `Invalid 'input[${at}].id': '${id}'. Expected an ID that begins with '${prefix}'.`;
    return breach(`input[${at}].id`, message, 'invalid_value');
  }
  return null;
}

function notStored(id: string): Breach {
  const message = `Item with id '${id}' not found. Items are not persisted when \`store\` is set to false. Try again with \`store\` set to true, or remove this item from your input.`;
  return breach('input', message, null, 404);
}

/** Each call has its output after it, and each output its call before it. */
function checkCalls(items: InputItem[]): Breach | null {
  const open = new Set<string>();
  for (const item of items) {
    if (item.type === 'function_call') open.add(item.call_id);
    else if (item.type === 'function_call_output' && !open.delete(item.call_id)) {
      return breach('input', `No tool call found for function call output with call_id ${item.call_id}.`);
    }
  }
  const [unanswered] = open;
  return unanswered === undefined ? null : breach('input', `No tool output found for function call ${unanswered}.`);
}

/** Reasoning is given back encrypted, unchanged, and in front of what it led to. */
function checkReasoning(items: InputItem[]): Breach | null {
  for (const [at, item] of items.entries()) {
    if (item.type !== 'reasoning') continue;
    const id = item.id ?? '';
    if (!item.encrypted_content) return notStored(id);
    const summary = item.summary.map((part) => part.text).join('');
    const own = summary === '' ? isSignature : (sealed: string) => isSignatureOf(sealed, summary);
    if (!own(item.encrypted_content)) {
      const message = `The encrypted content for item ${id} could not be verified. Reason: Encrypted content could not be decrypted or parsed.`;
      return breach(null, message, 'invalid_encrypted_content');
    }
    if (!isOutput(items[at + 1])) {
      return breach('input', `Item '${id}' of type 'reasoning' was provided without its required following item.`);
    }
  }
  return null;
}

/** Whether a model makes such items. */
function isOutput(item: InputItem | undefined): boolean {
  if (!item) return false;
  if (item.type === 'message') return item.role === 'assistant';
  return !item.type.endsWith('_output');
}
