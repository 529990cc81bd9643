// What networks do to bytes, endpoints that go silent, credentials that expire, endpoints that come and go: each against the
// invariants, for every seed.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { until } from "../support/until.ts";
import { modernRequest, send } from "../support/wire.ts";
import { FaultProxy, type Faults } from "./fault-proxy.ts";
import type { Operation } from "./history.ts";
import { Ledger } from "./ledger.ts";
import { LedgerServer } from "./ledger-server.ts";
import {
  durationsOf,
  runScenario,
  seeds,
  writeSummary,
  type Figures,
  type ScenarioRun,
} from "./scenario-run.ts";

const scenarioMs = 60_000;
const recoveryMs = 20_000;
/** Long enough that a slow machine makes some calls meanwhile, short enough that what is ejected comes back in time. */
const ejectionTime = "12s";
/** A call is begun so long before it counts as begun while the endpoint was ejected. */
const marginMs = 1_000;
const soon = {
  circuit_breaker: { open_for: "1s" },
  connection_pool: { reconnect_backoff: "200ms", max_reconnect_backoff: "1s" },
};

afterAll(async () => await writeSummary("network-faults"));

describe("bytes on a bad line", () => {
  const open = new AsyncDisposableStack();
  const ledger = new Ledger();
  const proxies = new Map<string, FaultProxy>();
  let gateway: TestGateway;

  beforeAll(async () => {
    const quiet = open.use(await LedgerServer.start({ name: "quiet", ledger }));
    for (const era of ["modern", "legacy"] as const)
      for (const seed of seeds) {
        const name = `${era}${seed}`;
        const server = open.use(await LedgerServer.start({ name, era, ledger }));
        proxies.set(name, open.use(await FaultProxy.start(server.port, { seed })));
      }
    gateway = await startGateway({
      servers: {
        quiet: { url: quiet.url },
        ...Object.fromEntries(
          [...proxies].map(([name, { port }]) => [
            name,
            {
              url: `http://127.0.0.1:${port}/mcp`,
              timeout: "2s",
              retry_policy: { preset: "quick" },
              ...soon,
            },
          ]),
        ),
      },
    });
    open.defer(async () => await gateway.stop());
  }, 120_000);

  afterAll(async () => await open.disposeAsync(), 60_000);

  const cases = seeds.flatMap((seed) => ["modern", "legacy"].map((era) => ({ seed, era })));
  const proxyOf = (name: string): FaultProxy => {
    const proxy = proxies.get(name);
    if (proxy === undefined) throw new Error(`there is no server ${name}`);
    return proxy;
  };

  const slices: Faults = { slice: { bytes: 7, pauseMs: 1 }, jitterMs: 2 };

  test.each(cases)(
    "$era server, seed $seed: requests and answers that come in small pieces come whole",
    async ({ seed, era }) => {
      const name = `${era}${seed}`;
      const violations = await runScenario(`slices, ${era}`, seed, gateway, {
        ledger: () => ledger.entries,
        act: async (run) => {
          await run.recovers(name, recoveryMs);
          proxyOf(name).setBoth(slices);
          for (const tool of ["write", "read", "put"] as const) {
            const { id, ending } = await run.calls.call(name, tool, { answerBytes: 900 });
            expect(ending).toMatchObject({ kind: "ok" });
            expect(ledger.executions(id)).toBe(1);
          }
          await proxyOf(name).heal();
          return {};
        },
      });
      expect(violations).toEqual([]);
    },
    scenarioMs,
  );

  test.each(cases)(
    "$era server, seed $seed: an answer that is closed half-way is no answer: a read is sent again, a write's outcome is unknown",
    async ({ seed, era }) => {
      const name = `${era}${seed}`;
      const violations = await runScenario(`FS-16 half-close, ${era}`, seed, gateway, {
        ledger: () => ledger.entries,
        act: async (run) => {
          await run.recovers(name, recoveryMs);
          const executions: Record<string, number> = {};
          for (const tool of ["read", "write"] as const) {
            const afterBytes = 400 + Math.floor(run.random() * 1_000);
            proxyOf(name).set("answer", { cut: { how: "half-close", afterBytes, times: 1 } });
            const { id, ending } = await run.calls.call(name, tool, { answerBytes: 2_000 });
            proxyOf(name).set("answer", {});
            executions[tool] = ledger.executions(id);
            expect(ending).toMatchObject(
              tool === "read" ? { kind: "ok" } : { kind: "fail", outcome: "unknown" },
            );
            await run.recovers(name, recoveryMs, tool);
          }
          expect(executions).toEqual({ read: 2, write: 1 });
          return { executions };
        },
      });
      expect(violations).toEqual([]);
    },
    scenarioMs,
  );

  // What a wrong bit makes of a text nobody can know, so the calls over the bad line are no operations of the history: it is
  // the others, and the recovery, that are held against the invariants.
  test.each(cases)(
    "$era server, seed $seed: wrong bits harm no other server, and the server comes back when they end",
    async ({ seed, era }) => {
      const name = `${era}${seed}`;
      const violations = await runScenario(`corruption, ${era}`, seed, gateway, {
        ledger: () => ledger.entries,
        act: async (run) => {
          await run.recovers(name, recoveryMs);
          proxyOf(name).set("answer", { corruptEveryBytes: 40 });
          let over = false;
          const corrupted = callUnrecorded(gateway, `${name}__read`, 20).finally(() => {
            over = true;
          });
          await run.load({ servers: ["quiet"], workers: 2, enough: () => over });
          const answered = await corrupted;
          const own = run.history.operations.filter(({ server }) => server === "quiet");
          expect(own.filter(({ endings }) => endings[0]?.kind !== "ok")).toEqual([]);
          await proxyOf(name).heal();
          await run.recovers(name, recoveryMs);
          return { answered, quiet: durationsOf(run.history.operations, ["quiet"]) };
        },
      });
      expect(violations).toEqual([]);
    },
    scenarioMs,
  );
});

