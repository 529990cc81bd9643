import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readSecretFile } from "./secret-file.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "secret-file-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function written(name: string, text: string, mode = 0o600): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

test("a private file is read, less the line end at its end", () => {
  expect(readSecretFile(written("a", "two\nlines\n"))).toEqual({ text: "two\nlines" });
  expect(readSecretFile(written("b", "windows\r\n", 0o640))).toEqual({ text: "windows" });
  expect(readSecretFile(written("c", " blanks stay ", 0o400))).toEqual({ text: " blanks stay " });
  symlinkSync(written("d", "behind a link"), join(folder, "link"));
  expect(readSecretFile(join(folder, "link"))).toEqual({ text: "behind a link" });
});

test("a file that others can read or write is not", () => {
  expect(readSecretFile(written("a", "x", 0o604))).toMatchObject({
    problem: expect.stringContaining("can be read by everyone"),
  });
  expect(readSecretFile(written("b", "x", 0o620))).toMatchObject({
    problem: expect.stringContaining("can be written by others"),
  });
});

test("what is no file, not there, empty or too large is not read", () => {
  expect(readSecretFile(folder)).toEqual({ problem: "is not a plain file" });
  execFileSync("mkfifo", ["-m", "600", join(folder, "pipe")]);
  expect(readSecretFile(join(folder, "pipe"))).toEqual({ problem: "is not a plain file" });
  expect(readSecretFile(join(folder, "none"))).toEqual({ problem: "does not exist" });
  expect(readSecretFile(written("empty", "\n"))).toEqual({ problem: "is empty" });
  expect(readSecretFile(written("large", "x".repeat(70_000)))).toMatchObject({
    problem: expect.stringContaining("is larger than"),
  });
});

test("nothing is read of the system's folders or of closed ones, also behind a link", () => {
  const refused = { problem: "may not be read from there" };
  expect(readSecretFile("/proc/self/environ")).toEqual(refused);
  mkdirSync(join(folder, "home"));
  writeFileSync(join(folder, "home", "admin.key"), "x", { mode: 0o600 });
  symlinkSync(join(folder, "home"), join(folder, "elsewhere"));
  const closed = [join(folder, "home")];
  for (const path of ["home/admin.key", "elsewhere/admin.key", "home/../home/admin.key"])
    expect([path, readSecretFile(join(folder, path), closed)]).toEqual([path, refused]);
  expect(readSecretFile(written("homely", "x"), closed)).toEqual({ text: "x" });
});
