import { z } from "zod";

const pattern = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[^\s]+$/, 'a pattern has no blanks, such as "files__*"');
const patterns = z.array(pattern).min(1).max(200);

/** `call` stands for `read` and `write` together. */
export const ruleActions = ["read", "write", "call", "manage"] as const;

/**
 * One rule of a role or key. Each condition that is written must hold; what is left out holds for everything. A rule with
 * `tools`, `prompts` or `resources` speaks of those kinds alone.
 */
export const ruleOptions = z.strictObject({
  effect: z.enum(["allow", "deny"]),
  servers: patterns.optional().describe("Names of servers, `*` standing for anything."),
  tools: patterns
    .optional()
    .describe("Tools, by their public name `{server}__{tool}` or as the server names them."),
  prompts: patterns.optional().describe("Prompts, by either name."),
  resources: patterns.optional().describe("Resources, as `{server}__{uri}` or by URI alone."),
  actions: z
    .array(z.enum(ruleActions))
    .min(1)
    .max(ruleActions.length)
    .optional()
    .describe("`call` is `read` and `write`. Without it the rule speaks of all actions."),
  read_only: z.boolean().optional().describe("Only what does, or does not, just read."),
  destructive: z.boolean().optional().describe("Only what may, or may not, destroy something."),
});

export type Rule = z.output<typeof ruleOptions>;

export const rulesMax = 200;
export const rulesOptions = z.array(ruleOptions).max(rulesMax);
