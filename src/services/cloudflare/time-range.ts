import { ToolError } from "@signalbox/kit";
import { z } from "zod";

const moment = z.union([z.iso.date(), z.iso.datetime({ offset: true })]);

/** From when to when. */
export const rangeInput = {
  since: moment
    .optional()
    .describe("Day or ISO time, such as 2026-11-01; default a day before until"),
  until: moment.optional().describe("Day or ISO time, not included; default now"),
};

/** The range in ISO times; throws ToolError where it is none, or longer than `daysMax`. */
export function rangeOf(
  { since, until }: { since?: string | undefined; until?: string | undefined },
  nowMs: number,
  daysMax: number,
): { since: string; until: string } {
  const untilMs = until === undefined ? nowMs : Date.parse(until);
  const sinceMs = since === undefined ? untilMs - dayMs : Date.parse(since);
  if (sinceMs >= untilMs || untilMs - sinceMs > daysMax * dayMs)
    throw new ToolError(`since must lie before until, by ${daysMax} days at most.`, {
      code: "ARGUMENTS_INVALID",
    });
  return { since: isoSeconds(sinceMs), until: isoSeconds(untilMs) };
}

// The analytics take no fractions of seconds.
function isoSeconds(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d{3}Z$/, "Z");
}

const dayMs = 86_400_000;
