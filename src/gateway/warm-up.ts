/**
 * Fetches the lists of new servers before anyone asks, a few servers at a time and never two in one turn of the event loop:
 * a configuration of hundreds of servers must neither storm them nor hold up the calls of the others.
 */

/** A server whose lists can be fetched ahead. */
export interface Warmable {
  warm(): Promise<void>;
}

const AT_ONCE = 16;

export class WarmUp {
  #waiting: Warmable[] = [];
  #running = 0;
  #scheduled = false;

  add(catalogs: readonly Warmable[]): void {
    this.#waiting.push(...catalogs);
    this.#schedule();
  }

  /** Forgets servers that are gone before their turn came. */
  remove(catalogs: readonly Warmable[]): void {
    if (catalogs.length === 0 || this.#waiting.length === 0) return;
    const gone = new Set(catalogs);
    this.#waiting = this.#waiting.filter((catalog) => !gone.has(catalog));
  }

  #schedule(): void {
    if (this.#scheduled || this.#running >= AT_ONCE || this.#waiting.length === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#start();
      this.#schedule();
    });
  }

  #start(): void {
    const catalog = this.#waiting.shift();
    if (catalog === undefined) return;
    this.#running++;
    void catalog.warm().finally(() => {
      this.#running--;
      this.#schedule();
    });
  }
}
