import { chmodSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { isWorldReadable, keepPrivate } from "./private-folder.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "private-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const modeOf = (name: string): number => statSync(join(folder, name)).mode & 0o777;

function written(name: string, mode: number): string {
  writeFileSync(join(folder, name), "x");
  chmodSync(join(folder, name), mode);
  return name;
}

test("files that others can read are closed, and it is said", () => {
  const files = [written("open", 0o644), written("group", 0o640), written("closed", 0o600), "none"];
  const said = keepPrivate(folder, files);
  expect(said).toHaveLength(2);
  expect(said.join()).toMatch(/could read .*open.*could read .*group/);
  expect(["open", "group", "closed"].map(modeOf)).toEqual([0o600, 0o600, 0o600]);
  expect(keepPrivate(folder, files)).toEqual([]);
});

test("a folder that others can list is closed, but for who has to pass through it", () => {
  chmodSync(folder, 0o755);
  expect(keepPrivate(folder, []).join()).toContain("could list the folder");
  expect(modeOf(".")).toBe(process.geteuid?.() === 0 ? 0o711 : 0o700);
  chmodSync(folder, 0o1777);
  expect(keepPrivate(folder, [])).toEqual([]);
});

test("what a link leads to is left alone", () => {
  written("target", 0o644);
  symlinkSync(join(folder, "target"), join(folder, "link"));
  keepPrivate(folder, ["link"]);
  expect(modeOf("target")).toBe(0o644);
});

test("a file that everybody can read is told apart", () => {
  expect(isWorldReadable(join(folder, written("a", 0o644)))).toBe(true);
  expect(isWorldReadable(join(folder, written("b", 0o640)))).toBe(false);
  expect(isWorldReadable(join(folder, "none"))).toBe(false);
});
