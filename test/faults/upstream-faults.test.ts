// Faults of servers and of the network to them, against a real gateway. Every scenario runs for each seed; afterwards what
// the clients saw, what the servers did and what the gateway wrote down is held against the invariants. FAULT_SEEDS sets
// how many seeds, FAULT_SUMMARY where the results go.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { systemClock } from "../../src/foundation/index.ts";
import { RECONNECTS_PER_SECOND } from "../../src/upstream/reconnect-rate.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { isAlive } from "../support/processes.ts";
import { inRoot } from "../support/root.ts";
import { until } from "../support/until.ts";
import { FaultProxy, type Cut } from "./fault-proxy.ts";
import { Ledger, readLedgerFile, type LedgerEntry } from "./ledger.ts";
import { LedgerServer } from "./ledger-server.ts";
import type { Made } from "./ledger-calls.ts";
import {
  durationsOf,
  runScenario,
  seeds,
  writeSummary,
  type Figures,
  type ScenarioRun,
} from "./scenario-run.ts";
import { pick } from "./seeded-random.ts";

const scenarioMs = 20_000;
const recoveryMs = 15_000;

// What keeps a scenario short: a breaker that tries again soon, and connections that do.
const soon = {
  circuit_breaker: { open_for: "1s" },
  connection_pool: { reconnect_backoff: "500ms" },
};

afterAll(async () => await writeSummary("upstream-faults"));

