// The items of a response as they grow: messages, reasoning, the client's tool calls. A text comes in pieces, then whole with its
// part, with its item, with the response; this remembers what was said, so that nothing is said twice, and what came late only is
// not lost. Knows the wire's items; no framing, no terminal. On the hot path.
// https://platform.openai.com/docs/api-reference/responses/object#responses/object-output
import type { DecoderOptions } from '../../core/contracts.ts';
import { textOf } from '../read.ts';
import { type Call, createCall, type WireCall } from './calls.ts';
import { detailsOf, textsOf, type WireReasoning } from './reasoning.ts';

export interface WireItem extends WireCall, Omit<WireReasoning, 'content'> {
  type?: string;
  content?: ({ type?: string; text?: string | null; refusal?: string | null } | null)[] | null;
}

type CallItem = WireItem & { type: CallType };

/** Where an event belongs. */
export interface Place {
  output_index?: number;
  item_id?: string;
  item?: WireItem | null;
}

export interface Output {
  /** Pieces; true when there was something in them to say. */
  token(place: Place, piece: unknown): boolean;
  refusal(place: Place, piece: unknown): void;
  thought(place: Place, kind: Thought, piece: unknown): boolean;
  /** The same, whole. */
  wholeText(place: Place, text: unknown): void;
  wholeRefusal(place: Place, text: unknown): void;
  wholeThought(place: Place, kind: Thought, text: unknown): void;
  /** The call at this place, begun here if it was not. */
  callAt(place: Place, type: CallType): Call;
  open(place: Place): void;
  close(place: Place): void;
  /** Takes from the whole response what did not come before it. `complete`: it was not cut short. */
  recover(items: WireItem[], complete: boolean): void;
  /** Whether a call was begun that cannot be given out. */
  cut(): boolean;
  called(): boolean;
  refused(): boolean;
}

/** Open models show what they think, others a summary; some vendors send both, and a reader wants one. */
export type Thought = 'summary' | 'text';
/** The tools that a client runs. Others (search, shell, MCP …) are run by the provider, or have no shape in a chat. */
export type CallType = 'function_call' | 'custom_tool_call';

/** What was said of a text: nothing, pieces of it, or all of a part. After pieces, wholes are repetitions. */
type Said = 'nothing' | 'pieces' | 'wholes';

interface Item {
  text: Said;
  refusal: Said;
  thought: Said;
  kind: Thought | undefined;
  /** Its details were given out. */
  kept: boolean;
  call: Call | undefined;
}

