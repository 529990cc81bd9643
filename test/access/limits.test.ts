// Two gateways as processes of their own on one database, and ten thousand calls.
import { randomBytes } from "node:crypto";
import { Agent, request } from "node:http";
import { expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { openTestDatabase } from "../../src/store/test-database.ts";
import { startGateway, type GatewaySetup, type TestGateway } from "../support/gateway.ts";
import { until } from "../support/until.ts";

const ADMIN = `sbx_${randomBytes(32).toString("base64url")}`;
const HOUR_MS = 3_600_000;

type Start = (settings?: Record<string, unknown>, home?: string) => Promise<TestGateway>;

/** Starts gateways on one new database; both end with the test. */
async function onOneDatabase(shared: Record<string, unknown>): Promise<Start> {
  const database = await openTestDatabase();
  const running = new Set<TestGateway>();
  onTestFinished(async () => {
    await Promise.all([...running].map((gateway) => gateway.kill()));
    await database[Symbol.asyncDispose]();
  });
  return async (settings = {}, home) => {
    const setup: GatewaySetup = {
      settings: { ...shared, ...settings },
      env: { DATABASE_URL: database.url, SIGNALBOX_ADMIN_KEY: ADMIN },
      ...(home !== undefined && { home }),
    };
    const gateway = await startGateway(setup);
    running.add(gateway);
    return gateway;
  };
}

const created = z.object({ key: z.string(), record: z.object({ id: z.string() }) });

async function callerKey(gateway: TestGateway): Promise<{ key: string; id: string }> {
  const { body } = await gateway.api("POST", "/api/keys", { name: "caller", role: "caller" });
  const { key, record } = created.parse(body);
  return { key, id: record.id };
}

const BODY = JSON.stringify({
  jsonrpc: "2.0",
  id: 1,
  method: "tools/call",
  params: {
    name: "signalbox__list_servers",
    arguments: {},
    _meta: {
      "io.modelcontextprotocol/protocolVersion": "2026-07-28",
      "io.modelcontextprotocol/clientInfo": { name: "tests", version: "1" },
      "io.modelcontextprotocol/clientCapabilities": {},
    },
  },
});

const agent = new Agent({ keepAlive: true, maxSockets: 16 });

function callOnce(gateway: TestGateway, key: string): Promise<number> {
  const headers = {
    "content-type": "application/json",
    accept: "application/json, text/event-stream",
    "mcp-protocol-version": "2026-07-28",
    "mcp-method": "tools/call",
    "mcp-name": "signalbox__list_servers",
    authorization: `Bearer ${key}`,
  };
  return new Promise((resolve, reject) => {
    const outgoing = request(`${gateway.url}/mcp`, { method: "POST", agent, headers }, (answer) => {
      answer.resume();
      answer.on("end", () => resolve(answer.statusCode ?? 0));
      answer.on("error", reject);
    });
    outgoing.on("error", reject);
    outgoing.end(BODY);
  });
}

/** So many calls, spread over the gateways, sixteen at a time; how many were admitted. Nothing but 200 and 429 may come. */
async function callOften(
  gateways: readonly TestGateway[],
  key: string,
  times: number,
): Promise<number> {
  let left = times;
  let admitted = 0;
  const work = async (worker: number): Promise<void> => {
    for (let n = worker; left-- > 0; n++) {
      const gateway = gateways[n % gateways.length];
      if (gateway === undefined) return;
      const status = await callOnce(gateway, key);
      expect([200, 429]).toContain(status);
      if (status === 200) admitted++;
    }
  };
  await Promise.all(Array.from({ length: 16 }, (_, worker) => work(worker)));
  return admitted;
}

/** Calls until so many were admitted. On a busy machine more may come at once than a gateway may admit ahead. */
async function admit(gateways: readonly TestGateway[], key: string, wanted: number): Promise<void> {
  let admitted = 0;
  await until(`${wanted} calls are admitted`, async () => {
    admitted += await callOften(gateways, key, Math.min(100, wanted - admitted));
    return admitted >= wanted;
  });
}

/** The other gateways have read a new key when it is let in. */
async function knows(gateway: TestGateway, key: string): Promise<void> {
  await until("the key is known", async () => {
    const answer = await fetch(`${gateway.url}/api/limits`, {
      headers: { authorization: `Bearer ${key}` },
    });
    await answer.body?.cancel();
    return answer.status === 200;
  });
}

const usageShape = z.object({
  usage: z.array(z.object({ subject: z.string(), period: z.string(), used: z.number() })),
});

async function usedBy(gateway: TestGateway, id: string): Promise<number> {
  const { body } = await gateway.api("GET", "/api/usage/quotas");
  const { usage } = usageShape.parse(body);
  return usage.find(({ subject }) => subject === `principal:${id}`)?.used ?? 0;
}

test("ten thousand calls to two gateways pass a rate limit by no more than a lease each", async () => {
  const max = 1_000;
  const start = await onOneDatabase({ rate_limit: { max, window: HOUR_MS } });
  const gateways = [await start(), await start()];
  const [one, other] = gateways;
  if (one === undefined || other === undefined) throw new Error("no gateways");
  const { key, id } = await callerKey(one);
  await knows(other, key);
  await until("both are counted", async () => {
    const { body } = await one.api("GET", "/api/limits");
    const { counting } = z.looseObject({ counting: z.looseObject({}) }).parse(body);
    expect(counting).toMatchObject({ store: "postgres", up: true, lease: 0.2 });
    return counting["gateways"] === 2;
  });
  const admitted = await callOften(gateways, key, 10_000);
  expect(admitted).toBeGreaterThanOrEqual(max);
  expect(admitted).toBeLessThanOrEqual(max + 2 * 0.2 * max);
  const { body } = await one.api("GET", `/api/limits?key=${id}`);
  expect(body).toMatchObject({ rate: { max, windowMs: HOUR_MS, remaining: 0 } });
  // What two gateways have counted a third one knows as soon as it has told its first.
  const third = await start();
  expect(await callOften([third], key, 250)).toBeLessThanOrEqual(0.2 * max);
});

test("ten thousand calls to two gateways pass a quota by no more than a lease each, and a restart finds it used", async () => {
  const quota = 4_000;
  const lease = 0.05 * quota;
  const start = await onOneDatabase({ quotas: { month: quota } });
  const [one, other] = [await start(), await start()];
  const { key, id } = await callerKey(one);
  await knows(other, key);
  const admitted = await callOften([one, other], key, 10_000);
  expect(admitted).toBeGreaterThanOrEqual(quota);
  expect(admitted).toBeLessThanOrEqual(quota + 2 * lease);
  await one.stop({ keepHome: true });
  await other.stop({ keepHome: true });
  const again = await start({}, one.home);
  expect(await usedBy(again, id)).toBe(admitted);
  expect(await callOften([again], key, 200)).toBeLessThanOrEqual(lease);
});

test("a quota holds over two gateways, a restart, and a crash", async () => {
  const quota = 2_000;
  const lease = 0.05 * quota;
  const start = await onOneDatabase({ quotas: { month: quota } });
  const one = await start();
  const other = await start();
  const { key, id } = await callerKey(one);
  await knows(other, key);
  await admit([one, other], key, 600);
  await one.stop({ keepHome: true });
  await other.stop({ keepHome: true });

  const again = await start({}, one.home);
  expect(await usedBy(again, id)).toBe(600);
  await admit([again], key, 400);
  await until("all calls are counted", async () => (await usedBy(again, id)) >= 1_000);
  await again.kill();

  const last = await start();
  const counted = await usedBy(last, id);
  expect(counted).toBeGreaterThanOrEqual(1_000);
  expect(counted).toBeLessThanOrEqual(1_000 + lease);
  const rest = await callOften([last], key, 2_000);
  expect(rest).toBeLessThanOrEqual(quota - counted + lease);
  expect(rest).toBeGreaterThanOrEqual(quota - counted);
  const { body } = await last.api("GET", `/api/limits?key=${id}`);
  expect(body).toMatchObject({ quotas: [{ subject: `principal:${id}`, quota, remaining: 0 }] });
});

test("a key's own limits hold in every gateway soon after they are set", async () => {
  const start = await onOneDatabase({});
  const one = await start();
  const other = await start();
  const { key, id } = await callerKey(one);
  await knows(other, key);
  const set = await one.api("PUT", `/api/keys/${id}/limits`, {
    rate: { max: 5, windowMs: HOUR_MS },
  });
  expect(set).toMatchObject({ status: 200, body: { key: id } });
  await until("the other has read it", async () => {
    const { body } = await other.api("GET", `/api/limits?key=${id}`);
    return (
      z.looseObject({ rate: z.looseObject({ max: z.number() }).optional() }).parse(body).rate
        ?.max === 5
    );
  });
  expect(await callOften([other], key, 20)).toBe(5);
  expect(await one.api("PUT", `/api/keys/nobody/limits`, {})).toMatchObject({ status: 404 });
});
