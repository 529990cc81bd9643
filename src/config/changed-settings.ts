import { isDeepStrictEqual } from "node:util";
import type { ConfigValues } from "./schema.ts";
import { isTable, pathText } from "./setting-path.ts";

/** Taken over while the gateway runs. */
const liveNames = ["servers", "services", "bundles", "projects", "roles"] as const;
const LIVE: ReadonlySet<string> = new Set(liveNames);
type LiveValues = Pick<ConfigValues, (typeof liveNames)[number]>;

/** The settings whose changed values wait for the next start, such as `limits.call_timeout`; their names, never a value. */
export function settingsThatWait(inForce: ConfigValues, wanted: ConfigValues): string[] {
  return [...changed(inForce, wanted, [])].filter(([top = ""]) => !LIVE.has(top)).map(pathText);
}

/** What differs in the parts that are taken over at once: the names of what was added, removed and changed, never a value. */
export function changedNames(
  before: LiveValues,
  after: LiveValues,
): Record<string, Record<string, string[]>> {
  const kinds = liveNames.map((kind) => {
    const old = new Map<string, unknown>(Object.entries(before[kind]));
    const now = new Map<string, unknown>(Object.entries(after[kind]));
    const lists = {
      added: [...now.keys()].filter((name) => !old.has(name)),
      removed: [...old.keys()].filter((name) => !now.has(name)),
      changed: [...now.keys()].filter(
        (name) => old.has(name) && !isDeepStrictEqual(old.get(name), now.get(name)),
      ),
    };
    const filled = Object.entries(lists).filter(([, list]) => list.length > 0);
    return [kind, Object.fromEntries(filled)] as const;
  });
  return Object.fromEntries(kinds.filter(([, lists]) => Object.keys(lists).length > 0));
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
