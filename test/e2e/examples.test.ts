import { expect, test } from "vitest";
import { runNode } from "../support/child.ts";
import { inRoot } from "../support/root.ts";

test("every demonstration of examples/production shows what it claims", async () => {
  const run = runNode([inRoot("examples/production/run.ts")]);
  await run.closed;
  process.stdout.write(run.stdout());
  const ending = { exitCode: run.process.exitCode, failed: failedFacts(run.stdout()) };
  expect(ending).toEqual({ exitCode: 0, failed: [] });
}, 120_000);

function failedFacts(output: string): string[] {
  return output.split("\n").filter((line) => line.trimStart().startsWith("FAILED"));
}
