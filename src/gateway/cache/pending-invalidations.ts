/** What has been cleared here and is still to be told to Redis and, through it, to the other gateways. */
import { isJsonObject, stringify } from "../../protocol/index.ts";
import type { Invalidation } from "./second-level.ts";

export interface Batch {
  readonly all: boolean;
  readonly servers: readonly string[];
  readonly cleared: readonly Invalidation[];
}

/** More than this many are told as "everything". */
const PENDING_MAX = 1000;
const ALL: Invalidation = { kind: "all" };

export class PendingInvalidations {
  readonly #waiting = new Map<string, Invalidation>();
  readonly #servers = new Set<string>();
  #batch: Batch | undefined;
  #all = false;

  get isEmpty(): boolean {
    return !this.#all && this.#waiting.size === 0;
  }

  /** Whether what is stored of a server may be older than something that was cleared here. */
  touches(server: string): boolean {
    const batch = this.#batch;
    if (this.#all || batch?.all === true) return true;
    return this.#servers.has(server) || batch?.servers.includes(server) === true;
  }

  add(what: Invalidation): void {
    if (this.#all) return;
    if (what.kind === "all" || this.#waiting.size >= PENDING_MAX) {
      this.#all = true;
      this.#waiting.clear();
      this.#servers.clear();
      return;
    }
    this.#waiting.set(what.kind === "server" ? what.server : stringify(what), what);
    this.#servers.add(what.server);
  }

  /** All that waits, to be handed to `done` or `failed`; undefined while there is nothing, or a batch is under way. */
  take(): Batch | undefined {
    if (this.isEmpty || this.#batch !== undefined) return undefined;
    const cleared = this.#all ? [ALL] : [...this.#waiting.values()];
    const batch = { all: this.#all, servers: [...this.#servers], cleared };
    this.#batch = batch;
    this.#all = false;
    this.#waiting.clear();
    this.#servers.clear();
    return batch;
  }

  done(batch: Batch): void {
    if (this.#batch === batch) this.#batch = undefined;
  }

  failed(batch: Batch): void {
    this.done(batch);
    for (const what of batch.cleared) this.add(what);
  }
}

/** What another gateway says it has cleared; everything where that is not understood. */
export function readInvalidation(value: unknown): Invalidation {
  if (!isJsonObject(value)) return ALL;
  const { kind, server, method, name } = value;
  if (typeof server !== "string") return ALL;
  if (kind === "server") return { kind, server };
  if (kind !== "name" || typeof method !== "string" || typeof name !== "string") return ALL;
  return { kind, server, method, name };
}
