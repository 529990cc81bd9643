import type { Clock } from "../../foundation/index.ts";
import type { Era } from "../../protocol/index.ts";

/** What is known of a server's era and since when. */
export interface EraVerdict {
  readonly era: Era;
  /** Epoch ms. */
  readonly probedAt: number;
}

/** Remembers which era a program speaks; a verdict is forgotten after a day, for programs are upgraded. */
export class EraVerdicts {
  readonly #verdicts = new Map<string, EraVerdict>();

  get(program: string, clock: Clock): EraVerdict | undefined {
    const verdict = this.#verdicts.get(program);
    return verdict !== undefined && clock.now() - verdict.probedAt < verdictMs
      ? verdict
      : undefined;
  }

  set(program: string, era: Era, clock: Clock): EraVerdict {
    const verdict = { era, probedAt: clock.now() };
    this.#verdicts.delete(program);
    this.#verdicts.set(program, verdict);
    if (this.#verdicts.size > verdictsMax) {
      const oldest = this.#verdicts.keys().next().value;
      if (oldest !== undefined) this.#verdicts.delete(oldest);
    }
    return verdict;
  }

  forget(program: string): void {
    this.#verdicts.delete(program);
  }
}

const verdictMs = 24 * 60 * 60 * 1000;
const verdictsMax = 1_000;
