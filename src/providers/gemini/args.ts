// Arguments of a function call that come leaf by leaf, each with its path, written out as one JSON text while they come: what a client
// streams is then the same text that is parsed at the end. Knows the wire's `partialArgs`; nothing else of a chunk. On the hot path.
// https://docs.cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling#streaming-fc

export interface WirePartialArg {
  /** RFC 9535, names and indices only: `$.steps[0]['next one']`. */
  jsonPath?: unknown;
  stringValue?: unknown;
  numberValue?: unknown;
  boolValue?: unknown;
  nullValue?: unknown;
  /** More of the same string follows. */
  willContinue?: unknown;
}

export interface Arguments {
  /** The JSON text that a leaf adds; undefined where it stands in a place that was already passed, or nowhere. */
  add(leaf: WirePartialArg): string | undefined;
  /** Whether a string was begun and its end not seen. */
  inString(): boolean;
  /** The text that closes what is open. */
  close(): string;
}

/** An open object or array. `key` is the member being written, `seen` the members before it. */
interface Level {
  array: boolean;
  key: string | number;
  seen: Set<string | number>;
}

export function createArguments(): Arguments {
  const levels: Level[] = []; // empty until the first leaf: no arguments are no text
  let open = false; // a string is

  function endString(): string {
    if (!open) return '';
    open = false;
    return '"';
  }

  function endLevels(depth: number): string {
    let text = '';
    while (levels.length > depth) text += levels.pop()!.array ? ']' : '}';
    return text;
  }

  function begin(keys: (string | number)[]): string {
    let text = '';
    for (const key of keys) {
      const array = typeof key === 'number';
      levels.push({ array, key, seen: new Set([key]) });
      text += array ? '[' : `{${JSON.stringify(key)}:`;
    }
    return text;
  }

  /** Goes on from the member that was written last to the one at `path`. Undefined where JSON cannot be written in that order. */
  function move(path: (string | number)[]): string | undefined {
    const first = levels.length === 0;
    const shared = first ? -1 : path.findIndex((key, at) => key !== levels[at]?.key);
    const inner = path.slice(shared + 1);
    if (inner.some((key) => typeof key === 'number' && key !== 0)) return undefined; // an array begins with its first
    if (first) return typeof path[0] === 'string' ? begin(inner) : undefined;
    const level = levels[shared];
    if (level === undefined) return undefined; // inside a leaf, or around what is written already
    const key = path[shared]!;
    if (level.array !== (typeof key === 'number') || level.seen.has(key)) return undefined;
    if (level.array && key !== (level.key as number) + 1) return undefined;
    const ended = endString() + endLevels(shared + 1);
    level.key = key;
    level.seen.add(key);
    return `${ended},${level.array ? '' : `${JSON.stringify(key)}:`}${begin(inner)}`;
  }

  return {
    add(leaf) {
      const path = pathOf(leaf.jsonPath);
      if (path === undefined) return undefined;
      const same = path.length === levels.length && path.every((key, at) => key === levels[at]!.key);
      const text = typeof leaf.stringValue === 'string' ? JSON.stringify(leaf.stringValue).slice(1, -1) : undefined;
      if (same) {
        if (!open || text === undefined) return undefined;
        return leaf.willContinue === true ? text : text + endString();
      }
      const value = text === undefined ? plainValue(leaf) : undefined;
      if (text === undefined && value === undefined) return undefined;
      const moved = move(path);
      if (moved === undefined || text === undefined) return moved === undefined ? undefined : moved + value;
      open = true;
      return `${moved}"${text}${leaf.willContinue === true ? '' : endString()}`;
    },
    inString: () => open,
    close: () => endString() + endLevels(0),
  };
}

function plainValue({ numberValue, boolValue, nullValue }: WirePartialArg): string | undefined {
  if (typeof numberValue === 'number') return JSON.stringify(numberValue);
  if (typeof boolValue === 'boolean') return String(boolValue);
  return nullValue === undefined ? undefined : 'null';
}

/** One step of a path: `.name`, `[3]`, `['name']`, `["name"]`. */
const STEP = /\.([^.[\]]+)|\[(\d{1,9})\]|\['((?:[^'\\]|\\.)*)'\]|\["((?:[^"\\]|\\.)*)"\]/y;

function pathOf(jsonPath: unknown): (string | number)[] | undefined {
  if (typeof jsonPath !== 'string' || !jsonPath.startsWith('$') || jsonPath.length === 1) return undefined;
  const path: (string | number)[] = [];
  STEP.lastIndex = 1;
  while (STEP.lastIndex < jsonPath.length) {
    const step = STEP.exec(jsonPath);
    if (step === null) return undefined;
    const [, plain, index, single, double] = step;
    if (index !== undefined) path.push(Number(index));
    else path.push(plain ?? (single ?? double)!.replace(/\\(.)/g, '$1'));
  }
  return path;
}
