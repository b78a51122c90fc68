// Events of a provider of the same wire, on their way through: each one's name, and what is needed of them to answer whole, or to end
// a stream that the provider did not end. Knows the wire's events; reads few of them. On the hot path.
// https://platform.openai.com/docs/api-reference/responses-streaming
import type { Fields } from './response.ts';

export interface Fold {
  /** The event's name, which a frame's data repeats, and the data as it goes on. */
  add(data: string): { type: string; json: string };
  /** Whether the provider said the end. */
  ended(): boolean;
  /** The response as far as it was said; undefined: nothing was. */
  response(): Fields | undefined;
  /** The number of the next event. */
  nextSequence(): number;
}

const HEAD = '{"type":"';
const TERMINAL = /^response\.(completed|incomplete|failed)$/;

export function foldFrames(): Fold {
  let head = ''; // how the last event began, and its name: most events of a stream begin as the one before
  let name = '';
  let begin: string | undefined;
  let terminal: string | undefined;
  let last = '';
  const done: string[] = []; // items

  function nameOf(data: string): string {
    if (head !== '' && data.startsWith(head)) return name;
    const end = data.startsWith(HEAD) ? data.indexOf('"', HEAD.length) : -1;
    const found = end === -1 ? (JSON.parse(data) as Fields).type : data.slice(HEAD.length, end);
    // It becomes a line of the frame, so it must look like a name; `message` is what a frame without one is.
    name = typeof found === 'string' && /^[\w.]+$/.test(found) ? found : 'message';
    head = end === -1 ? '' : data.slice(0, end + 1);
    return name;
  }

  return {
    add(data) {
      const type = nameOf(data);
      last = data;
      if (type === 'response.created') begin = data;
      else if (type === 'response.output_item.done') done.push(data);
      else if (TERMINAL.test(type)) terminal = data;
      else if (type === 'response.done') {
        // Said by gateways only; the API's clients wait for one of its own.
        const event = JSON.parse(data) as { response?: Fields };
        const status = event.response?.status === 'incomplete' ? 'incomplete' : 'completed';
        terminal = JSON.stringify({ ...event, type: `response.${status}` });
        return { type: `response.${status}`, json: terminal };
      }
      return { type, json: data };
    },
    ended: () => terminal !== undefined,
    response() {
      const said = terminal ?? begin;
      if (said === undefined) return undefined;
      const response = (JSON.parse(said) as { response?: Fields }).response ?? {};
      if (Array.isArray(response.output) && (response.output.length > 0 || done.length === 0)) return response;
      // Some gateways leave out of the end what the stream has said.
      const items = done.map((data) => JSON.parse(data) as { output_index?: number; item: unknown });
      items.sort((a, b) => (a.output_index ?? 0) - (b.output_index ?? 0));
      return { ...response, output: items.map(({ item }) => item) };
    },
    nextSequence() {
      const { sequence_number } = JSON.parse(last) as Fields;
      return typeof sequence_number === 'number' ? sequence_number + 1 : 0;
    },
  };
}
