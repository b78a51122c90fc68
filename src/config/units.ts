// How people write lengths of time and amounts of memory: "5s", "10MiB". Pure text in, plain numbers out.
// Knows no config section and no default.

const MILLISECONDS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

const BYTES: Record<string, number> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
};

/** Milliseconds, rounded; null when the text is no duration. A bare number is milliseconds already. */
export function parseDuration(written: string | number): number | null {
  return parseQuantity(written, MILLISECONDS);
}

/** Bytes, rounded; null when the text is no size. KiB, MiB and GiB are powers of 1024; KB, MB and GB powers of 1000. */
export function parseSize(written: string | number): number | null {
  return parseQuantity(written, BYTES);
}

function parseQuantity(written: string | number, units: Record<string, number>): number | null {
  if (typeof written === 'number') return within(written);
  const match = /^(\d{1,15}(?:\.\d{1,9})?) ?([a-z]*)$/i.exec(written.trim());
  if (!match) return null;
  const [, amount = '', unit = ''] = match;
  const factor = unit === '' ? 1 : Object.hasOwn(units, unit.toLowerCase()) ? units[unit.toLowerCase()] : undefined;
  return factor === undefined ? null : within(Number(amount) * factor);
}

function within(value: number): number | null {
  const rounded = Math.round(value);
  return rounded >= 0 && Number.isSafeInteger(rounded) ? rounded : null;
}
