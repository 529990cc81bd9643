import { createServer, type Server } from "node:net";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Child, runNode } from "../support/child.ts";
import { freePort } from "../support/free-port.ts";
import { inRoot } from "../support/root.ts";
import { until } from "../support/until.ts";

const SECRET = "very-secret-word";

let home: string;
let child: Child | undefined;
let taken: Server | undefined;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "signalbox-start-"));
  await chmod(home, 0o755);
  await mkdir(join(home, "data"), { mode: 0o755 });
});

afterEach(async () => {
  await child?.stop(30_000);
  taken?.close();
  child = undefined;
  taken = undefined;
  await rm(home, { recursive: true, force: true });
}, 60_000);

function serve(env: Record<string, string>): Child {
  child = runNode([inRoot("src/main.ts"), "serve"], {
    cwd: home,
    env: {
      PORT: "0",
      METRICS_PORT: "0",
      LOG_FORMAT: "json",
      SIGNALBOX_HOME: join(home, "data"),
      SIGNALBOX_CONFIG: join(home, "signalbox.toml"),
      ...env,
    },
  });
  return child;
}

function linesOf(gateway: Child): Record<string, unknown>[] {
  return gateway
    .stdout()
    .split("\n")
    .filter((line) => line.startsWith("{") && line.endsWith("}"))
    .map((line): Record<string, unknown> => JSON.parse(line));
}

async function takePort(): Promise<string> {
  taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const address = taken.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return String(address.port);
}

test("without its database a gateway says where it looked and why; an edited file is served, or the log says what is not", async () => {
  const place = `127.0.0.1:${await freePort()}/orders`;
  const file = join(home, "signalbox.toml");
  await writeFile(file, "");
  const gateway = serve({ DATABASE_URL: `postgres://clerk:${SECRET}@${place}` });
  await until("the banner", () => gateway.stdout().includes("Add a first server"), 90_000);
  expect(gateway.stdout()).toContain(`none yet at ${place}: The database does not answer: `);
  expect(linesOf(gateway)).toContainEqual(
    expect.objectContaining({ level: "error", code: "STORE_UNAVAILABLE", database: place }),
  );

  await writeFile(file, `[limits]\ncall_timeout = "5s"\n[auth]\nadmin_key = "${SECRET}-2"\n`);
  const waiting = await until("the warning", () =>
    linesOf(gateway).find(({ settings }) => settings !== undefined),
  );
  expect(waiting).toMatchObject({
    level: "warn",
    settings: "auth.admin_key, limits.call_timeout",
    message: "Changed settings that wait for the next start: auth.admin_key, limits.call_timeout",
  });

  await writeFile(file, "prot = 1\n[log]\nlevel = 'loud'\n");
  const broken = await until("the error", () =>
    linesOf(gateway).find(({ code }) => code === "CONFIG_INVALID"),
  );
  expect(broken).toMatchObject({
    level: "error",
    problems: [
      { file: "signalbox.toml", line: 1, path: "prot", suggestion: "port" },
      { file: "signalbox.toml", line: 3, path: "log.level" },
    ],
  });
  expect(broken["message"]).toMatch(/the one before still is: \S.*\(did you mean port\?\); \S/);
  expect(gateway.stdout() + gateway.stderr()).not.toContain(SECRET);
});

test("a start that fails for a taken port says where the key is that it made, and nothing about its own clearing away", async () => {
  await writeFile(
    join(home, "signalbox.toml"),
    `[servers.slow]\ncommand = "${process.execPath}"\nargs = ["-e", "setInterval(() => {}, 1000)"]\n`,
  );
  const gateway = serve({ PORT: await takePort() });
  await gateway.closed;
  expect(gateway.process.exitCode).toBe(1);
  const keyFile = join(home, "data", "admin.key");
  expect(gateway.stderr()).toContain("docs/errors/PORT_IN_USE.md");
  expect(gateway.stderr()).toContain(`it is kept in ${keyFile} `);
  const key = await readFile(keyFile, "utf8");
  expect(gateway.stdout() + gateway.stderr()).not.toContain(key.trim());
  expect(gateway.stdout()).not.toMatch(/Stopping|Stopped|is missing from lists/);
});

test("a start that fails ends the process though the database is still looked for", async () => {
  const gateway = serve({
    PORT: await takePort(),
    DATABASE_URL: `postgres://clerk:${SECRET}@127.0.0.1:${await freePort()}/orders`,
  });
  await gateway.closed;
  expect(gateway.process.exitCode).toBe(1);
  expect(gateway.stderr()).not.toContain("admin key");
});
