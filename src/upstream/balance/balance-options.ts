import { z } from "zod";
import { duration } from "../../foundation/index.ts";

export const strategyNames = [
  "round_robin",
  "least_connections",
  "weighted_round_robin",
  "health_based",
  "response_time_based",
  "random",
  "sticky",
] as const;

export type StrategyName = (typeof strategyNames)[number];

const strategy = z.enum(strategyNames, `strategy must be one of ${strategyNames.join(", ")}`);
const flag = z.boolean("must be true or false");
const share = z.number("must be a number from 0 to 1").min(0).max(1);

/** How calls are spread over the endpoints of a server: `[load_balancer]`, for all servers. */
export const balanceOptions = z.strictObject({
  /** Which of the endpoints that can take a call takes it. */
  strategy: strategy.default("round_robin"),
  /** Whether endpoints of a later priority stand in when none of the first can take a call. */
  failover_enabled: flag.default(true),
  /** An endpoint is ejected after this many failures in a row. */
  ejection_failures: z.int().min(1).max(1_000).default(5),
  /** An endpoint is ejected when this share of its calls of the last 10 s failed; 1 asks that all failed. */
  ejection_failure_share: share.min(0.01, "must be at least 0.01").default(0.4),
  /** The share is looked at once so many calls ended within the 10 s. */
  ejection_outcomes_min: z.int().min(1).max(100_000).default(20),
  /** The first ejection lasts this long; each further one in a row twice as long as the one before. */
  ejection_time: duration.default(10_000),
  /** No ejection lasts longer, except that the first lasts `ejection_time` in any case. */
  ejection_time_max: duration.default(5 * 60_000),
  /** Of one priority at most this share is ejected at once; of two or more always one may be. 0 ejects none. */
  ejected_share_max: share.default(0.5),
  /** An endpoint that comes back takes a tenth of its share at first, and all of it this long after a first good call. */
  slow_start: duration.default(10_000),
});

export type BalanceOptions = z.output<typeof balanceOptions>;

const { shape } = balanceOptions;

/** The same for one server, `load_balancer` in its table: what it leaves out is as for all servers. */
export const serverBalanceOptions = z.strictObject({
  strategy: shape.strategy.unwrap().optional(),
  failover_enabled: shape.failover_enabled.unwrap().optional(),
  ejection_failures: shape.ejection_failures.unwrap().optional(),
  ejection_failure_share: shape.ejection_failure_share.unwrap().optional(),
  ejection_outcomes_min: shape.ejection_outcomes_min.unwrap().optional(),
  ejection_time: shape.ejection_time.unwrap().optional(),
  ejection_time_max: shape.ejection_time_max.unwrap().optional(),
  ejected_share_max: shape.ejected_share_max.unwrap().optional(),
  slow_start: shape.slow_start.unwrap().optional(),
});
