// What the HTTP side is handed: the parts that live as long as the process, and the configured ones, which a changed config file
// replaces while streams that began under the old ones go on with them. Contracts only.

import type { Ledger, PriceOf } from '../core/accounting.ts';
import type { ChatRequest, OnDisconnect } from '../core/chat.ts';
import type { Mirrors } from '../stream/mirrors.ts';
import type { Catalogue } from '../stream/plan.ts';
import type { Runner, StreamLimits } from '../stream/run.ts';
import type { Keyring } from './auth.ts';
import type { StreamTokens } from './tokens.ts';

export interface Prompts {
  /** Throws `invalid_request` naming what is wrong with the name or the variables. */
  render(
    name: string,
    variables: Record<string, unknown>,
  ): Promise<{ messages: ChatRequest['messages']; model?: string; config?: Partial<ChatRequest> }>;
}

/** Replaced as a whole when the config changes; a request reads it once. */
export interface Configured {
  catalogue: Catalogue;
  keyring: Keyring;
  priceOf: PriceOf;
  prompts: Prompts;
  streams: StreamLimits & { onDisconnect: OnDisconnect };
  /** The name that a model asked for at a door stands for; itself where the config has nothing for it. */
  modelAt(door: string, asked: string): string;
  /** The names that the config has for a door, patterns aside. */
  namesAt(door: string): string[];
  /** Names for lists of models beyond the aliases and those of the door. */
  examples: string[];
  logContent: boolean;
}

export interface AppState {
  readonly configured: Configured;
  readonly ledger: Ledger;
  readonly runner: Runner;
  /** Streams of other nodes; undefined where there are none. */
  readonly mirrors?: Mirrors;
  readonly tokens: StreamTokens;
  /** No new work is taken. */
  readonly draining: boolean;
}
