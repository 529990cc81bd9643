// What holds a local process in bounds, shown on real ones.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { z } from "zod";
import { until } from "../../../test/support/until.ts";
import {
  isSignalboxError,
  silentLog,
  systemClock,
  type SignalboxError,
} from "../../foundation/index.ts";
import { parseJson } from "../../protocol/index.ts";
import type { ExchangeSink, LaneListener } from "../lane.ts";
import { processOptions } from "../processes/process-options.ts";
import { Processes } from "../processes/processes.ts";
import type { ServerOptions } from "../server-options.ts";
import { isRunning } from "./running.ts";
import { open, type StdioDeps, type StdioLane } from "./stdio.ts";

const greedy = fileURLToPath(new URL("../processes/greedy-server.ts", import.meta.url));
const mayUseProc = process.platform === "linux";

class Ends implements LaneListener {
  readonly errors: SignalboxError[] = [];
  notification(): void {}
  request(): void {}
  closed(error: SignalboxError): void {
    this.errors.push(error);
  }
}

const result = z.looseObject({
  opened: z.number().optional(),
  child: z.number().optional(),
  pings: z.number().optional(),
});

class Answer implements ExchangeSink {
  readonly #settled = Promise.withResolvers<Buffer>();

  constructor() {
    this.#settled.promise.catch(() => {});
  }
  get result(): Promise<z.output<typeof result>> {
    return this.#settled.promise.then((body) =>
      result.parse(z.looseObject({ result }).parse(parseJson(body.toString())).result),
    );
  }
  get error(): Promise<Pick<SignalboxError, "code" | "message" | "details">> {
    return this.#settled.promise.then(
      () => Promise.reject(new Error("it did not fail")),
      (error: SignalboxError) => error,
    );
  }
  message(): void {}
  answer(body: Buffer): void {
    this.#settled.resolve(body);
  }
  fail(error: SignalboxError): void {
    this.#settled.reject(error);
  }
  begin(): void {}
  chunk(): boolean {
    return true;
  }
  end(): void {}
}

const lanes: StdioLane[] = [];

afterEach(async () => {
  await Promise.all(lanes.splice(0).map((opened) => opened.close()));
});

async function lane(
  settings: z.input<typeof processOptions> = {},
  more: { heard?: Ends; deps?: Partial<StdioDeps>; options?: Partial<ServerOptions> } = {},
): Promise<StdioLane> {
  const opened = await open(
    { command: process.execPath, args: [greedy], protocol_era: "legacy", ...more.options },
    { clientInfo: { name: "test", version: "1" }, capabilities: {}, shared: true },
    more.heard ?? new Ends(),
    {
      serverName: "greedy",
      log: silentLog,
      clock: systemClock,
      responseBytesMax: 1024 * 1024,
      inspectBytesMax: 1024 * 1024,
      connectTimeoutMs: 20_000,
      closeGraceMs: 300,
      process: processOptions.parse(settings),
      ...more.deps,
    },
  );
  lanes.push(opened);
  return opened;
}

function call(on: StdioLane, name: string, args: object = {}, timeoutMs = 20_000): Answer {
  const sink = new Answer();
  const params = { name, arguments: { ...args } };
  on.send({ message: { jsonrpc: "2.0", id: 1, method: "tools/call", params }, timeoutMs }, sink);
  return sink;
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "none",
    (error: unknown) => (isSignalboxError(error) ? error.code : String(error)),
  );
}

const gone = (pid: number): Promise<true> => until(`${pid} is gone`, () => !isRunning(pid));

describe.skipIf(!mayUseProc)("memory_max", () => {
  test("kills a process that uses more, and the error says so", async () => {
    const heard = new Ends();
    const opened = await lane({ memory_max: "64MB" }, { heard });
    expect(opened.limitsHeldBy).toEqual({ memory: "watch" });
    call(opened, "allocate", { bytes: 200_000_000 });
    const [error] = await until("it is over", () => heard.errors.length > 0 && heard.errors);
    expect(error?.code).toBe("SERVER_CRASHED");
    expect(error?.details).toMatchObject({ reason: "memory", signal: "SIGKILL" });
    expect(error?.message).toMatch(
      /^The server "greedy" was killed: it used [\d.]+ MB of memory, more than its memory_max of 64 MB\.$/,
    );
    await gone(opened.pid);
  });

  test("keeps a single process from taking much more at once", async () => {
    const opened = await lane({ memory_max: "64MB" });
    const bytes = 2_000_000_000;
    expect(await call(opened, "allocate-at-once", { bytes }).result).toEqual({ got: false });
    const free = await lane();
    expect(await call(free, "allocate-at-once", { bytes }).result).toEqual({ got: true });
  });

  test("counts what the process started", async () => {
    const opened = await lane({ memory_max: "128MB" });
    const error = await call(opened, "have-allocated", { bytes: 200_000_000 }).error;
    expect(error.details).toMatchObject({ reason: "memory" });
  });

  test("leaves a process alone that stays below", async () => {
    const opened = await lane({ memory_max: "512MB" });
    await call(opened, "allocate", { bytes: 50_000_000 }).result;
    expect(opened.facts()?.ownBytes).toBeGreaterThan(50_000_000);
    expect(opened.closed).toBe(false);
  });
});