describe("one gateway before broken servers and broken networks", () => {
  const far = Array.from({ length: 20 }, (_, index) => `far${index + 1}`);
  const open = new AsyncDisposableStack();
  const ledger = new Ledger();
  let folder: string;
  let slow: FaultProxy;
  let farLegacy: FaultProxy;
  let farModern: FaultProxy;
  let gateway: TestGateway;

  const file = (name: string): string => join(folder, name);
  const executed = (): readonly LedgerEntry[] => [
    ...ledger.entries,
    ...readLedgerFile(file("ledger")),
  ];
  // A program for each scenario and seed, for a gateway remembers how often one ended.
  const local = (name: string): Record<string, unknown> => ({
    command: process.execPath,
    args: [
      inRoot("test/faults/ledger-stdio.ts"),
      `--name=${name}`,
      `--ledger=${file("ledger")}`,
      `--starts=${file(`${name}-starts`)}`,
      `--crash-while=${file(`${name}-broken`)}`,
    ],
    protocol_era: "legacy",
    timeout: "2s",
    ...soon,
  });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "faults-"));
    open.defer(async () => await rm(folder, { recursive: true, force: true }));
    const quiet = open.use(await LedgerServer.start({ name: "quiet", ledger }));
    slow = await proxied(open, "both", "slow", ledger);
    farLegacy = await proxied(open, "legacy", "far legacy", ledger);
    farModern = await proxied(open, "modern", "far modern", ledger);
    const farUrl = (index: number): string => urlOf(index % 2 === 0 ? farLegacy : farModern);
    gateway = await startGateway({
      servers: {
        quiet: { url: quiet.url },
        slow: { url: urlOf(slow), timeout: "3s", ...soon },
        ...Object.fromEntries(
          ["looping", ...seeds.flatMap((seed) => [`crashing${seed}`, `freezing${seed}`])].map(
            (name) => [name, local(name)],
          ),
        ),
        ...Object.fromEntries(
          far.map((name, index) => [name, { url: farUrl(index), timeout: "1s", ...soon }]),
        ),
      },
    });
    open.defer(async () => await gateway.stop());
  }, 120_000);

  afterAll(async () => await open.disposeAsync(), 60_000);

  test.each(seeds)(
    "FS-13, seed %i: a local server that crashes at every start is left in peace and comes back",
    async (seed) => {
      expect(
        await runScenario("FS-13", seed, gateway, { ledger: executed, act: crashLoop }),
      ).toEqual([]);
    },
    scenarioMs,
  );

  async function crashLoop(run: ScenarioRun): Promise<Figures> {
    const name = `crashing${run.seed}`;
    return await breaksFor(run, name, async () => {
      const before = await startsIn(file(`${name}-starts`));
      return await until("it started three times again", async () => {
        const starts = (await startsIn(file(`${name}-starts`))) - before;
        return starts >= 3 && starts;
      });
    });
  }

  // A local server crashes at every start for as long as `watch` takes, while another is called.
  async function breaksFor(
    run: ScenarioRun,
    name: string,
    watch: () => Promise<unknown>,
    boundMs = recoveryMs,
  ): Promise<Figures> {
    await run.recovers(name, recoveryMs);
    await writeFile(file(`${name}-broken`), "");
    const crash = await run.calls.call(name, "write", { fail: "crash" });
    expect(crash.ending.kind).toBe("fail");
    let over = false;
    const load = run.load({ servers: ["quiet"], workers: 1, enough: () => over });
    const asking = askWhile(run, name, () => !over);
    const seen = await watch().finally(() => {
      over = true;
    });
    await Promise.all([load, asking]);
    expectAllServed(run, "quiet");
    await rm(file(`${name}-broken`));
    await run.recovers(name, boundMs);
    return { seen, quiet: durationsOf(run.history.operations, ["quiet"]) };
  }

  test.each(seeds)(
    "FS-15, seed %i: a server behind a slow network holds up no other",
    async (seed) => {
      expect(
        await runScenario("FS-15", seed, gateway, {
          ledger: executed,
          act: slowNetwork,
          proxies: [slow],
        }),
      ).toEqual([]);
    },
    scenarioMs,
  );

  async function slowNetwork(run: ScenarioRun): Promise<Figures> {
    await run.recovers("slow", recoveryMs);
    await run.load({ servers: ["quiet"], workers: 4, enough: () => run.calls.count >= 200 });
    const before = durationsOf(run.history.operations, ["quiet"]);
    const known = run.history.operations.length;
    slow.set("answer", { latencyMs: 2_000, jitterMs: 200, bytesPerSecond: 10_000 });
    let done = 0;
    const enough = (): boolean => done === 8;
    const slowCalls = Array.from({ length: 8 }, async () => {
      const tool = pick(["write", "read", "put"] as const, run.random);
      await run.calls.call("slow", tool, { answerBytes: 5_000 });
      done += 1;
    });
    await run.load({ servers: ["quiet"], workers: 4, enough });
    await Promise.all(slowCalls);
    const operations = run.history.operations.slice(known);
    expectAllServed(run, "quiet");
    await slow.heal();
    await run.recovers("slow", recoveryMs);
    return { before, beside: durationsOf(operations, ["quiet"]) };
  }

  test.each(seeds)(
    "FS-19, seed %i: a partition from twenty servers heals, and all of them come back",
    async (seed) => {
      expect(
        await runScenario("FS-19", seed, gateway, {
          ledger: executed,
          act: partition,
          proxies: [farLegacy, farModern],
        }),
      ).toEqual([]);
    },
    2 * scenarioMs,
  );

  async function partition(run: ScenarioRun): Promise<Figures> {
    const proxies = [farLegacy, farModern];
    await Promise.all(far.map(async (name) => await run.recovers(name, recoveryMs)));
    const kind = (["swallow", "hold", "refuse"] as const)[run.seed % 3] ?? "hold";
    const apartAt = systemClock.monotonicMs();
    for (const proxy of proxies) {
      if (kind !== "refuse") proxy.setBoth({ blackhole: kind });
      else {
        proxy.refuse();
        proxy.cutNow("reset");
      }
    }
    const apart = delay(3_000);
    let enough = false;
    void apart.then(() => (enough = true));
    const calls = run.calls.count;
    await run.load({ servers: far, workers: 4, enough: () => enough });
    const quiet = await run.calls.call("quiet", "write");
    expect(quiet.ending.kind).toBe("ok");
    const healedAt = systemClock.monotonicMs();
    for (const proxy of proxies) await proxy.heal();
    await Promise.all(far.map(async (name) => await run.recovers(name, recoveryMs)));
    const accepted = proxies.flatMap((proxy) => [...proxy.acceptedAt]);
    const during = accepted.filter((at) => at >= apartAt && at < healedAt).length;
    const after = accepted.filter((at) => at >= healedAt);
    // A connection for each call and some beside them for each server, but no storm.
    const callsMade = run.calls.count - calls;
    expect(during + after.length).toBeLessThanOrEqual(3 * callsMade + 20 * far.length);
    return {
      kind,
      connectionsDuring: during,
      connectionsAfter: after.length,
      busiest100msAfter: busiest(after, 100),
    };
  }

  // It takes a minute: the gateway tries a crash loop every half minute.
  describe("once crash loops are known", () => {
    test("FS-13, long: a crash loop is named, and is tried now and then until it is mended", async () => {
      expect(
        await runScenario("FS-13 long", 1, gateway, {
          ledger: executed,
          act: async (run) =>
            await breaksFor(
              run,
              "looping",
              async () =>
                await until("it is named", () => saidOf(run, "SERVER_CRASH_LOOP") > 0, 60_000),
              45_000,
            ),
        }),
      ).toEqual([]);
    }, 150_000);
  });

  describe("once hung processes are ended", () => {
    test.each(seeds)(
      "FS-14, seed %i: a local server that freezes in a call is ended and comes back",
      async (seed) => {
        expect(
          await runScenario("FS-14", seed, gateway, { ledger: executed, act: freeze }),
        ).toEqual([]);
      },
      2 * scenarioMs,
    );

    async function freeze(run: ScenarioRun): Promise<Figures> {
      const name = `freezing${run.seed}`;
      await run.recovers(name, recoveryMs);
      const pid = await pidOf(gateway, name);
      const known = readLedgerFile(file("ledger")).length;
      const frozen = run.calls.call(name, "write", { delayMs: 500 });
      await until("it has begun", () => readLedgerFile(file("ledger")).length > known);
      process.kill(pid, "SIGSTOP");
      const beside = await run.calls.call("quiet", "write");
      expect(beside.ending.kind).toBe("ok");
      expect((await frozen).ending).toMatchObject({ kind: "fail", code: "SERVER_TIMEOUT" });
      await run.recovers(name, 2 * recoveryMs);
      await until("the frozen process is gone", async () => !(await isAlive(pid)));
      expect(await pidOf(gateway, name)).not.toBe(pid);
      const shown = await until("its end is shown", async () =>
        (await historyOf(gateway, name)).find(({ code }) => code === "SERVER_CRASHED"),
      );
      return { shown: shown.reason };
    }
  });
});

