import { mkdtemp, readFile, readdir, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { writePrivateFile } from "./private-file.ts";

test("only the owner can read it, whatever modes the file before had", async () => {
  const folder = await mkdtemp(join(tmpdir(), "signalbox-file-"));
  const path = join(folder, "key");
  await writeFile(path, "old", { mode: 0o666 });
  await writePrivateFile(path, "new");
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await readFile(path, "utf8")).toBe("new");
  expect(await readdir(folder)).toEqual(["key"]);
});

test("a link that stands there is replaced, and what it leads to stays as it is", async () => {
  const folder = await mkdtemp(join(tmpdir(), "signalbox-file-"));
  await writeFile(join(folder, "elsewhere"), "untouched");
  await symlink(join(folder, "elsewhere"), join(folder, "key"));
  await writePrivateFile(join(folder, "key"), "secret");
  expect(await readFile(join(folder, "elsewhere"), "utf8")).toBe("untouched");
  expect(await readFile(join(folder, "key"), "utf8")).toBe("secret");
});
