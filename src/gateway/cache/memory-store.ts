/**
 * Answers in memory, bounded by their number and their bytes; the one unused for longest goes first. They stand on a shelf
 * per server, so that a call that changes something clears its server's without looking at the others'.
 */
import type { CacheKey } from "./cache-key.ts";

export type EvictionReason = "size" | "bytes" | "ttl" | "invalidated";

export interface MemoryBounds {
  readonly entriesMax: number;
  readonly bytesMax: number;
}

/** What is known of one answer. Times are monotonic milliseconds. */
export interface EntryFacts {
  readonly body: Buffer;
  readonly freshUntil: number;
  /** From then on it is of no use to anyone. */
  readonly deadAt: number;
  /** Whether the server itself said how long the answer is good for. */
  readonly told: boolean;
}

/** An answer that is kept, with its neighbours in the order of use. */
export class Entry {
  readonly key: CacheKey;
  readonly facts: EntryFacts;
  readonly bytes: number;
  /** No refresh before this, because the last one failed. */
  refreshAfter = 0;
  newer: Entry | undefined;
  older: Entry | undefined;

  constructor(key: CacheKey, facts: EntryFacts) {
    this.key = key;
    this.facts = facts;
    // A text's characters take up to two bytes each.
    this.bytes = facts.body.length + 2 * key.text.length + ENTRY_OVERHEAD_BYTES;
  }
}

interface Shelf {
  readonly entries: Map<string, Entry>;
  generation: number;
}

/** Objects and table places around an answer, roughly. */
export const ENTRY_OVERHEAD_BYTES = 400;
/** Servers come and go: beyond this many, empty shelves are taken away. */
const SHELVES_MAX = 4096;

export class MemoryStore {
  readonly #bounds: MemoryBounds;
  readonly #evicted: (reason: EvictionReason, count: number) => void;
  readonly #shelves = new Map<string, Shelf>();
  #newest: Entry | undefined;
  #oldest: Entry | undefined;
  #size = 0;
  #bytes = 0;
  #generation = 0;

  constructor(bounds: MemoryBounds, evicted: (reason: EvictionReason, count: number) => void) {
    this.#bounds = bounds;
    this.#evicted = evicted;
  }

  get size(): number {
    return this.#size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** What is kept of one server. */
  sizeOf(server: string): { keys: number; bytes: number } {
    const entries = this.#shelves.get(server)?.entries;
    let bytes = 0;
    for (const entry of entries?.values() ?? []) bytes += entry.bytes;
    return { keys: entries?.size ?? 0, bytes };
  }

  /** A number that changes whenever something of the server is cleared; what was asked for before is then old. */
  generation(server: string): number {
    return this.#shelf(server).generation;
  }

  /** The answer, if it is of use to anyone at `now`. It then counts as just used. */
  get(key: CacheKey, now: number): Entry | undefined {
    const entry = this.#shelves.get(key.server)?.entries.get(key.text);
    if (entry === undefined) return undefined;
    if (now >= entry.facts.deadAt) {
      this.#drop(entry, "ttl");
      return undefined;
    }
    if (entry !== this.#newest) {
      this.#unlink(entry);
      this.#link(entry);
    }
    return entry;
  }

  /** Keeps an answer in place of an earlier one; false where it is larger than everything together may be. */
  put(key: CacheKey, facts: EntryFacts): boolean {
    const entry = new Entry(key, facts);
    const shelf = this.#shelf(key.server);
    const earlier = shelf.entries.get(key.text);
    if (earlier !== undefined) this.#remove(shelf, earlier);
    if (entry.bytes > this.#bounds.bytesMax) return false;
    shelf.entries.set(key.text, entry);
    this.#link(entry);
    this.#size++;
    this.#bytes += entry.bytes;
    this.#shrink();
    return true;
  }

  clearServer(server: string): number {
    const shelf = this.#shelves.get(server);
    if (shelf === undefined) return 0;
    shelf.generation = ++this.#generation;
    const count = shelf.entries.size;
    if (count === 0) return 0;
    for (const entry of shelf.entries.values()) this.#forget(entry);
    shelf.entries.clear();
    this.#evicted("invalidated", count);
    return count;
  }

  /** What one tool or resource has answered, whatever it was asked and by whom. */
  clearName(server: string, method: string, name: string): number {
    const shelf = this.#shelves.get(server);
    if (shelf === undefined) return 0;
    shelf.generation = ++this.#generation;
    let count = 0;
    for (const entry of shelf.entries.values()) {
      if (entry.key.name !== name || entry.key.method !== method) continue;
      this.#remove(shelf, entry);
      count++;
    }
    if (count > 0) this.#evicted("invalidated", count);
    return count;
  }

  clearAll(): number {
    let count = 0;
    for (const server of this.#shelves.keys()) count += this.clearServer(server);
    return count;
  }

  /** Drops what is of no use to anyone any more. */
  sweep(now: number): number {
    let count = 0;
    for (const shelf of this.#shelves.values()) {
      for (const entry of shelf.entries.values()) {
        if (now < entry.facts.deadAt) continue;
        this.#remove(shelf, entry);
        count++;
      }
    }
    if (count > 0) this.#evicted("ttl", count);
    return count;
  }

  #shelf(server: string): Shelf {
    const known = this.#shelves.get(server);
    if (known !== undefined) return known;
    if (this.#shelves.size >= SHELVES_MAX) this.#dropEmptyShelves();
    const shelf = { entries: new Map<string, Entry>(), generation: ++this.#generation };
    this.#shelves.set(server, shelf);
    return shelf;
  }

  // A new shelf has a generation that no shelf had before, so whoever remembers the old one sees that it is gone.
  #dropEmptyShelves(): void {
    for (const [server, shelf] of this.#shelves) {
      if (shelf.entries.size === 0) this.#shelves.delete(server);
    }
  }

  #shrink(): void {
    while (this.#oldest !== undefined && this.#size > this.#bounds.entriesMax) {
      this.#drop(this.#oldest, "size");
    }
    while (this.#oldest !== undefined && this.#bytes > this.#bounds.bytesMax) {
      this.#drop(this.#oldest, "bytes");
    }
  }

  #drop(entry: Entry, reason: EvictionReason): void {
    this.#remove(this.#shelf(entry.key.server), entry);
    this.#evicted(reason, 1);
  }

  #remove(shelf: Shelf, entry: Entry): void {
    shelf.entries.delete(entry.key.text);
    this.#forget(entry);
  }

  #forget(entry: Entry): void {
    this.#unlink(entry);
    this.#size--;
    this.#bytes -= entry.bytes;
  }

  #link(entry: Entry): void {
    entry.older = this.#newest;
    if (this.#newest !== undefined) this.#newest.newer = entry;
    this.#newest = entry;
    this.#oldest ??= entry;
  }

  #unlink(entry: Entry): void {
    if (entry.newer === undefined) this.#newest = entry.older;
    else entry.newer.older = entry.older;
    if (entry.older === undefined) this.#oldest = entry.newer;
    else entry.older.newer = entry.newer;
    entry.newer = undefined;
    entry.older = undefined;
  }
}
