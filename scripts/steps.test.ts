import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { commandStep, runSteps } from "./steps.ts";

let printed: string[] = [];

beforeEach(() => {
  printed = [];
  vi.spyOn(console, "log").mockImplementation((line: string) => void printed.push(line));
});

afterEach(() => vi.restoreAllMocks());

const node = (program: string): string[] => [process.execPath, "-e", program];

test("adds up what passed and failed, and shows the output of what failed only", async () => {
  const counts = await runSteps([
    commandStep("good", node("console.log('all is well')")),
    commandStep("bad", node("console.log('this is wrong'); process.exit(3)")),
    {
      name: "tests",
      run: async () => ({ counts: { passed: 5, failed: 0, skipped: 2 }, output: "" }),
    },
  ]);
  expect(counts).toEqual({ passed: 6, failed: 1, skipped: 2 });
  expect(printed.join("\n")).toMatch(/^FAILED +bad /m);
  expect(printed.join("\n")).toContain("    this is wrong");
  expect(printed.join("\n")).not.toContain("all is well");
});

test("counts a program that cannot be started as failed", async () => {
  const counts = await runSteps([commandStep("none", ["/no/such/program"])]);
  expect(counts).toEqual({ passed: 0, failed: 1, skipped: 0 });
  expect(printed.join("\n")).toContain("ENOENT");
});
