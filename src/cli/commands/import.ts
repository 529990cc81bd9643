import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { resolve } from "node:path";
import type { Command } from "commander";
import { z } from "zod";
import type { ApiClient } from "../api-client.ts";
import { listOf, serverView } from "../api-shapes.ts";
import type { TestReport } from "../api-shapes.ts";
import { CliError, exitCodes, usageError } from "../exit-code.ts";
import type { ExitCode } from "../exit-code.ts";
import { serversInFile } from "../import/client-file.ts";
import { parseEnvFile } from "../import/env-file.ts";
import { planImport } from "../import/import-plan.ts";
import type { FoundServer } from "../import/found-server.ts";
import type { FoundFile, PlannedEntry } from "../import/import-plan.ts";
import { parseJsonc } from "../import/jsonc.ts";
import { knownFiles } from "../import/known-files.ts";
import { openQuestions, resolveOptions, resolveText } from "../import/placeholders.ts";
import type { OpenQuestion, Surroundings } from "../import/placeholders.ts";
import { handle } from "../invocation.ts";
import type { Invocation, RunState } from "../invocation.ts";
import { messageOf, redactText } from "../../foundation/index.ts";
import { plain } from "../output.ts";
import { Prompter } from "../prompter.ts";
import type { ServerOptionsSent } from "../server-definition.ts";
import { testServer } from "../server-test.ts";
import { shellWords } from "../shell-words.ts";

/** `signalbox import [file]`: takes over the servers that a client's file describes, each only when it is agreed to. */
export function addImportCommand(program: Command, state: RunState): void {
  const command = program
    .command("import")
    .description(
      "take over the servers of Claude Desktop, Claude Code, Cursor, VS Code, the Inspector or a server.json",
    )
    .argument("[file]", "the client's file; without it, the known places are looked through")
    .option("--dry-run", "show what would be added, add nothing")
    .option("-y, --yes", "add every server without asking; needed when there is no terminal")
    .option("--no-test", "do not test the servers after adding them")
    .addHelpText(
      "after",
      `
Each server is shown with the exact command or address before it is added; values of variables and headers are masked.
\${VAR}, \${VAR:-default}, \${env:NAME}, \${userHome}, \${workspaceFolder} and \${input:id} are resolved now; what has
no value is asked for, or named in the error when there is no terminal.

Examples:
  $ signalbox import
  $ signalbox import ~/.cursor/mcp.json --dry-run
  $ signalbox import .vscode/mcp.json
  $ GITHUB_TOKEN=… signalbox import server.json --yes`,
    );
  handle(command, state, runImport);
}

const importOptions = z.object({
  dryRun: z.boolean().default(false),
  yes: z.boolean().default(false),
  test: z.boolean().default(true),
});
type ImportOptions = z.infer<typeof importOptions>;

type Outcome =
  | { name: string; file: string; outcome: "added"; test?: TestReport }
  | { name: string; file: string; outcome: "skipped" | "declined" | "failed"; reason: string };

async function runImport(invocation: Invocation): Promise<ExitCode> {
  const { io, out, args } = invocation;
  const options = importOptions.parse(invocation.options);
  const files =
    args[0] === undefined ? await lookAround(invocation) : [await readGiven(args[0], invocation)];
  for (const { client, file, entries } of files) {
    out.note(
      `${client}: ${file}, ${String(entries.length)} ${entries.length === 1 ? "server" : "servers"}`,
    );
  }
  const plan = planImport(files, await existingNames(invocation, options));
  if (options.dryRun) return showPlan(plan, invocation);

  using prompter = new Prompter(io);
  const interactive = prompter.available && !options.yes && !out.json;
  if (plan.some(({ kind }) => kind === "add") && !interactive && !options.yes) {
    throw usageError(
      "Nothing is added without consent: run this on a terminal, or agree to all of it with --yes.",
    );
  }
  if (!interactive) refuseOpenQuestions(plan, surroundingsOf(invocation));
  const outcomes: Outcome[] = [];
  for (const entry of plan) {
    outcomes.push(
      await carryOut(entry, { invocation, options, prompter: interactive ? prompter : undefined }),
    );
  }
  out.result({ servers: outcomes }, () => summary(outcomes));
  return outcomes.some(({ outcome }) => outcome === "failed") ? exitCodes.failed : exitCodes.ok;
}

