import type { Clock } from "../../foundation/index.ts";
import type { StrategyName } from "./balance-options.ts";
import { HealthBased } from "./health-based.ts";
import { LeastConnections } from "./least-connections.ts";
import { Random } from "./random.ts";
import { ResponseTimeBased } from "./response-time-based.ts";
import { RoundRobin } from "./round-robin.ts";
import { Sticky } from "./sticky.ts";
import type { Strategy } from "./strategy.ts";
import { WeightedRoundRobin } from "./weighted-round-robin.ts";

/** What a strategy needs from outside; `random` gives numbers from 0 up to 1. */
export interface StrategyParts {
  readonly clock: Clock;
  readonly random: () => number;
}

export function createStrategy(name: StrategyName, parts: StrategyParts): Strategy {
  return strategies[name](parts);
}

const strategies: Record<StrategyName, (parts: StrategyParts) => Strategy> = {
  round_robin: () => new RoundRobin(),
  least_connections: ({ random }) => new LeastConnections(random),
  weighted_round_robin: () => new WeightedRoundRobin(),
  health_based: ({ clock, random }) => new HealthBased(clock, random),
  response_time_based: ({ clock, random }) => new ResponseTimeBased(clock, random),
  random: ({ random }) => new Random(random),
  sticky: ({ random }) => new Sticky(random),
};
