import type { Command } from "commander";
import { z } from "zod";
import { bundleView, listOf } from "../api-shapes.ts";
import { exitCodes, usageError } from "../exit-code.ts";
import { addGlobalOptions, handle, repeatable } from "../invocation.ts";
import type { RunState } from "../invocation.ts";
import { mcpUrl } from "../mcp/modern-request.ts";
import { Prompter } from "../prompter.ts";
import { table } from "../table.ts";

/** `signalbox bundles list|create|show|remove`. */
export function addBundlesCommands(program: Command, state: RunState): void {
  const bundles = program
    .command("bundles")
    .description("named selections of tools, each served at /mcp/{bundle}");
  addGlobalOptions(bundles, true);
  bundles.addHelpText(
    "after",
    `
Examples:
  $ signalbox bundles create coding --include 'files__*' --include search__query
  $ signalbox bundles create files --include 'files__*' --names bare
  $ signalbox bundles show coding`,
  );
  addList(bundles, state);
  addCreate(bundles, state);
  addShow(bundles, state);
  addRemove(bundles, state);
}

function addList(bundles: Command, state: RunState): void {
  const command = bundles.command("list", { isDefault: true }).description("every bundle");
  handle(command, state, async ({ api, out }) => {
    const list = await (await api()).get("/api/bundles", listOf("bundles", bundleView));
    out.result({ bundles: list }, () =>
      list.length === 0
        ? ["No bundles. Every tool is served at /mcp."]
        : table(
            ["NAME", "INCLUDES", "EXCLUDES", "NAMES", "FROM"],
            list.map(({ name, options, origin }) => [
              name,
              options?.include?.join(" ") ?? "",
              options?.exclude?.join(" ") ?? "",
              options?.names ?? "",
              origin ?? "",
            ]),
          ),
    );
    return exitCodes.ok;
  });
}

const createOptions = z.object({
  include: z.array(z.string()).optional(),
  exclude: z.array(z.string()).optional(),
  names: z.enum(["prefixed", "bare"]).optional(),
  title: z.string().optional(),
  project: z.string().optional(),
  description: z.string().optional(),
});

function addCreate(bundles: Command, state: RunState): void {
  const command = bundles
    .command("create")
    .description("create a bundle")
    .argument("<name>")
    .option(
      "--include <pattern>",
      "public names it offers, such as 'files__*' (repeatable)",
      repeatable,
    )
    .option("--exclude <pattern>", "public names it leaves out (repeatable)", repeatable)
    .option("--names <names>", "prefixed or bare: whether tools keep their server's prefix")
    .option("--project <project>", "the project it belongs to, and whose servers it takes")
    .option("--title <title>", "shown to clients")
    .option("--description <text>", "shown to clients");
  handle(command, state, async ({ args, options, api, out }) => {
    const [name = ""] = args;
    const parsed = createOptions.safeParse(options);
    if (!parsed.success) throw usageError("--names is prefixed or bare.");
    if (parsed.data.include === undefined)
      throw usageError("Say what it offers with --include, such as --include 'files__*'.");
    const client = await api();
    const created = await client.post("/api/bundles", { name, ...parsed.data }, z.unknown());
    out.result({ name, created: true, bundle: created, url: mcpUrl(client.address, name) }, () => [
      `${out.paint.green("created")} ${name}: served at ${mcpUrl(client.address, name)}`,
    ]);
    return exitCodes.ok;
  });
}

function addShow(bundles: Command, state: RunState): void {
  const command = bundles
    .command("show")
    .description("one bundle, with its address")
    .argument("<name>");
  handle(command, state, async ({ args, api, out }) => {
    const [name = ""] = args;
    const client = await api();
    const bundle = await client.get(`/api/bundles/${encodeURIComponent(name)}`, bundleView);
    out.result({ ...bundle, url: mcpUrl(client.address, name) }, () => [
      `${out.paint.bold(name)}  ${mcpUrl(client.address, name)}`,
      ...Object.entries(bundle.options ?? {}).map(
        ([field, value]) =>
          `  ${field}: ${Array.isArray(value) ? value.join(" ") : typeof value === "string" ? value : JSON.stringify(value)}`,
      ),
    ]);
    return exitCodes.ok;
  });
}

function addRemove(bundles: Command, state: RunState): void {
  const command = bundles
    .command("remove")
    .alias("rm")
    .description("remove a bundle")
    .argument("<name>")
    .option("-y, --yes", "do not ask");
  handle(command, state, async ({ io, args, options, api, out }) => {
    const [name = ""] = args;
    using prompter = new Prompter(io);
    if (options["yes"] !== true && prompter.available && !out.json) {
      if (!(await prompter.confirm(`Remove the bundle ${name}?`)))
        throw usageError("Nothing was removed.");
    }
    await (await api()).delete(`/api/bundles/${encodeURIComponent(name)}`);
    out.result({ name, removed: true }, () => `${out.paint.green("removed")} ${name}`);
    return exitCodes.ok;
  });
}
