/**
 * Measures what a call through the gateway costs and prints the table of what it may cost.
 *
 *   npm run bench                     everything, under twelve minutes
 *   npm run bench -- --quick          everything, shorter, under two minutes
 *   npm run bench -- --only starts    one question (repeatable)
 *
 * The last results of every question are kept in results.json, and README.md is written from them.
 */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Bench, Question } from "./question.ts";
import { addedLatency } from "./questions/added-latency.ts";
import { bridgedCalls } from "./questions/bridged-calls.ts";
import { cachedLists } from "./questions/cached-lists.ts";
import { callsInProcess } from "./questions/calls-in-process.ts";
import { callsOverHttp } from "./questions/calls-over-http.ts";
import { callsOverStdio } from "./questions/calls-over-stdio.ts";
import { eventLoop } from "./questions/event-loop.ts";
import { failingNeighbours } from "./questions/failing-neighbours.ts";
import { idleSessions } from "./questions/idle-sessions.ts";
import { largeAnswers } from "./questions/large-answers.ts";
import { memoryOverCalls } from "./questions/memory-over-calls.ts";
import { slowReaders } from "./questions/slow-readers.ts";
import { starts } from "./questions/starts.ts";
import { describeMachine, readmeOf, tableOf, type Results } from "./report.ts";
import { openStreet, type Street } from "./tools/street.ts";
import { upstreamProgram } from "./tools/upstream.ts";

/** In the order of the table. */
const questions: readonly Question[] = [
  callsOverHttp,
  callsOverStdio,
  callsInProcess,
  bridgedCalls,
  largeAnswers,
  addedLatency,
  failingNeighbours,
  cachedLists,
  slowReaders,
  memoryOverCalls,
  idleSessions,
  eventLoop,
  starts,
];

const resultsFile = fileURLToPath(new URL("results.json", import.meta.url));
const formatter = fileURLToPath(new URL("../node_modules/oxfmt/bin/oxfmt", import.meta.url));
const readmeFile = fileURLToPath(new URL("README.md", import.meta.url));

process.exitCode = await main();

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string", multiple: true },
    },
  });
  const chosen = questions.filter(({ name }) => values.only?.includes(name) ?? true);
  if (chosen.length < (values.only?.length ?? 1)) {
    const names = questions.map(({ name }) => name).join(", ");
    process.stderr.write(`--only takes one of ${names}.\n`);
    return 2;
  }
  if (process.platform !== "linux") {
    process.stderr.write("The benchmark reads /proc and runs on Linux only.\n");
    return 2;
  }
  const failed = await run(chosen, values.quick);
  for (const name of failed) process.stderr.write(`${name} failed\n`);
  return failed.length === 0 ? 0 : 1;
}

async function run(chosen: readonly Question[], quick: boolean): Promise<string[]> {
  const results = readResults();
  const failed: string[] = [];
  let street: Promise<Street> | undefined;
  const upstream = upstreamProgram();
  const bench: Bench = {
    quick,
    rounds: quick ? 3 : 5,
    seconds: quick ? 0.6 : 3,
    upstream,
    street: () => (street ??= openStreet(upstream)),
  };
  for (const question of chosen) {
    process.stderr.write(`${question.name}\n`);
    try {
      const findings = await question.measure(bench);
      results[question.name] = {
        at: new Date().toISOString(),
        mode: quick ? "quick" : "full",
        machine: describeMachine(upstream.kind),
        ...findings,
      };
    } catch (error) {
      failed.push(question.name);
      process.stderr.write(`  ${error instanceof Error ? error.stack : String(error)}\n`);
    }
    // Questions with a gateway of their own are measured without the shared one beside it.
    if (question === addedLatency || question === chosen.at(-1)) {
      await (await street)?.stop();
      street = undefined;
    }
  }
  writeFileSync(resultsFile, `${JSON.stringify(results, undefined, 2)}\n`);
  writeFileSync(readmeFile, readmeOf(questions, results));
  spawnSync(process.execPath, [formatter, resultsFile, readmeFile], { stdio: "ignore" });
  const answered = chosen.filter(({ name }) => !failed.includes(name));
  process.stdout.write(`${tableOf(answered, results)}\n`);
  return failed;
}

function readResults(): Results {
  try {
    return JSON.parse(readFileSync(resultsFile, "utf8"));
  } catch {
    return {};
  }
}
