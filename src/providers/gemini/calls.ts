// Function calls as this wire sends them: mostly whole, several in one chunk, often without an id, sometimes without arguments, and
// where it was asked for, in pieces. One of these per candidate. Knows the wire's function call; nothing else of a chunk. On the hot path.
// https://ai.google.dev/gemini-api/docs/function-calling
import { randomUUID } from 'node:crypto';
import type { DecoderOptions } from '../../core/contracts.ts';
import { toolCall } from '../../core/events.ts';
import { type Arguments, createArguments, type WirePartialArg } from './args.ts';

export interface WireCall {
  id?: unknown;
  name?: unknown;
  args?: unknown;
  partialArgs?: WirePartialArg[] | null;
  /** More of this call follows. */
  willContinue?: unknown;
}

interface OpenCall {
  index: number;
  id: string;
  name: string;
  /** Its arguments as one object, where they came so. */
  whole: unknown;
  /** What was streamed of its arguments. */
  text: string;
  args: Arguments;
  /** Its id and name were given out: the next deltas carry arguments only. */
  announced: boolean;
}

export interface Calls {
  /** False: its arguments came in an order in which they cannot be streamed. */
  add(wire: WireCall, signature: string): boolean;
  /** Whether any was begun. */
  some(): boolean;
  /** Gives out, complete, a call whose last piece never came: some servers leave it out. False if it is cut inside a string. */
  settle(): boolean;
  /** The call that a signature behind all calls must be of: the first, where it has none. */
  unsigned(): string | undefined;
}

/** `sign`: what to do with a call's signature. */
export function createCalls(
  emit: DecoderOptions['emit'],
  choice: number | undefined,
  sign: (signature: string, callId: string) => void,
): Calls {
  const given = new Map<string, string>(); // ids of this wire, and what was called with them
  let count = 0;
  let open: OpenCall | undefined;
  let firstId = '';
  let signed = false;

  function begin(wire: WireCall, name: string, signature: string): OpenCall {
    const theirs = typeof wire.id === 'string' && !given.has(wire.id) ? wire.id : '';
    const id = theirs || `call_${randomUUID().replaceAll('-', '')}`;
    if (theirs !== '') given.set(theirs, calledWith(wire));
    if (count === 0) firstId = id;
    if (signature !== '') {
      signed = true;
      sign(signature, id);
    }
    return { index: count++, id, name, whole: undefined, text: '', args: createArguments(), announced: false };
  }

  function append(call: OpenCall, piece: string): void {
    const { index, id, name, announced } = call;
    if (piece === '' && announced) return;
    call.text += piece;
    call.announced = true;
    emit({ type: 'tool-call-delta', index, ...(!announced && { id, name }), arguments: piece, choice });
  }

  function give(call: OpenCall): void {
    append(call, call.text === '' ? argumentsText(call.whole) : call.args.close());
    emit({ type: 'tool-call', call: toolCall(call.index, call.id, call.name, call.text), choice });
    open = undefined;
  }

  function settle(): boolean {
    if (open?.args.inString()) return false;
    if (open) give(open);
    return true;
  }

  return {
    add(wire, signature) {
      const name = typeof wire.name === 'string' ? wire.name : '';
      if (name !== '') {
        // The same call again, by its id: it is to be made once.
        if (typeof wire.id === 'string' && given.get(wire.id) === calledWith(wire)) return true;
        if (!settle()) return false;
        open = begin(wire, name, signature);
      }
      if (open === undefined) return true; // a piece of nothing
      const call = open;
      if (wire.args) call.whole = wire.args;
      let more = wire.willContinue === true;
      for (const leaf of Array.isArray(wire.partialArgs) ? wire.partialArgs : []) {
        const piece = leaf ? call.args.add(leaf) : undefined;
        if (piece === undefined) return false;
        append(call, piece);
        if (leaf.willContinue === true) more = true;
      }
      if (more) append(call, '');
      else give(call);
      return true;
    },
    some: () => count > 0,
    settle,
    unsigned: () => (count > 0 && !signed ? firstId : undefined),
  };
}

function calledWith({ name, args }: WireCall): string {
  return `${name} ${JSON.stringify(args ?? {})}`;
}

function argumentsText(whole: unknown): string {
  if (whole === undefined) return '';
  return typeof whole === 'string' ? whole : JSON.stringify(whole);
}
