/**
 * What of a tool or prompt is pinned: everything that tells a model what to do or a person what they approve. Icons and other
 * `_meta` are left out, since they change without changing what is done; the view of an app (`_meta.ui`) is not.
 * A server's instructions are one thing with one text.
 */
import { createHash } from "node:crypto";
import type { PinnedKind } from "../../gateway/index.ts";

export type Definition = Readonly<Record<string, unknown>>;

const FIELDS: Record<PinnedKind, readonly string[]> = {
  tools: ["name", "title", "description", "inputSchema", "outputSchema", "annotations"],
  prompts: ["name", "title", "description", "arguments"],
  instructions: ["name", "description"],
};
const UI_FIELDS = ["ui", "ui/resourceUri"];
/** Longer definitions are compared whole, and of their text only the size is kept. */
export const DEFINITION_CHARS_MAX = 262_144;
const NAME_LENGTH_MAX = 200;
const NAME_KEPT_LENGTH = 180;

/** The pinned part of an item as a server lists it. */
export function definitionOf(kind: PinnedKind, item: Definition): Definition {
  const definition: Record<string, unknown> = {};
  for (const field of FIELDS[kind]) {
    if (item[field] !== undefined) definition[field] = item[field];
  }
  const meta = item["_meta"];
  if (kind !== "tools" || !isPlainObject(meta)) return definition;
  const shown = UI_FIELDS.filter((field) => meta[field] !== undefined);
  if (shown.length > 0) {
    definition["_meta"] = Object.fromEntries(shown.map((field) => [field, meta[field]]));
  }
  return definition;
}

/** JSON with the members of every object in the order of their names: equal for equal definitions, however they came. */
export function canonicalText(definition: Definition): string {
  return JSON.stringify(sorted(definition));
}

export function hashOf(canonical: string): string {
  return createHash("sha256").update(canonical).digest("hex");
}

/** What is kept of a canonical text. */
export function keptText(canonical: string): string {
  if (canonical.length <= DEFINITION_CHARS_MAX) return canonical;
  return JSON.stringify({ tooLargeToKeep: canonical.length });
}

/**
 * Under which name something is kept: its own, unless that is longer than an index takes or has what PostgreSQL cannot hold;
 * then its beginning with a hash of the whole.
 */
export function pinName(name: string): string {
  const plain = name.length <= NAME_LENGTH_MAX && name.isWellFormed() && !name.includes("\0");
  if (plain) return name;
  const begin = name.slice(0, NAME_KEPT_LENGTH).toWellFormed().replaceAll("\0", "\uFFFD");
  return `${begin}~${hashOf(JSON.stringify(name)).slice(0, 16)}`;
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isPlainObject(value)) return value;
  const names = Object.keys(value).toSorted();
  return Object.fromEntries(names.map((name) => [name, sorted(value[name])]));
}

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === "object" && value !== null && !Array.isArray(value) && !JSON.isRawJSON(value)
  );
}
