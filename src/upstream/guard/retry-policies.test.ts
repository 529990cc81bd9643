import { describe, expect, test } from "vitest";
import { retryOptions, serverRetryOptions } from "./retry-options.ts";
import { RetryPolicies, toolsKnownMax } from "./retry-policies.ts";

function policies(global: unknown = {}, server?: unknown): RetryPolicies {
  return new RetryPolicies(
    retryOptions.parse(global),
    server === undefined ? undefined : serverRetryOptions.parse(server),
  );
}

describe("a preset", () => {
  test.each([
    ["quick", "exponential", 100, 5_000, 3],
    ["standard", "exponential", 1_000, 30_000, 5],
    ["network", "exponential", 500, 10_000, 4],
    ["throttle", "linear", 2_000, 30_000, 3],
  ])("%s is %s from %d ms to %d ms, %d attempts", (preset, strategy, base, max, attempts) => {
    expect(policies({ preset }).of("any")).toEqual({
      strategy,
      baseDelayMs: base,
      maxDelayMs: max,
      attemptsMax: attempts,
      jitter: 0.75,
    });
  });

  test("is standard where nothing is said", () => {
    expect(policies().of("any")).toEqual(policies({ preset: "standard" }).of("any"));
  });

  test("gives way to what is written beside it", () => {
    const written = { preset: "quick", max_attempts: 7, base_delay: "2s", jitter: 0 };
    expect(policies(written).of("any")).toEqual({
      strategy: "exponential",
      baseDelayMs: 2_000,
      maxDelayMs: 5_000,
      attemptsMax: 7,
      jitter: 0,
    });
  });

  test("of a server replaces all that stands in the wider table", () => {
    const { baseDelayMs, attemptsMax } = policies(
      { base_delay: "9s", max_attempts: 9 },
      { preset: "network", max_attempts: 2 },
    ).of("any");
    expect([baseDelayMs, attemptsMax]).toEqual([500, 2]);
  });
});

test("the documented table is understood", () => {
  const table = { strategy: "exponential", base_delay: "1s", max_delay: "30s", max_attempts: 5 };
  expect(policies(table).of("any")).toEqual(policies().of("any"));
});

test("a server's table says only what differs", () => {
  const policy = policies({ max_attempts: 2 }, { max_delay: "3s" }).of("any");
  expect(policy).toMatchObject({ attemptsMax: 2, maxDelayMs: 3_000, baseDelayMs: 1_000 });
});

test("no wait begins longer than the longest that is allowed", () => {
  expect(policies({ base_delay: "10s" }, { max_delay: "3s" }).of("any").baseDelayMs).toBe(3_000);
});

describe("of the patterns that match a tool", () => {
  const tools = {
    "*": { max_attempts: 1 },
    "search_*": { max_attempts: 2, idempotent: true },
    "search_*_slow": { max_attempts: 3, timeout: "5m" },
    "*******************": { max_attempts: 4 },
    search_x_slow: { max_attempts: 5 },
  };
  const own = policies({}, { tools });

  test("the one that writes out most wins", () => {
    const names = ["send", "search_all", "search_all_slow", "search_x_slow"];
    expect(names.map((name) => own.of(name).attemptsMax)).toEqual([1, 2, 3, 5]);
  });

  test("one says whether the tool is idempotent, and how long it may take", () => {
    expect(own.of("search_all")).toMatchObject({ idempotent: true });
    expect(own.of("search_all_slow")).toMatchObject({ timeoutMs: 300_000 });
    expect(own.of("send")).not.toHaveProperty("idempotent");
    expect(own.of("send")).not.toHaveProperty("timeoutMs");
  });

  test("the same one is found each time", () => {
    expect(own.of("search_all")).toBe(own.of("search_all"));
    expect(own.of("search_all")).toBe(own.of("search_any"));
  });
});

test("more names than are kept at hand are still told apart", () => {
  const own = policies({}, { tools: { "a*": { max_attempts: 2 } } });
  for (let n = 0; n <= toolsKnownMax; n++) own.of(`b${n}`);
  expect([own.of("a1").attemptsMax, own.of("b1").attemptsMax]).toEqual([2, 5]);
});

test("a tool named like a member of every object has its policy", () => {
  const own = policies({}, { tools: { constructor: { max_attempts: 2 } } });
  const names = ["constructor", "toString", "hasOwnProperty"];
  expect(names.map((name) => own.of(name).attemptsMax)).toEqual([2, 5, 5]);
});

describe("the budget", () => {
  test("is a fifth of the calls and three a second where nothing is said", () => {
    expect(policies().budget).toEqual({ share: 0.2, minPerSecond: 3 });
  });

  test("of a server may say only what differs", () => {
    const own = policies({ budget: { share: 0.5 } }, { budget: { min_per_second: 0 } });
    expect(own.budget).toEqual({ share: 0.5, minPerSecond: 0 });
  });
});

describe("is refused:", () => {
  test.each([
    ["no attempt at all", { max_attempts: 0 }],
    ["more than ten attempts", { max_attempts: 11 }],
    ["more chance than all of the wait", { jitter: 1.1 }],
    ["no wait", { base_delay: 0 }],
    ["a wait of more than an hour", { max_delay: "61m" }],
    ["a first wait longer than the longest", { base_delay: "9s", max_delay: "3s" }],
    ["an unknown strategy", { strategy: "random" }],
    ["an unknown setting", { attempts: 3 }],
  ])("%s", (_, table) => {
    expect(retryOptions.safeParse(table).success).toBe(false);
    expect(serverRetryOptions.safeParse(table).success).toBe(false);
    expect(serverRetryOptions.safeParse({ tools: { "*": table } }).success).toBe(false);
  });

  test("an empty pattern", () => {
    expect(serverRetryOptions.safeParse({ tools: { "": {} } }).success).toBe(false);
  });
});
