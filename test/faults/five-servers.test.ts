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
let working: Record<string, Record<string, unknown>>;
let gateway: TestGateway;
let endpoint: string;

beforeAll(async () => {
  fine = await startEverything();
  working = { fine: { url: fine.url }, lines: everythingOverStdio() };
  gateway = await startGateway({
    settings: { limits: { list_timeout: listTimeoutMs } },
    servers: {
      ...working,
      hangs: misbehaving("hang"),
      crashes: misbehaving("crash"),
      babbles: misbehaving("babble"),
    },
  });
  endpoint = `${gateway.url}/mcp`;
}, 120_000);

afterAll(async () => {
  await fine?.stop();
  await gateway?.stop();
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

test("calls of the two that work all end while one of the server that hangs still waits", async () => {
  const fresh = await startGateway({
    settings: { limits: { list_timeout: 60_000, call_timeout: 60_000 } },
    servers: { ...working, hangs: misbehaving("hang") },
  });
  const ended: string[] = [];
  const waiting = send(
    `${fresh.url}/mcp`,
    modernRequest(fresh.key, "tools/call", { name: "hangs__anything" }),
  ).then(
    () => ended.push("hangs"),
    () => ended.push("hangs"),
  );
  const durations: number[] = [];
  for (let call = 0; call < 100; call += 1) {
    const name = call % 2 === 0 ? "fine__test_simple_text" : "lines__test_simple_text";
    durations.push(await timed(() => callOnce(fresh, name)));
  }
  expect(ended).toEqual([]);
  await fresh.stop();
  await waiting;
  process.stdout.write(`\ncalls beside one that hangs, milliseconds: ${figures(durations)}\n`);
}, 120_000);

test("the HTTP API shows the same three with the same reasons", async () => {
  const { body } = await gateway.api("GET", "/api/servers");
  const text = JSON.stringify(body);
  for (const server of ["hangs", "crashes", "babbles"]) expect(text).toContain(server);
  for (const [server, codes] of Object.entries(reasons)) {
    const view = serversIn(body).find(({ name }) => name === server);
    expect(["error", "connecting"]).toContain(view?.status.state);
    expect(codes).toContain(view?.missing?.reason);
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
  }),
  missing: z.looseObject({ reason: z.string() }).optional(),
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

async function callOnce(target: TestGateway, name: string): Promise<void> {
  const request = modernRequest(target.key, "tools/call", { name });
  const { result } = responseIn(await send(`${target.url}/mcp`, request));
  if (result === undefined) throw new Error(`${name} was not answered`);
}

function figures(durations: readonly number[]): string {
  const sorted = durations.toSorted((a, b) => a - b);
  const at = (share: number): string => (sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(1);
  return `p50 ${at(0.5)} p99 ${at(0.99)}`;
}
