import fc from "fast-check";
import { expect, test } from "vitest";
import { createSealer } from "./sealer.ts";

const key = Buffer.alloc(32, 7);

test("what was sealed opens again, and twice the same is never sealed the same", () => {
  const sealer = createSealer(key, "tests");
  fc.assert(
    fc.property(fc.string(), fc.string(), (text, context) => {
      const [one, other] = [sealer.seal(text, context), sealer.seal(text, context)];
      expect(one).not.toBe(other);
      expect(one).toMatch(/^[\w.-]+$/);
      expect(sealer.open(one, context)).toBe(text);
    }),
  );
});

test("it opens for no other key, purpose or context, and not when it was changed", () => {
  const sealer = createSealer(key, "tests");
  const sealed = sealer.seal("secret", "row 1");
  expect(createSealer(Buffer.alloc(32, 8), "tests").open(sealed, "row 1")).toBeUndefined();
  expect(createSealer(key, "others").open(sealed, "row 1")).toBeUndefined();
  expect(sealer.open(sealed, "row 2")).toBeUndefined();
  const bytes = Buffer.from(sealed, "base64url");
  for (let at = 0; at < bytes.length; at++) {
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] ?? 0) ^ 1;
    expect(sealer.open(changed.toString("base64url"), "row 1")).toBeUndefined();
  }
  for (const text of ["", "AQ", "not sealed at all"]) expect(sealer.open(text)).toBeUndefined();
});
