/** What a store behind the memory of one gateway offers: one that several gateways share. */
import type { CacheKey } from "./cache-key.ts";
import type { Freshness } from "./flight.ts";

/** What is no longer true. Resources are named by their URI. */
export type Invalidation =
  | { readonly kind: "all" }
  | { readonly kind: "server"; readonly server: string }
  | {
      readonly kind: "name";
      readonly server: string;
      readonly method: string;
      readonly name: string;
    };

export interface SecondLevelAnswer {
  readonly found: { readonly body: Buffer; readonly fresh: Freshness } | undefined;
  /** To be handed back with the answer that is then fetched: it is kept only if nothing was cleared in between. */
  readonly stamp: string | undefined;
}

export interface SecondLevelHealth {
  /** Never worse than a warning: without it, only what this gateway itself remembers is known. */
  readonly status: "ok" | "warning";
  readonly message?: string;
}

/** Hears what other gateways have cleared. */
export interface SecondLevelListener {
  invalidated(what: Invalidation): void;
  /** Something may have been missed: whatever is held in memory may be old. */
  interrupted(): void;
}

export interface SecondLevel {
  readonly type: "redis";
  listen(listener: SecondLevelListener): void;
  /** Undefined where it cannot be asked now; else settles soon, and never rejects. */
  get(key: CacheKey): Promise<SecondLevelAnswer> | undefined;
  /** Never waits; drops what it has no room for. */
  set(key: CacheKey, body: Buffer, fresh: Freshness, stamp: string): void;
  /** Never waits; what cannot be told now is told when it can be. */
  invalidate(what: Invalidation): void;
  health(): SecondLevelHealth;
}
