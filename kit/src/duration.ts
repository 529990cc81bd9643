import { z } from "zod";

const DAY_MS = 86_400_000;
const unitMs: ReadonlyMap<string, number> = new Map([
  ["d", DAY_MS],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
  ["ms", 1],
]);

/** The longest duration that is accepted: ten years of 365 days. */
export const DURATION_MAX_MS = 3650 * DAY_MS;

const form = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/;

const expectation =
  'must be a duration such as "250ms", "30s", "10m", "1h" or "30d", or a whole number of milliseconds';

/** A span of time: `1500` (milliseconds) or "250ms", "30s", "10m", "1h", "30d"; milliseconds come out. */
export const duration: z.ZodType<number, number | string> = z
  .union([z.number(), z.string().regex(form, expectation)], { error: expectation })
  .transform((value, context) => {
    const ms = typeof value === "number" ? value : parseForm(value);
    if (Number.isSafeInteger(ms) && ms >= 0 && ms <= DURATION_MAX_MS) return ms;
    context.addIssue({ code: "custom", message: `${expectation}, from 0 to ten years` });
    return z.NEVER;
  });

const durations = z.registry<{ unit: "ms" }>();
durations.add(duration, { unit: "ms" });

/** Whether a schema is `duration`, also where `refine` narrows it or another form is allowed beside it. */
export function isDuration(schema: z.ZodType): boolean {
  if (schema instanceof z.ZodUnion)
    return schema.options.some((option) => option instanceof z.ZodType && isDuration(option));
  // What is made of a schema by `refine` takes over what is registered about it.
  return durations.get(schema) !== undefined;
}

/** The shortest exact writing that `duration` reads back to the same milliseconds. */
export function formatDuration(ms: number): string {
  if (ms === 0) return "0ms";
  const [unit, size] = [...unitMs].find(([, candidate]) => ms % candidate === 0) ?? ["ms", 1];
  return `${ms / size}${unit}`;
}

function parseForm(text: string): number {
  const match = form.exec(text);
  return Math.round(Number(match?.[1]) * (unitMs.get(match?.[2] ?? "ms") ?? NaN));
}
