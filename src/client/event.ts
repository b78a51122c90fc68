// A frame of the wire as an event, or as the error it tells of. Names that this version does not know are ignored: they are part of the
// protocol. Trusts the server for what is inside; checks only that it is an object.
import type { ChatEvent } from './answer.ts';
import { type ErrorBody, fromBody, MillraceError } from './errors.ts';
import type { ReasoningDetail } from './request.ts';
import type { Frame } from './sse.ts';

export function readEvent(frame: Frame): ChatEvent | undefined {
  switch (frame.name) {
    case 'start':
    case 'token':
    case 'reasoning':
    case 'tool-call-delta':
    case 'tool-call':
    case 'done':
      return { type: frame.name, ...dataOf(frame) } as ChatEvent;
    case 'reasoning-detail':
      return { type: frame.name, detail: dataOf(frame) as ReasoningDetail };
    case 'error':
      throw fromBody(dataOf(frame) as ErrorBody);
    default:
      return undefined;
  }
}

function dataOf({ name, data }: Frame): object {
  try {
    const value = JSON.parse(data);
    if (typeof value === 'object' && value !== null) return value;
  } catch {}
  throw new MillraceError('invalid_response', `The server sent a "${name}" event that cannot be read.`);
}