async function lookAround({ io, out }: Invocation): Promise<FoundFile[]> {
  const places = {
    platform: io.platform ?? process.platform,
    env: io.env,
    userHome: io.userHome ?? homedir(),
    cwd: io.cwd ?? process.cwd(),
  };
  const known = knownFiles(places);
  const found: FoundFile[] = [];
  for (const { client, file } of known) {
    const text = await readFile(file, "utf8").catch(() => undefined);
    if (text === undefined) continue;
    try {
      found.push({ client, file, entries: serversInFile(parseJsonc(text), file) ?? [] });
    } catch (error) {
      out.note(`${client}: ${file} is passed over: ${messageOf(error)}`);
    }
  }
  if (found.length > 0) return found;
  throw new CliError({
    exitCode: exitCodes.notFound,
    code: "NOT_FOUND",
    message: "No client's file was found in the known places.",
    remedy: `Name one: signalbox import <file>. Looked for: ${known.map(({ file }) => file).join(", ")}`,
  });
}

async function readGiven(given: string, { io }: Invocation): Promise<FoundFile> {
  const file = resolve(io.cwd ?? process.cwd(), given);
  try {
    const entries = serversInFile(parseJsonc(await readFile(file, "utf8")), file);
    if (entries !== undefined) return { client: "File", file, entries };
  } catch (cause) {
    const reason = cause instanceof SyntaxError ? messageOf(cause) : "it cannot be opened";
    throw unreadable(`${file} cannot be read: ${reason}.`, cause);
  }
  throw unreadable(
    `${file} has none of the shapes this command knows: mcpServers, servers, or a server.json.`,
    undefined,
  );
}

function unreadable(message: string, cause: unknown): CliError {
  return new CliError({ exitCode: exitCodes.usage, code: "IMPORT_UNREADABLE", message, cause });
}

async function existingNames(
  { api, out }: Invocation,
  { dryRun }: ImportOptions,
): Promise<ReadonlySet<string>> {
  try {
    const servers = await (await api()).get("/api/servers", listOf("servers", serverView));
    return new Set(servers.map(({ name }) => name));
  } catch (error) {
    if (!dryRun) throw error;
    out.note(`Not compared with what the gateway has: ${messageOf(error)}`);
    return new Set();
  }
}

function surroundingsOf({ io }: Invocation): Surroundings {
  return { env: io.env, userHome: io.userHome ?? homedir() };
}

function refuseOpenQuestions(plan: readonly PlannedEntry[], surroundings: Surroundings): void {
  const open = plan.flatMap((entry) =>
    entry.kind === "add"
      ? openQuestions(entry.server, surroundings)
          .filter((question) => question.default === undefined)
          .map(({ id }) => `${id} (for ${entry.name})`)
      : [],
  );
  if (open.length === 0) return;
  throw usageError(
    `These have no value: ${open.join(", ")}.`,
    "Set the environment variables, or run this on a terminal, where they are asked for.",
  );
}

function showPlan(plan: readonly PlannedEntry[], invocation: Invocation): ExitCode {
  const surroundings = surroundingsOf(invocation);
  const { out } = invocation;
  const shown = plan.map((entry) =>
    entry.kind === "skip"
      ? { name: entry.name, file: entry.file, outcome: "skipped", reason: entry.reason }
      : {
          name: entry.name,
          file: entry.file,
          outcome: "would be added",
          server: masked(entry.server.options),
          asks: openQuestions(entry.server, surroundings).map(({ id }) => id),
          notes: entry.notes,
        },
  );
  out.result({ servers: shown }, () => plan.flatMap((entry) => describe(entry, surroundings)));
  return exitCodes.ok;
}

function describe(entry: PlannedEntry, surroundings: Surroundings): string[] {
  if (entry.kind === "skip") return [plain(`${entry.name}: skipped. ${entry.reason}`)];
  const open = openQuestions(entry.server, surroundings).map(({ id }) => id);
  return [
    `${entry.name}: ${whatItIs(shownOptions(entry.server, surroundings))}`,
    ...valuesOf("variables", entry.server.options.env),
    ...valuesOf("headers", entry.server.options.headers),
    ...(entry.server.envFile === undefined ? [] : [`  variables from ${entry.server.envFile}`]),
    ...entry.notes.map((note) => `  ${note}`),
    ...(open.length === 0 ? [] : [`  asks for ${open.join(", ")}`]),
  ].map(plain);
}

/** The options as they will be, but for the environment's values, which stay names. */
function shownOptions(server: FoundServer, { env, userHome }: Surroundings): ServerOptionsSent {
  const names = Object.fromEntries(Object.keys(env).map((name) => [name, `\${${name}}`]));
  const asked = new Map(
    openQuestions(server, { env, userHome }).map(({ id }) => [id, `\${${id}}`]),
  );
  return resolveOptions(server, { env: names, userHome }, asked);
}

function whatItIs(options: ServerOptionsSent): string {
  if (options.url !== undefined) return `connects to ${redactText(options.url)}`;
  const where = options.cwd === undefined ? "" : ` in ${options.cwd}`;
  return `runs ${shellWords([options.command ?? "", ...(options.args ?? [])])}${where}`;
}

