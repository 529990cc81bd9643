/** The way to a setting: `["servers", "files", "args"]`. */
export type SettingPath = readonly string[];

/** As it is written in a TOML file: `servers.files.args`, odd names in quotes. */
export function pathText(path: readonly PropertyKey[]): string {
  return path.map(segmentText).join(".");
}

function segmentText(segment: PropertyKey): string {
  const text = String(segment);
  return /^[A-Za-z0-9_-]+$/.test(text) ? text : JSON.stringify(text);
}

/** The longest beginning of the path, itself included, for which `find` has an answer. */
export function longestPrefix<T>(
  path: readonly PropertyKey[],
  find: (text: string) => T | undefined,
): { readonly length: number; readonly found: T } | undefined {
  for (let length = path.length; length > 0; length--) {
    const found = find(pathText(path.slice(0, length)));
    if (found !== undefined) return { length, found };
  }
  return undefined;
}

/** True for a table: an object that is neither a list nor a date. */
export function isTable(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
