import { isDeepStrictEqual } from "node:util";
import type { ConfigValues } from "./schema.ts";
import { isTable, pathText } from "./setting-path.ts";

/** Taken over while the gateway runs. */
const LIVE: ReadonlySet<string> = new Set(["servers", "bundles", "projects", "roles"]);

/** The settings whose changed values wait for the next start, such as `limits.call_timeout`; their names, never a value. */
export function settingsThatWait(inForce: ConfigValues, wanted: ConfigValues): string[] {
  return [...changed(inForce, wanted, [])].filter(([top = ""]) => !LIVE.has(top)).map(pathText);
}

function* changed(
  before: Record<string, unknown>,
  after: Record<string, unknown>,
  above: readonly string[],
): Iterable<string[]> {
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const path = [...above, name];
    const [old, now] = [before[name], after[name]];
    if (isTable(old) && isTable(now)) yield* changed(old, now, path);
    else if (!isDeepStrictEqual(old, now)) yield path;
  }
}
