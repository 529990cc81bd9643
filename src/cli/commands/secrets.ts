import { randomBytes } from "node:crypto";
import type { Command } from "commander";
import { z } from "zod";
import type { ApiClient } from "../api-client.ts";
import { listOf, secretView } from "../api-shapes.ts";
import type { SecretView } from "../api-shapes.ts";
import type { CliIo } from "../cli-io.ts";
import { CliError, exitCodes, usageError } from "../exit-code.ts";
import { addGlobalOptions, handle } from "../invocation.ts";
import type { Invocation, RunState } from "../invocation.ts";
import { Prompter } from "../prompter.ts";
import { table } from "../table.ts";

/** `signalbox secrets set|list|delete|rotate|generate`. */
export function addSecretsCommands(program: Command, state: RunState): void {
  const secrets = program
    .command("secrets")
    .description("what servers are given and nobody else sees");
  addGlobalOptions(secrets, true);
  secrets.addHelpText(
    "after",
    `
A value is asked for, or read from standard input, and never taken from the command line.
Servers refer to it: signalbox servers add github --env 'GITHUB_TOKEN=\${secret:github}' -- npx …

Examples:
  $ signalbox secrets set github
  $ pass show github | signalbox secrets set github
  $ signalbox secrets rotate`,
  );
  addSet(secrets, state);
  addList(secrets, state);
  addDelete(secrets, state);
  addRotate(secrets, state);
  addGenerate(secrets, state);
}

const places = z.object({ project: z.string().optional(), owner: z.string().optional() });

function withPlace(command: Command): Command {
  return command
    .option("--project <project>", "the project it belongs to; default: default")
    .option("--owner <principal>", "the id of the principal whose own it is");
}

function addSet(secrets: Command, state: RunState): void {
  const command = secrets
    .command("set")
    .description("store a secret, or a new value for it")
    .argument("<name>", "what servers call it")
    .allowExcessArguments()
    .hook("preAction", (_, { args }) => {
      if (args.length > 1) throw valueInArguments();
    });
  handle(withPlace(command), state, async ({ io, args, options, api, out }) => {
    const [name = ""] = args;
    const client = await api();
    const value = await readValue(io, name);
    const body = { ...places.parse(options), value };
    const stored = await client.put(addressOf(name), body, secretView);
    out.result(stored, () => `${out.paint.green("stored")} ${name}${usedBy(stored)}`);
    return exitCodes.ok;
  });
}

// Not in commander's words, which repeat what was given.
function valueInArguments(): CliError {
  return usageError(
    "A value is never taken from the command line, where other users and the shell's history can see it.",
    "Type it when asked, or pipe it in. If it was the secret, take it for known and replace it.",
  );
}

function usedBy({ usedBy: servers = [] }: SecretView): string {
  return servers.length === 0 ? "" : `, for ${servers.join(", ")}`;
}

/** From a person, who does not see it, or from standard input, less the line end at its end. */
async function readValue(io: CliIo, name: string): Promise<string> {
  using prompter = new Prompter(io);
  const value = prompter.available
    ? await prompter.askHidden(`Value of ${name}: `)
    : (await readInput(io)).replace(/\r?\n$/, "");
  if (value !== "") return value;
  throw usageError("The value is empty, so nothing was stored.");
}

async function readInput({ stdin }: CliIo): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stdin) {
    const piece = Buffer.from(chunk);
    bytes += piece.length;
    if (bytes > VALUE_BYTES_MAX)
      throw usageError(`A secret has at most ${String(VALUE_BYTES_MAX)} bytes.`);
    chunks.push(piece);
  }
  return Buffer.concat(chunks).toString("utf8");
}

const VALUE_BYTES_MAX = 65_536;

function addList(secrets: Command, state: RunState): void {
  const command = secrets
    .command("list", { isDefault: true })
    .description("every secret, without its value")
    .option("--project <project>", "only those of this project");
  handle(command, state, async ({ options, api, out }) => {
    const { project } = places.parse(options);
    const query = project === undefined ? "" : `?project=${encodeURIComponent(project)}`;
    const list = await (await api()).get(`/api/secrets${query}`, listOf("secrets", secretView));
    out.result({ secrets: list }, () =>
      list.length === 0
        ? ["No secrets."]
        : table(["NAME", "PROJECT", "OWNER", "CHANGED", "LAST USED", "USED BY"], list.map(row)),
    );
    if (list.some(({ current }) => current === false))
      out.note("Some are sealed with an earlier key: `signalbox secrets rotate` seals them anew.");
    return exitCodes.ok;
  });
}

function row(secret: SecretView): string[] {
  return [
    secret.name,
    secret.project ?? "",
    secret.owner ?? "",
    minute(secret.updatedAt),
    minute(secret.lastUsedAt) || "never",
    (secret.usedBy ?? []).join(" "),
  ];
}

function minute(at: string | undefined): string {
  return at === undefined ? "" : at.slice(0, 16).replace("T", " ");
}

