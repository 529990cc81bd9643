import { z } from "zod";
import { duration } from "../../foundation/index.ts";
import { claimOptions } from "./claim-options.ts";

const DAY_MS = 86_400_000;

/** `[auth.jwt]`: tokens signed with a secret that the gateway and whoever makes them share (HS256). */
export const jwtOptions = z.strictObject({
  secret: z
    .string()
    .min(32, "must have at least 32 characters")
    .max(1024)
    .optional()
    .describe("The secret. Without it no such token is accepted or made."),
  expires_in: duration
    .default(DAY_MS)
    .describe("How long the tokens made here are good for, and the longest that any may still be."),
  issuer: z.string().min(1).optional().describe("What `iss` must be, where it must be something."),
  audiences: z
    .array(z.string().min(1))
    .max(20)
    .default([])
    .describe("Accepted in `aud` beside the endpoint's own address."),
  clock_skew: duration.default(30_000).describe("How far the clocks may differ."),
  ...claimOptions,
  roles: claimOptions.roles.default({ caller: "caller", operator: "operator" }),
});

export type JwtOptions = z.output<typeof jwtOptions>;
