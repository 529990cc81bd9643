import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, expect, test } from "vitest";
import { z } from "zod";
import { startGateway, type GatewaySetup, type TestGateway } from "../support/gateway.ts";
import { descendantsOf, isAlive, processesMentioning } from "../support/processes.ts";
import { inRoot } from "../support/root.ts";
import { everythingOverStdio, startEverything, type TestServer } from "../support/servers.ts";
import { until } from "../support/until.ts";
import { modernRequest, responseIn, send } from "../support/wire.ts";
import { readLedgerFile } from "./ledger.ts";
import { LedgerServer } from "./ledger-server.ts";
import { runScenario, seeds, writeSummary, type ScenarioRun } from "./scenario-run.ts";
import { StartedPrograms } from "./started-programs.ts";

const workers = 8;

let server: TestServer | undefined;
let gateway: TestGateway | undefined;

afterEach(async () => {
  await server?.stop();
  await gateway?.stop();
}, 60_000);

afterAll(async () => await writeSummary("kill-nine"));

test("kill -9 under load leaves no process behind and loses no acknowledged row", async () => {
  server = await startEverything();
  const setup = {
    servers: { http: { url: server.url }, lines: everythingOverStdio() },
    env: { SIGNALBOX_ADMIN_KEY: `sbx_${randomBytes(32).toString("base64url")}` },
  };
  const first = await startGateway(setup);
  gateway = first;

  const acknowledged: string[] = [];
  const load = startLoad(first, acknowledged);
  await until("calls are in the call log", async () => (await callIds(first)).length >= 20, 30_000);
  await until("rows were acknowledged", () => acknowledged.length >= 10, 30_000);
  const calls = await callIds(first);
  const children = await descendantsOf(first.child.pid);
  expect(children.length).toBeGreaterThan(1);

  await first.kill();
  await load.stopped();

  await until("every descendant ended", async () => (await living(children)).length === 0, 20_000);
  await until(
    "no process of this home is left",
    async () => {
      return (await processesMentioning(first.home)).length === 0;
    },
    20_000,
  );

  const second = await startGateway({ ...setup, home: first.home });
  gateway = second;
  process.stdout.write(`\nready ${Math.round(second.readyAfterMs)} ms after the restart\n`);

  const names = await storedNames(second);
  expect(acknowledged.filter((name) => !names.includes(name))).toEqual([]);
  const after = await callIds(second);
  expect(calls.filter((id) => !after.includes(id))).toEqual([]);
  expect(responseIn(await callOnce(second, "lines")).result).toBeDefined();
}, 180_000);

test.each(seeds)(
  "FS-01, seed %i: after kill -9 under load no write was executed twice, what was answered is in the call log, and all goes on",
  async (seed) => {
    const folder = await mkdtemp(join(tmpdir(), "killed-"));
    const ledgerFile = join(folder, "ledger");
    await using over = await LedgerServer.start({ name: "over" });
    const setup = {
      servers: { over: { url: over.url }, lines: linesOf(folder) },
      env: { SIGNALBOX_ADMIN_KEY: `sbx_${randomBytes(32).toString("base64url")}` },
    };
    gateway = await startGateway(setup);
    const violations = await runScenario("FS-01", seed, gateway, {
      ledger: () => [...over.ledger.entries, ...readLedgerFile(ledgerFile)],
      act: async (run) => await killed(run, setup, join(folder, "starts")),
    });
    expect(violations).toEqual([]);
    await rm(folder, { recursive: true, force: true });
  },
  180_000,
);

