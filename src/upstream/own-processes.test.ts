// Local processes that not everyone shares: what one caller's process does to it says nothing of the others'.
import { expect, test } from "vitest";
import { systemClock } from "../foundation/index.ts";
import { deliver, upstream } from "./fake-call.ts";
import { plainProcess } from "./processes/process-options.ts";
import { Processes } from "./processes/processes.ts";
import type { UpstreamServer } from "./upstream-server.ts";

const program = `
const answer = (id, result) => process.stdout.write(JSON.stringify({ jsonrpc: "2.0", id, result }) + "\\n");
require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, method, params = {} } = JSON.parse(line);
  if (method === "initialize")
    answer(id, { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: "own", version: "1" } });
  else if (method === "tools/call" && params.name === "end") process.exit(4);
  else if (id !== undefined) answer(id, { content: [] });
});`;

const MINUTE_MS = 60_000;

async function started(
  processesMax = 32,
  lanesMax = 32,
): Promise<{ server: UpstreamServer; processes: Processes }> {
  const processes = new Processes(systemClock);
  const server = upstream(
    {
      command: process.execPath,
      args: ["-e", program],
      protocol_era: "legacy",
      process: { ...plainProcess, mode: "principal", processes_max: processesMax },
      connection_pool: { reconnect_backoff: MINUTE_MS, max_reconnect_backoff: MINUTE_MS },
      retry_policy: { max_attempts: 1 },
      circuit_breaker: { enabled: false },
    },
    { name: "own", processes, options: { lanesMax } },
  );
  await server.lane({ kind: "shared" }, AbortSignal.timeout(10_000));
  return { server, processes };
}

test("that there are too many processes is no reason to refuse the next caller once there is room", async () => {
  const { server, processes } = await started(2);
  const [link] = server.links;
  expect((await deliver(server, { principal: "ada" })).error).toBeUndefined();
  expect((await deliver(server, { principal: "bob" })).error).toMatchObject({
    code: "PROCESS_LIMIT",
    details: { outcome: "not_executed" },
  });
  expect(server.status().lastError).toBeUndefined();
  link?.releaseOnce("ada");
  await expect.poll(() => processes.count("own")).toBe(1);
  expect((await deliver(server, { principal: "bob" })).error).toBeUndefined();
});

test("a server may have more processes than others where its own options say so", async () => {
  const { server } = await started(4, 2);
  for (const principal of ["ada", "bob", "eve"])
    expect((await deliver(server, { principal })).error).toBeUndefined();
  expect((await deliver(server, { principal: "dan" })).error?.code).toBe("PROCESS_LIMIT");
});

test("a caller whose calls end its process again and again stops itself, and nobody else", async () => {
  const { server } = await started();
  const end = { principal: "ada", tool: "end" };
  for (let count = 0; count < 5; count++)
    expect((await deliver(server, end)).error?.code).toBe("SERVER_CRASHED");
  expect((await deliver(server, end)).error).toMatchObject({
    code: "SERVER_CRASH_LOOP",
    details: { outcome: "not_executed", retryAfterMs: expect.any(Number) },
  });
  expect((await deliver(server, { principal: "bob" })).error).toBeUndefined();
  expect((await deliver(server, { principal: "eve" })).error).toBeUndefined();
  expect(server.crashLoop).toMatchObject({ looping: false });
  expect(server.status().state).toBe("connected");
});
