import { Command } from "commander";
import { addAuditCommands } from "./commands/audit.ts";
import { addCacheCommands } from "./commands/cache.ts";
import { addBundlesCommands } from "./commands/bundles.ts";
import { addCallCommand } from "./commands/call.ts";
import { addConfigCommand } from "./commands/config.ts";
import { addConnectCommand } from "./commands/connect.ts";
import { addImportCommand } from "./commands/import.ts";
import { addKeysCommands } from "./commands/keys.ts";
import { addAccessCommands } from "./commands/access.ts";
import { addProjectsCommands } from "./commands/projects.ts";
import { addRolesCommands } from "./commands/roles.ts";
import { addPeopleCommands } from "./commands/people.ts";
import { addSecretsCommands } from "./commands/secrets.ts";
import { addLimitsCommands } from "./commands/limits.ts";
import { addPinsCommands } from "./commands/pins.ts";
import { addServeCommand } from "./commands/serve.ts";
import { addServersCommands } from "./commands/servers.ts";
import { addStatusCommand } from "./commands/status.ts";
import { addStdioCommand } from "./commands/stdio.ts";
import { addTokensCommands } from "./commands/tokens.ts";
import { addToolsCommand } from "./commands/tools.ts";
import { addGlobalOptions } from "./invocation.ts";
import type { RunState } from "./invocation.ts";

/** The whole command tree; commander's own messages are held back for `runCli` to say. */
export function buildProgram(state: RunState, argv: readonly string[]): Command {
  const { io } = state;
  const program = new Command("signalbox")
    .description("The MCP gateway: one endpoint, every server behind it.")
    .version(io.version ?? "0.0.0", "--version", "print the version")
    .helpOption("-h, --help", "show this help")
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      outputError: () => undefined,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
      getOutHelpWidth: () => io.stdout.columns ?? 100,
      getErrHelpWidth: () => io.stderr.columns ?? 100,
    })
    .configureHelp({ showGlobalOptions: true });
  addGlobalOptions(program, false);

  program.commandsGroup("Run:");
  addServeCommand(program, state, argv);
  addStatusCommand(program, state);
  program.commandsGroup("Servers and tools:");
  addServersCommands(program, state, argv);
  addImportCommand(program, state);
  addToolsCommand(program, state);
  addCallCommand(program, state);
  addBundlesCommands(program, state);
  addCacheCommands(program, state);
  program.commandsGroup("Clients and access:");
  addConnectCommand(program, state);
  addStdioCommand(program, state);
  addKeysCommands(program, state);
  addPeopleCommands(program, state);
  addRolesCommands(program, state);
  addProjectsCommands(program, state);
  addAccessCommands(program, state);
  addSecretsCommands(program, state);
  addLimitsCommands(program, state);
  addAuditCommands(program, state);
  addTokensCommands(program, state);
  addPinsCommands(program, state);
  program.commandsGroup("Configuration:");
  addConfigCommand(program, state, argv);
  return program.addHelpText("after", rootHelp);
}

const rootHelp = `
Start here:
  $ signalbox servers add everything       add the reference server and see what it offers
  $ signalbox tools                        every tool behind the gateway
  $ signalbox call everything__echo --args '{"message":"hello"}'
  $ signalbox connect claude-code          what to paste into a client

Exit codes: 0 ok, 1 the operation failed, 2 usage, 3 no gateway answers, 4 not authorised, 5 not found,
6 refused, 130 interrupted.`;
