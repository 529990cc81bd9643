import { z } from "zod";
import { anyRoleName as role } from "../role.ts";

const claim = z.string().min(1).max(200);

/** Where a token says what its holder may do. A claim inside others is written with dots: `realm_access.roles`. */
export const claimOptions = {
  name_claim: claim.default("name").describe("The name shown in logs; the subject where absent."),
  roles_claim: claim.default("role").describe("One word or a list of words."),
  roles: z
    .record(z.string().min(1), role)
    .describe(
      "The role that a word of `roles_claim`, or a scope, stands for. Of several the first here counts.",
    ),
  default_role: role.default("caller").describe("The role where no word stands for one."),
  bundles_claim: claim.default("bundles").describe("The only bundles; all where absent."),
  project_claim: claim.default("project"),
  scopes_claim: claim.default("scope").describe("A list, or words with spaces between them."),
} as const;

const claimSchema = z.object(claimOptions);
export type ClaimOptions = z.output<typeof claimSchema>;
