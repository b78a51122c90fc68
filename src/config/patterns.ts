// Which models a key may use: `fast`, `openai/*`. Pure text; `*` stands for any characters, slashes included.

/** Compiled once per key. `undefined` allows every model. */
export function modelMatcher(patterns: readonly string[] | undefined): (model: string) => boolean {
  if (patterns === undefined) return () => true;
  const whole = new Set(patterns.filter((pattern) => !pattern.includes('*')));
  const pieces = patterns.filter((pattern) => pattern.includes('*')).map((pattern) => pattern.split('*'));
  return (model) => whole.has(model) || pieces.some((parts) => matches(parts, model));
}

/** Leftmost search per piece: linear, where a regular expression of many `.*` is not. */
function matches(pieces: readonly string[], model: string): boolean {
  const first = pieces[0]!;
  const last = pieces[pieces.length - 1]!;
  if (!model.startsWith(first) || !model.endsWith(last) || model.length < first.length + last.length) return false;
  let from = first.length;
  for (const piece of pieces.slice(1, -1)) {
    const at = model.indexOf(piece, from);
    if (at === -1) return false;
    from = at + piece.length;
  }
  return from <= model.length - last.length;
}

/** Names of clients that cannot be told another one, per door: the first that fits, written ones before patterns. */
export function createModelAt(doors: Doors): (door: string, asked: string) => string {
  const tables = new Map(
    Object.entries(doors).map(([name, door]) => {
      const fits = Object.entries(door?.models ?? {}).map(([pattern, to]) => ({ may: modelMatcher([pattern]), to }));
      return [name, { ...door, fits }] as const;
    }),
  );
  return (door, asked) => {
    const table = tables.get(door);
    if (!table) return asked;
    if (asked === '') return table.default ?? '';
    const named = table.models && Object.hasOwn(table.models, asked) ? table.models[asked] : undefined;
    return named ?? table.fits.find(({ may }) => may(asked))?.to ?? asked;
  };
}

/** The names that a door's table has in full: those that a client can be shown. */
export function writtenNames(doors: Doors, door: string): string[] {
  return Object.keys(doors[door]?.models ?? {}).filter((name) => !name.includes('*'));
}

type Doors = Record<string, { models?: Record<string, string>; default?: string } | undefined>;
