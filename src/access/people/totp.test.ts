import { expect, test } from "vitest";
import { newTotpSecret, stepOfCode, toBase32, totpCode, totpUri } from "./totp.ts";

const secret = toBase32(Buffer.from("12345678901234567890"));

test("codes are those of RFC 6238, appendix B, in six digits", () => {
  expect(secret).toBe("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
  for (const [seconds, code] of [
    [59, "287082"],
    [1111111109, "081804"],
    [1111111111, "050471"],
    [1234567890, "005924"],
    [2000000000, "279037"],
    [20000000000, "353130"],
  ] as const) {
    expect([seconds, totpCode(secret, seconds * 1000)]).toEqual([seconds, code]);
  }
});

test("a code counts one step early and one late, and no further", () => {
  const now = 1_800_000_000_000;
  const step = now / 30_000;
  const found = [-2, -1, 0, 1, 2].map((away) =>
    stepOfCode(secret, totpCode(secret, now + away * 30_000), now),
  );
  expect(found).toEqual([undefined, step - 1, step, step + 1, undefined]);
  for (const wrong of ["", "12345", "1234567", "abcdef", `${totpCode(secret, now)}0`])
    expect([wrong, stepOfCode(secret, wrong, now)]).toEqual([wrong, undefined]);
});

test("a secret has 160 random bits, and its address is what authenticators take", () => {
  expect(newTotpSecret()).toMatch(/^[A-Z2-7]{32}$/);
  expect(newTotpSecret()).not.toBe(newTotpSecret());
  expect(totpUri("ABC", "a b")).toBe(
    "otpauth://totp/Signalbox:a%20b?secret=ABC&issuer=Signalbox&algorithm=SHA1&digits=6&period=30",
  );
});
