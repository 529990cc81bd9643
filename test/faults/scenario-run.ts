// One run of one fault scenario: it makes calls, notes how servers recover, and at its end holds all it knows against the
// invariants. What came of every run is kept, to be written into the folder that FAULT_SUMMARY names; `npm run faults`
// makes one summary of what all files of scenarios wrote there.
import { mkdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { systemClock } from "../../src/foundation/index.ts";
import type { TestGateway } from "../support/gateway.ts";
import { until } from "../support/until.ts";
import type { FaultProxy } from "./fault-proxy.ts";
import { History, type Operation } from "./history.ts";
import {
  isWritten,
  violationsOf,
  type LoggedCall,
  type Recovery,
  type Span,
  type Violation,
} from "./invariants.ts";
import { LedgerCalls, loggedCalls } from "./ledger-calls.ts";
import type { LedgerEntry } from "./ledger.ts";
import { ledgerToolNames, type LedgerToolName } from "./ledger-tools.ts";
import { pick, seededRandom } from "./seeded-random.ts";

/** What a scenario measured, for the summary: nothing of it is asserted. */
export type Figures = Record<string, unknown>;

interface RunResult {
  scenario: string;
  seed: number;
  /** Whether it came to its end without a failed assertion. */
  passed: boolean;
  calls: number;
  endings: Record<string, number>;
  executions: number;
  violations: Violation[];
  recoveries: { server: string; tookMs: number | undefined }[];
  figures: Figures;
}

const results: RunResult[] = [];

/** Seeds 1 to 3, or to as many as FAULT_SEEDS says. */
export const seeds: readonly number[] = Array.from(
  { length: Math.max(1, Number(process.env["FAULT_SEEDS"] ?? 3)) },
  (_, index) => index + 1,
);

const loggedWithinMs = 10_000;
/** A row's time is reckoned back from its end and rounded, so it may lie before the run; ids tell runs apart anyway. */
const logMarginMs = 1_000;
const recoveryPauseMs = 50;
const callsOfLoadMax = 5_000;
/** Between two calls of one worker, so that a load leaves the machine room for what it is to show. */
const workerPauseMs = 10;

export class ScenarioRun {
  readonly seed: number;
  readonly random: () => number;
  readonly history = new History(systemClock);
  calls: LedgerCalls;
  readonly recoveries: Recovery[] = [];
  readonly #name: string;
  #gateway: TestGateway;
  #unwritten: Span | undefined;
  readonly #logSince = Date.now() - logMarginMs;

  constructor(name: string, seed: number, gateway: TestGateway) {
    this.seed = seed;
    this.random = seededRandom(seed);
    this.#name = `${name}-${seed}`;
    this.calls = new LedgerCalls(gateway, this.history, this.#name);
    this.#gateway = gateway;
  }

  /** Waits until all that was answered so far is in the call log; the moment at which it was answered. */
  async written(): Promise<number> {
    const at = systemClock.monotonicMs();
    const answered = this.history.operations.filter(isAnswered);
    await until("the call log is written", async () => await this.#has(answered), loggedWithinMs);
    return at;
  }

  /** The gateway died, and this one has taken its place; what had ended by `writtenAt` was in the call log then. */
  succeeded(gateway: TestGateway, writtenAt: number): void {
    this.#gateway = gateway;
    this.calls = new LedgerCalls(gateway, this.history, `${this.#name}-after`);
    this.#unwritten = { from: writtenAt, until: systemClock.monotonicMs() };
  }

  /** Calls random tools of random servers, `workers` at a time, until `enough`; 5,000 calls at most. */
  async load(load: {
    servers: readonly string[];
    workers: number;
    enough: () => boolean;
    tools?: readonly LedgerToolName[];
  }): Promise<void> {
    const { servers, workers, enough, tools = ledgerToolNames } = load;
    let left = callsOfLoadMax;
    const worker = async (): Promise<void> => {
      while (!enough() && left > 0) {
        left -= 1;
        await this.calls.call(pick(servers, this.random), pick(tools, this.random));
        await delay(workerPauseMs);
      }
    };
    await Promise.all(Array.from({ length: workers }, worker));
  }

  /** Calls a server, whose fault was just lifted, until it answers or the bound is over. */
  async recovers(server: string, boundMs: number, tool: LedgerToolName = "read"): Promise<void> {
    const healedAt = systemClock.monotonicMs();
    let servedAt: number | undefined;
    while (servedAt === undefined && systemClock.monotonicMs() - healedAt <= boundMs) {
      const { ending } = await this.calls.call(server, tool);
      if (ending.kind === "ok") servedAt = systemClock.monotonicMs();
      else await delay(recoveryPauseMs);
    }
    this.recoveries.push({ server, healedAt, servedAt, boundMs });
  }

  /** Waits until the call log has every call, or has had its time; then looks for violations. */
  async violations(ledger: readonly LedgerEntry[]): Promise<Violation[]> {
    const { operations } = this.history;
    const unwritten = this.#unwritten;
    const due = operations.filter(
      (operation) => isAnswered(operation) && isWritten(operation.endings[0]?.at ?? 0, unwritten),
    );
    await until("the call log is written", async () => await this.#has(due), loggedWithinMs).catch(
      () => undefined,
    );
    const log = await this.#log(operations);
    const { recoveries } = this;
    const gatewayDied = unwritten !== undefined;
    return violationsOf({ operations, ledger, log, recoveries, gatewayDied, unwritten });
  }

  async #has(operations: readonly Operation[]): Promise<boolean> {
    const ids = new Set((await this.#log(operations)).map(({ id }) => id));
    return operations.every(({ id }) => ids.has(id));
  }

  async #log(operations: readonly Operation[]): Promise<LoggedCall[]> {
    const ids = operations.map(({ id }) => id);
    return await loggedCalls(this.#gateway, this.#logSince, ids);
  }
}

function isAnswered({ endings }: Operation): boolean {
  return endings[0]?.kind === "ok";
}

/** Runs a scenario and answers what it violated; its result is kept, also where it throws. */
export async function runScenario(
  name: string,
  seed: number,
  gateway: TestGateway,
  scenario: {
    act: (run: ScenarioRun) => Promise<Figures>;
    /** What all servers of the scenario did, asked for when it is over. */
    ledger: () => readonly LedgerEntry[];
    /** The faulty networks that it uses beyond this run: they take its seed. */
    proxies?: readonly FaultProxy[];
  },
): Promise<Violation[]> {
  const run = new ScenarioRun(name, seed, gateway);
  const result: RunResult = {
    scenario: name,
    seed,
    passed: false,
    calls: 0,
    endings: {},
    executions: 0,
    violations: [],
    recoveries: [],
    figures: {},
  };
  results.push(result);
  for (const proxy of scenario.proxies ?? []) proxy.reseed(seed);
  try {
    result.figures = await scenario.act(run);
    result.violations = await run.violations(scenario.ledger());
    result.passed = result.violations.length === 0;
  } finally {
    tell(result, run, scenario.ledger());
  }
  return result.violations;
}

function tell(result: RunResult, run: ScenarioRun, ledger: readonly LedgerEntry[]): void {
  const { operations } = run.history;
  const ids = new Set(operations.map(({ id }) => id));
  result.calls = operations.length;
  result.endings = endingsOf(operations);
  result.executions = ledger.filter(({ id, what }) => what === "executed" && ids.has(id)).length;
  result.recoveries = run.recoveries.map(({ server, healedAt, servedAt }) => ({
    server,
    tookMs: servedAt === undefined ? undefined : Math.round(servedAt - healedAt),
  }));
}

function endingsOf(operations: readonly Operation[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { endings } of operations)
    for (const ending of endings) {
      const name =
        ending.kind === "fail"
          ? [ending.code, ending.outcome ?? []].flat().join(", ")
          : ending.kind;
      counts[name] = (counts[name] ?? 0) + 1;
    }
  return counts;
}

/** How long the calls of some servers took that succeeded, in milliseconds. */
export function durationsOf(
  operations: readonly Operation[],
  servers: readonly string[],
): { calls: number; p50: number; p99: number; max: number } {
  const sorted = operations
    .filter(({ server, endings }) => servers.includes(server) && endings[0]?.kind === "ok")
    .map(({ invokedAt, endings }) => (endings[0]?.at ?? invokedAt) - invokedAt)
    .toSorted((one, other) => one - other);
  const at = (share: number): number =>
    Number(
      (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(1),
    );
  return { calls: sorted.length, p50: at(0.5), p99: at(0.99), max: at(1) };
}

/** Writes the results of all runs so far as JSON, under the name of their file, and prints where to. */
export async function writeSummary(of: string): Promise<void> {
  const folder = process.env["FAULT_SUMMARY"] ?? join(tmpdir(), `fault-summary-${process.pid}`);
  await mkdir(folder, { recursive: true });
  const path = join(folder, `${of}.json`);
  const summary = { of, seeds: seeds.length, runs: results };
  await writeFile(path, `${JSON.stringify(summary, undefined, 2)}\n`);
  process.stdout.write(`\nfault scenarios: ${path}\n`);
}