describe("cpu_max", () => {
  test("kills a process that uses more, and the error says so", async () => {
    const opened = await lane({ cpu_max: "1s" });
    expect(opened.limitsHeldBy).toEqual({ cpu: "ulimit" });
    const error = await call(opened, "spin").error;
    expect(error).toMatchObject({
      code: "SERVER_CRASHED",
      message: 'The server "greedy" was killed: it used more CPU time than its cpu_max of 1 s.',
      details: { reason: "cpu", signal: "SIGXCPU" },
    });
  });
});

describe("open_files_max", () => {
  test("holds", async () => {
    const opened = await lane({ open_files_max: 100 });
    const { opened: files } = await call(opened, "open", { files: 1_000 }).result;
    expect(files).toBeGreaterThan(10);
    expect(files).toBeLessThan(100);
  });

  test("keeps the process id, so that its signals and its end are the server's own", async () => {
    const opened = await lane({ open_files_max: 100 });
    process.kill(opened.pid, "SIGTERM");
    const error = await call(opened, "never").error;
    expect(error.details).toMatchObject({ reason: "signal", signal: "SIGTERM" });
  });

  test("of a command that does not exist still names the command", async () => {
    const options = { command: "no-such-program-here" };
    await expect(lane({ open_files_max: 100 }, { options })).rejects.toThrow(
      'The server "greedy" cannot start: command not found: no-such-program-here.',
    );
  });
});

describe("a runner that is not there", () => {
  test("is named", async () => {
    const options = { env: { PATH: "/nowhere" } };
    await expect(lane({ runner: "bubblewrap" }, { options })).rejects.toThrow(
      'The server "greedy" cannot start: command not found: bwrap.',
    );
  });
});

