/** What a question of the benchmark is: what it asks, how it is measured, and the rows of the table it fills. */
import type { Era } from "./tools/mcp-client.ts";
import type { Street } from "./tools/street.ts";
import type { UpstreamProgram } from "./tools/upstream.ts";

/** One line of the table. */
export interface Row {
  readonly figure: string;
  /** What the path a call takes by now may cost. */
  readonly budget: string;
  readonly measured: string;
  readonly yardstick: string;
  readonly ratio: string;
  readonly verdict: "ok" | "over";
}

export interface Findings {
  readonly rows: readonly Row[];
  /** Markdown: what stands behind the rows. */
  readonly details: string;
}

export interface Question {
  readonly name: string;
  /** How it is measured, in a few sentences. */
  readonly method: string;
  measure(bench: Bench): Promise<Findings>;
}

/** What a question may use. */
export interface Bench {
  /** Under two minutes for all questions rather than under twelve. */
  readonly quick: boolean;
  /** Recorded rounds of every contestant. */
  readonly rounds: number;
  /** Measured seconds of a round. */
  readonly seconds: number;
  readonly upstream: UpstreamProgram;
  /** The gateway, the bare relays and the upstream that several questions share; started at the first use. */
  street(): Promise<Street>;
}

/** The findings of a modern client, then those of a legacy one. */
export async function inBothEras(measure: (era: Era) => Promise<Findings>): Promise<Findings> {
  const modern = await measure("modern");
  const legacy = await measure("legacy");
  return {
    rows: [...modern.rows, ...legacy.rows],
    details: `Modern:\n\n${modern.details}\n\nLegacy:\n\n${legacy.details}`,
  };
}

/** A row whose budget is a multiple of a yardstick. */
export function ratioRow(row: {
  figure: string;
  times: number;
  of: string;
  measured: string;
  yardstick: string;
  ratio: number;
}): Row {
  return {
    figure: row.figure,
    budget: `≤ ${row.times} x ${row.of}`,
    measured: row.measured,
    yardstick: row.yardstick,
    ratio: row.ratio.toFixed(2),
    verdict: row.ratio <= row.times ? "ok" : "over",
  };
}

/** A row whose budget is a figure of its own; a yardstick only stands beside it. */
export function limitRow(row: {
  figure: string;
  max: number;
  unit: string;
  measured: number;
  digits: number;
  yardstick?: number;
}): Row {
  const { max, unit, measured, digits, yardstick } = row;
  return {
    figure: row.figure,
    budget: `≤ ${max} ${unit}`,
    measured: `${measured.toFixed(digits)} ${unit}`,
    yardstick: yardstick === undefined ? "" : `${yardstick.toFixed(digits)} ${unit}`,
    ratio: yardstick === undefined ? "" : (measured / yardstick).toFixed(2),
    verdict: measured <= max ? "ok" : "over",
  };
}
