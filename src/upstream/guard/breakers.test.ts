import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { manualClock, type ManualClock } from "../../foundation/index.ts";
import { breakerOptions, type BreakerOptions } from "./breaker.ts";
import { Breakers, toolBreakersMax, type BreakerChange } from "./breakers.ts";
import type { FailureKind } from "./failure-class.ts";

interface Bench {
  readonly clock: ManualClock;
  readonly breakers: Breakers;
  readonly changes: BreakerChange[];
}

function bench(options: Partial<BreakerOptions> = {}): Bench {
  const clock = manualClock();
  const changes: BreakerChange[] = [];
  const breakers = new Breakers(
    "files",
    { ...breakerOptions.parse({}), ...options },
    { clock, changed: (change) => changes.push(change) },
  );
  return { clock, breakers, changes };
}

function fail(
  { breakers }: Bench,
  tool: string | undefined,
  times = 1,
  kind: FailureKind = "timeout",
): void {
  for (let n = 0; n < times; n++) breakers.failed(tool, kind, "SERVER_TIMEOUT", breakers.ticket);
}

describe("a single tool that keeps failing", () => {
  test("is stopped alone", () => {
    const own = bench();
    fail(own, "slow", 5);
    expect(own.breakers.admit("slow")?.code).toBe("BREAKER_OPEN");
    expect(own.breakers.admit("quick")).toBeUndefined();
    expect([own.breakers.stateOf("slow"), own.breakers.state]).toEqual([2, 0]);
  });

  test("never stops its server, however often its trials fail", () => {
    const own = bench();
    for (let n = 0; n < 50; n++) {
      own.clock.advance(60_000);
      if (own.breakers.admit("slow") === undefined) fail(own, "slow");
    }
    expect([own.breakers.stateOf("slow"), own.breakers.state]).toEqual([2, 0]);
  });

  test("is refused with its name and the time to wait", () => {
    const own = bench();
    fail(own, "slow", 5);
    expect(own.breakers.admit("slow")).toMatchObject({
      code: "BREAKER_OPEN",
      message:
        'Server "files" gets no calls of the tool "slow" for now: 5 failures in a row, the last with SERVER_TIMEOUT.',
      details: { server: "files", tool: "slow", state: "open", retryAfterMs: 60_000 },
    });
  });
});

describe("a server is stopped", () => {
  test("when two of its tools fail in turn", () => {
    const own = bench();
    fail(own, "a", 3);
    fail(own, "b", 1);
    expect(own.breakers.state).toBe(0);
    fail(own, "b", 1);
    expect(own.breakers.state).toBe(2);
    const refusal = own.breakers.admit("c");
    expect(refusal).toMatchObject({ details: { server: "files", retryAfterMs: 60_000 } });
    expect(refusal?.details).not.toHaveProperty("tool");
    expect(own.changes).toEqual([
      {
        server: "files",
        from: 0,
        to: 2,
        reason: "5 failures in a row, the last with SERVER_TIMEOUT",
      },
    ]);
  });

  test("when its connections fail, whatever the tool", () => {
    const own = bench();
    fail(own, "a", 5, "network");
    expect(own.breakers.state).toBe(2);
    expect(own.breakers.admit(undefined)?.code).toBe("BREAKER_OPEN");
  });

  test("by a single failed connection where one failure is enough, but by no other single failure", () => {
    const own = bench({ failures: 1 });
    fail(own, "a");
    fail(own, "b");
    expect(own.breakers.state).toBe(0);
    fail(own, "c", 1, "network");
    expect(own.breakers.state).toBe(2);
  });

  test("not when a call succeeds in between", () => {
    const own = bench();
    fail(own, "a", 2);
    fail(own, "b", 2);
    own.breakers.succeeded("c", own.breakers.ticket);
    fail(own, "a", 2);
    fail(own, "b", 2);
    expect(own.breakers.state).toBe(0);
    fail(own, "a", 1);
    expect(own.breakers.state).toBe(2);
  });

  test("not by requests without a tool alone, unless connections fail", () => {
    const own = bench();
    fail(own, undefined, 20);
    expect(own.breakers.state).toBe(0);
    fail(own, "a", 2);
    expect(own.breakers.state).toBe(2);
  });
});

