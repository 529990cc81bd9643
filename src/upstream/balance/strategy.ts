import type { EndpointHealth } from "./endpoint-health.ts";

/** An endpoint, as far as choosing one goes. */
export interface Choice {
  /** Names the endpoint among those of its server, and does not change. */
  readonly id: string;
  /** More than 0; twice the weight, twice the share. */
  readonly weight: number;
  readonly health: EndpointHealth;
}

/** A way to choose. Those it chooses from may be others every time; it keeps no hold of them. */
export interface Strategy {
  /** One of `from`; undefined only when there are none. `key` says for whom: a session or a principal. */
  choose<T extends Choice>(from: readonly T[], key: string | undefined): T | undefined;
}

/** The weight that counts now: less while the endpoint starts slowly. */
export function effectiveWeight(choice: Choice): number {
  return choice.weight * choice.health.slowStartFactor;
}
