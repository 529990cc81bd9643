import { SignalboxError } from "../foundation/index.ts";

/** Runs changes one after the other, in the order they came; refuses more than `capacity` waiting ones. */
export class ChangeQueue {
  readonly #capacity: number;
  #tail: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  async run<T>(change: () => Promise<T>): Promise<T> {
    if (this.#waiting >= this.#capacity) {
      throw new SignalboxError("STORE_UNAVAILABLE", "Too many changes are waiting; try again.");
    }
    this.#waiting += 1;
    const before = this.#tail;
    const done = (async (): Promise<T> => {
      await before;
      return await change();
    })();
    this.#tail = done.catch(() => undefined);
    try {
      return await done;
    } finally {
      this.#waiting -= 1;
    }
  }
}
