import { plain } from "./output.ts";

/** Rows as aligned columns under a heading; cells are made harmless for a terminal. */
export function table(heading: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const cells = [heading, ...rows].map((row) =>
    row.map((cell) => plain(cell).replaceAll("\n", " ")),
  );
  const widths = heading.map((_, column) =>
    Math.max(...cells.map((row) => row[column]?.length ?? 0)),
  );
  return cells.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}

/** The first line of a text, at most `charactersMax` long. */
export function firstLine(text: string, charactersMax: number): string {
  const line = text.trim().split("\n", 1)[0] ?? "";
  return line.length <= charactersMax ? line : `${line.slice(0, charactersMax - 1)}…`;
}
