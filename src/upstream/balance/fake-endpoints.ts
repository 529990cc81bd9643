// Endpoints and randomness for the tests of this folder.
import type { Clock } from "../../foundation/index.ts";
import { EndpointHealth } from "./endpoint-health.ts";

export interface FakeEndpoint {
  readonly id: string;
  weight: number;
  priority: number;
  usable: boolean;
  ready: boolean;
  readonly health: EndpointHealth;
}

export function fakeEndpoint(
  clock: Clock,
  id: string,
  settings: Partial<Pick<FakeEndpoint, "weight" | "priority" | "usable" | "ready">> = {},
): FakeEndpoint {
  return {
    id,
    weight: 1,
    priority: 0,
    usable: true,
    ready: true,
    ...settings,
    health: new EndpointHealth(clock),
  };
}

/** The same numbers from 0 up to 1 for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}
