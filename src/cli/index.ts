export { runCli } from "./run-cli.ts";
export type { CliIo, StartedGateway, TerminalInput, TerminalOutput } from "./cli-io.ts";
export { exitCodes } from "./exit-code.ts";
export type { ExitCode } from "./exit-code.ts";
