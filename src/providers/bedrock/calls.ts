// Tool calls put together from their blocks: those that are the client's to make. A call whose block the token limit closed looks like
// any other until the stop reason, so what is not whole by itself waits for that. Knows the wire's tool blocks. On the hot path.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolUseBlockStart.html
import { randomUUID } from 'node:crypto';
import type { DecoderOptions } from '../../core/contracts.ts';
import { toolCall } from '../../core/events.ts';

export interface Calls {
  begin(block: number, start: { toolUseId?: unknown; name?: unknown; type?: unknown }): void;
  add(block: number, input: unknown): void;
  close(block: number): void;
  /** The answer is over. `completed`: the model ended it; else calls may have been cut, and only whole ones are given out. */
  give(completed: boolean): void;
  /** Whether any was given out. */
  some(): boolean;
}

interface Call {
  index: number;
  id: string;
  name: string;
  arguments: string;
  closed: boolean;
}

export function createCalls(emit: DecoderOptions['emit']): Calls {
  const open = new Map<number, Call>(); // by block
  let waiting: Call[] = []; // not given out yet, in order
  let begun = 0;
  let given = 0;

  function emitCall({ index, id, name, arguments: text }: Call): void {
    given++;
    emit({ type: 'tool-call', call: toolCall(index, id, name, text) });
  }

  return {
    begin(block, { toolUseId, name, type }) {
      if (type !== undefined && type !== null && type !== 'tool_use') return; // a tool that the provider runs itself
      const id = typeof toolUseId === 'string' && toolUseId !== '' ? toolUseId : `call_${randomUUID()}`;
      const call = {
        index: begun++,
        id,
        name: typeof name === 'string' ? name : '',
        arguments: '',
        closed: false,
      };
      open.set(block, call);
      waiting.push(call);
      emit({ type: 'tool-call-delta', index: call.index, id, name: call.name, arguments: '' });
    },
    add(block, input) {
      const call = open.get(block);
      const piece = typeof input === 'string' ? input : input ? JSON.stringify(input) : '';
      if (!call || piece === '') return;
      call.arguments += piece;
      emit({ type: 'tool-call-delta', index: call.index, arguments: piece });
    },
    close(block) {
      const call = open.get(block);
      if (!call) return;
      open.delete(block);
      call.closed = true;
      while (waiting.length > 0 && isWhole(waiting[0]!)) emitCall(waiting.shift()!);
    },
    give(completed) {
      for (const call of waiting) if (completed || isWhole(call)) emitCall(call);
      waiting = [];
      open.clear();
    },
    some: () => given > 0,
  };
}

/** No arguments at all may be the beginning of some. */
function isWhole({ index, id, name, arguments: text, closed }: Call): boolean {
  return closed && text.trim() !== '' && 'arguments' in toolCall(index, id, name, text);
}
