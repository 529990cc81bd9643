// Runs the checks of the repository: a few at once, one line for each, and the output of those that failed.
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";

/** How many checks passed, failed and were skipped; a step that is not a test run counts as one check. */
export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

export interface StepResult {
  counts: Counts;
  /** Shown only when something failed. */
  output: string;
}

export interface Step {
  name: string;
  run(): Promise<StepResult>;
}

const outputCharsMax = 200_000;
const stepWithinMs = 30 * 60_000;

/** Runs `steps`, as many at once as there are cores, and returns their counts added up. */
export async function runSteps(steps: readonly Step[]): Promise<Counts> {
  const total: Counts = { passed: 0, failed: 0, skipped: 0 };
  const waiting = [...steps];
  const worker = async (): Promise<void> => {
    for (let step = waiting.shift(); step; step = waiting.shift()) add(total, await report(step));
  };
  await Promise.all(Array.from({ length: Math.max(2, availableParallelism()) }, worker));
  return total;
}

/** Prints the closing line and sets the exit code. */
export function close(counts: Counts): void {
  console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  process.exitCode = counts.failed > 0 ? 1 : 0;
}

/** Adds `counts` to `total`. */
export function add(total: Counts, counts: Counts): void {
  total.passed += counts.passed;
  total.failed += counts.failed;
  total.skipped += counts.skipped;
}

/** A step that passes when `command` exits with 0. */
export function commandStep(name: string, command: readonly string[]): Step {
  return {
    name,
    run: async () => {
      const { code, output } = await runCommand(command);
      return { counts: one(code === 0 ? "passed" : "failed"), output };
    },
  };
}

/** A step that runs the tests of one vitest project and counts each of them. */
export function vitestStep(name: string, project: string, filters: readonly string[] = []): Step {
  return {
    name,
    run: async () => {
      const folder = await mkdtemp(join(tmpdir(), "signalbox-tests-"));
      try {
        const reportFile = join(folder, "report.json");
        const { code, output } = await runCommand([
          process.execPath,
          "node_modules/vitest/vitest.mjs",
          "run",
          `--project=${project}`,
          "--passWithNoTests",
          "--reporter=default",
          "--reporter=json",
          `--outputFile.json=${reportFile}`,
          ...filters,
        ]);
        return { counts: await readCounts(reportFile, code), output };
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
  };
}

/** One check with the given outcome. */
export function one(outcome: keyof Counts): Counts {
  return { passed: 0, failed: 0, skipped: 0, [outcome]: 1 };
}

async function report(step: Step): Promise<Counts> {
  const startedAt = performance.now();
  const { counts, output } = await step.run();
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  const verdict = counts.failed > 0 ? "FAILED" : counts.passed > 0 ? "ok" : "skipped";
  const tests = counts.passed + counts.failed + counts.skipped;
  console.log(
    `${verdict.padEnd(8)}${step.name.padEnd(12)}${seconds.padStart(6)} s${tests > 1 ? `  ${tests} checks` : ""}`,
  );
  if (counts.failed > 0 || counts.passed === 0) console.log(indent(output));
  return counts;
}

function indent(text: string): string {
  return text.trimEnd().replaceAll(/^/gm, "    ");
}

const vitestReport = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  numPendingTests: z.number(),
  numTodoTests: z.number(),
});

async function readCounts(file: string, code: number): Promise<Counts> {
  const text = await readFile(file, "utf8").catch(() => undefined);
  if (text === undefined) return one(code === 0 ? "skipped" : "failed");
  const tests = vitestReport.parse(JSON.parse(text));
  const counts = {
    passed: tests.numPassedTests,
    failed: tests.numFailedTests,
    skipped: tests.numPendingTests + tests.numTodoTests,
  };
  // A file that does not load and an error outside of any test fail the run without a failed test.
  if (code !== 0 && counts.failed === 0) counts.failed = 1;
  return counts;
}

/** Runs `command` from the repository's root to its end and returns the last of what it printed. */
export async function runCommand(
  command: readonly string[],
): Promise<{ code: number; output: string }> {
  const [program = "", ...args] = command;
  const child = spawn(program, args, {
    cwd: join(import.meta.dirname, ".."),
    stdio: ["ignore", "pipe", "pipe"],
    detached: true, // Its own process group, so that ending it also ends what it started.
    env: { ...process.env, NO_COLOR: "1", FORCE_COLOR: undefined },
  });
  const end = (): void => killGroup(child.pid);
  endWhenInterrupted(end);
  const timer = setTimeout(end, stepWithinMs);
  let output = "";
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-outputCharsMax);
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  return new Promise((resolve) => {
    const finish = (code: number): void => {
      clearTimeout(timer);
      hasEnded(end);
      resolve({ code, output });
    };
    child.on("error", (error) => {
      output += error.message;
      finish(127);
    });
    child.on("close", (code, signal) => {
      if (signal)
        output += `\nended by ${signal} (a step may take ${stepWithinMs / 60_000} minutes)`;
      finish(code ?? 1);
    });
  });
}

const running = new Set<() => void>();
const interrupts = ["SIGINT", "SIGTERM"] as const;

function endWhenInterrupted(end: () => void): void {
  if (running.size === 0) for (const signal of interrupts) process.on(signal, interrupted);
  running.add(end);
}

function hasEnded(end: () => void): void {
  running.delete(end);
  if (running.size === 0) for (const signal of interrupts) process.off(signal, interrupted);
}

function interrupted(): void {
  for (const end of running) end();
  process.exit(130);
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It has ended already.
  }
}
