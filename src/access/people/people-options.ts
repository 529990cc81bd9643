import { z } from "zod";
import { duration } from "../../foundation/index.ts";
import { defaultProject } from "../project.ts";
import { anyRoleName } from "../role.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/** `[auth.sessions]`: how long people stay signed in. */
export const sessionOptions = z.strictObject({
  idle: duration
    .refine((ms) => ms >= MINUTE_MS, "must be at least a minute")
    .default(DAY_MS / 3)
    .describe("A session that was not used for so long has ended."),
  lifetime: duration
    .refine((ms) => ms >= MINUTE_MS && ms <= 90 * DAY_MS, "must be from a minute to 90 days")
    .default(7 * DAY_MS)
    .describe("A session ends after so long however much it is used."),
});

export type SessionOptions = z.output<typeof sessionOptions>;

/** `[auth.oidc]`: the identity provider that people sign in with. */
export const oidcOptions = z.strictObject({
  issuer: z
    .url({ protocol: /^https?$/, error: "must be an http or https address" })
    .describe("What `iss` of its ID tokens is; its metadata is asked below it."),
  client_id: z.string().min(1).max(500),
  client_secret: z.string().min(1).max(1000).optional().describe("None for a public client."),
  title: z.string().min(1).max(60).optional().describe("How the sign-in page calls it."),
  scopes: z
    .array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,100}$/, "must be one word"))
    .max(20)
    .default(["openid", "profile", "email"])
    .refine((scopes) => scopes.includes("openid"), 'must include "openid"'),
  roles_claim: z
    .string()
    .min(1)
    .max(200)
    .default("groups")
    .describe("One word or a list of words; inside others with dots."),
  roles: z
    .record(z.string().min(1), anyRoleName)
    .default({})
    .describe(
      "The role that a word of `roles_claim` stands for. Where any is given, the provider decides about roles at each sign-in; of several the first here counts.",
    ),
  default_role: anyRoleName
    .optional()
    .describe("The role where no word stands for one; without it such people are refused."),
  project: z
    .string()
    .min(1)
    .max(32)
    .default(defaultProject)
    .describe('The project of people who are created; "*" for all.'),
  email_domains: z
    .array(z.string().regex(/^[a-z0-9.-]+\.[a-z0-9-]+$/, "must be a domain in small letters"))
    .max(100)
    .default([])
    .describe("Only people with a verified e-mail address of these domains; all where empty."),
  create: z
    .boolean()
    .default(false)
    .describe(
      "Whether whoever the provider vouches for becomes a person here; else only known ones sign in.",
    ),
});

export type OidcOptions = z.output<typeof oidcOptions>;
