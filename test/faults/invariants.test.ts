import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { manualClock } from "../../src/foundation/index.ts";
import { History, type Ending } from "./history.ts";
import { violationsOf, type Evidence, type Span, type Violation } from "./invariants.ts";
import type { LedgerEntry } from "./ledger.ts";

interface Told {
  tool?: string;
  endings?: Ending[];
  executions?: number;
  turnedAway?: number;
  rows?: number;
  gatewayDied?: boolean;
  unwritten?: Span;
}

const ok: Ending = { kind: "ok", rpcId: "a", text: "write a" };
const refused: Ending = {
  kind: "fail",
  rpcId: "a",
  code: "TOOL_NOT_FOUND",
  message: "Unknown tool",
  accepted: false,
};
const failed: Ending = { ...refused, code: "SERVER_CLOSED", accepted: true };
const lost: Ending = { kind: "lost", reason: "ECONNRESET" };

// One call with the id "a", as the three testimonies tell of it.
function evidenceOf(told: Told): Evidence {
  const { tool = "write", endings = [ok], executions = 1, turnedAway = 0, rows = 1 } = told;
  const history = new History(manualClock());
  history.invoke({ id: "a", server: "s", tool, expectedText: "write a" });
  for (const ending of endings) record(history, ending);
  const entry = { server: "s", tool, id: "a" };
  return {
    operations: history.operations,
    ledger: [
      ...Array.from({ length: executions }, (): LedgerEntry => ({ ...entry, what: "executed" })),
      ...Array.from({ length: turnedAway }, (): LedgerEntry => ({ ...entry, what: "turned away" })),
    ],
    log: Array.from({ length: rows }, () => ({ id: "a", outcome: "ok" })),
    recoveries: [],
    gatewayDied: told.gatewayDied ?? false,
    unwritten: told.unwritten,
  };
}

function record(history: History, ending: Ending): void {
  if (ending.kind === "ok") history.ok("a", ending);
  else if (ending.kind === "fail") history.fail("a", ending);
  else history.lost("a", ending.reason);
}

function invariantsIn(violations: readonly Violation[]): string[] {
  return violations.map(({ invariant }) => invariant);
}

const broken = (told: Told): string[] => invariantsIn(violationsOf(evidenceOf(told)));

test("a call that was executed, acknowledged and logged once violates nothing", () => {
  expect(violationsOf(evidenceOf({}))).toEqual([]);
});

describe("I1", () => {
  test("an acknowledged call that is not in the call log", () => {
    expect(violationsOf(evidenceOf({ rows: 0 }))).toEqual([
      {
        invariant: "I1",
        subject: "a",
        sentence: "s's write a was acknowledged and is not in the call log",
      },
    ]);
  });

  test("it holds even where the gateway died", () => {
    expect(broken({ rows: 0, gatewayDied: true })).toEqual(["I1"]);
    const at = manualClock().monotonicMs();
    const before = { from: at + 1, until: at + 2 };
    expect(broken({ rows: 0, gatewayDied: true, unwritten: before })).toEqual(["I1"]);
    const meanwhile = { from: at, until: at + 1 };
    expect(broken({ rows: 0, gatewayDied: true, unwritten: meanwhile })).toEqual([]);
  });
});

describe("I2", () => {
  test("a call that never ended at its client", () => {
    expect(broken({ endings: [] })).toEqual(["I2"]);
  });

  test("a call that ended twice", () => {
    expect(broken({ endings: [ok, failed] })).toEqual(["I2"]);
  });

  test("a call with two rows", () => {
    expect(broken({ rows: 2 })).toEqual(["I2"]);
  });

  test("a failed call without a row", () => {
    expect(broken({ endings: [failed], rows: 0 })).toEqual(["I2"]);
  });

  test("a request that was turned away has no row, and one that has is a mistake", () => {
    expect(broken({ endings: [refused], executions: 0, rows: 0 })).toEqual([]);
    expect(broken({ endings: [refused], executions: 0, rows: 1 })).toEqual(["I2"]);
  });

  test("a call whose client was told nothing has a row, unless the gateway died", () => {
    expect(broken({ endings: [lost], rows: 0 })).toEqual(["I2"]);
    expect(broken({ endings: [lost], rows: 0, gatewayDied: true })).toEqual([]);
  });
});

