import type { Command } from "commander";
import type { RunState } from "../invocation.ts";
import { notHere, wordsAfter } from "./config.ts";

/** `signalbox serve`: run by the composition root. */
export function addServeCommand(program: Command, state: RunState, argv: readonly string[]): void {
  program
    .command("serve")
    .description("run the gateway")
    .allowUnknownOption()
    .argument("[options...]")
    .addHelpText(
      "after",
      `
Every setting is in docs/configuration.md; on the command line it is --name=value.

Examples:
  $ signalbox serve
  $ signalbox serve --port=9000
  $ SIGNALBOX_ADMIN_KEY=… HOST=0.0.0.0 signalbox serve`,
    )
    .action(async () => {
      if (state.io.serve === undefined) throw notHere("serve");
      state.exitCode = await state.io.serve(wordsAfter(argv, "serve"));
    });
}
