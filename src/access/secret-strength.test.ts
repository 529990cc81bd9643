import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { placeholderProblem, weakness } from "./secret-strength.ts";

test("what stands in examples is a placeholder", () => {
  for (const secret of [
    "minimum_32_character_secret_key_here",
    "your_generated_secret_here",
    "your-neon-api-key",
    "your_password",
    "YOUR_JWT_TOKEN",
    "ghp_your_personal_access_token",
    "mcp_live_abc123xyz456",
    "changeme",
    "please-change-me-now",
    "change this",
    "secret-api-key",
    "default-insecure-seed",
    "<put your own key in here>",
    "example-key-of-the-manual",
    "xxxxxxxxxxxx",
    "  your_secret ",
  ])
    expect([secret, placeholderProblem(secret)]).toEqual([
      secret,
      "is a placeholder from an example",
    ]);
  expect(placeholderProblem("k7-Wq2pLx9Tz4RbN")).toBeUndefined();
});

test("what is short, repeats itself or is made of words is weak", () => {
  for (const [secret, why] of [
    ["k7-Wq2pLx9Tz4RbN", "has 16 bytes and needs at least 32"],
    ["a".repeat(40), "repeats itself"],
    ["0123456789abcdef0123456789abcdef", "repeats itself"],
    ["abcdefghijklmnopqrstuvwxyz0123456789", "repeats itself"],
    ["k7Wq2pLxk7Wq2pLxk7Wq2pLxk7Wq2pLx", "repeats itself"],
    ["correct horse battery staple again", "is made of words, which are guessed"],
    ["MySuperSecretJsonWebTokenSigningKey", "is made of words, which are guessed"],
    ["this-is-the-signing-secret-of-our-gateway", "is made of words, which are guessed"],
    ["THE_SECRET_OF_THE_PRODUCTION_SERVER_1", "is made of words, which are guessed"],
  ])
    expect([secret, weakness(secret ?? "", 32)]).toEqual([secret, why]);
});

test("what comes out of a generator is good", () => {
  for (const encoding of ["base64", "base64url", "hex"] as const) {
    const bytes = fc.constant(undefined).map(() => randomBytes(32));
    fc.assert(
      fc.property(bytes, (secret) => {
        expect(weakness(secret.toString(encoding), 32)).toBeUndefined();
      }),
      { numRuns: 2000 },
    );
  }
});
