import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { ProcessLimits } from "./limits.ts";
import { processOptions } from "./process-options.ts";

const linux = process.platform === "linux";

test("start the program itself where none are asked for", () => {
  const limits = new ProcessLimits(processOptions.parse({}), undefined);
  const program = { command: "/bin/echo", args: ["a b", "$HOME"] };
  expect(limits.heldBy).toEqual({});
  expect(limits.around(program)).toBe(program);
});

test("pass arguments on as they are, whatever they hold", () => {
  const limits = new ProcessLimits(processOptions.parse({ open_files_max: 64 }), undefined);
  const words = ["", "a b", "$HOME", "`id`", "'\"\\", "-n", "a=b", "ä\n"];
  const program = "process.stdout.write(JSON.stringify(process.argv.slice(1)))";
  const { command, args } = limits.around({
    command: process.execPath,
    args: ["-e", program, "--", ...words],
  });
  expect(JSON.parse(spawnSync(command, args).stdout.toString())).toEqual(words);
});

test("that the machine refuses keep the program from starting", () => {
  // Above what any Linux or macOS grants, and any user.
  const limits = new ProcessLimits({ runner: "none", open_files_max: 2 ** 40 }, undefined);
  const { command, args } = limits.around({ command: "/bin/echo", args: ["started"] });
  const { status, stdout, stderr } = spawnSync(command, args);
  expect(status).not.toBe(0);
  expect(stdout.toString()).toBe("");
  expect(stderr.toString()).toContain("ulimit");
});

describe.skipIf(!linux)("a control group", () => {
  test("has the program as its member before that runs, and tells whether it ran out of memory", () => {
    const folder = mkdtempSync(join(tmpdir(), "signalbox-limits-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const make = (path: string) => {
      mkdirSync(path);
      writeFileSync(join(path, "memory.max"), "max");
      writeFileSync(join(path, "memory.events"), "oom_kill 0\n");
    };
    const options = processOptions.parse({ memory_max: "64MB" });
    const limits = new ProcessLimits(options, folder, make);
    expect(limits.heldBy).toEqual({ memory: "cgroup" });
    const { command, args } = limits.around({ command: "/bin/sh", args: ["-c", "echo $$"] });
    const [name = ""] = readdirSync(folder);
    const said = spawnSync(command, args).stdout.toString();
    expect(readFileSync(join(folder, name, "cgroup.procs"), "utf8")).toBe(said);
    expect(limits.ended(1, null, "SIGKILL")).toBeUndefined();
    writeFileSync(join(folder, name, "memory.events"), "oom_kill 1\n");
    expect(limits.ended(1, null, "SIGKILL")).toEqual({
      reason: "memory",
      what: "was killed: it needed more memory than its memory_max of 64 MB",
    });
  });
});

test("of a container are held by its engine, whose codes tell of them", () => {
  const options = processOptions.parse({
    runner: "container",
    memory_max: "64MB",
    cpu_max: "2s",
    open_files_max: 64,
    container: { image: "alpine" },
  });
  const limits = new ProcessLimits(options, "/never/looked/at");
  expect(limits.heldBy).toEqual({ memory: "container", cpu: "container", openFiles: "container" });
  expect(limits.needShell).toBe(false);
  expect(limits.ended(0, 137, null)?.reason).toBe("memory");
  expect(limits.ended(0, 152, null)?.reason).toBe("cpu");
  expect(limits.ended(0, 1, null)).toBeUndefined();
});
