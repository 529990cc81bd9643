import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { connect, type ConnectedClient } from "../support/client.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { residentBytes } from "../support/processes.ts";
import { inRoot } from "../support/root.ts";
import { startEverything, type TestServer } from "../support/servers.ts";
import {
  legacyRequest,
  modernRequest,
  openSession,
  responseIn,
  send,
  type WireAnswer,
} from "../support/wire.ts";
import { MisbehavingHttp } from "./misbehaving-http.ts";

const mebibyte = 1024 * 1024;

let neighbour: TestServer;
let modern: MisbehavingHttp;
let legacy: MisbehavingHttp;
let gateway: TestGateway;
let endpoint: string;

beforeAll(async () => {
  neighbour = await startEverything();
  modern = new MisbehavingHttp("modern");
  legacy = new MisbehavingHttp("legacy");
  const limits = { timeout: "2s", response_bytes_max: 8 * mebibyte };
  gateway = await startGateway({
    servers: {
      neighbour: { url: neighbour.url },
      modern: { url: await modern.listen(), ...limits },
      legacy: { url: await legacy.listen(), ...limits },
      lines: {
        command: process.execPath,
        args: [inRoot("test/faults/misbehaving-stdio.ts")],
        ...limits,
      },
    },
  });
  endpoint = `${gateway.url}/mcp`;
}, 120_000);

afterAll(async () => {
  await modern?.close();
  await legacy?.close();
  await neighbour?.stop();
  await gateway?.stop();
}, 60_000);

// What the caller may get: the text of a result, or the code of a failure that names the server.
const overHttp: readonly (readonly [string, readonly string[]])[] = [
  ["good", ["good"]],
  ["garbage", ["SERVER_GARBAGE"]],
  ["html", ["SERVER_GARBAGE"]],
  ["empty", ["SERVER_GARBAGE"]],
  ["no-object", ["SERVER_GARBAGE"]],
  ["never", ["SERVER_TIMEOUT"]],
  ["twice", ["first"]],
  ["stranger", ["SERVER_GARBAGE"]],
  ["stranger-first", ["own"]],
  ["hang-up", ["SERVER_CLOSED", "SERVER_UNREACHABLE"]],
  ["status-500", ["SERVER_REFUSED", "SERVER_UNREACHABLE", "SERVER_GARBAGE"]],
];

const overStdio: readonly (readonly [string, readonly string[]])[] = [
  ["good", ["good"]],
  ["garbage-first", ["own"]],
  ["never", ["SERVER_TIMEOUT"]],
  ["twice", ["first"]],
  ["stranger", ["own"]],
  ["no-object", ["SERVER_GARBAGE"]],
  ["exit", ["SERVER_CRASHED", "SERVER_CLOSED"]],
];

const cases = [
  ...["modern", "legacy"].flatMap((server) => overHttp.map((one) => [server, ...one] as const)),
  ...overStdio.map((one) => ["lines", ...one] as const),
];

describe.each(["modern", "legacy"] as const)("for a %s client", (era) => {
  test.each(cases)(
    "%s, %s",
    async (server, tool, expected) => {
      const answer = await call(era, `${server}__${tool}`);
      expect(answer.status).toBe(200);
      expect(expected).toContain(outcomeOf(answer, server));
      await expectServed(era, server);
    },
    20_000,
  );

  test.each([
    ["modern", "huge"],
    ["modern", "huge-event"],
    ["legacy", "huge"],
    ["legacy", "huge-event"],
    ["lines", "huge"],
  ])(
    "%s, %s: a gigabyte is cut off without being held in memory",
    async (server, tool) => {
      const before = await residentBytes(gateway.child.pid);
      const answer = await call(era, `${server}__${tool}`);
      expect(["SERVER_TOO_LARGE", "broken off"]).toContain(outcomeOf(answer, server));
      expect(answer.text.length).toBeLessThan(16 * mebibyte);
      expect((await residentBytes(gateway.child.pid)) - before).toBeLessThan(256 * mebibyte);
      await expectServed(era, server);
    },
    60_000,
  );
});

test("every failure is counted under its server", async () => {
  const metrics = await (await fetch(gateway.metricsUrl)).text();
  for (const server of ["modern", "legacy", "lines"])
    expect(metrics).toMatch(
      new RegExp(
        `mcp_tool_executions_total\\{[^}]*server_id="${server}"[^}]*status="error"[^}]*\\}`,
      ),
    );
});

test("a client of the official SDK reads the failure", async () => {
  const client: ConnectedClient = await connect("client 2.4.0, modern", {
    url: endpoint,
    key: gateway.key,
  });
  await expect(client.call("modern__garbage")).rejects.toMatchObject({ code: -32603 });
  await client.close();
});

async function call(era: "modern" | "legacy", name: string): Promise<WireAnswer> {
  const params = { name, arguments: {} };
  const request =
    era === "modern"
      ? modernRequest(gateway.key, "tools/call", params)
      : legacyRequest(await openSession(endpoint, gateway.key), "tools/call", params);
  return await send(endpoint, request);
}

function outcomeOf(answer: WireAnswer, server: string): string {
  if (answer.broken) return "broken off";
  const { result, error } = responseIn(answer);
  if (result) return contentSchema.parse(result).content[0]?.text ?? "";
  const { code, data, message } = error ?? { code: 0, message: "" };
  if (code !== -32603 || data?.["server"] !== server || !message.includes(server))
    return `not of ${server}: ${answer.text}`;
  return String(data["code"]);
}

const contentSchema = z.object({ content: z.array(z.object({ text: z.string() })) });

// After the misdeed the neighbour is served, and so is the same server's decent tool, once it is back.
async function expectServed(era: "modern" | "legacy", server: string): Promise<void> {
  const next = responseIn(await call(era, "neighbour__test_simple_text"));
  expect(next.result).toBeDefined();
  await expect
    .poll(async () => outcomeOf(await call(era, `${server}__good`), server), { timeout: 15_000 })
    .toBe("good");
}
