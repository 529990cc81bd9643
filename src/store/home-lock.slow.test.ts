import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { lockHome } from "./home-lock.ts";
import { temporaryHome } from "./test-database.ts";

test("a home is locked once, whatever path leads to it", async () => {
  await using home = await temporaryHome();
  const path = join(home.path, "a home");
  const first = lockHome(path);
  await symlink(path, join(home.path, "alias"));
  for (const again of [path, join(home.path, "alias")]) {
    expect(() => lockHome(again)).toThrowError(
      expect.objectContaining({
        code: "HOME_LOCKED",
        message: expect.stringContaining(`process id ${process.pid}`),
        details: expect.objectContaining({ pid: process.pid }),
      }),
    );
  }
  first.release();
  first.release();
  lockHome(path).release();
});

test("the refusal names the address of the gateway that runs there, and not that of an earlier one", async () => {
  await using home = await temporaryHome();
  const lock = lockHome(home.path);
  const tell = (pid: number): Promise<void> =>
    writeFile(
      join(home.path, "gateway.json"),
      JSON.stringify({ pid, url: "http://127.0.0.1:8100" }),
    );
  await tell(process.pid);
  expect(() => lockHome(home.path)).toThrow(/answers at http:\/\/127\.0\.0\.1:8100/u);
  await tell(process.pid + 1);
  expect(() => lockHome(home.path)).toThrow(/process id \d+\. Stop it/u);
  lock.release();
});

test("another process is refused, and kill -9 of the holder frees the home at once", async () => {
  await using home = await temporaryHome();
  const script = `
    import { lockHome } from ${JSON.stringify(join(import.meta.dirname, "home-lock.ts"))};
    lockHome(process.argv[1]);
    console.log("locked");
    setInterval(() => undefined, 1000);`;
  const holder = spawn(process.execPath, ["--input-type=module", "-e", script, home.path], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(holder.stdout, "data");
  expect(() => lockHome(home.path)).toThrowError(
    expect.objectContaining({
      code: "HOME_LOCKED",
      details: expect.objectContaining({ pid: holder.pid }),
    }),
  );
  holder.kill("SIGKILL");
  await once(holder, "exit");
  lockHome(home.path).release();
});

test.skipIf(process.platform === "win32")(
  "nobody else can put files into a home, except where each may only change their own",
  async () => {
    await using home = await temporaryHome();
    const modeAfter = async (before: number): Promise<number> => {
      const path = join(home.path, before.toString(8));
      await mkdir(path);
      await chmod(path, before);
      lockHome(path).release();
      return (await stat(path)).mode & 0o7777;
    };
    expect(await modeAfter(0o777)).toBe(0o775);
    expect(await modeAfter(0o1777)).toBe(0o1777);
    expect(await modeAfter(0o750)).toBe(0o750);
  },
);
