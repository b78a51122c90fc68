// Events of whatever wire as this API's: items that open, grow by deltas and close, between the response's first event and its last.
// One message or one piece of reasoning is open at a time; calls stay open beside it until they are complete, as each delta says which
// item it belongs to. Knows the wire's items and events; no SSE, no request. On the hot path.
// https://platform.openai.com/docs/api-reference/responses-streaming
import type { StreamMeta } from '../../core/contracts.ts';
import type { Ending, ReasoningDetail, StreamEvent, ToolCall } from '../../core/events.ts';
import { seal } from './reasoning.ts';
import { concluded, describe, type Fields, type Frame, isCut, type Options, terminalFrames } from './response.ts';

export interface Answer {
  event(event: StreamEvent): string;
  end(ending: Ending): string;
  /** The response; after the end, as it ended. */
  response(): Fields;
}

interface Open {
  index: number;
  id: string;
  text: string;
}
interface Message extends Open {
  kind: 'message';
}
interface Thought extends Open {
  kind: 'reasoning';
  details: ReasoningDetail[];
}
interface Call extends Open {
  custom: boolean;
  call_id: string;
  name: string;
  closed: boolean;
}

type Status = 'in_progress' | 'completed' | 'incomplete';

export function createAnswer(meta: StreamMeta, options: Options, frame: Frame): Answer {
  const custom = new Set(options.custom);
  const output: Fields[] = []; // by output_index; an open item stands in it as far as it has come when the response ends
  const calls = new Map<number, Call>();
  let response = describe(meta, options);
  let begun = false;
  let items = 0;
  let saying: Message | Thought | undefined;

  function begin(): string {
    if (begun) return '';
    begun = true;
    return frame('response.created', { response }) + frame('response.in_progress', { response });
  }

  function place(prefix: string): Open {
    const index = items++;
    return { index, id: `${prefix}_${meta.streamId}_${index}`, text: '' };
  }

  const added = (item: Fields, { index }: Open) => frame('response.output_item.added', { item, output_index: index });

  function done(item: Fields, { index }: Open): string {
    output[index] = item;
    return frame('response.output_item.done', { item, output_index: index });
  }

  // ---- text -----------------------------------------------------------------------------------------------------------

  function say(text: string): string {
    let opening = '';
    if (saying?.kind !== 'message') {
      opening = leave('completed');
      const message: Message = { kind: 'message', ...place('msg') };
      saying = message;
      opening += added({ ...messageItem(message, 'in_progress'), content: [] }, message);
      opening += frame('response.content_part.added', { ...contentPlace(message), part: textPart('') });
    }
    saying.text += text;
    return opening + frame('response.output_text.delta', { ...contentPlace(saying), delta: text, logprobs: [] });
  }

  // ---- reasoning ------------------------------------------------------------------------------------------------------

  /** The item that is open for reasoning. `fresh`: one whose block is complete does not go on. */
  function thought(fresh: boolean): { item: Thought; opening: string } {
    if (saying?.kind === 'reasoning' && !(fresh && saying.details.length > 0)) return { item: saying, opening: '' };
    const before = leave('completed');
    const item: Thought = { kind: 'reasoning', details: [], ...place('rs') };
    saying = item;
    return { item, opening: before + added(reasoningItem(item), item) };
  }

  function think(text: string): string {
    const { item, opening } = thought(true);
    const part =
      item.text === ''
        ? frame('response.reasoning_summary_part.added', { ...summaryPlace(item), part: summaryPart('') })
        : '';
    item.text += text;
    return opening + part + frame('response.reasoning_summary_text.delta', { ...summaryPlace(item), delta: text });
  }

  function keep(detail: ReasoningDetail): string {
    const { item, opening } = thought(false);
    item.details.push(detail);
    return opening;
  }

  function leave(status: Status): string {
    const item = saying;
    saying = undefined;
    switch (item?.kind) {
      case undefined:
        return '';
      case 'message':
        return (
          frame('response.output_text.done', { ...contentPlace(item), text: item.text, logprobs: [] }) +
          frame('response.content_part.done', { ...contentPlace(item), part: textPart(item.text) }) +
          done(messageItem(item, status), item)
        );
      case 'reasoning': {
        const part = { ...summaryPlace(item) };
        const said =
          item.text === ''
            ? ''
            : frame('response.reasoning_summary_text.done', { ...part, text: item.text }) +
              frame('response.reasoning_summary_part.done', { ...part, part: summaryPart(item.text) });
        return said + done(reasoningItem(item), item);
      }
      default:
        return item satisfies never;
    }
  }

  // ---- calls ----------------------------------------------------------------------------------------------------------

  function callAt(index: number, id: string | undefined, name: string | undefined): { call: Call; opening: string } {
    const known = calls.get(index);
    if (known) return { call: known, opening: '' };
    const before = leave('completed');
    const isCustom = custom.has(name ?? '');
    const call: Call = {
      ...place(isCustom ? 'ctc' : 'fc'),
      custom: isCustom,
      call_id: id || `call_${meta.streamId}_${index}`,
      name: name ?? '',
      closed: false,
    };
    calls.set(index, call);
    return { call, opening: before + added(callItem(call, 'in_progress'), call) };
  }

  function grow(call: Call, text: string): string {
    if (text === '' || call.closed) return '';
    call.text += text;
    const type = call.custom ? 'response.custom_tool_call_input.delta' : 'response.function_call_arguments.delta';
    return frame(type, { item_id: call.id, output_index: call.index, delta: text });
  }

  function complete(given: ToolCall): string {
    const { call, opening } = callAt(given.index, given.id, given.name);
    if (call.closed) return '';
    const whole = textOf(given, call.text);
    // What did not come in pieces comes in one. Pieces that differ are out already: what is said at the end holds.
    const rest = whole.startsWith(call.text) ? grow(call, whole.slice(call.text.length)) : '';
    call.text = whole;
    call.closed = true;
    const end = call.custom
      ? frame('response.custom_tool_call_input.done', { ...callPlace(call), input: whole })
      : frame('response.function_call_arguments.done', { ...callPlace(call), arguments: whole });
    return opening + rest + end + done(callItem(call, 'completed'), call);
  }

  /** Calls that never became complete are said as far as they came, and that they are cut. */
  function leaveCalls(): string {
    let frames = '';
    for (const call of calls.values()) if (!call.closed) frames += done(callItem(call, 'incomplete'), call);
    return frames;
  }

  return {
    event(event) {
      if ('choice' in event && event.choice !== undefined && event.choice !== 0) return '';
      const opening = begin();
      switch (event.type) {
        case 'token':
          return opening + say(event.text);
        case 'reasoning':
          return opening + think(event.text);
        case 'reasoning-detail':
          return opening + keep(event.detail);
        case 'tool-call-delta': {
          const found = callAt(event.index, event.id, event.name);
          return opening + found.opening + grow(found.call, event.arguments);
        }
        case 'tool-call':
          return opening + complete(event.call);
        case 'usage':
        case 'done':
        case 'error':
          return opening; // internal, or said by `end`
        default:
          return event satisfies never;
      }
    },
    end(ending) {
      let frames = begin();
      // After a failure the API leaves open what is open.
      if (ending.type === 'done') frames += leave(isCut(ending) ? 'incomplete' : 'completed') + leaveCalls();
      const said = { ...response, output: output.filter(Boolean) };
      frames += terminalFrames(frame, said, ending);
      response = concluded(said, ending);
      return frames;
    },
    response: () => response,
  };
}