test.each(["throttled", "non_retryable"] as const)("%s failures stop nothing", (kind) => {
  const own = bench();
  fail(own, "a", 50, kind);
  fail(own, "b", 50, kind);
  expect([own.breakers.state, own.breakers.stateOf("a")]).toEqual([0, 0]);
});

describe("the trial of a server", () => {
  function due(): Bench {
    const own = bench();
    fail(own, "a", 5, "network");
    own.clock.advance(60_000);
    return own;
  }

  test("is one call, of any tool", () => {
    const own = due();
    expect(own.breakers.admit("b")).toBeUndefined();
    expect(own.breakers.admit("c")).toMatchObject({ details: { state: "half_open" } });
    own.breakers.succeeded("b", own.breakers.ticket);
    expect(own.breakers.admit("c")).toBeUndefined();
    expect(own.breakers.state).toBe(0);
  });

  test("that fails stops it again, whatever the kind of the failure", () => {
    const own = due();
    own.breakers.admit("b");
    fail(own, "b");
    expect(own.breakers.state).toBe(2);
  });

  test("that fails stops it again also where a single failure would not", () => {
    const own = bench({ failures: 1 });
    fail(own, "a", 1, "network");
    own.clock.advance(60_000);
    own.breakers.admit("b");
    fail(own, "b");
    expect(own.breakers.state).toBe(2);
  });

  test("is tried anew when the server throttled it", () => {
    const own = due();
    own.breakers.admit("b");
    fail(own, "b", 1, "throttled");
    expect([own.breakers.state, own.breakers.admit("b")]).toEqual([1, undefined]);
  });

  test("is not used up by a call that its tool's breaker refuses", () => {
    const own = due();
    own.breakers.open("maintenance", { tool: "b" });
    expect(own.breakers.admit("b")).toMatchObject({ details: { tool: "b" } });
    expect(own.breakers.admit("c")).toBeUndefined();
  });

  test("is the trial of its tool too", () => {
    const own = due();
    expect(own.breakers.stateOf("a")).toBe(2);
    own.breakers.admit("a");
    own.breakers.succeeded("a", own.breakers.ticket);
    expect([own.breakers.state, own.breakers.stateOf("a")]).toEqual([0, 0]);
    expect(own.breakers.admit("a")).toBeUndefined();
  });
});

describe("by hand", () => {
  test("the server is stopped and opened", () => {
    const own = bench();
    own.breakers.open("maintenance");
    const refusal = own.breakers.admit("a");
    expect(refusal?.message).toBe('Server "files" gets no calls for now: maintenance.');
    expect(refusal?.details).not.toHaveProperty("retryAfterMs");
    own.breakers.close();
    expect(own.breakers.admit("a")).toBeUndefined();
  });

  test("one tool is stopped for a while and opened", () => {
    const own = bench();
    own.breakers.open("maintenance", { tool: "a", forMs: 5_000 });
    expect(own.breakers.admit("a")).toMatchObject({ details: { retryAfterMs: 5_000 } });
    expect(own.breakers.admit("b")).toBeUndefined();
    own.breakers.close("a");
    expect(own.breakers.admit("a")).toBeUndefined();
  });

  test("they are stopped also where failures are not counted", () => {
    const own = bench({ enabled: false });
    fail(own, "a", 50, "network");
    expect(own.breakers.admit("a")).toBeUndefined();
    own.breakers.open("maintenance");
    expect(own.breakers.admit("a")?.code).toBe("BREAKER_OPEN");
  });
});

test("a bounded number of tools has breakers, and the oldest closed one leaves", () => {
  const own = bench();
  fail(own, "first", 5);
  for (let n = 1; n < toolBreakersMax; n++) fail(own, `tool-${n}`);
  own.breakers.succeeded(undefined, own.breakers.ticket);
  fail(own, "one more");
  const tools = Object.keys(own.breakers.explain().tools);
  expect(tools.length).toBe(toolBreakersMax);
  expect(tools).toContain("first");
  expect(tools).not.toContain("tool-1");
});

