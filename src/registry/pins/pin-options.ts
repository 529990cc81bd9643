import { z } from "zod";
import { lintPolicy, lintSeverity, newToolsPolicy, pinPolicy } from "../../gateway/index.ts";

/** How definitions of tools and prompts are watched; a server's own `pins` go before these. */
export const pinOptions = z.strictObject({
  /** A changed definition: held back until approved, served and told, or taken over. */
  policy: pinPolicy.default("warn"),
  /** What a server offers only later: trusted like what it offered first, or held back until approved. */
  new_tools: newToolsPolicy.default("allow"),
  /** What looks like an attack: told, or held back until approved where it was not approved before. */
  lint: lintPolicy.default("warn"),
  /** What is less severe than this is never held back. */
  lint_severity: lintSeverity.default("high"),
});

export type PinOptions = z.output<typeof pinOptions>;

/** The options for one server. */
export function pinOptionsFor(
  all: PinOptions,
  own: { readonly [K in keyof PinOptions]?: PinOptions[K] | undefined } | undefined,
): PinOptions {
  if (own === undefined) return all;
  return {
    policy: own.policy ?? all.policy,
    new_tools: own.new_tools ?? all.new_tools,
    lint: own.lint ?? all.lint,
    lint_severity: own.lint_severity ?? all.lint_severity,
  };
}
