/** The results as a table, and the page that explains them. */
import { cpus, release, totalmem } from "node:os";
import type { Findings, Question } from "./question.ts";

/** The last answer to a question, and where it came from. */
export interface Result extends Findings {
  /** ISO time. */
  readonly at: string;
  readonly mode: "quick" | "full";
  readonly machine: string;
}

export type Results = Record<string, Result>;

const HEAD = [
  "| figure | budget (full path) | measured | yardstick | ratio | |",
  "| --- | --- | --- | --- | --- | --- |",
];

/** The machine in one line: processor, cores, memory, kernel, Node, and what the upstream is. */
export function describeMachine(upstream: "C" | "Node"): string {
  const all = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  const node = `Node ${process.version}`;
  return `${all[0]?.model ?? "unknown"}, ${all.length} cores, ${memory} GiB, Linux ${release()}, ${node}, upstream in ${upstream}`;
}

/** The rows of some questions as Markdown. */
export function tableOf(questions: readonly Question[], results: Results): string {
  const lines = questions.flatMap(({ name }) =>
    (results[name]?.rows ?? []).map(
      (row) =>
        `| ${row.figure} | ${row.budget} | ${row.measured} | ${row.yardstick} | ${row.ratio} | ${row.verdict} |`,
    ),
  );
  return [...HEAD, ...lines].join("\n");
}

/** The page README.md: the table, and each question with its method and its last result. */
export function readmeOf(questions: readonly Question[], results: Results): string {
  const machines = [...new Set(Object.values(results).map((result) => result.machine))];
  const answered = questions.filter(({ name }) => results[name] !== undefined);
  return `${[
    "# What a call through the gateway costs",
    "",
    "Written by `npm run bench`; do not edit. `npm run bench -- --quick` takes under two minutes, `-- --only <question>` asks one.",
    "",
    `Measured on: ${machines.join("; ")}.`,
    "",
    tableOf(answered, results),
    "",
    "## How to read it",
    "",
    "- The main figure is **processor time per call** of the process under test: user and system time from `/proc` over a window, divided by the right answers. It moves far less than throughput or high percentiles, which on a shared machine measure the neighbours.",
    "- Every figure has its yardstick from the same run. The contestants run in turns, so that noise falls on all alike; ratios are medians of the rounds' ratios. The yardsticks lie in `tools/`: a bare HTTP relay, a bare stdio relay, and node:http answering alone, none of which has keys, a catalog, metrics or a log.",
    "- The gateway runs as `npm start` runs it, with everything on: a caller's key in the header, the catalog, metrics, and the call log written to its database. The upstream is a C program that costs almost nothing (Node where there is no compiler).",
    "- Generator, upstream and gateway share the machine's cores: answers per second are what is left, not what the gateway could do alone.",
    "",
    "## The questions",
    "",
    ...answered.flatMap((question) => sectionOf(question, results[question.name])),
  ].join("\n")}\n`;
}

function sectionOf(question: Question, result: Result | undefined): string[] {
  if (result === undefined) return [];
  return [
    `### ${question.name}`,
    "",
    question.method,
    "",
    `Last result (${result.mode} run, ${result.at.slice(0, 10)}):`,
    "",
    result.details,
    "",
  ];
}
