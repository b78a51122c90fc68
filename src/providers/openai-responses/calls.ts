// A client's tool call put together from its pieces: of a function, whose arguments are JSON, or of a custom tool, whose input is
// any text. Knows the wire's call items; no frames. On the hot path.
// https://platform.openai.com/docs/guides/function-calling#streaming
import { randomUUID } from 'node:crypto';
import type { DecoderOptions } from '../../core/contracts.ts';
import { toolCall } from '../../core/events.ts';
import { textOf } from '../read.ts';

export interface WireCall {
  id?: string | null;
  call_id?: string | null;
  name?: string | null;
  arguments?: unknown;
  input?: unknown;
  status?: string | null;
}

export interface Call {
  /** As the wire says it; '' as long as it has not. */
  id(): string;
  /** Takes id and name. Pieces are held until there is a name. */
  identify(item: WireCall): void;
  /** Takes a piece of the arguments. */
  add(piece: unknown): void;
  /** Takes them all, as they are said once more at the end; what did not come in pieces is given out then. */
  complete(all: unknown): void;
  /** Gives the call out as complete, once. */
  give(): void;
  given(): boolean;
  /** Whether it is cut, as far as can be told: of a custom tool's input nobody can. */
  cut(): boolean;
}

export function createCall(emit: DecoderOptions['emit'], index: number, custom: boolean): Call {
  let id = '';
  let itemId = '';
  let name = '';
  let text = '';
  let announced = false;
  let given = false;

  function announce(): void {
    announced = true;
    id ||= itemId || `call_${randomUUID().replaceAll('-', '')}`;
    emit({ type: 'tool-call-delta', index, id, name, arguments: text });
  }

  function add(piece: unknown): void {
    if (typeof piece !== 'string' || piece === '' || given) return;
    text += piece;
    if (announced) emit({ type: 'tool-call-delta', index, arguments: piece });
  }

  const unreadable = () => !custom && 'invalid' in toolCall(0, '', '', text);

  return {
    id: () => id,
    identify(item) {
      if (announced) return;
      id ||= textOf(item.call_id);
      itemId ||= textOf(item.id);
      name ||= textOf(item.name);
      if (name !== '') announce();
    },
    add,
    complete(said) {
      if (given || said === undefined || said === null) return;
      const all = typeof said === 'string' ? said : JSON.stringify(said);
      if (all.startsWith(text)) add(all.slice(text.length));
      // Otherwise than in its pieces, which are out already: they stand, unless they cannot be read.
      else if (custom || unreadable()) text = all;
    },
    give() {
      if (given) return;
      if (!announced) announce();
      given = true;
      // A custom tool's input comes in one form, also where it happens to be JSON.
      const call = custom ? { index, id, name, arguments_text: text, invalid: true as const } : undefined;
      emit({ type: 'tool-call', call: call ?? toolCall(index, id, name, text) });
    },
    given: () => given,
    cut: () => !given && (name === '' || unreadable()),
  };
}