// The gateway is killed under load, once calls are answered that are in the call log and others that need not be.
async function killed(
  run: ScenarioRun,
  setup: GatewaySetup,
  starts: string,
): Promise<Record<string, unknown>> {
  const first = gateway;
  if (first === undefined) throw new Error("there is no gateway");
  for (const name of ["over", "lines"]) await run.recovers(name, 20_000);
  let dead = false;
  const load = run.load({ servers: ["over", "lines"], workers, enough: () => dead });
  const reached = 100 + Math.floor(run.random() * 100);
  await until("calls are made", () => run.calls.count >= reached, 60_000);
  const writtenAt = await run.written();
  await until("calls went on", () => run.calls.count >= reached + 2 * workers, 60_000);
  await first.kill();
  dead = true;
  await load;
  const started = new StartedPrograms(starts);
  expect(started.count).toBeGreaterThan(0);
  await until("no program of lines is left", () => started.living().length === 0, 20_000);
  const ofHome = async (): Promise<number> => (await processesMentioning(first.home)).length;
  await until("no process of this home is left", async () => (await ofHome()) === 0, 20_000);
  const second = await startGateway({ ...setup, home: first.home });
  gateway = second;
  run.succeeded(second, writtenAt);
  for (const name of ["over", "lines"]) await run.recovers(name, 20_000);
  return { readyAfterMs: Math.round(second.readyAfterMs) };
}

function linesOf(folder: string): Record<string, unknown> {
  const file = (name: string): string => `--${name}=${join(folder, name)}`;
  return {
    command: process.execPath,
    args: [inRoot("test/faults/ledger-stdio.ts"), "--name=lines", file("ledger"), file("starts")],
    protocol_era: "legacy",
  };
}

test("a second start on a home in use says what runs there", async () => {
  gateway = await startGateway();
  const rival = startGateway({ home: gateway.home });
  await expect(rival).rejects.toThrow(/HOME_LOCKED|already runs/);
}, 180_000);

// Eight callers, and beside them one who creates keys and servers and notes what was acknowledged.
function startLoad(target: TestGateway, acknowledged: string[]): { stopped(): Promise<void> } {
  const untilItDies = async (act: () => Promise<void>): Promise<void> => {
    while (!target.child.exited()) await act().catch(() => undefined);
  };
  const callers = Array.from({ length: workers }, (_, worker) =>
    untilItDies(async () => {
      await callOnce(target, worker % 2 === 0 ? "http" : "lines");
    }),
  );
  let minted = 0;
  const writer = untilItDies(async () => {
    minted += 1;
    const name = `row-${minted}`;
    const [path, body] =
      minted % 2 === 0
        ? ["/api/keys", { name, role: "caller", bundles: "all" }]
        : ["/api/servers", { name, url: "http://127.0.0.1:9/mcp", enabled: false }];
    const { status } = await target.api("POST", path, body);
    if (status < 300) acknowledged.push(name);
  });
  return {
    stopped: async () => {
      await Promise.all([...callers, writer]);
    },
  };
}

async function callOnce(target: TestGateway, name: string): ReturnType<typeof send> {
  const params = { name: `${name}__test_simple_text` };
  return await send(`${target.url}/mcp`, modernRequest(target.key, "tools/call", params));
}

async function callIds(target: TestGateway): Promise<string[]> {
  const { body } = await target.api("GET", "/api/calls?limit=500");
  return rows("calls", body).map((row) => String(row["id"]));
}

async function storedNames(target: TestGateway): Promise<string[]> {
  const [keys, servers] = await Promise.all([
    target.api("GET", "/api/keys"),
    target.api("GET", "/api/servers"),
  ]);
  return [...rows("keys", keys.body), ...rows("servers", servers.body)].map((row) =>
    String(row["name"]),
  );
}

function rows(name: string, body: unknown): Record<string, unknown>[] {
  const row = z.record(z.string(), z.unknown());
  const parsed = z.union([z.array(row), z.looseObject({ [name]: z.array(row) })]).parse(body);
  return Array.isArray(parsed) ? parsed : z.array(row).parse(parsed[name]);
}

async function living(pids: readonly number[]): Promise<number[]> {
  const alive = await Promise.all(pids.map(isAlive));
  return pids.filter((_, index) => alive[index]);
}