function addDelete(secrets: Command, state: RunState): void {
  const command = secrets
    .command("delete")
    .description("remove a secret; servers that refer to it fail from then on")
    .argument("<name>", "what servers call it")
    .option("-y, --yes", "do not ask");
  handle(withPlace(command), state, remove);
}

async function remove({ io, args, options, api, out }: Invocation): Promise<0> {
  const [name = ""] = args;
  const client = await api();
  const place = places.parse(options);
  using prompter = new Prompter(io);
  if (options["yes"] !== true && prompter.available && !out.json) {
    const users = await usersOf(client, name, place);
    const warning = users.length === 0 ? "" : ` ${users.join(", ")} will fail.`;
    if (!(await prompter.confirm(`Delete ${name}?${warning}`)))
      throw usageError("Nothing was deleted.");
  }
  const query = new URLSearchParams();
  for (const [key, text] of Object.entries(place)) if (text !== undefined) query.set(key, text);
  await client.delete(`${addressOf(name)}${query.size === 0 ? "" : `?${query.toString()}`}`);
  out.result({ name, deleted: true }, () => `${out.paint.green("deleted")} ${name}`);
  return exitCodes.ok;
}

async function usersOf(
  client: ApiClient,
  name: string,
  { project = "default", owner }: z.infer<typeof places>,
): Promise<readonly string[]> {
  const list = await client.get("/api/secrets", listOf("secrets", secretView));
  const found = list.find(
    (one) => one.name === name && (one.project ?? "default") === project && one.owner === owner,
  );
  return found?.usedBy ?? [];
}

const portion = z.looseObject({
  table: z.string(),
  left: z.number(),
  resealed: z.number(),
  unreadable: z.array(z.string()),
  next: z.string().optional(),
});

function addRotate(secrets: Command, state: RunState): void {
  const command = secrets
    .command("rotate")
    .description("seal with the key in use what an earlier one has sealed")
    .addHelpText(
      "after",
      `
Give every gateway the new key as MCP_ENCRYPTION_KEY and the old one in MCP_ENCRYPTION_KEY_PREVIOUS, start them again,
run this, then take the old one away. It may be broken off and begun again.`,
    );
  handle(command, state, async ({ api, out }) => {
    const client = await api();
    const tables = new Map<string, { resealed: number; left: number }>();
    const unreadable: string[] = [];
    for (let after: string | undefined = ""; after !== undefined;) {
      const done: z.infer<typeof portion> = await client.post(
        "/api/secrets/rotate",
        { after },
        portion,
      );
      const { resealed = 0 } = tables.get(done.table) ?? {};
      tables.set(done.table, { resealed: resealed + done.resealed, left: done.left });
      unreadable.push(...done.unreadable);
      after = done.next === after ? undefined : done.next;
    }
    const counts = [...tables].map(([name, count]) => ({ table: name, ...count }));
    const resealed = counts.reduce((sum, one) => sum + one.resealed, 0);
    const left = counts.reduce((sum, one) => sum + one.left, 0);
    out.result({ resealed, left, unreadable, tables: counts }, () =>
      table(
        ["", "SEALED ANEW", "LEFT"],
        counts.map((one) => [one.table, String(one.resealed), String(one.left)]),
      ),
    );
    if (left === 0) return exitCodes.ok;
    if (unreadable.length === 0) throw changedMeanwhile(left);
    throw new CliError({
      exitCode: exitCodes.failed,
      code: "SECRET_UNREADABLE",
      message: `No configured key opens ${unreadable.join(", ")}.`,
      remedy:
        "Add the key that sealed them to MCP_ENCRYPTION_KEY_PREVIOUS and run this again, or store them anew.",
    });
  });
}

// Another gateway, still with the earlier key in use, has sealed them since.
function changedMeanwhile(left: number): CliError {
  return new CliError({
    exitCode: exitCodes.failed,
    code: "CONFLICT",
    message: `${String(left)} were sealed with an earlier key while this ran.`,
    remedy: "Give every gateway the new key as MCP_ENCRYPTION_KEY, then run this again.",
  });
}

function addGenerate(secrets: Command, state: RunState): void {
  const command = secrets
    .command("generate")
    .description("print a good secret, for MCP_ENCRYPTION_KEY or JWT_SECRET; needs no gateway")
    .option("--bytes <count>", "random bytes, 16 to 1024", "32");
  handle(command, state, async ({ options, out }) => {
    const { bytes } = generated.parse(options);
    if (bytes === undefined) throw usageError("--bytes takes a number from 16 to 1024.");
    const secret = randomBytes(bytes).toString("base64");
    out.result({ secret }, () => secret);
    return await Promise.resolve(exitCodes.ok);
  });
}

const generated = z.object({
  bytes: z.coerce.number().int().min(16).max(1024).optional().catch(undefined),
});

function addressOf(name: string): string {
  return `/api/secrets/${encodeURIComponent(name)}`;
}
