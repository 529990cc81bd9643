import { revision20241105 } from "./2024-11-05/index.ts";
import { revision20250326 } from "./2025-03-26/index.ts";
import { revision20250618 } from "./2025-06-18/index.ts";
import { revision20251125 } from "./2025-11-25/index.ts";
import { revision20260728 } from "./2026-07-28/index.ts";
import type { Revision } from "./revision.ts";

export type { Era, Revision } from "./revision.ts";

/** The stateless revision this gateway speaks. */
export const MODERN_REVISION = revision20260728.id;

/** Sessions with `initialize`, newest first. */
export const LEGACY_REVISIONS: readonly string[] = [
  revision20251125.id,
  revision20250618.id,
  revision20250326.id,
  revision20241105.id,
];

const byId = new Map<string, Revision>(
  [revision20241105, revision20250326, revision20250618, revision20251125, revision20260728].map(
    (revision) => [revision.id, revision],
  ),
);

/** The revision of that date, or undefined where this gateway does not speak it. */
export function revisionOf(id: string): Revision | undefined {
  return byId.get(id);
}

/** The revision an `initialize` is answered with: the one asked for where we speak it, else our newest legacy one. */
export function negotiateLegacy(requested: unknown): Revision {
  const asked = typeof requested === "string" ? byId.get(requested) : undefined;
  return asked?.era === "legacy" ? asked : revision20251125;
}
