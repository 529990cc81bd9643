import type { Command } from "commander";
import { z } from "zod";
import { listOf, roleView } from "../api-shapes.ts";
import type { RoleView, RuleView } from "../api-shapes.ts";
import { argumentText } from "../argument-text.ts";
import type { CliIo } from "../cli-io.ts";
import { exitCodes, usageError } from "../exit-code.ts";
import { addGlobalOptions, handle, repeatable } from "../invocation.ts";
import type { RunState } from "../invocation.ts";
import { Prompter } from "../prompter.ts";
import { table } from "../table.ts";

/** `signalbox roles list|show|create|update|remove`. */
export function addRolesCommands(program: Command, state: RunState): void {
  const roles = program
    .command("roles")
    .description("what the holders of keys may do: built-in roles and your own");
  addGlobalOptions(roles, true);
  roles.addHelpText(
    "after",
    `
Examples:
  $ signalbox roles show caller
  $ signalbox roles create reader --scope call --rules '[{"effect":"allow","actions":["read"]}]'
  $ signalbox roles update reader --scope call --scope read --rules @reader.json`,
  );
  addList(roles, state);
  addShow(roles, state);
  addChange(roles, state, "create");
  addChange(roles, state, "update");
  addRemove(roles, state);
}

function addList(roles: Command, state: RunState): void {
  const command = roles.command("list", { isDefault: true }).description("every role");
  handle(command, state, async ({ api, out }) => {
    const list = await (await api()).get("/api/roles", listOf("roles", roleView));
    out.result({ roles: list }, () => table(["NAME", "SCOPES", "RULES", "FROM"], list.map(row)));
    return exitCodes.ok;
  });
}

function row({ name, options, origin }: RoleView): string[] {
  return [name, options.scopes.join(" "), String(options.rules.length), origin ?? ""];
}

function addShow(roles: Command, state: RunState): void {
  const command = roles.command("show").description("one role, with its rules").argument("<name>");
  handle(command, state, async ({ args, api, out }) => {
    const [name = ""] = args;
    const role = await (await api()).get(`/api/roles/${encodeURIComponent(name)}`, roleView);
    out.result(role, () => [
      `${out.paint.bold(name)}  ${role.options.title ?? ""}`.trimEnd(),
      `  scopes: ${role.options.scopes.join(" ")}`,
      ...role.options.rules.map((rule, index) => `  ${String(index + 1)}. ${ruleText(rule)}`),
    ]);
    return exitCodes.ok;
  });
}

/** A rule on one line: `deny tools=files__write_* actions=call`. */
export function ruleText({ effect, ...conditions }: RuleView): string {
  const parts = Object.entries(conditions).map(
    ([name, value]) => `${name}=${Array.isArray(value) ? value.join(",") : String(value)}`,
  );
  return [effect, ...(parts.length === 0 ? ["everything"] : parts)].join(" ");
}

const changeOptions = z.object({
  scope: z.array(z.string()).optional(),
  rules: z.string().optional(),
  title: z.string().optional(),
});

function addChange(roles: Command, state: RunState, verb: "create" | "update"): void {
  const command = roles
    .command(verb)
    .description(verb === "create" ? "create a role" : "replace what a role permits, at once")
    .argument("<name>")
    .option(
      "--scope <scope>",
      "routes it opens: call, read, operate, manage, admin, audit, payloads (repeatable; default: call)",
      repeatable,
    )
    .option("--rules <json>", "its rules as a JSON array; @file reads a file, - reads stdin")
    .option("--title <title>", "what it is for");
  handle(command, state, async ({ args, options, api, out, io }) => {
    const [name = ""] = args;
    const { scope, rules, title } = changeOptions.parse(options);
    if (rules === undefined) throw usageError("Say with --rules what it may do.");
    const body = {
      ...(scope !== undefined && { scopes: scope }),
      ...(title !== undefined && { title }),
      rules: await readRules(rules, io),
    };
    const client = await api();
    const role =
      verb === "create"
        ? await client.post("/api/roles", { name, ...body }, roleView)
        : await client.put(`/api/roles/${encodeURIComponent(name)}`, body, roleView);
    out.result(role, () => `${out.paint.green(`${verb}d`)} ${name}`);
    return exitCodes.ok;
  });
}

async function readRules(given: string, io: CliIo): Promise<unknown[]> {
  const text = await argumentText(given, io);
  try {
    const rules: unknown = JSON.parse(text);
    if (Array.isArray(rules)) return rules;
  } catch {
    // Said below, as of everything else that is no array.
  }
  throw usageError('--rules takes a JSON array, such as [{"effect":"allow","servers":["files"]}].');
}

function addRemove(roles: Command, state: RunState): void {
  const command = roles
    .command("remove")
    .alias("rm")
    .description("remove a role that no key has any more")
    .argument("<name>")
    .option("-y, --yes", "do not ask");
  handle(command, state, async ({ io, args, options, api, out }) => {
    const [name = ""] = args;
    using prompter = new Prompter(io);
    if (options["yes"] !== true && prompter.available && !out.json) {
      if (!(await prompter.confirm(`Remove the role ${name}?`)))
        throw usageError("Nothing was removed.");
    }
    await (await api()).delete(`/api/roles/${encodeURIComponent(name)}`);
    out.result({ name, removed: true }, () => `${out.paint.green("removed")} ${name}`);
    return exitCodes.ok;
  });
}