test("explains what is not simply closed", () => {
  const own = bench();
  fail(own, "a");
  fail(own, "b");
  own.breakers.succeeded("b", own.breakers.ticket);
  expect(own.breakers.explain()).toEqual({
    server: { state: "closed", since: own.clock.now(), failures: 0, retryAfterMs: 0 },
    tools: { a: { state: "closed", since: own.clock.now(), failures: 1, retryAfterMs: 0 } },
  });
});

test("for every sequence: one trial at a time, and no way stays shut once all calls succeed", () => {
  const step = fc.record({
    what: fc.constantFrom("call", "call", "succeed", "fail", "network", "refuse", "cancel", "wait"),
    tool: fc.constantFrom("a", "b", "c", undefined),
    place: fc.nat(20),
    ms: fc.nat(120),
  });
  fc.assert(
    fc.property(fc.array(step, { size: "max", maxLength: 150 }), (steps) => {
      const own = bench({ failures: 3, open_for: 100 });
      let calls: { tool: string | undefined; ticket: number; trial: boolean; atMs: number }[] = [];
      for (const { what, tool, place, ms } of steps) {
        const atMs = own.clock.monotonicMs();
        if (what === "wait") own.clock.advance(ms);
        else if (what === "call") {
          if (own.breakers.admit(tool) !== undefined) continue;
          const trial = own.breakers.state === 1;
          calls.push({ tool, ticket: own.breakers.ticket, trial, atMs });
        } else {
          const [call] = calls.splice(place % Math.max(1, calls.length), 1);
          if (call === undefined) continue;
          if (what === "succeed") own.breakers.succeeded(call.tool, call.ticket);
          else if (what === "cancel") own.breakers.abandoned(call.tool, call.ticket);
          else own.breakers.failed(call.tool, kinds[what], "SERVER_TIMEOUT", call.ticket);
        }
        if (own.breakers.state !== 1) calls = calls.map((call) => ({ ...call, trial: false }));
        const nowMs = own.clock.monotonicMs();
        const trials = calls.filter((call) => call.trial && nowMs - call.atMs < 100);
        expect(trials.length).toBeLessThanOrEqual(1);
      }
      own.clock.advance(100);
      for (const tool of ["a", "b", "c"]) {
        expect(own.breakers.admit(tool)).toBeUndefined();
        own.breakers.succeeded(tool, own.breakers.ticket);
      }
      expect(own.breakers.explain().tools).toEqual({});
      expect(own.breakers.state).toBe(0);
    }),
    { numRuns: 150 },
  );
});

const kinds = { fail: "timeout", network: "network", refuse: "non_retryable" } as const;

describe("failures on the way to one of several endpoints", () => {
  const failAt = ({ breakers }: Bench, endpoint: string, times: number): void => {
    for (let n = 0; n < times; n++)
      breakers.failedAt(endpoint, "poison", "SERVER_CLOSED", breakers.ticket);
  };

  test("stop a tool that breaks more than one of them, and not the server", () => {
    const own = bench();
    failAt(own, "a", 3);
    expect(own.breakers.stateOf("poison")).toBe(0);
    failAt(own, "b", 2);
    expect([own.breakers.stateOf("poison"), own.breakers.state]).toEqual([2, 0]);
    expect(own.breakers.explain().server.failures).toBe(0);
  });

  test("do not stop a tool when all of them are of the same endpoint", () => {
    const own = bench();
    failAt(own, "a", 100);
    expect(own.breakers.stateOf("poison")).toBe(0);
  });

  test("are counted anew after a call that succeeds", () => {
    const own = bench();
    for (let n = 0; n < 10; n++) {
      failAt(own, "a", 3);
      failAt(own, "b", 1);
      own.breakers.succeeded("poison", own.breakers.ticket);
    }
    expect(own.breakers.stateOf("poison")).toBe(0);
    failAt(own, "a", 3);
    failAt(own, "b", 2);
    expect(own.breakers.stateOf("poison")).toBe(2);
  });

  test("give back the trial of a server's breaker that is half open", () => {
    const own = bench();
    own.breakers.open("by hand", { forMs: 1000 });
    own.clock.advance(1000);
    expect(own.breakers.admit("poison")).toBeUndefined();
    expect(own.breakers.admit("poison")?.code).toBe("BREAKER_OPEN");
    failAt(own, "a", 1);
    expect(own.breakers.admit("poison")).toBeUndefined();
  });
});
