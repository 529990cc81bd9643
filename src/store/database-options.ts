import { z } from "zod";
import { duration } from "../foundation/index.ts";

/** What a user may set under [database]. Durations are milliseconds once parsed. */
export const databaseOptions = z
  .strictObject({
    /** A PostgreSQL of the user's own, 14 or newer; the embedded one when absent. */
    url: z
      .string()
      .regex(/^postgres(ql)?:\/\//u, 'must begin with "postgres://" or "postgresql://"')
      .optional(),
    pool_min: z.int().min(0).max(100).default(2),
    pool_max: z.int().min(1).max(1000).default(10),
    /** How long an unused connection above `pool_min` stays open. */
    idle_timeout: duration.default(10_000),
    /** The deadline of every query. */
    query_timeout: duration.default(10_000),
  })
  .refine(({ pool_min, pool_max }) => pool_min <= pool_max, {
    path: ["pool_min"],
    error: "must not be greater than pool_max",
  });

export type DatabaseOptions = z.infer<typeof databaseOptions>;
