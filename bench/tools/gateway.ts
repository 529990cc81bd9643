/**
 * A gateway as a team runs it: keys, permissions, rate limits and quotas that nobody reaches, pins that block, audit trail, metrics and call
 * log on, its own home, ports and database.
 */
import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stringify } from "smol-toml";
import { freePort } from "../../test/support/free-port.ts";
import { McpClient, memberOf, type Endpoint, type Era } from "./mcp-client.ts";
import { startProcess, type Started } from "./processes.ts";

/** Tables of the configuration file. */
export interface GatewaySettings {
  readonly servers: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly limits?: Readonly<Record<string, unknown>>;
}

export interface RunningGateway extends Started {
  readonly url: string;
  readonly metricsUrl: string;
  /** From the start of the process to the first 200 of /ready. */
  readonly readyAfterMs: number;
  /** The MCP endpoint for a caller with a key of its own. */
  endpoint(era: Era): Endpoint;
  /** Writes the configuration file anew, which the gateway reloads. */
  configure(settings: GatewaySettings): Promise<void>;
  /** The text of the metrics page. */
  scrape(): Promise<string>;
  /** Ends the process and starts it again on the same home. */
  restart(): Promise<RunningGateway>;
}

/** What `npm start` gives to Node. */
const servingFlags = [
  "--max-semi-space-size=8",
  "--no-parallel-scavenge",
  "--initial-old-space-size=64",
  "--external-memory-accounted-in-global-limit",
];
const guards = {
  rate_limit: { max: 1_000_000_000 },
  quotas: { day: 1_000_000_000 },
  pins: { policy: "block" },
};
const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

/** Starts a gateway on a new home and waits until it is ready and lists the tools of all its servers. */
export async function startGateway(settings: GatewaySettings): Promise<RunningGateway> {
  const home = await mkdtemp(join(tmpdir(), "signalbox-bench-"));
  homes.add(home);
  const adminKey = `sbx_${randomBytes(32).toString("base64url")}`;
  return runOn(home, adminKey, settings);
}

const homes = new Set<string>();
process.on("exit", () => {
  for (const home of homes) rmSync(home, { recursive: true, force: true, maxRetries: 5 });
});

async function runOn(
  home: string,
  adminKey: string,
  settings: GatewaySettings,
): Promise<RunningGateway> {
  const configFile = join(home, "signalbox.toml");
  const configure = (changed: GatewaySettings): Promise<void> =>
    writeFile(configFile, stringify({ ...guards, ...changed }));
  await configure(settings);
  const [port, metricsPort] = await Promise.all([freePort(), freePort()]);
  const url = `http://127.0.0.1:${port}`;
  const metricsUrl = `http://127.0.0.1:${metricsPort}/metrics`;
  const startedMs = performance.now();
  const profile = process.env["BENCH_CPU_PROFILE"];
  const profiling = profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profile}`];
  const started = await startProcess(
    process.execPath,
    [...servingFlags, ...profiling, main, "serve"],
    {
      cwd: home,
      env: {
        PORT: String(port),
        METRICS_PORT: String(metricsPort),
        SIGNALBOX_HOME: join(home, "data"),
        SIGNALBOX_CONFIG: configFile,
        SIGNALBOX_ADMIN_KEY: adminKey,
      },
      ready: () => answersReady(url),
    },
  );
  const readyAfterMs = performance.now() - startedMs;
  const key = await createKey(url, adminKey);
  const headers = { authorization: `Bearer ${key}` };
  const endpoint = (era: Era): Endpoint => ({ url: `${url}/mcp`, era, headers });
  await everyServerListed(endpoint("modern"), Object.keys(settings.servers));
  return {
    pid: started.pid,
    url,
    metricsUrl,
    readyAfterMs,
    endpoint,
    configure,
    scrape: async () => (await fetch(metricsUrl)).text(),
    async restart() {
      await started.stop();
      return runOn(home, adminKey, settings);
    },
    async stop() {
      await started.stop();
      await rm(home, { recursive: true, force: true, maxRetries: 5 });
      homes.delete(home);
    },
  };
}

async function answersReady(url: string): Promise<boolean> {
  const answer = await fetch(`${url}/ready`).catch(() => undefined);
  await answer?.body?.cancel();
  return answer?.status === 200;
}

// A caller's key, as a client has one: not the administrator's.
async function createKey(url: string, adminKey: string): Promise<string> {
  const name = `bench-${randomBytes(4).toString("hex")}`;
  const answer = await fetch(`${url}/api/keys`, {
    method: "POST",
    headers: { authorization: `Bearer ${adminKey}`, "content-type": "application/json" },
    body: JSON.stringify({ name, role: "caller", bundles: "all" }),
  });
  const key = memberOf(await answer.json(), "key");
  if (typeof key !== "string") throw new Error(`the key was not created: HTTP ${answer.status}`);
  return key;
}

async function everyServerListed(endpoint: Endpoint, names: readonly string[]): Promise<void> {
  const client = new McpClient(endpoint);
  try {
    const listed = await client.ask("tools/list", undefined, "");
    const missing = memberOf(memberOf(listed, "_meta"), "signalbox/missing");
    if (Array.isArray(missing) && missing.length > 0) {
      throw new Error(`of ${names.join(", ")} these are missing: ${JSON.stringify(missing)}`);
    }
  } finally {
    await client.close();
  }
}
