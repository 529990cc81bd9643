// The files of a control group stand in a plain folder here: what the kernel does with them is not shown.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { Cgroup } from "./cgroup.ts";

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), "signalbox-cgroup-"));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** What the kernel does when a folder is made among control groups. */
function kernel(files: Record<string, string>): (path: string) => void {
  return (path) => {
    mkdirSync(path);
    for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  };
}

const v2 = {
  "memory.max": "max",
  "memory.swap.max": "max",
  "memory.oom.group": "0",
  "memory.events": "oom 0\noom_kill 0\n",
};
const v1 = { "memory.limit_in_bytes": "-1", "memory.oom_control": "under_oom 0\noom_kill 0\n" };

test("limits memory and swap of all together, as version 2 has it", () => {
  const parent = folder();
  writeFileSync(join(parent, "cgroup.subtree_control"), "");
  const group = Cgroup.create(parent, "p", 64_000_000, kernel(v2));
  const read = (name: string) => readFileSync(join(parent, "p", name), "utf8");
  expect(read("memory.max")).toBe("64000000");
  expect(read("memory.swap.max")).toBe("0");
  expect(read("memory.oom.group")).toBe("1");
  expect(readFileSync(join(parent, "cgroup.subtree_control"), "utf8")).toBe("+memory");
  expect(group.membersFile).toBe(join(parent, "p", "cgroup.procs"));
});

test.each([
  ["memory.events", v2, "oom 1\noom_kill 1\noom_group_kill 1\n"],
  ["memory.oom_control", v1, "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"],
])("knows from %s whether the kernel killed for memory", (name, files, after) => {
  const parent = folder();
  const group = Cgroup.create(parent, "p", 1, kernel(files));
  expect(group.ranOut).toBe(false);
  writeFileSync(join(parent, "p", name), after);
  expect(group.ranOut).toBe(true);
});

test("is refused where the folder is no control group, and leaves nothing behind", () => {
  const parent = folder();
  expect(() => Cgroup.create(parent, "p", 1)).toThrow("has no control over memory");
  expect(existsSync(join(parent, "p"))).toBe(false);
});
