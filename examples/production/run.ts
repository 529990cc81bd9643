/**
 * Runs every demonstration, two at a time, and prints what each says when it has ended. The exit code is 1 when one of
 * them failed.
 *
 *   node examples/production/run.ts             all
 *   node examples/production/run.ts retry       those named
 */
import { fileURLToPath } from "node:url";
import { runNode, type Child } from "../../test/support/child.ts";

const all = [
  "load-balancing",
  "health",
  "connection-pool",
  "retry",
  "cache",
  "metrics",
  "graceful-shutdown",
];
/** Demonstrations at once: each starts a gateway with a database of its own. */
const AT_ONCE = 2;
/** One that has not ended by then is ended. */
const WITHIN_MS = 90_000;

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !all.includes(name));
if (unknown.length > 0) {
  say(`There is no demonstration ${unknown.join(", ")}; there are ${all.join(", ")}.`);
  process.exit(1);
}

const running = new Set<Child>();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    for (const child of running) child.process.kill("SIGTERM");
    process.exitCode = 1;
    waiting.length = 0;
  });
}

const startedMs = performance.now();
const waiting = wanted.length > 0 ? wanted : all;
const count = waiting.length;
const failed: string[] = [];
await Promise.all(Array.from({ length: AT_ONCE }, runNext));
const took = `${((performance.now() - startedMs) / 1000).toFixed(0)} s`;
say(`\n${count - failed.length} of ${count} demonstrations showed what they claim, in ${took}.`);
if (failed.length > 0) {
  say(`Failed: ${failed.join(", ")}.`);
  process.exitCode = 1;
}

async function runNext(): Promise<void> {
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
    if (!(await succeeds(name))) failed.push(name);
  }
}

async function succeeds(name: string): Promise<boolean> {
  const child = runNode([fileURLToPath(new URL(`${name}.ts`, import.meta.url))]);
  running.add(child);
  const timer = setTimeout(() => child.process.kill("SIGTERM"), WITHIN_MS);
  await child.closed;
  clearTimeout(timer);
  running.delete(child);
  process.stdout.write(child.stdout() + child.stderr());
  return child.process.exitCode === 0;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
