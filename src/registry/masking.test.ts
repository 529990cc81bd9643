import fc from "fast-check";
import { expect, test } from "vitest";
import { serverOptions } from "../gateway/index.ts";
import { maskServer, unmaskServer } from "./masking.ts";

const stored = serverOptions.parse({
  url: "https://mcp.example.com/mcp?api_key=hunter22",
  headers: { Authorization: "Bearer abcdefgh", "X-Team": "blue" },
  endpoints: [{ url: "https://two.example.com/mcp", headers: { Authorization: "Bearer second" } }],
});
const local = serverOptions.parse({
  command: "npx",
  args: ["-y", "pkg", "--token", "tok-12345678", "--api-key=qwertyuiop"],
  env: { GITHUB_TOKEN: "ghp_secret", LOG: "1" },
});

test("no secret is in what is shown, and names stay readable", () => {
  const shown = JSON.stringify([maskServer(stored), maskServer(local)]);
  for (const secret of [
    "hunter22",
    "abcdefgh",
    "second",
    "tok-12345678",
    "qwertyuiop",
    "ghp_secret",
  ])
    expect(shown).not.toContain(secret);
  for (const name of ["Authorization", "GITHUB_TOKEN", "api_key", "--token", "pkg"])
    expect(shown).toContain(name);
});

test("what is sent back as it was shown keeps everything", () => {
  expect(unmaskServer(maskServer(stored), stored)).toEqual(stored);
  expect(unmaskServer(maskServer(local), local)).toEqual(local);
});

test("any headers and environment come back whole", () => {
  const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9_]{0,20}$/);
  const value = fc.stringMatching(/^[ -~]{0,40}$/);
  fc.assert(
    fc.property(fc.dictionary(name, value), (values) => {
      const withHeaders = { url: "https://a.example/mcp", headers: values };
      const withEnv = { command: "x", env: values };
      expect(unmaskServer(maskServer(withHeaders), withHeaders)).toEqual(withHeaders);
      expect(unmaskServer(maskServer(withEnv), withEnv)).toEqual(withEnv);
    }),
  );
});

test("single values are replaced, the others kept", () => {
  const edited = {
    ...maskServer(stored),
    headers: { Authorization: "Bearer new", "X-Team": "***" },
  };
  expect(unmaskServer(edited, stored).headers).toEqual({
    Authorization: "Bearer new",
    "X-Team": "blue",
  });
});

test("kept secrets do not follow to another address or program", () => {
  const moved = { ...maskServer(stored), url: "https://evil.example/mcp" };
  expect(() => unmaskServer(moved, stored)).toThrow(/headers/);
  const endpoint = { url: "https://evil.example/mcp", headers: { Authorization: "***" } };
  expect(() => unmaskServer({ ...maskServer(stored), endpoints: [endpoint] }, stored)).toThrow(
    /endpoints.0.headers/,
  );
  expect(() => unmaskServer({ ...maskServer(local), command: "evil" }, local)).toThrow(/env/);
});

test("a mask with nothing behind it is refused, inherited names included", () => {
  const edited = (headers: Record<string, string>): object => ({ ...maskServer(stored), headers });
  expect(() => unmaskServer(edited({ New: "***" }), stored)).toThrow(/New/);
  expect(() => unmaskServer(edited({ constructor: "***" }), stored)).toThrow(/constructor/);
  const args = [...(maskServer(local).args ?? [])].toReversed();
  expect(() => unmaskServer({ ...maskServer(local), args }, local)).toThrow(/args/);
});

test("secrets that every endpoint receives are not kept for one that is new", () => {
  const headers = { Authorization: "***", "X-Team": "blue" };
  const foreign = { url: "https://evil.example/mcp" };
  const [own] = maskServer(stored).endpoints ?? [];
  for (const endpoints of [[foreign], [own ?? foreign, foreign]])
    expect(() => unmaskServer({ ...maskServer(stored), headers, endpoints }, stored)).toThrow(
      "Send the secret of headers again",
    );
  const elsewhere = { endpoints: [{ url: "https://one.example/mcp" }], headers: { A: "secret" } };
  expect(() => unmaskServer({ endpoints: [foreign], headers: { A: "***" } }, elsewhere)).toThrow(
    "Send the secret of headers again",
  );
  const fewer = { ...maskServer(stored), headers };
  delete fewer.endpoints;
  expect(unmaskServer(fewer, stored).headers?.["Authorization"]).toBe("Bearer abcdefgh");
});

test("the secret and key of an OAuth client are masked, and kept only for the issuer they were given for", () => {
  const oauth = {
    issuer: "https://login.example.com",
    client_id: "gateway",
    client_secret: "hunter22",
  };
  const whole = serverOptions.parse({ url: "https://mcp.example.com/mcp", oauth });
  const shown = maskServer(whole);
  expect(JSON.stringify(shown)).not.toContain("hunter22");
  expect(shown.oauth).toMatchObject({ client_id: "gateway", client_secret: "***" });
  expect(unmaskServer(shown, whole)).toEqual(whole);
  const moved = { ...shown, oauth: { ...shown.oauth, issuer: "https://evil.example.com" } };
  expect(() => unmaskServer(moved, whole)).toThrow(/oauth.client_secret/);
  const anew = { ...moved, oauth: { ...moved.oauth, client_secret: "another" } };
  expect(unmaskServer(anew, whole).oauth).toMatchObject({ client_secret: "another" });
});

test("arguments of a container are masked, and kept where they are sent back masked", () => {
  const contained = serverOptions.parse({
    command: "node",
    process: {
      runner: "container",
      container: { image: "x", args: ["--env", "API_TOKEN=abc", "--rm"] },
    },
  });
  const shown = maskServer(contained);
  expect(JSON.stringify(shown)).not.toContain("abc");
  expect(shown.process?.container?.args).toEqual(["--env", "API_TOKEN=[redacted]", "--rm"]);
  expect(unmaskServer(shown, contained)).toEqual(contained);
  const moved = structuredClone(shown);
  if (moved.process?.container !== undefined) moved.process.container.image = "evil";
  expect(() => unmaskServer(moved, contained)).toThrow("process.container.args.1");
});
