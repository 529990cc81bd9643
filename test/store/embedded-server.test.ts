import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  existsSync,
  readFileSync,
  readdirSync,
  renameSync,
  statSync,
} from "node:fs";
import { mkdir, readFile, readdir, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { silentLog } from "../../src/foundation/index.ts";
import { openStore } from "../../src/store/store.ts";
import { temporaryHome } from "../../src/store/test-database.ts";
import { databaseUser } from "../../src/store/embedded/database-user.ts";
import { locateData } from "../../src/store/embedded/data-location.ts";
import { startEmbeddedServer } from "../../src/store/embedded/embedded-server.ts";
import type { EmbeddedServer } from "../../src/store/embedded/embedded-server.ts";
import { isAlive, readPidFile } from "../../src/store/embedded/postmaster.ts";

const signal = AbortSignal.timeout(120_000);
const asRoot = process.getuid?.() === 0;
const slow = { timeout: 60_000 };

/** Most tests share one home, for making a data directory takes longest; each leaves it stopped and whole. */
let shared: Awaited<ReturnType<typeof temporaryHome>>;
let path: string;
let data: string;
/** Settings that the server reads over those of postgresql.conf. */
let settingsFile: string;

beforeAll(async () => {
  shared = await temporaryHome();
  path = join(shared.path, "a home with spaces");
  data = join(path, "database", "data");
  settingsFile = join(data, "postgresql.auto.conf");
  await mkdir(path, { mode: 0o755 });
  const server = await start(path);
  await server.stop();
}, 60_000);

afterAll(async () => {
  await shared[Symbol.asyncDispose]();
});

describe("killed with -9", () => {
  test(
    "no acknowledged row is lost, no server stays, and the next start finds everything",
    slow,
    async () => {
      const acknowledged = new Set<string>();
      for (let round = 0; round < 3; round += 1) {
        const writer = startWriter(path);
        const { found } = await writer.ready;
        expect(new Set(found).isSupersetOf(acknowledged)).toBe(true);
        await writer.untilWritten(30);
        await writer.kill();
        for (const id of writer.written) acknowledged.add(id);
        // Some rounds begin while the watchdog still stops the server, others after.
        if (round === 1) await untilNoServerOf(path);
      }
      await untilNoServerOf(path);
      await using store = await openStore({ home: path, log: silentLog });
      const rows = await store.calls.recent({ limit: 500 });
      expect(new Set(rows.map(({ id }) => id)).isSupersetOf(acknowledged)).toBe(true);
    },
  );

  test(
    "with its watchdog, its server is adopted by the next gateway and ends with that",
    slow,
    async () => {
      const writer = startWriter(path);
      await writer.ready;
      process.kill(Number(readFileSync(join(path, "database", "watchdog.pid"), "utf8")), "SIGKILL");
      await writer.kill();
      const left = readPidFile(data)?.pid;
      expect(left !== undefined && isAlive(left)).toBe(true);
      const server = await start(path);
      expect(server.pid).toBe(left);
      await server.stop();
      await untilNoServerOf(path);
    },
  );
});

test("a second gateway on the home is refused with the id of the first", slow, async () => {
  const writer = startWriter(path);
  await writer.ready;
  await expect(openStore({ home: path, log: silentLog })).rejects.toMatchObject({
    code: "HOME_LOCKED",
    message: expect.stringContaining(`process id ${writer.child.pid}`),
  });
  await writer.kill();
});

test(
  "Ctrl-C for the whole group leaves the server to the gateway, and its end ends the server",
  slow,
  async () => {
    const writer = startWriter(path);
    await writer.ready;
    process.kill(-(writer.child.pid ?? 0), "SIGINT");
    const [, ended] = await once(writer.child, "exit");
    expect(ended).toBe("SIGINT");
    await untilNoServerOf(path);
  },
);

test(
  "a server that ends by itself is brought back, elsewhere when its port is taken",
  slow,
  async () => {
    await using store = await openStore({ home: path, log: silentLog });
    await store.settings.set("kept", 1);
    const before = readPidFile(data);
    let changes = 0;
    store.onChange(() => {
      changes += 1;
    });
    process.kill(before?.pid ?? 0, "SIGKILL");
    const squatter = createServer((socket) => socket.destroy());
    await expect.poll(() => occupy(squatter, before?.port ?? 0)).toBe(true);
    await expect.poll(() => store.settings.get("kept").catch(() => 0), { timeout: 20_000 }).toBe(1);
    expect(readPidFile(data)?.pid).not.toBe(before?.pid);
    expect(readPidFile(data)?.port).not.toBe(before?.port);
    await expect.poll(() => changes, { timeout: 10_000 }).toBeGreaterThan(0);
    squatter.close();
  },
);

test(
  "a pid file whose number belongs to another program now does not hold up the start",
  slow,
  async () => {
    const { uid, gid } = statSync(data);
    const stranger = spawn("sleep", ["60"], {
      stdio: "ignore",
      cwd: "/",
      ...(asRoot ? { uid, gid } : {}),
    });
    const pidFile = join(data, "postmaster.pid");
    await writeFile(pidFile, `${stranger.pid}\n${data}\n1\n5432\n\n127.0.0.1\n1 1\nready\n`);
    if (asRoot) chownSync(pidFile, uid, gid);
    const second = await start(path);
    expect(second.pid).not.toBe(stranger.pid);
    expect(stranger.exitCode).toBe(null);
    await second.stop();
    stranger.kill("SIGKILL");
  },
);

test(
  "commits are made durable whatever postgresql.conf says, and only the loopback is listened on",
  slow,
  async () => {
    const usual = await readFile(settingsFile);
    await writeFile(
      settingsFile,
      "fsync = off\nfull_page_writes = off\nsynchronous_commit = off\nlisten_addresses = '*'\nwork_mem = '5MB'\n",
    );
    const server = await start(path);
    const client = new pg.Client({ ...server.address });
    await client.connect();
    const names = [
      "fsync",
      "full_page_writes",
      "synchronous_commit",
      "listen_addresses",
      "work_mem",
    ];
    const { rows } = await client.query(
      "SELECT setting FROM pg_settings WHERE name = ANY ($1) ORDER BY array_position($1, name)",
      [names],
    );
    expect(rows.map((row) => row.setting)).toEqual(["on", "on", "on", "127.0.0.1", "5120"]);
    await client.end();
    await server.stop();
    await writeFile(settingsFile, usual);
  },
);

test("a start that fails gives the end of the server's log", slow, async () => {
  const usual = await readFile(settingsFile);
  await writeFile(settingsFile, "shared_buffers = nonsense\n");
  await expect(start(path)).rejects.toMatchObject({
    code: "STORE_START",
    message: expect.stringMatching(/invalid value for parameter "shared_buffers"/u),
  });
  await untilNoServerOf(path);
  await writeFile(settingsFile, usual);
});

test("what initdb left half done is made anew", slow, async () => {
  await using home = await temporaryHome();
  const { folder } = locateData(home.path);
  await mkdir(join(folder, "data.draft-old"));
  await writeFile(join(folder, "data.draft-old", "PG_VERSION"), "18");
  const server = await start(home.path);
  await server.stop();
  expect((await readdir(folder)).filter((name) => name.includes("draft"))).toEqual([]);
});

test("secrets lie where only their owner reads them, and on no command line", slow, async () => {
  const server = await start(path);
  expect((await stat(join(path, "database.json"))).mode & 0o777).toBe(0o600);
  expect((await stat(join(path, "database"))).mode & 0o777).toBe(0o700);
  const commands = spawnSync("ps", ["-eo", "args"], { encoding: "utf8" }).stdout;
  expect(commands).not.toContain(server.address.password);
  expect(await readdir(join(path, "database"))).not.toContain("password.draft");
  await server.stop();
});

test("a database whose record is gone is neither opened nor overwritten", slow, async () => {
  const record = join(path, "database.json");
  renameSync(record, `${record}.away`);
  await expect(start(path)).rejects.toMatchObject({
    code: "STORE_START",
    message: expect.stringContaining("database.json"),
  });
  renameSync(`${record}.away`, record);
});

describe.runIf(asRoot)("started as root", () => {
  test("the server runs as somebody else", slow, async () => {
    const server = await start(path);
    const status = await readFile(`/proc/${server.pid}/status`, "utf8");
    expect(status).toMatch(new RegExp(`^Uid:\\s+${databaseUser(undefined)?.uid}\\s`, "mu"));
    await server.stop();
  });

  test(
    "under a closed folder the database goes to a place its user can reach, and stays there",
    slow,
    async () => {
      await using home = await temporaryHome();
      await using elsewhere = await temporaryHome();
      const closed = join(home.path, "closed");
      const inner = join(closed, "home");
      await mkdir(inner, { recursive: true });
      chmodSync(closed, 0o700);
      const first = locateData(inner, elsewhere.path);
      expect(first.outsideHome).toBe(true);
      expect(first.folder.startsWith(elsewhere.path)).toBe(true);
      expect(readdirSync(inner)).toEqual(["database.json"]);
      const server = await start(inner);
      expect(server.folder).toBe(first.folder);
      await server.stop();
    },
  );

  test("an ordinary user starts one of their own", slow, async (context) => {
    const nobody = { uid: 65_534, gid: 65_534 };
    const reachable =
      spawnSync(process.execPath, ["--version"], { ...nobody, cwd: "/" }).status === 0;
    const readable =
      spawnSync("test", ["-r", import.meta.filename], { ...nobody, cwd: "/" }).status === 0;
    if (!reachable || !readable) {
      context.skip("this checkout lies where an ordinary user cannot read it");
    }
    await using home = await temporaryHome();
    const own = join(home.path, "own");
    await mkdir(own);
    chownSync(own, nobody.uid, nobody.gid);
    const writer = startWriter(own, nobody);
    expect((await writer.ready).uid).toBe(nobody.uid);
    await writer.untilWritten(3);
    expect(statSync(join(own, "database", "data")).uid).toBe(nobody.uid);
    await writer.kill();
    await untilNoServerOf(own);
    // And root goes on with the same owner.
    await using store = await openStore({ home: own, log: silentLog });
    expect((await store.calls.recent({ limit: 500 })).length).toBeGreaterThanOrEqual(3);
  });
});

function start(at: string): Promise<EmbeddedServer> {
  return startEmbeddedServer({ home: at, log: silentLog, signal });
}

const report = z.union([
  z.object({ ready: z.literal(true), found: z.array(z.string()), uid: z.number().optional() }),
  z.object({ written: z.string() }),
]);

interface Writer {
  readonly child: ChildProcess;
  readonly ready: Promise<{ found: string[]; uid?: number | undefined }>;
  readonly written: string[];
  untilWritten(count: number): Promise<void>;
  kill(): Promise<void>;
}

function startWriter(home: string, identity: { uid?: number; gid?: number } = {}): Writer {
  const program = join(import.meta.dirname, "crash-writer.ts");
  const child = spawn(process.execPath, [program, home], {
    ...identity,
    cwd: "/",
    detached: true,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const written: string[] = [];
  const {
    promise: ready,
    resolve,
    reject,
  } = Promise.withResolvers<{ found: string[]; uid?: number | undefined }>();
  const lines = createInterface({ input: child.stdout });
  lines.on("line", (line) => {
    const said = report.safeParse(parseLine(line)).data;
    if (said === undefined) return; // The line in which it was killed.
    if ("ready" in said) resolve(said);
    else written.push(said.written);
  });
  child.once("exit", () => reject(new Error("the writer ended before it was ready")));
  ready.catch(() => undefined);
  return {
    child,
    ready,
    written,
    untilWritten: async (count) => {
      await expect.poll(() => written.length, { timeout: 20_000 }).toBeGreaterThanOrEqual(count);
    },
    kill: async () => {
      const closed = once(child, "close");
      child.kill("SIGKILL");
      await closed;
    },
  };
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** Resolves when no process of the home's database lives any more. */
async function untilNoServerOf(home: string): Promise<void> {
  const directory = join(home, "database", "data");
  await expect.poll(() => processesFor(directory), { timeout: 15_000 }).toEqual([]);
}

function processesFor(directory: string): string[] {
  if (!existsSync("/proc/self/cmdline")) {
    const { stdout } = spawnSync("ps", ["-eo", "args"], { encoding: "utf8" });
    return stdout.split("\n").filter((line) => line.includes(directory));
  }
  const pids = readdirSync("/proc").filter((name) => /^\d+$/u.test(name));
  return pids.filter((pid) => isAlive(Number(pid)) && isOf(pid, directory));
}

/** Children of the server show a title for their arguments; their working directory gives them away. */
function isOf(pid: string, directory: string): boolean {
  try {
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8");
    if (command.includes(directory) || command.includes("crash-writer"))
      return command.includes(directory);
    return (
      command.startsWith("postgres: ") &&
      spawnSync("readlink", [`/proc/${pid}/cwd`], { encoding: "utf8" }).stdout.trim() === directory
    );
  } catch {
    return false;
  }
}

async function occupy(server: ReturnType<typeof createServer>, port: number): Promise<boolean> {
  const listening = once(server, "listening").then(() => true);
  const failed = once(server, "error").then(() => false);
  listening.catch(() => undefined);
  failed.catch(() => undefined);
  server.listen(port, "127.0.0.1");
  return Promise.race([listening, failed]);
}
