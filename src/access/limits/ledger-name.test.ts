import fc from "fast-check";
import { expect, test } from "vitest";
import { ledgerName } from "./ledger-name.ts";

test("a plain name stays as it is", () => {
  expect(ledgerName("caller:key_1/60000")).toBe("caller:key_1/60000");
});

test("any name becomes one that a database holds, and long ones stay apart", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 700 }), (name) => {
      const kept = ledgerName(name);
      expect(kept.length).toBeLessThanOrEqual(500);
      expect(kept.isWellFormed() && !kept.includes("\0")).toBe(true);
    }),
  );
  const long = "a".repeat(1_000);
  expect(ledgerName(`${long}1`)).not.toBe(ledgerName(`${long}2`));
});
