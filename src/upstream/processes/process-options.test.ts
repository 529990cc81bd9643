import { expect, test } from "vitest";
import { idleTimeoutOf, plainProcess, processModeOf, processOptions } from "./process-options.ts";

test("says nothing where nothing was said", () => {
  expect(plainProcess).toEqual({ runner: "none" });
});

test("reads sizes and durations", () => {
  expect(
    processOptions.parse({
      mode: "principal",
      memory_max: "512MB",
      cpu_max: "1m",
      idle_timeout: "5m",
      start_timeout: "10s",
      open_files_max: 256,
    }),
  ).toMatchObject({
    memory_max: 512_000_000,
    cpu_max: 60_000,
    idle_timeout: 300_000,
    start_timeout: 10_000,
  });
});

test.each([
  [{ mode: "each" }, 'mode must be "shared", "principal", "session" or "call"'],
  [{ memory_max: "1MB" }, "memory_max must be at least 16MiB"],
  [{ cpu_max: "10ms" }, "cpu_max must be at least 1s"],
  [{ open_files_max: 3 }, "open_files_max must be at least 32"],
  [{ processes_max: 0 }, "processes_max must be at least 1"],
  [{ runner: "container" }, 'runner = "container" needs container.image'],
  [{ container: { image: "alpine" } }, 'container goes with runner = "container"'],
  [{ bubblewrap: {} }, 'bubblewrap goes with runner = "bubblewrap"'],
  [
    { runner: "container", container: { image: "--privileged" } },
    "an image's name does not start with a hyphen",
  ],
  [{ runner: "bubblewrap", bubblewrap: { writable: ["data"] } }, "must be an absolute path"],
])("refuses %j", (options, message) => {
  const { error } = processOptions.safeParse(options);
  expect(error?.issues.map((issue) => issue.message)).toEqual([message]);
});

test("shares a process, but not where the client can be asked for something", () => {
  expect(processModeOf(plainProcess, false)).toBe("shared");
  expect(processModeOf(plainProcess, true)).toBe("session");
  expect(processModeOf({ ...plainProcess, mode: "shared" }, true)).toBe("shared");
});

test("ends unused processes after ten minutes, shared ones never, others as told", () => {
  expect(idleTimeoutOf(plainProcess, "shared")).toBeUndefined();
  expect(idleTimeoutOf(plainProcess, "principal")).toBe(600_000);
  expect(idleTimeoutOf({ ...plainProcess, idle_timeout: "never" }, "session")).toBeUndefined();
  expect(idleTimeoutOf({ ...plainProcess, idle_timeout: 5 }, "shared")).toBe(5);
});
