/**
 * Runs the fault scenarios and makes one summary of what came of them: test/faults/summary.json, and docs/faults.md from it.
 *
 *   npm run faults                    three seeds of each scenario
 *   npm run faults -- --seeds 20      more
 *   npm run faults -- --page          nothing, but writes the page anew from the summary that is there
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, totalmem, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { z } from "zod";

const root = fileURLToPath(new URL("..", import.meta.url));
const summaryFile = join(root, "test/faults/summary.json");
const pageFile = join(root, "docs/faults.md");
const formatter = join(root, "node_modules/oxfmt/bin/oxfmt");
const vitest = join(root, "node_modules/vitest/vitest.mjs");

const runSchema = z.object({
  scenario: z.string(),
  seed: z.int(),
  passed: z.boolean(),
  calls: z.int(),
  endings: z.record(z.string(), z.int()),
  executions: z.int(),
  violations: z.array(z.unknown()),
  recoveries: z.array(z.object({ server: z.string(), tookMs: z.number().optional() })),
  figures: z.record(z.string(), z.unknown()),
});
const partSchema = z.object({ of: z.string(), seeds: z.int(), runs: z.array(runSchema) });
const summarySchema = z.object({
  at: z.string(),
  machine: z.string(),
  seeds: z.int(),
  runs: z.array(runSchema),
});
type Run = z.output<typeof runSchema>;
type Summary = z.output<typeof summarySchema>;

process.exitCode = main();

function main(): number {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string", default: "3" },
      page: { type: "boolean", default: false },
    },
  });
  if (values.page) {
    writePage(summarySchema.parse(JSON.parse(readFileSync(summaryFile, "utf8"))));
    return 0;
  }
  const folder = mkdtempSync(join(tmpdir(), "fault-summary-"));
  try {
    const { status } = spawnSync(
      process.execPath,
      [vitest, "run", "--project", "system", "test/faults"],
      {
        cwd: root,
        stdio: "inherit",
        env: { ...process.env, FAULT_SUMMARY: folder, FAULT_SEEDS: values.seeds },
      },
    );
    write(folder, values.seeds);
    return status ?? 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function write(folder: string, seeds: string): void {
  const parts = readdirSync(folder)
    .toSorted()
    .map((name) => partSchema.parse(JSON.parse(readFileSync(join(folder, name), "utf8"))));
  const runs = parts.flatMap((part) => part.runs);
  const summary = { at: new Date().toISOString(), machine: machine(), seeds: Number(seeds), runs };
  writeFileSync(summaryFile, `${JSON.stringify(summary, undefined, 2)}\n`);
  spawnSync(process.execPath, [formatter, summaryFile], { stdio: "ignore" });
  process.stdout.write(`${summaryFile}\n`);
  writePage(summary);
}

function writePage(summary: Summary): void {
  writeFileSync(pageFile, pageOf(summary));
  spawnSync(process.execPath, [formatter, pageFile], { stdio: "ignore" });
  process.stdout.write(`${pageFile}\n`);
}

function machine(): string {
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${availableParallelism()} cores, ${memory} GiB, ${process.platform}, Node ${process.version}`;
}

function pageOf(summary: Summary): string {
  const scenarios = Map.groupBy(summary.runs, ({ scenario }) => nameOf(scenario));
  return `# What was tested to fail

Written by \`npm run faults\` on ${summary.at.slice(0, 10)} (${summary.machine}); do not edit. Every scenario starts a real
gateway before real servers, breaks something, and then holds what the clients saw, what the servers' ledgers counted and what
the call log says against the invariants, for ${summary.seeds} seeds each (\`FAULT_SEEDS\`). The runs one by one are in
\`test/faults/summary.json\`.

- **I1** every acknowledged call is in the call log.
- **I2** each accepted call has one ending at its client and one row in the call log.
- **I3** each answer carries its caller's own id and text.
- **I4** a tool that is not idempotent is executed at most once, and exactly once where its client was told that it succeeded.
- **I5** after the fault a new call succeeds within a bound, without anybody's help.

| scenario | runs | calls | executions | how the calls ended | back after, at most | violations |
| --- | --- | --- | --- | --- | --- | --- |
${[...scenarios].map(([name, runs]) => rowOf(name, runs)).join("\n")}
`;
}

// A server that is made for each seed has it in its name.
function nameOf(scenario: string): string {
  return scenario.replace(/(?<!^FS)-\d+$/, "");
}

function rowOf(name: string, runs: readonly Run[]): string {
  const sum = (of: (run: Run) => number): number => runs.reduce((total, run) => total + of(run), 0);
  const endings = new Map<string, number>();
  for (const run of runs)
    for (const [ending, count] of Object.entries(run.endings))
      endings.set(ending, (endings.get(ending) ?? 0) + count);
  const took = runs.flatMap(({ recoveries }) => recoveries.map(({ tookMs }) => tookMs));
  const longest = took.includes(undefined) ? "never" : `${Math.max(0, ...took.map(Number))} ms`;
  const cells = [
    name,
    runs.length,
    sum(({ calls }) => calls),
    sum(({ executions }) => executions),
    [...endings].map(([ending, count]) => `${count} ${ending}`).join("; "),
    took.length === 0 ? "" : longest,
    sum(({ violations }) => violations.length),
  ];
  return `| ${cells.join(" | ")} |`;
}
