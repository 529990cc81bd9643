import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { manualClock } from "../../foundation/index.ts";
import type { FailureClass } from "./failure-class.ts";
import { Retries, type FailedAttempt, type RetryDecision } from "./retries.ts";
import { delayStrategies, retryPresets } from "./retry-options.ts";
import type { ToolPolicy } from "./retry-policies.ts";

const steady: ToolPolicy = { ...retryPresets.standard, jitter: 0 };
const plenty = { share: 1, minPerSecond: 1_000 };
const unreachable: FailureClass = { kind: "network", delivered: "no" };
const broken: FailureClass = { kind: "network", delivered: "maybe" };

function retriesOf(budget = plenty, random: () => number = () => 1): Retries {
  return new Retries(budget, { clock: manualClock(), random });
}

function attempt(more: Partial<FailedAttempt> = {}): FailedAttempt {
  return {
    tool: "search",
    attempt: 1,
    failure: unreachable,
    policy: steady,
    safe: false,
    remainingMs: 60_000,
    ...more,
  };
}

describe("a failed call", () => {
  test("that did not reach the server is repeated, longer after each failure", () => {
    const retries = retriesOf();
    const decisions = [1, 2, 3, 4, 5].map((n) => retries.next(attempt({ attempt: n })));
    const waits = [1_000, 2_000, 4_000, 8_000].map((delayMs) => ({ delayMs }));
    expect(decisions).toEqual([...waits, { stop: "attempts" }]);
  });

  test("that may have been carried out is repeated only where that is safe", () => {
    const failure = broken;
    expect(retriesOf().next(attempt({ failure }))).toEqual({ stop: "not_safe" });
    expect(retriesOf().next(attempt({ failure, safe: true }))).toEqual({ delayMs: 1_000 });
  });

  test("that would fail again is not repeated", () => {
    const failure: FailureClass = { kind: "non_retryable", delivered: "no" };
    expect(retriesOf().next(attempt({ failure, safe: true }))).toEqual({ stop: "not_retryable" });
  });

  test("is not repeated where the wait leaves no time", () => {
    expect(retriesOf().next(attempt({ remainingMs: 1_000 }))).toEqual({ stop: "deadline" });
    expect(retriesOf().next(attempt({ remainingMs: 1_001 }))).toEqual({ delayMs: 1_000 });
  });

  test("waits less by chance, at most by the policy's share", () => {
    const policy = { ...steady, jitter: 0.75 };
    const waits = [0, 0.5, 1].map((random) =>
      retriesOf(plenty, () => random).next(attempt({ policy })),
    );
    expect(waits).toEqual([{ delayMs: 1_000 }, { delayMs: 625 }, { delayMs: 250 }]);
  });

  test("of a throttling server waits at least as long as that asked for", () => {
    const failure: FailureClass = { kind: "throttled", delivered: "no", retryAfterMs: 45_000 };
    expect(retriesOf().next(attempt({ failure }))).toEqual({ delayMs: 45_000 });
    const policy = { ...steady, jitter: 0.5 };
    expect(retriesOf().next(attempt({ failure, policy }))).toEqual({ delayMs: 45_500 });
    expect(retriesOf().next(attempt({ failure, remainingMs: 45_000 }))).toEqual({
      stop: "deadline",
    });
  });
});

describe("the budget", () => {
  test("of a few a second stops what goes beyond", () => {
    const retries = retriesOf({ share: 0, minPerSecond: 0.2 });
    const decisions = [1, 2, 3].map(() => retries.next(attempt()));
    expect(decisions).toEqual([{ delayMs: 1_000 }, { delayMs: 1_000 }, { stop: "budget" }]);
  });

  test("grows with the calls", () => {
    const retries = retriesOf({ share: 0.2, minPerSecond: 0 });
    for (let n = 0; n < 5; n++) retries.called();
    expect([retries.next(attempt()), retries.next(attempt())]).toEqual([
      { delayMs: 1_000 },
      { stop: "budget" },
    ]);
  });

  test("is not touched by what is stopped for another reason", () => {
    const retries = retriesOf();
    retries.next(attempt({ failure: broken }));
    retries.next(attempt({ attempt: 5 }));
    retries.next(attempt({ remainingMs: 1 }));
    expect(retries.explain().budget.repeats).toBe(0);
  });
});

