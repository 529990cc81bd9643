/** Whether a principal may use an endpoint. */
import { allows, mayUseBundle, type Principal } from "../../access/index.ts";
import { SignalboxError } from "../../foundation/index.ts";

/** The refusal, as an error to answer with; undefined where the principal may go on. */
export function authorize(
  principal: Principal,
  bundle: string | undefined,
): SignalboxError | undefined {
  if (!allows(principal, "call")) {
    return new SignalboxError("FORBIDDEN", `The role "${principal.role}" may not call tools.`);
  }
  if (mayUseBundle(principal, bundle)) return undefined;
  const allowed = principal.bundles === "all" ? [] : principal.bundles;
  return new SignalboxError(
    "FORBIDDEN",
    `This key is limited to ${allowed.map((name) => `/mcp/${name}`).join(", ") || "no bundle"}.`,
  );
}
