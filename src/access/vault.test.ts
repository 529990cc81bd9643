import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { isSignalboxError } from "../foundation/index.ts";
import { Vault, keyIdOfSealed, readEncryptionKey } from "./vault.ts";

const [first, second] = [randomBytes(32), randomBytes(32)];

function vaultOf(...keys: Buffer[]): Vault {
  const vault = new Vault();
  vault.unlock(keys);
  return vault;
}

function refusal(run: () => unknown): string {
  try {
    run();
    return "none";
  } catch (error) {
    return isSignalboxError(error) ? error.code : "another error";
  }
}

test("any text comes back as it was sealed", () => {
  const sealer = vaultOf(first).for("secrets");
  fc.assert(
    fc.property(fc.string(), fc.string(), (text, aad) => {
      expect(sealer.open(sealer.seal(text, aad), aad)).toBe(text);
    }),
  );
  for (const text of ["", "\0", "é 😀 \u202E", "x".repeat(100_000)])
    expect(sealer.open(sealer.seal(text, ""), "")).toBe(text);
  expect(sealer.open(sealer.seal(Buffer.from("bytes"), ""), "")).toBe("bytes");
});

test("the same text is never sealed alike, and is not in what is stored", () => {
  const sealer = vaultOf(first).for("secrets");
  const sealed = Array.from({ length: 100 }, () => sealer.seal("hunter2hunter2", "row"));
  expect(new Set(sealed).size).toBe(100);
  expect(sealed.join()).not.toContain("hunter2");
  expect(sealed[0]).toMatch(/^v1\.[\w-]{10}\.[\w-]{16}\.[\w-]+$/);
});

test("a sealed text does not open in another place, for another purpose or with another key", () => {
  const vault = vaultOf(first);
  const sealed = vault.for("secrets").seal("text", "row 1");
  expect(refusal(() => vault.for("secrets").open(sealed, "row 2"))).toBe("SECRET_UNREADABLE");
  expect(refusal(() => vault.for("sessions").open(sealed, "row 1"))).toBe("SECRET_UNREADABLE");
  expect(refusal(() => vaultOf(second).for("secrets").open(sealed, "row 1"))).toBe(
    "SECRET_UNREADABLE",
  );
});

test("a text of which anything was changed does not open", () => {
  const sealer = vaultOf(first).for("secrets");
  const sealed = sealer.seal("a secret of some length", "row");
  const [version = "", id = "", ...parts] = sealed.split(".");
  for (const [place, part = ""] of parts.entries()) {
    const bytes = Buffer.from(part, "base64url");
    for (const at of bytes.keys()) {
      const altered = Buffer.from(bytes);
      altered.writeUInt8(bytes.readUInt8(at) ^ 1, at);
      const text = [version, id, ...parts.with(place, altered.toString("base64url"))].join(".");
      expect(refusal(() => sealer.open(text, "row"))).toBe("SECRET_UNREADABLE");
    }
  }
  for (const text of ["", "v1", "v1.a.b.c", `${sealed}.x`, sealed.slice(0, -30), "plain"])
    expect([text, refusal(() => sealer.open(text, "row"))]).toEqual([text, "SECRET_UNREADABLE"]);
});

test("a new key seals, and what the former one sealed still opens", () => {
  const before = vaultOf(first);
  const after = vaultOf(second, first);
  const old = before.for("secrets").seal("text", "row");
  expect(after.for("secrets").open(old, "row")).toBe("text");
  expect(keyIdOfSealed(old)).toBe(before.keyId);
  expect(keyIdOfSealed(after.for("secrets").seal("text", "row"))).toBe(after.keyId);
  expect(after.keyId).not.toBe(before.keyId);
  expect(vaultOf(first).keyId).toBe(before.keyId);
});

test("a vault without a key says so, and works once it has one", () => {
  const vault = new Vault();
  const sealer = vault.for("secrets");
  expect(refusal(() => sealer.seal("text", "row"))).toBe("ENCRYPTION_KEY_MISSING");
  expect(refusal(() => sealer.open("v1.a.b.c", "row"))).toBe("ENCRYPTION_KEY_MISSING");
  expect(vault.unlocked).toBe(false);
  vault.unlock([first]);
  expect(sealer.open(sealer.seal("text", "row"), "row")).toBe("text");
});

test("a key is read in every form it is written in", () => {
  const bytes = Buffer.from("fbff".repeat(16), "hex");
  for (const text of [
    bytes.toString("hex"),
    bytes.toString("hex").toUpperCase(),
    bytes.toString("base64"),
    bytes.toString("base64url"),
  ])
    expect(readEncryptionKey(text)).toEqual(bytes);
  expect(readEncryptionKey("0123456789abcdefghijklmnopqrstu!")?.toString()).toBe(
    "0123456789abcdefghijklmnopqrstu!",
  );
  for (const text of ["", "short", "x".repeat(31), "x".repeat(33), bytes.toString("hex").slice(2)])
    expect([text, readEncryptionKey(text)]).toEqual([text, undefined]);
});
