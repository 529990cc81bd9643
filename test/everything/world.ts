// What every connection to one everything server shares: whether the changeable tool and prompt are listed, how often
// the watched resource was touched, how many waits were cancelled. Old sessions hear of a change by re-registering; the
// stateless revision hears of it through its listen streams.

export type Change = "tools" | "prompts" | "resource";

/** The state shared by all sessions of one everything server. */
export class World {
  readonly #listeners = new Set<(change: Change) => void>();
  toolListed = false;
  promptListed = false;
  touches = 0;
  cancelledWaits = 0;

  /** Lists the changeable tool when it was not, and the reverse. */
  toggleTool(): void {
    this.toolListed = !this.toolListed;
    this.#tell("tools");
  }

  /** Lists the changeable prompt when it was not, and the reverse. */
  togglePrompt(): void {
    this.promptListed = !this.promptListed;
    this.#tell("prompts");
  }

  /** Changes the content of the watched resource. */
  touchResource(): void {
    this.touches += 1;
    this.#tell("resource");
  }

  /** Calls back on every change until the returned function is called. */
  onChange(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(change: Change): void {
    for (const listener of this.#listeners) listener(change);
  }
}
