import type { Command } from "commander";
import { z } from "zod";
import { listOf, projectView } from "../api-shapes.ts";
import type { ProjectView } from "../api-shapes.ts";
import { exitCodes, usageError } from "../exit-code.ts";
import { addGlobalOptions, handle } from "../invocation.ts";
import type { RunState } from "../invocation.ts";
import { Prompter } from "../prompter.ts";
import { table } from "../table.ts";

/** `signalbox projects list|create|remove`. */
export function addProjectsCommands(program: Command, state: RunState): void {
  const projects = program
    .command("projects")
    .description("projects: servers, bundles and keys that see only each other");
  addGlobalOptions(projects, true);
  projects.addHelpText(
    "after",
    `
Examples:
  $ signalbox projects create payments --title Payments
  $ signalbox servers add ledger --url https://ledger.example.com/mcp --project payments
  $ signalbox keys create payments-admin --role admin --project payments`,
  );
  addList(projects, state);
  addCreate(projects, state);
  addRemove(projects, state);
}

function addList(projects: Command, state: RunState): void {
  const command = projects.command("list", { isDefault: true }).description("every project");
  handle(command, state, async ({ api, out }) => {
    const list = await (await api()).get("/api/projects", listOf("projects", projectView));
    out.result({ projects: list }, () =>
      table(["NAME", "TITLE", "SERVERS", "BUNDLES", "KEYS", "FROM"], list.map(row)),
    );
    return exitCodes.ok;
  });
}

function row({ name, options, servers, bundles, keys, origin }: ProjectView): string[] {
  const counts = [servers, bundles, keys].map((count) => String(count ?? ""));
  return [name, options?.title ?? "", ...counts, origin ?? ""];
}

const createOptions = z.object({
  title: z.string().optional(),
  description: z.string().optional(),
});

function addCreate(projects: Command, state: RunState): void {
  const command = projects
    .command("create")
    .description("create a project")
    .argument("<name>")
    .option("--title <title>", "its name for people")
    .option("--description <text>", "what it is for");
  handle(command, state, async ({ args, options, api, out }) => {
    const [name = ""] = args;
    const body = { name, ...createOptions.parse(options) };
    const created = await (await api()).post("/api/projects", body, projectView);
    out.result(created, () => `${out.paint.green("created")} ${name}`);
    return exitCodes.ok;
  });
}

function addRemove(projects: Command, state: RunState): void {
  const command = projects
    .command("remove")
    .alias("rm")
    .description("remove a project to which nothing belongs any more")
    .argument("<name>")
    .option("-y, --yes", "do not ask");
  handle(command, state, async ({ io, args, options, api, out }) => {
    const [name = ""] = args;
    using prompter = new Prompter(io);
    if (options["yes"] !== true && prompter.available && !out.json) {
      if (!(await prompter.confirm(`Remove the project ${name}?`)))
        throw usageError("Nothing was removed.");
    }
    await (await api()).delete(`/api/projects/${encodeURIComponent(name)}`);
    out.result({ name, removed: true }, () => `${out.paint.green("removed")} ${name}`);
    return exitCodes.ok;
  });
}
