import type { Clock } from "../../src/foundation/index.ts";

/** What a client asked for. */
export interface Invocation {
  /** The call's own id, unlike any other's in this history. */
  readonly id: string;
  readonly server: string;
  readonly tool: string;
  /** The text by which the caller knows that an answer is to this call. */
  readonly expectedText: string;
}

/** What a client was told at last. */
export type Ending =
  | { readonly kind: "ok"; readonly rpcId: unknown; readonly text: string }
  | {
      readonly kind: "fail";
      readonly rpcId: unknown;
      readonly code: string;
      /** What the gateway says of the call's effect, where it says something. */
      readonly outcome?: string;
      readonly message: string;
      /** False where the gateway turned the request away before it became a call. */
      readonly accepted: boolean;
    }
  /** The connection broke before an answer came: the client knows nothing. */
  | { readonly kind: "lost"; readonly reason: string };

/** One call as its client saw it. Times are monotonic milliseconds. */
export interface Operation extends Invocation {
  readonly invokedAt: number;
  /** One, when all is well. */
  readonly endings: readonly (Ending & { readonly at: number })[];
}

interface Recorded extends Invocation {
  readonly invokedAt: number;
  readonly endings: (Ending & { readonly at: number })[];
}

/** Records at the client what was asked and how it ended, for a checker to look at afterwards. */
export class History {
  readonly #clock: Clock;
  readonly #operations = new Map<string, Recorded>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get operations(): readonly Operation[] {
    return [...this.#operations.values()];
  }

  /** Throws where the id was used before: a history in which two calls share one proves nothing. */
  invoke(invocation: Invocation): void {
    if (this.#operations.has(invocation.id))
      throw new Error(`the id ${invocation.id} was used before`);
    const invokedAt = this.#clock.monotonicMs();
    this.#operations.set(invocation.id, { ...invocation, invokedAt, endings: [] });
  }

  ok(id: string, answer: { rpcId: unknown; text: string }): void {
    this.#end(id, { kind: "ok", ...answer });
  }

  fail(id: string, failure: Omit<Ending & { kind: "fail" }, "kind">): void {
    this.#end(id, { kind: "fail", ...failure });
  }

  lost(id: string, reason: string): void {
    this.#end(id, { kind: "lost", reason });
  }

  /** How a call ended first; undefined while it runs. */
  endingOf(id: string): Ending | undefined {
    return this.#operations.get(id)?.endings[0];
  }

  #end(id: string, ending: Ending): void {
    const operation = this.#operations.get(id);
    if (operation === undefined) throw new Error(`nobody asked for ${id}`);
    operation.endings.push({ ...ending, at: this.#clock.monotonicMs() });
  }
}
