/** What changed between two definitions, field by field; of texts, which words. */
import { diffWordsWithSpace } from "diff";
import { isPlainObject } from "./definition.ts";
import { visible } from "./lint/visible.ts";

/** What is hidden in the texts stands as `\u{...}`. */
export interface FieldChange {
  /** JSON pointer into the definition. */
  readonly where: string;
  readonly change: "added" | "removed" | "changed";
  readonly before?: string;
  readonly after?: string;
  /** The text with what was taken out and put in, where both are text. */
  readonly parts?: readonly TextPart[];
}

export interface TextPart {
  readonly part: "same" | "added" | "removed";
  readonly text: string;
}

const CHANGES_MAX = 500;
const TEXT_MAX = 20_000;
const EDITS_MAX = 1_000;

/** The changes from one definition to another, at most 500. */
export function definitionDiff(before: unknown, after: unknown): FieldChange[] {
  const changes: FieldChange[] = [];
  compare("", before, after, changes);
  return changes;
}

function compare(where: string, before: unknown, after: unknown, into: FieldChange[]): void {
  if (into.length >= CHANGES_MAX) return;
  if (isPlainObject(before) && isPlainObject(after)) {
    const names = new Set([...Object.keys(before), ...Object.keys(after)]);
    for (const name of [...names].toSorted()) {
      const place = `${where}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
      compareMember(place, own(before, name), own(after, name), into);
    }
    return;
  }
  if (Array.isArray(before) && Array.isArray(after) && before.length === after.length) {
    for (const [at, element] of before.entries())
      compare(`${where}/${at}`, element, after[at], into);
    return;
  }
  const [old, next] = [textOf(before), textOf(after)];
  if (old === next) return;
  const parts =
    typeof before === "string" && typeof after === "string" ? wordsOf(old, next) : undefined;
  const place = visible(where, true);
  into.push({ where: place, change: "changed", before: old, after: next, ...(parts && { parts }) });
}

function compareMember(where: string, before: unknown, after: unknown, into: FieldChange[]): void {
  if (before !== undefined && after !== undefined) compare(where, before, after, into);
  else if (into.length >= CHANGES_MAX) return;
  else if (after !== undefined) {
    into.push({ where: visible(where, true), change: "added", after: textOf(after) });
  } else into.push({ where: visible(where, true), change: "removed", before: textOf(before) });
}

function own(object: Record<string, unknown>, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

// Two texts that differ only beyond what is shown would look equal, so the length is told where one is cut.
function textOf(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  const shown = visible(text.slice(0, TEXT_MAX).toWellFormed());
  return text.length <= TEXT_MAX ? shown : `${shown}… (${text.length} characters)`;
}

function wordsOf(before: string, after: string): TextPart[] {
  const found = diffWordsWithSpace(before, after, { maxEditLength: EDITS_MAX });
  if (found === undefined) {
    return [
      { part: "removed", text: before },
      { part: "added", text: after },
    ];
  }
  return found.map(({ added, removed, value }) => ({
    part: added ? "added" : removed ? "removed" : "same",
    text: value,
  }));
}
