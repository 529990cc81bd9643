import { expect, test } from "vitest";
import { cookieNamed, needsHttps, setCookie } from "./cookies.ts";
import { formToken, isFormToken } from "./form-token.ts";
import { refuseOtherSites, requireOwnPage, requireSameOrigin } from "./same-site.ts";

const HOST = "gateway.example.com";
const PUBLIC = "https://mcp.example.com";
const own = { host: HOST, "x-signalbox-request": "1" };

test("reading needs nothing, since no other site sees the answer", () => {
  for (const method of ["GET", "HEAD"])
    expect(() => requireOwnPage(method, { "sec-fetch-site": "cross-site" }, PUBLIC)).not.toThrow();
});

test.each([
  [{ ...own, origin: `https://${HOST}` }],
  [{ ...own, origin: PUBLIC }],
  [{ ...own, "sec-fetch-site": "same-origin" }],
  [{ ...own, "sec-fetch-site": "same-origin", origin: `https://${HOST}` }],
])("a change by a page of the gateway is taken: %j", (headers) => {
  for (const method of ["POST", "PUT", "DELETE"])
    expect(() => requireOwnPage(method, headers, PUBLIC)).not.toThrow();
});

test.each([
  [own],
  [{ ...own, origin: "https://other.example" }],
  [{ ...own, origin: `https://${HOST}:8443` }],
  [{ ...own, origin: `https://${HOST}.other.example` }],
  [{ ...own, origin: "null" }],
  [{ ...own, origin: "not an address" }],
  [{ ...own, "sec-fetch-site": "same-site", origin: `https://${HOST}` }],
  [{ ...own, "sec-fetch-site": "none" }],
  [{ host: HOST, origin: `https://${HOST}` }],
  [{ ...own, origin: `https://${HOST}`, "x-signalbox-request": ["1", "1"] }],
])("any other is refused: %j", (headers) => {
  expect(() => requireOwnPage("POST", headers, PUBLIC)).toThrow(/another site/);
});

test("a program that is no browser says nothing and may sign in, but sends no form", () => {
  expect(() => refuseOtherSites({ host: HOST }, PUBLIC)).not.toThrow();
  expect(() => requireSameOrigin({ host: HOST }, PUBLIC)).toThrow(/neither/);
});

test("the token of a form follows from the secret of its browser, and from no other", () => {
  const token = formToken("a secret");
  expect(isFormToken(token, "a secret")).toBe(true);
  for (const [given, secret] of [
    [token, "another"],
    [token, undefined],
    [formToken(""), ""],
    ["", "a secret"],
    ["a secret", "a secret"],
  ] as const)
    expect([given, secret, isFormToken(given, secret)]).toEqual([given, secret, false]);
});

test("cookies go over https alone, but on the machine itself", () => {
  for (const [host, publicUrl, https] of [
    ["127.0.0.1:8100", "http://127.0.0.1:8100", false],
    ["localhost", "http://127.0.0.1:8100", false],
    ["[::1]:8100", "http://127.0.0.1:8100", false],
    ["127.0.0.1:8100", PUBLIC, true],
    ["10.0.0.7:8100", "http://10.0.0.7:8100", true],
    ["localhost.other.example", "http://127.0.0.1:8100", true],
    [undefined, "http://127.0.0.1:8100", true],
  ] as const)
    expect([host, needsHttps(host, publicUrl)]).toEqual([host, https]);
  expect(setCookie("a", "b", { secure: true, maxAgeMs: 1500 })).toBe(
    "__Host-a=b; Path=/; Max-Age=1; HttpOnly; SameSite=Lax; Secure",
  );
});

test("a cookie is found among others by its whole name", () => {
  const header = "xa=1; a=2; ab=3; a=4";
  expect(cookieNamed(header, "a")).toBe("2");
  expect(cookieNamed(header, "b")).toBeUndefined();
  expect(cookieNamed(undefined, "a")).toBeUndefined();
});
