// A mistake before it has a place in a file: which value, and what to do about it. The shape that every check returns.

export type Path = readonly PropertyKey[];

export interface Issue {
  path: Path;
  /** Continues "found …; ". Names what would do. Never holds a value that came out of the environment. */
  message: string;
  /** The name is at fault, not the value behind it. */
  atKey?: boolean;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `models.fast.targets[0]`, `prices["openai/gpt-5"].input`. */
export function formatPath(path: Path): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`;
    const name = String(step);
    if (!/^[\w-]+$/.test(name)) return `${text}[${JSON.stringify(name)}]`;
    return text === '' ? name : `${text}.${name}`;
  }, '');
}