export function createOutput(emit: DecoderOptions['emit']): Output {
  const byIndex = new Map<number, Item>();
  const byId = new Map<string, Item>();
  const calls: Call[] = [];
  let answered = false; // in any item
  let thinking = false;
  let detailed = false;
  let refused = false;

  /** By its index: some gateways give an item another id in every event. */
  function itemAt({ output_index, item_id, item }: Place): Item {
    const id = textOf(item_id) || textOf(item?.id);
    const index = typeof output_index === 'number' ? output_index : undefined;
    let found = index === undefined ? undefined : byIndex.get(index);
    if (!found && id !== '') found = byId.get(id);
    found ??= {
      text: 'nothing',
      refusal: 'nothing',
      thought: 'nothing',
      kind: undefined,
      kept: false,
      call: undefined,
    };
    if (index !== undefined) byIndex.set(index, found);
    if (index === undefined || item) byId.set(id, found);
    return found;
  }

  function say(text: unknown): text is string {
    if (typeof text !== 'string' || text === '') return false;
    answered = true;
    emit({ type: 'token', text });
    return true;
  }

  function refuse(text: unknown): boolean {
    refused ||= typeof text === 'string' && text !== '';
    return say(text);
  }

  function think(text: unknown): boolean {
    if (typeof text !== 'string' || text === '') return false;
    thinking = true;
    emit({ type: 'reasoning', text });
    return true;
  }

  function begin(type: CallType): Call {
    const call = createCall(emit, calls.length, type === 'custom_tool_call');
    calls.push(call);
    return call;
  }

  function callAt(place: Place, type: CallType): Call {
    const item = itemAt(place);
    item.call ??= begin(type);
    return item.call;
  }

  /** The call that an item tells of. A gateway that gives every item the same index means another one by another id. */
  function callIn(item: Item, wire: CallItem): Call {
    const id = textOf(wire.call_id);
    item.call ??= begin(wire.type);
    if (id !== '' && item.call.id() !== '' && item.call.id() !== id) {
      item.call = calls.find((call) => call.id() === id) ?? begin(wire.type);
    }
    item.call.identify(wire);
    return item.call;
  }

  function finishCall(call: Call, wire: WireItem): void {
    call.identify(wire);
    call.complete(wire.arguments ?? wire.input);
    if (wire.status !== 'incomplete') call.give();
  }

  function sayMessage({ content }: WireItem): void {
    if (!Array.isArray(content)) return;
    for (const part of content) {
      if (part?.type === 'output_text') say(part.text);
      else if (part?.type === 'refusal') refuse(part.refusal);
    }
  }

  function thinkItem(item: WireItem): void {
    const summary = textsOf(item.summary);
    for (const text of summary.length > 0 ? summary : textsOf(item.content)) think(text);
  }

  function giveDetails(item: WireItem): void {
    for (const detail of detailsOf(item)) emit({ type: 'reasoning-detail', detail });
    detailed = true;
  }

  return {
    token(place, piece) {
      if (!say(piece)) return false;
      itemAt(place).text = 'pieces';
      return true;
    },
    refusal(place, piece) {
      if (refuse(piece)) itemAt(place).refusal = 'pieces';
    },
    thought(place, kind, piece) {
      const item = itemAt(place);
      if ((item.kind ?? kind) !== kind || !think(piece)) return false;
      item.kind = kind;
      item.thought = 'pieces';
      return true;
    },
    wholeText(place, text) {
      const item = itemAt(place);
      if (item.text !== 'pieces' && say(text)) item.text = 'wholes';
    },
    wholeRefusal(place, text) {
      const item = itemAt(place);
      if (item.refusal !== 'pieces' && refuse(text)) item.refusal = 'wholes';
    },
    wholeThought(place, kind, text) {
      const item = itemAt(place);
      if (item.thought === 'pieces' || (item.kind ?? kind) !== kind || !think(text)) return;
      item.kind = kind;
      item.thought = 'wholes';
    },
    callAt,
    open(place) {
      const item = itemAt(place);
      if (isCall(place.item)) callIn(item, place.item);
    },
    close(place) {
      const item = itemAt(place);
      const wire = place.item;
      if (isCall(wire)) finishCall(callIn(item, wire), wire);
      else if (wire?.type === 'message') {
        if (item.text === 'nothing' && item.refusal === 'nothing') sayMessage(wire);
        item.text = 'pieces'; // whatever came, its wholes are repetitions now
      } else if (wire?.type === 'reasoning' && !item.kept) {
        if (item.thought === 'nothing') thinkItem(wire);
        giveDetails(wire);
        item.kept = true;
      }
    },
    recover(items, complete) {
      // Ids and indexes may differ from those in the stream, so only a kind of which nothing came at all is taken.
      const [late, lateThought, lateDetails] = [!answered, !thinking, !detailed];
      for (const item of items) {
        if (item.type === 'message' && late) sayMessage(item);
        else if (item.type === 'reasoning') {
          if (lateThought) thinkItem(item);
          if (lateDetails) giveDetails(item);
        }
      }
      const wires = items.filter(isCall);
      const known = wires.map(({ call_id }) => calls.find((call) => call.id() !== '' && call.id() === call_id));
      const inOrder = known.every((call) => call === undefined) ? [...calls] : []; // then ids tell nothing
      for (const [at, wire] of wires.entries()) {
        if (complete || wire.status === 'completed') finishCall(known[at] ?? inOrder[at] ?? begin(wire.type), wire);
      }
      if (complete) for (const call of calls) if (!call.cut()) call.give();
    },
    cut: () => calls.some((call) => call.cut()),
    called: () => calls.length > 0,
    refused: () => refused,
  };
}

function isCall(item: WireItem | null | undefined): item is CallItem {
  return item?.type === 'function_call' || item?.type === 'custom_tool_call';
}
