import fc from "fast-check";
import { expect, test } from "vitest";
import { APPROVED_MAX, judge, noted, type Pin } from "./pin.ts";
import { pinOptions, pinOptionsFor, type PinOptions } from "../../gateway/index.ts";

const key = { server: "s", kind: "tools", name: "t" } as const;
const options = (given: object = {}): PinOptions => pinOptions.parse({ policy: "block", ...given });
const high = { id: "x", severity: "high", where: "", message: "" } as const;
const medium = { ...high, severity: "medium" } as const;
const approved = noted(undefined, key, "1", "first", 10);

test("what is seen first is trusted, also what is new at a server that is known", () => {
  expect(judge(undefined, "1", [], false, options())).toEqual({ serve: true, note: "first" });
  expect(judge(undefined, "1", [], true, options())).toEqual({ serve: true, note: "first" });
});

test("where new tools are blocked, only what a server offered first is trusted", () => {
  const strict = options({ new_tools: "block" });
  expect(judge(undefined, "1", [], false, strict)).toEqual({ serve: true, note: "first" });
  expect(judge(undefined, "1", [], true, strict)).toEqual({
    serve: false,
    because: "new",
    note: "pending",
  });
  const pending = noted(undefined, key, "1", "pending", 10);
  expect(judge(pending, "1", [], true, strict)).toEqual({ serve: false, because: "new" });
});

test("a change is held back, served and told, or taken over, as the policy says", () => {
  const under = (policy: string) => judge(approved, "2", [], true, options({ policy }));
  expect(under("block")).toEqual({ serve: false, because: "changed", note: "pending" });
  expect(under("warn")).toEqual({ serve: true, note: "pending" });
  expect(under("allow")).toEqual({ serve: true, note: "accepted" });
});

test("a finding holds back what nobody approved, from the severity that is set on", () => {
  const lint = options({ lint: "block", policy: "warn" });
  expect(judge(undefined, "1", [medium], false, lint)).toMatchObject({ serve: true });
  expect(judge(undefined, "1", [high], false, lint)).toMatchObject({ because: "lint" });
  expect(judge(approved, "2", [high], true, lint)).toMatchObject({ because: "lint" });
  expect(judge(approved, "1", [high], true, lint)).toEqual({ serve: true });
  const stricter = options({ lint: "block", lint_severity: "medium" });
  expect(judge(undefined, "1", [medium], false, stricter)).toMatchObject({ because: "lint" });
  expect(judge(undefined, "1", [high], false, options())).toMatchObject({ serve: true });
});

test("what is rejected stays out under every policy, and the approved one is served beside it", () => {
  const rejected: Pin = { ...noted(approved, key, "2", "pending", 20), state: "rejected" };
  for (const policy of ["block", "warn", "allow"]) {
    const told = (hash: string) => judge(rejected, hash, [], true, options({ policy }));
    expect(told("2")).toEqual({ serve: false, because: "rejected" });
    expect(told("3")).toEqual({ serve: false, because: "rejected", note: "pending" });
    expect(told("1")).toEqual({ serve: true });
  }
  expect(noted(rejected, key, "3", "pending", 30)).toMatchObject({
    state: "rejected",
    pending: "3",
  });
});

test("of all that a policy takes over, eight stay approved", () => {
  let pin = approved;
  for (let hash = 2; hash < 30; hash++) pin = noted(pin, key, String(hash), "accepted", hash);
  expect(pin.approved).toEqual(["29", "28", "27", "26", "25", "24", "23", "22"]);
  expect(pin.approved).toHaveLength(APPROVED_MAX);
});

test("whatever is seen in whatever order, what is approved is served, and under block nothing else of a known pin", () => {
  const hashes = fc.array(fc.constantFrom("1", "2", "3", "4"), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(hashes, fc.constantFrom("block", "warn"), (seen, policy) => {
      let pin: Pin | undefined;
      const [first] = seen;
      for (const hash of seen) {
        const judgement = judge(pin, hash, [], pin !== undefined, options({ policy }));
        expect(judgement.serve).toBe(policy === "warn" || hash === first);
        if (judgement.note !== undefined) pin = noted(pin, key, hash, judgement.note, 1);
      }
      expect(pin?.approved).toEqual([first]);
    }),
  );
});

test("what a server sets itself goes before what is set for all", () => {
  expect(pinOptionsFor(options(), undefined)).toEqual(options());
  expect(pinOptionsFor(options(), { policy: "warn", lint: undefined })).toEqual(
    options({ policy: "warn" }),
  );
});
