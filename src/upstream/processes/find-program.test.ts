import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { findProgram } from "./find-program.ts";

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), "signalbox-find-"));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  mkdirSync(join(made, "first/tool"), { recursive: true });
  mkdirSync(join(made, "second"));
  writeFileSync(join(made, "second/tool"), "#!/bin/sh\n");
  chmodSync(join(made, "second/tool"), 0o755);
  return made;
}

test("is the first on the path that is a program and no folder", async () => {
  const root = folder();
  const path = `${join(root, "none")}:${join(root, "first")}:${join(root, "second")}`;
  expect(await findProgram("tool", path, undefined)).toBe(join(root, "second/tool"));
});

test("with a slash is looked for from the working directory", async () => {
  const root = folder();
  expect(await findProgram("./second/tool", "", root)).toBe(join(root, "second/tool"));
});

test("that is nowhere, or a folder only, is told apart", async () => {
  const root = folder();
  await expect(findProgram("tool", join(root, "none"), root)).rejects.toMatchObject({
    code: "ENOENT",
  });
  await expect(findProgram("./first/tool", "", root)).rejects.toMatchObject({ code: "EACCES" });
});
