import { spawn } from "node:child_process";
import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { until } from "../../../test/support/until.ts";
import { processFacts } from "./process-facts.ts";
import { familyOf, type ProcessRow } from "./process-table.ts";

const linux = process.platform === "linux";

describe.skipIf(!linux)("the facts of a process", () => {
  test("count its children and theirs", async () => {
    const child = spawn("/bin/sh", ["-c", "sh -c 'sleep 600 & wait' & wait"], {
      detached: true,
      stdio: "ignore",
    });
    const pid = child.pid ?? 0;
    onTestFinished(() => void process.kill(-pid, "SIGKILL"));
    const facts = await until("all are there", () => {
      const found = processFacts(pid);
      return found?.children === 2 && found;
    });
    expect(facts.residentBytes).toBeGreaterThan(facts.ownBytes);
    expect(facts.openFiles).toBeGreaterThanOrEqual(9);
    expect(facts.cpuSeconds).toBeGreaterThanOrEqual(0);
  });

  test("say of this process what Node says of it", () => {
    const facts = processFacts(process.pid);
    const { rss } = process.memoryUsage();
    expect(facts?.residentBytes).toBeGreaterThan(rss / 2);
    expect(facts?.startedAt).toBeLessThanOrEqual(Date.now());
    expect(facts?.cpuSeconds).toBeGreaterThan(0);
  });

  test("are none where it is gone", async () => {
    const child = spawn("true", { stdio: "ignore" });
    await new Promise((resolve) => child.once("exit", resolve));
    expect(processFacts(child.pid ?? 0)).toBeUndefined();
  });
});

test("are none where there is no table of processes", () => {
  expect(processFacts(1, [])).toBeUndefined();
});

test("a family is whoever descends from the first or is of its group, in whatever order they stand", () => {
  const row = (pid: number, parent: number, group: number): ProcessRow => ({
    pid,
    parent,
    group,
    cpuSeconds: 0,
    startedAfterSeconds: 0,
  });
  // 20 left the group of its parent, 5 lost its parent but not its group, 9 is a stranger.
  const rows = [row(10, 1, 10), row(3, 10, 10), row(20, 3, 20), row(5, 1, 10), row(9, 1, 9)];
  fc.assert(
    fc.property(fc.shuffledSubarray(rows, { minLength: rows.length }), (table) => {
      const pids = familyOf(10, table).map(({ pid }) => pid);
      expect(pids.toSorted((a, b) => a - b)).toEqual([3, 5, 10, 20]);
    }),
  );
});
