/** A valid server name as close as can be to what a file calls it: 1 to 32 of a-z, 0-9, "-", "_", without "__". */
export function validServerName(originalName: string): string {
  const name = originalName
    .normalize("NFKD")
    .replaceAll(/\p{Mark}/gu, "")
    .toLowerCase()
    .replaceAll(/[^a-z0-9_-]+/g, "-")
    .replaceAll(/_{2,}/g, "_")
    .replace(/^[-_]+/, "")
    .slice(0, 32)
    .replace(/[-_]+$/, "");
  return name === "" ? "server" : name;
}

/** The name, or the name with the first free number behind it. */
export function freeServerName(name: string, taken: ReadonlySet<string>): string {
  if (!taken.has(name)) return name;
  for (let n = 2; ; n += 1) {
    const suffix = `-${String(n)}`;
    const candidate = name.slice(0, 32 - suffix.length) + suffix;
    if (!taken.has(candidate)) return candidate;
  }
}
