import { appendFileSync, readFileSync } from "node:fs";
import { z } from "zod";

/** One thing a ledger server did, in the order it did them. */
export type LedgerEntry = z.infer<typeof entrySchema>;

const entrySchema = z.object({
  /** The server that did it. */
  server: z.string(),
  tool: z.string(),
  /** The caller's id of the call. */
  id: z.string(),
  /** A call that was turned away had no effect. */
  what: z.enum(["executed", "turned away"]),
});

/** The form in which `GET /ledger` answers. */
export const ledgerSchema = z.object({ entries: z.array(entrySchema) });

/** What servers did, kept by the servers themselves: nothing is ever taken out. With a file it outlives its process. */
export class Ledger {
  readonly #entries: LedgerEntry[];
  readonly #file: string | undefined;

  constructor(file?: string) {
    this.#file = file;
    this.#entries = file === undefined ? [] : readLedgerFile(file);
  }

  get entries(): readonly LedgerEntry[] {
    return this.#entries;
  }

  write(entry: LedgerEntry): void {
    this.#entries.push(entry);
    if (this.#file !== undefined) appendFileSync(this.#file, `${JSON.stringify(entry)}\n`);
  }

  /** How often a call was executed or turned away so far. */
  timesSeen(id: string): number {
    return this.#entries.filter((entry) => entry.id === id).length;
  }

  executions(id: string): number {
    return this.#entries.filter((entry) => entry.id === id && entry.what === "executed").length;
  }
}

/** The entries of a ledger file; none when there is no such file yet. */
export function readLedgerFile(file: string): LedgerEntry[] {
  const text = textOf(file);
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => entrySchema.parse(JSON.parse(line)));
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
