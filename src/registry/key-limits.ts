// The limits that single keys have of their own: read when the database is there and whenever its configuration changes,
// and handed to whoever counts. Without a database every key is under the limits for all.
import { z } from "zod";
import { keyLimits, type KeyLimits } from "../access/index.ts";
import { messageOf, SignalboxError } from "../foundation/index.ts";
import type { Log } from "../foundation/index.ts";

/** The rows of a store. */
export interface KeyLimitStore {
  readonly keyLimits: {
    list(): Promise<readonly { keyId: string; limits: unknown }[]>;
    put(keyId: string, limits: object): Promise<void>;
    remove(keyId: string): Promise<void>;
  };
  onChange(listener: () => void): () => void;
}

export interface KeyLimitBookDeps {
  readonly log: Log;
  /** Takes all there are, by the key's id. */
  readonly changed: (limits: ReadonlyMap<string, KeyLimits>) => void;
}

export class KeyLimitBook {
  readonly #deps: KeyLimitBookDeps;
  #store: KeyLimitStore | undefined;
  #limits: ReadonlyMap<string, KeyLimits> = new Map();
  #reading: Promise<void> = Promise.resolve();
  #stopListening: (() => void) | undefined;

  constructor(deps: KeyLimitBookDeps) {
    this.#deps = deps;
  }

  /** Hands in the database, and serves what it holds. */
  async attachStore(store: KeyLimitStore): Promise<void> {
    this.#stopListening?.();
    this.#store = store;
    this.#stopListening = store.onChange(() => void this.#readSoon());
    await this.#readSoon();
  }

  stop(): void {
    this.#stopListening?.();
  }

  of(keyId: string): KeyLimits | undefined {
    return this.#limits.get(keyId);
  }

  /** Gives a key limits of its own; with none, it is under those for all again. */
  async set(keyId: string, limits: KeyLimits): Promise<void> {
    const store = this.#store;
    if (store === undefined)
      throw new SignalboxError("STORE_UNAVAILABLE", "The database cannot be reached.");
    const none = limits.rate === undefined && limits.quota === undefined;
    if (none) await store.keyLimits.remove(keyId);
    else await store.keyLimits.put(keyId, limits);
    const next = new Map(this.#limits);
    if (none) next.delete(keyId);
    else next.set(keyId, limits);
    this.#serve(next);
  }

  // One reading at a time, the last one begun after the last change.
  #readSoon(): Promise<void> {
    this.#reading = this.#reading.then(() => this.#read());
    return this.#reading;
  }

  async #read(): Promise<void> {
    try {
      const rows = (await this.#store?.keyLimits.list()) ?? [];
      const read = rows.flatMap(({ keyId, limits }) => {
        const parsed = keyLimits.safeParse(limits);
        if (parsed.success) return [[keyId, parsed.data] as const];
        const fields = { key: keyId, problem: z.prettifyError(parsed.error) };
        this.#deps.log.error(fields, "The stored limits of a key cannot be read and are left out");
        return [];
      });
      this.#serve(new Map(read));
    } catch (error) {
      this.#deps.log.warn({ error: messageOf(error) }, "The limits of keys could not be read");
    }
  }

  #serve(limits: ReadonlyMap<string, KeyLimits>): void {
    this.#limits = limits;
    this.#deps.changed(limits);
  }
}
