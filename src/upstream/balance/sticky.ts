import type { EndpointHealth } from "./endpoint-health.ts";
import { effectiveWeight, type Choice, type Strategy } from "./strategy.ts";
import { drawByWeight } from "./weighted-draw.ts";

/**
 * The same endpoint for the same key, by weighted rendezvous hashing: when one leaves, only its keys move, and when it comes
 * back only those return, spread over its slow start. It depends on ids and weights alone, so that gateways agree as long
 * as they see the same endpoints well. Without a key: at random, by weight.
 */
export class Sticky implements Strategy {
  readonly #random: () => number;
  readonly #idHashes = new WeakMap<EndpointHealth, number>();

  constructor(random: () => number) {
    this.#random = random;
  }

  choose<T extends Choice>(from: readonly T[], key: string | undefined): T | undefined {
    if (key === undefined) return drawByWeight(from, this.#random);
    const keyHash = hashOf(key);
    let chosen: T | undefined;
    let soonest = Infinity;
    for (const choice of from) {
      // A race of exponential clocks, which each wins with the probability of its weight.
      const arrival = -Math.log(unitOf(keyHash ^ this.#idHash(choice))) / effectiveWeight(choice);
      if (arrival >= soonest) continue;
      soonest = arrival;
      chosen = choice;
    }
    return chosen;
  }

  #idHash(choice: Choice): number {
    const known = this.#idHashes.get(choice.health);
    if (known !== undefined) return known;
    const hash = mixed(hashOf(choice.id));
    this.#idHashes.set(choice.health, hash);
    return hash;
  }
}

/** FNV-1a over UTF-16 code units; 32 bits. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let place = 0; place < text.length; place++) {
    hash = Math.imul(hash ^ text.charCodeAt(place), 0x01000193);
  }
  return hash;
}

/** The finish of MurmurHash3: every bit of the input moves about half of those of the output. */
function mixed(bits: number): number {
  let hash = bits;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

/** A number between 0 and 1, and neither of them. */
function unitOf(bits: number): number {
  return ((mixed(bits) >>> 0) + 0.5) / 2 ** 32;
}
