// What a model costs: the operator's own prices, then our table (prices.json, which says its date and sources).
// Knows how names are matched; knows no vendor, and never guesses: an unknown price is null, not zero.
import type { Price, PriceOf } from '../core/accounting.ts';
import table from './prices.json' with { type: 'json' };

/** A price that is announced to change says so: `next` holds from its day on, UTC. */
type TablePrice = Price & { next?: Price & { from: string } };

const TABLE: Record<string, TablePrice> = table.prices;

/** Providers that charge what another one does: the same vendor on another wire. */
const SAME: Record<string, string> = table.same;

/** When the table's prices were last compared with their source, `YYYY-MM-DD`. */
export const PRICES_DATE: string = table.date;

/**
 * Keys of `overrides` are `provider/model`, `provider/*`, or a star in the provider's place for a model under whatever provider
 * name. They are asked before the table, whatever their precision: the operator's word stands. A dated version
 * (`gpt-5-mini-2025-08-07`, `claude-haiku-4-5-20251001`) that is not listed itself costs what its undated name does.
 */
export function createPriceOf(overrides: Record<string, Price>): PriceOf {
  const own = new Map<string, TablePrice>(Object.entries(overrides));
  const known = new Map(Object.entries(TABLE));
  return (provider, model) => {
    const names = [...new Set([model, undated(model)])];
    const found = lookUp(own, provider, names) ?? lookUp(known, SAME[provider] ?? provider, names);
    return found ? current(found, Date.now()) : null;
  };
}

function lookUp(prices: Map<string, TablePrice>, provider: string, names: string[]): TablePrice | undefined {
  const keys = [...names.map((name) => `${provider}/${name}`), ...names.map((name) => `*/${name}`), `${provider}/*`];
  for (const key of keys) {
    const price = prices.get(key);
    if (price) return price;
  }
  return undefined;
}

function undated(model: string): string {
  return model.replace(/[-@]20\d\d(-?)(0[1-9]|1[0-2])\1(0[1-9]|[12]\d|3[01])$/, '');
}

function current({ next, ...price }: TablePrice, now: number): Price {
  if (!next || now < Date.parse(next.from)) return price;
  const { from, ...later } = next;
  return later;
}
