import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { z } from "zod";
import { isSignalboxError, messageOf } from "../../foundation/index.ts";
import type { CliIo, StartedGateway } from "../cli-io.ts";
import { CliError, exitCodes } from "../exit-code.ts";
import { homeFolder } from "../gateway-address.ts";
import type { GatewayAddress } from "../gateway-address.ts";
import { send } from "../http-send.ts";
import { handle } from "../invocation.ts";
import type { Invocation, RunState } from "../invocation.ts";
import { runBridge } from "../stdio/bridge.ts";

const aliveTimeoutMs = 2000;
/** A gateway that is being restarted is given this long to take its home again. */
const restartMs = 1500;

/** `signalbox stdio`: the gateway as a stdio MCP server, for desktop clients. */
export function addStdioCommand(program: Command, state: RunState): void {
  const command = program
    .command("stdio")
    .description(
      "serve the running gateway on stdin and stdout, for clients that spawn their servers",
    )
    .option("-b, --bundle <bundle>", "offer this bundle only")
    .addHelpText(
      "after",
      `
Stdout carries the protocol only. When no gateway runs for the home, one is started for as long as this command lives.
\`signalbox connect claude-desktop\` prints the configuration that runs this.

Examples:
  $ signalbox stdio
  $ signalbox stdio --bundle coding`,
    );
  handle(command, state, serveStdio);
}

const stdioOptions = z.object({ bundle: z.string().optional() });

async function serveStdio(invocation: Invocation): Promise<0> {
  const { io, out, options, signal } = invocation;
  const { bundle } = stdioOptions.parse(options);
  await using supplies = new Supplies(invocation);
  const { url } = await supplies.begin();
  out.note(
    `signalbox stdio: bridging to ${url}${bundle === undefined ? "" : `, bundle ${bundle}`}`,
  );
  await runBridge({
    input: io.stdin,
    output: io.stdout,
    bundle,
    note: (text) => {
      out.note(`signalbox stdio: ${text}`);
    },
    signal,
    find: () => supplies.find(),
  });
  return exitCodes.ok;
}

/** Where the gateway is, as often as it is lost: one of the home's, else one of our own. */
class Supplies implements AsyncDisposable {
  readonly #invocation: Invocation;
  #supply: Supply | undefined;
  /** Not yet asked for since it was found. */
  #fresh = false;
  #lostAtMs: number | undefined;

  constructor(invocation: Invocation) {
    this.#invocation = invocation;
  }

  async begin(): Promise<GatewayAddress> {
    this.#supply = await findOrStart(this.#invocation);
    this.#fresh = true;
    return this.#supply.address;
  }

  /** The gateway may have belonged to another client that is gone: if none comes back, this command starts its own. */
  async find(): Promise<GatewayAddress> {
    if (this.#supply !== undefined && (this.#fresh || this.#supply.own)) {
      this.#fresh = false;
      return this.#supply.address;
    }
    const found = await runningGateway(this.#invocation);
    if (!(found instanceof CliError)) {
      this.#lostAtMs = undefined;
      return found;
    }
    this.#lostAtMs ??= performance.now();
    if (performance.now() - this.#lostAtMs < restartMs) throw found;
    this.#lostAtMs = undefined;
    const address = await this.begin();
    this.#fresh = false;
    return address;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#supply?.[Symbol.asyncDispose]();
  }
}

interface Supply extends AsyncDisposable {
  address: GatewayAddress;
  /** Whether the gateway lives in this process. */
  own: boolean;
}

async function findOrStart(invocation: Invocation): Promise<Supply> {
  const { io, out, address: given } = invocation;
  const elsewhere = given.url !== undefined || (io.env["SIGNALBOX_URL"] ?? "") !== "";
  const found = await runningGateway(invocation);
  if (!(found instanceof CliError)) {
    return { address: found, own: false, [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  if (elsewhere || io.startGateway === undefined) throw found;
  out.note(
    "signalbox stdio: no gateway is running here; starting one for as long as this client is connected",
  );
  const started = await start(io.startGateway, invocation);
  if (!("stop" in started)) {
    return { address: started, own: false, [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  return {
    address: {
      url: started.url.replace(/\/+$/, ""),
      key: started.key,
      home: undefined,
      keyHint: "",
    },
    own: true,
    [Symbol.asyncDispose]: () => started.stop(),
  };
}

/** Two clients that start together both find nothing: the home admits one gateway, and the other uses that one. */
async function start(
  startGateway: NonNullable<CliIo["startGateway"]>,
  invocation: Invocation,
): Promise<StartedGateway | GatewayAddress> {
  try {
    return await startGateway(homeFolder(invocation.io, invocation.address));
  } catch (cause) {
    for (
      let tries = 0;
      isSignalboxError(cause) && cause.code === "HOME_LOCKED" && tries < 60;
      tries += 1
    ) {
      const found = await runningGateway(invocation);
      if (!(found instanceof CliError)) return found;
      await sleep(500, undefined, { signal: invocation.signal });
    }
    throw new CliError({
      exitCode: exitCodes.unreachable,
      code: "GATEWAY_NOT_STARTED",
      message: `No gateway was running, and starting one failed: ${messageOf(cause)}`,
      cause,
    });
  }
}

async function runningGateway({ gateway, signal }: Invocation): Promise<GatewayAddress | CliError> {
  let address: GatewayAddress;
  try {
    address = await gateway();
  } catch (error) {
    if (error instanceof CliError && error.exitCode === exitCodes.unreachable) return error;
    throw error;
  }
  try {
    const within = AbortSignal.any([signal, AbortSignal.timeout(aliveTimeoutMs)]);
    const answer = await send({ method: "GET", url: `${address.url}/health`, signal: within });
    answer.body.resume();
    return address;
  } catch (cause) {
    return new CliError({
      exitCode: exitCodes.unreachable,
      code: "GATEWAY_UNREACHABLE",
      message: `The gateway at ${address.url} does not answer: start it with \`npm start\`.`,
      cause,
    });
  }
}
