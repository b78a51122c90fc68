// Chat completion chunks folded into one chat.completion, as the API itself would have answered: every choice, tool calls,
// logprobs, and fields that only this vendor knows. Knows the chunk shape; no events, no HTTP.
// https://platform.openai.com/docs/api-reference/chat/object

type Fields = Record<string, unknown>;

export interface Fold {
  add(chunk: unknown): void;
  /** `defaults` fill what the chunks never said. */
  result(defaults: Fields): Fields;
}

interface FoldedChoice {
  message: Fields;
  logprobs: Fields | null;
  finish_reason: string | null;
  rest: Fields;
  streamed: boolean;
}

/** Text that arrives in pieces. Everything else that is repeated replaces what was said before. */
const PIECES = new Set(['content', 'refusal', 'reasoning_content', 'reasoning']);

export function foldChunks(): Fold {
  let head: Fields = {};
  const choices: FoldedChoice[] = [];

  function addChoice(choice: Fields): void {
    const index = typeof choice.index === 'number' && choice.index >= 0 && choice.index < 128 ? choice.index : 0;
    choices[index] ??= {
      message: { role: 'assistant', content: null },
      logprobs: null,
      finish_reason: null,
      rest: {},
      streamed: false,
    };
    const folded = choices[index];
    const { index: _index, delta, message, finish_reason, logprobs, ...rest } = choice;
    Object.assign(folded.rest, rest);
    const said = delta ?? (folded.streamed ? undefined : message); // after deltas, a message is their repetition
    if (isFields(said)) {
      folded.streamed = true;
      mergeMessage(folded.message, said);
    }
    if (finish_reason && typeof finish_reason === 'string') folded.finish_reason ??= finish_reason;
    if (isFields(logprobs)) folded.logprobs = mergeLogprobs(folded.logprobs, logprobs);
  }

  return {
    add(chunk) {
      if (!isFields(chunk)) return;
      const { choices: list, usage, ...rest } = chunk;
      // The first chunk of some vendors has an empty id and model; a later one fills them in.
      for (const [name, value] of Object.entries(rest)) {
        if (value !== '' && value !== null) head[name] = name === 'id' ? (head.id ?? value) : value;
      }
      if (isFields(usage) && Object.keys(usage).length > 0) head = { ...head, usage };
      if (Array.isArray(list)) for (const choice of list) if (isFields(choice)) addChoice(choice);
    },
    result(defaults) {
      const { id, object: _chunk, created, model, usage, ...rest } = { ...defaults, ...head }; // in the order that people know
      return {
        id,
        object: 'chat.completion',
        created,
        model,
        choices: choices.filter(Boolean).map((choice, index) => ({
          index,
          message: messageOf(choice.message),
          logprobs: choice.logprobs,
          finish_reason: choice.finish_reason,
          ...choice.rest,
        })),
        usage,
        ...rest,
      };
    },
  };
}

/** A stream opens with an empty text even where nothing but calls comes; whole, that is no content. */
function messageOf({ role, content, ...rest }: Fields): Fields {
  const silent = content === '' && rest.tool_calls !== undefined;
  return { role, content: silent ? null : content, refusal: null, ...rest };
}

function mergeMessage(message: Fields, delta: Fields): void {
  for (const [name, value] of Object.entries(delta)) {
    if (value === null || value === undefined) continue;
    if (name === 'tool_calls' && Array.isArray(value)) mergeCalls(message, value);
    else if (name === 'function_call' && isFields(value)) {
      const before = asFields(message.function_call);
      message.function_call = {
        name: before.name || value.name || '',
        arguments: argumentsOf(before).arguments + argumentsOf(value).arguments,
      };
    } else if (PIECES.has(name) && typeof value === 'string') {
      message[name] = typeof message[name] === 'string' ? message[name] + value : value;
    } else if (Array.isArray(value)) {
      message[name] = Array.isArray(message[name]) ? [...message[name], ...value] : value;
    } else if (value !== '') message[name] = value;
  }
}

function mergeCalls(message: Fields, deltas: unknown[]): void {
  message.tool_calls ??= [];
  const calls = message.tool_calls as (Fields & { function: Fields })[];
  for (const delta of deltas) {
    if (!isFields(delta)) continue;
    const slot = slotOf(calls, delta);
    const { index: _index, function: fn, ...rest } = delta;
    if (slot === undefined)
      calls.push({ type: 'function', ...rest, function: { ...asFields(fn), ...argumentsOf(fn) } });
    else {
      const call = calls[slot]!;
      if (rest.id && !call.id) call.id = rest.id;
      if (isFields(fn)) {
        if (fn.name && !call.function.name) call.function.name = fn.name;
        call.function.arguments = String(call.function.arguments) + argumentsOf(fn).arguments;
      }
    }
    if (slot === undefined) indexes.set(calls.at(-1)!, delta.index);
  }
}

/** The wire's own index of a folded call, which the folded form leaves out. */
const indexes = new WeakMap<object, unknown>();

/** The call that a delta continues; undefined for a new one. The same rule as the decoder's. */
function slotOf(calls: Fields[], delta: Fields): number | undefined {
  const id = delta.id || '';
  const at = delta.index == null ? calls.length - 1 : calls.findLastIndex((call) => indexes.get(call) === delta.index);
  const open = calls[at];
  if (open === undefined) return undefined;
  if (!beginsAnother(open, delta)) return at;
  const known = id === '' ? -1 : calls.findIndex((call) => call.id === id);
  return known === -1 ? undefined : known;
}

function beginsAnother(open: Fields, delta: Fields): boolean {
  if (delta.id && open.id) return delta.id !== open.id;
  const { name } = asFields(delta.function);
  const before = asFields(open.function);
  if (!name || !before.name) return false;
  if (before.arguments === '') return delta.index == null && name !== before.name;
  return isJson(String(before.arguments));
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function argumentsOf(fn: unknown): { arguments: string } {
  const given = isFields(fn) ? fn.arguments : undefined;
  return { arguments: typeof given === 'string' ? given : given ? JSON.stringify(given) : '' };
}

function mergeLogprobs(folded: Fields | null, fresh: Fields): Fields {
  const merged: Fields = { ...folded };
  for (const [name, value] of Object.entries(fresh)) {
    merged[name] =
      Array.isArray(merged[name]) && Array.isArray(value)
        ? [...merged[name], ...value]
        : (value ?? merged[name] ?? null);
  }
  return merged;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function asFields(value: unknown): Fields {
  return isFields(value) ? value : {};
}
