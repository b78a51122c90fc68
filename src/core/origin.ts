// Where the things of a chat request stood in the request that the client wrote: a front door of another protocol notes it while it
// translates, and a refusal names what the client can find there. Knows paths (docs/PROTOCOL.md, `param`); no door, no wire.

/** Messages, parts, calls and tools, each made by a door for one request: a note goes when its request does. */
const notes = new WeakMap<object, string>();

/**
 * What a door calls fields of the chat request, by their path here: `{ stop: 'stop_sequences' }`. For values that nothing can be noted
 * on. A symbol: it stays where a request is copied, is written into no JSON, and no client can send it.
 */
export const CLIENT_NAMES = Symbol('client names');

/** Notes that `made` stands for what the client wrote at `path`, and gives it back. A copy of it is another thing. */
export function madeFrom<Made extends object>(path: string, made: Made): Made {
  notes.set(made, path);
  return made;
}

/**
 * A path of the chat request (`messages[2].content[0].image_url.url`) as the client's own (`contents[1].parts[0].inlineData`). The
 * innermost step of which something is known counts. What comes after it has other names at that door, and is left off.
 */
export function clientPath(chat: object, path: string): string {
  const names: Record<string, string> = (chat as { [CLIENT_NAMES]?: Record<string, string> })[CLIENT_NAMES] ?? {};
  let known = path;
  let value: unknown = chat;
  for (const { 0: step, index } of path.matchAll(/[^.[\]]+/g)) {
    value = isObject(value) ? (value as Record<string, unknown>)[step] : undefined;
    const here = path.slice(0, index + step.length);
    if (Object.hasOwn(names, here)) known = names[here]!;
    else if (isObject(value)) known = notes.get(value) ?? known;
  }
  return known;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
