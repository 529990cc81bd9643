import { Option } from "commander";
import type { Command } from "commander";
import { z } from "zod";
import { ApiClient } from "./api-client.ts";
import type { CliIo } from "./cli-io.ts";
import type { ExitCode } from "./exit-code.ts";
import { findGateway } from "./gateway-address.ts";
import type { AddressOptions, GatewayAddress } from "./gateway-address.ts";
import { Output } from "./output.ts";

/** One command being run: its arguments, where it reads and writes, and the gateway it speaks to. */
export interface Invocation {
  io: CliIo;
  out: Output;
  args: readonly string[];
  /** The command's own options as commander read them, to be parsed by its schema. */
  options: Readonly<Record<string, unknown>>;
  address: AddressOptions;
  /** Aborted by Ctrl-C or a termination signal. */
  signal: AbortSignal;
  gateway: () => Promise<GatewayAddress>;
  api: () => Promise<ApiClient>;
}

export type Handler = (invocation: Invocation) => Promise<ExitCode>;

/** What `runCli` learns from the command that ran. */
export interface RunState {
  io: CliIo;
  signal: () => AbortSignal;
  exitCode: number;
  /** How the command that ran wants to be spoken to; read when it fails. */
  out: Output;
}

/** The options every command takes, before or after its name. */
export const globalOptions: readonly { flags: string; description: string }[] = [
  {
    flags: "--url <address>",
    description: "address of the gateway (else SIGNALBOX_URL, else the home's running gateway)",
  },
  {
    flags: "--key-file <file>",
    description:
      "file that holds the key (else SIGNALBOX_KEY, SIGNALBOX_ADMIN_KEY, the home's admin.key)",
  },
  {
    flags: "--home <folder>",
    description: "home folder of the gateway (else SIGNALBOX_HOME, else .signalbox)",
  },
  {
    flags: "--json",
    description: "print the result as JSON, and an error as one JSON line on stderr",
  },
  { flags: "--no-color", description: "no colours (NO_COLOR does the same)" },
  { flags: "--quiet", description: "no notes, no progress" },
];

/** Gives a command its handler, and the global options after its name unless it has an option of that name itself. */
export function handle(command: Command, state: RunState, handler: Handler): Command {
  addGlobalOptions(command, true);
  return command.action(async () => {
    const globals = readGlobals(command);
    state.out = new Output(state.io, globals);
    const address = { url: globals.url, keyFile: globals.keyFile, home: globals.home };
    const invocation: Invocation = {
      io: state.io,
      out: state.out,
      args: command.processedArgs
        .flat()
        .filter((value): value is string => typeof value === "string"),
      options: command.opts(),
      address,
      get signal() {
        return state.signal();
      },
      gateway: () => findGateway(state.io, address),
      api: async () => new ApiClient(await findGateway(state.io, address), state.signal()),
    };
    state.exitCode = await handler(invocation);
  });
}

export function addGlobalOptions(command: Command, hidden: boolean): void {
  for (const { flags, description } of globalOptions) {
    const option = new Option(flags, description);
    const taken = command.options.some((own) => own.long === option.long);
    if (!taken) command.addOption(option.hideHelp(hidden));
  }
}

const globals = z.object({
  url: z.string().optional(),
  keyFile: z.string().optional(),
  home: z.string().optional(),
  json: z.boolean().default(false),
  color: z.boolean().default(true),
  quiet: z.boolean().default(false),
});

/** The nearest level wins: an option after the command's name over one before it. */
function readGlobals(command: Command): z.infer<typeof globals> {
  const levels: Command[] = [];
  for (let level: Command | null = command; level !== null; level = level.parent)
    levels.unshift(level);
  const given: Record<string, unknown> = {};
  for (const level of levels) {
    for (const option of level.options) {
      const name = option.attributeName();
      const own = level === command && !isGlobal(option);
      if (!own && level.getOptionValueSource(name) === "cli")
        given[name] = level.getOptionValue(name);
    }
  }
  return globals.parse(given);
}

function isGlobal(option: Option): boolean {
  return globalOptions.some(({ flags }) => flags === option.flags);
}

/** Reader of an option that may be given several times. */
export function repeatable(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}
