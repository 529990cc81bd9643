import { z } from "zod";
import { settingsOf } from "./guard-options.ts";

const policy = z.enum(["block", "warn", "allow"], 'must be "block", "warn" or "allow"');
const newTools = z.enum(["allow", "block"], 'must be "allow" or "block"');
const lint = z.enum(["warn", "block"], 'must be "warn" or "block"');
const severity = z.enum(["low", "medium", "high"], 'must be "low", "medium" or "high"');

/** How definitions of tools and prompts are watched; a server's own `pins` go before these. */
export const pinOptions = z.strictObject({
  /** A changed definition: held back until approved, served and told, or taken over. */
  policy: policy.default("warn"),
  /** What a server offers only later: trusted like what it offered first, or held back until approved. */
  new_tools: newTools.default("allow"),
  /** What looks like an attack: told, or held back until approved where it was not approved before. */
  lint: lint.default("warn"),
  /** What is less severe than this is never held back. */
  lint_severity: severity.default("high"),
});

export type PinOptions = z.output<typeof pinOptions>;

/** What a user may set under `pins` of one server. */
export const serverPinOptions = z.strictObject({
  policy: policy.optional(),
  new_tools: newTools.optional(),
  lint: lint.optional(),
  lint_severity: severity.optional(),
});

/** The options for one server. */
export function pinOptionsFor(
  all: PinOptions,
  own: z.output<typeof serverPinOptions> | undefined,
): PinOptions {
  return settingsOf(all, own);
}
