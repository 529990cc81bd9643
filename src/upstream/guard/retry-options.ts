// What a user may write about repeating failed calls: `[retry_policy]` for all servers, `retry_policy` of one server,
// and `retry_policy.tools."search_*"` for some of its tools. Each of the three may name a preset and say more; what
// stands nearer to the tool wins, and within one table what is written out wins over its preset.
import { z } from "zod";
import { duration } from "../../foundation/index.ts";

/** How the wait before a repeat grows. */
export const delayStrategies = ["exponential", "linear", "adaptive"] as const;

export type DelayStrategy = (typeof delayStrategies)[number];

/** What one preset, or one table that says everything, sets. */
export interface RetryValues {
  readonly strategy: DelayStrategy;
  readonly baseDelayMs: number;
  readonly maxDelayMs: number;
  readonly attemptsMax: number;
  readonly jitter: number;
}

// A wait is taken from between a quarter of its full length and the whole: enough to scatter callers that failed
// together, and never so little that the repeat meets the same moment.
const jitter = 0.75;

/** The presets: QuickRetry, StandardRetry (the default), NetworkRetry and ThrottleRetry. */
export const retryPresets = {
  quick: values("exponential", 100, 5_000, 3),
  standard: values("exponential", 1_000, 30_000, 5),
  network: values("exponential", 500, 10_000, 4),
  throttle: values("linear", 2_000, 30_000, 3),
} as const satisfies Record<string, RetryValues>;

export type RetryPreset = keyof typeof retryPresets;

const delay = duration.refine((ms) => ms >= 1 && ms <= 3_600_000, "must be from 1ms to 1h");

/** What may be set in each of the three places; what is left out comes from the preset or from the wider place. */
const settings = {
  /** "quick": 100ms to 5s, 3 attempts. "standard": 1s to 30s, 5. "network": 500ms to 10s, 4. "throttle": 2s, 4s, ... to 30s, 3. */
  preset: z.enum(["quick", "standard", "network", "throttle"]).optional(),
  /** "exponential" doubles the wait, "linear" adds the first one, "adaptive" learns it for each tool. */
  strategy: z.enum(delayStrategies).optional(),
  /** The wait before the first repeat; 1ms to 1h. */
  base_delay: delay.optional(),
  /** No wait of the gateway's own is longer; 1ms to 1h. What a server asks for with Retry-After may be. */
  max_delay: delay.optional(),
  /** Attempts in all, the first one included; 1 never repeats; 1 to 10. */
  max_attempts: z.int().min(1).max(10).optional(),
  /** The share of each wait that is left to chance, 0 to 1; default 0.75. */
  jitter: z.number().min(0).max(1).optional(),
};

const budgetSettings = {
  /** Repeats may be at most this share of the calls of the last ten seconds; 0 to 1, default 0.2. */
  share: z.number().min(0).max(1),
  /** So many repeats a second are allowed however few the calls are; 0 to 1000, default 3. */
  min_per_second: z.number().min(0).max(1000),
};

const budgetDefaults = { share: 0.2, min_per_second: 3 };

const delaysProblem = "base_delay must not be longer than max_delay";

/** `[retry_policy]`: holds for every server. */
export const retryOptions = z
  .strictObject({
    ...settings,
    /** How many repeats one server may get in all. */
    budget: z
      .strictObject({
        share: budgetSettings.share.default(budgetDefaults.share),
        min_per_second: budgetSettings.min_per_second.default(budgetDefaults.min_per_second),
      })
      .default(budgetDefaults),
  })
  .refine(delaysFit, { path: ["base_delay"], error: delaysProblem });

export type RetryOptions = z.output<typeof retryOptions>;

const toolRetryOptions = z
  .strictObject({
    ...settings,
    /** True: the tool may be called twice with the effect of once. False: it may not, whatever its hints say. */
    idempotent: z.boolean().optional(),
    /** How long a call of the tool may last, in place of the server's `timeout`; 1ms to 24h. */
    timeout: duration
      .refine((ms) => ms >= 1 && ms <= 86_400_000, "must be from 1ms to 24h")
      .optional(),
  })
  .refine(delaysFit, { path: ["base_delay"], error: delaysProblem });

export type ToolRetryOptions = z.output<typeof toolRetryOptions>;

const toolPattern = z.string().min(1, "must not be empty").max(256, "at most 256 characters");

/** `retry_policy` of one server: everything may be left out. */
export const serverRetryOptions = z
  .strictObject({
    ...settings,
    budget: z.strictObject(budgetSettings).partial().optional(),
    /** By tool name or pattern with `*`; the pattern with the most characters written out wins. */
    tools: z
      .record(toolPattern, toolRetryOptions)
      .refine((tools) => Object.keys(tools).length <= 200, "at most 200 patterns")
      .optional(),
  })
  .refine(delaysFit, { path: ["base_delay"], error: delaysProblem });

export type ServerRetryOptions = z.output<typeof serverRetryOptions>;

function values(
  strategy: DelayStrategy,
  baseDelayMs: number,
  maxDelayMs: number,
  attemptsMax: number,
): RetryValues {
  return { strategy, baseDelayMs, maxDelayMs, attemptsMax, jitter };
}

// Where only one of the two is written, the other may come from elsewhere and is held to it when the policy is made.
function delaysFit(table: {
  base_delay?: number | undefined;
  max_delay?: number | undefined;
}): boolean {
  const { base_delay: base, max_delay: max } = table;
  return base === undefined || max === undefined || base <= max;
}
