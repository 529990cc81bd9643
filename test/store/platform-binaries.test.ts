import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { z } from "zod";
import { temporaryHome } from "../../src/store/test-database.ts";
import { databaseUser } from "../../src/store/embedded/database-user.ts";
import { makeFolderFor } from "../../src/store/embedded/data-location.ts";
import { findBinaries, findNativeFolder } from "../../src/store/embedded/platform-binaries.ts";

const asRoot = process.getuid?.() === 0;
const user = databaseUser(undefined);

test("links that no install script made are made in place", async () => {
  await using home = await temporaryHome();
  const native = installBare(join(home.path, "package"));
  const binaries = findBinaries(user, () => expect.fail("nothing had to be copied"), native);
  expect(dirname(dirname(binaries.postgres))).toBe(native);
  expect(versionOf(binaries.postgres)).toContain("PostgreSQL");
});

test.runIf(asRoot)("a package that the database's user cannot reach is copied, once", async () => {
  await using home = await temporaryHome();
  const closed = join(home.path, "closed");
  mkdirSync(closed, { mode: 0o700 });
  const native = installBare(join(closed, "package"));
  const folder = join(home.path, "database");
  makeFolderFor(user, folder);
  const first = findBinaries(user, () => folder, native);
  expect(first.postgres.startsWith(folder)).toBe(true);
  expect(versionOf(first.postgres, user)).toContain("PostgreSQL");
  const { birthtimeMs } = statSync(first.postgres);
  expect(statSync(findBinaries(user, () => folder, native).postgres).birthtimeMs).toBe(birthtimeMs);
});

test("programs that lost their permission to run are copied with it", async () => {
  await using home = await temporaryHome();
  const native = installBare(join(home.path, "package"));
  chmodSync(join(native, "bin", "postgres"), 0o644);
  const folder = join(home.path, "database");
  makeFolderFor(user, folder);
  const { postgres } = findBinaries(user, () => folder, native);
  expect(versionOf(postgres, user)).toContain("PostgreSQL");
});

test("a system without a package is told what to do", () => {
  expect(() => findNativeFolder("sunos", "sparc")).toThrowError(
    expect.objectContaining({
      code: "STORE_PLATFORM",
      message: expect.stringMatching(/sunos on sparc.*DATABASE_URL/u),
    }),
  );
});

test("programs made for another system are told apart from a broken start", async () => {
  await using home = await temporaryHome();
  const native = installBare(join(home.path, "package"));
  writeFileSync(join(native, "bin", "postgres"), "#!/the/loader/of/another/system\n");
  const folder = join(home.path, "database");
  makeFolderFor(user, folder);
  expect(() => findBinaries(user, () => folder, native)).toThrowError(
    expect.objectContaining({ code: "STORE_PLATFORM" }),
  );
  expect(readdirSync(folder)).toEqual([]);
});

/** A copy of the installed package as it is before its install script ran; its `native` folder. */
function installBare(folder: string): string {
  const installed = dirname(findNativeFolder());
  cpSync(installed, folder, { recursive: true, verbatimSymlinks: true });
  chmodSync(folder, 0o755);
  const links = z
    .array(z.object({ target: z.string() }))
    .parse(JSON.parse(readFileSync(join(folder, "native", "pg-symlinks.json"), "utf8")));
  for (const { target } of links) {
    const link = join(folder, target);
    if (lstatSync(link, { throwIfNoEntry: false })?.isSymbolicLink() === true) rmSync(link);
  }
  return join(folder, "native");
}

function versionOf(postgres: string, identity?: { uid: number; gid: number }): string {
  const { uid, gid } = identity ?? {};
  const options = uid === undefined || gid === undefined ? {} : { uid, gid };
  return spawnSync(postgres, ["--version"], { ...options, cwd: "/", encoding: "utf8" }).stdout;
}