describe("once lost links reconnect by themselves", () => {
  const many = Array.from({ length: 3 * RECONNECTS_PER_SECOND }, (_, index) => `lost${index + 1}`);
  const open = new AsyncDisposableStack();
  const ledger = new Ledger();
  let server: LedgerServer;
  let proxy: FaultProxy;
  let gateway: TestGateway;

  beforeAll(async () => {
    server = open.use(await LedgerServer.start({ name: "lost", era: "legacy", ledger }));
    proxy = open.use(await FaultProxy.start(server.port));
    const connection_pool = { reconnect_backoff: "500ms", max_reconnect_backoff: "2s" };
    const options = { protocol_era: "legacy", connection_pool };
    gateway = await startGateway({
      servers: Object.fromEntries(
        many.map((name) => [name, { url: `${urlOf(proxy)}?${name}`, ...options }]),
      ),
    });
    open.defer(async () => await gateway.stop());
  }, 120_000);

  afterAll(async () => await open.disposeAsync(), 60_000);

  test.each(seeds)(
    "FS-19, seed %i: sixty lost servers come back no more at a time than may, however many call them",
    async (seed) => {
      expect(
        await runScenario("FS-19 herd", seed, gateway, {
          ledger: () => ledger.entries,
          act: herd,
          proxies: [proxy],
        }),
      ).toEqual([]);
    },
    6 * scenarioMs,
  );

  // A call finds each of them lost. What comes back is a server's first session; further ones, which its calls open then, are
  // no more than at any other time.
  async function herd(run: ScenarioRun): Promise<Figures> {
    await Promise.all(many.map(async (name) => await run.recovers(name, 2 * recoveryMs)));
    proxy.refuse();
    proxy.cutNow("reset");
    await Promise.all(many.map(async (name) => await run.calls.call(name, "read")));
    await until("all are known to be lost", async () => {
      const states = await statesOf(gateway);
      return many.every((name) => states.get(name) !== "connected");
    });
    const known = server.greetings.length;
    await proxy.heal();
    await Promise.all(many.map(async (name) => await run.recovers(name, 2 * recoveryMs)));
    const first = new Map<string, number>();
    for (const { path, at } of server.greetings.slice(known))
      if (!first.has(path)) first.set(path, at);
    const back = [...first.values()];
    expect(back.length).toBe(many.length);
    // Turns that fell due while the machine was busy come together: half a second's worth of them.
    const bound = 1.5 * RECONNECTS_PER_SECOND;
    expect(busiest(back, 1_000)).toBeLessThanOrEqual(bound);
    return { back: back.length, busiestSecond: busiest(back, 1_000) };
  }
});

