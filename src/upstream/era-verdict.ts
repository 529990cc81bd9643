import type { JsonObject } from "../protocol/index.ts";

/** What a probe found, and when (the clock's epoch milliseconds). */
export type EraVerdict =
  | { readonly era: "modern"; readonly at: number; readonly discover: JsonObject }
  | {
      readonly era: "legacy";
      readonly at: number;
      /** The server gave no evidence but accepted `initialize`: it is asked again sooner. */
      readonly provisional: boolean;
    };

/** Whether a verdict still holds at `now` (epoch milliseconds). */
export function isFresh(verdict: EraVerdict | undefined, now: number): verdict is EraVerdict {
  if (verdict === undefined) return false;
  const provisional = verdict.era === "legacy" && verdict.provisional;
  return now - verdict.at < (provisional ? provisionalAgeMsMax : verdictAgeMsMax);
}

/** A verdict older than this is asked for again. */
const verdictAgeMsMax = 24 * 3_600_000;
const provisionalAgeMsMax = 10 * 60_000;
