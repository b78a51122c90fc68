// Tool calls of a package's stream: announced, streamed and completed by their id. They are given out complete when the answer's end is
// known and not before, because packages complete a half call too when the body breaks off. Knows the specification's tool parts;
// a tool that the provider runs itself is no call of the client's. On the hot path.
import { randomUUID } from 'node:crypto';
import type { DecoderOptions } from '../../core/contracts.ts';
import { type FinishReason, toolCall } from '../../core/events.ts';
import { DETAIL_FORMAT } from './blocks.ts';
import type { WirePart } from './decode.ts';

export interface Calls {
  start(part: WirePart): void;
  add(part: WirePart): void;
  complete(part: WirePart): void;
  /** Whether one was begun and never completed. */
  cut(): boolean;
  /** Gives out what is complete: whatever that is, or after an early end only what can be nothing else. Returns how many. */
  give(finish: FinishReason): number;
}

interface OpenCall {
  id: string;
  name: string;
  /** Counts the client's calls; undefined until there is something to say of this one. */
  index: number | undefined;
  /** The provider runs it. */
  theirs: boolean;
  /** Its deltas are no JSON: only the complete input is. */
  plain: boolean;
  input: string | undefined;
}

export function createCalls(emit: DecoderOptions['emit']): Calls {
  const calls = new Map<string, OpenCall>();
  let announced = 0;

  function callOf(id: string, name: unknown): OpenCall {
    let call = calls.get(id);
    if (!call) {
      const own = id || `call_${randomUUID().replaceAll('-', '')}`;
      call = { id: own, name: '', index: undefined, theirs: false, plain: false, input: undefined };
      calls.set(own, call);
    }
    if (call.name === '' && typeof name === 'string') call.name = name;
    return call;
  }

  /** A call is announced with its first arguments: until then it may turn out to be the provider's own. */
  function say(call: OpenCall, piece: string): void {
    const fresh = call.index === undefined;
    call.index ??= announced++;
    emit({
      type: 'tool-call-delta',
      index: call.index,
      ...(fresh && { id: call.id, name: call.name }),
      arguments: piece,
    });
  }

  return {
    start({ id, toolName, providerExecuted, inputEncoding }) {
      const call = callOf(nameOf(id), toolName);
      call.theirs ||= providerExecuted === true;
      call.plain = inputEncoding === 'text';
    },
    add({ id, delta }) {
      const call = calls.get(nameOf(id));
      if (!call || call.theirs || call.plain || call.input !== undefined) return;
      if (typeof delta === 'string' && delta !== '') say(call, delta);
    },
    complete({ toolCallId, toolName, input, providerExecuted, providerMetadata }) {
      const call = callOf(nameOf(toolCallId), toolName);
      call.theirs ||= providerExecuted === true;
      if (call.theirs || call.input !== undefined) return;
      call.input = typeof input === 'string' ? input : JSON.stringify(input ?? {});
      if (call.index === undefined) say(call, call.input);
      if (!providerMetadata) return;
      const data = JSON.stringify(providerMetadata);
      emit({
        type: 'reasoning-detail',
        detail: { format: DETAIL_FORMAT, type: 'reasoning.encrypted', id: call.id, data },
      });
    },
    cut: () => [...calls.values()].some((call) => call.index !== undefined && call.input === undefined),
    give(finish) {
      const whole = finish === 'stop' || finish === 'tool-calls';
      let given = 0;
      for (const { id, name, index, input } of calls.values()) {
        if (index === undefined || input === undefined) continue;
        const call = toolCall(index, id, name, input);
        if (!whole && (input.trim() === '' || 'invalid' in call)) continue;
        emit({ type: 'tool-call', call });
        given++;
      }
      return given;
    },
  };
}

function nameOf(id: unknown): string {
  return typeof id === 'string' ? id : '';
}
