import { expect, test } from "vitest";
import { losses } from "./comparison.ts";
import type { Check } from "./suite.ts";

const check = (id: string, status: Check["status"]): Check => ({ id, name: id, status });

test("a check that succeeds both ways is not lost", () => {
  const outcome = new Map([["s", [check("a", "SUCCESS")]]]);
  expect(losses(outcome, outcome)).toEqual([]);
});

test("a check is lost when it fails, warns, is skipped or is absent through the gateway", () => {
  const direct = new Map([["s", ["a", "b", "c", "d"].map((id) => check(id, "SUCCESS"))]]);
  const through = new Map([
    ["s", [check("a", "FAILURE"), check("b", "WARNING"), check("c", "SKIPPED")]],
  ]);
  expect(losses(direct, through).map((loss) => [loss.check, loss.through])).toEqual([
    ["a", "FAILURE"],
    ["b", "WARNING"],
    ["c", "SKIPPED"],
    ["d", "ABSENT"],
  ]);
});

test("what fails directly cannot be lost", () => {
  const direct = new Map([["s", [check("a", "FAILURE"), check("b", "INFO")]]]);
  expect(losses(direct, new Map())).toEqual([]);
});

test("the worst occurrence of a repeated check counts", () => {
  const direct = new Map([["s", [check("a", "SUCCESS"), check("a", "SUCCESS")]]]);
  const through = new Map([["s", [check("a", "SUCCESS"), check("a", "FAILURE")]]]);
  expect(losses(direct, through)).toHaveLength(1);
});

test("a check of what is left to each party may be reported as not exercised, but not fail", () => {
  const direct = new Map([["s", [check("server-sse-streams-functional", "SUCCESS")]]]);
  const through = (status: Check["status"]): Map<string, Check[]> =>
    new Map([["s", [check("server-sse-streams-functional", status)]]]);
  expect(losses(direct, through("INFO"))).toEqual([]);
  expect(losses(direct, through("FAILURE"))).toHaveLength(1);
});
