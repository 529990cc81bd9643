import type { Command } from "commander";
import { exitCodes, usageError } from "./exit-code.ts";
import { handle, type RunState } from "./invocation.ts";
import { Prompter } from "./prompter.ts";

export interface Removed {
  /** As the question names it: "the bundle". */
  readonly what: string;
  readonly description: string;
  /** Where they are: "/api/bundles". */
  readonly path: string;
}

/** `remove <name>`, which asks before it does so where somebody can answer. */
export function addRemoveCommand(
  parent: Command,
  state: RunState,
  { what, description, path }: Removed,
): void {
  const command = parent
    .command("remove")
    .alias("rm")
    .description(description)
    .argument("<name>")
    .option("-y, --yes", "do not ask");
  handle(command, state, async ({ io, args, options, api, out }) => {
    const [name = ""] = args;
    using prompter = new Prompter(io);
    if (options["yes"] !== true && prompter.available && !out.json) {
      if (!(await prompter.confirm(`Remove ${what} ${name}?`)))
        throw usageError("Nothing was removed.");
    }
    await (await api()).delete(`${path}/${encodeURIComponent(name)}`);
    out.result({ name, removed: true }, () => `${out.paint.green("removed")} ${name}`);
    return exitCodes.ok;
  });
}
