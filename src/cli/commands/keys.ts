import type { Command } from "commander";
import { z } from "zod";
import type { ApiClient } from "../api-client.ts";
import { keyView, listOf } from "../api-shapes.ts";
import type { KeyView } from "../api-shapes.ts";
import { createKey } from "../create-key.ts";
import { CliError, exitCodes, usageError } from "../exit-code.ts";
import { addGlobalOptions, handle, repeatable } from "../invocation.ts";
import type { Invocation, RunState } from "../invocation.ts";
import { duration } from "../../foundation/index.ts";
import { Prompter } from "../prompter.ts";
import { table } from "../table.ts";

/** `signalbox keys create|list|revoke`. */
export function addKeysCommands(program: Command, state: RunState): void {
  const keys = program
    .command("keys")
    .description("create, list and revoke the keys that clients carry");
  addGlobalOptions(keys, true);
  keys.addHelpText(
    "after",
    `
Examples:
  $ signalbox keys create laptop
  $ signalbox keys create ci --role caller --bundle coding --expires-in 30d
  $ signalbox keys create reader --project payments --allow-server 'ledger*' --read-only
  $ signalbox keys revoke laptop`,
  );
  addCreate(keys, state);
  addList(keys, state);
  addRevoke(keys, state);
}

const createOptions = z.object({
  role: z.string(),
  bundle: z.array(z.string()).optional(),
  expiresIn: z.string().optional(),
  project: z.string().optional(),
  allowServer: z.array(z.string()).optional(),
  allowTool: z.array(z.string()).optional(),
  denyTool: z.array(z.string()).optional(),
  readOnly: z.boolean().default(false),
});

function addCreate(keys: Command, state: RunState): void {
  const command = keys
    .command("create")
    .description("create a key; it is shown once")
    .argument("<name>", "what it is for")
    .option("--role <role>", "caller, developer, operator, auditor, admin or an own one", "caller")
    .option("--project <project>", "whose servers it sees; '*' for all")
    .option("--bundle <bundle>", "allow only this bundle (repeatable)", repeatable)
    .option("--allow-server <pattern>", "allow only these servers (repeatable)", repeatable)
    .option("--allow-tool <pattern>", "allow only these tools (repeatable)", repeatable)
    .option("--deny-tool <pattern>", "deny these tools (repeatable)", repeatable)
    .option("--read-only", "allow only what reads: read-only tools, prompts, resources")
    .option("--expires-in <duration>", "such as 30d or 12h; default: never");
  handle(command, state, async ({ args, options, api, out }) => {
    const [name = ""] = args;
    const { role, bundle, expiresIn, project, ...limits } = createOptions.parse(options);
    const lifetimeMs = expiresIn === undefined ? undefined : duration.safeParse(expiresIn);
    if (lifetimeMs?.success === false)
      throw usageError(`--expires-in takes a duration such as 30d, not "${expiresIn ?? ""}".`);
    const created = await createKey(await api(), {
      name,
      role,
      bundles: bundle ?? "all",
      project,
      rules: rulesOf(limits),
      lifetimeMs: lifetimeMs?.data,
    });
    out.note("This key is shown once. Keep it safe:");
    out.result(created, () => created.key);
    return exitCodes.ok;
  });
}

// What limits the key, as rules: one that allows what is named, and those that deny.
function rulesOf(limits: {
  allowServer?: string[] | undefined;
  allowTool?: string[] | undefined;
  denyTool?: string[] | undefined;
  readOnly: boolean;
}): object[] {
  const { allowServer: servers, allowTool: tools, denyTool, readOnly } = limits;
  const allows = servers !== undefined || tools !== undefined;
  return [
    ...(allows ? [{ effect: "allow", ...(servers && { servers }), ...(tools && { tools }) }] : []),
    ...(denyTool === undefined ? [] : [{ effect: "deny", tools: denyTool }]),
    ...(readOnly ? [{ effect: "deny", actions: ["write"] }] : []),
  ];
}

function addList(keys: Command, state: RunState): void {
  const command = keys
    .command("list", { isDefault: true })
    .description("every key, without its secret");
  handle(command, state, async ({ api, out }) => {
    const list = await allKeys(await api());
    out.result({ keys: list }, () =>
      list.length === 0
        ? ["No keys."]
        : table(
            ["ID", "NAME", "ROLE", "PROJECT", "BUNDLES", "BEGINS", "LAST USED", "STATE"],
            list.map(row),
          ),
    );
    return exitCodes.ok;
  });
}

function row(key: KeyView): string[] {
  return [
    key.id,
    key.name,
    key.role,
    key.project ?? "",
    Array.isArray(key.bundles) ? key.bundles.join(" ") : (key.bundles ?? ""),
    key.prefix ?? "",
    day(key.lastUsedAt) || "never",
    stateOf(key),
  ];
}

function stateOf(key: KeyView): string {
  if (key.revokedAt !== undefined) return `revoked ${day(key.revokedAt)}`;
  return key.expiresAt === undefined ? "valid" : `until ${day(key.expiresAt)}`;
}

function day(at: string | undefined): string {
  return at === undefined ? "" : at.slice(0, 16).replace("T", " ");
}

function addRevoke(keys: Command, state: RunState): void {
  const command = keys
    .command("revoke")
    .description("revoke a key at once")
    .argument("<key>", "its id, or its name when only one valid key has it")
    .option("-y, --yes", "do not ask");
  handle(command, state, revoke);
}

async function revoke({ io, args, options, api, out }: Invocation): Promise<0> {
  const [wanted = ""] = args;
  const client = await api();
  const key = pick(await allKeys(client), wanted);
  using prompter = new Prompter(io);
  if (options["yes"] !== true && prompter.available && !out.json) {
    if (!(await prompter.confirm(`Revoke ${key.name} (${key.id})?`)))
      throw usageError("Nothing was revoked.");
  }
  await client.delete(`/api/keys/${encodeURIComponent(key.id)}`);
  out.result(
    { id: key.id, name: key.name, revoked: true },
    () => `${out.paint.green("revoked")} ${key.name}`,
  );
  return exitCodes.ok;
}

function pick(list: readonly KeyView[], wanted: string): KeyView {
  const byId = list.find(({ id }) => id === wanted);
  if (byId !== undefined) return byId;
  const byName = list.filter(({ name, revokedAt }) => name === wanted && revokedAt === undefined);
  const [key] = byName;
  if (key !== undefined && byName.length === 1) return key;
  if (byName.length > 1) {
    throw usageError(`${String(byName.length)} keys are named "${wanted}": give the id.`);
  }
  throw new CliError({
    exitCode: exitCodes.notFound,
    code: "NOT_FOUND",
    message: `There is no key "${wanted}".`,
  });
}

function allKeys(api: ApiClient): Promise<KeyView[]> {
  return api.get("/api/keys", listOf("keys", keyView));
}
