import { spawn } from "node:child_process";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { until } from "../../../test/support/until.ts";
import { MemoryWatch } from "./memory-watch.ts";

const MiB = 1024 ** 2;

function startHungry(megabytes: number): number {
  const program = `const kept=Buffer.alloc(${megabytes}*2**20,1);setInterval(()=>kept.length,1000)`;
  const { pid = 0 } = spawn(process.execPath, ["-e", program], { detached: true, stdio: "ignore" });
  onTestFinished(() => void process.kill(-pid, "SIGKILL"));
  return pid;
}

describe.skipIf(process.platform !== "linux")("the watch of memory", () => {
  test("tells once of each process that uses more than it may, and of no other", async () => {
    const watch = new MemoryWatch(20);
    const over = vi.fn<(bytes: number) => void>();
    const other = vi.fn<(bytes: number) => void>();
    const hungry = startHungry(150);
    const modest = startHungry(1);
    onTestFinished(() => [hungry, modest].forEach((pid) => watch.forget(pid)));
    watch.watch(hungry, 128 * MiB, over);
    watch.watch(modest, 128 * MiB, other);
    await until("it is seen", () => over.mock.calls.length > 0);
    expect(over.mock.calls[0]?.[0]).toBeGreaterThan(128 * MiB);
    expect(other).not.toHaveBeenCalled();
    // Several looks later it is still told once.
    const later = vi.fn<(bytes: number) => void>();
    watch.watch(startHungry(150), 128 * MiB, later);
    await until("the second is seen", () => later.mock.calls.length > 0);
    expect(over).toHaveBeenCalledTimes(1);
  });

  test("takes a process that is gone for one that uses nothing", async () => {
    const watch = new MemoryWatch(20);
    const over = vi.fn<(bytes: number) => void>();
    const child = spawn("true", { stdio: "ignore" });
    await new Promise((resolve) => child.once("exit", resolve));
    watch.watch(child.pid ?? 0, 1, over);
    const seen = vi.fn<(bytes: number) => void>();
    watch.watch(startHungry(1), 1, seen);
    await until("the living one is seen", () => seen.mock.calls.length > 0);
    expect(over).not.toHaveBeenCalled();
    watch.forget(child.pid ?? 0);
  });
});
