import { z } from "zod";
import { duration } from "../../foundation/index.ts";

const WINDOW_MIN_MS = 1_000;
const WINDOW_MAX_MS = 86_400_000;
const COUNT_MAX = 1_000_000_000;
const RULES_MAX = 500;

const max = z.int("must be a whole number").min(0).max(COUNT_MAX);
const window = duration.refine(
  (ms) => ms >= WINDOW_MIN_MS && ms <= WINDOW_MAX_MS,
  "must be from 1 second to 1 day",
);
const calls = z.int("must be a whole number of calls").min(1).max(COUNT_MAX);
const few = (record: object): boolean => Object.keys(record).length <= RULES_MAX;

const ratePattern = z
  .string()
  .regex(/^[!-~]{1,200}$/, 'a pattern is printable ASCII without blanks, such as "files__*"');

/** So many requests in any stretch of time as long as the window. */
const rateOptions = z.strictObject({
  max: max.min(1),
  window: window.default(60_000),
  /** Whether each caller has its own count, or all callers share one. */
  per: z.enum(["caller", "all"]).default("caller"),
});

/** What a user may set under [rate_limit]. Durations come out in milliseconds. */
export const rateLimitOptions = z.strictObject({
  /** Most requests of one caller in a window; 0 for no limit. The production profile has 100. */
  max: max.default(0),
  window: window.default(60_000),
  /** Where several gateways count together; by default Redis where `REDIS_URL` is set, PostgreSQL where `DATABASE_URL` is, else memory. */
  store: z
    .enum(["memory", "postgres", "redis"], 'must be "memory", "postgres" or "redis"')
    .optional(),
  /** The part of a limit that one gateway may admit before it has told the others. */
  lease: z.number().min(0.001).max(1).default(0.2),
  /** Most requests of all callers together. */
  all: z.strictObject({ max: max.min(1), window: window.default(60_000) }).optional(),
  /** Most calls to a server. */
  servers: z
    .record(z.string(), rateOptions)
    .refine(few, `at most ${RULES_MAX} servers`)
    .default({}),
  /** Most calls to the tools that a pattern matches, by their name `{server}__{tool}`. */
  tools: z
    .record(ratePattern, rateOptions)
    .refine(few, `at most ${RULES_MAX} patterns`)
    .default({}),
});

export type RateLimitOptions = z.output<typeof rateLimitOptions>;

const quota = z.strictObject({
  /** Most calls in a day of UTC. */
  day: calls.optional(),
  /** Most calls in a month of UTC. */
  month: calls.optional(),
});

/** What a user may set under [quotas]: calls that go on to a server, counted in the database. */
export const quotaOptions = quota.extend({
  /** Whether calls go on while the database cannot be reached; they are counted when it is back. */
  without_database: z.enum(["allow", "refuse"], 'must be "allow" or "refuse"').default("allow"),
  /** Of each caller of a role, instead of the ones above. */
  roles: z.record(z.string(), quota).refine(few, `at most ${RULES_MAX} roles`).default({}),
  /** Of all callers of a project together. */
  projects: z.record(z.string(), quota).refine(few, `at most ${RULES_MAX} projects`).default({}),
  /** Of all callers of a server together. */
  servers: z.record(z.string(), quota).refine(few, `at most ${RULES_MAX} servers`).default({}),
});

export type QuotaOptions = z.output<typeof quotaOptions>;

/** The limits of one key; what is left out is as configured for all, 0 lifts a limit. */
export const keyLimits = z.strictObject({
  rate: z
    .strictObject({
      max,
      windowMs: z.int().min(WINDOW_MIN_MS).max(WINDOW_MAX_MS).default(60_000),
    })
    .optional(),
  quota: z
    .strictObject({
      day: calls.or(z.literal(0)).optional(),
      month: calls.or(z.literal(0)).optional(),
    })
    .optional(),
});

export type KeyLimits = z.output<typeof keyLimits>;