describe("a server with three endpoints", () => {
  const open = new AsyncDisposableStack();
  const ledger = new Ledger();
  const proxies: FaultProxy[] = [];
  const servers: LedgerServer[] = [];
  let gateway: TestGateway;

  const replicas = (ports: readonly number[]): Record<string, Record<string, unknown>> => ({
    replicas: {
      endpoints: ports.map((port) => ({ url: `http://127.0.0.1:${port}/mcp` })),
      load_balancer: {
        strategy: "least_connections",
        ejection_failures: 2,
        ejection_time: ejectionTime,
        ejection_time_max: ejectionTime,
        slow_start: "1s",
      },
      retry_policy: { preset: "quick" },
      timeout: "5s",
      ...soon,
    },
  });

  beforeAll(async () => {
    for (const name of ["first", "second", "third"]) {
      const server = open.use(await LedgerServer.start({ name, ledger }));
      servers.push(server);
      proxies.push(open.use(await FaultProxy.start(server.port)));
    }
    gateway = await startGateway({ servers: replicas(proxies.map(({ port }) => port)) });
    open.defer(async () => await gateway.stop());
  }, 120_000);

  afterAll(async () => await open.disposeAsync(), 60_000);

  test.each(seeds)(
    "seed %i: one that goes silent takes no further calls, and is used again when it speaks",
    async (seed) => {
      const violations = await runScenario("one of three blackholed", seed, gateway, {
        ledger: () => ledger.entries,
        act: silence,
        proxies,
      });
      expect(violations).toEqual([]);
    },
    2 * scenarioMs,
  );

  async function silence(run: ScenarioRun): Promise<Figures> {
    await run.recovers("replicas", recoveryMs);
    const silent = Math.floor(run.random() * proxies.length);
    const later = await elsewhere(run, silent).finally(async () => await proxies[silent]?.heal());
    const name = ["first", "second", "third"][silent];
    await until(
      "it has a share again",
      async () => {
        const from = ledger.entries.length;
        const enough = run.calls.count + 30;
        await run.load({
          servers: ["replicas"],
          workers: 4,
          enough: () => run.calls.count >= enough,
          tools: ["read"],
        });
        return ledger.entries.slice(from).some(({ server }) => server === name);
      },
      recoveryMs,
    );
    return { silent, later: durationsOf(later, ["replicas"]) };
  }

  // Calls that went into the silence time out, until the endpoint is ejected for it or its connection is lost; those that
  // follow go elsewhere, for as long as that lasts.
  async function elsewhere(run: ScenarioRun, silent: number): Promise<readonly Operation[]> {
    const id = `127.0.0.1:${proxies[silent]?.port}`;
    proxies[silent]?.setBoth({ blackhole: "swallow" });
    let ejectedUntil: number | undefined;
    const enough = (): boolean => ejectedUntil !== undefined;
    const load = (async () => {
      while (!enough())
        await run.load({ servers: ["replicas"], workers: 4, enough, tools: ["read"] });
    })();
    ejectedUntil = await until(
      "it is out",
      async () => outUntil((await endpointsOf(gateway)).find((one) => one.id === id)),
      2 * recoveryMs,
    ).finally(() => (ejectedUntil ??= 0));
    await load;
    const known = run.history.operations.length;
    const [end, endAt] = [run.calls.count + 60, ejectedUntil - marginMs];
    await run.load({
      servers: ["replicas"],
      workers: 4,
      enough: () => run.calls.count >= end || Date.now() >= endAt,
      tools: ["read", "write"],
    });
    const later = run.history.operations.slice(known);
    expect(later.length).toBeGreaterThan(0);
    expect(later.filter(({ endings }) => endings[0]?.kind !== "ok")).toEqual([]);
    return later;
  }

  test.each(seeds)(
    "seed %i: no call fails while endpoints are taken away and added under load",
    async (seed) => {
      const violations = await runScenario("endpoints come and go", seed, gateway, {
        ledger: () => ledger.entries,
        act: comeAndGo,
        proxies,
      });
      expect(violations).toEqual([]);
    },
    scenarioMs,
  );

  async function comeAndGo(run: ScenarioRun): Promise<Figures> {
    await run.recovers("replicas", recoveryMs);
    const before = run.history.operations.length;
    let over = false;
    const load = run.load({ servers: ["replicas"], workers: 6, enough: () => over });
    const [first = 0, second = 0, third = 0] = proxies.map(({ port }) => port);
    const sets = [[first], [first, second], [second, third], [first, second, third]];
    try {
      for (const ports of sets) {
        await gateway.configure({ servers: replicas(ports) });
        await until(
          "the change is served",
          async () => (await endpointsOf(gateway)).length === ports.length,
          recoveryMs,
        );
        const from = run.calls.count;
        await until("calls went on", () => run.calls.count >= from + 40, recoveryMs);
      }
    } finally {
      over = true;
      await load;
    }
    const operations = run.history.operations.slice(before);
    expect(operations.filter(({ endings }) => endings[0]?.kind !== "ok")).toEqual([]);
    return { calls: durationsOf(operations, ["replicas"]) };
  }

  test.each(seeds)(
    "seed %i: credentials that expire are told as such, nothing is executed meanwhile, and their renewal heals",
    async (seed) => {
      const violations = await runScenario("credentials expire", seed, gateway, {
        ledger: () => ledger.entries,
        act: expire,
        proxies,
      });
      expect(violations).toEqual([]);
    },
    scenarioMs,
  );

  async function expire(run: ScenarioRun): Promise<Figures> {
    await run.recovers("replicas", recoveryMs);
    for (const server of servers) server.setMood({ refuses: true });
    const known = ledger.entries.length;
    for (const tool of ["write", "read"] as const) {
      const { ending } = await run.calls.call("replicas", tool);
      expect(ending).toMatchObject({ kind: "fail", outcome: "not_executed" });
    }
    await until(
      "it is said",
      async () => {
        await run.calls.call("replicas", "read");
        return (await endpointsOf(gateway)).some(({ state }) => state === "needs_auth");
      },
      recoveryMs,
    );
    expect(ledger.entries.length).toBe(known);
    for (const server of servers) server.setMood({});
    await run.recovers("replicas", recoveryMs);
    return {};
  }
});

