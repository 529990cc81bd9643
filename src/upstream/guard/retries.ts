// Whether a call that failed is repeated, and when. The rules, in their order:
//   1. A failure that would come again is not repeated ("not_retryable").
//   2. A call that may have been carried out is repeated only where that does no harm ("not_safe"): its outcome is
//      unknown, and the caller is told so.
//   3. The policy's attempts are used up ("attempts").
//   4. The wait does not fit into the time the call still has ("deadline"): better to fail now than in vain later.
//   5. The server gets too many repeats already ("budget").
import type { Clock } from "../../foundation/index.ts";
import { AdaptiveDelays } from "./adaptive-delays.ts";
import { afterAsked, fullDelayMs, withJitter } from "./delays.ts";
import type { FailureClass } from "./failure-class.ts";
import { RetryBudget, type BudgetState } from "./retry-budget.ts";
import type { BudgetSettings, ToolPolicy } from "./retry-policies.ts";

/** One failed attempt. */
export interface FailedAttempt {
  readonly tool: string;
  /** 1 for the first. */
  readonly attempt: number;
  readonly failure: FailureClass;
  readonly policy: ToolPolicy;
  /** Whether the call may be carried out twice: it is read-only or idempotent. */
  readonly safe: boolean;
  /** How long the call may still take, in milliseconds. */
  readonly remainingMs: number;
}

/** Why a call is not repeated. */
export type StopReason = "not_retryable" | "not_safe" | "attempts" | "deadline" | "budget";

/** Repeat after `delayMs`, or do not. */
export type RetryDecision = { readonly delayMs: number } | { readonly stop: StopReason };

/** Decides about the repeats of one server's calls; waiting is the caller's. */
export class Retries {
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #budget: RetryBudget;
  readonly #learned: AdaptiveDelays;
  readonly #stopped: Record<StopReason, number> = {
    not_retryable: 0,
    not_safe: 0,
    attempts: 0,
    deadline: 0,
    budget: 0,
  };
  #repeated = 0;
  #recovered = 0;

  constructor(
    budget: BudgetSettings,
    { clock, random }: { readonly clock: Clock; readonly random: () => number },
  ) {
    this.#clock = clock;
    this.#random = random;
    this.#budget = new RetryBudget(budget);
    this.#learned = new AdaptiveDelays(clock);
  }

  /** Repeats made since the start. */
  get repeated(): number {
    return this.#repeated;
  }

  /** A first attempt begins; `nowMs` is the clock's monotonic time, where the caller has just read it. */
  called(nowMs: number = this.#clock.monotonicMs()): void {
    this.#budget.called(nowMs);
  }

  /** What to do after a failed attempt; a repeat is taken from the budget at once. */
  next(failed: FailedAttempt): RetryDecision {
    const stop = stopReason(failed);
    const delayMs = this.#delayMs(failed);
    if (stop !== undefined) return this.#stop(stop);
    if (delayMs >= failed.remainingMs) return this.#stop("deadline");
    if (!this.#budget.take(this.#clock.monotonicMs())) return this.#stop("budget");
    this.#repeated++;
    return { delayMs };
  }

  /** The call succeeded at its attempt number `attempts`, 1 being the first. */
  succeeded(tool: string, attempts: number): void {
    if (attempts <= 1) return;
    this.#recovered++;
    this.#learned.succeededOnRepeat(tool);
  }

  /** Counts since the start, the budget of the last ten seconds and the learned waits, for the API. */
  explain(): RetriesState {
    return {
      repeated: this.#repeated,
      recovered: this.#recovered,
      stopped: { ...this.#stopped },
      budget: this.#budget.explain(this.#clock.monotonicMs()),
      adaptiveDelaysMs: this.#learned.explain(),
    };
  }

  // The failure is learned from also where the call is not repeated.
  #delayMs({ tool, attempt, failure, policy }: FailedAttempt): number {
    if (failure.kind === "non_retryable") return 0;
    const fullMs = fullDelayMs(policy.strategy, policy, attempt, () =>
      this.#learned.delayMs(tool, policy),
    );
    if (policy.strategy === "adaptive") this.#learned.failed(tool, policy);
    const random = this.#random();
    const delayMs = withJitter(fullMs, policy.jitter, random);
    return failure.retryAfterMs === undefined
      ? delayMs
      : afterAsked(delayMs, failure.retryAfterMs, policy.baseDelayMs, policy.jitter, random);
  }

  #stop(stop: StopReason): RetryDecision {
    this.#stopped[stop]++;
    return { stop };
  }
}

/** What one server's retries stand at. */
export interface RetriesState {
  /** Repeats made. */
  readonly repeated: number;
  /** Calls that succeeded at a repeat. */
  readonly recovered: number;
  /** Failed attempts that were not repeated, by reason. */
  readonly stopped: Readonly<Record<StopReason, number>>;
  readonly budget: BudgetState;
  /** By tool, for tools whose strategy is adaptive and that have failed. */
  readonly adaptiveDelaysMs: Readonly<Record<string, number>>;
}

function stopReason({ failure, safe, attempt, policy }: FailedAttempt): StopReason | undefined {
  if (failure.kind === "non_retryable") return "not_retryable";
  if (failure.delivered === "maybe" && !safe) return "not_safe";
  return attempt >= policy.attemptsMax ? "attempts" : undefined;
}