function valuesOf(what: string, values: Readonly<Record<string, string>> | undefined): string[] {
  const names = Object.keys(values ?? {});
  return names.length === 0 ? [] : [`  ${what} ${names.map((name) => `${name}=***`).join(" ")}`];
}

function masked(options: ServerOptionsSent): unknown {
  return {
    ...options,
    ...(options.env === undefined ? {} : { env: maskedValues(options.env) }),
    ...(options.headers === undefined ? {} : { headers: maskedValues(options.headers) }),
  };
}

function maskedValues(values: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.keys(values).map((name) => [name, "***"]));
}

interface Work {
  invocation: Invocation;
  options: ImportOptions;
  /** Absent when everything was agreed to. */
  prompter: Prompter | undefined;
}

async function carryOut(entry: PlannedEntry, work: Work): Promise<Outcome> {
  const { out } = work.invocation;
  const { name, file } = entry;
  if (entry.kind === "skip") return { name, file, outcome: "skipped", reason: entry.reason };
  const surroundings = surroundingsOf(work.invocation);
  if (work.prompter === undefined) out.note(describe(entry, surroundings).join("\n"));
  else out.say(`\n${describe(entry, surroundings).join("\n")}`);
  if (work.prompter !== undefined && !(await work.prompter.confirm(`Add ${name}?`))) {
    return { name, file, outcome: "declined", reason: "You said no." };
  }
  try {
    const options = await completed(entry, surroundings, work);
    const api = await work.invocation.api();
    await api.post("/api/servers", { name, ...options }, z.unknown());
    const test =
      work.options.test && options.enabled !== false ? await tested(api, name, work) : undefined;
    return { name, file, outcome: "added", ...(test === undefined ? {} : { test }) };
  } catch (error) {
    if (
      error instanceof CliError &&
      error.exitCode !== exitCodes.usage &&
      error.exitCode !== exitCodes.refused
    )
      throw error;
    return { name, file, outcome: "failed", reason: messageOf(error) };
  }
}

async function tested(api: ApiClient, name: string, { invocation }: Work): Promise<TestReport> {
  return await testServer(api, name, invocation.out);
}

/** The options as they are sent: questions answered, placeholders replaced, the variables file read in. */
async function completed(
  entry: Extract<PlannedEntry, { kind: "add" }>,
  surroundings: Surroundings,
  { prompter }: Work,
): Promise<ServerOptionsSent> {
  const answers = new Map<string, string>();
  for (const question of openQuestions(entry.server, surroundings)) {
    answers.set(question.id, await answerOf(question, prompter));
  }
  const options = resolveOptions(entry.server, surroundings, answers);
  const { envFile } = entry.server;
  if (envFile === undefined) return options;
  const path = resolve(
    entry.server.folder,
    resolveText(envFile, entry.server, surroundings, (id) => answers.get(id) ?? ""),
  );
  try {
    return { ...options, env: { ...parseEnvFile(await readFile(path, "utf8")), ...options.env } };
  } catch (cause) {
    throw new CliError({
      exitCode: exitCodes.usage,
      code: "IMPORT_UNREADABLE",
      message: `Its variables file ${path} cannot be read.`,
      cause,
    });
  }
}

async function answerOf(question: OpenQuestion, prompter: Prompter | undefined): Promise<string> {
  const { description, secret, choices } = question;
  const standing = question.default;
  if (prompter === undefined) return standing ?? "";
  const among = choices === undefined ? "" : ` (${choices.join(", ")})`;
  const shown = standing === undefined ? "" : ` [${standing}]`;
  const text = `  ${plain(description)}${among}${shown}: `;
  for (let tries = 0; tries < 3; tries += 1) {
    const typed = (secret ? await prompter.askHidden(text) : await prompter.ask(text)).trim();
    const answer = typed === "" ? standing : typed;
    if (answer !== undefined && (choices === undefined || choices.includes(answer))) return answer;
  }
  throw usageError(`There was no value for ${question.id}.`);
}

function summary(outcomes: readonly Outcome[]): string[] {
  if (outcomes.length === 0) return ["There are no servers in there."];
  return outcomes.map((result) =>
    plain(
      result.outcome === "added"
        ? `${result.name}: added${testedAs(result.name, result.test)}`
        : `${result.name}: ${result.outcome}. ${result.reason}`,
    ),
  );
}

function testedAs(name: string, test: TestReport | undefined): string {
  if (test === undefined) return "";
  if (test.ok) return `, ${String(test.tools ?? 0)} tools`;
  return `, but it does not answer yet: ${test.error?.message ?? "the test failed"} (\`signalbox servers test ${name}\` tries again)`;
}
