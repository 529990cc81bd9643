import type { Command } from "commander";
import { CliError, exitCodes } from "../exit-code.ts";
import type { RunState } from "../invocation.ts";

/** `signalbox config print`: run by the composition root, which knows every module's options. */
export function addConfigCommand(program: Command, state: RunState, argv: readonly string[]): void {
  const config = program.command("config").description("the configuration in force");
  config
    .command("print", { isDefault: true })
    .description("print every value, secrets masked")
    .option(
      "--with-origin",
      "say where each value comes from: command line, environment, file and line, profile or default",
    )
    .allowUnknownOption()
    .argument("[options...]")
    .addHelpText(
      "after",
      "\nExamples:\n  $ signalbox config print\n  $ signalbox config print --with-origin",
    )
    .action(async () => {
      if (state.io.configPrint === undefined) throw notHere("config print");
      state.exitCode = await state.io.configPrint(wordsAfter(argv, "print", "config"));
    });
}

/** What was typed after the first of these words that was typed. */
export function wordsAfter(
  argv: readonly string[],
  ...words: readonly string[]
): readonly string[] {
  const word = words.find((candidate) => argv.includes(candidate));
  return word === undefined ? argv : argv.slice(argv.indexOf(word) + 1);
}

/** The failure of a command that only the whole program can run. */
export function notHere(command: string): CliError {
  return new CliError({
    exitCode: exitCodes.failed,
    code: "NOT_AVAILABLE",
    message: `\`${command}\` is not part of this program.`,
  });
}
