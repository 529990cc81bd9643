// A soak of local servers. SOAK_SERVERS (24), SOAK_SECONDS (20) and SOAK_SEED (1) make it larger, longer or another one:
// 200 servers for 300 seconds is the full run.
import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { freePort } from "../support/free-port.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { processesMentioning } from "../support/processes.ts";
import { until } from "../support/until.ts";
import { collectGarbage, inspectable } from "./collect-garbage.ts";
import {
  holdingOf,
  ProcessSoak,
  processesTotalMax,
  soakSettings,
  type Holding,
} from "./process-soak.ts";
import { childrenOf, StartedPrograms } from "./started-programs.ts";

const servers = Number(process.env["SOAK_SERVERS"] ?? 24);
const forMs = Number(process.env["SOAK_SECONDS"] ?? 20) * 1000;
const seed = Number(process.env["SOAK_SEED"] ?? 1);

/** What may be open beside what was open before: connections to the database and from clients come and go. */
const openFilesMore = 10;
/** Resident memory that may be held, once garbage is collected, beside what was held before the first server. */
const residentMoreMB = 60;
/** What the gateway is given to let go of everything. */
const settlesWithinMs = 60_000;

test(
  `${servers} local servers crash, hang, are killed and reconfigured for ${forMs / 1000} s, and leave nothing behind`,
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "soak-"));
    onTestFinished(async () => await rm(folder, { recursive: true, force: true }));
    const inspectorPort = await freePort();
    const gateway = await startGateway({
      ...soakSettings,
      env: { NODE_OPTIONS: inspectable(inspectorPort) },
    });
    onTestFinished(async () => await gateway.stop());
    const { pid } = gateway.child;
    const startsFile = join(folder, "starts");
    const programs = new StartedPrograms(startsFile);
    const options = { programs, startsFile, compileCache: join(folder, "compiled") };

    const { residentMB } = await holdingOf(gateway, programs);
    // The first local servers bring what stays: the one who ends them when the gateway dies, and connections.
    const warmUp = new ProcessSoak(gateway, { ...options, servers: 4, forMs: 2_000, seed });
    await warmUp.run();
    await removeServers(gateway, programs);
    const warmUpStarts = programs.count;
    const children = childrenOf(pid);
    const before = { ...(await holdingOf(gateway, programs)), residentMB };

    const soak = new ProcessSoak(gateway, { ...options, servers, forMs, seed });
    await soak.run();
    await removeServers(gateway, programs);
    const uncollected = await holdingOf(gateway, programs);
    const isBack = async (): Promise<boolean> => {
      await collectGarbage(inspectorPort);
      const now = await holdingOf(gateway, programs);
      return (
        now.openFiles <= before.openFiles + openFilesMore &&
        now.residentMB <= before.residentMB + residentMoreMB
      );
    };
    await until("files and memory are back", isBack, settlesWithinMs).catch(() => undefined);
    const after = await holdingOf(gateway, programs);
    const starts = programs.count - warmUpStarts;
    report({ before, peak: soak.peak, uncollected, after, starts, soak });

    expect(childrenOf(pid)).toEqual(children);
    expect(await processesMentioning(folder)).toEqual([]);
    expect(after.openFiles).toBeLessThanOrEqual(before.openFiles + openFilesMore);
    expect(after.residentMB).toBeLessThanOrEqual(before.residentMB + residentMoreMB);
    expect(soak.processesPeak).toBeLessThanOrEqual(processesTotalMax);
    expect(soak.counts.callsWrong).toEqual([]);
    expect(soak.counts.callsOk).toBeGreaterThan(servers);
  },
  forMs + 400_000,
);

/** Configures no server at all, and waits until none of their programs is left. */
async function removeServers(gateway: TestGateway, programs: StartedPrograms): Promise<void> {
  await gateway.configure(soakSettings);
  const configured = async (): Promise<boolean> =>
    JSON.stringify((await gateway.api("GET", "/api/servers")).body).includes('"soak');
  await until("no server is configured", async () => !(await configured()), settlesWithinMs);
  await until(
    "no program of a server is left",
    () => programs.living().length === 0,
    settlesWithinMs,
  ).catch(() => undefined);
}

function report(figures: {
  before: Holding;
  peak: Holding;
  uncollected: Holding;
  after: Holding;
  starts: number;
  soak: ProcessSoak;
}): void {
  const { soak, ...rest } = figures;
  const line = {
    soak: { servers, seconds: forMs / 1000, seed },
    ...rest,
    processesPeak: soak.processesPeak,
    ...soak.counts,
    machine: { cores: availableParallelism(), load: loadavg().map((load) => load.toFixed(1)) },
  };
  process.stdout.write(`\n${JSON.stringify(line)}\n`);
}
