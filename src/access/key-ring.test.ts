import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { manualClock } from "../foundation/index.ts";
import { hashKey, mintKey } from "./key.ts";
import type { KeyRecord } from "./key.ts";
import { KeyRing } from "./key-ring.ts";

const clock = manualClock(1_000_000);

function keyNamed(name: string, more: Partial<KeyRecord> = {}): { key: string; record: KeyRecord } {
  const { key, hash, prefix } = mintKey();
  const record: KeyRecord = {
    id: randomUUID(),
    name,
    role: "caller",
    project: "default",
    bundles: "all",
    hash,
    prefix,
    createdAt: 0,
    ...more,
  };
  return { key, record };
}

test("a minted key has 256 random bits, a known prefix, and only its hash is kept", () => {
  const { key, hash, prefix } = mintKey();
  expect(key).toMatch(/^sbx_[A-Za-z0-9_-]{43}$/);
  expect(hash).toBe(hashKey(key));
  expect(prefix).toBe(key.slice(0, 12));
});

test("each of the three headers names the principal, the scheme in any case", () => {
  const { key, record } = keyNamed("ada", { role: "operator", bundles: ["coding"] });
  const ring = new KeyRing([record], clock);
  const principal = {
    id: record.id,
    name: "ada",
    kind: "key",
    role: "operator",
    project: "default",
    bundles: ["coding"],
    keyId: record.id,
  };
  for (const headers of [
    { authorization: `Bearer ${key}` },
    { authorization: `bearer ${key}` },
    { "x-api-key": key },
    { "x-mcp-key": key },
    { authorization: `Bearer ${key}`, "x-api-key": key, "x-mcp-key": key },
  ]) {
    expect(ring.authenticate(headers)).toMatchObject({ ok: true, principal });
    expect(ring.authenticate(headers)).toMatchObject({ ok: true, principal });
  }
});

test("no credential is told apart from a wrong one", () => {
  const ring = new KeyRing([keyNamed("ada").record], clock);
  expect(ring.authenticate({})).toMatchObject({ ok: false, code: "KEY_MISSING" });
  expect(ring.authenticate({ authorization: "" })).toMatchObject({ code: "KEY_INVALID" });
  expect(ring.authenticate({ "x-api-key": "" })).toMatchObject({ code: "KEY_INVALID" });
});

test("schemes other than Bearer are refused even with a right key inside", () => {
  const { key, record } = keyNamed("ada");
  const ring = new KeyRing([record], clock);
  for (const authorization of [
    key,
    `Basic ${key}`,
    `Basic ${Buffer.from(`ada:${key}`).toString("base64")}`,
    `Bearer ${key},Bearer ${key}`,
    `Bearer ${key} x`,
    `Bearer`,
    `Token ${key}`,
  ]) {
    expect(ring.authenticate({ authorization })).toMatchObject({ code: "KEY_INVALID" });
  }
  expect(ring.authenticate({ "x-api-key": `Bearer ${key}` })).toMatchObject({
    code: "KEY_INVALID",
  });
});

test("a header verified as one kind is not taken for the other", () => {
  const { key, record } = keyNamed("ada");
  const ring = new KeyRing([record], clock);
  ring.authenticate({ authorization: `Bearer ${key}` });
  ring.authenticate({ "x-api-key": key });
  expect(ring.authenticate({ "x-api-key": `Bearer ${key}` })).toMatchObject({ ok: false });
  expect(ring.authenticate({ authorization: key })).toMatchObject({ ok: false });
});

test("a wrong credential fails the request beside a right one, in every combination", () => {
  const right = keyNamed("ada");
  const other = keyNamed("bob");
  const credential = fc.constantFrom(undefined, "right", "other", "wrong");
  fc.assert(
    fc.property(credential, credential, credential, (authorization, apiKey, mcpKey) => {
      const ring = new KeyRing([right.record, other.record], clock);
      const keyOf = (kind: string): string =>
        kind === "right" ? right.key : kind === "other" ? other.key : mintKey().key;
      const outcome = ring.authenticate({
        ...(authorization && { authorization: `Bearer ${keyOf(authorization)}` }),
        ...(apiKey && { "x-api-key": keyOf(apiKey) }),
        ...(mcpKey && { "x-mcp-key": keyOf(mcpKey) }),
      });
      const present = new Set([authorization, apiKey, mcpKey].filter((kind) => kind !== undefined));
      const admitted = present.size === 1 && !present.has("wrong");
      const refusal = present.size === 0 ? "KEY_MISSING" : "KEY_INVALID";
      expect(outcome.ok ? "admitted" : outcome.code).toBe(admitted ? "admitted" : refusal);
    }),
  );
});

test("no text that is not the key is admitted", () => {
  const { key, record } = keyNamed("ada");
  const ring = new KeyRing([record], clock);
  const near = fc
    .tuple(fc.nat(key.length - 1), fc.string({ maxLength: 3 }))
    .map(([at, text]) => key.slice(0, at) + text + key.slice(at + 1));
  fc.assert(
    fc.property(fc.oneof(fc.string(), near), (text) => {
      fc.pre(text !== key);
      expect(ring.authenticate({ "x-api-key": text }).ok).toBe(false);
      expect(ring.authenticate({ authorization: text }).ok).toBe(false);
      expect(ring.authenticate({ authorization: `Bearer ${record.hash}` }).ok).toBe(false);
    }),
  );
});

test("a key that was already remembered stops at its expiry", () => {
  const time = manualClock(0);
  const { key, record } = keyNamed("ada", { expiresAt: 1000 });
  const ring = new KeyRing([record], time);
  expect(ring.authenticate({ "x-api-key": key }).ok).toBe(true);
  time.advance(1000);
  expect(ring.authenticate({ "x-api-key": key })).toMatchObject({ code: "KEY_EXPIRED" });
});

test("a revoked key is refused; seeded again, the live record stands", () => {
  const { key, record } = keyNamed("ada");
  const gone: KeyRecord = { ...record, revokedAt: 5 };
  const again: KeyRecord = { ...record, id: "again" };
  expect(new KeyRing([gone], clock).authenticate({ "x-api-key": key })).toMatchObject({
    code: "KEY_REVOKED",
  });
  for (const records of [
    [gone, again],
    [again, gone],
  ]) {
    expect(new KeyRing(records, clock).authenticate({ "x-api-key": key })).toMatchObject({
      principal: { id: "again" },
    });
  }
});

test("a record whose hash is damaged admits nobody", () => {
  const ring = new KeyRing([keyNamed("ada", { hash: "" }).record], clock);
  expect(ring.authenticate({ "x-api-key": "" }).ok).toBe(false);
});

test("the last use of each admitted key is told once", () => {
  const time = manualClock(50);
  const { key, record } = keyNamed("ada");
  const ring = new KeyRing([record, keyNamed("bob").record], time);
  ring.authenticate({ "x-api-key": key });
  ring.authenticate({ "x-api-key": "sbx_wrong" });
  expect([...ring.takeLastUsed()]).toEqual([[record.id, 50]]);
  expect(ring.takeLastUsed().size).toBe(0);
});

test("more headers than are remembered stay right", () => {
  const keys = Array.from({ length: 20 }, (_, n) => keyNamed(`k${n}`));
  const ring = new KeyRing(
    keys.map(({ record }) => record),
    clock,
  );
  for (let round = 0; round < 600; round += 1) {
    for (const { key, record } of keys) {
      const authorization = `Bearer${" ".repeat(1 + round)}${key}`;
      expect(ring.authenticate({ authorization })).toMatchObject({ principal: { id: record.id } });
    }
  }
});
