// What an import would do, decided before anything is asked or sent: which entries become which servers, and why the
// others do not.
import { isDeepStrictEqual } from "node:util";
import type { FoundEntry, FoundServer } from "./found-server.ts";
import { unanswerable } from "./placeholders.ts";
import { freeServerName, validServerName } from "./server-name.ts";

export interface FoundFile {
  client: string;
  file: string;
  entries: readonly FoundEntry[];
}

export type PlannedEntry =
  | { kind: "add"; name: string; file: string; server: FoundServer; notes: readonly string[] }
  | { kind: "skip"; name: string; file: string; reason: string };

/** Decides for each entry; `existing` are the names the gateway already has. */
export function planImport(
  files: readonly FoundFile[],
  existing: ReadonlySet<string>,
): PlannedEntry[] {
  const planned: PlannedEntry[] = [];
  const added: { name: string; server: FoundServer; file: string }[] = [];
  for (const { file, entries } of files) {
    for (const entry of entries) {
      const next = plan(entry, file, existing, added);
      planned.push(next);
      if (next.kind === "add") added.push(next);
    }
  }
  return planned;
}

function plan(
  entry: FoundEntry,
  file: string,
  existing: ReadonlySet<string>,
  added: readonly { name: string; server: FoundServer; file: string }[],
): PlannedEntry {
  const skip = (reason: string): PlannedEntry => ({
    kind: "skip",
    name: entry.originalName,
    file,
    reason,
  });
  if (entry.kind === "unsupported") return skip(entry.reason);
  const editorOnly = unanswerable(entry);
  if (editorOnly !== undefined)
    return skip(`Only its editor can say what ${editorOnly} stands for.`);
  const same = added.find(({ server }) => isDeepStrictEqual(server.options, entry.options));
  if (same !== undefined) return skip(`It is the same server as ${same.name}, from ${same.file}.`);
  const valid = validServerName(entry.originalName);
  if (existing.has(valid)) return skip(`The gateway already has a server named ${valid}.`);
  const name = freeServerName(valid, new Set([...existing, ...added.map((other) => other.name)]));
  const renamed = name === entry.originalName ? [] : [renaming(entry.originalName, valid, name)];
  return { kind: "add", name, file, server: entry, notes: [...renamed, ...entry.notes] };
}

function renaming(original: string, valid: string, name: string): string {
  return name === valid
    ? `"${original}" cannot name a server here: it becomes ${name}.`
    : `${valid} is already another server of this import: it becomes ${name}.`;
}
