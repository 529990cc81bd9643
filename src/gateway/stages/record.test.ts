import { expect, test } from "vitest";
import { defineTool } from "@signalbox/kit";
import { z } from "zod";
import { silentLog, systemClock, type Log } from "../../foundation/index.ts";
import { builtin, modern, runGateway, serviceOf } from "../running-gateway.ts";

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

test("a call leaves one record: whose, what, how it ended, how long it took and how large it was", async () => {
  const before = systemClock.now();
  await using running = await runGateway({ servers: [builtin(serviceOf("one", "a"))] });
  const params = { name: "one__a", arguments: { q: 1 } };
  await (
    await modern(`${running.url}/mcp`, "tools/call", params, { meta: { traceparent } })
  ).whole();
  const [call, ...others] = running.calls;
  expect(others).toEqual([]);
  expect(call).toMatchObject({
    principalId: "anonymous",
    method: "tools/call",
    server: "one",
    tool: "a",
    publicName: "one__a",
    outcome: "ok",
    era: "modern",
    traceId: "0af7651916cd43dd8448eb211c80319c",
    arguments: { q: 1 },
  });
  expect(call).not.toHaveProperty("errorCode");
  expect(call).not.toHaveProperty("bundle");
  expect(call?.id).toBe(call?.requestId);
  expect(call?.requestBytes).toBeGreaterThan(100);
  expect(call?.responseBytes).toBeGreaterThan(50);
  expect(call?.at).toBeGreaterThanOrEqual(Math.floor(before));
  const { durationMs = 0, upstreamMs = 0, ownMs = 0 } = call ?? {};
  expect(upstreamMs + ownMs).toBeCloseTo(durationMs);
});

test("a call that failed is also a line in the log, without its arguments", async () => {
  const lines: unknown[] = [];
  const log: Log = {
    ...silentLog,
    info: (fields, message) => lines.push([message, fields]),
    child: () => log,
  };
  const failing = defineTool({
    name: "fails",
    description: "Fails.",
    input: z.looseObject({}),
    handler: () => new Promise<string>(() => {}),
  });
  const servers = [{ ...builtin(serviceOf("one", failing)), options: { timeout: 20 } }];
  await using running = await runGateway({ servers }, { log });
  const params = { name: "one__fails", arguments: { secret: "word" } };
  const answer = await (await modern(`${running.url}/mcp`, "tools/call", params)).whole();
  expect(answer.error["data"]).toMatchObject({ code: "SERVER_TIMEOUT", server: "one" });
  expect(running.calls).toMatchObject([{ outcome: "unknown", errorCode: "SERVER_TIMEOUT" }]);
  const said = lines.filter((line) => JSON.stringify(line).includes("Call ended"));
  expect(said).toMatchObject([
    ["Call ended with unknown", { serverId: "one", code: "SERVER_TIMEOUT" }],
  ]);
  expect(JSON.stringify(said)).not.toContain("word");
});
