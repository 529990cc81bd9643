import type { Command } from "commander";
import { z } from "zod";
import { listOf, serverView } from "../api-shapes.ts";
import type { ServerView } from "../api-shapes.ts";
import { exitCodes } from "../exit-code.ts";
import { addGlobalOptions, handle, repeatable } from "../invocation.ts";
import type { Invocation, RunState } from "../invocation.ts";
import { plain } from "../output.ts";
import { presetNamed, presets } from "../presets.ts";
import { addRemoveCommand } from "../remove-command.ts";
import { serverDefinition } from "../server-definition.ts";
import type { ServerOptionsSent } from "../server-definition.ts";
import { describeTest, testServer } from "../server-test.ts";
import { shellWords } from "../shell-words.ts";
import { table } from "../table.ts";
import { addLoginCommands } from "./server-login.ts";
import { addPresetsCommand } from "./server-presets.ts";
import { addRuntimeCommands } from "./server-runtime.ts";

/** `signalbox servers list|add|test|remove|logs`, and those of server-login.ts and server-runtime.ts. */
export function addServersCommands(
  program: Command,
  state: RunState,
  argv: readonly string[],
): void {
  const servers = program
    .command("servers")
    .description("list, add, test and remove the servers behind the gateway");
  addGlobalOptions(servers, true);
  servers.addHelpText(
    "after",
    `
Examples:
  $ signalbox servers add everything
  $ signalbox servers add search --url https://search.example.com/mcp --header-env Authorization=SEARCH_AUTH
  $ signalbox servers add files -- npx -y @modelcontextprotocol/server-filesystem /data
  $ signalbox servers logs files`,
  );
  addList(servers, state);
  addAdd(servers, state, argv);
  addTest(servers, state);
  addRemoveCommand(servers, state, {
    what: "the server",
    description: "remove a server; calls in flight end first",
    path: "/api/servers",
  });
  addLogs(servers, state);
  addPresetsCommand(servers, state);
  addLoginCommands(servers, state);
  addRuntimeCommands(servers, state);
}

function addList(servers: Command, state: RunState): void {
  const command = servers
    .command("list", { isDefault: true })
    .description("every server, with its state");
  handle(command, state, async ({ api, out }) => {
    const list = await (await api()).get("/api/servers", listOf("servers", serverView));
    out.result({ servers: list }, () =>
      list.length === 0
        ? ["No servers yet. A first one: signalbox servers add everything"]
        : [
            ...table(
              ["NAME", "STATE", "SPEAKS", "TOOLS", "FROM", "ADDRESS"],
              list.filter(({ needs }) => needs === undefined).map(row),
            ),
            ...reasons(list, out.paint.yellow),
            ...unconfigured(list),
          ],
    );
    return exitCodes.ok;
  });
}

function row(server: ServerView): string[] {
  const { status } = server;
  return [
    server.name,
    status?.state ?? "unknown",
    status?.revision ?? status?.era ?? "",
    status?.tools === undefined ? "" : String(status.tools),
    server.origin ?? "",
    addressOf(server),
  ];
}

function addressOf(server: ServerView): string {
  const options = z
    .looseObject({
      command: z.string().optional(),
      args: z.array(z.string()).optional(),
      url: z.string().optional(),
    })
    .safeParse(server.options ?? {});
  if (!options.success) return "";
  const { command, args, url } = options.data;
  return url ?? (command === undefined ? "" : shellWords([command, ...(args ?? [])]));
}

const TROUBLED = new Set(["error", "reconnecting", "needs_auth", "degraded"]);

function reasons(list: readonly ServerView[], paint: (text: string) => string): string[] {
  return list.flatMap((server) => {
    const reason = reasonOf(server);
    return reason === undefined ? [] : [paint(`${plain(server.name)}: ${plain(reason)}`)];
  });
}

// What nobody has asked for is no row of its own.
function unconfigured(list: readonly ServerView[]): string[] {
  const lacking = list.flatMap(({ name, needs }) =>
    needs === undefined ? [] : [`  ${plain(name)}: ${plain(needs.join("; "))}`],
  );
  return lacking.length === 0
    ? []
    : ["Services that are not configured, and what they need:", ...lacking];
}

// A server may be connected and yet not have listed its tools.
function reasonOf({ status, missing }: ServerView): string | undefined {
  const error = TROUBLED.has(status?.state ?? "") ? status?.lastError : undefined;
  if (error !== undefined) return `${error.message} (${error.code})`;
  if (missing === undefined) return undefined;
  return missing.message === undefined ? missing.reason : `${missing.message} (${missing.reason})`;
}

const addOptions = z.object({
  url: z.string().optional(),
  header: z.array(z.string()).default([]),
  headerEnv: z.array(z.string()).default([]),
  era: z.string().optional(),
  transport: z.string().optional(),
  oauth: z.string().optional(),
  env: z.array(z.string()).default([]),
  envFrom: z.array(z.string()).default([]),
  cwd: z.string().optional(),
  timeout: z.string().optional(),
  project: z.string().optional(),
  preset: z.string().optional(),
  test: z.boolean().default(true),
});

