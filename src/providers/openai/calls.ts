// Tool calls put together from their deltas, as vendors really send them: without index, all with index 0, id or name empty later
// on, several in one delta. One of these per alternative. Knows the wire's tool-call delta; nothing else of a chunk. On the hot path.
import { randomUUID } from 'node:crypto';
import type { DecoderOptions } from '../../core/contracts.ts';
import { toolCall } from '../../core/events.ts';
import { textOf } from '../read.ts';

export interface WireCall {
  index?: number | null;
  id?: string | null;
  function?: { name?: string | null; arguments?: string | object | null } | null;
}
interface OpenCall {
  wireIndex: number | undefined;
  id: string;
  /** The wire gave no id, so this one was made up. */
  invented: boolean;
  name: string;
  arguments: string;
  /** Its id was given out: the next deltas carry arguments only. */
  announced: boolean;
}
export interface Calls {
  add(wire: WireCall): void;
  /** Whether any was begun. */
  some(): boolean;
  /** Gives out, complete, those that were not yet. */
  give(): void;
  /** Whether one that was not given out is cut inside its arguments. */
  cut(): boolean;
}

export function createCalls(emit: DecoderOptions['emit'], choice: number | undefined): Calls {
  const calls: OpenCall[] = [];
  let given = 0; // how many were given out complete

  function add(wire: WireCall): void {
    if (wire === null || typeof wire !== 'object') return;
    const id = typeof wire.id === 'number' ? String(wire.id) : textOf(wire.id);
    const name = textOf(wire.function?.name);
    const wireIndex = typeof wire.index === 'number' ? wire.index : undefined;
    // A delta belongs to the call with its index, else to the latest one, unless it says that a new call begins: some vendors
    // leave the index out and some give every parallel call index 0.
    let at = wireIndex === undefined ? calls.length - 1 : calls.findLastIndex((c) => c.wireIndex === wireIndex);
    const open = calls[at];
    const another = open !== undefined && beginsAnother(open, id, name, wireIndex);
    const known = another && id !== '' ? calls.findIndex((c) => c.id === id) : -1;
    if (known !== -1) at = known;
    else if (open === undefined || another) {
      calls.push({
        wireIndex,
        id: id || `call_${randomUUID().replaceAll('-', '')}`,
        invented: id === '',
        name: '',
        arguments: '',
        announced: false,
      });
      at = calls.length - 1;
    }
    const call = calls[at]!;
    const named = name !== '' && call.name === '';
    if (named) call.name = name;
    const given = wire.function?.arguments;
    const piece = typeof given === 'string' ? given : given ? JSON.stringify(given) : '';
    if (piece === '' && !named) return; // nothing new; an id alone waits for its name, so that each is said once
    call.arguments += piece;
    const fresh = !call.announced;
    call.announced = true;
    emit({
      type: 'tool-call-delta',
      index: at,
      ...(fresh && { id: call.id }),
      ...((fresh || named) && { name: call.name }),
      arguments: piece,
      choice,
    });
  }

  return {
    add,
    some: () => calls.length > 0,
    give() {
      while (given < calls.length) {
        const index = given++;
        const call = calls[index]!;
        emit({ type: 'tool-call', call: toolCall(index, call.id, call.name, call.arguments), choice });
      }
    },
    cut: () => calls.slice(given).some((call) => 'invalid' in toolCall(0, call.id, call.name, call.arguments)),
  };
}

/** Whether a delta that would continue `open` says that another call begins. By its id, or where ids are missing by its name. */
function beginsAnother(open: OpenCall, id: string, name: string, wireIndex: number | undefined): boolean {
  if (id !== '' && !open.invented) return id !== open.id;
  if (name === '' || open.name === '') return false;
  if (open.arguments === '') return wireIndex === undefined && name !== open.name;
  return !('invalid' in toolCall(0, '', '', open.arguments));
}
