import fc from "fast-check";
import { expect, test } from "vitest";
import {
  isOwnSecret,
  openlyReferring,
  referenceProblem,
  referencesIn,
  replaceReferences,
} from "./reference.ts";

const put = (text: string): string =>
  replaceReferences(text, ({ kind, name }) => `<${kind} ${name}>`);

test("references are replaced where they stand, and what is escaped is text", () => {
  expect(put("Bearer ${secret:token}")).toBe("Bearer <secret token>");
  expect(put("${env:A}${file:/run/b}-${secret:c.d-e_f}")).toBe(
    "<env A><file /run/b>-<secret c.d-e_f>",
  );
  expect(put("$${secret:token} costs $5 ${HOME}")).toBe("${secret:token} costs $5 ${HOME}");
  expect(put("${secret:open")).toBe("${secret:open");
  expect(referencesIn("x ${env:A} $${env:B}")).toEqual([
    { kind: "env", name: "A", text: "${env:A}" },
  ]);
});

test("what comes in the place of a reference is never read for references", () => {
  expect(replaceReferences("${secret:a}", () => "${secret:b} $$& $1")).toBe("${secret:b} $$& $1");
});

test("text without references stays as it is", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      fc.pre(!text.includes("${"));
      expect(put(text)).toBe(text);
      expect(referenceProblem(text, "value")).toBeUndefined();
    }),
  );
});

test.each<[string, string]>([
  ["${secrets:token}", "${secrets:token} is no reference"],
  ["${ENV:TOKEN}", "${ENV:TOKEN} is no reference"],
  ["${input:token}", "${input:token} is no reference"],
  ["${secret:}", "needs the name of a secret"],
  ["${secret:a b}", "needs the name of a secret"],
  ["${secret:../x}", "needs the name of a secret"],
  ["${env:A-B}", "needs the name of a variable"],
  ["${env:MCP_ENCRYPTION_KEY}", "holds a secret of the gateway itself"],
  ["${file:relative}", "needs an absolute path"],
  ["a ${secret:token", "${secret:token is not closed"],
])("%s is refused everywhere", (text, problem) => {
  expect(referenceProblem(text, "program")).toContain(problem);
  expect(referenceProblem(text, "value")).toContain(problem);
});

test("what a shell reads itself is left to it, where one may stand", () => {
  for (const text of ["${HOME}", "${HOME:-/root}", "${x:=1}", "${", "$HOME"])
    expect([text, referenceProblem(text, "program")]).toEqual([text, undefined]);
  expect(referenceProblem("${HOME}", "value")).toContain("$${ stands for the text itself");
  expect(referenceProblem("$${HOME}", "value")).toBeUndefined();
});

test("the gateway's own secrets are known by name, and stand in its own settings alone", () => {
  expect(referenceProblem("${env:JWT_SECRET}", "setting")).toBeUndefined();
  for (const name of [
    "MCP_ENCRYPTION_KEY",
    "mcp_encryption_key_previous",
    "SIGNALBOX_ADMIN_KEY",
    "SIGNALBOX_KEY",
    "DATABASE_URL",
    "REDIS_URL",
    "JWT_SECRET",
  ])
    expect([name, isOwnSecret(name)]).toEqual([name, true]);
  for (const name of ["GITHUB_TOKEN", "SIGNALBOX_HOME", "HOME", "DATABASE_URL_OF_OTHERS"])
    expect([name, isOwnSecret(name)]).toEqual([name, false]);
});

test("a reference may be shown, but not with a secret beside it", () => {
  for (const text of ["${secret:a}", "Bearer ${env:A}", "token ${file:/run/x}"])
    expect(openlyReferring(text)).toBe(text);
  for (const text of [
    "hunter2",
    "hunter2${env:A}",
    "Bearer abc ${env:A}",
    "$${env:A}",
    "${nope:a}",
  ])
    expect([text, openlyReferring(text)]).toEqual([text, undefined]);
});
