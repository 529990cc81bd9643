import { z } from "zod";

const unitBytes: ReadonlyMap<string, number> = new Map([
  ["B", 1],
  ["KB", 1e3],
  ["MB", 1e6],
  ["GB", 1e9],
  ["KiB", 1024],
  ["MiB", 1024 ** 2],
  ["GiB", 1024 ** 3],
]);

const form = /^(\d+(?:\.\d+)?) ?(B|KB|MB|GB|KiB|MiB|GiB)$/;

const expectation = 'must be a size such as "512MB", "64MiB" or "2GiB", or a whole number of bytes';

/** A size: `65536` (bytes), or text with a unit; KB, MB, GB count in thousands, KiB, MiB, GiB in 1024. Bytes come out. */
export const byteSize: z.ZodType<number, number | string> = z
  .union([z.number(), z.string().regex(form, expectation)], { error: expectation })
  .transform((value, context) => {
    const bytes = typeof value === "number" ? value : parseForm(value);
    if (Number.isSafeInteger(bytes) && bytes >= 0) return bytes;
    context.addIssue({ code: "custom", message: expectation });
    return z.NEVER;
  });

/** A size for people: "64 MB"; one decimal where it is not whole. */
export function formatBytes(bytes: number): string {
  const [unit, size] = [...unitBytes]
    .filter(([name]) => !name.includes("i"))
    .findLast(([, candidate]) => bytes >= candidate) ?? ["B", 1];
  return `${Math.round((bytes / size) * 10) / 10} ${unit}`;
}

function parseForm(text: string): number {
  const match = form.exec(text);
  return Math.round(Number(match?.[1]) * (unitBytes.get(match?.[2] ?? "") ?? NaN));
}