/** A call's arguments as text: as they came, unless that cannot be read. */
function textOf(call: ToolCall, pieces: string): string {
  if ('arguments_text' in call) return call.arguments_text;
  try {
    JSON.parse(pieces);
    return pieces;
  } catch {
    return JSON.stringify(call.arguments);
  }
}

const contentPlace = ({ id, index }: Open) => ({ item_id: id, output_index: index, content_index: 0 });
const summaryPlace = ({ id, index }: Open) => ({ item_id: id, output_index: index, summary_index: 0 });
const callPlace = ({ id, index }: Open) => ({ item_id: id, output_index: index });

const textPart = (text: string) => ({ type: 'output_text', annotations: [], logprobs: [], text });
const summaryPart = (text: string) => ({ type: 'summary_text', text });

function messageItem({ id, text }: Message, status: Status): Fields {
  return { id, type: 'message', status, content: [textPart(text)], role: 'assistant' };
}

function reasoningItem({ id, text, details }: Thought): Fields {
  return {
    id,
    type: 'reasoning',
    ...(details.length > 0 && { encrypted_content: seal(details) }),
    summary: text === '' ? [] : [summaryPart(text)],
  };
}

function callItem({ id, custom, call_id, name, text }: Call, status: Status): Fields {
  if (custom) return { id, type: 'custom_tool_call', status, call_id, input: text, name };
  return { id, type: 'function_call', status, arguments: text, call_id, name };
}