test("the adaptive wait grows with failures and shrinks when a repeat succeeds", () => {
  const clock = manualClock();
  const retries = new Retries(plenty, { clock, random: () => 0 });
  const policy: ToolPolicy = { ...steady, strategy: "adaptive" };
  const first = retries.next(attempt({ policy }));
  clock.advance(1_000);
  const second = retries.next(attempt({ policy, attempt: 2 }));
  clock.advance(2_000);
  expect(first).toEqual({ delayMs: 1_000 });
  expect(delayOf(second)).toBeGreaterThan(1_900);
  const before = retries.explain().adaptiveDelaysMs["search"] ?? 0;
  retries.succeeded("search", 3);
  expect(retries.explain().adaptiveDelaysMs["search"]).toBeLessThan(before);
});

test("explains what it did", () => {
  const retries = retriesOf({ share: 0.2, minPerSecond: 3 });
  retries.called();
  retries.next(attempt());
  retries.next(attempt({ failure: broken }));
  retries.succeeded("search", 2);
  retries.succeeded("search", 1);
  expect(retries.explain()).toEqual({
    repeated: 1,
    recovered: 1,
    stopped: { not_retryable: 0, not_safe: 1, attempts: 0, deadline: 0, budget: 0 },
    budget: { share: 0.2, minPerSecond: 3, windowMs: 10_000, calls: 1, repeats: 1, left: 29 },
    adaptiveDelaysMs: {},
  });
});

const failure = fc
  .record({
    kind: fc.constantFrom("retryable", "network", "timeout", "throttled", "non_retryable"),
    delivered: fc.constantFrom("no", "maybe"),
    asked: fc.option(fc.nat(100_000), { nil: undefined }),
  })
  .map(({ kind, delivered, asked }): FailureClass => ({
    kind,
    delivered,
    ...(asked === undefined ? {} : { retryAfterMs: asked }),
  }));
const policy = fc
  .record({
    strategy: fc.constantFrom(...delayStrategies),
    delays: fc.tuple(fc.integer({ min: 1, max: 60_000 }), fc.integer({ min: 1, max: 60_000 })),
    attemptsMax: fc.integer({ min: 1, max: 10 }),
    jitter: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  .map(({ strategy, delays, attemptsMax, jitter }): ToolPolicy => {
    const [baseDelayMs, maxDelayMs] = [Math.min(...delays), Math.max(...delays)];
    return { strategy, baseDelayMs, maxDelayMs, attemptsMax, jitter };
  });
const failedAttempt = fc.record({
  tool: fc.constantFrom("search", "send"),
  attempt: fc.integer({ min: 1, max: 12 }),
  failure,
  policy,
  safe: fc.boolean(),
  remainingMs: fc.integer({ min: -1_000, max: 200_000 }),
});

test("whatever happens, no call that may have been carried out and is not safe is repeated, nor beyond its policy", () => {
  fc.assert(
    fc.property(
      fc.array(failedAttempt, { maxLength: 30 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (attempts, random) => {
        const retries = retriesOf(plenty, () => random);
        for (const failed of attempts) {
          const decision = retries.next(failed);
          if (!("delayMs" in decision)) continue;
          expect(failed.failure.delivered === "no" || failed.safe).toBe(true);
          expect(failed.failure.kind).not.toBe("non_retryable");
          expect(failed.attempt).toBeLessThan(failed.policy.attemptsMax);
          expect(decision.delayMs).toBeLessThan(failed.remainingMs);
          expect(decision.delayMs).toBeGreaterThanOrEqual(failed.failure.retryAfterMs ?? 0);
        }
      },
    ),
  );
});

function delayOf(decision: RetryDecision): number {
  return "delayMs" in decision ? decision.delayMs : Number.NaN;
}
