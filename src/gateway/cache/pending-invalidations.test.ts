import fc from "fast-check";
import { expect, test } from "vitest";
import { PendingInvalidations, readInvalidation } from "./pending-invalidations.ts";
import type { Invalidation } from "./second-level.ts";

const name = fc.constantFrom("a", "b", "c");
const invalidation: fc.Arbitrary<Invalidation> = fc.oneof(
  fc.record({ kind: fc.constant("server" as const), server: name }),
  fc.record({
    kind: fc.constant("name" as const),
    server: name,
    method: fc.constant("tools/call"),
    name,
  }),
);

test("what is cleared often is told once", () => {
  const pending = new PendingInvalidations();
  for (let n = 0; n < 100; n++) pending.add({ kind: "server", server: "a" });
  expect(pending.take()).toEqual({
    all: false,
    servers: ["a"],
    cleared: [{ kind: "server", server: "a" }],
  });
});

test("only one batch is under way, and what failed is told again", () => {
  const pending = new PendingInvalidations();
  pending.add({ kind: "server", server: "a" });
  const batch = pending.take();
  pending.add({ kind: "server", server: "b" });
  expect(pending.take()).toBeUndefined();
  expect([pending.touches("a"), pending.touches("b"), pending.touches("c")]).toEqual([
    true,
    true,
    false,
  ]);
  if (batch !== undefined) pending.failed(batch);
  expect(pending.take()?.servers.toSorted()).toEqual(["a", "b"]);
});

test("too many are told as everything", () => {
  const pending = new PendingInvalidations();
  for (let n = 0; n < 2000; n++) pending.add({ kind: "server", server: `s${n}` });
  expect(pending.touches("any")).toBe(true);
  expect(pending.take()).toEqual({ all: true, servers: [], cleared: [{ kind: "all" }] });
});

test("a server is touched from its clearing until that is told, whatever fails on the way", () => {
  const step = fc.oneof(invalidation, fc.constantFrom("take", "done", "failed"));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const pending = new PendingInvalidations();
      let waiting = new Set<string>();
      let batch:
        | { real: ReturnType<PendingInvalidations["take"]>; servers: Set<string> }
        | undefined;
      for (const one of steps) {
        if (typeof one === "object") {
          pending.add(one);
          if (one.kind !== "all") waiting.add(one.server);
        } else if (one === "take" && batch === undefined) {
          const real = pending.take();
          if (real !== undefined) {
            batch = { real, servers: waiting };
            waiting = new Set();
          }
        } else if (one !== "take" && batch?.real !== undefined) {
          pending[one === "done" ? "done" : "failed"](batch.real);
          if (one === "failed") waiting = waiting.union(batch.servers);
          batch = undefined;
        }
        for (const server of ["a", "b", "c"]) {
          const expected = waiting.has(server) || batch?.servers.has(server) === true;
          expect(pending.touches(server)).toBe(expected);
        }
        expect(pending.isEmpty).toBe(waiting.size === 0);
      }
    }),
  );
});

test("a note is read as it was written, and everything is cleared where it is not understood", () => {
  fc.assert(
    fc.property(invalidation, (what) => {
      expect(readInvalidation(JSON.parse(JSON.stringify(what)))).toEqual(what);
    }),
  );
  for (const value of [
    null,
    5,
    [],
    {},
    { kind: "server" },
    { kind: "name", server: "a" },
    { kind: "new", server: "a" },
  ]) {
    expect(readInvalidation(value)).toEqual({ kind: "all" });
  }
});
