import fc from "fast-check";
import { expect, test } from "vitest";
import { FailureWindow } from "./failure-window.ts";

test("counts what ended in this second and the nine before", () => {
  const step = fc.record({ failed: fc.boolean(), passedMs: fc.nat(4_000) });
  fc.assert(
    fc.property(fc.nat(1e9), fc.array(step, { maxLength: 200 }), (startMs, steps) => {
      const window = new FailureWindow();
      const ended: { failed: boolean; second: number }[] = [];
      let nowMs = startMs;
      for (const { failed, passedMs } of steps) {
        nowMs += passedMs;
        const second = Math.floor(nowMs / 1_000);
        ended.push({ failed, second });
        window.add(failed, nowMs);
        const recent = ended.filter((each) => each.second > second - 10);
        const failures = recent.filter((each) => each.failed);
        expect(window.outcomes).toBe(recent.length);
        expect(window.failureShare).toBe(failures.length / recent.length);
      }
    }),
  );
});

test("has no failures while it is empty", () => {
  const window = new FailureWindow();
  expect(window.failureShare).toBe(0);
  window.add(true, 5_000);
  window.clear();
  expect([window.outcomes, window.failureShare]).toEqual([0, 0]);
});