describe("once calls are repeated", () => {
  describe("FS-16: connections that are reset", () => {
    const open = new AsyncDisposableStack();
    const ledger = new Ledger();
    const proxies: Partial<Record<string, FaultProxy>> = {};
    let gateway: TestGateway;

    beforeAll(async () => {
      for (const era of ["modern", "legacy"] as const)
        proxies[era] = await proxied(open, era, era, ledger);
      const servers = Object.entries(proxies).map(([era, proxy]) => {
        const quick = { preset: "quick" };
        return [era, { url: urlOf(proxy), timeout: "5s", retry_policy: quick, ...soon }];
      });
      gateway = await startGateway({ servers: Object.fromEntries(servers) });
      open.defer(async () => await gateway.stop());
    }, 120_000);

    afterAll(async () => await open.disposeAsync(), 60_000);

    const cuts = ["before the answer", "in the middle of the answer"] as const;
    const cases = seeds.flatMap((seed) =>
      ["modern", "legacy"].flatMap((era) => cuts.map((when) => ({ seed, era, when }))),
    );

    const answerBytes = 4_000;

    // Cuts the connection once in a call of this tool; an answer's first bytes are its headers.
    async function cutOnce(
      run: ScenarioRun,
      { era, when }: { era: string; when: (typeof cuts)[number] },
      tool: "write" | "read" | "put",
    ): Promise<Made> {
      const proxy = proxies[era];
      if (proxy === undefined) throw new Error(`there is no server ${era}`);
      const half = 500 + Math.floor(run.random() * (answerBytes - 1_000));
      const afterBytes = when === "before the answer" ? 0 : half;
      const cut: Cut = { how: "reset", afterBytes, times: 1 };
      proxy.set("answer", { cut });
      const made = await run.calls.call(era, tool, { answerBytes });
      proxy.set("answer", {});
      // The same tool, so that its breaker too sees it succeed between two failures.
      await run.recovers(era, recoveryMs, tool);
      return made;
    }

    test.each(cases)(
      "$era server, $when, seed $seed: a write is not repeated, and its outcome is said to be unknown",
      async ({ seed, era, when }) => {
        expect(
          await runScenario(`FS-16 write, ${era}, ${when}`, seed, gateway, {
            ledger: () => ledger.entries,
            proxies: Object.values(proxies).flatMap((proxy) => proxy ?? []),
            act: async (run) => {
              await run.recovers(era, recoveryMs);
              const { id, ending } = await cutOnce(run, { era, when }, "write");
              expect(ledger.executions(id)).toBeLessThanOrEqual(1);
              expect(ending).toMatchObject({ kind: "fail", outcome: "unknown" });
              return {};
            },
          }),
        ).toEqual([]);
      },
      scenarioMs,
    );

    test.each(cases)(
      "$era server, $when, seed $seed: a read and a put are repeated, and succeed",
      async ({ seed, era, when }) => {
        expect(
          await runScenario(`FS-16 repeats, ${era}, ${when}`, seed, gateway, {
            ledger: () => ledger.entries,
            proxies: Object.values(proxies).flatMap((proxy) => proxy ?? []),
            act: async (run) => {
              await run.recovers(era, recoveryMs);
              const executions: Record<string, number> = {};
              for (const tool of ["read", "put"] as const) {
                const { id, ending } = await cutOnce(run, { era, when }, tool);
                expect(ending).toMatchObject({ kind: "ok" });
                executions[tool] = ledger.executions(id);
              }
              expect(executions).toEqual({ read: 2, put: 2 });
              return { executions };
            },
          }),
        ).toEqual([]);
      },
      scenarioMs,
    );
  });

  describe("FS-18: a server with three endpoints", () => {
    const names = ["steady", "failing", "sluggish"] as const;
    const open = new AsyncDisposableStack();
    const ledger = new Ledger();
    const endpoints = new Map<string, LedgerServer>();
    let gateway: TestGateway;

    beforeAll(async () => {
      for (const [index, name] of names.entries())
        endpoints.set(name, open.use(await LedgerServer.start({ name, ledger, seed: index + 1 })));
      gateway = await startGateway({
        servers: {
          replicas: {
            endpoints: [...endpoints.values()].map(({ url }) => ({ url, weight: 1, priority: 0 })),
            load_balancer: {
              strategy: "health_based",
              ejection_failures: 3,
              ejection_outcomes_min: 10,
              ejection_time: "1s",
              ejection_time_max: "2s",
              slow_start: "1s",
            },
            retry_policy: { preset: "quick" },
            timeout: "10s",
            ...soon,
          },
        },
      });
      open.defer(async () => await gateway.stop());
    }, 120_000);

    afterAll(async () => await open.disposeAsync(), 60_000);

    test.each(seeds)(
      "seed %i: calls leave the endpoint that fails, and it gets its share again once it works",
      async (seed) => {
        expect(
          await runScenario("FS-18", seed, gateway, { ledger: () => ledger.entries, act: shift }),
        ).toEqual([]);
      },
      2 * scenarioMs,
    );

    async function shift(run: ScenarioRun): Promise<Figures> {
      await run.recovers("replicas", recoveryMs);
      endpoints.get("failing")?.setMood({ failShare: 0.5 });
      endpoints.get("sluggish")?.setMood({ delayMs: 50 });
      const from = ledger.entries.length;
      await loadFor(run, 200);
      const middle = ledger.entries.length;
      await loadFor(run, 200);
      const early = sharesOf(from, middle);
      const late = sharesOf(middle, ledger.entries.length);
      const reads = run.history.operations.filter(({ tool }) => tool === "read");
      expect(reads.filter(({ endings }) => endings[0]?.kind !== "ok")).toEqual([]);
      expect(late["failing"] ?? 0).toBeLessThan(0.15);
      for (const endpoint of endpoints.values()) endpoint.setMood({});
      const healed = await until(
        "every endpoint has a share again",
        async () => {
          const start = ledger.entries.length;
          await loadFor(run, 90);
          const shares = sharesOf(start, ledger.entries.length);
          return names.every((name) => (shares[name] ?? 0) > 0.1) && shares;
        },
        recoveryMs,
      );
      return { early, late, healed };
    }

    async function loadFor(run: ScenarioRun, calls: number): Promise<void> {
      const end = run.calls.count + calls;
      const enough = (): boolean => run.calls.count >= end;
      await run.load({ servers: ["replicas"], workers: 6, enough, tools: ["read", "write"] });
    }

    function sharesOf(from: number, to: number): Partial<Record<string, number>> {
      const shares: Partial<Record<string, number>> = {};
      const entries = ledger.entries.slice(from, to);
      for (const { server } of entries) shares[server] = (shares[server] ?? 0) + 1 / entries.length;
      return shares;
    }
  });
});

