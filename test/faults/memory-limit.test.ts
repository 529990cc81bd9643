// FS-21: a gateway that may have only so much memory, and ten callers at once who ask for more than that each. Where there
// are control groups the kernel holds the limit, as it would in a container; elsewhere what the process takes is measured.
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Cgroup } from "../../src/upstream/processes/cgroup.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { inRoot } from "../support/root.ts";
import { until } from "../support/until.ts";
import { modernRequest } from "../support/wire.ts";
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
import { pick } from "./seeded-random.ts";
import { VastAnswers, vastTools } from "./vast-answers.ts";

const MB = 1_000_000;
const answerBytes = 200 * MB;
const callers = 10;
/** All that the gateway may take, its database beside it included. */
const limitBytes = 300 * MB;
const settings = {
  limits: {
    response_bytes_max: 2 * answerBytes,
    held_bytes_max: 32 * MB,
    call_timeout: "2m",
  },
};
const scenarioMs = 180_000;

/** What this system has to hold a limit by; undefined where a limit can only be measured. */
const groups = groupsFolder();

const open = new AsyncDisposableStack();
const ledger = new Ledger();
let gateway: TestGateway;
let group: Cgroup | undefined;

beforeAll(async () => {
  const quiet = open.use(await LedgerServer.start({ name: "quiet", ledger }));
  const modern = open.use(await VastAnswers.start("modern", answerBytes));
  const legacy = open.use(await VastAnswers.start("legacy", answerBytes));
  const made =
    groups === undefined
      ? undefined
      : Cgroup.create(groups, `signalbox-test-${process.pid}`, limitBytes);
  if (made !== undefined) open.defer(async () => await made.remove());
  group = made;
  const bytes = `--bytes=${answerBytes}`;
  gateway = await startGateway({
    settings,
    servers: {
      quiet: { url: quiet.url },
      plain: { url: modern.url },
      bridged: { url: legacy.url },
      lines: {
        command: process.execPath,
        args: [inRoot("test/faults/vast-stdio.ts"), bytes],
        protocol_era: "legacy",
      },
    },
    env: { NODE_OPTIONS: `--max-old-space-size=${Math.round(limitBytes / MB / 2)}` },
    ...(made && { joins: made.membersFile }),
  });
  open.defer(async () => await gateway.stop());
}, 120_000);

afterAll(async () => {
  await open.disposeAsync();
  await writeSummary("memory-limit");
}, 60_000);

const ways = [
  ...["plain", "bridged"].flatMap((server) => vastTools.map((tool) => `${server}__${tool}`)),
  "lines__line",
];

test.skipIf(process.platform !== "linux").each(seeds)(
  "FS-21, seed %i: ten answers of 200 MB at once neither end a gateway of 300 MB nor hold up another server",
  async (seed) => {
    const violations = await runScenario("FS-21", seed, gateway, {
      ledger: () => ledger.entries,
      act: askForTooMuch,
    });
    expect(violations).toEqual([]);
  },
  scenarioMs,
);

async function askForTooMuch(run: ScenarioRun): Promise<Figures> {
  await run.recovers("quiet", 20_000);
  const known = run.history.operations.length;
  let over = false;
  const load = run.load({ servers: ["quiet"], workers: 2, enough: () => over });
  const more = Array.from({ length: callers - ways.length }, () => pick(ways, run.random));
  const asked = [...ways, ...more];
  const answers = await Promise.all(asked.map(ask)).finally(() => {
    over = true;
  });
  await load;
  const operations = run.history.operations.slice(known);
  expect(operations.length).toBeGreaterThan(0);
  expect(operations.filter(({ endings }) => endings[0]?.kind !== "ok")).toEqual([]);
  const ends = asked.map((way, index) => `${way} ${answers[index]}`);
  // What need not be read whole comes whole; what must be, and is larger than there is room, is refused.
  const wanted = asked.map((way) => `${way} ${streams.has(way) ? "whole" : "SERVER_TOO_LARGE"}`);
  expect(ends).toEqual(wanted);
  expect(gateway.child.exited()).toBe(false);
  expect(group?.ranOut ?? false).toBe(false);
  const peak = peakBytesOf(gateway.child.pid);
  expect(peak).toBeLessThan(limitBytes);
  await until("all that was held is given back", async () => (await heldBytes()) === 0);
  await run.recovers("quiet", 20_000);
  return {
    limitHeldBy: group === undefined ? "measured" : "control group",
    peakMB: Math.round(peak / MB),
    quiet: durationsOf(operations, ["quiet"]),
  };
}

const streams = new Set(["plain__length", "plain__chunked"]);

/** "whole", or the code of the error, or what else came. */
async function ask(name: string): Promise<string> {
  const wire = modernRequest(gateway.key, "tools/call", { name, arguments: {} });
  return await new Promise((resolve, reject) => {
    const outgoing = request(
      `${gateway.url}/mcp`,
      { method: "POST", headers: wire.headers, agent: false },
      (answer) => {
        let bytes = 0;
        let end = "";
        answer.on("data", (chunk: Buffer) => {
          bytes += chunk.length;
          end = (end + chunk.toString("latin1", Math.max(0, chunk.length - keptBytes))).slice(
            -keptBytes,
          );
        });
        answer.on("end", () => resolve(endOf(bytes, end)));
        answer.on("error", (error) => resolve(`broke off: ${error.message}`));
      },
    );
    outgoing.on("error", reject);
    outgoing.end(wire.body);
  });
}

const keptBytes = 2_000;

function endOf(bytes: number, end: string): string {
  if (bytes > answerBytes && end.trimEnd().endsWith("}")) return "whole";
  return /"code":"([A-Z_]+)"/.exec(end)?.[1] ?? `${bytes} bytes ending with ${end.slice(-200)}`;
}

async function heldBytes(): Promise<number> {
  const text = await (await fetch(gateway.metricsUrl)).text();
  return Number(/^mcp_held_bytes (\S+)$/m.exec(text)?.[1]);
}

function peakBytesOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

function groupsFolder(): string | undefined {
  for (const folder of ["/sys/fs/cgroup/memory", "/sys/fs/cgroup"]) {
    try {
      void Cgroup.create(folder, `signalbox-probe-${process.pid}`, limitBytes).remove();
      return folder;
    } catch {
      // The next one, or none.
    }
  }
  process.stderr.write(
    "\n*** No control groups that may be written: FS-21's memory limit is not held by the kernel, it is only MEASURED. ***\n\n",
  );
  return undefined;
}
