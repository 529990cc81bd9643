// A legacy server may forget a session whenever it likes. Here it does so at moments drawn from a seed, in each way in
// which servers say so, and no client of the gateway notices. FAULT_SEEDS sets how many seeds.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../src/foundation/index.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { until } from "../support/until.ts";
import { modernRequest, openSession, send } from "../support/wire.ts";
import { ForgetfulServer, type ForgottenDialect, type Moment } from "./forgetful-server.ts";
import { History } from "./history.ts";
import { Ledger } from "./ledger.ts";
import { LedgerCalls } from "./ledger-calls.ts";
import {
  runScenario,
  seeds,
  writeSummary,
  type Figures,
  type ScenarioRun,
} from "./scenario-run.ts";
import { pick } from "./seeded-random.ts";

const callsInARow = 40;
const rounds = 15;
const callsAtOnce = 8;
/** How long the longest call of a round takes, so that some run while the session of others ends. */
const longestCallMs = 40;
/** Long enough for further calls to arrive meanwhile. */
const slowOpeningMs = 300;
const tools = ["write", "read"] as const;
const dialects: readonly ForgottenDialect[] = ["404", "404 with an error", "400 with -32000"];

afterAll(async () => await writeSummary("session-expiry"));

const cases = dialects.flatMap((dialect, index) =>
  seeds.map((seed) => ({ dialect, seed, name: `forgetful${index}-${seed}` })),
);

describe("sessions of a server that end at any moment", () => {
  const open = new AsyncDisposableStack();
  const ledger = new Ledger();
  const servers = new Map<string, ForgetfulServer>();
  let gateway: TestGateway;

  beforeAll(async () => {
    for (const { dialect, name } of cases)
      servers.set(name, open.use(await ForgetfulServer.start({ name, dialect, ledger })));
    servers.set(
      "slow-to-open",
      open.use(await ForgetfulServer.start({ name: "slow-to-open", dialect: "404", ledger })),
    );
    gateway = await startGateway({
      servers: Object.fromEntries([...servers].map(([name, { url }]) => [name, { url }])),
    });
    open.defer(async () => await gateway.stop());
  }, 120_000);

  afterAll(async () => await open.disposeAsync(), 60_000);

  test.each(cases)(
    "$dialect, seed $seed: every call succeeds, each write is executed once, and a session is opened once for each that ended",
    async ({ name, seed }) => {
      const server = serverOf(name);
      const violations = await runScenario(name, seed, gateway, {
        ledger: () => ledger.entries,
        act: (run) => expire(run, name, server),
      });
      expect(violations).toEqual([]);
    },
    60_000,
  );

  async function expire(run: ScenarioRun, name: string, server: ForgetfulServer): Promise<Figures> {
    const session = await openSession(`${gateway.url}/mcp`, gateway.key);
    const legacy = new LedgerCalls(gateway, run.history, `${name}-legacy`, session);
    const clients = [run.calls, legacy];
    for (const client of clients) await client.call(name, "read");
    const lanes = server.initialized;
    const drawn: Record<Moment, number> = {
      "before a request": 0,
      "after initialize": 0,
      "during a call": 0,
    };
    server.forgets = (moment) => {
      // A call is sent again once: no session ends while one that was refused is on its way.
      if (server.owed > 0 || run.random() >= share[moment]) return false;
      server.endsStreams = run.random() < 0.5;
      drawn[moment] += 1;
      return true;
    };

    for (let call = 0; call < callsInARow; call++)
      await pick(clients, run.random).call(name, pick(tools, run.random));
    for (let round = 0; round < rounds; round++) {
      const calls = Array.from({ length: callsAtOnce }, async () => {
        const delayMs = Math.floor(run.random() * longestCallMs);
        await pick(clients, run.random).call(name, pick(tools, run.random), { delayMs });
      });
      if (run.random() < 0.3) server.forgetAll();
      await Promise.all(calls);
    }
    server.forgets = () => false;

    const { operations } = run.history;
    const failed = operations.flatMap(({ id, endings }) =>
      endings.filter(({ kind }) => kind !== "ok").map((ending) => ({ id, ...ending })),
    );
    const executions = new Map<string, number>();
    for (const { id } of ledger.entries) executions.set(id, (executions.get(id) ?? 0) + 1);
    const { initialized, forgotten } = server;
    expect(failed).toEqual([]);
    expect(operations.filter(({ id }) => executions.get(id) !== 1)).toEqual([]);
    expect(forgotten).toBeGreaterThan(rounds);
    expect(initialized).toBeLessThanOrEqual(lanes + forgotten);
    return { lanes, initialized, forgotten, drawn };
  }

  test("calls that come while their session is opened anew are served by the new one", async () => {
    const name = "slow-to-open";
    const server = serverOf(name);
    const session = await openSession(`${gateway.url}/mcp`, gateway.key);
    const history = new History(systemClock);
    const clients = [
      new LedgerCalls(gateway, history, `${name}-modern`),
      new LedgerCalls(gateway, history, `${name}-legacy`, session),
    ];
    for (const client of clients) {
      await client.call(name, "read");
      const before = server.initialized;
      server.initializeDelayMs = slowOpeningMs;
      server.forgetAll();
      const first = client.call(name, "write");
      await until("the session is opened anew", () => server.initialized > before);
      const others = Array.from({ length: callsAtOnce }, () => client.call(name, "write"));
      const endings = (await Promise.all([first, ...others])).map(({ ending }) => ending.kind);
      expect(endings).toEqual(endings.map(() => "ok"));
      expect(server.initialized).toBe(before + 1);
      server.initializeDelayMs = 0;
    }
  });

  test("a client of the gateway whose session is unknown is told 404, however it comes", async () => {
    const url = `${gateway.url}/mcp`;
    const session = await openSession(url, gateway.key);
    const list = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" });
    const strange = { ...session, "mcp-session-id": "0199-never-given-out" };
    const statuses = async (headers: Record<string, string>): Promise<number[]> => {
      const found: number[] = [];
      for (const method of ["POST", "GET", "DELETE"]) {
        const body = method === "POST" ? { body: list } : {};
        found.push((await send(url, { method, headers, ...body })).status);
      }
      return found;
    };
    expect(await statuses(strange)).toEqual([404, 404, 404]);
    expect((await send(url, { method: "DELETE", headers: session })).status).toBeLessThan(300);
    expect(await statuses(session)).toEqual([404, 404, 404]);
    const modern = await send(url, modernRequest(gateway.key, "tools/list"));
    expect(modern.status).toBe(200);
  });

  function serverOf(name: string): ForgetfulServer {
    const server = servers.get(name);
    if (server === undefined) throw new Error(`there is no server ${name}`);
    return server;
  }
});

/** How likely a session ends at such a moment. */
const share: Record<Moment, number> = {
  "before a request": 0.2,
  "after initialize": 0.2,
  "during a call": 0.15,
};
