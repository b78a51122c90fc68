// Figures over rounds. A shared machine is never quiet, so a median stands with its extremes, and a ratio is taken within each
// round, between two measurements a moment apart, before the median is. Knows numbers only.

export interface Spread {
  median: number;
  min: number;
  max: number;
}

/** Null when there is no figure at all. */
export function spreadOf(values: number[]): Spread | null {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  if (sorted.length === 0) return null;
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, min: sorted[0]!, max: sorted.at(-1)! };
}

/** Round by round. A divisor of zero or less is noise, and its round is left out. */
export function ratioOf(values: number[], to: number[]): Spread | null {
  return spreadOf(values.map((value, round) => (to[round]! > 0 ? value / to[round]! : Number.NaN)));
}
