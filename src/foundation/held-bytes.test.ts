import fc from "fast-check";
import { expect, test } from "vitest";
import { HeldBytes, HeldShare, UNCOUNTED_BYTES } from "./held-bytes.ts";

test("a share grows while there is room, and stays as it is where there is none", () => {
  const held = new HeldBytes(300_000);
  const [one, other] = [new HeldShare(held), new HeldShare(held)];
  expect([one.fit(200_000), held.taken]).toEqual([true, 200_000]);
  expect([other.fit(150_000), held.taken]).toEqual([false, 200_000]);
  expect([one.fit(300_001), held.taken]).toEqual([false, 200_000]);
  one.giveBack();
  expect([other.fit(150_000), held.taken]).toEqual([true, 150_000]);
});

test("up to 64 KiB there is always room, and nothing is counted", () => {
  const held = new HeldBytes(0);
  expect([new HeldShare(held).fit(UNCOUNTED_BYTES), held.taken]).toEqual([true, 0]);
  expect(new HeldShare(held).fit(UNCOUNTED_BYTES + 1)).toBe(false);
});

test("what is there already counts also beyond the bound, and is given back once", () => {
  const held = new HeldBytes(100_000);
  const gone = held.count(150_000);
  expect([held.taken, new HeldShare(held).fit(70_000)]).toEqual([150_000, false]);
  gone();
  gone();
  expect(held.taken).toBe(0);
});

test("whatever shares do, no more is taken than there is, and all comes back", () => {
  const step = fc.record({ share: fc.nat(4), bytes: fc.nat(400_000) });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const held = new HeldBytes(1_000_000);
      const shares = Array.from({ length: 5 }, () => new HeldShare(held));
      for (const { share, bytes } of steps) {
        shares[share]?.fit(bytes);
        expect(held.taken).toBeLessThanOrEqual(held.max);
        expect(held.taken).toBeGreaterThanOrEqual(0);
      }
      for (const share of shares) share.giveBack();
      expect(held.taken).toBe(0);
    }),
  );
});
