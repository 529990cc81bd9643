import { expect, test } from "vitest";
import { newId, randomToken } from "./ids.ts";

test("ids are UUIDs of version 7, distinct, and sort in the order of their making", () => {
  const ids = Array.from({ length: 20_000 }, () => newId());
  expect(ids[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids.toSorted()).toEqual(ids);
});

test("an id tells when it was made", () => {
  const before = Date.now();
  const ms = Number.parseInt(newId().replaceAll("-", "").slice(0, 12), 16);
  expect(ms).toBeGreaterThanOrEqual(before);
  expect(ms - before).toBeLessThan(60_000);
});

test("an id carries its prefix", () => {
  expect(newId("key")).toMatch(/^key_[0-9a-f-]{36}$/);
});

test("a token has the bytes that were asked for", () => {
  expect(Buffer.from(randomToken(32), "base64url")).toHaveLength(32);
  expect(randomToken(32)).not.toBe(randomToken(32));
});
