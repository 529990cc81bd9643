import type { Scope } from "./scope.ts";

/** One address that the product serves, on whichever listener, and what it takes to be served. */
export interface Surface {
  /** The one listener, or the one for metrics. */
  readonly listener: "main" | "metrics";
  readonly method: string;
  /** With parameters in braces. */
  readonly path: string;
  readonly scope: Scope | "public";
  /** Only for principals of every project. */
  readonly gatewayWide: boolean;
}