describe("I3", () => {
  test("an answer with another caller's text", () => {
    expect(broken({ endings: [{ ...ok, text: "write b" }] })).toEqual(["I3"]);
  });

  test("an answer under another id", () => {
    expect(broken({ endings: [{ ...ok, rpcId: "b" }] })).toEqual(["I3"]);
  });

  test("a failure under another id", () => {
    expect(broken({ endings: [{ ...failed, rpcId: 7 }] })).toEqual(["I3"]);
  });
});

describe("I4", () => {
  test("a write that was executed twice, whatever its client was told", () => {
    expect(broken({ executions: 2 })).toEqual(["I4"]);
    expect(broken({ executions: 2, endings: [failed] })).toEqual(["I4"]);
    expect(broken({ executions: 2, endings: [lost] })).toEqual(["I4"]);
  });

  test("a write that was acknowledged and never executed", () => {
    expect(broken({ executions: 0 })).toEqual(["I4"]);
  });

  test("a failed write may have been executed or not", () => {
    expect(broken({ endings: [failed], executions: 0 })).toEqual([]);
    expect(broken({ endings: [failed], executions: 1 })).toEqual([]);
  });

  test("a write that was turned away before it was executed may be repeated", () => {
    expect(broken({ turnedAway: 2, executions: 1 })).toEqual([]);
  });

  test.each(["read", "put"])("a %s may be executed several times, but not never", (tool) => {
    expect(broken({ tool, executions: 3 })).toEqual([]);
    expect(broken({ tool, executions: 0 })).toEqual(["I4"]);
  });
});

describe("I5", () => {
  const recovery = { server: "s", healedAt: 1_000, boundMs: 500 };
  const after = (servedAt: number | undefined): string[] =>
    invariantsIn(violationsOf({ ...evidenceOf({}), recoveries: [{ ...recovery, servedAt }] }));

  test("a server that came back in time, too late, or never", () => {
    expect(after(1_500)).toEqual([]);
    expect(after(1_501)).toEqual(["I5"]);
    expect(after(undefined)).toEqual(["I5"]);
  });
});

test("among calls that are well, exactly the spoilt ones are named", () => {
  const spoilers: Record<string, Told> = {
    I1: { rows: 0 },
    I2: { endings: [ok, ok] },
    I3: { endings: [{ ...ok, text: "another" }] },
    I4: { executions: 2 },
  };
  fc.assert(
    fc.property(fc.array(fc.constantFrom("well", ...Object.keys(spoilers))), (kinds) => {
      const parts = kinds.map((kind, index) => renamed(evidenceOf(spoilers[kind] ?? {}), index));
      const found = violationsOf({
        operations: parts.flatMap(({ operations }) => operations),
        ledger: parts.flatMap(({ ledger }) => ledger),
        log: parts.flatMap(({ log }) => log),
        recoveries: [],
      });
      const expected = kinds.flatMap((kind, index) => (kind === "well" ? [] : `${kind} a${index}`));
      expect(found.map(({ invariant, subject }) => `${invariant} ${subject}`)).toEqual(expected);
    }),
  );
});

function renamed(evidence: Evidence, index: number): Evidence {
  const id = `a${index}`;
  const underId = (ending: Ending & { at: number }): Ending & { at: number } =>
    ending.kind === "lost" ? ending : { ...ending, rpcId: id };
  return {
    ...evidence,
    operations: evidence.operations.map((one) => ({
      ...one,
      id,
      endings: one.endings.map(underId),
    })),
    ledger: evidence.ledger.map((entry) => ({ ...entry, id })),
    log: evidence.log.map((row) => ({ ...row, id })),
  };
}

describe("a history", () => {
  test("notes when a call began and ended, by its clock", () => {
    const clock = manualClock();
    const history = new History(clock);
    history.invoke({ id: "a", server: "s", tool: "read", expectedText: "read a" });
    expect(history.endingOf("a")).toBeUndefined();
    clock.advance(20);
    history.ok("a", { rpcId: "a", text: "read a" });
    expect(history.operations).toMatchObject([{ invokedAt: 0, endings: [{ kind: "ok", at: 20 }] }]);
    expect(history.endingOf("a")).toMatchObject({ kind: "ok" });
  });

  test("refuses an id that was used before, and an ending that nobody asked for", () => {
    const history = new History(manualClock());
    const invocation = { id: "a", server: "s", tool: "read", expectedText: "read a" };
    history.invoke(invocation);
    expect(() => history.invoke(invocation)).toThrow("used before");
    expect(() => history.lost("b", "gone")).toThrow("nobody asked");
  });
});
