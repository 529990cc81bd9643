/**
 * Where what servers say of themselves is compared with what was approved. The gateway asks when a list comes in, never at a
 * call: what is held back does not become part of a listing, so it is neither listed nor found by its name.
 */
import type { JsonObject } from "../protocol/index.ts";
import type { ServerDefinition } from "../upstream/index.ts";

/** Kinds whose words reach a model: what a tool or a prompt says of itself, and a server's instructions for all of it. */
export const PINNED_KINDS = ["tools", "prompts", "instructions"] as const;
export type PinnedKind = (typeof PINNED_KINDS)[number];

/** A server's instructions as an item: there is one at most, and this is its name. */
export function instructionsItem(text: string): JsonObject {
  return { name: "instructions", description: text };
}

/** One look at what a server lists. */
export interface Sight {
  readonly server: ServerDefinition;
  readonly kind: PinnedKind;
  readonly items: readonly JsonObject[];
  /** True for the list that all share, false for that of one class of clients, which may differ from it. */
  readonly shared: boolean;
  /** True where the list has just come in and is other than the one before, so that what is new in it is to be noted. */
  readonly fresh: boolean;
}

/** An item that is not served until somebody approves it. */
export interface Held {
  /** As the server writes it. */
  readonly name: string;
  /** A sentence for clients, without the server's own words. */
  readonly reason: string;
  /** Epoch milliseconds. */
  readonly since: number;
}

export interface Admitted {
  readonly served: readonly JsonObject[];
  readonly held: readonly Held[];
}

export interface PinGuard {
  /** Reads what a server lists, a little at a time, so that `admit` only has to compare. Never throws. */
  examine(sight: Omit<Sight, "fresh">): Promise<void>;
  /** Which of the items are served. Waits for nothing and never throws. */
  admit(sight: Sight): Admitted;
  /** A server is served no longer, or is another one under that name from now on. */
  gone(server: string): void;
}
