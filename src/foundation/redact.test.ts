import fc from "fast-check";
import { expect, test } from "vitest";
import { hideSecret, isSecretName, redact, redactText } from "./redact.ts";

const planted = "Zq7mXw2KfLp9RtVb4NcY";

const secretNames = [
  "authorization",
  "Authorization",
  "password",
  "db_password",
  "clientSecret",
  "api_key",
  "apiKey",
  "X-API-Key",
  "X-MCP-Key",
  "token",
  "accessToken",
  "refresh_tokens",
  "Set-Cookie",
  "GITHUB_PAT",
  "SIGNALBOX_ADMIN_KEY",
  "GITHUB_PRIVATE_KEY",
];

const secretTexts = [
  `Bearer ${planted}`,
  `authorization: bearer ${planted}`,
  `Basic ${planted}==`,
  `postgres://user:${planted}@host:5432/db`,
  `postgres://user:${planted}/x@host/db`,
  `postgres://:${planted}@host`,
  `redis://default:${planted}@localhost`,
  `sbx_${planted}`,
  `https://h/p?a=1&access_token=${planted}&b=2`,
  `https://h/p?key=${planted}`,
  `ghp_${planted}`,
  `github_pat_${planted}`,
  `sk-${planted}`,
  `xoxb-${planted}`,
  `eyJhbGciOiJI.${planted}.${planted}`,
  `password=${planted}`,
  `DB_PASSWORD='${planted} ${planted}'`,
  `--api-key=${planted}`,
  `--token ${planted}`,
  `{"token":"${planted}"}`,
  JSON.stringify(JSON.stringify({ client_secret: planted })),
  `X-Api-Key: ${planted}`,
  `Cookie: a=${planted}; b=${planted}`,
  `-----BEGIN PRIVATE KEY-----\n${planted}\n-----END PRIVATE KEY-----`,
];

test.each(secretTexts)("the secret in %o is masked", (text) => {
  expect(redactText(text)).not.toContain(planted);
  expect(redactText(text)).toContain("[redacted]");
});

test.each([
  "GET /mcp 200 in 3 ms",
  "http://127.0.0.1:8100/mcp",
  "https://registry.example:8080/@scope/package",
  "postgres://user@host/db",
  "sbx_short",
  "Unexpected token < in JSON",
  "the monkey took the key: gone",
  "4bf92f3577b34da6a3ce929d0e0e4736",
])("%o stays as it is", (text) => {
  expect(redactText(text)).toBe(text);
});

test.each(secretNames)("%s names a secret", (name) => {
  expect(isSecretName(name)).toBe(true);
});

test.each([
  "message",
  "method",
  "path",
  "serverId",
  "tool",
  "requestId",
  "keyId",
  "progressToken",
  "outputTokens",
  "keyboard",
  "author",
])("%s names no secret", (name) => {
  expect(isSecretName(name)).toBe(false);
});

test("a secret planted anywhere in nested values never comes out", () => {
  const carrier: fc.Arbitrary<unknown> = fc.oneof(
    fc.constantFrom(...secretTexts),
    fc.constantFrom(...secretNames).map((name) => ({ [name]: planted })),
    fc.constantFrom(...secretNames).map((name) => ({ [name]: { deep: [planted] } })),
    fc.constantFrom(...secretNames).map((name) => new Map([[name, planted]])),
    fc.constantFrom(...secretNames).map((name) => [name, planted]),
    fc.constantFrom(...secretTexts).map((text) => new Error(text, { cause: new Error(text) })),
    fc.constantFrom(...secretTexts).map((text) => new Set([text])),
    fc.constantFrom(...secretTexts).map((text) => ({ [text]: 1 })),
    fc.constant(new URL(`https://user:${planted}@host/?token=${planted}`)),
    fc.constantFrom(...secretTexts).map((text) => ({ toJSON: () => ({ text }) })),
    fc.constant(Buffer.from(planted)),
  );
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      carrier,
      fc.dictionary(fc.string(), tie("value"), { maxKeys: 4 }),
      fc.array(tie("value"), { maxLength: 4 }),
      fc
        .tuple(fc.string(), fc.constantFrom(...secretTexts), fc.string())
        .map((parts) => parts.join(" ")),
    ),
  }));
  fc.assert(
    fc.property(value, (tree) => {
      expect(JSON.stringify(redact(tree))).not.toContain(planted);
    }),
  );
});

test("what is no secret comes out as it went in", () => {
  const tree = {
    a: [1, "two", null, true, { b: undefined }],
    token: null,
    tokens: 12,
    secret: false,
  };
  expect(redact(tree)).toEqual(tree);
});

test("cycles, depth, length, getters that throw and hostile keys are harmless", () => {
  const cycle: Record<string, unknown> = { name: "a" };
  cycle["self"] = cycle;
  expect(redact(cycle)).toEqual({ name: "a", self: "[circular]" });
  let deep: unknown = "end";
  for (let i = 0; i < 100; i++) deep = { deep };
  expect(JSON.stringify(redact(deep))).toContain("[too deep]");
  expect(redact(Array.from({ length: 2000 }, () => 1))).toHaveLength(1001);
  const thrower = Object.defineProperty({}, "bad", {
    enumerable: true,
    get: () => {
      throw new Error("no");
    },
  });
  expect(redact(thrower)).toEqual({ bad: "[unreadable]" });
  redact(JSON.parse('{"__proto__":{"polluted":true}}'));
  expect(Reflect.get({}, "polluted")).toBeUndefined();
  expect(redact({ n: 10n, f: () => {} })).toEqual({ n: "10", f: "[function]" });
});

test.each([
  "password",
  "a://",
  "token ",
  '"token":"',
  "Bearer",
  "eyJeyJeyJ.",
  "-----BEGIN PRIVATE KEY-----",
  "--key",
  "?key=",
])("a long text of %o over and over is dealt with at once", (part) => {
  // A pattern that is quadratic in the length would run into the runner's time limit here.
  const text = part.repeat(Math.ceil(65_536 / part.length));
  expect(redactText(text).length).toBeLessThan(text.length * 4);
});

test("a secret that is known by its value is masked in every form, whatever it looks like", () => {
  const secret = 'plain words / and "signs"';
  hideSecret(secret);
  hideSecret("short");
  for (const text of [
    `the server said ${secret}!`,
    `https://h/${encodeURIComponent(secret)}/x`,
    `body ${JSON.stringify({ a: secret })}`,
  ]) {
    expect(redactText(text)).not.toContain("plain");
    expect(redactText(text)).toContain("[redacted]");
  }
  expect(JSON.stringify(redact({ note: [secret] }))).not.toContain("plain");
  expect(redactText("short words stay")).toBe("short words stay");
});

test("of too many known secrets the oldest are forgotten", () => {
  for (let n = 0; n < 3000; n++) hideSecret(`known-value-number-${n}-`);
  expect(redactText("known-value-number-2999-")).toBe("[redacted]");
  expect(redactText("known-value-number-1-")).toBe("known-value-number-1-");
});

test("a number that is kept as it was written stays one", () => {
  const value = { big: JSON.rawJSON("12345678901234567890"), list: [JSON.rawJSON("1e400")] };
  expect(JSON.stringify(redact(value))).toBe('{"big":12345678901234567890,"list":[1e400]}');
});
