import type { Command } from "commander";
import { z } from "zod";
import { explanation } from "../api-shapes.ts";
import { exitCodes, usageError } from "../exit-code.ts";
import type { ExitCode } from "../exit-code.ts";
import { addGlobalOptions, handle } from "../invocation.ts";
import type { Invocation, RunState } from "../invocation.ts";
import { plain } from "../output.ts";
import { ruleText } from "./roles.ts";

/** `signalbox access check|explain`. */
export function addAccessCommands(program: Command, state: RunState): void {
  const access = program.command("access").description("who may do what, and why");
  addGlobalOptions(access, true);
  access.addHelpText(
    "after",
    `
Examples:
  $ signalbox access check neon read
  $ signalbox access explain --tool files__write_file --for key_01980f6e
  $ signalbox access explain --server files --action manage

"no" ends with exit code 1.`,
  );
  addCheck(access, state);
  addExplain(access, state);
}

function addCheck(access: Command, state: RunState): void {
  const command = access
    .command("check")
    .description("whether a key may do something with a server")
    .argument("<server>")
    .argument("<permission>", "read, write, call or manage")
    .option("--for <id>", "the id of another key than the one that asks");
  handle(command, state, async ({ args, options, api, out }) => {
    const [server, permission] = args;
    const { for: key } = z.object({ for: z.string().optional() }).parse(options);
    const body = { server, permission, ...(key !== undefined && { key }) };
    const shape = z.looseObject({ allowed: z.boolean() });
    const { allowed } = await (await api()).post("/api/access/check", body, shape);
    out.result({ allowed }, () => (allowed ? out.paint.green("yes") : out.paint.red("no")));
    return allowed ? exitCodes.ok : exitCodes.failed;
  });
}

const subjects = ["server", "tool", "prompt", "resource"] as const;

const explainOptions = z.object({
  for: z.string().optional(),
  bundle: z.string().optional(),
  server: z.string().optional(),
  tool: z.string().optional(),
  prompt: z.string().optional(),
  resource: z.string().optional(),
  action: z.string().optional(),
});

function addExplain(access: Command, state: RunState): void {
  const command = access
    .command("explain")
    .description("whether a key may do something, and which rule says so")
    .option("--tool <tool>", "a tool, by its public name")
    .option("--prompt <prompt>", "a prompt, by its public name")
    .option("--resource <uri>", "a resource, by its public URI")
    .option("--server <server>", "a server as a whole")
    .option("--action <action>", "call (default), read, write or manage")
    .option("--bundle <bundle>", "at this bundle")
    .option("--for <id>", "the id of another key than the one that asks");
  handle(command, state, explain);
}

async function explain({ options, api, out }: Invocation): Promise<ExitCode> {
  const { for: key, ...asked } = explainOptions.parse(options);
  if (subjects.filter((name) => asked[name] !== undefined).length !== 1)
    throw usageError("Name one of --tool, --prompt, --resource and --server.");
  const body = { ...asked, ...(key !== undefined && { key }) };
  const told = await (await api()).post("/api/access/explain", body, explanation);
  out.result(told, () => [
    `${told.allowed ? out.paint.green("yes") : out.paint.red("no")}  ${plain(told.reason)}`,
    ...(told.rule === undefined ? [] : [`     ${plain(ruleText(told.rule.rule))}`]),
  ]);
  return told.allowed ? exitCodes.ok : exitCodes.failed;
}