function addAdd(servers: Command, state: RunState, argv: readonly string[]): void {
  const command = servers
    .command("add")
    .usage(
      "<name> --url <url> [options]\n       signalbox servers add <name> [options] -- <command> [args...]\n       signalbox servers add <preset> [arguments...]",
    )
    .description("add a server, then test it")
    .argument("<name>", "name of the server, or of a preset")
    .argument("[command...]", "after --: the command to run, without a shell")
    .option("--url <url>", "address of a remote server")
    .option("--header <name: value>", "header sent to the remote server (repeatable)", repeatable)
    .option(
      "--header-env <name=VARIABLE>",
      "header whose value is read from an environment variable (repeatable)",
      repeatable,
    )
    .option("--transport <kind>", "streamable-http or http-sse")
    .option(
      "--oauth <mode>",
      "the server takes tokens: each caller's own (principal), or one connection for all (gateway)",
    )
    .option("--era <era>", "auto, modern or legacy (default: auto)")
    .option("--env <NAME=value>", "environment variable of the command (repeatable)", repeatable)
    .option(
      "--env-from <NAME>",
      "pass this variable of your environment to the command (repeatable)",
      repeatable,
    )
    .option("--cwd <folder>", "working directory of the command")
    .option("--timeout <duration>", "longest wait for a call, such as 30s")
    .option("--project <project>", "the project it belongs to")
    .option(
      "--preset <preset>",
      `add a preset under another name: ${Object.keys(presets).join(", ")}`,
    )
    .option("--no-test", "do not test the server after adding it")
    .addHelpText("after", addHelp());
  handle(command, state, (invocation) => add(invocation, argv.includes("--")));
}

function addHelp(): string {
  const rows = Object.entries(presets).map(
    ([name, preset]) =>
      `  ${`${name} ${preset.argumentsNeeded ?? ""}`.padEnd(24)}${preset.description}`,
  );
  return `
Presets:
${rows.join("\n")}

Examples:
  $ signalbox servers add everything
  $ signalbox servers add filesystem ~/Documents
  $ signalbox servers add notes --preset filesystem ~/notes
  $ signalbox servers add files -- npx -y @modelcontextprotocol/server-filesystem /data
  $ SEARCH_AUTH='Bearer …' signalbox servers add search --url https://search.example.com/mcp --header-env Authorization=SEARCH_AUTH

Here --url is the server's address; the gateway's goes before the command: signalbox --url … servers add …`;
}

async function add(
  { args, options, io, out, api }: Invocation,
  afterDashes: boolean,
): Promise<0 | 1> {
  const [name = "", ...words] = args;
  const definition = serverDefinition({
    name,
    words,
    afterDashes,
    options: addOptions.parse(options),
    io,
  });
  const client = await api();
  out.note(whatIsAdded(name, definition));
  const note = presetNamed(addOptions.parse(options).preset ?? name)?.note;
  if (note !== undefined && !afterDashes) out.note(note);
  const added = await client.post("/api/servers", { name, ...definition }, z.unknown());
  if (!addOptions.parse(options).test) {
    out.result({ name, added: true, server: added }, () => [`${out.paint.green("added")} ${name}`]);
    return exitCodes.ok;
  }
  const report = await testServer(client, name, out);
  out.result({ name, added: true, test: report }, () => [
    `${out.paint.green("added")} ${name}`,
    ...describeTest(name, report, out),
    ...(report.ok
      ? []
      : [`  It stays added: \`signalbox servers remove ${name}\` takes it out again.`]),
  ]);
  return report.ok ? exitCodes.ok : exitCodes.failed;
}

function whatIsAdded(name: string, definition: ServerOptionsSent): string {
  if (definition.url !== undefined) return `${name} is the server at ${definition.url}`;
  const variables = Object.keys(definition.env ?? {});
  return [
    `${name} will be spawned as: ${plain(shellWords([definition.command ?? "", ...(definition.args ?? [])]))}`,
    ...(definition.cwd === undefined ? [] : [`  in ${definition.cwd}`]),
    ...(variables.length === 0 ? [] : [`  with ${variables.join(", ")} set`]),
  ].join("\n");
}

function addTest(servers: Command, state: RunState): void {
  const command = servers
    .command("test")
    .description("connect to a server now and count what it offers")
    .argument("<name>");
  handle(command, state, async ({ args, api, out }) => {
    const [name = ""] = args;
    const report = await testServer(await api(), name, out);
    out.result({ name, ...report }, () => describeTest(name, report, out));
    return report.ok ? exitCodes.ok : exitCodes.failed;
  });
}

function addLogs(servers: Command, state: RunState): void {
  const command = servers
    .command("logs")
    .description("the last lines a local server wrote to stderr")
    .argument("<name>");
  handle(command, state, async ({ args, api, out }) => {
    const [name = ""] = args;
    const path = `/api/servers/${encodeURIComponent(name)}/logs`;
    const lines = await (await api()).get(path, listOf("lines", z.string()));
    if (lines.length === 0) out.note(`${name} has written nothing to stderr.`);
    out.result({ name, lines }, () => lines.map((line) => plain(line)));
    return exitCodes.ok;
  });
}
