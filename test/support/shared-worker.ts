// Set-up of the unit project, whose test files share processes: each file leaves its process as it found it.
import { afterAll } from "vitest";

const signals = ["SIGINT", "SIGTERM", "SIGHUP", "uncaughtException", "unhandledRejection"];
const found = traces();

afterAll(() => {
  const left = traces();
  const changed = [...new Set([...found.keys(), ...left.keys()])].filter(
    (what) => found.get(what) !== left.get(what),
  );
  // By name only: a value of the environment may be a secret.
  if (changed.length > 0)
    throw new Error(`This file changes for the files after it: ${changed.join(", ")}`);
});

/** What a file could change that others meet in the same process. */
function traces(): Map<string, unknown> {
  return new Map<string, unknown>([
    ...Object.entries(process.env),
    ...signals.map((event): [string, number] => [event, process.listenerCount(event)]),
    ["process.cwd()", process.cwd()],
    ["fetch", globalThis.fetch],
  ]);
}
