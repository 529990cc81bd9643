import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { loadConfig, printConfig } from "../config.ts";
import { isDuration } from "../foundation/index.ts";
import { schemaAt } from "./schema-node.ts";

interface Printed {
  readonly text: string;
  readonly lines: readonly string[];
}

function printed(toml: string): Printed {
  const cwd = mkdtempSync(join(tmpdir(), "config-"));
  onTestFinished(() => rmSync(cwd, { recursive: true }));
  writeFileSync(join(cwd, "signalbox.toml"), toml);
  const text = printConfig(loadConfig({ argv: [], env: {}, cwd, terminal: false }));
  return { text, lines: text.trim().split("\n") };
}

test("durations are printed with their unit, also those that must lie within bounds", () => {
  const { lines } = printed("[circuit_breaker]\nopen_for = 90000\n");
  expect(lines).toContain('circuit_breaker.open_for = "90s"');
  expect(lines).toContain('bulkhead.queue_timeout = "10s"');
  expect(lines).toContain('connection_pool.health_check_interval = "30s"');
});

test("a server's own durations are printed with their unit, also where a word may stand instead", () => {
  const { lines } = printed(`
[servers.a]
command = "tool"
process = { idle_timeout = 300000, cpu_max = "2m" }
[servers.a.retry_policy]
base_delay = 250
tools = { "slow_*" = { timeout = 1500 } }
[servers.b]
command = "tool"
process = { idle_timeout = "never" }
`);
  for (const line of [
    'servers.a.process.idle_timeout = "5m"',
    'servers.a.process.cpu_max = "2m"',
    'servers.a.retry_policy.base_delay = "250ms"',
    'servers.a.retry_policy.tools."slow_*".timeout = "1500ms"',
    'servers.b.process.idle_timeout = "never"',
  ])
    expect(lines).toContain(line);
});

test("numbers that are no durations stay numbers", () => {
  const { lines } = printed("");
  expect(lines).toContain("circuit_breaker.failures = 5");
  expect(lines).toContain("connection_pool.max_connections = 512");
  expect(lines).toContain("retry_policy.budget.share = 0.2");
});

test("no default that is a duration is printed without its unit", () => {
  const durations = printed("").lines.flatMap((line) => {
    const [path = "", value = ""] = line.split(" = ");
    const schema = schemaAt(path.split("."));
    return schema !== undefined && isDuration(schema) ? [[path, value]] : [];
  });
  expect(durations.length).toBeGreaterThan(20);
  for (const [path, value] of durations)
    expect([path, value]).toEqual([path, expect.stringMatching(/^"\d+(ms|s|m|h|d)"$/)]);
});

test("what is printed of the guards sets the same again", () => {
  const { text } = printed('[circuit_breaker]\nopen_for = "1500ms"\n[bulkhead]\nqueue = 7\n');
  expect(printed(text).text).toBe(text);
});