const detailSchema = z.object({
  runtime: z.object({
    endpoints: z.array(
      z.object({
        id: z.string(),
        state: z.string(),
        balance: z.object({ ejectedUntil: z.iso.datetime().transform(Date.parse).optional() }),
      }),
    ),
  }),
});

async function endpointsOf(gateway: TestGateway): Promise<readonly Endpoint[]> {
  const { body } = await gateway.api("GET", "/api/servers/replicas");
  return detailSchema.parse(body).runtime.endpoints;
}

type Endpoint = z.output<typeof detailSchema>["runtime"]["endpoints"][number];

/** Until when an endpoint takes no calls; a lost one for as long as nobody heals it. */
function outUntil(endpoint: Endpoint | undefined): number | undefined {
  const isLost = endpoint?.state === "error" || endpoint?.state === "reconnecting";
  return isLost ? Number.POSITIVE_INFINITY : endpoint?.balance.ejectedUntil;
}

/** Makes calls whose answers nobody believes; how many were answered at all. */
async function callUnrecorded(gateway: TestGateway, tool: string, calls: number): Promise<number> {
  let answered = 0;
  for (let count = 0; count < calls; count++) {
    const params = { name: tool, arguments: { id: `unrecorded-${count}` } };
    const request = modernRequest(gateway.key, "tools/call", params, `unrecorded-${count}`);
    const answer = await send(`${gateway.url}/mcp`, request).catch(() => undefined);
    if (answer !== undefined) answered++;
  }
  return answered;
}
