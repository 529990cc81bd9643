import { expect, test } from "vitest";
import { PasswordHasher } from "./password-hasher.ts";

// Made by the reference implementation: echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1 -l 32 -e
const REFERENCE =
  "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

test("hashes are argon2id with OWASP's parameters and a salt of their own", async () => {
  const hasher = new PasswordHasher();
  const [one, other] = await Promise.all([hasher.hash("four words"), hasher.hash("four words")]);
  expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
  expect(one).not.toBe(other);
  expect(await hasher.matches("four words", one)).toBe(true);
  expect(await hasher.matches("four Words", one)).toBe(false);
  expect(hasher.outdated(one)).toBe(false);
});

test("hashes of other implementations and parameters are understood, and known to be outdated", async () => {
  const hasher = new PasswordHasher();
  expect(await hasher.matches("password", REFERENCE)).toBe(true);
  expect(await hasher.matches("passwore", REFERENCE)).toBe(false);
  expect(hasher.outdated(REFERENCE)).toBe(true);
});

test("nothing matches where there is no hash, or none that can be read", async () => {
  const hasher = new PasswordHasher();
  for (const stored of [undefined, "", "$2b$10$abc", "$argon2id$v=19$m=1,t=1,p=1$$"])
    expect([stored, await hasher.matches("", stored)]).toEqual([stored, false]);
});

test("the same letters written otherwise are the same password", async () => {
  const hasher = new PasswordHasher();
  expect(await hasher.matches("caf\u0065\u0301 noir", await hasher.hash("caf\u00e9 noir"))).toBe(
    true,
  );
});

test("a few are computed at once, a few more wait, and the rest is refused at once", async () => {
  const hasher = new PasswordHasher({ concurrency: 1, queueMax: 2 });
  const all = Array.from({ length: 6 }, () => hasher.hash("four words"));
  const ended = await Promise.allSettled(all);
  expect(ended.map(({ status }) => status)).toEqual([
    ...Array.from({ length: 3 }, () => "fulfilled"),
    ...Array.from({ length: 3 }, () => "rejected"),
  ]);
  expect(ended[5]).toMatchObject({ reason: { code: "SIGN_IN_BUSY" } });
  await expect(hasher.hash("four words")).resolves.toMatch(/argon2id/);
});
