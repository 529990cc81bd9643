import { z } from "zod";
import { lockOutOptions } from "./lock-out-options.ts";
import { networkOptions } from "./network-options.ts";
import { oidcOptions, sessionOptions } from "./people/people-options.ts";
import { jwtOptions } from "./resource-server/jwt-options.ts";
import { oauthOptions } from "./resource-server/oauth-options.ts";

/** `[auth]`: whether a credential is needed (default yes), which are accepted, and the key that is seeded as the first admin's. */
export const authOptions = z.strictObject({
  required: z
    .boolean()
    .default(true)
    .describe("Whether every request needs a key. Off is only allowed on a loopback bind."),
  admin_key: z
    .string()
    .min(16, "must have at least 16 characters")
    .max(512, "must have at most 512 characters")
    .regex(/^[\x21-\x7e]+$/, "must be printable ASCII without spaces, since it travels in a header")
    .optional()
    .describe("The first admin key. Without it one is minted at the first start and shown once."),
  ...networkOptions,
  jwt: jwtOptions.prefault({}),
  oauth: oauthOptions.prefault({}),
  sessions: sessionOptions.prefault({}),
  oidc: oidcOptions.optional(),
  lock_out: lockOutOptions.prefault({}),
});

export type AuthOptions = z.output<typeof authOptions>;
