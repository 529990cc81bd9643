/**
 * The entry: `serve` runs a gateway, everything else is the command line. Modules are imported where they are needed, so
 * that a short command does not load the whole product, and from the compile cache, so that a restart is quick.
 */
import { readFile } from "node:fs/promises";
import { enableCompileCache } from "node:module";
import { isSignalboxError, messageOf, stopOnSignals } from "./foundation/index.ts";
import type { GatewayProcess } from "./gateway-process.ts";

enableCompileCache();
process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  const [command, ...rest] = argv;
  if (command === "serve" && !rest.includes("--help")) return serve(rest);
  const { runCli } = await import("./cli/index.ts");
  return runCli(argv, {
    env: process.env,
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    version: await readVersion(),
    serve,
    configPrint,
    startGateway,
  });
}

/** `signalbox serve`: runs until it is told to stop; the exit code. */
async function serve(argv: readonly string[]): Promise<number> {
  let running: GatewayProcess | undefined;
  try {
    running = await createGateway(argv);
    // The exit ends this process wherever it stands, so nothing below it is reached once a signal came.
    stopOnSignals(running.lifecycle, { log: running.log, exit: (code) => process.exit(code) });
    await running.start();
    process.stdout.write(await running.banner());
    return await untilExit();
  } catch (error) {
    if (isSignalboxError(error) && error.code === "SHUTTING_DOWN") return await untilExit();
    const keyNote = running?.keptKeyNote();
    process.stderr.write(`${[sentenceOf(error), keyNote].filter(Boolean).join("\n")}\n`);
    return 1;
  }
}

function untilExit(): Promise<never> {
  return new Promise(() => {});
}

async function configPrint(argv: readonly string[]): Promise<number> {
  const { loadConfig, printConfig } = await import("./config.ts");
  const { exitCodes } = await import("./cli/index.ts");
  const withOrigin = argv.includes("--with-origin");
  const settings = argv.filter((word) => word !== "--with-origin" && word !== "print");
  try {
    const config = loadConfig({ argv: settings, env: process.env, cwd: process.cwd() });
    process.stdout.write(printConfig(config, { withOrigin }));
    for (const warning of config.warnings) process.stderr.write(`warning: ${warning}\n`);
    return exitCodes.ok;
  } catch (error) {
    process.stderr.write(`${sentenceOf(error)}\n`);
    return exitCodes.usage;
  }
}

// For `signalbox stdio` where no gateway runs: one that lives as long as the command, on ports that are free.
async function startGateway(
  home: string,
): Promise<{ url: string; key: string; stop: () => Promise<void> }> {
  const settings = [
    "--home",
    home,
    "--set",
    "port=0",
    "--set",
    "metrics.port=0",
    "--set",
    "log.level=error",
  ];
  const gateway = await createGateway(settings, process.stderr);
  await gateway.start();
  return {
    url: gateway.url,
    key: await gateway.adminKey(),
    stop: () => gateway.lifecycle.stop("the command ended"),
  };
}

async function createGateway(
  argv: readonly string[],
  logTo?: NodeJS.WriteStream,
): Promise<GatewayProcess> {
  const { loadConfig } = await import("./config.ts");
  const { GatewayProcess: Gateway } = await import("./gateway-process.ts");
  const config = loadConfig({ argv, env: process.env, cwd: process.cwd() });
  return new Gateway(config, await readVersion(), argv, logTo);
}

async function readVersion(): Promise<string> {
  const manifest: unknown = JSON.parse(
    await readFile(new URL("../package.json", import.meta.url), "utf8"),
  );
  const version =
    typeof manifest === "object" && manifest !== null && "version" in manifest
      ? manifest.version
      : undefined;
  return typeof version === "string" ? version : "0.0.0";
}

function sentenceOf(error: unknown): string {
  if (!isSignalboxError(error)) return messageOf(error);
  return `${error.message}\nSee docs/errors/${error.code}.md`;
}
