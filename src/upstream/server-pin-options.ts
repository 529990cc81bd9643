import { z } from "zod";

/** What is done with a definition that is not the one that was approved. */
export const pinPolicy = z.enum(["block", "warn", "allow"], 'must be "block", "warn" or "allow"');
export const newToolsPolicy = z.enum(["allow", "block"], 'must be "allow" or "block"');
export const lintPolicy = z.enum(["warn", "block"], 'must be "warn" or "block"');
export const lintSeverity = z.enum(["low", "medium", "high"], 'must be "low", "medium" or "high"');

/** What a user may set under `pins` of one server; what is left out is as in `[pins]`. */
export const serverPinOptions = z.strictObject({
  policy: pinPolicy.optional(),
  new_tools: newToolsPolicy.optional(),
  lint: lintPolicy.optional(),
  lint_severity: lintSeverity.optional(),
});
