// What is commonly known of vendors, so that a provider named after one needs no more than its name. The facts are data
// (vendors.json, each with the page they come from); this file only lays them under what the config says.

import type { Environment } from './environment.ts';
import { type Issue, isRecord } from './issue.ts';
import { didYouMean } from './nearest.ts';
import facts from './vendors.json' with { type: 'json' };

export interface Vendor {
  wire: string;
  /** Absent where every customer has an address of their own; `example` then says what it looks like. */
  baseUrl?: string;
  example?: string;
  /** The variable that usually holds the key. Absent for servers that run at home and ask for none. */
  env?: string;
  /** It can also be used without that key. */
  keyless?: boolean;
  /** Other fields that usually come from variables, the first that is set; those under `needs` it cannot do without. */
  needs?: Record<string, string[]>;
  takes?: Record<string, string[]>;
  docs: string;
  /** Provider fields that this vendor needs set differently from the defaults. */
  options: Record<string, unknown>;
}

export const VENDORS: Readonly<Record<string, Vendor>> = facts;

export interface Providers {
  providers: Record<string, unknown>;
  issues: Issue[];
}

/** Fills in what the config left out for providers that are named after a vendor. What is written always wins. */
export function fillProviders(written: Record<string, unknown>, env: Environment): Providers {
  const issues: Issue[] = [];
  const filled = Object.entries(written).map(([name, entry]): [string, unknown] => {
    const given = entry === null ? {} : entry; // `openai:` with nothing behind it means "as usual"
    if (!isRecord(given)) return [name, given];
    const vendor = Object.hasOwn(VENDORS, name) ? VENDORS[name] : undefined;
    if (vendor === undefined) {
      if (given.wire === undefined) issues.push({ path: ['providers', name, 'wire'], message: wireMissing(name) });
      return [name, given];
    }
    if (given.wire !== undefined && given.wire !== vendor.wire) return [name, given];
    const usual = vendor.baseUrl === undefined ? { wire: vendor.wire } : { wire: vendor.wire, baseUrl: vendor.baseUrl };
    const usually = { ...fromVariables(vendor.needs, env), ...fromVariables(vendor.takes, env) };
    const provider: Record<string, unknown> = { ...usual, ...vendor.options, ...usually, ...given };
    if (provider.baseUrl === undefined && vendor.example !== undefined) {
      issues.push({ path: ['providers', name, 'baseUrl'], message: `is missing; write it as ${vendor.example}` });
    }
    for (const [field, variables] of Object.entries(vendor.needs ?? {})) {
      if (provider[field] !== undefined) continue;
      issues.push({ path: ['providers', name, field], message: `is missing; write it here, or set ${variables[0]}` });
    }
    if (vendor.env !== undefined && given.apiKey === undefined) {
      const key = env[vendor.env];
      if (key) provider.apiKey = key;
      else if (!vendor.keyless && (given.baseUrl === undefined || vendor.baseUrl === undefined)) {
        const message = `${vendor.env} is not set; set it in the environment or .env, or give the provider an apiKey`;
        issues.push({ path: ['providers', name, 'apiKey'], message });
      }
    }
    return [name, provider];
  });
  return { providers: Object.fromEntries(filled), issues };
}

/** The providers of a start without a config: the mock, and each vendor whose key is in the environment. */
export function usualProviders(env: Environment): { providers: Record<string, unknown>; warnings: string[] } {
  const warnings: string[] = [];
  const names = Object.keys(VENDORS).filter((name) => VENDORS[name]!.wire === 'mock');
  for (const [name, vendor] of Object.entries(VENDORS)) {
    if (vendor.env === undefined || !env[vendor.env]) continue;
    const missing = Object.entries(vendor.needs ?? {}).filter(([, variables]) => !variables.some((one) => env[one]));
    if (vendor.baseUrl === undefined && vendor.example !== undefined) {
      warnings.push(`${vendor.env} is set, but ${name} also needs a baseUrl in millrace.yaml: ${vendor.example}`);
    } else if (missing.length > 0) {
      const [field, variables] = missing[0]!;
      warnings.push(`${vendor.env} is set, but ${name} also needs its ${field}: set ${variables[0]}`);
    } else names.push(name);
  }
  const listed = Object.fromEntries(names.map((name) => [name, {}]));
  return { providers: fillProviders(listed, env).providers, warnings };
}

function fromVariables(fields: Record<string, string[]> | undefined, env: Environment): Record<string, string> {
  return Object.fromEntries(
    Object.entries(fields ?? {}).flatMap(([field, variables]) => {
      const value = variables.map((name) => env[name]).find(Boolean);
      return value ? [[field, value] as const] : [];
    }),
  );
}

function wireMissing(name: string): string {
  const known = Object.keys(VENDORS);
  const which = `only the known vendors may leave it out (${known.join(', ')})`;
  const wires = [...new Set(Object.values(VENDORS).map((vendor) => `"${vendor.wire}"`))].join(' or ');
  return `is missing: expected ${wires}; ${which}.${didYouMean(name, known)}`;
}
