import fc from "fast-check";
import { expect, test } from "vitest";
import { bearerChallenge, scopesOf } from "./challenge.ts";
import { wantedScopes } from "./scopes.ts";

test.each([
  [undefined, undefined],
  ["Basic realm=x", undefined],
  ["Bearer", { scopes: [] }],
  ['Bearer scope="a b a"', { scopes: ["a", "b"] }],
  [
    'Bearer error="insufficient_scope", scope="files:write", resource_metadata="https://s.example/.well-known/x"',
    {
      error: "insufficient_scope",
      scopes: ["files:write"],
      resourceMetadata: "https://s.example/.well-known/x",
    },
  ],
  ['Basic realm="Bearer scope=\\"no\\"", bearer scope=one', { scopes: ["one"] }],
  [
    'DPoP error="use_dpop_nonce", Bearer scope="x", error="invalid_token"',
    { error: "invalid_token", scopes: ["x"] },
  ],
  ['Bearer scope="first", Bearer scope="second"', { scopes: ["first"] }],
  ['Bearer SCOPE = "a"', { scopes: ["a"] }],
])("%j says %j", (header, expected) => {
  expect(bearerChallenge(header)).toEqual(expected);
});

test("a header never makes it fail or take long", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 500 }), (text) => {
      bearerChallenge(`Bearer ${text}`);
      bearerChallenge(`Bearer scope="${text}`);
    }),
  );
  expect(bearerChallenge(`Bearer scope="${"a".repeat(10_000)}"`)).toBeUndefined();
});

test("scopes are tokens, each once, and not without end", () => {
  expect(scopesOf('a b  a "quoted" c\\d')).toEqual(["a", "b"]);
  expect(scopesOf(Array.from({ length: 500 }, (_, n) => `s${n}`).join(" "))).toHaveLength(100);
});

const none = {
  challenged: [],
  configured: undefined,
  supported: undefined,
  before: [],
  ofAuthorizationServer: undefined,
};

test("the challenge decides which scopes are asked for, else the operator, else the server's list", () => {
  expect(wantedScopes({ ...none, challenged: ["c"], supported: ["s"] })).toEqual(["c"]);
  expect(wantedScopes({ ...none, supported: ["s", "t"] })).toEqual(["s", "t"]);
  expect(wantedScopes({ ...none, configured: ["o"], supported: ["s"] })).toEqual(["o"]);
  expect(wantedScopes({ ...none, configured: ["o"], challenged: ["c"] })).toEqual(["o", "c"]);
  expect(wantedScopes(none)).toEqual([]);
});

test("a step up keeps what was asked for before, and offline_access is asked for only where it is known", () => {
  expect(wantedScopes({ ...none, before: ["a"], challenged: ["b"] })).toEqual(["a", "b"]);
  const offline = { ofAuthorizationServer: ["offline_access"] };
  expect(wantedScopes({ ...none, challenged: ["a"], ...offline })).toEqual(["a", "offline_access"]);
  expect(wantedScopes({ ...none, ...offline })).toEqual([]);
});
