import { z } from "zod";

const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
type Unit = keyof typeof unitMs;

/** The longest duration that is accepted: ten years of 365 days. */
export const DURATION_MAX_MS = 3650 * unitMs.d;

const form = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/;

const expectation =
  'must be a duration such as "250ms", "30s", "10m", "1h" or "30d", or a whole number of milliseconds';

/** A span of time: `1500` (milliseconds) or "250ms", "30s", "10m", "1h", "30d"; milliseconds come out. */
export const duration: z.ZodType<number, number | string> = z
  .union([z.number(), z.string().regex(form)], { error: expectation })
  .transform((value, context) => {
    const ms = typeof value === "number" ? value : parseForm(value);
    if (Number.isSafeInteger(ms) && ms >= 0 && ms <= DURATION_MAX_MS) return ms;
    context.addIssue({ code: "custom", message: `${expectation}, from 0 to ten years` });
    return z.NEVER;
  });

/** The shortest exact writing that `duration` reads back to the same milliseconds. */
export function formatDuration(ms: number): string {
  const units: readonly Unit[] = ["d", "h", "m", "s"];
  const unit = units.find((candidate) => ms !== 0 && ms % unitMs[candidate] === 0) ?? "ms";
  return `${ms / unitMs[unit]}${unit}`;
}

function parseForm(text: string): number {
  const match = form.exec(text);
  const amount = Number(match?.[1]);
  const unit = (match?.[2] ?? "ms") as Unit;
  return Math.round(amount * unitMs[unit]);
}
