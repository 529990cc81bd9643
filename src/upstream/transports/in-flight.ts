/** What waits for an answer under an id of ours. */
export interface Numbered {
  readonly id: number;
}

const SLOTS = 16_384;

/**
 * Things in flight by their id. An id says in which slot its owner stands, so that entering and leaving write to an array
 * and nothing else: a Map that every call enters and leaves keeps dead entries in tables the garbage collector then copies.
 */
export class InFlight<T extends Numbered> {
  readonly #slots: (T | undefined)[] = [];
  readonly #free: number[] = [];
  #generation = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** An id that none of the things in flight has; to be given to one that is then added. At most 16,384 at once. */
  nextId(): number {
    const slot = this.#free.pop() ?? this.#slots.push(undefined) - 1;
    return ++this.#generation * SLOTS + slot;
  }

  /** Whether an id is one that was given out, now or before. */
  gaveOut(id: number): boolean {
    const generation = Math.floor(id / SLOTS);
    return generation > 0 && generation <= this.#generation && id % SLOTS < this.#slots.length;
  }

  add(item: T): void {
    this.#slots[item.id % SLOTS] = item;
    this.#size++;
  }

  get(id: number): T | undefined {
    const item = this.#slots[id % SLOTS];
    return item?.id === id ? item : undefined;
  }

  /** Whether it was in flight; its id is never used again. */
  remove(item: T): boolean {
    const slot = item.id % SLOTS;
    if (this.#slots[slot] !== item) return false;
    this.#slots[slot] = undefined;
    this.#free.push(slot);
    this.#size--;
    return true;
  }

  values(): T[] {
    return this.#slots.filter((item) => item !== undefined);
  }
}
