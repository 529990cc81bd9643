import { z } from "zod";
import { duration } from "../foundation/index.ts";
import { cidr } from "./network-options.ts";

/** `[auth.lock_out]`: how long wrong credentials are not even looked at any more. */
export const lockOutOptions = z.strictObject({
  enabled: z.boolean().default(true),
  failures: z
    .int()
    .min(1)
    .max(1000)
    .default(10)
    .describe("So many failures of one credential from one address lock the two."),
  address_failures: z
    .int()
    .min(1)
    .max(100_000)
    .default(50)
    .describe("So many different wrong credentials from one address lock the address."),
  delay: duration.default(1_000).describe("The first wait; each further failure doubles it."),
  delay_max: duration.default(300_000).describe("The longest wait."),
  shared_addresses: z
    .array(cidr)
    .max(1000)
    .default([])
    .describe("Addresses behind which many callers are, such as a proxy: never locked as a whole."),
});

export type LockOutOptions = z.output<typeof lockOutOptions>;
