import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { connect, clientKinds } from "../support/client.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { inRoot } from "../support/root.ts";
import { everythingOverStdio, startEverything, type TestServer } from "../support/servers.ts";
import { modernRequest, responseIn, send } from "../support/wire.ts";

const listTimeoutMs = 3_000;

const misbehaving = (mode: string): { command: string; args: string[] } => ({
  command: process.execPath,
  args: [inRoot("test/faults/misbehaving-stdio.ts"), mode],
});

let fine: TestServer;
let gateway: TestGateway;
let endpoint: string;

beforeAll(async () => {
  fine = await startEverything();
  gateway = await startGateway({
    settings: { limits: { list_timeout: listTimeoutMs } },
    servers: {
      fine: { url: fine.url },
      lines: everythingOverStdio(),
      hangs: misbehaving("hang"),
      crashes: misbehaving("crash"),
      babbles: misbehaving("babble"),
    },
    bundles: { healthy: { include: ["fine__*", "lines__*"] } },
  });
  endpoint = `${gateway.url}/mcp`;
}, 120_000);

afterAll(async () => {
  await gateway?.stop();
  await fine?.stop();
}, 60_000);

const missingSchema = z.array(
  z.looseObject({ server: z.string(), reason: z.string(), since: z.string() }),
);

const reasons: Record<string, readonly string[]> = {
  hangs: ["SERVER_TIMEOUT"],
  crashes: ["SERVER_CRASHED"],
  babbles: ["SERVER_TIMEOUT", "SERVER_GARBAGE"],
};

describe.each(clientKinds)("%s", (kind) => {
  test("lists the two that work and is told which three are missing and why", async () => {
    const client = await connect(kind, { url: endpoint, key: gateway.key });
    const names = (await client.tools()).map((tool) => tool.name);
    expect(names).toContain("fine__test_simple_text");
    expect(names).toContain("lines__test_simple_text");
    const missing = missingSchema.parse((await client.toolsMeta())["signalbox/missing"]);
    expect(missing.map(({ server }) => server).toSorted()).toEqual(["babbles", "crashes", "hangs"]);
    for (const { server, reason, since } of missing) {
      expect(reasons[server]).toContain(reason);
      expect(Date.parse(since)).toBeLessThanOrEqual(Date.now());
    }
    await client.close();
  }, 30_000);
});

test("once a server is known to be missing, a list does not wait for it again", async () => {
  await timed(listTools);
  expect(await timed(listTools)).toBeLessThan(listTimeoutMs);
});

test("calls of the two that work take as long with the other three as without them", async () => {
  const alone = await measure(`${endpoint}/healthy`);
  const among = await measure(endpoint);
  process.stdout.write(
    `\ncalls of a working server, milliseconds: alone p50 ${alone.p50} p99 ${alone.p99}, ` +
      `beside three broken ones p50 ${among.p50} p99 ${among.p99}\n`,
  );
  expect(among.failed).toBe(0);
  expect(among.p99).toBeLessThan(listTimeoutMs);
}, 60_000);

test("the HTTP API shows the same three with the same reasons", async () => {
  const { body } = await gateway.api("GET", "/api/servers");
  const text = JSON.stringify(body);
  for (const server of ["hangs", "crashes", "babbles"]) expect(text).toContain(server);
  for (const [server, codes] of Object.entries(reasons)) {
    const view = serversIn(body).find(({ name }) => name === server);
    expect(["error", "connecting"]).toContain(view?.status.state);
    expect(codes).toContain(view?.status.lastError?.code);
  }
});

test("a call of a missing server says that it is the server", async () => {
  const request = modernRequest(gateway.key, "tools/call", { name: "crashes__anything" });
  const { error } = responseIn(await send(endpoint, request));
  expect(error?.data).toMatchObject({ server: "crashes" });
});

const viewSchema = z.looseObject({
  name: z.string(),
  status: z.looseObject({
    state: z.string(),
    lastError: z.looseObject({ code: z.string() }).optional(),
  }),
});

function serversIn(body: unknown): z.infer<typeof viewSchema>[] {
  const list = z.union([z.array(viewSchema), z.looseObject({ servers: z.array(viewSchema) })]);
  const parsed = list.parse(body);
  return Array.isArray(parsed) ? parsed : parsed.servers;
}

async function listTools(): Promise<void> {
  const { result } = responseIn(await send(endpoint, modernRequest(gateway.key, "tools/list")));
  expect(result).toBeDefined();
}

async function timed(run: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  await run();
  return performance.now() - startedAt;
}

async function measure(url: string): Promise<{ p50: number; p99: number; failed: number }> {
  const durations: number[] = [];
  let failed = 0;
  for (let call = 0; call < 300; call += 1) {
    const name = call % 2 === 0 ? "fine__test_simple_text" : "lines__test_simple_text";
    const request = modernRequest(gateway.key, "tools/call", { name });
    durations.push(
      await timed(async () => {
        if (responseIn(await send(url, request)).result === undefined) failed += 1;
      }),
    );
  }
  const sorted = durations.toSorted((a, b) => a - b);
  const at = (share: number): number =>
    Math.round((sorted[Math.floor(300 * share)] ?? 0) * 10) / 10;
  return { p50: at(0.5), p99: at(0.99), failed };
}
