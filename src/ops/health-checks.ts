// Health is looked at in the background and answered from memory: whoever asks, as often as they like, causes no
// work and waits for nothing, least of all for the thing that is ill.
import { messageOf } from "../foundation/index.ts";
import type { Clock, Log } from "../foundation/index.ts";

export type CheckStatus = "ok" | "warning" | "critical";

/** What a check found, with whatever else it has to say. */
export interface CheckResult {
  readonly status: CheckStatus;
  readonly [detail: string]: unknown;
}

/** Should end by the signal; one that does not is called critical and not run again until it ends. */
export type Check = (signal: AbortSignal) => Promise<CheckResult>;

export interface CheckOptions {
  /** Default 10 s. */
  everyMs?: number;
  /** Default 5 s. */
  timeoutMs?: number;
}

/** Named checks that run in the background; the latest results are kept. */
export class HealthChecks {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #checks = new Map<string, RegisteredCheck>();
  #started = false;

  constructor(deps: { log: Log; clock: Clock }) {
    this.#log = deps.log;
    this.#clock = deps.clock;
  }

  /** Registers a check, in place of one of the same name. */
  add(name: string, run: Check, options: CheckOptions = {}): void {
    this.remove(name);
    const check: RegisteredCheck = {
      run,
      everyMs: options.everyMs ?? 10_000,
      timeoutMs: options.timeoutMs ?? 5000,
      result: { status: "critical", message: "not checked yet" },
      running: undefined,
      timer: undefined,
    };
    this.#checks.set(name, check);
    if (this.#started) this.#keepRunning(name, check);
  }

  remove(name: string): void {
    clearInterval(this.#checks.get(name)?.timer);
    this.#checks.delete(name);
  }

  /** Runs every check, and again at its interval; resolves when each has run once or has run out of time. */
  async start(): Promise<void> {
    this.#started = true;
    for (const [name, check] of this.#checks) this.#keepRunning(name, check);
    await this.refresh();
  }

  stop(): void {
    this.#started = false;
    for (const check of this.#checks.values()) clearInterval(check.timer);
  }

  /** Runs all checks now. */
  async refresh(): Promise<void> {
    await Promise.all([...this.#checks].map(([name, check]) => this.#runOnce(name, check)));
  }

  /** The latest result of each check. Never runs one. */
  results(): Record<string, CheckResult> {
    return Object.fromEntries([...this.#checks].map(([name, { result }]) => [name, result]));
  }

  /** The latest status of each check. */
  statuses(): Record<string, CheckStatus> {
    return Object.fromEntries([...this.#checks].map(([name, { result }]) => [name, result.status]));
  }

  /** The worst status there is; "ok" without checks. */
  overall(): CheckStatus {
    const statuses = Object.values(this.statuses());
    if (statuses.includes("critical")) return "critical";
    return statuses.includes("warning") ? "warning" : "ok";
  }

  #keepRunning(name: string, check: RegisteredCheck): void {
    clearInterval(check.timer);
    check.timer = setInterval(() => void this.#runOnce(name, check), check.everyMs).unref();
    void this.#runOnce(name, check);
  }

  /** Askers at the same time share one run. */
  #runOnce(name: string, check: RegisteredCheck): Promise<void> {
    check.running ??= this.#run(name, check);
    return check.running;
  }

  async #run(name: string, check: RegisteredCheck): Promise<void> {
    const signal = AbortSignal.timeout(check.timeoutMs);
    const work = outcomeOf(check.run, signal);
    const result = await Promise.race([work, lateness(signal, check.timeoutMs)]);
    this.#note(name, check, result);
    // A run that has not ended keeps its place, so that hung ones do not pile up.
    void work.finally(() => {
      check.running = undefined;
    });
  }

  #note(name: string, check: RegisteredCheck, result: CheckResult): void {
    const first = check.result["checkedAt"] === undefined;
    const before = check.result.status;
    check.result = { ...result, checkedAt: new Date(this.#clock.now()).toISOString() };
    if (result.status === before || (first && result.status === "ok")) return;
    const say = result.status === "ok" ? "info" : "warn";
    this.#log[say]({ check: name, status: result.status, before }, "a health check changed");
  }
}

interface RegisteredCheck {
  readonly run: Check;
  readonly everyMs: number;
  readonly timeoutMs: number;
  result: CheckResult;
  running: Promise<void> | undefined;
  timer: NodeJS.Timeout | undefined;
}

async function outcomeOf(run: Check, signal: AbortSignal): Promise<CheckResult> {
  try {
    return await run(signal);
  } catch (error) {
    return { status: "critical", message: messageOf(error) };
  }
}

function lateness(signal: AbortSignal, timeoutMs: number): Promise<CheckResult> {
  const { promise, resolve } = Promise.withResolvers<CheckResult>();
  const late = { status: "critical", message: `no answer within ${timeoutMs} ms` } as const;
  signal.addEventListener("abort", () => resolve(late), { once: true });
  return promise;
}