describe("a container", () => {
  test("is removed by its name when its server is closed", async () => {
    const folder = mkdtempSync(join(tmpdir(), "signalbox-engine-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const log = join(folder, "log");
    const program = `#!/bin/sh\necho "$@" $DOCKER_HOST >> "${log}"\n[ "$1" = rm ] || exec "$NODE" "$SERVER"\n`;
    writeFileSync(join(folder, "docker"), program, { mode: 0o755 });
    vi.stubEnv("DOCKER_HOST", "unix:///engine");
    const env = { PATH: `${folder}:/usr/bin:/bin`, NODE: process.execPath, SERVER: greedy };
    const opened = await lane(
      { runner: "container", memory_max: "64MB", container: { image: "greedy" } },
      { options: { env } },
    );
    expect(opened.limitsHeldBy).toEqual({ memory: "container" });
    await opened.close();
    vi.unstubAllEnvs();
    const [run, removal] = readFileSync(log, "utf8").trim().split("\n");
    const name = / --name (\S+) /.exec(run ?? "")?.[1];
    expect(removal).toBe(`rm --force ${name} unix:///engine`);
    expect(run).not.toContain("--env DOCKER_HOST");
  });
});

describe("a control group that cannot be made", () => {
  test("keeps the process from starting without its limit", async () => {
    const deps = { cgroupFolder: "/no/such/folder" };
    expect(await codeOf(lane({ memory_max: "64MB" }, { deps }))).toBe("SERVER_UNREACHABLE");
  });
});

describe("a process that is stopped", () => {
  test("lets its call time out, and is killed with all it started when it says nothing more", async () => {
    const heard = new Ends();
    const opened = await lane({}, { heard, deps: hungAfter(300) });
    const { child = 0 } = await call(opened, "family").result;
    const error = await call(opened, "freeze", {}, 300).error;
    expect(error.code).toBe("SERVER_TIMEOUT");
    await until("the lane is over", () => heard.errors.length > 0);
    expect(heard.errors[0]).toMatchObject({ code: "SERVER_CRASHED", details: { reason: "hung" } });
    expect(heard.errors[0]?.message).toContain("said nothing for 300 ms more, and was killed");
    expect(opened.closed).toBe(true);
    await Promise.all([gone(opened.pid), gone(child)]);
  });

  test("fails what else is in flight, and is asked even where its input is full", async () => {
    const opened = await lane({}, { deps: hungAfter(300) });
    process.kill(opened.pid, "SIGSTOP");
    const short = call(opened, "echo", {}, 300);
    const long = call(opened, "echo", { text: "x".repeat(20 * 1024 * 1024) }, 60_000);
    expect((await call(opened, "echo").error).code).toBe("SERVER_REFUSED");
    expect((await short.error).code).toBe("SERVER_TIMEOUT");
    expect(await long.error).toMatchObject({ code: "SERVER_CRASHED", details: { reason: "hung" } });
    await gone(opened.pid);
  });

  test.each(["legacy", "modern"] as const)("only for a while is left alone (%s)", async (era) => {
    const heard = new Ends();
    const opened = await lane(
      {},
      { heard, deps: hungAfter(20_000), options: { protocol_era: era } },
    );
    process.kill(opened.pid, "SIGSTOP");
    expect((await call(opened, "echo", {}, 100).error).code).toBe("SERVER_TIMEOUT");
    process.kill(opened.pid, "SIGCONT");
    await call(opened, "echo").result;
    expect(heard.errors).toEqual([]);
  });

  function hungAfter(ms: number): Partial<StdioDeps> {
    return { hungAfterMs: ms };
  }
});

describe("a process that only leaves one call unanswered", () => {
  test("is asked once, answers, and lives", async () => {
    const heard = new Ends();
    const opened = await lane({}, { heard });
    const calls = [1, 2, 3].map(() => call(opened, "never", {}, 100));
    for (const one of calls) expect((await one.error).code).toBe("SERVER_TIMEOUT");
    const { pings } = await call(opened, "count").result;
    expect(pings).toBeGreaterThanOrEqual(1);
    expect(heard.errors).toEqual([]);
    expect(opened.counts).toEqual({
      skippedLines: 0,
      lateAnswers: 0,
      unknownIds: 0,
      overlongLines: 0,
    });
  });
});

describe("a crash", () => {
  test("says how in its details, and takes with it what the process started", async () => {
    const opened = await lane();
    const { child = 0 } = await call(opened, "family").result;
    expect(isRunning(child)).toBe(true);
    const error = await call(opened, "crash").error;
    expect(error.details).toMatchObject({ reason: "exit", exitCode: 7 });
    await gone(child);
  });
});

describe("a place among the processes", () => {
  test("is taken by an open lane and free again when the process and all it started are gone", async () => {
    const processes = new Processes(systemClock);
    const opened = await lane({ processes_max: 1 }, { deps: { processes } });
    expect(processes.state()).toMatchObject({ taken: 1, starting: 0 });
    expect(await codeOf(lane({ processes_max: 1 }, { deps: { processes } }))).toBe("PROCESS_LIMIT");
    const { child = 0 } = await call(opened, "family").result;
    await opened.close();
    await until("it is free", () => processes.state().taken === 0);
    expect(isRunning(child)).toBe(false);
  });

  test("is free again after a crash and after a start that failed", async () => {
    const processes = new Processes(systemClock);
    const opened = await lane({}, { deps: { processes } });
    await call(opened, "crash").error;
    await until("it is free", () => processes.state().taken === 0);
    const failing = { command: process.execPath, args: ["-e", "process.exit(3)"] };
    expect(await codeOf(lane({}, { deps: { processes }, options: failing }))).toBe(
      "SERVER_CRASHED",
    );
    const missing = { command: "no-such-program-here" };
    expect(await codeOf(lane({}, { deps: { processes }, options: missing }))).toBe(
      "SERVER_UNREACHABLE",
    );
    await until("all are free", () => processes.state().taken === 0);
    expect(processes.state().starting).toBe(0);
  });
});

describe.skipIf(!mayUseProc)("the facts of a lane", () => {
  test("count what its process started", async () => {
    const opened = await lane();
    await call(opened, "family").result;
    await until("the child is there", () => opened.facts()?.children === 1);
    expect(opened.facts()).toMatchObject({ pid: opened.pid });
    await opened.close();
    expect(opened.facts()).toBeUndefined();
  });
});