// A ledger server with a faulty network before it; both end with `open`.
async function proxied(
  open: AsyncDisposableStack,
  era: "modern" | "legacy" | "both",
  name: string,
  ledger: Ledger,
): Promise<FaultProxy> {
  const server = open.use(await LedgerServer.start({ name, era, ledger }));
  return open.use(await FaultProxy.start(server.port));
}

function urlOf(proxy: FaultProxy | undefined): string {
  return `http://127.0.0.1:${proxy?.port}/mcp`;
}

// A caller who tries again and again, now and then.
async function askWhile(run: ScenarioRun, server: string, wanted: () => boolean): Promise<void> {
  while (wanted()) {
    await run.calls.call(server, "read");
    await delay(100);
  }
}

function saidOf(run: ScenarioRun, code: string): number {
  return run.history.operations.filter(({ endings }) =>
    endings.some((ending) => ending.kind === "fail" && ending.code === code),
  ).length;
}

function expectAllServed(run: ScenarioRun, server: string): void {
  const own = run.history.operations.filter((operation) => operation.server === server);
  expect(own.length).toBeGreaterThan(0);
  expect(own.filter(({ endings }) => endings[0]?.kind !== "ok")).toEqual([]);
}

async function startsIn(file: string): Promise<number> {
  const text = await readFile(file, "utf8").catch(() => "");
  return text.split("\n").length - 1;
}

/** The most of these moments that lie within any window of `windowMs`. */
function busiest(moments: readonly number[], windowMs: number): number {
  const sorted = moments.toSorted((one, other) => one - other);
  return Math.max(
    0,
    ...sorted.map((from, index) => sorted.slice(index).filter((at) => at < from + windowMs).length),
  );
}

const serversSchema = z.object({
  servers: z.array(
    z.looseObject({
      name: z.string(),
      status: z.looseObject({ state: z.string(), pid: z.number().optional() }),
    }),
  ),
});

async function statesOf(gateway: TestGateway): Promise<ReadonlyMap<string, string>> {
  const { body } = await gateway.api("GET", "/api/servers");
  return new Map(serversSchema.parse(body).servers.map(({ name, status }) => [name, status.state]));
}

const historySchema = z.object({
  runtime: z.object({
    endpoints: z.array(
      z.object({
        history: z.array(z.object({ code: z.string().optional(), reason: z.string().optional() })),
      }),
    ),
  }),
});

async function historyOf(
  gateway: TestGateway,
  name: string,
): Promise<{ code?: string | undefined; reason?: string | undefined }[]> {
  const { body } = await gateway.api("GET", `/api/servers/${name}`);
  return historySchema.parse(body).runtime.endpoints.flatMap(({ history }) => history);
}

async function pidOf(gateway: TestGateway, name: string): Promise<number> {
  const { body } = await gateway.api("GET", "/api/servers");
  const pid = serversSchema.parse(body).servers.find((one) => one.name === name)?.status.pid;
  if (pid === undefined) throw new Error(`${name} has no process`);
  return pid;
}
