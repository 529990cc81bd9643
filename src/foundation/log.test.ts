import { Buffer } from "node:buffer";
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { createLog, logOptions, silentLog } from "./log.ts";
import type { LogLevel } from "./log.ts";
import { SignalboxError } from "./errors.ts";

function capture(options: { level?: LogLevel; format?: "json" | "pretty"; debug?: string } = {}) {
  const lines: string[] = [];
  const log = createLog({
    level: options.level ?? "info",
    format: options.format ?? "json",
    debug: options.debug,
    destination: { write: (line) => lines.push(line) },
  });
  const last = (): unknown => JSON.parse(lines.at(-1) ?? "null");
  return { log, lines, last };
}

test("a line carries the fields operators search for", () => {
  const { log, lines, last } = capture();
  log.info(
    { method: "POST", path: "/mcp", statusCode: 200, duration: 3.2, ip: "127.0.0.1" },
    "Request processed",
  );
  expect(lines[0]?.endsWith("}\n")).toBe(true);
  expect(last()).toEqual({
    level: "info",
    timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    service: "mcp-gateway",
    method: "POST",
    path: "/mcp",
    statusCode: 200,
    duration: 3.2,
    ip: "127.0.0.1",
    message: "Request processed",
  });
});

test("lines below the level are not written", () => {
  const { log, lines } = capture({ level: "warn" });
  log.debug({}, "no");
  log.info({}, "no");
  log.warn({}, "yes");
  log.error({}, "yes");
  expect(lines).toHaveLength(2);
  expect([log.enabled("info"), log.enabled("warn")]).toEqual([false, true]);
});

test("children add their fields, and a later value of a field replaces the earlier one", () => {
  const { log, lines, last } = capture();
  const child = log.child({ area: "upstream", serverId: "a" }).child({ serverId: "b" });
  child.info({}, "one");
  expect(last()).toMatchObject({ area: "upstream", serverId: "b" });
  child.info({ serverId: "c" }, "two");
  expect(last()).toMatchObject({ area: "upstream", serverId: "c" });
  expect(lines.every((line) => line.split('"serverId"').length === 2)).toBe(true);
});

test("secrets are masked in fields, in bound fields and in the message", () => {
  const { log, lines } = capture();
  const secret = "Zq7mXw2KfLp9RtVb4NcY";
  log
    .child({ headers: { authorization: `Bearer ${secret}` } })
    .error(
      { url: `postgres://u:${secret}@h/d`, err: new SignalboxError("INTERNAL", `sbx_${secret}`) },
      `failed with password=${secret}`,
    );
  expect(lines.join("")).not.toContain(secret);
});

test("an error is written with its code, its stack and its cause", () => {
  const { log, last } = capture();
  const err = new SignalboxError("STORE_UNAVAILABLE", "Down.", {
    cause: new Error("ECONNREFUSED"),
  });
  log.error({ err }, "Cannot save");
  expect(last()).toMatchObject({
    err: {
      type: "SignalboxError",
      code: "STORE_UNAVAILABLE",
      message: "Down.",
      cause: { message: "ECONNREFUSED" },
    },
  });
});

test("neither line ends nor the names of the line's own fields can forge a line", () => {
  const { log, lines, last } = capture();
  log.info(
    { path: 'x"}\r\n{"level":"error"}', level: "error", message: "forged", service: "other" },
    "a\nb",
  );
  expect(lines).toHaveLength(1);
  expect(lines[0]?.indexOf("\n")).toBe((lines[0]?.length ?? 0) - 1);
  expect(last()).toMatchObject({
    level: "info",
    service: "mcp-gateway",
    message: "a\nb",
    field_level: "error",
  });
});

test("the pretty form keeps line ends and terminal commands out of the terminal", () => {
  const { log, lines } = capture({ format: "pretty" });
  log.info({ path: "a\nb\u001b[2J" }, "one\r\ntwo\u001b[31m\u009b");
  expect(lines).toHaveLength(1);
  for (const character of ["\r", "\n", "\u001b", "\u009b"]) {
    expect(lines[0]?.trimEnd()).not.toContain(character);
  }
  expect(lines[0]).toContain("INFO");
  expect(lines[0]).toContain(String.raw`one\r\ntwo`);
});

test.each<[string, boolean, boolean, boolean]>([
  ["mcp:*", true, true, true],
  ["mcp:upstream", false, true, false],
  ["express, mcp:up*", false, true, false],
  ["mcp:*,-mcp:upstream", true, false, true],
  ["*", true, true, true],
  ["other:*", false, false, false],
])(
  "DEBUG=%s turns debug lines on: main %s, upstream %s, gateway %s",
  (debug, main, upstream, gateway) => {
    const { log } = capture({ debug });
    expect(log.enabled("debug")).toBe(main);
    expect(log.child({ area: "upstream" }).child({ serverId: "x" }).enabled("debug")).toBe(
      upstream,
    );
    expect(log.child({ area: "gateway" }).enabled("debug")).toBe(gateway);
  },
);

test("the silent log is silent", () => {
  silentLog.child({ a: 1 }).error({}, "no");
  expect(silentLog.enabled("error")).toBe(false);
});

test("the options' defaults are info and json", () => {
  expect(logOptions.parse({})).toEqual({ level: "info", format: "json" });
});

const program = (body: string): string => `
  import { createLog } from ${JSON.stringify(fileURLToPath(new URL("log.ts", import.meta.url)))};
  const log = createLog({ level: "info", format: "json" });
  ${body}`;

async function run(body: string, read: boolean): Promise<{ code: number | null; out: string }> {
  const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", program(body)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const chunks: Buffer[] = [];
  if (read) child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  const code = await new Promise<number | null>((resolve) => {
    child.on(read ? "close" : "exit", resolve);
  });
  child.stdout.destroy();
  return { code, out: Buffer.concat(chunks).toString() };
}

test("every line written before process.exit arrives, once and in order", async () => {
  const { code, out } = await run(
    `for (let i = 0; i < 5000; i++) { log.info({ i }, "line"); if (i % 700 === 0) await new Promise(setImmediate); }
     process.exit(0);`,
    true,
  );
  expect(code).toBe(0);
  const numbers = out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line).i);
  expect(numbers).toEqual(Array.from({ length: 5000 }, (_, i) => i));
});

test("a reader that never reads holds up neither the program nor its exit", async () => {
  const { code } = await run(
    `for (let i = 0; i < 100000; i++) log.info({ i, pad: "x".repeat(100) }, "line");
     process.exit(0);`,
    false,
  );
  expect(code).toBe(0);
});
