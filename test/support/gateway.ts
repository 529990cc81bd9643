import { randomBytes } from "node:crypto";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "smol-toml";
import { type Child, runNode } from "./child.ts";
import { freePort } from "./free-port.ts";
import { inRoot } from "./root.ts";
import { until } from "./until.ts";

const readyWithinMs = 90_000;

/** What a test may say about its gateway: tables of `signalbox.toml`, and the environment. */
export interface GatewaySetup {
  servers?: Record<string, Record<string, unknown>>;
  bundles?: Record<string, Record<string, unknown>>;
  /** Any other tables of the file, for example `{ limits: { body_bytes_max: 1000 } }`. */
  settings?: Record<string, unknown>;
  env?: Record<string, string>;
  /** The file of a control group's members, which the process joins before it begins. */
  joins?: string;
  /** A home to start on again; by default a new one, removed by `stop`. */
  home?: string;
}

/** A running gateway process with its own home, ports and database. */
export interface TestGateway {
  readonly url: string;
  readonly metricsUrl: string;
  readonly key: string;
  readonly home: string;
  readonly child: Child;
  /** Milliseconds from the start of the process until `/ready` answered 200. */
  readonly readyAfterMs: number;
  /** Calls the HTTP API with the admin key; the body of the answer comes parsed. */
  api(method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }>;
  /** Rewrites the configuration file, which the gateway reloads. */
  configure(setup: GatewaySetup): Promise<void>;
  /** Ends the process as an operator would, and removes its home unless `keepHome`; throws when it had died before. */
  stop(options?: { keepHome?: boolean }): Promise<void>;
  /** Ends the process as a crash would; the home stays. */
  kill(): Promise<void>;
}

/** Starts a gateway and waits until it is ready; throws with its output when it is not. */
export async function startGateway(setup: GatewaySetup = {}): Promise<TestGateway> {
  const home = setup.home ?? (await newHome());
  const key = setup.env?.["SIGNALBOX_ADMIN_KEY"] ?? `sbx_${randomBytes(32).toString("base64url")}`;
  const configFile = join(home, "signalbox.toml");
  await writeFile(configFile, toToml(setup));
  const [port, metricsPort] = await Promise.all([freePort(), freePort()]);
  const startedAt = performance.now();
  const child = runNode([inRoot("src/main.ts"), "serve"], {
    cwd: home,
    env: {
      PORT: String(port),
      METRICS_PORT: String(metricsPort),
      SIGNALBOX_HOME: join(home, "data"),
      SIGNALBOX_CONFIG: configFile,
      SIGNALBOX_ADMIN_KEY: key,
      ...setup.env,
    },
    joins: setup.joins,
  });
  const url = `http://127.0.0.1:${port}`;
  await ready(url, child).catch(async (error: unknown) => {
    if (setup.home === undefined) await rm(home, { recursive: true, force: true });
    throw error;
  });
  return {
    url,
    metricsUrl: `http://127.0.0.1:${metricsPort}/metrics`,
    key,
    home,
    child,
    readyAfterMs: performance.now() - startedAt,
    api: (method, path, body) => callApi(url, key, method, path, body),
    configure: (changed) => writeFile(configFile, toToml(changed)),
    stop: async (options) => {
      const died = child.exited() ? `${child.stdout()}\n${child.stderr()}` : undefined;
      await child.stop(30_000);
      if (!options?.keepHome) await rm(home, { recursive: true, force: true });
      if (died !== undefined) throw new Error(`the gateway had died during the test\n${died}`);
    },
    kill: () => child.kill(),
  };
}

// Run as root, the database belongs to another user: it stays in the home only where that user can reach it.
async function newHome(): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), "signalbox-test-"));
  await chmod(home, 0o755);
  await mkdir(join(home, "data"), { mode: 0o755 });
  return home;
}

function toToml(setup: GatewaySetup): string {
  const { servers = {}, bundles = {}, settings = {} } = setup;
  return stringify({ ...settings, servers, bundles });
}

async function ready(url: string, child: Child): Promise<void> {
  try {
    await until("the gateway is ready", () => isReady(url, child), readyWithinMs);
  } catch (error) {
    await child.kill();
    throw new Error(`${String(error)}\n${child.stdout()}\n${child.stderr()}`, { cause: error });
  }
}

async function isReady(url: string, child: Child): Promise<boolean> {
  if (child.exited()) throw new Error("the gateway ended before it was ready");
  const answer = await fetch(`${url}/ready`).catch(() => undefined);
  await answer?.body?.cancel();
  return answer?.status === 200;
}

async function callApi(
  url: string,
  key: string,
  method: string,
  path: string,
  body: unknown,
): Promise<{ status: number; body: unknown }> {
  const answer = await fetch(url + path, {
    method,
    headers: {
      authorization: `Bearer ${key}`,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  return { status: answer.status, body: text === "" ? undefined : JSON.parse(text) };
}
