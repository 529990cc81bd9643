import { effectiveWeight, type Choice } from "./strategy.ts";

/** One of `from` at random, by weight and slow start, and not `except`; undefined when there is none. */
export function drawByWeight<T extends Choice>(
  from: readonly T[],
  random: () => number,
  except?: T,
): T | undefined {
  let total = 0;
  for (const choice of from) if (choice !== except) total += effectiveWeight(choice);
  let left = random() * total;
  let drawn: T | undefined;
  for (const choice of from) {
    if (choice === except) continue;
    drawn = choice;
    left -= effectiveWeight(choice);
    if (left < 0) break;
  }
  return drawn;
}
