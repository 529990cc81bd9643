// What was seen and is not in the database yet. While that is away, notes wait here: one of each kind for a thing, so many
// characters altogether, and what does not fit is seen again later.
import { isSignalboxError, messageOf } from "../../foundation/index.ts";
import type { CounterSlot, Log, Metrics } from "../../foundation/index.ts";
import { keyText, type Note, type PinKey } from "./pin.ts";
import type { PinSight, PinTable } from "./pin-store.ts";

const BATCH_MAX = 500;
const BATCH_CHARS_MAX = 4 * 1024 * 1024;

// What is trusted at first sight comes before what changed since.
const ORDER: readonly Note[] = ["first", "accepted", "pending"];

export class UnsavedNotes {
  readonly #notes: Record<Note, Map<string, PinSight>> = {
    first: new Map(),
    accepted: new Map(),
    pending: new Map(),
  };
  readonly #log: Log;
  readonly #dropped: CounterSlot;
  readonly #charsMax: number;
  #chars = 0;

  constructor(log: Log, metrics: Metrics, charsMax: number) {
    this.#log = log;
    this.#charsMax = charsMax;
    this.#dropped = metrics
      .counter("mcp_queue_dropped_total", "Entries that a full or failing queue lost.", ["queue"])
      .slot("pins");
  }

  get empty(): boolean {
    return ORDER.every((note) => this.#notes[note].size === 0);
  }

  /** False where there is no room. */
  add(note: Note, sight: PinSight): boolean {
    if (this.#chars + sizeOf(sight) > this.#charsMax) {
      this.#dropped.inc();
      return false;
    }
    const key = keyText(sight);
    this.#remove(note, key);
    this.#notes[note].set(key, sight);
    this.#chars += sizeOf(sight);
    return true;
  }

  *all(): Generator<[Note, PinSight]> {
    for (const note of ORDER) for (const sight of this.#notes[note].values()) yield [note, sight];
  }

  /** Drops what is noted of a server, or everything. */
  clear(server?: string): void {
    for (const note of ORDER) {
      for (const [key, sight] of this.#notes[note]) {
        if (server === undefined || sight.server === server) this.#remove(note, key);
      }
    }
  }

  /**
   * Writes everything; throws STORE_UNAVAILABLE while the database is away, and what is not written stays. What the database
   * refuses is dropped, for it would be refused again. Returns what was thought new and was not.
   */
  async save(table: PinTable): Promise<readonly PinKey[]> {
    const known: PinKey[] = [];
    for (const note of ORDER) {
      for (let batch = this.#batch(note); batch.length > 0; batch = this.#batch(note)) {
        try {
          known.push(...(await write(table, note, batch)));
        } catch (error) {
          if (isSignalboxError(error) && error.code === "STORE_UNAVAILABLE") throw error;
          this.#dropped.inc(batch.length);
          this.#log.error({ error: messageOf(error) }, "The database refused pins");
        }
        // Only what was written: another note may have taken its place meanwhile.
        for (const sight of batch) {
          const key = keyText(sight);
          if (this.#notes[note].get(key) === sight) this.#remove(note, key);
        }
      }
    }
    return known;
  }

  #batch(note: Note): PinSight[] {
    const batch: PinSight[] = [];
    let chars = 0;
    for (const sight of this.#notes[note].values()) {
      if (batch.length >= BATCH_MAX || chars > BATCH_CHARS_MAX) break;
      batch.push(sight);
      chars += sizeOf(sight);
    }
    return batch;
  }

  #remove(note: Note, key: string): void {
    const sight = this.#notes[note].get(key);
    if (sight === undefined) return;
    this.#notes[note].delete(key);
    this.#chars -= sizeOf(sight);
  }
}

function sizeOf({ definition, name }: PinSight): number {
  return definition.length + name.length + 200;
}

async function write(
  table: PinTable,
  note: Note,
  batch: readonly PinSight[],
): Promise<readonly PinKey[]> {
  if (note === "first") return await table.addFirst(batch);
  await (note === "accepted" ? table.accept(batch) : table.addPending(batch));
  return [];
}
