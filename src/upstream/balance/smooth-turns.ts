import type { EndpointHealth } from "./endpoint-health.ts";
import { effectiveWeight, type Choice } from "./strategy.ts";

interface Turn {
  credit: number;
}

/**
 * Turns in proportion to weights, spread as evenly as they can be (nginx's smooth weighted round robin): each time all gain
 * their weight, the richest takes the turn and pays what all gained.
 */
export class SmoothTurns {
  readonly #turns = new WeakMap<EndpointHealth, Turn>();
  readonly #weightOf: (choice: Choice) => number;

  constructor(weightOf: (choice: Choice) => number = effectiveWeight) {
    this.#weightOf = weightOf;
  }

  next<T extends Choice>(from: readonly T[]): T | undefined {
    let chosen: T | undefined;
    let richest: Turn | undefined;
    let gained = 0;
    for (const choice of from) {
      const turn = this.#turnOf(choice.health);
      const weight = this.#weightOf(choice);
      turn.credit += weight;
      gained += weight;
      if (richest !== undefined && turn.credit <= richest.credit) continue;
      chosen = choice;
      richest = turn;
    }
    if (richest !== undefined) richest.credit -= gained;
    return chosen;
  }

  #turnOf(health: EndpointHealth): Turn {
    const known = this.#turns.get(health);
    if (known !== undefined) return known;
    const turn = { credit: 0 };
    this.#turns.set(health, turn);
    return turn;
  }
}
